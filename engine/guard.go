package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"stanch/actions"
	"stanch/playbooks"
)

// verdict is what the guardrails say of one effect.
type verdict struct {
	refuse   string
	question *Question
	take     []Take
}

// guard asks the guardrails, the stricter of the operator's and the
// playbook's, right before an intent.
func (h *holding) guard(ctx context.Context, t *task, e *effectState) (verdict, error) {
	book := h.st.run.book
	if why := h.e.protects(book, e.Effect); why != "" {
		return verdict{refuse: why}, nil
	}
	p := h.st.at(t.path)
	if q := p.ask[e.held]; q == nil || q.Reason != reasonChanged {
		question, why, err := h.approved(ctx, t)
		if err != nil || why != "" || question != nil {
			return verdict{refuse: why, question: question}, err
		}
	}
	v := verdict{}
	for kind, limit := range h.e.caps(book) {
		name := h.st.run.id + "/" + kind
		if q := p.ask[capKey(name)]; q != nil && slices.Contains(q.Effects, e.ID) {
			if outcome, _ := q.outcome(h.st.now); outcome == "approved" {
				continue // a person allowed this very effect
			}
		}
		var targets []string
		for _, entity := range e.Target.Entities {
			if entity.Kind+"s" == kind {
				targets = append(targets, entity.ID)
			}
		}
		if len(targets) > 0 {
			v.take = append(v.take, Take{Name: name, Limit: limit, Effect: e.ID, Targets: targets})
		}
	}
	return v, nil
}

func capKey(name string) string { return "cap " + name }

// caps answers the limits of targets by kind, in the plural.
func (e *Engine) caps(book *playbooks.Playbook) map[string]int {
	caps := maps.Clone(book.Guardrails.MaxTargets)
	if caps == nil {
		caps = map[string]int{}
	}
	for kind, n := range e.o.Guardrails.MaxTargets {
		if own, ok := caps[kind]; !ok || n < own {
			caps[kind] = n
		}
	}
	return caps
}

// protects answers why an effect is forbidden, or "". Entities were resolved
// by the action before; every name of them counts, without case. The people who
// could stop us are always protected.
func (e *Engine) protects(book *playbooks.Playbook, effect actions.Effect) string {
	for _, entity := range effect.Target.Entities {
		if entity.ID == "" {
			return fmt.Sprintf("%s %q could not be resolved, so it cannot be told whether it is protected", entity.Kind, entity.Name)
		}
		kind := entity.Kind + "s"
		for _, list := range [][]string{e.o.Guardrails.Protect[kind], book.Guardrails.Protect[kind]} {
			if name, hit := named(entity, list); hit {
				return fmt.Sprintf("%s %s is protected", entity.Kind, name)
			}
		}
		if entity.Kind != "user" {
			continue
		}
		for group, people := range e.o.Groups {
			if name, hit := named(entity, people); hit {
				return fmt.Sprintf("user %s is protected: a member of %s", name, group)
			}
		}
	}
	return ""
}

func named(entity actions.Entity, list []string) (string, bool) {
	for _, protected := range list {
		for _, name := range append([]string{entity.ID, entity.Name}, entity.Aliases...) {
			if name != "" && strings.EqualFold(name, protected) {
				return protected, true
			}
		}
	}
	return "", false
}

// capQuestion asks about an effect that would pass a cap.
func (h *holding) capQuestion(t *task, e actions.Effect, refused string) *Question {
	name := strings.TrimPrefix(refused, "cap ")
	kind := name[strings.LastIndexByte(name, '/')+1:]
	limit := h.e.caps(h.st.run.book)[kind]
	return &Question{
		Key: capKey(name), Reason: reasonCap,
		Ask:     fmt.Sprintf("The run has reached its cap of %d %s. Allow %s on %s as well?", limit, kind, e.Action, e.Target.Name),
		Targets: e.Target.Entities, Covers: []string{staticPath(t.path)}, Effects: []string{e.ID},
		Approvers: h.e.capApprovers(), Quorum: 1,
	}
}

func (e *Engine) capApprovers() []string {
	if len(e.o.CapAsks) > 0 {
		return e.o.CapAsks
	}
	return slices.Sorted(maps.Keys(e.o.Groups))
}

// Reasons of a question.
const (
	reasonGate    = "gate"
	reasonCap     = "cap"
	reasonChanged = "changed"
)

// approved holds an effect against the approvals that cover its step: its
// target must be among those shown, in the state that was shown.
func (h *holding) approved(ctx context.Context, t *task) (*Question, string, error) {
	p := h.st.at(t.path)
	for _, gate := range h.st.run.gates[t.step] {
		q := h.st.question(gate)
		if q == nil || p.entity == nil || gate.Approve.Entity != p.entity.Kind {
			continue // the gate was not needed, or asks about something else
		}
		known := slices.ContainsFunc(q.Targets, func(e actions.Entity) bool { return e.ID == p.entity.ID })
		if !known {
			return h.changed(t, gate, q, nil, fmt.Sprintf("%s %s was not among the targets that were approved", p.entity.Kind, entityName(*p.entity))), "", nil
		}
		if t.effect > 0 || !t.step.Action.HasState() {
			continue // what the run's own covered effects changed since is no difference
		}
		shown := slices.IndexFunc(q.Shown, func(s Shown) bool { return s.Action == t.step.Uses && s.Target == p.entity.ID })
		if shown < 0 {
			continue
		}
		state, err := h.show(ctx, t, t.step.Action, p.entity)
		if err != nil {
			return nil, "", err
		}
		if !sameJSON(state, q.Shown[shown].State) {
			return h.changed(t, gate, q, &Shown{Action: t.step.Uses, Target: p.entity.ID, State: state}, fmt.Sprintf("%s %s is no longer as it was shown", p.entity.Kind, entityName(*p.entity))), "", nil
		}
	}
	return nil, "", nil
}

func entityName(e actions.Entity) string {
	if e.Name != "" {
		return e.Name
	}
	return e.ID
}

// changed asks again about an effect that an approval does not fit.
func (h *holding) changed(t *task, gate *playbooks.Step, q *questionState, now *Shown, why string) *Question {
	e := h.st.at(t.path).effects[t.effect]
	again := &Question{
		Key: "changed " + gate.Name, Reason: reasonChanged,
		Ask:     fmt.Sprintf("%s. Do %s on %s all the same?", capital(why), e.Action, e.Target.Name),
		Targets: []actions.Entity{*h.st.at(t.path).entity}, Covers: []string{staticPath(t.path)}, Effects: []string{e.ID},
		Approvers: q.Approvers, Quorum: q.Quorum,
	}
	if now != nil {
		again.Shown = []Shown{*now}
	}
	return again
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// question answers what was asked at a gate, in this strand or one around it.
func (st *state) question(gate *playbooks.Step) *questionState {
	for s := st; s != nil; s = s.above {
		for path, p := range s.steps {
			if q := p.ask[gateKey]; q != nil {
				if step, err := findStep(s, path); err == nil && step == gate {
					return q
				}
			}
		}
	}
	return nil
}

// sameJSON compares two JSON values by meaning.
func sameJSON(a, b json.RawMessage) bool {
	var x, y any
	da, db := json.NewDecoder(bytes.NewReader(a)), json.NewDecoder(bytes.NewReader(b))
	da.UseNumber()
	db.UseNumber()
	if da.Decode(&x) != nil || db.Decode(&y) != nil {
		return bytes.Equal(a, b)
	}
	ca, errA := json.Marshal(x)
	cb, errB := json.Marshal(y)
	return errA == nil && errB == nil && bytes.Equal(ca, cb)
}
