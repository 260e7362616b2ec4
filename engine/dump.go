package engine

import (
	"context"
	"crypto/sha256"
	"hash/fnv"
	"iter"
	"strconv"
	"strings"
	"time"
)

// Movable is a store whose content can be taken to another one. Nobody may work
// on either meanwhile.
type Movable interface {
	Store
	Documents
	// Contents counts what is kept.
	Contents(ctx context.Context) (Contents, error)
	// Export answers everything that is kept: the head first, audit records in
	// their order, and runs of one concurrency key in that of its queue. What is
	// leased is due.
	Export(ctx context.Context) iter.Seq2[Dumped, error]
	// Import takes everything over into a store that holds nothing, or, with an
	// error, nothing that anybody could take for a whole store.
	Import(ctx context.Context, all iter.Seq2[Dumped, error]) error
}

// Contents counts what a store keeps.
type Contents struct {
	Runs      int  `json:"runs"`
	Live      int  `json:"live"` // runs that have not ended
	Documents int  `json:"documents"`
	Audit     int  `json:"audit"`    // records
	Reserved  int  `json:"reserved"` // targets of effects, under caps
	Frozen    bool `json:"frozen"`
}

// Empty reports whether there is nothing of it.
func (c Contents) Empty() bool { return c == Contents{} }

// Dumped is one thing that a store keeps, in a form that every store takes.
// Exactly one field is set. Who holds leases, the answers to requests and what
// followers have seen are not taken along: nobody asks a new store for them.
type Dumped struct {
	Head     *DumpedHead
	Document *DumpedDocument
	Audit    *DumpedAudit
	Reserved *DumpedTake
	Hold     *DumpedHold
	Run      *DumpedRun
}

// DumpedHead is what there is one of.
type DumpedHead struct {
	Freeze  Frozen
	Highest int64 // no document has a higher version
}

// DumpedDocument is a document. Its version becomes the same or a higher one.
type DumpedDocument struct {
	Document            // without Expires
	ExpiresAt time.Time // zero: never
}

// DumpedAudit is a record of the audit log.
type DumpedAudit struct {
	At   time.Time
	Body []byte
}

// DumpedTake is one target that an effect has reserved under a cap. Stores may
// keep of it its TargetDigest only; then Target is empty.
type DumpedTake struct {
	Cap, Effect, Target, Digest string
	Until                       time.Time // zero: for ever
}

// DumpedHold is the last token of a named lease, which nobody holds.
type DumpedHold struct {
	Name  string
	Token int64
}

// DumpedRun is a run with all that is needed to go on with it. Stores may keep of
// its dedupe key its DedupeDigest only; then Dedupe is empty.
type DumpedRun struct {
	RunHead
	Status         string // as RunRecord.Status
	Cancel         Cancel
	EndedAt        time.Time
	Result         []byte
	Lane           int
	Dedupe, Digest string
	Key            string // of a live run
	Wide           bool
	Windows        []DumpedWindow // of an ended run perhaps without the items that had no turn
	Strands        []DumpedStrand // root first
}

// DumpedWindow is a window of children.
type DumpedWindow struct {
	Path     string // under which they stand
	Strand   string // that opened it
	Count    int
	Next     int // children that were opened
	Failfast bool
	Stopped  bool
	Under    Cancel
	Items    [][]byte // one for each child, or none
}

// DumpedStrand is a strand that nobody holds.
type DumpedStrand struct {
	Path   string
	Window string // path of the window whose child it is; "" is the root's
	Index  int
	State  string    // queued | due | waiting | joining | ended
	Due    time.Time // queued, waiting: the time, if it waits for one; due: since when
	At     time.Time // of the act that made it due
	Lost   int
	Seq    int64
	On     string // what it waits for
	Thaw   bool   // or the end of a freeze
	Joined string // path of the window whose join has fired
	Facts  []Fact
	Ended  *Ended
}

// Partitions is how many partitions a store has that has some, unless it was told
// otherwise. One that has none names its runs as if it had so many: then they
// find their place when it is moved.
const Partitions = 16

// PartitionOf answers the partition of a subject among so many.
func PartitionOf(subject string, of int) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(subject))
	return int(h.Sum32() % uint32(of))
}

// DedupeDigest tells dedupe keys apart, where a store does not keep them whole:
// 16 bytes, "" for none.
func DedupeDigest(playbook, subject, dedupe string) string {
	if dedupe == "" {
		return ""
	}
	var b strings.Builder
	for _, t := range []string{playbook, subject, dedupe} {
		b.WriteString(strconv.Itoa(len(t)))
		b.WriteByte(':')
		b.WriteString(t)
	}
	sum := sha256.Sum256([]byte(b.String()))
	return string(sum[:16])
}

// TargetDigest tells targets of a cap apart, where a store does not keep them
// whole: 12 bytes.
func TargetDigest(target string) string {
	sum := sha256.Sum256([]byte(target))
	return string(sum[:12])
}
