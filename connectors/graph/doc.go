// Package graph is Microsoft Graph v1.0 as far as the actions and the feed use
// it, each call a typed method. Methods that change something take a
// connectors.Change and send one request, once.
//
// It knows nothing of playbooks, actions or the incident model: incidents are
// given as the bytes the API sent.
package graph
