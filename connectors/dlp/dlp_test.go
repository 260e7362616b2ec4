package dlp_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stanch/connectors/activity"
	"stanch/connectors/dlp"
	"stanch/connectors/incident"
)

func subjects(t *testing.T) []dlp.Subject {
	t.Helper()
	alerts := []string{}
	for i := range 3 {
		alerts = append(alerts, fmt.Sprintf(`{"id":"dl%d","serviceSource":"dataLossPrevention","title":"DLP policy (Pay) matched for document (%d.xlsx) in SharePoint",
			"firstActivityDateTime":"2026-11-20T08:00:00Z","lastActivityDateTime":"2026-11-20T09:00:00Z","evidence":[{"@odata.type":"#microsoft.graph.security.fileEvidence",
			"fileDetails":{"fileName":"%d.xlsx","filePath":"https://contoso.sharepoint.com/sites/x/Docs"}}]}`, i, i, i))
	}
	in, err := incident.FromGraph([]byte(`{"id":"1","createdDateTime":"2026-11-20T08:00:00Z","alerts":[{"id":"mc1","serviceSource":"microsoftDefenderForCloudApps"},` + strings.Join(alerts, ",") + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	all := dlp.Subjects(in)
	if len(all) != 3 {
		t.Fatalf("%d alerts of data loss prevention", len(all))
	}
	return all
}

func events() []activity.Record {
	at := time.Date(2026, 11, 20, 8, 30, 0, 0, time.UTC)
	rules := func(name string) []activity.Policy {
		return []activity.Policy{{ID: "p-" + name, Name: name, Rules: []activity.Rule{{
			ID: "r", Name: name + " rule", Severity: "High", Actions: []string{"BlockAccess"}, Overridden: []string{"x"}, Conditions: []string{"c"},
			Types: []activity.SensitiveType{{ID: "T1", Count: new(int64(3)), Confidence: new(int64(85))}},
		}}}}
	}
	file := func(n int) *activity.File {
		return &activity.File{URL: fmt.Sprintf("https://contoso.sharepoint.com/sites/x/Docs/%d.xlsx", n), Owner: "o", Sharer: "s"}
	}
	return []activity.Record{
		{ID: "1", At: at, Operation: activity.RuleMatch, File: file(0), Policies: rules("Pay")},                               // by the file
		{ID: "2", At: at, Operation: activity.RuleMatch, Incident: "1", File: file(7), Policies: rules("Pay")},                // by the id
		{ID: "3", At: at, Operation: activity.RuleMatch, File: file(2), Policies: rules("Other")},                             // another policy's
		{ID: "4", At: at.Add(5 * time.Hour), Operation: activity.RuleMatch, File: file(2), Policies: rules("Pay")},            // too late
		{ID: "5", At: at.Add(5 * time.Hour), Operation: activity.RuleUndo, File: file(2), Policies: rules("Pay")},             // taken back later
		{ID: "6", At: at, Operation: activity.RuleMatch, Mail: &activity.Mail{MessageID: "<m>", To: []string{"a@b.example"}}}, // nobody's
	}
}

// An event finds its alerts through the index as it does one by one, and tells the
// same of them without what is left out before it is kept.
func TestEventsFindTheirAlerts(t *testing.T) {
	all := subjects(t)
	index := dlp.NewIndex(all)
	want := map[string][]int{"1": {0}, "2": {1}, "3": nil, "4": nil, "5": {2}, "6": nil}
	var slim []activity.Record
	for _, e := range events() {
		if got := index.Of(e); fmt.Sprint(got) != fmt.Sprint(want[e.ID]) {
			t.Errorf("event %s is one of %v, want %v", e.ID, got, want[e.ID])
		}
		slim = append(slim, dlp.Slim(e))
	}
	raw, err := json.Marshal(slim)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(raw), "a@b.example") {
		t.Error("who got a message is kept")
	}
	var kept []activity.Record
	if err := json.Unmarshal(raw, &kept); err != nil {
		t.Fatal(err)
	}
	for _, x := range all {
		told := x.Tell(events())
		if diff := cmp.Diff(told, x.Tell(kept)); diff != "" {
			t.Errorf("%s: from what is kept: %s", x.Alert.ID, diff)
		}
		if told.Events != 1 {
			t.Errorf("%s has %d events", x.Alert.ID, told.Events)
		}
	}
	told := all[0].Tell(events())
	if !told.Nameless() {
		t.Error("a type without a name is not told")
	}
	told.Name(map[string]string{"t1": "Credit Card Number"})
	f, is := told.Found(true)
	if !is || f.SensitiveTypes[0].Name != "Credit Card Number" || *f.Policy.Rule != "Pay rule" || *f.UserActivity != activity.RuleMatch || f.Details.FoundBy != "object" {
		t.Errorf("it tells %+v", f)
	}
}
