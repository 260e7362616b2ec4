package shelftest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/practice"
)

// Desk does actions as the engine does, without its store: an effect is sent
// once, an unsure answer is never repeated before a look, accepted work is
// looked at until it ends. Waiting moves the tenant's clock.
type Desk struct {
	Tenant  *Tenant
	Catalog *actions.Catalog
	// Meanwhile, where set, is called before every look at work that goes on.
	Meanwhile func()
	t         testing.TB
	spent     *actions.Spent // of what calls tell; see count
}

// Open answers a desk for the shelves.
func (x *Tenant) Open(shelves ...any) *Desk {
	x.t.Helper()
	catalog, err := actions.Collect(shelves...)
	if err != nil {
		x.t.Fatal(err)
	}
	reads := connectors.NewReads(0)
	catalog.Around(func(ctx context.Context, call actions.Call, _ bool) context.Context {
		return reads.By(ctx, connectors.Reader{Run: call.Run, Step: call.Step, Now: call.Now, Fresh: true, Spends: call.Spent.Add})
	})
	return &Desk{Tenant: x, Catalog: catalog, t: x.t}
}

// Run is what became of one action.
type Run struct {
	Action  actions.Action
	Params  json.RawMessage
	Effects []actions.Effect
	Output  json.RawMessage
	Sent    int // requests sent for effects, repeats included
	Looks   int // times that Check was asked
	Err     error
}

// Into decodes the output.
func Into[T any](t testing.TB, raw json.RawMessage) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("output %s: %v", raw, err)
	}
	return v
}

func (d *Desk) action(name string) actions.Action {
	d.t.Helper()
	a, ok := d.Catalog.Lookup(name)
	if !ok {
		d.t.Fatalf("no action %s among %v", name, d.Catalog.Names())
	}
	return a
}

func (d *Desk) call() actions.Call {
	return actions.Call{Run: "r1", Step: "step", Attempt: 0, Now: d.Tenant.Now(), Spent: d.spent}
}

func (d *Desk) params(v any) json.RawMessage {
	d.t.Helper()
	if s, is := v.(string); is {
		return json.RawMessage(s)
	}
	raw, err := json.Marshal(v)
	if err != nil {
		d.t.Fatal(err)
	}
	return raw
}

// Read does a reading action.
func (d *Desk) Read(name string, params any) (json.RawMessage, error) {
	d.t.Helper()
	return d.action(name).Read(d.t.Context(), d.call(), d.params(params))
}

// State is what an approver is shown.
func (d *Desk) State(name string, params any) string {
	d.t.Helper()
	raw, err := d.action(name).State(d.t.Context(), d.call(), d.params(params))
	if err != nil {
		d.t.Fatalf("%s: state: %v", name, err)
	}
	return string(raw)
}

// Plan plans an action; it fails the test if that changes the tenant.
func (d *Desk) Plan(name string, params any) Run {
	d.t.Helper()
	r := Run{Action: d.action(name), Params: d.params(params)}
	before := len(d.Tenant.Changes())
	r.Effects, r.Output, r.Err = r.Action.Plan(d.t.Context(), d.call(), r.Params)
	if after := len(d.Tenant.Changes()); after != before {
		d.t.Fatalf("%s: planning made %d changes", name, after-before)
	}
	for i := range r.Effects {
		r.Effects[i].ID = rand.Text()
	}
	return d.stored(r)
}

// stored makes effects what they are after the engine kept them.
func (d *Desk) stored(r Run) Run {
	d.t.Helper()
	raw, err := json.Marshal(r.Effects)
	if err != nil {
		d.t.Fatalf("effects: %v", err)
	}
	r.Effects = nil
	if err := json.Unmarshal(raw, &r.Effects); err != nil {
		d.t.Fatalf("effects: %v", err)
	}
	return r
}

// Do plans an action and does its effects in order until one fails, then holds
// them against the tenant's audit.
func (d *Desk) Do(name string, params any) Run {
	d.t.Helper()
	r := d.Plan(name, params)
	if r.Err != nil {
		return r
	}
	return d.Perform(r)
}

// Must is Do that has to succeed.
func (d *Desk) Must(name string, params any) Run {
	d.t.Helper()
	r := d.Do(name, params)
	if r.Err != nil {
		d.t.Fatalf("%s: %v", name, r.Err)
	}
	return r
}

// Perform does the effects of a planned action.
func (d *Desk) Perform(r Run) Run {
	d.t.Helper()
	before := len(d.Tenant.Changes())
	for i := range r.Effects {
		if r.Err = d.perform(&r, &r.Effects[i]); r.Err != nil {
			break
		}
	}
	d.audited(r, d.Tenant.Changes()[before:])
	if r.Output != nil && r.Action.Name != "" {
		out, err := r.Action.Output(r.Output, r.Effects)
		if err != nil {
			d.t.Fatalf("%s: output: %v", r.Action.Name, err)
		}
		r.Output = out
	}
	return r
}

// audited fails the test unless the audit holds the effects that were done,
// each once, under its id and in their order, none that was not, and nothing
// else. Of what was found done, or is unknown, it may hold one.
func (d *Desk) audited(r Run, changes []practice.Change) {
	d.t.Helper()
	count := map[string]int{}
	for _, c := range changes {
		count[c.RequestID]++
	}
	var order []string
	for _, e := range r.Effects {
		n := count[e.ID]
		delete(count, e.ID)
		if n > 0 {
			order = append(order, e.ID)
		}
		least, most := 0, 0
		switch e.Status {
		case actions.Done:
			least, most = 1, 1
			if r.Action.Repeat == actions.RepeatHarmless { // what nobody could tell was sent again
				most = r.Sent
			}
		case actions.AlreadySo, actions.Unknown:
			most = 1
		}
		if n < least || n > most {
			d.t.Errorf("%s: effect on %s is %s and stands %d times in the audit", r.Action.Name, e.Target.Name, e.Status, n)
		}
	}
	if len(count) > 0 {
		d.t.Errorf("%s: the audit holds what is no effect: %+v", r.Action.Name, changes)
	}
	for i, c := range changes {
		if i < len(order) && c.RequestID != order[i] {
			d.t.Errorf("%s: the audit has another order than the effects", r.Action.Name)
			return
		}
	}
}

func (d *Desk) perform(r *Run, e *actions.Effect) error {
	a := d.action(e.Action)
	for range 3 {
		r.Sent++
		call := d.call()
		now := time.Now()
		call.Sending = actions.Sending{ID: e.ID, SendBy: now.Add(5 * time.Second), DoneBy: now.Add(a.Timeout)}
		ctx, cancel := context.WithDeadline(d.t.Context(), call.Sending.DoneBy)
		out, err := a.Do(ctx, call, *e)
		cancel()
		switch {
		case err != nil && !Unsure(err):
			e.Status = actions.NotDone
			return err
		case err == nil && !out.Pending:
			d.happened(e, out)
			return nil
		}
		e.Status = actions.Open
		wait := a.Settling
		if err == nil {
			wait, e.Handle = out.Again, out.Handle
		}
		again, err := d.look(r, e, wait)
		if err != nil || !again {
			return err
		}
	}
	return errors.New("sent three times without effect")
}

func (d *Desk) happened(e *actions.Effect, out actions.Outcome) {
	e.Status = actions.Done
	if out.AlreadySo {
		e.Status = actions.AlreadySo
	}
	if out.After != nil {
		e.After = out.After
	}
	if out.Lost != nil {
		e.Lost = out.Lost
	}
}

// look asks Check until it knows; true: the effect is to be sent again.
func (d *Desk) look(r *Run, e *actions.Effect, wait time.Duration) (bool, error) {
	a := d.action(e.Action)
	accepted, end := e.Handle != nil, d.Tenant.Now().Add(max(a.Within, wait))
	seenNot := false
	for {
		d.Tenant.Advance(wait)
		if d.Meanwhile != nil {
			d.Meanwhile()
		}
		r.Looks++
		found, err := a.Check(d.t.Context(), d.call(), *e)
		if err != nil {
			return false, fmt.Errorf("check: %w", err)
		}
		late := !d.Tenant.Now().Before(end)
		switch found.Answer {
		case actions.Happened:
			d.happened(e, actions.Outcome{After: found.After, Lost: found.Lost})
			return false, nil
		case actions.Failed:
			e.Status = actions.NotDone
			return false, fmt.Errorf("failed there: %s", found.Why)
		case actions.Pending:
			if accepted && late {
				return d.cannotTell(a, e, found.Why)
			}
			wait = max(found.Again, time.Second)
		case actions.DidNot:
			if accepted && !late {
				wait = max(found.Again, time.Second)
				continue
			}
			if accepted {
				return d.cannotTell(a, e, found.Why)
			}
			if a.Class == actions.Destroys && !seenNot {
				seenNot, wait = true, a.Settling
				continue
			}
			return true, nil
		default:
			return d.cannotTell(a, e, found.Why)
		}
	}
}

func (d *Desk) cannotTell(a actions.Action, e *actions.Effect, why string) (bool, error) {
	if a.Repeat != actions.RepeatNever {
		return true, nil
	}
	e.Status = actions.Unknown
	return false, fmt.Errorf("unknown: %s", why)
}

// Undo takes back what a run did, newest first, and answers the inverses that
// there were.
func (d *Desk) Undo(r Run) ([]actions.Inverse, Run) {
	d.t.Helper()
	var found []actions.Inverse
	all := Run{Action: actions.Action{}}
	for _, e := range slices.Backward(r.Effects) {
		if e.Status != actions.Done {
			continue
		}
		inv, err := d.action(e.Action).Undo(d.t.Context(), d.call(), e)
		if err != nil {
			d.t.Fatalf("undo of %s: %v", e.Target.Name, err)
		}
		found = append(found, inv)
		if inv.Effect == nil || inv.Changed {
			continue
		}
		back := *inv.Effect
		back.ID, back.Undoes = rand.Text(), e.ID
		if back.Action == "" {
			back.Action = e.Action
		}
		one := d.Perform(d.stored(Run{Effects: []actions.Effect{back}}))
		if one.Err != nil {
			d.t.Fatalf("undo of %s: %v", e.Target.Name, one.Err)
		}
		all.Effects = append(all.Effects, one.Effects...)
	}
	return found, all
}

// Unsure reports whether err says that the request may have taken effect. An
// error that does not say so may be anything.
func Unsure(err error) bool {
	u, ok := errors.AsType[interface {
		error
		Unsure() bool
	}](err)
	return !ok || u.Unsure()
}

// Code is the code of an error.
func Code(err error) string {
	c, ok := errors.AsType[interface {
		error
		ErrorCode() string
	}](err)
	if !ok {
		return ""
	}
	return c.ErrorCode()
}

// Statuses are the statuses of the effects, in order.
func (r Run) Statuses() string {
	var out []string
	for _, e := range r.Effects {
		out = append(out, string(e.Status))
	}
	return strings.Join(out, " ")
}
