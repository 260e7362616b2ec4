package history

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"stanch/engine"
)

// Violation is a law of the engine that was broken. Law 0 stands for what is
// promised beside the twelve: that facts, positions, windows and keys add up.
type Violation struct {
	Law     int
	Run     string
	Strand  string
	Message string
	Lines   []int // of the history, by index: what shows it
}

// Witness is one change that the outside world saw, as the practice tenant's
// audit tells it. RequestID is the id of the effect.
type Witness struct {
	RequestID string    `json:"request_id"`
	Operation string    `json:"operation"`
	Target    string    `json:"target"`
	At        time.Time `json:"at"`
	Status    int       `json:"status"`
}

// Bounds are the times that a check goes by. The zero value has the usual ones.
type Bounds struct {
	// Late is how long after its time something may still wait for a claim that
	// has room for it: one minute if zero, the longest that a partition without
	// an owner waits for a visit.
	Late time.Duration
	// Slack is how far two readings of one clock may differ by rounding: one
	// millisecond if zero.
	Slack time.Duration
}

// Check decides which laws a history breaks, by the usual Bounds.
func Check(lines []Line, final []engine.RunRecord, witness []Witness) []Violation {
	return Bounds{}.Check(lines, final, witness)
}

// Check decides which laws a history breaks. The order of the lines is the
// order in which they were written. final is what the store keeps of every run
// at the end, when nothing is under way any more, and witness what the world saw; where one is nil, what needs it is
// not decided. The answer is in the order of the laws, and the same for the same
// arguments.
func (b Bounds) Check(lines []Line, final []engine.RunRecord, witness []Witness) []Violation {
	if b.Late == 0 {
		b.Late = time.Minute
	}
	if b.Slack == 0 {
		b.Slack = time.Millisecond
	}
	k := &ledger{late: int64(b.Late), slack: int64(b.Slack), lines: lines, final: final, witness: witness}
	k.read()
	for _, law := range []func(){
		k.runs, k.editions, k.positions, k.leases, k.takeovers, k.joins, k.windows, k.effects, k.sent,
		k.timers, k.facts, k.decisions, k.caps, k.freeze, k.cancels, k.keys, k.documents, k.ends,
	} {
		law()
	}
	slices.SortStableFunc(k.found, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.Law, b.Law), cmp.Compare(a.Run, b.Run), cmp.Compare(a.Strand, b.Strand), slices.Compare(a.Lines, b.Lines), cmp.Compare(a.Message, b.Message))
	})
	return slices.CompactFunc(k.found, func(a, b Violation) bool {
		return a.Law == b.Law && a.Run == b.Run && a.Strand == b.Strand && a.Message == b.Message && slices.Equal(a.Lines, b.Lines)
	})
}

// shows names lines that show a violation: those of acts that were done.
type shows interface{ shown() []int }

func (k *ledger) broken(law int, p Place, by []shows, format string, args ...any) {
	v := Violation{Law: law, Run: p.Run, Strand: p.Strand, Message: fmt.Sprintf(format, args...)}
	for _, s := range by {
		v.Lines = append(v.Lines, s.shown()...)
	}
	slices.Sort(v.Lines)
	v.Lines = slices.Compact(v.Lines)
	k.found = append(k.found, v)
}
