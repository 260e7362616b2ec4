package incidents_test

import (
	"strings"
	"testing"

	"stanch/actions"
	"stanch/actions/shelftest"
)

func TestResolve(t *testing.T) {
	shelftest.Case{
		Action: "incidents.resolve", Shelves: shelf, Method: "PATCH", Path: "/v1.0/security/incidents/*",
		Params: with(map[string]any{"classification": "truePositive", "determination": "confirmedActivity"}),
	}.Check(t)
}

func TestResolveWithACommentSaysItFirst(t *testing.T) {
	d := open(t)
	params := with(map[string]any{"classification": "falsePositive", "comment": "Shared with the auditor."})(d.Tenant)
	r := d.Must("incidents.resolve", params)
	if len(r.Effects) != 2 || r.Effects[0].Action != "incidents.comment" || r.Effects[1].Action != "incidents.resolve" {
		t.Fatalf("effects: %+v", r.Effects)
	}
	if len(r.Effects[1].Lost) != 1 {
		t.Errorf("lost: %+v; want the status of the alerts", r.Effects[1].Lost)
	}
	if !strings.Contains(string(r.Output), `"commented":true`) || !strings.Contains(string(r.Output), `"status":"resolved"`) {
		t.Errorf("output: %s", r.Output)
	}
	if again := d.Must("incidents.resolve", params); len(again.Effects) != 0 {
		t.Errorf("resolved twice: %+v", again.Effects)
	}
	inverses, _ := d.Undo(r)
	if inverses[0].Effect == nil || inverses[0].Effect.Action != "incidents.update" || inverses[1].Effect != nil || inverses[1].Why == "" {
		t.Errorf("inverses: %+v", inverses)
	}
}

func TestResolveThatFailsAfterItsCommentSaysSo(t *testing.T) {
	d := open(t)
	r := d.Plan("incidents.resolve", with(map[string]any{"classification": "truePositive", "comment": "done"})(d.Tenant))
	d.Tenant.Break(shelftest.Fault{Method: "PATCH", Path: "/v1.0/security/incidents/*", Status: 429})
	r = d.Perform(r)
	if r.Statuses() != string(actions.Done)+" "+string(actions.NotDone) {
		t.Errorf("statuses %q", r.Statuses())
	}
	if !strings.Contains(string(r.Output), `"commented":true`) || !strings.Contains(string(r.Output), `"status":"active"`) || !strings.Contains(string(r.Output), `"changed":[]`) {
		t.Errorf("output: %s", r.Output)
	}
}

func TestResolveNeedsAVerdict(t *testing.T) {
	d := open(t)
	for _, classification := range []string{"", "unknown", "maybe"} {
		r := d.Do("incidents.resolve", with(map[string]any{"classification": classification})(d.Tenant))
		if shelftest.Code(r.Err) != "invalid" {
			t.Errorf("%q: %v; want invalid", classification, r.Err)
		}
	}
}
