// Package actions says what an action is: a typed operation on the world that
// a playbook step names with `uses`. It holds the contract between the shelves
// (which do the work through connectors) and the engine (which records, guards,
// repeats and undoes), and the Catalog of what one build can do.
//
// It knows nothing of HTTP, of runs or of stores: an action says what it would
// change and how to look at it; when and whether it is done is the engine's.
package actions

import (
	"context"
	"encoding/json"
	"time"
)

// Class is the most that an action may do to the world. Guardrails, approvals
// and plan mode follow from it.
type Class string

// The effect classes.
const (
	Reads    Class = "reads"    // changes nothing; may run in plan mode and be repeated
	Writes   Class = "writes"   // changes state
	Destroys Class = "destroys" // takes something away that cannot be put back in full
)

// Repeat says what is allowed with an effect of which nobody, after reading
// back, can tell whether it happened.
type Repeat string

// What may be done about an effect that cannot be told.
const (
	RepeatNever    Repeat = "never"    // a person decides (status unknown)
	RepeatSame     Repeat = "same"     // idempotent: doing it again changes nothing more
	RepeatHarmless Repeat = "harmless" // a second one only annoys (a message, a comment)
)

// Entity is a thing of the incident's world that guardrails count and protect.
// ID is canonical in the tenant (a drive item, an object id), so that the same
// thing named twice counts once; Aliases are its other names (UPN, address,
// URL, site path), compared without case.
type Entity struct {
	Kind    string   `json:"kind"` // file, user, device, site, mailbox, label, incident
	ID      string   `json:"id"`
	Name    string   `json:"name,omitempty"`
	Aliases []string `json:"aliases,omitempty"`
}

// Target is the one thing that an effect changes: a permission, a label, a
// device's isolation. Entities are what it belongs to.
type Target struct {
	Kind     string   `json:"kind"`
	ID       string   `json:"id"`
	Name     string   `json:"name"` // as a person would call it
	Entities []Entity `json:"entities,omitempty"`
}

// Lost names what an effect took away that its inverse cannot give back.
type Lost struct {
	Target string `json:"target"`
	Field  string `json:"field"`
	Why    string `json:"why"`
}

// Own is a field of an incident that an effect writes, so that the feed does
// not take our own change for news.
type Own struct {
	Incident string          `json:"incident"` // our id: defender/1234
	Field    string          `json:"field"`    // a field of the incident model
	Value    json.RawMessage `json:"value"`
	Adds     bool            `json:"adds,omitempty"` // Value stands beside what was written before, not in its place
}

// Effect is one changing request. Its action fills what it needs to send it
// (Request) and the state of the target before and, as predicted, after; the
// engine gives it an ID and keeps it.
type Effect struct {
	ID      string          `json:"id,omitempty"`
	Action  string          `json:"action"`
	Class   Class           `json:"class"`
	Target  Target          `json:"target"`
	Before  json.RawMessage `json:"before,omitempty"`
	After   json.RawMessage `json:"after,omitempty"`
	Request json.RawMessage `json:"request,omitempty"` // no secrets: it is stored
	Lost    []Lost          `json:"lost,omitempty"`
	Own     []Own           `json:"own,omitempty"`
	Handle  json.RawMessage `json:"handle,omitempty"` // what Do left for Check
	Undoes  string          `json:"undoes,omitempty"` // id of the effect that this one takes back
	Status  Status          `json:"status,omitempty"`
}

// Status of an effect.
type Status string

// The statuses of an effect.
const (
	Planned   Status = "planned"    // would be done
	Begun     Status = "begun"      // intent recorded
	Open      Status = "open"       // no certain answer yet
	Done      Status = "done"       // happened
	AlreadySo Status = "already_so" // the world was so before
	NotDone   Status = "not_done"   // certain not to have happened
	Refused   Status = "refused"    // a guardrail said no
	Unknown   Status = "unknown"    // cannot be told; a person decides
	Undone    Status = "undone"     // taken back
)

// Sending bounds one changing request in time and identity. It has the fields
// of connectors.Change, to which shelves convert it.
type Sending struct {
	ID     string    // the effect's id, sent as client-request-id
	SendBy time.Time // no byte may leave after it
	DoneBy time.Time // the request ends at the latest then
	Frozen func() error
}

// Call is what one execution may know of the run it serves.
type Call struct {
	Run     string
	Step    string
	Attempt int       // counted from 1
	Now     time.Time // the run's recorded time
	Sending Sending   // zero outside Do
	Spent   *Spent    // counts what its calls use; nil: nobody wants to know
}

// Outcome is what Do says of a request that was answered.
type Outcome struct {
	After     json.RawMessage // nil: as predicted
	AlreadySo bool            // somebody else had done it
	Pending   bool            // accepted; the work goes on there, Check tells the end
	Again     time.Duration   // with Pending: when to look first
	Awaits    string          // with Pending: see Finding
	Lost      []Lost
	Handle    json.RawMessage // with Pending: what Check needs beyond Request; no secrets
}

// Answer is what a look at the world tells about an effect.
type Answer string

// The answers of Check.
const (
	Happened   Answer = "happened"
	DidNot     Answer = "did not"
	CannotTell Answer = "cannot tell"
	Pending    Answer = "pending" // still under way there
	Failed     Answer = "failed"  // was accepted and failed there: certain not to have happened
)

// Finding is the result of a Check.
type Finding struct {
	Answer Answer
	After  json.RawMessage
	Lost   []Lost
	Why    string        // in one sentence, for people
	Again  time.Duration // with Pending: when to look again
	// Awaits says, with Pending, whose word is waited for, such as "an answer
	// of ann@contoso.example", where the effect itself has happened: a run that
	// has to end takes it for done and does not wait.
	Awaits string
}

// Inverse is what Undo found: an effect that takes the first one back, or why
// there is none.
type Inverse struct {
	Effect  *Effect         // nil: nothing to do, see Why
	Changed bool            // the present state is not what our effect left
	Present json.RawMessage // the state as read
	Widens  bool            // gives access or takes protection away: needs an approval
	Why     string
}

// Spec is how a shelf declares an action: once, in Go types, from which schema,
// documentation, expression types and decoding are derived.
//
// P and R are structs with json tags (snake_case) and `doc` tags. A field of P
// is required unless it is `omitempty`; `default`, `enum:"a,b"` and
// `entity:"file"` (the parameter that names what the action acts upon; one at
// most) are read from tags too, and for who checks playbooks `lang:"kql"` (the
// parameter is text of another language: kql, odata, html, json or url) and
// `weakens:"…"` (what giving the parameter lets the action take away from the
// protection of things). A reading action gives Read; any other gives Plan, Do
// and Check, and Undo or NoUndo.
type Spec[P, R any] struct {
	Doc         string        // first sentence: what it does, in the words of design
	Class       Class         // the most it may do
	Permissions []Permission  // least application permissions, of looking and of undo too
	Throttle    string        // throttling class, such as "sharepoint", "graph.security", "defender"
	Cost        Cost          // what it costs of that
	Also        string        // throttling class of which sending one effect uses a unit besides, such as "sharepoint.sharing"
	Elsewhere   Elsewhere     // how it is counted on targets of another API; none if zero
	Planning    string        // throttling class of planning, where it asks another API than the effects; default Throttle
	Repeat      Repeat        // default RepeatNever
	Settling    time.Duration // how long a read may answer with the state before
	Within      time.Duration // how long work that was accepted may go on before a person is asked; default Settling
	Timeout     time.Duration // of one request; default 30 s
	Source      string        // the API's page
	NoUndo      string        // why there is no inverse
	Example     string        // a `with:` that works, in YAML
	Writes      []string      // fields of the incident model that it may write; of an optional parameter's name: only when that is given
	Deprecated  string        // what to use instead; "": not deprecated

	// Read does a reading action.
	Read func(context.Context, Call, P) (R, error)
	// Plan reads the state before and answers the effects that are needed, in
	// order, none if it is already so, with the output as it will be when all
	// of them have happened. It changes nothing.
	Plan func(context.Context, Call, P) ([]Effect, R, error)
	// State reads what approvers are shown for one target and what must not
	// have changed since. Only the entity parameter is filled.
	State func(context.Context, Call, P) (any, error)
	// Do sends the one request of the effect.
	Do func(context.Context, Call, Effect) (Outcome, error)
	// Check looks whether the effect happened.
	Check func(context.Context, Call, Effect) (Finding, error)
	// Undo reads the present state and answers the inverse.
	Undo func(context.Context, Call, Effect) (Inverse, error)
	// Settle corrects the predicted output by what became of the effects.
	Settle func(R, []Effect) R
}

// Permission is one application permission that an action needs, or a role of
// Azure.
type Permission struct {
	API  string `json:"api"` // graph, defender, azure, activity
	Name string `json:"name"`
	When string `json:"when,omitempty"` // needed only then, such as "on incidents of Sentinel"; empty: always
}
