package rehearse

import (
	"encoding/json"
	"fmt"
	"strings"

	"stanch/playbooks"
)

// effects compares the effects of the run with those expected. Each effect
// serves one expectation.
func (j *judge) effects() {
	want := j.e.Effects
	if want == nil {
		return
	}
	var all []effect
	for _, s := range j.run.Steps {
		for _, e := range s.Effects {
			all = append(all, effect{e, s.Path})
		}
	}
	served := make([]bool, len(all))
	for _, w := range want.List {
		j.expected(w, all, served)
	}
	if !want.Exact {
		return
	}
	for i, e := range all {
		if !served[i] && e.happened(j.run.Mode) {
			j.add("an effect that was not expected: %s", describe(e))
		}
	}
}

func describe(e effect) string {
	return fmt.Sprintf("%s of %s on %s (at %s)", e.Status, e.Action, e.Target.Name, e.step)
}

// expected takes the effects that serve one expectation.
func (j *judge) expected(w playbooks.ExpectEffect, all []effect, served []bool) {
	times := 1
	if w.Times != nil {
		times = *w.Times
	}
	found := 0
	var near []string
	for i, e := range all {
		if e.Action != w.Action {
			continue
		}
		if !j.serves(w, e) {
			near = append(near, describe(e))
			continue
		}
		if !served[i] && (found < times || times == 0 || !j.e.Effects.Exact) {
			served[i] = true
			found++
		}
	}
	enough := found == times || !j.e.Effects.Exact && w.Times == nil && found > times
	if enough {
		return
	}
	what := w.Action
	if w.Target != nil {
		what += " on " + strings.Trim(compact(w.Target), `"`)
	}
	got := fmt.Sprint(found)
	if len(near) > 0 {
		got += "; others of that action: " + strings.Join(near[:min(len(near), 5)], "; ")
	}
	j.differs("effects "+what, times, got)
}

// serves reports whether an effect is what is expected.
func (j *judge) serves(w playbooks.ExpectEffect, e effect) bool {
	if w.Status != "" && w.Status != string(e.Status) || w.Status == "" && !e.happened(j.run.Mode) {
		return false
	}
	if w.Step != "" && w.Step != e.step && w.Step != static(e.step) {
		return false
	}
	return targeted(w.Target, e) && stateHolds(w.Before, e.Before) && stateHolds(w.After, e.After)
}

// targeted compares a target by any of its names, or by its fields.
func targeted(want any, e effect) bool {
	switch w := want.(type) {
	case nil:
		return true
	case string:
		names := []string{e.Target.ID, e.Target.Name}
		for _, entity := range e.Target.Entities {
			names = append(append(names, entity.ID, entity.Name), entity.Aliases...)
		}
		for _, name := range names {
			if matches(w, name) {
				return true
			}
		}
		return false
	}
	raw, err := json.Marshal(e.Target)
	return err == nil && stateHolds(want, raw)
}

func stateHolds(want any, got json.RawMessage) bool {
	if want == nil {
		return true
	}
	var v any
	return json.Unmarshal(got, &v) == nil && holds(v, want)
}
