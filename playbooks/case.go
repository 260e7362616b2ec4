package playbooks

import (
	"time"

	"gopkg.in/yaml.v3"
)

// CaseFile is a test file, *_test.yaml: the cases of one playbook. Its types
// carry the schema of the file: `json` names a key, `doc` says what it is,
// `enum` lists its words, `required` says that it must be there.
type CaseFile struct {
	File     string `json:"-"`
	Playbook string `json:"playbook" required:"true" doc:"the playbook's file, as seen from this file's folder"`
	Cases    []Case `json:"cases" required:"true" doc:"what is tried, each on its own"`

	source *fileText
	keys   map[string][]*yaml.Node // of mappings from names to things, and texts of lists, by what they say
}

// Case is one run of the playbook with what it has to come to.
type Case struct {
	Name      string                `json:"name" required:"true" doc:"a promise, in a few words; unique in the file"`
	Event     CaseEvent             `json:"event" doc:"what starts the run; left out where the playbook is only called"`
	Mode      string                `json:"mode" enum:"live,plan,shadow" doc:"default live"`
	Now       time.Time             `json:"now" doc:"when the run starts; default: the time of the event"`
	Params    map[string]any        `json:"params" doc:"params of the run; default: those of the playbook"`
	Lists     map[string][]any      `json:"lists" doc:"reference lists by name, in place of the real ones"`
	Actions   map[string]CaseAction `json:"actions" doc:"actions that are answered here; any other is answered by the practice tenant"`
	Faults    []CaseFault           `json:"faults" doc:"what goes wrong on the practice tenant's wire"`
	Approvals map[string]CaseAnswer `json:"approvals" doc:"how people answer, by step path: gate, contain/gate, contain[1]/gate"`
	Events    []CaseEventPosted     `json:"events" doc:"events posted while the run goes on, for its waits"`
	Cancel    *CaseCancel           `json:"cancel" doc:"the run is cancelled at a time"`
	Expect    Expect                `json:"expect" required:"true" doc:"what has to come of it"`

	Line int `json:"-"` // of its name in the file
}

// CaseEvent is what starts the run: one of incident, alert, scheduled_at, row,
// rows, body, or kind: manual, which may stand beside incident, alert or subject.
type CaseEvent struct {
	Incident    any       `json:"incident" doc:"a file with a Graph incident; {fixture: FILE, set: {path: value}} changes fields of the model; any other mapping is the incident in the model"`
	Alert       any       `json:"alert" doc:"an alert in the model, or {fixture: FILE, id: ID} for one of a Graph incident"`
	ScheduledAt time.Time `json:"scheduled_at" doc:"a tick of the schedule"`
	Row         any       `json:"row" doc:"one row of a hunting query"`
	Rows        []any     `json:"rows" doc:"all rows of a hunting query"`
	Body        any       `json:"body" doc:"what a webhook was sent"`
	Subject     any       `json:"subject" doc:"the entity on which a person starts it, in the model"`
	Kind        string    `json:"kind" enum:"created,updated,detailed,manual" doc:"of an incident created or updated, of an alert created or detailed; manual: a person starts the run. Default created"`
	Changes     []string  `json:"changes" doc:"of an update: the fields that changed"`
	NewAlerts   []string  `json:"new_alerts" doc:"of an update: ids of the alerts that came"`
	By          string    `json:"by" doc:"who starts it by hand"`
	Reason      string    `json:"reason" doc:"why, in their words"`
}

// CaseAction is how an action answers. In a file it is a list of answers, one
// answer, or just the output.
type CaseAction []CaseReply

// CaseReply is one answer of an action. Of several the first that fits and is
// not used up is given.
type CaseReply struct {
	With     map[string]any `json:"with" doc:"only when the step's params hold these"`
	Times    int            `json:"times" doc:"how often it is given; default: always"`
	Output   any            `json:"output" doc:"what the step gets; of an action with effects: when all have happened"`
	Effects  []CaseEffect   `json:"effects" doc:"the effects of an action that has some; default: one, on what it acts upon"`
	Error    *CaseError     `json:"error" doc:"it fails: a reading action at once, an effect when it is sent"`
	Practice bool           `json:"practice" doc:"the practice tenant answers"`

	line int
}

// CaseEffect is an effect of an action that the case answers.
type CaseEffect struct {
	Target string `json:"target" doc:"name of what is changed; default: what the action acts upon"`
	Before any    `json:"before" doc:"its state before"`
	After  any    `json:"after" doc:"its state after"`

	Entities []CaseEntity `json:"entities" doc:"what it belongs to beside what the action acts upon, for guardrails"`
}

// CaseEntity is a thing, or several that are alike, that an effect touches.
type CaseEntity struct {
	Kind    string   `json:"kind" required:"true" doc:"file, user, device, site, mailbox, label or incident"`
	ID      string   `json:"id" required:"true" doc:"its id"`
	Name    string   `json:"name" doc:"its name"`
	Aliases []string `json:"aliases" doc:"its other names, such as an address or a site's path"`
	Count   int      `json:"count" doc:"so many of them, with numbers behind their ids; default 1"`
}

// CaseError is how an action fails.
type CaseError struct {
	Code       string        `json:"code" required:"true" doc:"throttled, unavailable, timeout, forbidden, not_found…"`
	Message    string        `json:"message" doc:"what it says"`
	RetryAfter time.Duration `json:"retry_after" doc:"the wait that the service asks for"`
	Happened   string        `json:"happened" enum:"no,yes,unknown" doc:"of an effect without a certain answer: what looking at it shows. Left out, the failure is certain"`
	At         string        `json:"at" enum:"send,look" doc:"look: reading the state before an effect fails; default send"`
}

// CaseFault is a fault of the practice tenant's wire, as POST /practice/faults
// takes it.
type CaseFault struct {
	Method     string            `json:"method" doc:"of the requests; default any"`
	Path       string            `json:"path" required:"true" doc:"pattern of their path; * is any text without a slash, ** any text"`
	Times      int               `json:"times" doc:"how often; default always"`
	After      int               `json:"after" doc:"how many pass before"`
	Status     int               `json:"status" doc:"answered in place of doing it"`
	Headers    map[string]string `json:"headers" doc:"of that answer"`
	Body       any               `json:"body" doc:"of that answer"`
	Cut        string            `json:"cut" enum:"before,after,middle" doc:"the connection ends before it is done, after, or within the answer"`
	StaleReads int               `json:"stale_reads" doc:"how many reads see what was before"`
}

// CaseAnswer is how people answer a question. In a file it is one answer or a
// list: one for each time the step asks.
type CaseAnswer []CaseDecision

// CaseDecision is one answer of people.
type CaseDecision struct {
	Outcome string         `json:"outcome" required:"true" enum:"approved,rejected,timed_out" doc:"timed_out: nobody answers"`
	By      []string       `json:"by" doc:"who; default: as many approvers as are needed"`
	After   time.Duration  `json:"after" doc:"how long after it was asked; default: at once"`
	Reason  string         `json:"reason" doc:"what they say"`
	Form    map[string]any `json:"form" doc:"the fields they fill in"`

	line int
}

// CaseEventPosted is an event for a wait.
type CaseEventPosted struct {
	Name  string        `json:"name" required:"true" doc:"name of the event"`
	Key   any           `json:"key" doc:"its key, as the wait gives it"`
	At    time.Time     `json:"at" doc:"when it comes"`
	After time.Duration `json:"after" doc:"how long after the start it comes; default: at once"`
	Data  any           `json:"data" doc:"what it brings"`
	By    string        `json:"by" doc:"who sends it"`
}

// CaseCancel cancels the run.
type CaseCancel struct {
	At    time.Time     `json:"at" doc:"when"`
	After time.Duration `json:"after" doc:"how long after the start"`
	By    string        `json:"by" doc:"who"`
}

// Expect is what has to come of a case. What is left out is not looked at.
type Expect struct {
	Status   string            `json:"status" enum:"succeeded,failed,rejected,cancelled,waiting,not_started" doc:"how the run ends; waiting: it waits for what the case does not give; not_started: the trigger's condition does not hold. Default: it may end as it likes"`
	Steps    map[string]string `json:"steps" doc:"status by step path; others may be there"`
	AllSteps map[string]string `json:"all_steps" doc:"status by step path; no other step was reached"`
	Path     []string          `json:"path" doc:"the steps that ran, in the playbook's order; without [n] the items of a loop are not told apart"`
	Outputs  map[string]any    `json:"outputs" doc:"outputs of the run; others may be there"`
	Effects  *ExpectEffects    `json:"effects" doc:"the effects that happened: a list is all of them, {contains: […]} some"`
	Error    *ExpectError      `json:"error" doc:"why the run failed"`
	Reason   string            `json:"reason" doc:"what stop or a rejection said; * is any text"`
	Check    []CaseCheck       `json:"check" doc:"questions that have to be true, over outputs, steps, vars, run, params, event"`
}

// ExpectEffects are effects that have to be there.
type ExpectEffects struct {
	List  []ExpectEffect `json:"contains" doc:"effects that must be there; others may be"`
	Exact bool           `json:"-"` // no other effect happened
}

// ExpectEffect is one effect, or several that are alike.
type ExpectEffect struct {
	Action string `json:"action" required:"true" doc:"name of the action"`
	Target any    `json:"target" doc:"name, id or alias of what was changed or of an entity it belongs to; * is any text. A mapping: fields of the target"`
	Step   string `json:"step" doc:"path of its step"`
	Status string `json:"status" enum:"done,already_so,not_done,refused,unknown,undone,planned,open" doc:"default: it happened; in a plan: planned"`
	Times  *int   `json:"times" doc:"how many; default 1"`
	Before any    `json:"before" doc:"fields of the state before"`
	After  any    `json:"after" doc:"fields of the state after"`
}

// ExpectError is why a run failed.
type ExpectError struct {
	Step    string `json:"step" doc:"path of the step"`
	Code    string `json:"code" doc:"code of the error"`
	Message string `json:"message" doc:"what it says; * is any text"`
}

// CaseCheck is one question of a case.
type CaseCheck struct {
	Source string
	Expr   *Expression

	node *caseNode
}
