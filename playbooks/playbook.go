package playbooks

import (
	"encoding/json"
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

	source  *fileText
	written fields
	faulty  bool // Load found errors
}

// On is what starts a playbook. A nil part is not listened to.
type On struct {
	Incident *IncidentTrigger
	Manual   *ManualTrigger
}

// IncidentTrigger starts a run for an incident that is new or has changed.
type IncidentTrigger struct {
	Events  []string // created, updated
	Changes []string // what an update must have changed
	If      *Expression

	written fields
}

// ManualTrigger lets a person start the playbook.
type ManualTrigger struct {
	Subject string // incident (default) | alert | user | file | device | mailbox | none
}

// Param is a typed input of the playbook.
type Param struct {
	Name        string
	Type        Type
	Default     any // decoded; nil when required
	Required    bool
	Description string
	Minimum     *float64
	Maximum     *float64
	Enum        []any

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
	Timeout *Template // of one attempt; nil: the action's
	Retry   *Retry
	OnError string // fail (default) | continue

	Uses   string         // Action
	Action actions.Action // Action: resolved by Check
	With   *Template      // Action: answers a map[string]any

	Set      []Binding // Set
	Steps    []*Step   // Block, ForEach: the list
	Else     []*Step   // Block: when If is false
	Each     *Each     // ForEach
	Branches []*Step   // Parallel: one step each
	Approve  *Approval // Approve
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
	MaxParallel int    // default 8
	Collect     []Binding
}

// Retry of a step. A 429's wait uses up no attempt; an effect without a certain
// answer is never repeated by it.
type Retry struct {
	Attempts int    // the first counts
	Backoff  string // exponential | constant
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
	Covers    []*Step     // every step with effects that it covers, resolved by Check
	Approvers *Template   // answers a list of groups and people
	Quorum    int
	Timeout   *Template
	OnTimeout string // reject (default) | stop | approve
	OnReject  string // "" | continue

	written fields
}

// Event is one occurrence that starts runs. Data is what the trigger gives, as
// JSON of the model: incident for an incident event.
type Event struct {
	ID        string          `json:"id"`      // the dedupe key within playbook and subject
	Trigger   string          `json:"trigger"` // incident | manual
	Kind      string          `json:"kind"`    // created | updated | manual
	At        time.Time       `json:"at"`
	Changes   []string        `json:"changes,omitempty"`
	NewAlerts []string        `json:"new_alerts,omitempty"`
	By        string          `json:"by,omitempty"`
	Reason    string          `json:"reason,omitempty"`
	Incident  json.RawMessage `json:"incident,omitempty"` // connectors/incident.Incident
}
