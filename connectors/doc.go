// Package connectors holds what every wire to an outside API shares: clouds
// and credentials, one HTTP client that never repeats and never waits, errors
// that say by behaviour what may be done about them, paging that stays on its
// host, and the bounds of a changing request; and for addresses that playbooks
// choose another client, whose every connection the egress guard judges.
//
// It knows nothing of playbooks, actions or runs. Whoever calls it decides
// whether and when to try again; nothing here sleeps.
package connectors
