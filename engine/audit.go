package engine

import (
	"encoding/json"
	"fmt"

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
}

func auditRecord(a Audit) []byte {
	b, err := json.Marshal(a)
	if err != nil { // every field is ours and marshals
		panic(fmt.Sprintf("engine: audit %s: %v", a.Kind, err))
	}
	return b
}
