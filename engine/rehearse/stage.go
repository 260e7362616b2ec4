package rehearse

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"stanch/actions"
	"stanch/playbooks"
)

// stage answers the actions that a case names. Answers are taken in order: the
// first whose `with` fits and that is not used up.
type stage struct {
	c       *playbooks.Case
	used    map[*playbooks.CaseReply]int
	params  map[string]map[string]any // of steps with effects, by step path
	sent    map[string]string         // what became of effects, by id: happened as a case says
	missing error                     // no answer fitted
	types   map[string]playbooks.Type
}

func newStage(c *playbooks.Case) *stage {
	return &stage{c: c, used: map[*playbooks.CaseReply]int{}, params: map[string]map[string]any{}, sent: map[string]string{}, types: map[string]playbooks.Type{}}
}

// standIns is a catalog whose actions ask the lane's stage before they act.
func (l *lane) standIns(known *actions.Catalog) *actions.Catalog {
	all := map[string]actions.Action{}
	for a := range known.All() {
		all[a.Name] = a.WithStandIn(actions.StandIn{
			Read: func(ctx context.Context, c actions.Call, raw json.RawMessage) (json.RawMessage, error) {
				return l.stage.read(ctx, a, c, raw)
			},
			Plan: func(ctx context.Context, c actions.Call, raw json.RawMessage) ([]actions.Effect, json.RawMessage, error) {
				return l.stage.plan(ctx, a, c, raw)
			},
			State: func(ctx context.Context, c actions.Call, raw json.RawMessage) (json.RawMessage, error) {
				if l.stage.answers(a.Name) {
					return json.RawMessage("{}"), nil
				}
				return a.State(ctx, c, raw)
			},
			Do: func(ctx context.Context, c actions.Call, e actions.Effect) (actions.Outcome, error) {
				return l.stage.do(ctx, a, c, e)
			},
			Check: func(ctx context.Context, c actions.Call, e actions.Effect) (actions.Finding, error) {
				return l.stage.check(ctx, a, c, e)
			},
			Undo: func(ctx context.Context, c actions.Call, e actions.Effect) (actions.Inverse, error) {
				if !ours(e) {
					return a.Undo(ctx, c, e)
				}
				back := e
				back.ID, back.Before, back.After, back.Undoes = "", e.After, e.Before, e.ID
				return actions.Inverse{Effect: &back}, nil
			},
		})
	}
	return actions.Of(all)
}

// answers reports whether the case answers for an action, the practice tenant
// for none of its calls.
func (s *stage) answers(action string) bool {
	replies, named := s.c.Actions[action]
	for _, r := range replies {
		if r.Practice {
			return false
		}
	}
	return named
}

// madeUp marks the request of an effect that a case made up.
const madeUp = `{"rehearsed":true}`

func ours(e actions.Effect) bool { return string(e.Request) == madeUp }

// reply answers the first answer that fits, or nil where the practice tenant is
// to answer. errors says whether answers that fail are looked at.
func (s *stage) reply(action string, params map[string]any, want func(*playbooks.CaseReply) bool) (*playbooks.CaseReply, bool) {
	replies, named := s.c.Actions[action]
	if !named {
		return nil, true
	}
	for i := range replies {
		r := &replies[i]
		if r.Times > 0 && s.used[r] >= r.Times || !holds(params, r.With) || !want(r) {
			continue
		}
		return r, true
	}
	return nil, false
}

func anyReply(*playbooks.CaseReply) bool { return true }

func (s *stage) unanswered(action string, params map[string]any) error {
	raw, err := playbooks.Encode(params)
	if err != nil {
		raw = json.RawMessage("{}")
	}
	s.missing = fmt.Errorf("the case has no answer left for %s with %s", action, shorten(string(raw)))
	return &faultError{code: "failed", message: s.missing.Error()}
}

func (s *stage) read(ctx context.Context, a actions.Action, c actions.Call, raw json.RawMessage) (json.RawMessage, error) {
	params := paramsOf(raw)
	r, ok := s.reply(a.Name, params, anyReply)
	switch {
	case !ok:
		return nil, s.unanswered(a.Name, params)
	case r == nil:
		return a.Read(ctx, c, raw)
	}
	s.used[r]++
	switch {
	case r.Error != nil:
		return nil, faultOf(r.Error)
	case r.Practice:
		return a.Read(ctx, c, raw)
	}
	return s.output(a, r, params)
}

func (s *stage) output(a actions.Action, r *playbooks.CaseReply, params map[string]any) (json.RawMessage, error) {
	t, known := s.types[a.Name]
	if !known {
		t = playbooks.TypeOf(a.Result)
		s.types[a.Name] = t
	}
	out, err := t.Answer(r.Output, params)
	if err != nil {
		return nil, &faultError{code: "invalid", message: fmt.Sprintf("the case's answer of %s: %v", a.Name, err)}
	}
	return out, nil
}

// plan answers the effects of an action. An answer that fails is for the effect
// when it is sent, unless it says look.
func (s *stage) plan(ctx context.Context, a actions.Action, c actions.Call, raw json.RawMessage) ([]actions.Effect, json.RawMessage, error) {
	params := paramsOf(raw)
	s.params[c.Step] = params
	r, ok := s.reply(a.Name, params, func(r *playbooks.CaseReply) bool { return r.Error == nil || r.Error.At == "look" })
	if ok && r != nil && r.Error == nil {
		s.used[r]++
	}
	switch {
	case !ok && s.fails(a.Name):
		// only failures are named: what does not fail is the practice tenant's
		return a.Plan(ctx, c, raw)
	case !ok:
		return nil, nil, s.unanswered(a.Name, params)
	case r == nil || r.Practice:
		return a.Plan(ctx, c, raw)
	case r.Error != nil:
		s.used[r]++
		return nil, nil, faultOf(r.Error)
	}
	effects, err := s.effects(a, r, params)
	if err != nil {
		return nil, nil, err
	}
	out, err := s.output(a, r, params)
	return effects, out, err
}

// fails reports whether a case only says how an action fails.
func (s *stage) fails(action string) bool {
	for _, r := range s.c.Actions[action] {
		if r.Error == nil {
			return false
		}
	}
	return true
}

// effects are those that an answer names, or one on what the action acts upon.
func (s *stage) effects(a actions.Action, r *playbooks.CaseReply, params map[string]any) ([]actions.Effect, error) {
	entity := acted(a, params)
	named := r.Effects
	if named == nil {
		named = []playbooks.CaseEffect{{}}
	}
	var all []actions.Effect
	for _, n := range named {
		e := actions.Effect{
			Action: a.Name, Class: a.Class, Status: actions.Planned, Request: json.RawMessage(madeUp),
			Target: actions.Target{Kind: entity.Kind, ID: entity.ID, Name: entity.Name, Entities: []actions.Entity{entity}},
		}
		if n.Target != "" {
			e.Target.ID, e.Target.Name = entity.ID+"/"+n.Target, n.Target
		}
		e.Target.Entities = append(e.Target.Entities, entitiesOf(n.Entities)...)
		var err error
		if e.Before, err = stateOf(n.Before); err != nil {
			return nil, err
		}
		if e.After, err = stateOf(n.After); err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

// entitiesOf are the further things that an effect touches.
func entitiesOf(list []playbooks.CaseEntity) []actions.Entity {
	var all []actions.Entity
	for _, one := range list {
		for i := range max(one.Count, 1) {
			e := actions.Entity{Kind: one.Kind, ID: one.ID, Name: one.Name, Aliases: one.Aliases}
			if one.Count > 1 {
				e.ID = fmt.Sprintf("%s-%d", one.ID, i+1)
			}
			all = append(all, e)
		}
	}
	return all
}

func stateOf(v any) (json.RawMessage, error) {
	if v == nil {
		return nil, nil
	}
	return playbooks.Encode(v)
}

// acted is the entity that an action's params name.
func acted(a actions.Action, params map[string]any) actions.Entity {
	name, kind, ok := a.EntityParam()
	if !ok {
		return actions.Entity{Kind: "run", ID: "rehearsal", Name: a.Name}
	}
	e := actions.Entity{Kind: kind}
	switch v := params[name].(type) {
	case string:
		e.ID, e.Name = v, v
	case map[string]any:
		e.ID, _ = v["id"].(string)
		e.Name = e.ID
		for _, field := range []string{"name", "upn", "address", "url", "site", "path"} {
			text, _ := v[field].(string)
			if text == "" {
				continue
			}
			if e.Name == e.ID {
				e.Name = text
			}
			e.Aliases = append(e.Aliases, text)
		}
	}
	return e
}

// do sends an effect: it fails as the case says, or happens.
func (s *stage) do(ctx context.Context, a actions.Action, c actions.Call, e actions.Effect) (actions.Outcome, error) {
	r, _ := s.reply(a.Name, s.params[c.Step], func(r *playbooks.CaseReply) bool { return r.Error != nil && r.Error.At != "look" })
	happen := func() (actions.Outcome, error) {
		if ours(e) {
			return actions.Outcome{}, nil
		}
		return a.Do(ctx, c, e)
	}
	if r == nil || r.Error == nil {
		return happen()
	}
	s.used[r]++
	fault := faultOf(r.Error)
	if r.Error.Happened == "" {
		return actions.Outcome{}, fault
	}
	fault.unsure = true
	s.sent[e.ID] = r.Error.Happened
	if r.Error.Happened == "yes" {
		if out, err := happen(); err != nil {
			return out, err
		}
	}
	return actions.Outcome{}, fault
}

// check looks at an effect without a certain answer.
func (s *stage) check(ctx context.Context, a actions.Action, c actions.Call, e actions.Effect) (actions.Finding, error) {
	switch said := s.sent[e.ID]; {
	case said == "unknown":
		return actions.Finding{Answer: actions.CannotTell, Why: "the case says that nobody can tell"}, nil
	case !ours(e):
		return a.Check(ctx, c, e)
	case said == "no":
		delete(s.sent, e.ID) // the next time it is sent it may happen
		return actions.Finding{Answer: actions.DidNot, Why: "the case says so"}, nil
	}
	return actions.Finding{Answer: actions.Happened, After: e.After, Why: "the case says so"}, nil
}

// faultError is how an action fails in a case.
type faultError struct {
	code, message string
	after         time.Duration
	unsure        bool
}

func faultOf(e *playbooks.CaseError) *faultError {
	message := e.Message
	if message == "" {
		message = "the case says so"
	}
	return &faultError{code: e.Code, message: message, after: e.RetryAfter}
}

func (e *faultError) Error() string                     { return e.message }
func (e *faultError) ErrorCode() string                 { return e.code }
func (e *faultError) Unsure() bool                      { return e.unsure }
func (e *faultError) RetryAfter() (time.Duration, bool) { return e.after, e.after > 0 }

func paramsOf(raw json.RawMessage) map[string]any {
	v, err := playbooks.AnyType().Decode(raw) // whole numbers stay whole
	params, is := v.(map[string]any)
	if err != nil || !is {
		return map[string]any{}
	}
	return params
}

// holds reports whether a value has all that is asked of it: of a mapping its
// fields, of text a pattern in which * is any text, else the same.
func holds(got, want any) bool {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if len(w) == 0 {
			return true
		}
		for k, v := range w {
			if !ok || !holds(g[k], v) {
				return false
			}
		}
		return true
	case string:
		g, ok := got.(string)
		return ok && matches(w, g)
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for i := range w {
			if !holds(g[i], w[i]) {
				return false
			}
		}
		return true
	case int:
		return got == float64(w) || got == w
	}
	return reflect.DeepEqual(got, want)
}

// matches reports whether text fits a pattern in which * is any text, without
// case.
func matches(pattern, text string) bool {
	if !strings.Contains(pattern, "*") {
		return strings.EqualFold(pattern, text)
	}
	parts := strings.Split(strings.ToLower(pattern), "*")
	text = strings.ToLower(text)
	if !strings.HasPrefix(text, parts[0]) {
		return false
	}
	text = text[len(parts[0]):]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return strings.HasSuffix(text, parts[len(parts)-1])
}

func shorten(s string) string {
	const most = 300
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
