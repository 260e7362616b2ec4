// Package triggers is what starts runs: the incident feed, the clock, what queries
// find, and people. It maps what an API tells onto the incident model, finds out
// what is new in it, asks every playbook whether it concerns it, and begins runs in
// the engine.
//
// The feed of a tenant reads Defender XDR and Sentinel, one node at a time. What
// it decides over a revision of an incident is kept before it is done, so that a
// crash neither forgets a run nor begins one twice, and told afterwards, playbook
// by playbook. Nothing that is wrong with one incident stops the others.
//
// It knows nothing of steps or of how a run goes on.
package triggers
