package playbooks

import (
	"cmp"
	"encoding/json"
	"time"

	"stanch/connectors/incident"
)

// On is what starts a playbook. A nil part is not listened to.
type On struct {
	Incident *IncidentTrigger
	Alert    *AlertTrigger
	Schedule *ScheduleTrigger
	Hunting  *HuntingTrigger
	Webhook  *WebhookTrigger
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

// AlertTrigger starts a run for an alert that is new, or of which the audit log
// tells more; in either case once.
type AlertTrigger struct {
	Events []string // created (default), detailed
	If     *Expression

	written fields
}

// ScheduleTrigger starts a run at times.
type ScheduleTrigger struct {
	Cron    string // five fields, or @daily and its kin
	Zone    string // IANA name; default UTC
	Misfire string // once (default) | skip | all: what becomes of times nobody was there for
	DST     string // once (default) | skip: of a time that the clock's change leaves out
	Jitter  time.Duration
	If      *Expression

	written fields
}

// HuntingTrigger starts runs for the rows of a query that runs at times.
type HuntingTrigger struct {
	Schedule ScheduleTrigger
	Source   string    // defender (default) | logs
	Query    string    // KQL, as written; values come by Let
	Let      []Binding // names of the query and what they stand for
	Columns  []Param   // name and type of what the query answers
	Key      []string  // columns by which a row is known again; none: all
	Start    string    // each_row (default) | batch
	MaxRows  int       // default 500
	If       *Expression

	written fields
}

// WebhookTrigger starts a run for a request to /hooks/<Path>.
type WebhookTrigger struct {
	Path string
	Auth string // hmac (default) | token | graph: how a sender shows who it is
	Body Type   // any when not declared
	If   *Expression

	written fields
}

// Event is one occurrence that starts runs. Data is what the trigger gives, as
// JSON of the model: incident for an incident event.
type Event struct {
	ID        string          `json:"id"`      // the dedupe key within playbook and subject
	Trigger   string          `json:"trigger"` // incident | alert | schedule | hunting | webhook | manual
	Kind      string          `json:"kind"`    // created | updated | detailed | tick | rows | call | manual
	At        time.Time       `json:"at"`
	Changes   []string        `json:"changes,omitempty"`
	NewAlerts []string        `json:"new_alerts,omitempty"`
	Detailed  []string        `json:"detailed,omitempty"` // alerts of which the audit log tells something new
	By        string          `json:"by,omitempty"`
	Reason    string          `json:"reason,omitempty"`
	Incident  json.RawMessage `json:"incident,omitempty"` // connectors/incident.Incident
	Alert     json.RawMessage `json:"alert,omitempty"`    // connectors/incident.Alert, of an alert event
	Evidence  json.RawMessage `json:"evidence,omitempty"` // of an alert event: the alert's own
	Row       json.RawMessage `json:"row,omitempty"`      // of a hunting event that starts for each row
	Rows      json.RawMessage `json:"rows,omitempty"`     // of one that starts for all
	Body      json.RawMessage `json:"body,omitempty"`     // of a webhook
	Subject   json.RawMessage `json:"subject,omitempty"`  // of a manual event: the entity it was started on
	Scheduled time.Time       `json:"scheduled_at,omitzero"`
}

// GiveAlert gives the event its alert, and the evidence that goes with it.
func (ev *Event) GiveAlert(a incident.Alert, evidence incident.Evidence) (err error) {
	if ev.Alert, err = json.Marshal(a); err != nil {
		return err
	}
	ev.Evidence, err = json.Marshal(evidence)
	return err
}

// SubjectName is what people know the entity by that a person started a run on;
// empty where the event has none, or no name for it.
func (ev Event) SubjectName() string {
	var about struct{ Name, UPN, Address string }
	if len(ev.Subject) == 0 || json.Unmarshal(ev.Subject, &about) != nil {
		return ""
	}
	return cmp.Or(about.Name, about.UPN, about.Address)
}
