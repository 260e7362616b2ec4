// Package rehearse runs the test cases of playbooks: the real engine on a store
// in memory, a clock that is moved by hand, and for the world the answers of the
// case or those of a practice tenant. It measures which steps and branches the
// cases reach, and which changes of the playbook none of them notices.
//
// Nothing here waits: when nothing is due, the clock goes to what is due next.
// A case does not see what another did, and the same cases give the same
// results in any order.
//
// It tries playbooks on past incidents, too (backtest*.go): there each run is a
// plan, and the world is what past runs read, or the practice tenant.
//
// It knows no network, no connector and no file: who calls it says how fixtures
// are read and what the world is.
package rehearse
