package incident

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func found(policy string) Found {
	at := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	return Found{
		Details:        Details{From: AuditLog, FoundBy: "id", Events: 2, Complete: true},
		Policy:         Policy{ID: new("p1"), Name: &policy, Rule: new("high volume")},
		SensitiveTypes: []SensitiveType{{ID: new("t1"), Name: "Credit Card Number", Count: new(int64(7)), Confidence: new(int64(85))}},
		UserActivity:   new("DlpRuleUndo"),
		Activities:     []Activity{{At: at, Operation: "DlpRuleMatch", Workload: "SharePoint"}},
		Overrides:      []Override{{At: at, Justification: strings.Repeat("ü", 2000), Rules: nil}},
	}
}

// wire is an incident of Graph with one alert, of a policy or of none.
func wire(t *testing.T, title string) Incident {
	t.Helper()
	in, err := FromGraph(fmt.Appendf(nil, `{"id":"1","displayName":"x","createdDateTime":"2026-11-20T07:00:00Z","alerts":[{"id":"a1","serviceSource":"dataLossPrevention","title":%q}]}`, title))
	if err != nil {
		t.Fatal(err)
	}
	return in
}

const payTitle = "DLP policy (Pay) matched for document (a.xlsx) in SharePoint"

// What is filled in is kept over what the source says later, is no difference by
// that, and can be taken out again; so it is after a way through JSON.
func TestDetailsAreKeptAndAreNoDifference(t *testing.T) {
	for _, title := range []string{payTitle, "an alert of ours"} {
		plain := wire(t, title)
		full := plain.With(map[string]Found{"a1": found("Pay"), "other": found("Pay")})
		if a := full.Alerts[0]; *a.Policy.Rule != "high volume" || *a.Policy.Name != "Pay" || len(a.Activities) != 1 || len(full.Policies) != 1 || len([]rune(a.Overrides[0].Justification)) != 1001 {
			t.Errorf("%s: %+v", title, a)
		}
		if named := slices.Contains(full.Alerts[0].Details.Fields, "policy.name"); named != (title != payTitle) {
			t.Errorf("%s: filled are %v", title, full.Alerts[0].Details.Fields)
		}
		changes := Diff(plain, full, nil)
		if changes[0].Field != "details" || !slices.Equal(NewDetails(changes), []string{"a1"}) || (len(changes) == 2) != (title != payTitle) {
			t.Errorf("%s: filling it changes %+v", title, changes)
		}
		raw, err := json.Marshal(full)
		if err != nil {
			t.Fatal(err)
		}
		var read Incident
		if err := json.Unmarshal(raw, &read); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(full, read); diff != "" {
			t.Errorf("%s: by way of JSON: %s", title, diff)
		}
		for _, now := range []Incident{plain.Keeping(read), read.With(map[string]Found{"a1": found("Pay")})} {
			if diff := cmp.Diff(full, now); diff != "" || len(Diff(read, now, nil)) > 0 {
				t.Errorf("%s: kept, it differs: %s", title, diff)
			}
		}
		if diff := cmp.Diff(plain, read.Bare()); diff != "" {
			t.Errorf("%s: taken out: %s", title, diff)
		}
	}
}

// What the alert says itself stands, and no rule is mixed into another policy.
func TestWhatTheAlertSaysStands(t *testing.T) {
	other := wire(t, payTitle).With(map[string]Found{"a1": found("Mail")})
	if a := other.Alerts[0]; *a.Policy.Name != "Pay" || a.Policy.ID != nil || a.Policy.Rule != nil || len(a.SensitiveTypes) != 1 {
		t.Errorf("of another policy: %+v", a.Policy)
	}
	full := wire(t, payTitle).With(map[string]Found{"a1": found("Pay")})
	renamed := wire(t, strings.Replace(payTitle, "Pay", "Wages", 1)).Keeping(full)
	if a := renamed.Alerts[0]; *a.Policy.Name != "Wages" || a.Policy.Rule != nil || a.Details == nil || len(a.Overrides) != 1 {
		t.Errorf("of a policy that is called otherwise by now: %+v", a)
	}
}
