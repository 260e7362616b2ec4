package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"stanch/actions"
	"stanch/playbooks"
)

// covered holds an effect against the approvals that cover its step: they must
// have been given, its target must be among those shown, in the state that was
// shown.
func (h *holding) covered(ctx context.Context, t *task, e *effectState) (verdict, error) {
	for _, over := range h.st.over(t.step) {
		gate := over.gate
		v := over.in.verdict(over.in.outline.paths[gate])
		switch {
		case v.Outcome == notNeeded:
			continue
		case !v.allows(gate):
			return verdict{refuse: fmt.Sprintf("the approval at %s covers this and was not given: %s", v.Path, strings.ReplaceAll(v.Outcome, "_", " "))}, nil
		}
		q, refuse, err := h.bound(ctx, t, e, gate, v)
		if err != nil || refuse != "" || q != nil {
			return verdict{refuse: refuse, question: q}, err
		}
	}
	return verdict{}, nil
}

// bound holds an effect against one approval that was given. It answers the
// question to be asked where the approval does not fit, or why nobody can tell.
func (h *holding) bound(ctx context.Context, t *task, e *effectState, gate *playbooks.Step, v gateVerdict) (*Question, string, error) {
	param, kind, ok := t.step.Action.EntityParam()
	if !ok || gate.Approve.Entity != kind {
		return nil, "", nil // it asks about something else, and covers this by name
	}
	p := h.st.at(t.path)
	if p.entity == nil || p.entity.ID == "" || v.Question == nil {
		return nil, fmt.Sprintf("it cannot be told whether its %s is among those approved at %s", kind, v.Path), nil
	}
	ask := func(now []Shown, why string) *Question {
		q := h.changed(t, e, v, now)
		q.Ask = fmt.Sprintf("%s %s %s. Do %s on %s all the same?", capital(kind), entityName(*p.entity), why, e.Action, e.Target.Name)
		if p.ask[q.Key].approved(h.st.now) {
			return nil
		}
		return q
	}
	if !slices.ContainsFunc(v.Question.Targets, func(known actions.Entity) bool { return known.ID == p.entity.ID }) {
		return ask(nil, "was not among the targets that were approved"), "", nil
	}
	if h.st.touched(gate, p.entity.ID) {
		return nil, "", nil // what the run's own covered effects changed since is no difference
	}
	now, differs := []Shown{}, false
	for _, shown := range v.Question.Shown {
		if shown.Target != p.entity.ID {
			continue
		}
		a, ok := h.e.catalog.Lookup(shown.Action)
		if name, _, _ := a.EntityParam(); ok && shown.Action != t.step.Uses {
			param = name
		}
		state, err := h.stateOf(ctx, t, a, param, p.target)
		if err != nil {
			return nil, "", fmt.Errorf("the state of %s: %w", entityName(*p.entity), err)
		}
		now = append(now, Shown{Action: shown.Action, Target: shown.Target, State: state})
		differs = differs || !sameJSON(state, shown.State)
	}
	if !differs {
		return nil, "", nil
	}
	return ask(now, "is no longer as it was shown"), "", nil
}

// touched reports whether an effect that a gate covers has been done on a
// target, in this strand or one around it.
func (st *state) touched(gate *playbooks.Step, target string) bool {
	for s := st; s != nil; s = s.above {
		for _, p := range s.steps {
			if p.entity == nil || p.entity.ID != target || !slices.ContainsFunc(s.over(p.step), func(o overGate) bool { return o.gate == gate }) {
				continue
			}
			if slices.ContainsFunc(p.effects, func(e effectState) bool { return e.Status == actions.Done }) {
				return true
			}
		}
	}
	return false
}

// changed asks again about an effect that an approval does not fit. The
// question is another one for every state in which the target is seen.
func (h *holding) changed(t *task, e *effectState, v gateVerdict, now []Shown) *Question {
	q := v.Question
	var seen bytes.Buffer
	for _, s := range now {
		seen.WriteString(s.Action)
		seen.Write(canonicalJSON(s.State))
	}
	sum := sha256.Sum256(seen.Bytes())
	return &Question{
		Key: "changed " + v.Path + " " + e.ID + " " + hex.EncodeToString(sum[:8]), Reason: reasonChanged,
		Targets: []actions.Entity{*h.st.at(t.path).entity}, Covers: []string{staticPath(t.path)}, Effects: []string{e.ID},
		Shown: now, Approvers: q.Approvers, Quorum: q.Quorum,
	}
}

// stateOf reads what approvers are shown of one target.
func (h *holding) stateOf(ctx context.Context, t *task, a actions.Action, param string, target json.RawMessage) (json.RawMessage, error) {
	if !a.HasState() {
		return nil, &Fault{Code: "invalid", Message: "this version cannot show it"}
	}
	params, err := json.Marshal(map[string]json.RawMessage{param: target})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, a.Timeout)
	defer cancel()
	return safely(h, a.Name, func() (json.RawMessage, error) { return a.State(ctx, h.call(t), params) })
}

func entityName(e actions.Entity) string {
	if e.Name != "" {
		return e.Name
	}
	return e.ID
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// sameJSON compares two JSON values by meaning.
func sameJSON(a, b json.RawMessage) bool { return bytes.Equal(canonicalJSON(a), canonicalJSON(b)) }

// canonicalJSON writes a JSON value with its keys in order; what is no JSON
// stays as it is.
func canonicalJSON(raw json.RawMessage) []byte {
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return raw
	}
	b, err := json.Marshal(v)
	if err != nil {
		return raw
	}
	return b
}
