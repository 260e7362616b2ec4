// Package engine makes runs happen: it decides what a strand does next (Next,
// pure), does it through the catalog of actions, and records it in a Store so
// that a kill at any point loses nothing and repeats nothing.
//
// Where to begin: store.go is what is kept, state.go and apply.go what facts
// amount to, next*.go what follows from that; holding.go drives a strand under
// its lease, perform.go, effect.go and check.go act on the world, guard.go and
// covered.go say what may be done, approval*.go and decide.go ask people,
// undo*.go goes back, describe*.go tells.
//
// Why it is as it is:
//   - Facts are written, states are computed: a run is the facts of its strands,
//     and next is a pure function of them. Playbooks are data, so nothing has to
//     be replayed. Whoever takes a strand over knows what its worker knew: tests
//     compare the two after every move.
//   - A lease is a token, not a time: it ends when somebody else claims the
//     strand. The store refuses a settlement under a lost token. Until then a
//     result is settled for as long as it takes, and its lease renewed.
//   - An effect is intent, then request, then result. What was not answered is
//     read back, never guessed and never blindly repeated, and not before the
//     request is over and the world has settled. What is sent again after nobody
//     could tell stays in doubt: if it then certainly fails, a person decides.
//   - Nothing that depends on an effect begins before its result is durable: an
//     act of a step without effect comes between, or the next intent carries it.
//   - A gate binds what it covers: unless its own condition, or that of a block
//     around it, was false, a covered effect needs its yes, whatever way the run
//     took to get there. Verdicts of gates in branches are carried to the join.
//   - An answer is for one question: its hash stands in the fact. A question
//     about another effect, or a target in another state, is another question.
//   - The time of a run ends every wait in it, those of children too; the step it
//     stands at and the blocks around it fail, whatever their on_error says.
//     on_failure has no time.
//   - A cancel ends a strand once its open effect has its outcome.
//   - A plan runs the same code: effects are prepared and not begun, and what
//     fails only for want of them is skipped.
//   - The engine sees actions.Catalog only: it cannot know that Entra exists.
package engine
