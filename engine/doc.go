// Package engine makes runs happen: it decides what a strand does next (Next,
// pure), does it through the catalog of actions, and records it in a Store so
// that a kill at any point loses nothing and repeats nothing.
//
// Where to begin: store.go is what is kept, state.go and apply.go what facts
// amount to, next*.go what follows from that; holding.go drives a strand under
// its lease, perform.go, effect.go and check.go act on the world, guard.go and
// covered.go say what may be done, approval*.go, form.go, remind.go and decide.go
// ask people, mailbox.go and await.go bring events, undo*.go, lasting.go and
// rollback.go go back, again.go, retry*.go and kept.go go on with a run that has
// ended, turn.go asks for whom a key has become free, describe*.go,
// export.go and answers.go tell.
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
//   - How a list of steps ends (next_leave.go) is carried outwards, list by list:
//     a step's body, then its on_error, then its finally, each a list of its own;
//     what went wrong first stands. A called playbook is one child strand with
//     names, outline, on_failure and finally of its own.
//   - The time of a run, of a call and of a whole step (next_limit.go) is read off
//     the place where a strand stands, so that nothing has to remember that it is
//     over: it ends every wait inside, those of children too, and fails the steps
//     inside whatever their on_error says. Nothing around bounds a finally, and
//     on_failure not the time of its own playbook.
//   - A cancel ends a strand once its open effect has its outcome; every finally
//     around runs, ten minutes in all from when the mark was first seen. Where
//     nothing has begun there is nothing to tidy up. Terminate tidies nothing up.
//   - A plan runs the same code: effects are prepared and not begun, and what
//     fails only for want of them is skipped.
//   - An event is kept first, then those who wait are told; a strand is registered
//     first, then looks into the box. Whoever dies between, the message is seen:
//     by the look, or by a strand that is told, at the latest by a worker's sweep.
//     What is told is only that there is something: the strand itself takes it,
//     and a document per message and run says which step of the run did.
//   - An effect with for, its result and the run that takes it back are one act.
//     The next worker that finds the result without the name of that run begins
//     it again: its dedupe key is the effect.
//   - on_error: rollback is an on_error of one step that nobody wrote. What it
//     undoes is a fact, gathered once; the undo is a strand like one that is
//     called. What the run's end or a cancel forces to leave is not rolled back,
//     as it is not rescued: an undo of the run is.
//   - A retry is a run of its own that is given, as its edition is, what of the
//     earlier one it keeps: so that it is kept follows from what the run began
//     with, and a retry is retried as any run is. A step is kept as one fact. Kept
//     is what succeeded, nothing else: what tidied up, what was taken back, and a
//     child that began with another item are done anew. Whether an undo took
//     something back is looked at again when it is kept: the undo may have been
//     before the retry in the queue.
//   - Who approves first fills in the form; the others approve what they see.
//   - A run that waited for its key, and whose trigger's condition is no longer
//     true of the newest revision of the incident, ends as cancelled: it has done
//     nothing, its on_failure and finally neither.
//   - The engine sees actions.Catalog only: it cannot know that Entra exists.
package engine
