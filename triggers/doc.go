// Package triggers is what starts runs: the incident feed, the clock, what queries
// find, and people. It maps what an API tells onto the incident model, finds out
// what is new in it, asks every playbook whether it concerns it, and begins runs in
// the engine.
//
// It knows nothing of steps or of how a run goes on.
package triggers
