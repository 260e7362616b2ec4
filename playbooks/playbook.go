package playbooks

import (
	"regexp"
	"time"

	"gopkg.in/yaml.v3"

	"stanch/actions"
)

// Playbook is one checked playbook: what the engine runs. Its fields are not
// changed after Check; it may be used from many goroutines.
type Playbook struct {
	File        string
	Text        []byte // as loaded; what an edition keeps
	Digest      string // sha256:<hex> over Text
	ID          string
	Title       string
	Description string
	Status      string // draft | test | stable | deprecated
	Owner       string
	Tags        []string
	On          On
	Params      []Param
	Guardrails  Guardrails
	Concurrency Concurrency
	Timeout     *Template // of the run, waits and approvals included; nil: none
	Steps       []*Step
	OnFailure   []*Step
	Finally     []*Step
	Outputs     []Binding
	Calls       []*Playbook  // all that it may come to call, each once, in the order of their ids
	Lists       []List       // the reference data that it names, in the order of their names
	Suppressed  []Suppressed // warnings that its comments take back, as LoadAndCheck found them

	source  *fileText
	written fields
	faulty  bool // Load found errors

	given map[string]Type // the names that its triggers give, by Check
	watch func(spot)      // told of every expression that Check meets
	scope Scope           // what its triggers give, of Check
	open  []openEffect
	reads []string // dotted names of what the event gives that it reads
}

// Param is a typed input of the playbook.
type Param struct {
	Name        string
	Type        Type
	Default     any // decoded; nil when required
	Required    bool
	Description string
	Minimum     *float64 // of numbers; of a size in bytes, of a duration in nanoseconds
	Maximum     *float64
	Enum        []any // the only values, of a list's items if it is one
	MinLength   *int  // of texts, in characters
	MaxLength   *int
	Pattern     *regexp.Regexp // found somewhere in a text
	Format      string         // of texts: one of ParamFormats
	MinItems    *int           // of lists
	MaxItems    *int
	Unique      bool // no item of the list twice

	key *yaml.Node
}

// Guardrails are the playbook's own limits; the operator's stand beside them
// and the stricter wins.
type Guardrails struct {
	MaxTargets map[string]int      `json:"max_targets,omitempty"` // by entity kind in the plural: files, users, devices
	Protect    map[string][]string `json:"protect,omitempty"`     // likewise: users, sites, devices, files, labels
}

// Concurrency limits runs that share a key.
type Concurrency struct {
	Key      *Template // nil: playbook and subject
	WhenBusy string    // queue (default) | skip | replace

	written fields
}

// Kind is what a step is.
type Kind string

// The step kinds.
const (
	Action   Kind = "action"
	Set      Kind = "set"
	Block    Kind = "block" // steps, with or without if/else
	ForEach  Kind = "for_each"
	Parallel Kind = "parallel"
	Approve  Kind = "approve"
	Wait     Kind = "wait"
	Repeat   Kind = "repeat"
	Call     Kind = "call"
	Stop     Kind = "stop"
	Fail     Kind = "fail"
)

// Step is a node of a playbook.
type Step struct {
	ID      string // "" when not given
	Name    string // its part of a step path: the id, or its position from 0
	Title   *Template
	Kind    Kind
	Line    int
	If      *Expression
	Timeout *Template // of one attempt of an action, nil: the action's; of any other kind: of the whole step
	Retry   *Retry    // Action
	OnError string    // fail (default) | continue | rollback | steps: then Rescue says which
	Rescue  []*Step   // on_error: {steps}: they know `error`; behind them the list goes on
	Finally []*Step   // run however the step has ended, cancel included
	For     *Template // Action: how long its effects last until their inverse; nil: until undone

	Uses   string         // Action
	Action actions.Action // Action: resolved by Check
	With   *Template      // Action: answers a map[string]any

	Set      []Binding // Set
	Steps    []*Step   // Block, ForEach: the list
	Else     []*Step   // Block: when If is false
	Each     *Each     // ForEach
	Branches []*Step   // Parallel: one step each
	Approve  *Approval // Approve
	Wait     *Waiting  // Wait
	Repeat   *Turns    // Repeat: its list is Steps
	Call     *Called   // Call
	Text     *Template // Stop, Fail

	written fields
	assigns []field // of Set and of Each.Collect
	faulty  bool    // some of its keys could not be read
	output  Type
}

// Binding is a name with the expression that gives its value.
type Binding struct {
	Name string
	Expr *Expression
}

// Each is the head of a for_each.
type Each struct {
	List        *Expression
	As          string // default item
	Index       string // "" when not asked for
	Batch       int    // 0: one by one
	Filled      bool   // the list is known to hold something when the step is run
	MaxParallel int    // default 8
	Collect     []Binding
}

// Retry of a step. A 429's wait uses up no attempt; an effect without a certain
// answer is never repeated by it.
type Retry struct {
	Attempts int    // the first counts
	Backoff  string // exponential | constant | fibonacci
	Initial  time.Duration
	Cap      time.Duration
	Jitter   string // full | none
	On       []string
}

// Approval asks people before the covered steps may have effects.
type Approval struct {
	Ask       *Template
	Targets   *Expression // nil: none
	Entity    string      // kind of the targets: file, user, device, mailbox…
	Field     string      // the field of each target record that is the entity; "" when the target itself is
	Covers    []*Step     // every step with effects that it covers, resolved by Check; a Call is covered whole
	Approvers *Template   // answers a list of groups and people
	Quorum    int
	Timeout   *Template
	Remind    *Template // how often those who have not decided are asked again; nil: never
	OnTimeout string    // reject (default) | stop | approve
	OnReject  string    // "" | continue
	Form      []Param   // fields that whoever approves fills in

	written fields
}

// Waiting lets time pass: for a while, until a time, or for an event. Exactly
// one of For, Until and Event is set.
type Waiting struct {
	For   *Template // a duration
	Until *Template // a time; one that is past is no wait

	Event     string    // name of the event
	Key       *Template // which of them
	Timeout   *Template // nil: as long as the run lasts
	OnTimeout string    // fail (default, code timeout) | continue | stop
	Since     *Template // a time; how old an event may be that came before. nil: since the run's start
	Data      Type      // what the event brings; any when not declared

	written fields
}

// Turns is the head of a repeat: its steps run until a condition holds, at most
// so often. Times used up without Until fail the step with the code limit.
type Turns struct {
	Until *Expression // asked after each turn; nil: never
	Every *Template   // a duration from the end of a turn to the next; nil: at once
	Times int         // at most

	written fields
}

// Called is another playbook that runs inside this run.
type Called struct {
	Playbook string    // its id
	Book     *Playbook // resolved by Check
	With     *Template // its params: answers a map[string]any

	written fields
}

// Source is the text of a playbook file.
type Source struct {
	File string `json:"file"`
	Text []byte `json:"text"`
}
