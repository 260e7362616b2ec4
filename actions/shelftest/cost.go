package shelftest

import (
	"strings"
	"testing"
	"time"

	"stanch/actions"
	"stanch/connectors"
)

// used is the most that an action was counted for.
type used struct{ look, send int64 }

// costs holds what planning, sending and looking are counted for by the tenant
// against what the action says: never less, and not more than twice as much, for
// else its calls wait without need.
func (c Case) costs(t *testing.T) {
	d := c.open(t)
	params := c.Params(d.Tenant)
	main := d.action(c.Action)
	var r Run
	most := map[string]*used{c.Action: {look: d.spends(main.LookThrottle, func() { r = d.Plan(c.Action, params) })}}
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	for _, e := range r.Effects {
		a := d.action(e.Action)
		if most[a.Name] == nil {
			most[a.Name] = new(used)
		}
		sent, looked := d.costOf(a, e)
		most[a.Name].send = max(most[a.Name].send, sent)
		most[a.Name].look = max(most[a.Name].look, looked)
	}
	for name, m := range most {
		a := d.action(name)
		fits(t, name+" looks", a.LookThrottle, a.Cost.Look, m.look, name == c.Action)
		fits(t, name+" sends", a.Throttle, a.Cost.Send, m.send, true)
	}
}

// costOf does an effect and looks at it once it has had its time.
func (d *Desk) costOf(a actions.Action, e actions.Effect) (sent, looked int64) {
	d.t.Helper()
	var out actions.Outcome
	var err error
	sent = d.spends(a.Throttle, func() {
		call := d.call()
		call.Sending = actions.Sending{ID: e.ID, SendBy: time.Now().Add(5 * time.Second), DoneBy: time.Now().Add(a.Timeout)}
		out, err = a.Do(d.t.Context(), call, e)
	})
	if err != nil {
		d.t.Fatalf("%s: %v", a.Name, err)
	}
	if e.Handle = out.Handle; out.Pending {
		d.Tenant.Advance(max(out.Again, time.Minute))
	}
	looked = d.spends(a.LookThrottle, func() { _, err = a.Check(d.t.Context(), d.call(), e) })
	if err != nil {
		d.t.Fatalf("%s: check: %v", a.Name, err)
	}
	return sent, looked
}

// spends is what the tenant counts of a class while do runs, of the API that it
// counts most of where a class has several. What acts on Graph or on Sentinel is
// held by calls of either.
func (d *Desk) spends(class string, do func()) int64 {
	before := d.Tenant.server.Tenant.Spent()
	do()
	after := d.Tenant.server.Tenant.Spent()
	var most int64
	for counted, n := range after {
		if of, _, _ := strings.Cut(counted, "/"); of == class || of == "azure" && class == "graph.security" {
			most = max(most, n-before[counted])
		}
	}
	return most
}

// fits reports a declared cost that is too low or, where whole says that all of
// it was counted, too high. What has no published allowance costs nothing.
func fits(t *testing.T, what, class string, declared, counted int64, whole bool) {
	t.Helper()
	if _, limited := connectors.Allowances()[class]; !limited {
		return
	}
	if declared < counted || whole && declared > 2*max(counted, 1) {
		t.Errorf("%s: %d units of %s are declared, the tenant counted %d", what, declared, class, counted)
	}
}
