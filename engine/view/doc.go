// Package view holds what lists, filters and searches read: SQL tables that it
// builds from the stream of a store. Deciding never reads it: what it shows may
// be a moment old, and it can be deleted and built again at any time.
//
// The tables have names beginning with view_, so they can stand in the file of
// the SQLite store; in a file of their own they keep nobody waiting who writes
// there. Several processes may share one.
//
// It reads heads, audit records and the documents of incidents and approvals.
// It must not know what the facts of a run say: what a run is doing now is told
// by the states of its strands, what became of an effect by its audit records.
package view
