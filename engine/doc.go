// Package engine makes runs happen: it decides what a strand does next (Next,
// pure), does it through the catalog of actions, and records it in a Store so
// that a kill at any point loses nothing and repeats nothing.
//
// Why it is as it is:
//   - Facts are written, states are computed: a run is the facts of its strands,
//     and Next(edition, state, facts) is a pure function of them. Playbooks are
//     data, so nothing has to be replayed.
//   - A lease is a token, not a time: it ends when somebody else claims the
//     strand. The store refuses a settlement under a lost token.
//   - An effect is intent, then request, then result. What was not answered is
//     read back, never guessed and never blindly repeated.
//   - The engine sees actions.Catalog only: it cannot know that Entra exists.
package engine
