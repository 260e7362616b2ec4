package engine

import (
	"time"
)

// remindAt answers when those who have not decided are asked again; zero: never.
func (q *questionState) remindAt() time.Time {
	if q.Remind <= 0 {
		return time.Time{}
	}
	return later(q.at, q.reminded).Add(q.Remind)
}

// remind asks again: the reminder is recorded, audited and shown with the
// question.
func (h *holding) remind(t *task) error {
	p := h.st.at(t.path)
	if err := h.record(fact{Kind: kReminded, Path: t.path, Key: gateKey}); err != nil {
		return err
	}
	a := p.ask[gateKey].approval(h.st.run, h.st.strand, t.path)
	h.put = append(h.put, a.document())
	h.audit = append(h.audit, auditRecord(Audit{Kind: "approval.reminded", Run: a.Run, Step: a.Step, Playbook: a.Playbook, Question: a.ID, Hash: a.Hash}))
	h.e.log.Info("approval still asked", "run", a.Run, "step", a.Step, "approval", a.ID, "reminders", a.Reminded)
	return nil
}
