package history

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"stanch/engine"
)

// How a call ended. A call whose completion is missing has ended as Info.
const (
	OK   = "ok"   // it was answered
	Fail = "fail" // it has certainly changed nothing
	Info = "info" // it may have been done, or may be done later
)

// Line is one line of a history: the invocation of a call (End is empty), or
// its completion, which has the same Node, Life and N and what was answered.
type Line struct {
	Node    string `json:"node"`
	Life    string `json:"life"`               // of the process: a node that comes back has another
	N       int64  `json:"n"`                  // number of the call in its life
	Ev      string `json:"ev"`                 // begin claim settle renew signal take freeze run close, put delete hold note
	End     string `json:"end,omitempty"`      // ok | fail | info
	At      int64  `json:"at"`                 // the machine's clock, ns
	AtStore int64  `json:"at_store,omitempty"` // the store's clock, as answered, ns
	Request string `json:"req,omitempty"`
	Place
	Ask    *Ask    `json:"ask,omitempty"`    // of an invocation
	Answer *Answer `json:"answer,omitempty"` // of a completion that is ok
	Why    string  `json:"why,omitempty"`    // the error, short
}

// Place is a position of a strand, and the digest of a token if it is held.
type Place struct {
	Run    string `json:"run,omitempty"`
	Strand string `json:"strand,omitempty"`
	Seq    int64  `json:"seq,omitempty"`
	Token  string `json:"token,omitempty"`
}

// Ask is what a call asked for. Which fields are set depends on Line.Ev.
type Ask struct {
	Begin    []Begin   `json:"begin,omitempty"`
	Max      int       `json:"max,omitempty"`    // claim
	Room     []int     `json:"room,omitempty"`   // claim: of each lane at most; none is as many as Max
	Last     int64     `json:"last,omitempty"`   // claim, renew, hold: ns
	Leases   []Place   `json:"leases,omitempty"` // renew
	Words    *Words    `json:"words,omitempty"`  // settle, signal: its facts
	Intent   bool      `json:"intent,omitempty"`
	Mark     string    `json:"mark,omitempty"` // settle: Under; signal: Cancel; freeze: Change
	Then     *Then     `json:"then,omitempty"`
	Said     []Said    `json:"said,omitempty"` // by its audit records
	Take     []Take    `json:"take,omitempty"`
	Document *Document `json:"document,omitempty"`
}

// Begin is a run that was asked for.
type Begin struct {
	Playbook string `json:"playbook"`
	Dedupe   string `json:"dedupe,omitempty"` // digest of playbook, subject and key
	Edition  string `json:"edition,omitempty"`
	Key      string `json:"key,omitempty"` // digest of the concurrency key, with its subject unless it is wide
	Wide     bool   `json:"wide,omitempty"`
	Replace  bool   `json:"replace,omitempty"`
	After    int64  `json:"after,omitempty"` // ns
	Lane     int    `json:"lane,omitempty"`
}

// Words are facts that were written.
type Words struct {
	Seen   int64  `json:"seen"`
	Facts  int    `json:"facts,omitempty"`
	Digest string `json:"digest,omitempty"`
}

// Then is what was to become of a strand: Kind is yield, wait, open or end. A
// holder that goes on says none.
type Then struct {
	Kind     string `json:"kind"`
	For      int64  `json:"for,omitempty"` // wait: ns
	Ever     bool   `json:"ever,omitempty"`
	Thaw     bool   `json:"thaw,omitempty"`
	Path     string `json:"path,omitempty"` // open
	Count    int    `json:"count,omitempty"`
	Window   int    `json:"window,omitempty"`
	Failfast bool   `json:"failfast,omitempty"`
	Outcome  string `json:"outcome,omitempty"` // end
}

// Said is what an audit record says of an effect or an approval.
type Said struct {
	Kind     string `json:"kind"`
	Effect   string `json:"effect,omitempty"`
	Class    string `json:"class,omitempty"`
	Status   string `json:"status,omitempty"`
	Question string `json:"question,omitempty"`
	Hash     string `json:"hash,omitempty"`
	By       string `json:"by,omitempty"` // digest of the person
}

// Take is a reservation under a cap. Targets are digests.
type Take struct {
	Name    string   `json:"name"`
	Limit   int      `json:"limit"`
	Effect  string   `json:"effect"`
	Targets []string `json:"targets,omitempty"`
	Window  int64    `json:"window,omitempty"` // ns
	Back    bool     `json:"back,omitempty"`
}

// Document is what was asked of a document or a named lease. Key is a digest.
type Document struct {
	Key     string `json:"key"`
	Version int64  `json:"version,omitempty"`
	Holder  string `json:"holder,omitempty"`
}

// Answer is what a call was answered. Which fields are set depends on Line.Ev;
// the run that begin answers is that of the line.
type Answer struct {
	New     bool     `json:"new,omitempty"`
	Busy    bool     `json:"busy,omitempty"`
	Holds   bool     `json:"holds,omitempty"`
	Refused string   `json:"refused,omitempty"`
	Seen    int64    `json:"seen,omitempty"`   // settle: the highest fact; signal: its own
	Begun   []string `json:"begun,omitempty"`  // settle
	Grants  []Grant  `json:"grants,omitempty"` // claim, settle: the leases given out
	Lost    []string `json:"lost,omitempty"`   // renew: tokens
	Frozen  bool     `json:"frozen,omitempty"`
	Mark    string   `json:"mark,omitempty"` // settle: Cancel; run: its status
	Edition string   `json:"edition,omitempty"`
	Granted bool     `json:"granted,omitempty"` // take
	Count   int64    `json:"count,omitempty"`   // take: reserved; put: version; hold: token
}

// Grant is a lease that was given out.
type Grant struct {
	Place
	Lane     int     `json:"lane,omitempty"`
	Lost     int     `json:"lost,omitempty"`
	Mark     string  `json:"mark,omitempty"`
	Edition  string  `json:"edition,omitempty"`
	Children *string `json:"children,omitempty"` // with the join of these: see writeChildren
}

// short is the digest that stands for texts: too short to find them by trying
// what is long, long enough to tell them apart.
func short(texts ...string) string {
	h := sha256.New()
	for _, t := range texts {
		fmt.Fprintf(h, "%d:%s", len(t), t)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// shortUnless leaves what is empty empty.
func shortUnless(text string) string {
	if text == "" {
		return ""
	}
	return short(text)
}

// person stands for a person, however that is written: operator:alice is Alice.
func person(who string) string {
	if _, name, ok := strings.Cut(who, ":"); ok {
		who = name
	}
	return shortUnless(strings.ToLower(who))
}

// child is how one child of a join ended.
type child struct {
	index   int
	outcome string
}

// writeChildren writes how children ended, by index, in runs of the same
// outcome: "succeeded*3 failed @7 succeeded". A number after @ is where it goes
// on, if not with the next.
func writeChildren(ended []engine.Ended) string {
	var parts []string
	next := 0
	for i := 0; i < len(ended); {
		n := 1
		for i+n < len(ended) && ended[i+n].Outcome == ended[i].Outcome && ended[i+n].Index == ended[i].Index+n {
			n++
		}
		if ended[i].Index != next {
			parts = append(parts, "@"+strconv.Itoa(ended[i].Index))
		}
		part := ended[i].Outcome
		if n > 1 {
			part += "*" + strconv.Itoa(n)
		}
		parts = append(parts, part)
		next = ended[i].Index + n
		i += n
	}
	return strings.Join(parts, " ")
}

// readChildren reads what writeChildren wrote.
func readChildren(text string) ([]child, error) {
	var children []child
	next := 0
	for part := range strings.FieldsSeq(text) {
		if at, jump := strings.CutPrefix(part, "@"); jump {
			n, err := strconv.Atoi(at)
			if err != nil {
				return nil, fmt.Errorf("children %q: %w", text, err)
			}
			next = n
			continue
		}
		outcome, times, many := strings.Cut(part, "*")
		n := 1
		if many {
			var err error
			if n, err = strconv.Atoi(times); err != nil || n < 1 || n > 1_000_000 {
				return nil, fmt.Errorf("children %q: %q is no number of children", text, times)
			}
		}
		for range n {
			children = append(children, child{index: next, outcome: outcome})
			next++
		}
	}
	return children, nil
}
