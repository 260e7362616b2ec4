package shelftest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"stanch/actions"
	"stanch/connectors/practice"
)

// Case is one use of a changing action that makes one effect or more, and what
// the action promises about it.
type Case struct {
	Action  string
	Shelves func(Clients) []any
	Params  func(*Tenant) any // of a target where there is something to do
	// Method and Path (a glob) are those of the changing request.
	Method, Path string
	// Always: doing it again has an effect again, as of a comment.
	Always bool
	// Gone: afterwards the target cannot be found any more.
	Gone bool
	// Blind: nobody can look whether it happened, so it is sent again.
	Blind bool
	// Kept: it takes content out of the tenant and keeps it on our side, which
	// the tenant's audit shows and its state does not, and who reads may do it.
	Kept bool
	// Denied is the error of an app that may not; default forbidden.
	Denied string
	// Begun is how many changes Params itself makes to the tenant.
	Begun   int
	Options practice.Options
}

// Check holds the case against what every action promises: what it plans is
// what it does, once; doing it again changes nothing; errors say what may be
// done about them; a cut connection never makes it happen twice; and Undo gives
// an equal state back, or there is a reason why not.
func (c Case) Check(t *testing.T) {
	t.Run("happens as planned", c.happens)
	t.Run("is undone to an equal state", c.undone)
	t.Run("already so", c.alreadySo)
	if !c.Kept {
		t.Run("forbidden", c.forbidden)
	}
	t.Run("throttled", c.throttled)
	t.Run("too late to be sent", c.tooLate)
	t.Run("frozen", c.frozen)
	t.Run("costs what it says", c.costs)
	for _, cut := range []string{"before", "after", "middle"} {
		t.Run("cut "+cut+" it was applied", func(t *testing.T) { c.cut(t, Fault{Cut: cut}, cut == "before") })
	}
	t.Run("answered 503", func(t *testing.T) { c.cut(t, Fault{Status: 503}, true) })
}

func (c Case) open(t *testing.T) *Desk {
	x := Start(t, c.Options)
	return x.Open(c.Shelves(x.Full)...)
}

func (c Case) request(f Fault) Fault {
	f.Method, f.Path = c.Method, c.Path
	return f
}

func (c Case) happens(t *testing.T) {
	d := c.open(t)
	params := c.Params(d.Tenant)
	before := d.Tenant.State()
	r := d.Must(c.Action, params)
	if len(r.Effects) == 0 || strings.Trim(r.Statuses(), "done ") != "" {
		t.Fatalf("statuses: %q; want all done", r.Statuses())
	}
	if r.Sent != len(r.Effects) {
		t.Errorf("%d requests for %d effects", r.Sent, len(r.Effects))
	}
	if same := d.Tenant.State() == before; same != c.Kept {
		t.Error("the state is as before, or another though nothing was to be changed")
	}
	for _, e := range r.Effects {
		wellFormed(t, e)
		found, err := d.action(e.Action).Check(t.Context(), d.call(), e)
		want := actions.Happened
		if c.Blind {
			want = actions.CannotTell
		}
		if err != nil || found.Answer != want {
			t.Errorf("check of %s: %v, %v; want %s", e.Target.Name, found, err, want)
		}
	}
}

func wellFormed(t *testing.T, e actions.Effect) {
	t.Helper()
	if e.Target.Kind == "" || e.Target.ID == "" || e.Target.Name == "" || len(e.Before) == 0 || len(e.After) == 0 || len(e.Request) == 0 {
		t.Errorf("effect lacks kind, id, name, state or request: %+v", e)
	}
	if len(e.Target.Entities) == 0 {
		t.Errorf("effect on %s names no entity", e.Target.Name)
	}
	for _, entity := range e.Target.Entities {
		if entity.Kind == "" || entity.ID == "" {
			t.Errorf("effect on %s: entity without kind or id: %+v", e.Target.Name, entity)
		}
	}
}

func (c Case) undone(t *testing.T) {
	d := c.open(t)
	params := c.Params(d.Tenant)
	before := d.Tenant.State()
	r := d.Must(c.Action, params)
	inverses, back := d.Undo(r)
	if !r.Action.Undoable() {
		for _, i := range inverses {
			if i.Effect != nil || i.Why == "" {
				t.Errorf("inverse %+v; want none, and why", i)
			}
		}
		return
	}
	for _, i := range inverses {
		if i.Effect == nil || i.Changed {
			t.Errorf("no inverse: %s", i.Why)
			continue
		}
		// Who may do it may take it back.
		for _, needed := range d.action(i.Effect.Action).Permissions {
			if !slices.ContainsFunc(r.Action.Permissions, func(p actions.Permission) bool { return p.Covers(needed) }) {
				t.Errorf("undo by %s needs the permission %s, which is not declared", i.Effect.Action, needed.Name)
			}
		}
	}
	for _, e := range back.Effects {
		wellFormed(t, e)
	}
	if after := d.Tenant.State(); after != before {
		t.Errorf("the state is another than before:\n%s", difference(before, after))
	}
	again, _ := d.Undo(r)
	for _, i := range again {
		if i.Effect != nil && !i.Changed {
			t.Errorf("undone twice: %s", i.Effect.Target.Name)
		}
	}
}

// difference shows the lines in which two texts differ.
func difference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	var out []string
	for i := range max(len(x), len(y)) {
		var p, q string
		if i < len(x) {
			p = x[i]
		}
		if i < len(y) {
			q = y[i]
		}
		if p != q {
			out = append(out, fmt.Sprintf("%d: %s\n   → %s", i+1, p, q))
		}
		if len(out) == 12 {
			break
		}
	}
	return strings.Join(out, "\n")
}

func (c Case) alreadySo(t *testing.T) {
	d := c.open(t)
	params := c.Params(d.Tenant)
	d.Must(c.Action, params)
	state := d.Tenant.State()
	again := d.Do(c.Action, params)
	if c.Gone {
		if Code(again.Err) != "not_found" {
			t.Errorf("error %v; want not_found", again.Err)
		}
		return
	}
	if again.Err != nil {
		t.Fatal(again.Err)
	}
	if c.Always {
		if len(again.Effects) == 0 {
			t.Error("no effect")
		}
		return
	}
	if len(again.Effects) != 0 || d.Tenant.State() != state {
		t.Errorf("effects %+v; want none", again.Effects)
	}
}

func (c Case) forbidden(t *testing.T) {
	x := Start(t, c.Options)
	full := x.Open(c.Shelves(x.Full)...)
	r := full.Plan(c.Action, c.Params(x))
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	state := x.State()
	r = x.Open(c.Shelves(x.Reader)...).Perform(r)
	permitted := len(r.Action.Permissions) > 0
	if Code(r.Err) != cmp.Or(c.Denied, "forbidden") || permitted != strings.Contains(r.Err.Error(), "needs the application permission") {
		t.Errorf("error %v; want forbidden with the permission, if it needs one", r.Err)
	}
	named := !permitted
	for _, p := range r.Action.Permissions {
		named = named || strings.Contains(fmt.Sprint(r.Err), p.Name)
	}
	if !named {
		t.Errorf("error %v names none of %v", r.Err, r.Action.Permissions)
	}
	if x.State() != state {
		t.Error("the state has changed")
	}
}

func (c Case) throttled(t *testing.T) {
	d := c.open(t)
	r := d.Plan(c.Action, c.Params(d.Tenant))
	d.Tenant.Break(c.request(Fault{Status: 429, Headers: map[string]string{"Retry-After": "17"}}))
	r = d.Perform(r)
	wait, ok := RetryAfter(r.Err)
	if Code(r.Err) != "throttled" || !ok || wait != 17*time.Second {
		t.Errorf("error %v; want throttled with a wait of 17s", r.Err)
	}
	if r.Sent != 1 {
		t.Errorf("sent %d times, want once", r.Sent)
	}
}

// RetryAfter is how long an error asks to wait.
func RetryAfter(err error) (time.Duration, bool) {
	if e, ok := errors.AsType[interface {
		error
		RetryAfter() (time.Duration, bool)
	}](err); ok {
		return e.RetryAfter()
	}
	return 0, false
}

func (c Case) tooLate(t *testing.T) {
	d := c.open(t)
	r := d.Plan(c.Action, c.Params(d.Tenant))
	call := d.call()
	call.Sending = actions.Sending{ID: r.Effects[0].ID, SendBy: time.Now().Add(-time.Second)}
	c.refused(t, d, r, call)
}

func (c Case) frozen(t *testing.T) {
	d := c.open(t)
	r := d.Plan(c.Action, c.Params(d.Tenant))
	call := d.call()
	call.Sending = actions.Sending{ID: r.Effects[0].ID, Frozen: func() error { return errors.New("frozen") }}
	c.refused(t, d, r, call)
}

func (c Case) refused(t *testing.T, d *Desk, r Run, call actions.Call) {
	t.Helper()
	_, err := d.action(r.Effects[0].Action).Do(t.Context(), call, r.Effects[0])
	if Code(err) != "refused" || Unsure(err) {
		t.Errorf("error %v; want refused, and sure that nothing was sent", err)
	}
	if n := len(d.Tenant.Changes()); n != c.Begun {
		t.Errorf("%d changes, want %d", n, c.Begun)
	}
}

// cut breaks the first changing request; lost says that it was not applied.
func (c Case) cut(t *testing.T, f Fault, lost bool) {
	d := c.open(t)
	r := d.Plan(c.Action, c.Params(d.Tenant))
	f.Times = 1
	d.Tenant.Break(c.request(f))
	r = d.Perform(r)
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	want := len(r.Effects)
	if lost || c.Blind {
		want++
	}
	if r.Sent != want && f.Cut != "middle" { // an answer without a body has no middle
		t.Errorf("sent %d times, want %d", r.Sent, want)
	}
	if r.Looks == 0 && f.Cut != "middle" {
		t.Error("nobody looked")
	}
	if strings.Trim(r.Statuses(), "done ") != "" {
		t.Errorf("statuses %q; want done", r.Statuses())
	}
}
