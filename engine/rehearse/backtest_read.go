package rehearse

import (
	"cmp"
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"stanch/actions"
	"stanch/engine"
	"stanch/playbooks"
)

// recordings is a catalog whose actions answer what they did in past runs on the
// incident. What was not asked then is not known now: what reads is left open, and
// what has effects is taken to have one on what it acts upon.
func (t *track) recordings(known *actions.Catalog) *actions.Catalog {
	all := map[string]actions.Action{}
	for a := range known.All() {
		all[a.Name] = a.WithStandIn(actions.StandIn{
			Read: func(_ context.Context, _ actions.Call, raw json.RawMessage) (json.RawMessage, error) {
				was, is := t.answers[inquiry(a, raw)]
				switch {
				case !is:
					return nil, &unrecordedError{a.Name}
				case was.Fault != nil:
					return nil, &faultError{code: was.Fault.Code, message: was.Fault.Message}
				}
				return was.Out, nil
			},
			Plan: func(_ context.Context, c actions.Call, raw json.RawMessage) ([]actions.Effect, json.RawMessage, error) {
				was, is := t.answers[inquiry(a, raw)]
				switch {
				case !is:
					t.assumed[c.Step] = true
					return []actions.Effect{t.assumes(a, raw)}, nil, nil
				case was.Fault != nil:
					return nil, nil, &faultError{code: was.Fault.Code, message: was.Fault.Message}
				}
				return slices.Clone(was.Effects), was.Out, nil
			},
			State: func(context.Context, actions.Call, json.RawMessage) (json.RawMessage, error) {
				return json.RawMessage("{}"), nil
			},
		})
	}
	return actions.Of(all)
}

// unrecordedError says that no past run has asked what is asked now.
type unrecordedError struct{ action string }

// noAnswerOf is how it begins what such an error says.
const noAnswerOf = "no recorded answer of "

func (e *unrecordedError) Error() string { return noAnswerOf + e.action }

// OnlyLive tells the engine that nothing is wrong.
func (*unrecordedError) OnlyLive() bool { return true }

// learn takes in what past runs were answered, the earliest first: of two answers
// to one question the first is nearer to how the incident began.
func (t *track) learn(all []engine.Answer) {
	for _, was := range all {
		a, known := t.desk.Catalog.Lookup(was.Action)
		if !known {
			continue
		}
		key := inquiry(a, was.Params)
		if _, twice := t.answers[key]; !twice {
			t.answers[key] = was
		}
	}
}

// inquiry is what an action is asked. What it acts upon is told by its id alone:
// the rest of a record grows as alerts name it again.
func inquiry(a actions.Action, raw json.RawMessage) string {
	params := paramsOf(raw)
	if name, _, ok := a.EntityParam(); ok {
		if record, is := params[name].(map[string]any); is {
			if id, is := record["id"].(string); is && id != "" {
				params[name] = id
			}
		}
	}
	text, err := playbooks.Encode(params)
	if err != nil {
		text = raw
	}
	return a.Name + " " + string(text)
}

// assumes is the effect of an action on what it acts upon, where nobody has looked
// what it would change there.
func (t *track) assumes(a actions.Action, raw json.RawMessage) actions.Effect {
	on := t.subjects(a, paramsOf(raw))
	return actions.Effect{
		Action: a.Name, Class: a.Class, Target: actions.Target{Kind: on[0].Kind, ID: on[0].ID, Name: cmp.Or(on[0].Name, on[0].ID), Entities: on},
	}
}

// subjects are what an action acts upon by its params, with what that lies in.
func (t *track) subjects(a actions.Action, params map[string]any) []actions.Entity {
	if name, _, ok := a.EntityParam(); ok {
		e := acted(a, params)
		record, _ := params[name].(map[string]any)
		return append([]actions.Entity{e}, siteOf(e, record)...)
	}
	for _, kind := range []string{"incident", "channel"} {
		id, _ := params[kind].(string)
		if id == "" {
			continue
		}
		e := actions.Entity{Kind: kind, ID: id, Name: id}
		if now := t.past.now; id == now.ID {
			e.Name = now.Title
			if now.URL != nil {
				e.Aliases = append(e.Aliases, *now.URL)
			}
		}
		return []actions.Entity{e}
	}
	return []actions.Entity{{Kind: "call", ID: a.Name + " for " + t.past.now.ID, Name: a.Name}}
}

// siteOf is the site in which a file lies, by the path that the evidence or its
// address gives, with those above it, so that it can be told whether it is
// protected.
func siteOf(file actions.Entity, record map[string]any) []actions.Entity {
	if file.Kind != "file" {
		return nil
	}
	path, _ := record["site"].(string)
	address, _ := record["url"].(string)
	if address == "" {
		address = file.ID
	}
	if u, err := url.Parse(address); err == nil && path == "" {
		if parts := strings.Split(u.Path, "/"); len(parts) > 3 && slices.Contains([]string{"sites", "teams", "personal"}, strings.ToLower(parts[1])) {
			path = strings.Join(parts[:3], "/")
		}
	}
	if u, err := url.Parse(path); err == nil && u.Host != "" {
		path = u.Path
	}
	if path = strings.TrimSuffix(path, "/"); path == "" {
		return nil
	}
	site := actions.Entity{Kind: "site", ID: path, Name: path}
	for at := strings.LastIndexByte(path, '/'); at > 0; at = strings.LastIndexByte(path[:at], '/') {
		if above := path[:at]; strings.Count(above, "/") > 1 {
			site.Aliases = append(site.Aliases, above)
		}
	}
	return []actions.Entity{site}
}
