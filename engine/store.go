package engine

import (
	"context"
	"errors"
	"time"
)

// Store keeps runs. It knows their shape (runs, strands, leases, windows,
// joins, timers, caps, the freeze) and nothing of what their facts say: bodies
// are opaque bytes to it. Every method is one atomic act; every changing one
// carries a request id, and a repeat of it answers what the first answered and
// changes nothing. Time is the store's own; arguments are durations.
// storetest judges every implementation.
type Store interface {
	// Begin starts a run unless its dedupe key did so before.
	Begin(ctx context.Context, b Begin) (Begun, error)
	// Claim leases due strands: it also fires timers and takes over what lost
	// workers held.
	Claim(ctx context.Context, c Claim) (Claimed, error)
	// Settle writes what a holder has to say of its strand and what comes
	// next, together. It answers ErrLeaseLost, having changed nothing, if the
	// strand is not held under this token at this position.
	Settle(ctx context.Context, s Settlement) (Settled, error)
	// Renew makes leases last from now. It answers those that are lost.
	Renew(ctx context.Context, leases []Lease, last time.Duration) (Renewed, error)
	// Signal tells a run or one of its strands something from outside.
	Signal(ctx context.Context, s Signal) (Signalled, error)
	// Take reserves targets under a cap.
	Take(ctx context.Context, t Take) (Taken, error)
	// Draw asks for a call's part of a budget of an API, which all workers
	// share, or tells what the API has said of it or how much was used in the end.
	// Budgets are not moved to another store: they fill up by themselves.
	Draw(ctx context.Context, d Draw) (Drawn, error)
	// Freeze stops every effect that has not begun, or lets them go on; with
	// an empty Change it only answers the present state.
	Freeze(ctx context.Context, f Freeze) (Frozen, error)
	// Run answers all that is kept of a run, or ErrNotFound.
	Run(ctx context.Context, id string) (RunRecord, error)
	// Follow answers what has changed after the cursor, in the order of the
	// newest change of each within a partition, at most limit records; with an
	// empty cursor it begins with everything that is kept.
	Follow(ctx context.Context, cursor string, limit int) (Page, error)
	// Close ends the use of the store. Leases held are given back.
	Close() error
}

// The sentinels that stores answer, wrapped with what they were about.
var (
	// ErrLeaseLost is returned by Settle when the strand is not held under
	// the token, or not at the position, that was given.
	ErrLeaseLost = errors.New("lease lost")
	// ErrUnheard goes with ErrLeaseLost where the settlement was sent before and
	// the answer was not heard: it may have been done then.
	ErrUnheard = errors.New("an earlier answer was not heard")
	// ErrNotFound is returned by Run, Get and Signal.
	ErrNotFound = errors.New("not found")
	// ErrConflict is returned by Put, Delete and Signal when what was seen
	// has changed since.
	ErrConflict = errors.New("changed meanwhile")
	// ErrNewer is returned on opening a store that a newer version wrote.
	ErrNewer = errors.New("the store was written by a newer version of stanch")
	// ErrWorkerBusy is returned on opening a store for work while another
	// process works on it.
	ErrWorkerBusy = errors.New("another process is the worker of this store")
	// ErrFull is returned by every changing act when there is no room: on the disk, or
	// in the memory of a server.
	ErrFull = errors.New("the store is full")
	// ErrDamaged is returned by every act that meets what another program has
	// written over, or what cannot be read. Nothing of it is overwritten.
	ErrDamaged = errors.New("what the store holds is damaged")
	// ErrEnded is returned by Signal for a run that has ended.
	ErrEnded = errors.New("the run has ended")
)

// Damage is an ErrDamaged that says by itself what is damaged, and what to do: it
// is the same whoever has met it.
type Damage struct{ What string }

func (d Damage) Error() string { return ErrDamaged.Error() + ": " + d.What }

// Is reports whether the target is ErrDamaged.
func (d Damage) Is(target error) bool { return target == ErrDamaged }

// Begin asks for a run.
type Begin struct {
	Request  string
	Playbook string
	Subject  string // what the run is about; decides the partition
	Dedupe   string // at most one run per (Playbook, Subject, Dedupe); "" never repeats
	Edition  string // digest under which the edition is kept as a document
	Mode     string // plan | shadow | live
	Head     []byte // opaque: event, params and who started it
	Lane     int    // 0 is drawn most often … 3 least
	Key      string // concurrency key, one for the runs about this Subject; "" takes none
	Wide     bool   // the key is one for runs about all subjects
	// WhenBusy says what becomes of a run whose key is held. It waits for it:
	// queue, in the order of Begin, behind at most 99 others. It is none: skip.
	// It cancels the holder and all that wait, and waits for the holder's end:
	// replace. Empty is queue.
	WhenBusy string
	// After, without a key, lets the run begin only when so much time has
	// passed. Until then it is queued.
	After time.Duration
	Audit [][]byte
}

// Begun answers Begin.
type Begun struct {
	Run  string
	New  bool // false: an earlier Begin made this run
	Busy bool // the key is held and WhenBusy is skip, or 100 runs wait for it: no run
	At   time.Time
}

// Claim asks for work.
type Claim struct {
	Worker string
	Max    int
	Room   *[Lanes]int   // of each lane at most; nil: as many as Max
	Last   time.Duration // of each lease
}

// Claimed answers Claim. NextDue is now if Max left out what was due in lanes that
// have room left; what a lane had no room for does not count.
type Claimed struct {
	Strands []Strand
	At      time.Time
	NextDue time.Time // of the earliest timer or lease end; zero: nothing is waiting for a time
	Frozen  bool
	Damage  []error // ErrDamaged of each part of the store that cannot be worked on; the rest goes on
	// Silent is why some of the store was not heard: its strands are not among
	// these, though some may have been leased. A later Claim answers those, with
	// leases that last from then, unless they have run out.
	Silent error
}

// Lease names a held strand. Seq is its position: the number of its settles.
type Lease struct {
	Run    string
	Strand string // path; "" is the root
	Token  string
	Seq    int64
}

// Strand is a claimed strand with all that is needed to go on.
type Strand struct {
	Lease
	Head     RunHead
	Lane     int          // of its run
	Facts    []Fact       // its own, in order, signals among them
	Above    []AboveFacts // those of the strands around it, outermost first
	Item     []byte       // of a for_each child, as Open gave it
	Children []Ended      // when the join it waited for has fired: all children, by index
	At       time.Time    // of the act that made it due
	Lost     int          // how often it was claimed without a settle
	Cancel   Cancel
	Under    Cancel // the mark under which it was opened: see Settlement.Under
}

// AboveFacts are the facts of a strand around the claimed one.
type AboveFacts struct {
	Strand string
	Facts  []Fact
	Item   []byte
}

// RunHead is what every strand of a run knows of it.
type RunHead struct {
	ID       string
	Playbook string
	Subject  string
	Edition  string
	Mode     string
	Head     []byte
	BegunAt  time.Time
	Queued   bool // it could not begin at once: its key was held, or Begin.After
}

// Fact is one thing that happened in a strand. N orders the facts of a strand
// and is given by the store, as is At.
type Fact struct {
	N      int64
	At     time.Time
	Signal bool // came by Signal, not from a holder
	Body   []byte
}

// Cancel is the mark on a run.
type Cancel string

// The marks of a run.
const (
	NotCancelled Cancel = ""
	Cancelled    Cancel = "cancel"
	Terminated   Cancel = "terminate"
)

// Settlement is what a holder writes.
type Settlement struct {
	Request string
	Lease   Lease
	Seen    int64 // the highest fact number the holder knows
	Facts   [][]byte
	Audit   [][]byte
	Put     []Document // written with it (AnyVersion)

	// Intent marks a settlement that records an intent: it is refused while
	// the store is frozen, when the run has a mark other than Under, and when
	// one of Take does not fit; then nothing has changed.
	Intent bool
	Take   []Take

	// Begin are runs that begin by the same act. They are about the same
	// Subject, and take no Key; their Request is not used.
	Begin []Begin

	// Under is the mark of the run under which the holder acts, knowing it: as
	// what tidies up after a cancel does. Under it the holder may record
	// intents and open children, and a Wait lets go; the children carry it as
	// Strand.Under. Terminated allows nothing of the kind.
	Under Cancel

	// Proved asks that, where the store has replicas, one has it before it is
	// acknowledged: an acknowledged intent to destroy survives the loss of the
	// server that took it.
	Proved bool

	Then Then
}

// Then says what becomes of the strand. Exactly one field is set; none means
// that the holder goes on under the same lease.
type Then struct {
	Yield bool // due at once, for anybody
	Wait  *Wait
	Open  *Open
	End   *End
}

// Wait lets go of the strand until a time, or a signal to it. Every signal
// wakes it; so do cancel and, if Thaw is set, the end of a freeze.
type Wait struct {
	For  time.Duration // from now; 0 without Forever: at once
	Ever bool          // no time: only a signal
	On   string        // what for, for people: "approval of gate"
	Thaw bool
}

// Open starts child strands and lets go of the strand until all that were
// started have ended. Children are numbered from 0; child i has the path
// Path[i] ("contain[3]"). At most Window of them live at once. With Count 0
// the strand is due at once.
type Open struct {
	Path   string
	Count  int
	Window int
	Items  [][]byte // one each, or none
	// Failfast starts no further child once one has ended as failed.
	Failfast bool
}

// Ended is how a child ended. Index is its number.
type Ended struct {
	Index   int
	Outcome string // succeeded | failed | skipped | rejected | cancelled
	Result  []byte
}

// End ends the strand. Of the root it ends the run with Outcome as status:
// succeeded | failed | rejected | cancelled.
type End struct {
	Outcome string
	Result  []byte
}

// Settled answers Settle.
type Settled struct {
	At      time.Time
	Cancel  Cancel
	Seen    int64    // the highest fact number now
	Signals []Fact   // those after Settlement.Seen; with one, a Wait has not let go: the holder still holds
	Holds   bool     // the holder still holds the lease, at Seq+1
	Begun   []string // ids of the runs of Settlement.Begin
	Next    *Strand  // after End: the next child of the window, or the parent whose join fired, already leased to this holder
	Refused string   // of an Intent: "frozen" | "cancelled" | "cap <name>"; nothing has changed
}

// Renewed answers Renew.
type Renewed struct {
	At     time.Time
	Lost   []Lease
	Frozen bool
	Cancel map[string]Cancel // by run, where marked
	// Silent is why some of the store was not heard: of the leases that lie there
	// nobody knows whether they last, and none of them is in Lost.
	Silent error
}

// Signal is a word from outside to a strand (a fact of it, with Body), or, with
// Cancel, the mark on the whole run: then every waiting strand of it is due.
type Signal struct {
	Request string
	Run     string
	Strand  string
	Body    []byte
	Seen    int64 // the strand's highest fact number must still be this, else ErrConflict; AnyVersion: whatever
	Cancel  Cancel
	Audit   [][]byte
}

// Signalled answers Signal.
type Signalled struct {
	At time.Time
	N  int64 // number of the fact
}

// Take reserves Targets for Effect under the cap Name: a target already
// reserved counts once, whoever reserved it. It is granted if afterwards at
// most Limit targets are reserved; else nothing has changed. Back gives the
// effect's reservation back.
type Take struct {
	Request string
	Name    string
	Limit   int
	Effect  string
	Targets []string
	Window  time.Duration // how long a reservation counts; 0: for ever
	Back    bool
}

// Taken answers Take.
type Taken struct {
	Granted bool
	Count   int // reserved now
}

// Freeze changes the freeze. Change is "freeze", "thaw" or "" (only ask).
type Freeze struct {
	Request string
	Change  string
	By      string
	Reason  string
	Audit   [][]byte
}

// Frozen is the state of the freeze.
type Frozen struct {
	On     bool
	By     string
	Reason string
	At     time.Time
}

// RunRecord is all that is kept of a run.
type RunRecord struct {
	RunHead
	Status  string // queued | running | succeeded | failed | rejected | cancelled
	Cancel  Cancel
	EndedAt time.Time
	Result  []byte
	Strands []StrandRecord // root first, then by path
}

// StrandRecord is one strand of a RunRecord.
type StrandRecord struct {
	Path  string
	State string // due | leased | waiting | joining | ended
	On    string // what it waits for
	Due   time.Time
	Lost  int
	Item  []byte
	Facts []Fact
	Seen  int64
	Ended *Ended
}

// Page is a piece of the stream.
type Page struct {
	Records []Record
	Cursor  string
	More    bool
}

// Record tells what is there now of something that has changed: the newest of it
// only, so who follows may miss what was there for a moment in between. Which
// fields are set depends on Kind: run (Head, Status, Cancel, EndedAt, Active,
// Waits), document (Document; Deleted), audit (Body).
type Record struct {
	Partition int
	Seq       int64 // rises within a partition
	Kind      string
	At        time.Time // of the change
	Run       string
	Head      *RunHead
	Status    string // as RunRecord.Status
	Cancel    Cancel
	EndedAt   time.Time
	Active    bool     // a strand of the run is due or leased
	Waits     []string // what its strands wait for, sorted, each once
	Document  *Document
	Deleted   bool
	Body      []byte
}
