package rehearse

import (
	"encoding/json"
	"maps"

	"stanch/playbooks"
)

// checks asks the questions of the case.
func (j *judge) checks() {
	if len(j.e.Check) == 0 {
		return
	}
	names, err := j.names()
	if err != nil {
		j.add("check: %v", err)
		return
	}
	for _, c := range j.e.Check {
		v, err := c.Expr.Eval(playbooks.Env{Names: names, Now: j.p.lane.now, OwnDomains: j.p.lane.o.World.OwnDomains})
		switch {
		case err != nil:
			j.add("check %s: %v", c.Source, err)
		case v != true:
			j.add("check %s is false%s", c.Source, j.values(c, names))
		}
	}
}

// values tells what the parts of a question are.
func (j *judge) values(c playbooks.CaseCheck, names map[string]any) string {
	text := ""
	for _, use := range c.Expr.Uses() {
		if v, ok := look(names, use); ok {
			text += "\n    " + use + " is " + shorten(compact(v))
		}
	}
	return text
}

// names are what a question may name: the end of the run.
func (j *judge) names() (map[string]any, error) {
	p := j.p
	names, err := p.book.EventNames(p.event)
	if err != nil {
		return nil, err
	}
	outputs := map[string]any{}
	for _, b := range p.book.Outputs {
		outputs[b.Name] = nil
		raw, ok := j.run.Outputs[b.Name]
		if !ok {
			continue
		}
		if outputs[b.Name], err = b.Expr.Type().Decode(raw); err != nil {
			return nil, err
		}
	}
	steps, vars, err := j.records()
	if err != nil {
		return nil, err
	}
	fault := map[string]any{"step": "", "code": "", "message": ""}
	if e := j.run.Error; e != nil {
		fault = map[string]any{"step": e.Step, "code": e.Code, "message": e.Message}
	}
	maps.Copy(names, map[string]any{
		"params": p.params, "outputs": outputs, "steps": steps, "vars": vars, "error": fault,
		"run": map[string]any{
			"id": j.run.ID, "mode": j.run.Mode, "playbook": j.run.Playbook.ID, "digest": j.run.Playbook.Digest, "started_at": j.run.StartedAt,
			"started_by": j.run.StartedBy, "url": nil, "status": j.run.Status, "reason": j.run.Reason,
		},
	})
	return names, nil
}

// records are the outputs of the steps and the vars, at the end.
func (j *judge) records() (steps, vars map[string]any, err error) {
	steps, vars = map[string]any{}, map[string]any{}
	paths := map[*playbooks.Step]string{}
	playbooks.Walk(j.p.book.Steps, func(path string, s *playbooks.Step) { paths[s] = path })
	byStatic := map[string]json.RawMessage{}
	for _, s := range j.run.Steps {
		byStatic[static(s.Path)] = s.Output
	}
	for _, s := range j.p.book.RootSteps() {
		out := byStatic[paths[s]]
		if s.Kind == playbooks.Set {
			for _, b := range s.Set {
				if _, set := vars[b.Name]; !set {
					vars[b.Name] = nil
				}
			}
			var values map[string]json.RawMessage
			if len(out) > 0 && json.Unmarshal(out, &values) == nil {
				for _, b := range s.Set {
					if raw, ok := values[b.Name]; ok {
						if vars[b.Name], err = b.Expr.Type().Decode(raw); err != nil {
							return nil, nil, err
						}
					}
				}
			}
			continue
		}
		if s.ID == "" || s.OutputType().IsZero() {
			continue
		}
		steps[s.ID] = nil
		if len(out) > 0 {
			if steps[s.ID], err = s.OutputType().Decode(out); err != nil {
				return nil, nil, err
			}
		}
	}
	return steps, vars, nil
}

// look follows a dotted name through plain values.
func look(names map[string]any, dotted string) (any, bool) {
	var at any = names
	for len(dotted) > 0 {
		part := dotted
		for i := range dotted {
			if dotted[i] == '.' {
				part = dotted[:i]
				break
			}
		}
		dotted = dotted[min(len(part)+1, len(dotted)):]
		m, ok := at.(map[string]any)
		if !ok {
			return nil, false
		}
		if at, ok = m[part]; !ok {
			return nil, false
		}
	}
	return at, true
}

// intOf reads a number of a step's output, 0 where there is none.
func intOf(raw json.RawMessage, field string) int {
	var fields map[string]json.RawMessage
	n := 0
	if json.Unmarshal(raw, &fields) == nil {
		_ = json.Unmarshal(fields[field], &n) // what is no number is none
	}
	return n
}

// textOf reads a text of a step's output, "" where there is none.
func textOf(raw json.RawMessage, field string) string {
	var fields map[string]json.RawMessage
	text := ""
	if json.Unmarshal(raw, &fields) == nil {
		_ = json.Unmarshal(fields[field], &text)
	}
	return text
}
