package shelftest

import (
	"strings"
	"testing"
	"time"

	"stanch/actions"
	"stanch/connectors"
)

// held is how much of a throttling class an action says that it uses, and the most
// that the tenant counted of it.
type held struct {
	class             string
	declared, counted int64
	whole             bool // all that is declared was done
}

// costs holds what planning, sending and looking are counted for by the tenant
// against what the action says: never less, and not more than twice as much, for
// else its calls wait without need.
func (c Case) costs(t *testing.T) {
	d := c.open(t)
	params := c.Params(d.Tenant)
	main := d.action(c.Action)
	tally := map[string]*held{}
	var r Run
	d.count(tally, c.Action+" looks", true, []actions.Use{main.LookUse(d.params(params))}, func() { r = d.Plan(c.Action, params) })
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	for _, e := range r.Effects {
		d.countEffect(tally, d.action(e.Action), e, e.Action == c.Action)
	}
	for what, h := range tally {
		h.fits(t, what)
	}
}

// countEffect does an effect and looks at it once it has had its time.
func (d *Desk) countEffect(tally map[string]*held, a actions.Action, e actions.Effect, whole bool) {
	d.t.Helper()
	var out actions.Outcome
	var err error
	d.count(tally, a.Name+" sends", true, a.SendUses(e), func() {
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
	d.count(tally, a.Name+" looks", whole, []actions.Use{a.CheckUse(e)}, func() { _, err = a.Check(d.t.Context(), d.call(), e) })
	if err != nil {
		d.t.Fatalf("%s: check: %v", a.Name, err)
	}
}

// count adds to the tally what the tenant counts while do runs, of the API that it
// counts most of where a class has several. It fails the test where what is counted
// is none of the uses, and where the calls themselves tell something else.
func (d *Desk) count(tally map[string]*held, what string, whole bool, uses []actions.Use, do func()) {
	d.t.Helper()
	before := d.Tenant.server.Tenant.Spent()
	d.spent = &actions.Spent{}
	do()
	spent := map[string]int64{}
	for counted, n := range d.Tenant.server.Tenant.Spent() {
		if class, _, _ := strings.Cut(counted, "/"); n > before[counted] {
			spent[class] = max(spent[class], n-before[counted])
		}
	}
	if told := d.spent.Of(connectors.ClassSharePoint); told != spent[connectors.ClassSharePoint] {
		d.t.Errorf("%s: the calls tell %d units of %s, the tenant counted %d", what, told, connectors.ClassSharePoint, spent[connectors.ClassSharePoint])
	}
	for _, u := range uses {
		key := what + " as " + u.Class
		if tally[key] == nil {
			tally[key] = &held{class: u.Class, declared: u.Units, whole: whole}
		}
		tally[key].counted = max(tally[key].counted, spent[u.Class])
	}
	main := uses[len(uses)-1].Class
	if limited(main) && len(spent) > 0 && spent[main] == 0 {
		d.t.Errorf("%s: the tenant counted %v, and nothing of %s", what, spent, main)
	}
	for class := range spent { // such as sharepoint.sharing beside sharepoint
		if strings.HasPrefix(class, main+".") && tally[what+" as "+class] == nil {
			d.t.Errorf("%s: the tenant counted it as %s, too", what, class)
		}
	}
}

func limited(class string) bool { return len(connectors.Allowances()[class]) > 0 }

// fits reports a declared cost that is too low or, where all of it was done, too
// high. What has no published allowance costs nothing.
func (h *held) fits(t *testing.T, what string) {
	t.Helper()
	if limited(h.class) && (h.declared < h.counted || h.whole && h.declared > 2*max(h.counted, 1)) {
		t.Errorf("%s: %d units are declared, the tenant counted %d", what, h.declared, h.counted)
	}
}

// ReadCosts does a reading action and holds what the tenant counts it for against
// what it says.
func (d *Desk) ReadCosts(t *testing.T, name string, params any) {
	t.Helper()
	a, tally := d.action(name), map[string]*held{}
	var err error
	d.count(tally, name, true, []actions.Use{a.LookUse(d.params(params))}, func() { _, err = d.Read(name, params) })
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	for what, h := range tally {
		h.fits(t, what)
	}
}
