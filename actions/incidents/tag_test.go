package incidents_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"stanch/actions"
	"stanch/actions/shelftest"
)

func TestTag(t *testing.T) {
	shelftest.Case{
		Action: "incidents.tag", Shelves: shelf, Method: "PATCH", Path: "/v1.0/security/incidents/*",
		Params: with(map[string]any{"add": []string{"contained-by-stanch", "urgent", "urgent"}}),
	}.Check(t)
}

type tags struct{ Tags, Added []string }

func TestTagKeepsTheTagsOfOthers(t *testing.T) {
	d := open(t)
	patch(d.Tenant, `{"customTags":["a"]}`)
	params := with(map[string]any{"add": []string{"a", "ours"}})(d.Tenant)
	r := d.Plan("incidents.tag", params)
	patch(d.Tenant, `{"customTags":["a","b"]}`) // between plan and request
	r = d.Perform(r)
	if out := shelftest.Into[tags](t, r.Output); !slices.Equal(out.Tags, []string{"a", "b", "ours"}) || !slices.Equal(out.Added, []string{"ours"}) {
		t.Errorf("output: %s", r.Output)
	}
	patch(d.Tenant, `{"customTags":["a","b","ours","c"]}`)
	inverses, back := d.Undo(r)
	if inverses[0].Effect == nil || string(back.Effects[0].After) != `{"tags":["a","b","c"]}` {
		t.Errorf("inverse: %+v", inverses[0])
	}
	if got, want := own(back.Effects[0]), first(d.Tenant)+` tags=["a","b","c"]`; got != want {
		t.Errorf("own %s, want %s", got, want)
	}
}

func TestATagThatSomebodySetMeanwhileIsAlreadySo(t *testing.T) {
	d := open(t)
	r := d.Plan("incidents.tag", with(map[string]any{"add": []string{"ours"}})(d.Tenant))
	patch(d.Tenant, `{"customTags":["ours"]}`)
	r = d.Perform(r)
	if r.Err != nil || r.Statuses() != string(actions.AlreadySo) {
		t.Errorf("%v, statuses %q", r.Err, r.Statuses())
	}
	if out := shelftest.Into[tags](t, r.Output); len(out.Added) != 0 || !slices.Equal(out.Tags, []string{"ours"}) {
		t.Errorf("output: %s", r.Output)
	}
}

func TestUndoOfATagThatSomebodyTookAwayDoesNothing(t *testing.T) {
	d := open(t)
	r := d.Must("incidents.tag", with(map[string]any{"add": []string{"ours"}})(d.Tenant))
	patch(d.Tenant, `{"customTags":["theirs"]}`)
	if inverses, _ := d.Undo(r); !inverses[0].Changed {
		t.Errorf("inverse: %+v; want changed", inverses[0])
	}
}

func TestTagRefuses(t *testing.T) {
	d := open(t)
	for want, add := range map[string][]string{"add is empty": {}, "add[1] is empty": {"a", " "}} {
		r := d.Do("incidents.tag", with(map[string]any{"add": add})(d.Tenant))
		if shelftest.Code(r.Err) != "invalid" || !strings.Contains(r.Err.Error(), want) {
			t.Errorf("%q: %v; want invalid: %s", add, r.Err, want)
		}
	}
}

func TestTagsAreNotWrittenOverAStaleRead(t *testing.T) {
	d := open(t)
	d.Tenant.Advance(time.Hour)
	patch(d.Tenant, `{"customTags":["theirs"]}`)
	r := d.Plan("incidents.tag", with(map[string]any{"add": []string{"ours"}})(d.Tenant))
	d.Tenant.Break(shelftest.Fault{Method: "GET", Path: "/v1.0/security/incidents/*", Times: 1, StaleReads: 1})
	r = d.Perform(r)
	if wait, ok := shelftest.RetryAfter(r.Err); shelftest.Code(r.Err) != "unavailable" || !ok || wait == 0 {
		t.Fatalf("error %v; want unavailable with a wait", r.Err)
	}
	if r = d.Perform(r); r.Err != nil || string(r.Effects[0].After) != `{"tags":["theirs","ours"]}` {
		t.Errorf("%v, after %s", r.Err, r.Effects[0].After)
	}
}
