package incidents_test

import (
	"strings"
	"testing"

	"stanch/actions"
	"stanch/actions/shelftest"
)

const comments = "/v1.0/security/incidents/*/comments"

func TestComment(t *testing.T) {
	shelftest.Case{
		Action: "incidents.comment", Shelves: shelf, Method: "POST", Path: comments, Always: true,
		Params: with(map[string]any{"text": "Removed outside access.\n\n  to 3 files <b>&"}),
	}.Check(t)
}

func TestACommentTellsTheFeedItsText(t *testing.T) {
	d := open(t)
	r := d.Must("incidents.comment", with(map[string]any{"text": "  ours\n"})(d.Tenant))
	if got, want := own(r.Effects[0]), first(d.Tenant)+` comments=["ours"]`; got != want {
		t.Errorf("own %s, want %s", got, want)
	}
}

func TestACommentIsLookedForAmongLikeOnes(t *testing.T) {
	for name, c := range map[string]struct {
		cut    string
		others int // of the same text, said between request and look
		answer actions.Answer
	}{
		"applied":                       {"after", 0, actions.Happened},
		"not applied":                   {"before", 0, actions.DidNot},
		"applied, others said the same": {"after", 1, actions.CannotTell},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t)
			say(d.Tenant, "ours")
			r := d.Plan("incidents.comment", with(map[string]any{"text": "ours"})(d.Tenant))
			d.Tenant.Break(shelftest.Fault{Method: "POST", Path: comments, Times: 1, Cut: c.cut})
			call := actions.Call{Sending: actions.Sending{ID: r.Effects[0].ID}}
			if _, err := r.Action.Do(t.Context(), call, r.Effects[0]); !shelftest.Unsure(err) {
				t.Fatalf("error %v; want unsure", err)
			}
			for range c.others {
				say(d.Tenant, "ours")
			}
			found, err := r.Action.Check(t.Context(), call, r.Effects[0])
			if err != nil || found.Answer != c.answer {
				t.Errorf("%+v, %v; want %s", found, err, c.answer)
			}
		})
	}
}

func TestCommentRefuses(t *testing.T) {
	d := open(t)
	r := d.Do("incidents.comment", with(map[string]any{"text": " \n"})(d.Tenant))
	if shelftest.Code(r.Err) != "invalid" || !strings.Contains(r.Err.Error(), "text is empty") {
		t.Errorf("error: %v", r.Err)
	}
	r = d.Plan("incidents.comment", with(map[string]any{"text": "x"})(d.Tenant))
	d.Tenant.Break(shelftest.Fault{Method: "POST", Path: comments, Status: 400})
	r = d.Perform(r)
	if shelftest.Code(r.Err) != "invalid" || r.Statuses() != string(actions.NotDone) || strings.Contains(string(r.Output), `"added":true`) {
		t.Errorf("error: %v, output %s", r.Err, r.Output)
	}
}
