package engine

import (
	"encoding/json"
	"fmt"
	"time"

	"stanch/actions"
)

// kind of a fact body. The words are short: facts are what a store is full of.
type kind string

const (
	kEntered  kind = "entered"  // a block's condition was decided
	kSkipped  kind = "skipped"  // a step was not run, and why
	kDone     kind = "done"     // a step ended well, with its output
	kFailed   kind = "failed"   // a step ended badly
	kRetry    kind = "retry"    // an attempt failed; the next is due at Until
	kOpened   kind = "opened"   // children were opened
	kPrepared kind = "prepared" // the effects of a step, with the state before
	kIntent   kind = "intent"   // an effect may be sent from here on
	kResult   kind = "result"   // what became of an effect
	kOpen     kind = "open"     // an effect has no certain answer yet; look at Until
	kHeld     kind = "held"     // an effect waits for a thaw or for a person
	kAsked    kind = "asked"    // people were asked
	kDecision kind = "decision" // a person decided (a signal)
	kResolve  kind = "resolve"  // a person told what became of an effect (a signal)
	kLost     kind = "lost"     // the strand was set aside
	kFailing  kind = "failing"  // the run failed; on_failure begins
	kStopped  kind = "stopped"  // stop or rejection: the strand ends here
)

// fact is the body of one Fact. Path is the full step path.
type fact struct {
	Kind    kind            `json:"k"`
	Path    string          `json:"p,omitempty"`
	Attempt int             `json:"n,omitempty"`
	Started time.Time       `json:"s,omitzero"`
	Out     json.RawMessage `json:"o,omitempty"`
	Why     string          `json:"w,omitempty"`
	Fault   *Fault          `json:"f,omitempty"`
	Until   time.Time       `json:"u,omitzero"`

	Branch  string           `json:"b,omitempty"` // entered: then | else
	Count   int              `json:"c,omitempty"` // opened
	Effects []actions.Effect `json:"e,omitempty"` // prepared

	Effect   int             `json:"i,omitempty"` // intent, result, open, held, retry: number of the effect
	Status   actions.Status  `json:"t,omitempty"` // result; retry: what is known of the send before
	After    json.RawMessage `json:"a,omitempty"`
	Lost     []actions.Lost  `json:"l,omitempty"`
	Handle   json.RawMessage `json:"h,omitempty"`
	DoneIn   time.Duration   `json:"d,omitempty"`  // intent: the request ends at most so long after it
	Entity   *actions.Entity `json:"en,omitempty"` // prepared: what the step acts upon
	Target   json.RawMessage `json:"tg,omitempty"` // prepared: the parameter that names it
	Looks    int             `json:"g,omitempty"`  // open: looks that answered "did not"
	Deadline time.Time       `json:"x,omitzero"`   // open: until when the world may take

	Question *Question `json:"q,omitempty"` // asked
	Key      string    `json:"y,omitempty"` // decision, held: of the question
	By       string    `json:"by,omitempty"`
	Via      string    `json:"via,omitempty"`
	Decision string    `json:"dec,omitempty"` // approve | reject
	Void     []string  `json:"void,omitempty"`
	Happened bool      `json:"hap,omitempty"` // resolve
}

func (f fact) encode() []byte {
	b, err := json.Marshal(f)
	if err != nil { // every field is ours and marshals
		panic(fmt.Sprintf("engine: fact %s of %s: %v", f.Kind, f.Path, err))
	}
	return b
}

func decodeFact(b []byte) (fact, error) {
	var f fact
	if err := json.Unmarshal(b, &f); err != nil {
		return f, fmt.Errorf("fact: %w", err)
	}
	return f, nil
}

// Fault is why something failed: a code of the language and a sentence.
type Fault struct {
	Step    string `json:"step,omitempty"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (f *Fault) Error() string { return f.Code + ": " + f.Message }

// result is what a strand leaves when it ends.
type result struct {
	Fault   *Fault                     `json:"error,omitempty"`
	Why     string                     `json:"why,omitempty"`
	Collect json.RawMessage            `json:"collect,omitempty"`
	Vars    map[string]json.RawMessage `json:"vars,omitempty"`
	Outputs map[string]json.RawMessage `json:"outputs,omitempty"`
}

func (r result) encode() []byte {
	b, err := json.Marshal(r)
	if err != nil {
		panic(fmt.Sprintf("engine: result: %v", err))
	}
	return b
}

func decodeResult(b []byte) (result, error) {
	var r result
	if len(b) == 0 {
		return r, nil
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("result of a strand: %w", err)
	}
	return r, nil
}

// Question is what people are asked: a gate of the playbook, a cap that would
// be passed, or an approval that no longer fits what it would cover.
type Question struct {
	Key       string           `json:"key"`
	Reason    string           `json:"reason"` // gate | cap | changed
	Ask       string           `json:"ask"`
	Targets   []actions.Entity `json:"targets"`
	Covers    []string         `json:"covers"` // static step paths
	Effects   []string         `json:"effects,omitempty"`
	Shown     []Shown          `json:"shown,omitempty"`
	Hash      string           `json:"hash"`
	Approvers []string         `json:"approvers"` // groups and people, as written
	Quorum    int              `json:"quorum"`
	Expires   time.Time        `json:"expires,omitzero"`
}

// Shown is the state of one target for one covered action, as approvers saw it.
type Shown struct {
	Action string          `json:"action"`
	Target string          `json:"target"`
	State  json.RawMessage `json:"state"`
}
