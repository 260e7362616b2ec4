package engine

import (
	"encoding/json"

	"stanch/actions"
)

// Audit is one record of the audit log: who did what to what, for which run,
// with which outcome. The store adds number, time and hash.
type Audit struct {
	Kind     string          `json:"kind"` // run.begin, run.end, run.cancel, run.terminate, effect.intent, effect.result, approval.asked, approval.reminded, approval.decision, effect.resolve, effect.forgotten, freeze, thaw, store.back
	Run      string          `json:"run,omitempty"`
	Step     string          `json:"step,omitempty"`
	Playbook string          `json:"playbook,omitempty"`
	Edition  string          `json:"edition,omitempty"`
	Mode     string          `json:"mode,omitempty"`
	Subject  string          `json:"subject,omitempty"`
	Follows  string          `json:"follows,omitempty"` // run.begin: the run that it undoes, retries or begins again
	By       string          `json:"by,omitempty"`
	Via      string          `json:"via,omitempty"`
	Effect   string          `json:"effect,omitempty"`
	Action   string          `json:"action,omitempty"`
	Class    actions.Class   `json:"class,omitempty"`
	Target   *actions.Target `json:"target,omitempty"`
	Before   json.RawMessage `json:"before,omitempty"`
	After    json.RawMessage `json:"after,omitempty"`
	Status   string          `json:"status,omitempty"`
	Why      string          `json:"why,omitempty"`
	Question string          `json:"question,omitempty"`
	Hash     string          `json:"hash,omitempty"`

	aim []byte // Target as it is written, if somebody has written it already
}

// aim is the target of the effect that a strand acts on, as it is written: the
// intent and the result both name it.
type aim struct {
	effect string
	target []byte
}

func (a *aim) at(e actions.Effect) []byte {
	if a.effect != e.ID {
		a.effect, a.target = e.ID, actions.JSON(e.Target)
	}
	return a.target
}

// auditRecord writes a record. Every field of Audit has its line here.
func auditRecord(a Audit) []byte {
	o := newObject().name("kind").quoted(a.Kind)
	o = o.text("run", a.Run).text("step", a.Step).text("playbook", a.Playbook).text("edition", a.Edition)
	o = o.text("mode", a.Mode).text("subject", a.Subject).text("follows", a.Follows).text("by", a.By).text("via", a.Via)
	o = o.text("effect", a.Effect).text("action", a.Action).text("class", string(a.Class))
	if a.aim != nil {
		o = append(o.name("target"), a.aim...)
	} else {
		o = part(o, "target", a.Target)
	}
	o = o.raw("before", a.Before).raw("after", a.After)
	o = o.text("status", a.Status).text("why", a.Why).text("question", a.Question).text("hash", a.Hash)
	return o.end()
}
