// Package history records what a store was asked and what it answered, and
// decides from that record whether the laws of the engine were kept.
//
// Recorder stands between an engine and its store and writes one line before
// and one after each act, as Jepsen does. Check reads the lines, and where they
// are to be had the last state of the store and what the outside world saw, and
// names every law that was broken.
//
// What is not certain is read in favour of the law: an act whose answer is not
// known may or may not have been done, at any time after it was asked for; acts
// that overlap may have been done in any order. So a violation that Check names
// is one, whatever happened inside the store, as long as every process that
// acted on the store has recorded.
//
// The package knows no store and no playbook. Bodies never reach a history:
// digests stand for them, for tokens and for the names of people.
package history
