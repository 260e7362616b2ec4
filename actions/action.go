package actions

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"
)

// DefaultTimeout bounds one request of an action that names no other.
const DefaultTimeout = 30 * time.Second

// Action is a Spec with its types erased: what the engine holds.
type Action struct {
	Name        string
	Doc         string
	Class       Class
	Permissions []Permission
	Throttle    string
	Cost        Cost
	Also        string
	Elsewhere   Elsewhere
	Planning    string
	Repeat      Repeat
	Settling    time.Duration
	Within      time.Duration
	Timeout     time.Duration
	Source      string
	NoUndo      string
	Example     string
	Writes      []string
	Deprecated  string
	Params      reflect.Type
	Result      reflect.Type

	read   func(context.Context, Call, json.RawMessage) (json.RawMessage, error)
	plan   func(context.Context, Call, json.RawMessage) ([]Effect, json.RawMessage, error)
	state  func(context.Context, Call, json.RawMessage) (json.RawMessage, error)
	do     func(context.Context, Call, Effect) (Outcome, error)
	check  func(context.Context, Call, Effect) (Finding, error)
	undo   func(context.Context, Call, Effect) (Inverse, error)
	settle func(json.RawMessage, []Effect) (json.RawMessage, error)
}

// Action erases the types of s. It panics if s breaks the contract of Spec,
// which is a mistake of the build, found by the first test that collects it.
func (s Spec[P, R]) Action() Action {
	if err := s.valid(); err != nil {
		panic(fmt.Sprintf("actions: %s: %v", reflect.TypeFor[P](), err))
	}
	a := Action{
		Doc: s.Doc, Class: s.Class, Permissions: s.Permissions, Throttle: s.Throttle, Cost: s.Cost.least(), Also: s.Also, Elsewhere: s.Elsewhere, Planning: s.Planning,
		Repeat: s.Repeat, Settling: s.Settling, Within: max(s.Within, s.Settling), Timeout: s.Timeout, Source: s.Source,
		NoUndo: s.NoUndo, Example: s.Example, Writes: s.Writes, Deprecated: s.Deprecated,
		Params: reflect.TypeFor[P](), Result: reflect.TypeFor[R](),
		do: s.Do, check: s.Check, undo: s.Undo,
	}
	a.Elsewhere.Cost = s.Elsewhere.Cost.least()
	if a.Repeat == "" {
		a.Repeat = RepeatNever
	}
	if a.Timeout == 0 {
		a.Timeout = DefaultTimeout
	}
	s.erase(&a)
	return a
}

// erase gives the action the functions of s that take and give JSON.
func (s Spec[P, R]) erase(a *Action) {
	if s.Read != nil {
		a.read = func(ctx context.Context, c Call, raw json.RawMessage) (json.RawMessage, error) {
			p, err := decode[P](raw)
			if err != nil {
				return nil, err
			}
			r, err := s.Read(ctx, c, p)
			if err != nil {
				return nil, err
			}
			return json.Marshal(r)
		}
	}
	if s.Plan != nil {
		a.plan = func(ctx context.Context, c Call, raw json.RawMessage) ([]Effect, json.RawMessage, error) {
			p, err := decode[P](raw)
			if err != nil {
				return nil, nil, err
			}
			effects, r, err := s.Plan(ctx, c, p)
			if err != nil {
				return nil, nil, err
			}
			out, err := json.Marshal(r)
			return effects, out, err
		}
	}
	if s.State != nil {
		a.state = func(ctx context.Context, c Call, raw json.RawMessage) (json.RawMessage, error) {
			var p P
			if err := json.Unmarshal(raw, &p); err != nil {
				return nil, &ParamError{Reason: err.Error()}
			}
			st, err := s.State(ctx, c, p)
			if err != nil {
				return nil, err
			}
			return json.Marshal(st)
		}
	}
	if s.Settle != nil {
		a.settle = func(raw json.RawMessage, effects []Effect) (json.RawMessage, error) {
			r, err := decode[R](raw)
			if err != nil {
				return nil, err
			}
			return json.Marshal(s.Settle(r, effects))
		}
	}
}

func (s Spec[P, R]) valid() error {
	switch {
	case s.Doc == "":
		return errors.New("no Doc")
	case s.Class == Reads && s.Read == nil:
		return errors.New("a reading action needs Read")
	case s.Class == Reads && (s.Plan != nil || s.Do != nil):
		return errors.New("a reading action has no effects")
	case s.Class != Reads && (s.Plan == nil || s.Do == nil || s.Check == nil):
		return errors.New("an action with effects needs Plan, Do and Check")
	case s.Class != Reads && (s.Undo == nil) == (s.NoUndo == ""):
		return errors.New("an action with effects needs either Undo or NoUndo")
	case s.Class != Reads && s.Class != Writes && s.Class != Destroys:
		return fmt.Errorf("unknown class %q", s.Class)
	}
	return s.Elsewhere.valid(s.Class)
}

// around is the action with the contexts that in makes.
func (a Action) around(in func(context.Context, Call, bool) context.Context) Action {
	out := a
	if a.read != nil {
		out.read = func(ctx context.Context, c Call, params json.RawMessage) (json.RawMessage, error) {
			return a.read(in(ctx, c, c.Attempt > 1), c, params)
		}
	}
	if a.plan != nil {
		out.plan = func(ctx context.Context, c Call, params json.RawMessage) ([]Effect, json.RawMessage, error) {
			return a.plan(in(ctx, c, c.Attempt > 1), c, params)
		}
	}
	if a.state != nil {
		out.state = func(ctx context.Context, c Call, params json.RawMessage) (json.RawMessage, error) {
			return a.state(in(ctx, c, true), c, params)
		}
	}
	if a.do != nil {
		out.do = func(ctx context.Context, c Call, e Effect) (Outcome, error) { return a.do(in(ctx, c, true), c, e) }
		out.check = func(ctx context.Context, c Call, e Effect) (Finding, error) { return a.check(in(ctx, c, true), c, e) }
	}
	if a.undo != nil {
		out.undo = func(ctx context.Context, c Call, e Effect) (Inverse, error) { return a.undo(in(ctx, c, true), c, e) }
	}
	return out
}

// Read runs a reading action.
func (a Action) Read(ctx context.Context, c Call, params json.RawMessage) (json.RawMessage, error) {
	return a.read(ctx, c, params)
}

// Plan reads the state before and answers the effects needed and the output
// when all of them have happened. Each effect carries the action's name and
// class and is Planned.
func (a Action) Plan(ctx context.Context, c Call, params json.RawMessage) ([]Effect, json.RawMessage, error) {
	effects, out, err := a.plan(ctx, c, params)
	for i := range effects {
		effects[i].Status = Planned
		if effects[i].Action == "" {
			effects[i].Action = a.Name
		}
		if effects[i].Class == "" {
			effects[i].Class = a.Class
		}
	}
	return effects, out, err
}

// HasState reports whether approvers can be shown the state of a target.
func (a Action) HasState() bool { return a.state != nil }

// State reads what approvers are shown of the target that params name.
func (a Action) State(ctx context.Context, c Call, params json.RawMessage) (json.RawMessage, error) {
	return a.state(ctx, c, params)
}

// Do sends the request of one effect.
func (a Action) Do(ctx context.Context, c Call, e Effect) (Outcome, error) { return a.do(ctx, c, e) }

// Check looks whether the effect happened.
func (a Action) Check(ctx context.Context, c Call, e Effect) (Finding, error) {
	return a.check(ctx, c, e)
}

// Undo answers the inverse of an effect that happened.
func (a Action) Undo(ctx context.Context, c Call, e Effect) (Inverse, error) {
	if a.undo == nil {
		return Inverse{Why: a.NoUndo}, nil
	}
	inv, err := a.undo(ctx, c, e)
	if inv.Effect != nil {
		inv.Effect.Status = Planned
	}
	return inv, err
}

// Undoable reports whether the action has an inverse.
func (a Action) Undoable() bool { return a.undo != nil }

// Output corrects the predicted output by what became of the effects.
func (a Action) Output(predicted json.RawMessage, effects []Effect) (json.RawMessage, error) {
	if a.settle == nil {
		return predicted, nil
	}
	return a.settle(predicted, effects)
}

// EntityParam answers the parameter that names what the action acts upon and
// the kind of entity, from the `entity` tag of its params.
func (a Action) EntityParam() (name, kind string, ok bool) {
	for f := range a.Params.Fields() {
		if kind := f.Tag.Get("entity"); kind != "" {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			return name, kind, true
		}
	}
	return "", "", false
}

// ParamTag answers what the params' fields say by a tag: `lang` or `weakens`, by
// the name of the parameter.
func (a Action) ParamTag(tag string) map[string]string {
	tagged := map[string]string{}
	for f := range a.Params.Fields() {
		if value := f.Tag.Get(tag); value != "" {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			tagged[name] = value
		}
	}
	return tagged
}

// ParamError says that params do not fit the action.
type ParamError struct{ Reason string }

func (e *ParamError) Error() string { return "params: " + e.Reason }

// ErrorCode is `invalid`.
func (e *ParamError) ErrorCode() string { return "invalid" }

func decode[T any](raw json.RawMessage) (T, error) {
	var v T
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		return v, &ParamError{Reason: strings.TrimPrefix(err.Error(), "json: ")}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return v, &ParamError{Reason: "more than one value"}
	}
	return v, nil
}

// Ref is a parameter that takes an entity of the evidence, or its id or address
// as text.
type Ref[T any] struct {
	Text  string
	Value *T
}

// Referent is the type of record that a Ref also takes; the checker asks it.
func (Ref[T]) Referent() reflect.Type { return reflect.TypeFor[T]() }

// UnmarshalJSON takes a text or a record.
func (r *Ref[T]) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &r.Text)
	}
	r.Value = new(T)
	return json.Unmarshal(b, r.Value)
}

// Duration is a parameter that playbooks write as 30s, 4h or 7d.
type Duration time.Duration

// UnmarshalText takes what playbooks make of a duration: 4h0m0s.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("%q is no duration such as 4h0m0s", b)
	}
	*d = Duration(v)
	return nil
}

// MarshalText writes it so.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// MarshalJSON writes what was given.
func (r Ref[T]) MarshalJSON() ([]byte, error) {
	if r.Value == nil {
		return json.Marshal(r.Text)
	}
	return json.Marshal(r.Value)
}
