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
	kJoined   kind = "joined"   // how the children ended, kept until a worker can go on
	kPrepared kind = "prepared" // the effects of a step, with the state before
	kIntent   kind = "intent"   // an effect may be sent from here on
	kResult   kind = "result"   // what became of an effect
	kOpen     kind = "open"     // an effect has no certain answer yet; look at Until
	kLasts    kind = "lasts"    // an effect is taken back at Until, by Run
	kHeld     kind = "held"     // an effect waits for a thaw or for a person
	kAsked    kind = "asked"    // people were asked
	kReminded kind = "reminded" // those who have not decided were asked again
	kDecision kind = "decision" // a person decided (a signal)
	kResolve  kind = "resolve"  // a person told what became of an effect (a signal)
	kAwait    kind = "await"    // the strand is registered for messages
	kMail     kind = "mail"     // a message has come: look into the box (a signal)
	kReceived kind = "received" // a message was taken
	kLost     kind = "lost"     // three workers were lost at this point of the strand
	kStopped  kind = "stopped"  // a step ended and so does what is around it: stop, rejection, cancel
	kUndoing  kind = "undoing"  // what a rollback has to undo
	kPart     kind = "part"     // how on_error or finally of a step ended
	kRound    kind = "round"    // a turn of a repeat is due at Until
	kWaits    kind = "waits"    // time passes until Until
	kFailing  kind = "failing"  // the run, or what it calls, failed; on_failure begins
	kFinal    kind = "final"    // how the run, or what it calls, ended; its finally begins
	kTurn     kind = "turn"     // the run's turn has come; Ending cancelled: it is no longer wanted
	kMarked   kind = "marked"   // the holder knows that the run is cancelled
	kKept     kind = "kept"     // a step is taken over from Run, which this one retries, or one before
	kAnew     kind = "anew"     // a step is not taken over after all, and why
)

// doubt is what remains of an effect whose answer was not heard and that is
// sent again.
type doubt int

const (
	noDoubt   doubt = iota
	notSeen         // a look did not show it
	cannotSay       // no look could tell
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

	Branch   string        `json:"b,omitempty"`   // entered: then | else; part: on_error | finally
	Count    int           `json:"c,omitempty"`   // opened; round: its number; retry: of how many budgets its turn is kept
	Due      time.Time     `json:"du,omitzero"`   // entered, opened, round: when the step has to have ended
	Forced   bool          `json:"fo,omitempty"`  // failed, part, failing, final: whatever the on_error around say
	Marked   time.Time     `json:"mk,omitzero"`   // since when it is known that the run is cancelled
	Children []Ended       `json:"ch,omitempty"`  // joined
	Gates    []gateVerdict `json:"gt,omitempty"`  // done, failed: of a parallel step, its approvals
	Planned  bool          `json:"pl,omitempty"`  // done, failed: in a plan, children would have had effects
	Ending   ending        `json:"end,omitempty"` // stopped, part, final

	Effects []actions.Effect `json:"e,omitempty"`  // prepared
	Entity  *actions.Entity  `json:"en,omitempty"` // prepared: what the step acts upon
	Target  json.RawMessage  `json:"tg,omitempty"` // prepared: the parameter that names it

	Effect   int             `json:"i,omitempty"` // number of the effect; in a retry -1: the step has none yet
	Status   actions.Status  `json:"t,omitempty"` // result
	After    json.RawMessage `json:"a,omitempty"`
	Lost     []actions.Lost  `json:"l,omitempty"`
	Handle   json.RawMessage `json:"h,omitempty"`
	DoneIn   time.Duration   `json:"d,omitempty"`  // intent: the request ends at most so long after it
	Settling time.Duration   `json:"sd,omitempty"` // intent: and shows at most so long after that
	Undo     *undo           `json:"un,omitempty"` // undoing
	Lasts    time.Duration   `json:"la,omitempty"` // intent: from its time until it is taken back
	Run      string          `json:"r,omitempty"`  // lasts: the run that takes it back; kept: the run that did it
	Had      had             `json:"hd,omitempty"` // kept: the effects that it had there
	Brings   *branches       `json:"br,omitempty"` // kept: what the steps inside it set and found there
	Doubt    doubt           `json:"dt,omitempty"` // retry: what is known of the effect that was sent before
	Looks    int             `json:"g,omitempty"`  // open: looks that answered "did not"
	Deadline time.Time       `json:"x,omitzero"`   // open: until when the world may take
	Awaits   string          `json:"as,omitempty"` // open: it has happened, and whose word is waited for

	Await *awaited `json:"aw,omitempty"` // await
	Mail  *Message `json:"m,omitempty"`  // received

	Question *Question       `json:"q,omitempty"`  // asked
	Key      string          `json:"y,omitempty"`  // decision, held: of the question
	Hash     string          `json:"hs,omitempty"` // decision: of the question as it was seen
	By       string          `json:"by,omitempty"`
	Via      string          `json:"via,omitempty"`
	Form     json.RawMessage `json:"fm,omitempty"`  // decision: the form as it was filled in
	Decision string          `json:"dec,omitempty"` // approve | reject
	Void     []string        `json:"void,omitempty"`
	Happened bool            `json:"hap,omitempty"` // resolve
}

// encode writes a fact. Every field of fact has its line here.
func (f fact) encode() []byte {
	o := newObject().text("k", string(f.Kind))
	o = o.text("p", f.Path)
	o = o.number("n", int64(f.Attempt))
	o = o.time("s", f.Started)
	o = o.raw("o", f.Out)
	o = o.text("w", f.Why)
	o = part(o, "f", f.Fault)
	o = o.time("u", f.Until)
	o = o.text("b", f.Branch)
	o = o.number("c", int64(f.Count))
	o = o.time("du", f.Due)
	o = o.yes("fo", f.Forced)
	o = o.time("mk", f.Marked)
	o = list(o, "ch", f.Children)
	o = list(o, "gt", f.Gates)
	o = o.yes("pl", f.Planned)
	o = o.text("end", string(f.Ending))
	o = list(o, "e", f.Effects)
	o = part(o, "en", f.Entity)
	o = o.raw("tg", f.Target)
	o = o.number("i", int64(f.Effect))
	o = o.text("t", string(f.Status))
	o = o.raw("a", f.After)
	o = list(o, "l", f.Lost)
	o = o.raw("h", f.Handle)
	o = o.number("d", int64(f.DoneIn))
	o = o.number("sd", int64(f.Settling))
	o = part(o, "un", f.Undo)
	o = o.number("la", int64(f.Lasts))
	o = o.text("r", f.Run)
	if len(f.Had) > 0 {
		o = o.name("hd").json(f.Had)
	}
	o = part(o, "br", f.Brings)
	o = o.number("dt", int64(f.Doubt))
	o = o.number("g", int64(f.Looks))
	o = o.time("x", f.Deadline)
	o = o.text("as", f.Awaits)
	o = part(o, "aw", f.Await)
	o = part(o, "m", f.Mail)
	o = part(o, "q", f.Question)
	o = o.text("y", f.Key)
	o = o.text("hs", f.Hash)
	o = o.text("by", f.By)
	o = o.text("via", f.Via)
	o = o.raw("fm", f.Form)
	o = o.text("dec", f.Decision)
	o = list(o, "void", f.Void)
	o = o.yes("hap", f.Happened)
	return o.end()
}

func decodeFact(b []byte) (fact, error) {
	var f fact
	if err := json.Unmarshal(b, &f); err != nil {
		return f, fmt.Errorf("fact: %w", err)
	}
	return f, nil
}

// whole reports whether a fact has what its kind cannot be without.
func (f fact) whole() error {
	ok := true
	switch f.Kind {
	case kAsked:
		ok = f.Question != nil
	case kAwait:
		ok = f.Await != nil
	case kReceived:
		ok = f.Mail != nil
	case kFailing, kFailed:
		ok = f.Fault != nil
	case kStopped:
		ok = f.Ending == stopped || f.Ending == rejected || f.Ending == cancelled
	case kPart, kFinal:
		ok = f.Ending.known() && (f.Ending == failed) == (f.Fault != nil) && (f.Kind == kFinal || f.Branch == onError || f.Branch == finally)
	case kEntered:
		ok = f.Branch == "then" || f.Branch == "else"
	case kRound:
		ok = f.Count >= 1
	case kOpened:
		ok = f.Count >= 0
	case kTurn:
		ok = f.Ending == "" || f.Ending == cancelled
	case kUndoing:
		ok = f.Undo != nil
	case kLasts, kKept:
		ok = f.Run != ""
	case kResult:
		switch f.Status {
		case actions.Done, actions.AlreadySo, actions.NotDone, actions.Refused, actions.Unknown:
		default:
			ok = false
		}
	}
	if !ok {
		return fmt.Errorf("fact %s of %s is not whole: written by another version of stanch?", f.Kind, f.Path)
	}
	return nil
}

// Fault is why something failed: a code of the language and a sentence.
type Fault struct {
	Step    string `json:"step,omitempty"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (f *Fault) Error() string { return f.Code + ": " + f.Message }

// ErrorCode is the fault's code.
func (f *Fault) ErrorCode() string { return f.Code }

// ending is how a step, or a list of steps, ended.
type ending string

const (
	succeeded ending = "succeeded"
	skipped   ending = "skipped"
	failed    ending = "failed"
	stopped   ending = "stopped"   // by a stop: the nearest item or playbook ends well
	rejected  ending = "rejected"  // by people: the nearest item or the run ends
	cancelled ending = "cancelled" // with the run
)

func (e ending) known() bool {
	switch e {
	case succeeded, failed, stopped, rejected, cancelled:
		return true
	}
	return false
}

// outcome is how something ended, with what is to be said of it.
type outcome struct {
	ending ending
	fault  *Fault
	why    string
	forced bool   // whatever the on_error around say
	over   *limit // the time that was over
}

// result is what a strand leaves when it ends.
type result struct {
	Fault   *Fault                     `json:"error,omitempty"`
	Why     string                     `json:"why,omitempty"`
	Collect json.RawMessage            `json:"collect,omitempty"` // of an item
	Vars    map[string]json.RawMessage `json:"vars,omitempty"`    // of a branch
	Steps   map[string]json.RawMessage `json:"steps,omitempty"`   // of a branch: outputs by id
	Gates   []gateVerdict              `json:"gates,omitempty"`   // of a branch
	Planned bool                       `json:"planned,omitempty"` // in a plan: it would have had effects
	Late    bool                       `json:"late,omitempty"`    // its time, or that of something around it, was over
	Marked  time.Time                  `json:"marked,omitzero"`   // since when it is known that the run is cancelled
	Outputs map[string]json.RawMessage `json:"outputs,omitempty"` // of the run
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
