package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"stanch/actions"
	"stanch/playbooks"
)

// Question is what people are asked: a gate of the playbook, a cap that would
// be passed, or an approval that no longer fits what it would cover.
type Question struct {
	Key       string           `json:"key"`
	Reason    string           `json:"reason"`        // gate | cap | changed
	Cap       string           `json:"cap,omitempty"` // the cap that would be passed: files
	Ask       string           `json:"ask"`
	Targets   []actions.Entity `json:"targets"`
	Covers    []string         `json:"covers"` // static step paths
	Effects   []string         `json:"effects,omitempty"`
	Shown     []Shown          `json:"shown,omitempty"`
	Hash      string           `json:"hash"`
	Approvers []string         `json:"approvers"` // groups and people, as written
	Quorum    int              `json:"quorum"`
	Expires   time.Time        `json:"expires,omitzero"`
	Remind    time.Duration    `json:"remind,omitempty"` // how often those who have not decided are asked again
	Form      []FormField      `json:"form,omitempty"`   // what whoever approves fills in
	Denied    string           `json:"denied,omitempty"` // why nobody may approve: then it is a no
}

// Shown is the state of one target for one covered action, as approvers saw it.
type Shown struct {
	Action string          `json:"action"`
	Target string          `json:"target"`
	State  json.RawMessage `json:"state"`
}

// Reasons of a question.
const (
	reasonGate    = "gate"
	reasonCap     = "cap"
	reasonChanged = "changed"
)

// gateKey is the key of the question of an approve step.
const gateKey = "gate"

// hashOf binds an answer to the question, its targets, the states shown and the
// steps covered with their actions.
func hashOf(q Question, o *outline) string {
	covers := make([]string, 0, len(q.Covers))
	for _, path := range q.Covers {
		uses := ""
		switch s := o.find(path); {
		case s == nil:
		case s.Kind == playbooks.Call && s.Call.Book != nil:
			uses = s.Call.Book.Digest
		default:
			uses = s.Uses
		}
		covers = append(covers, path+" "+uses)
	}
	raw, err := json.Marshal(struct {
		Key     string
		Targets []actions.Entity
		Shown   []Shown
		Covers  []string
		Effects []string
		Form    []FormField `json:",omitempty"`
	}{q.Key, q.Targets, q.Shown, covers, q.Effects, q.Form})
	if err != nil {
		panic(fmt.Sprintf("engine: question: %v", err))
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// questionState is a question with the words that people said to it.
type questionState struct {
	Question
	at        time.Time
	decisions []fact
	decidedAt []time.Time
	reminded  time.Time // last
	reminders int
	closed    bool // listed as answered
}

// outcome is approved, rejected, timed_out, or "" while nobody has decided,
// with those who did. Each person counts once, however the name is written; a
// vote that was made void, or was for another question, does not.
func (q *questionState) outcome(now time.Time) (string, []string) {
	if q.Denied != "" {
		return "rejected", nil
	}
	var yes []string
	same := func(a string) func(string) bool { return func(b string) bool { return strings.EqualFold(a, b) } }
	for i, d := range q.decisions {
		if !q.Expires.IsZero() && !q.decidedAt[i].Before(q.Expires) {
			break
		}
		if d.Hash != q.Hash {
			continue
		}
		for _, void := range d.Void {
			yes = slices.DeleteFunc(yes, same(void))
		}
		if d.Decision != "approve" {
			return "rejected", []string{d.By}
		}
		if !slices.ContainsFunc(yes, same(d.By)) {
			yes = append(yes, d.By)
		}
		if len(yes) >= q.Quorum {
			return "approved", slices.Sorted(slices.Values(yes))
		}
	}
	if !q.Expires.IsZero() && !now.Before(q.Expires) {
		return "timed_out", nil
	}
	return "", nil
}

func (q *questionState) approved(now time.Time) bool {
	if q == nil {
		return false
	}
	outcome, _ := q.outcome(now)
	return outcome == "approved"
}

// words are the decisions as people read them.
func (q *questionState) words() []Decided {
	words := make([]Decided, 0, len(q.decisions))
	for i, d := range q.decisions {
		words = append(words, Decided{By: d.By, Via: d.Via, Decision: d.Decision, At: q.decidedAt[i], Reason: d.Why, Form: d.Form})
	}
	return words
}

// gateVerdict is what came of an approve step, as steps behind it need to know.
type gateVerdict struct {
	Path     string    `json:"path"`    // static
	Outcome  string    `json:"outcome"` // approved | rejected | timed_out | not_needed | not_asked
	Question *Question `json:"question,omitempty"`
}

// The outcomes of a gate that nobody decided.
const (
	notNeeded = "not_needed" // its condition, or that of a block around it, was false
	notAsked  = "not_asked"  // the run did not get to it, or could not ask
)

// allows reports whether what the gate covers may be done.
func (v gateVerdict) allows(gate *playbooks.Step) bool {
	return v.Outcome == "approved" || v.Outcome == "timed_out" && gate.Approve.OnTimeout == "approve"
}
