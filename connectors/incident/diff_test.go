package incident

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

// state is an incident with something in every field that can change.
func state(t *testing.T) Incident {
	t.Helper()
	return mustMap(t, []byte(`{"id":"1","displayName":"t","status":"active","severity":"medium","assignedTo":"jo",
		"createdDateTime":"2026-01-01T00:00:00Z","lastUpdateDateTime":"2026-01-02T00:00:00Z","customTags":["x","y"],
		"comments":[{"comment":"seen"}],"alerts":[{"id":"a","status":"new","serviceSource":"dataLossPrevention",
		"title":"DLP policy (P) matched for document (d)","evidence":[
		{"@odata.type":"#microsoft.graph.security.ipEvidence","ipAddress":"10.0.0.1"},
		{"@odata.type":"#microsoft.graph.security.ipEvidence","ipAddress":"10.0.0.2","countryLetterCode":"DE"}]}]}`))
}

func TestDiff(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Incident)
		own    Written
		want   []Change
	}{
		{"nothing", func(*Incident) {}, nil, nil},
		{"dates only", func(i *Incident) { i.UpdatedAt = i.UpdatedAt.Add(time.Hour); i.Alerts[0].UpdatedAt = i.UpdatedAt }, nil, nil},
		{"severity", func(i *Incident) { i.Severity = "high" }, nil, []Change{{Field: "severity", Before: "medium", After: "high"}}},
		{"texts", func(i *Incident) {
			i.Status, i.Title, i.AssignedTo = "resolved", "u", nil
			i.Classification, i.Determination = "truePositive", "phishing"
			i.Description, i.RedirectedTo = new("d"), new("defender/2")
		}, nil, []Change{
			{Field: "assigned_to", Before: "jo"},
			{Field: "classification", Before: "unknown", After: "truePositive"},
			{Field: "description", After: "d"},
			{Field: "determination", Before: "unknown", After: "phishing"},
			{Field: "redirected_to", After: "defender/2"},
			{Field: "status", Before: "active", After: "resolved"},
			{Field: "title", Before: "t", After: "u"},
		}},
		{"tags", func(i *Incident) { i.Tags = []string{"z", "y"} }, nil, []Change{{Field: "tags", Added: []string{"z"}, Removed: []string{"x"}}}},
		{"tags in another order", func(i *Incident) { i.Tags = []string{"y", "x"} }, nil, nil},
		{"comment", func(i *Incident) { i.Comments = append(i.Comments, Comment{Text: "seen"}) }, nil, []Change{{Field: "comments", Added: []string{"seen"}}}},
		{"comment gone", func(i *Incident) { i.Comments = nil }, nil, []Change{{Field: "comments", Removed: []string{"seen"}}}},
		{"alerts", func(i *Incident) {
			i.Alerts = []Alert{{ID: "b", ServiceSource: "microsoftSentinel"}}
			i.ServiceSources, i.Policies = []ServiceSource{"microsoftSentinel"}, nil
		}, nil, []Change{
			{Field: "alerts", Added: []string{"b"}, Removed: []string{"a"}},
			{Field: "policies", Removed: []string{"P"}},
			{Field: "service_sources", Added: []string{"microsoftSentinel"}, Removed: []string{"dataLossPrevention"}},
		}},
		{"alert altered", func(i *Incident) { i.Alerts[0].Status = "resolved" }, nil, []Change{{Field: "alerts", Altered: []string{"a"}}}},
		{"evidence", func(i *Incident) {
			i.Evidence.IPs = []IP{{ID: "10.0.0.2", Country: new("FR")}}
			i.Evidence.URLs = []URL{{ID: "https://x/"}}
		}, nil, []Change{{Field: "evidence", Added: []string{"urls/https://x/"}, Removed: []string{"ips/10.0.0.1"}, Altered: []string{"ips/10.0.0.2"}}}},

		{"own status", func(i *Incident) {
			i.Status = "resolved"
			i.Alerts[0].Status = "resolved"
			i.Alerts[0].ResolvedAt = new(i.UpdatedAt)
		}, Written{"status": "resolved"}, nil},
		{"own owner", func(i *Incident) { i.AssignedTo = new("mo"); i.Alerts[0].AssignedTo = new("mo") }, Written{"assigned_to": "mo"}, nil},
		{"own release", func(i *Incident) { i.AssignedTo = nil }, Written{"assigned_to": ""}, nil},
		{"own classification", func(i *Incident) {
			i.Classification, i.Determination = "truePositive", "confirmedActivity"
			i.Alerts[0].Classification, i.Alerts[0].Determination = i.Classification, i.Determination
		}, Written{"classification": "truePositive", "determination": "confirmedActivity"}, nil},
		{"somebody else's after own", func(i *Incident) { i.Status = "inProgress" }, Written{"status": "resolved"}, []Change{{Field: "status", Before: "active", After: "inProgress"}}},
		{"own tags", func(i *Incident) { i.Tags = []string{"x", "y", "s"} }, Written{"tags": []string{"s", "x", "y"}}, nil},
		{"own tags and another", func(i *Incident) { i.Tags = []string{"x", "y", "s", "z"} }, Written{"tags": []string{"s", "x", "y"}}, []Change{{Field: "tags", Added: []string{"s", "z"}}}},
		{"own comment", func(i *Incident) { i.Comments = append(i.Comments, Comment{Text: "done"}) }, Written{"comments": []string{"done"}}, nil},
		{"own comment and another", func(i *Incident) { i.Comments = append(i.Comments, Comment{Text: "done"}, Comment{Text: "why?"}) }, Written{"comments": []string{"done"}}, []Change{{Field: "comments", Added: []string{"why?"}}}},
		{"own comment, answered alike", func(i *Incident) { i.Comments = append(i.Comments, Comment{Text: "done"}, Comment{Text: "done"}) }, Written{"comments": []string{"done"}}, []Change{{Field: "comments", Added: []string{"done"}}}},
		{"own severity, other title", func(i *Incident) { i.Severity, i.Title = "high", "u" }, Written{"severity": "high"}, []Change{{Field: "title", Before: "t", After: "u"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before, after := state(t), state(t)
			c.change(&after)
			if have := Diff(before, after, c.own); !reflect.DeepEqual(have, c.want) {
				t.Errorf("\n have %+v\n want %+v", have, c.want)
			}
			var stored Written // as it comes back from a store
			if err := json.Unmarshal(encode(c.own), &stored); err != nil {
				t.Fatal(err)
			}
			if have := Diff(before, after, stored); !reflect.DeepEqual(have, c.want) {
				t.Errorf("own from JSON:\n have %+v\n want %+v", have, c.want)
			}
		})
	}
}

func TestNewAlerts(t *testing.T) {
	before, after := state(t), state(t)
	if have := NewAlerts(Diff(before, after, nil)); have == nil || len(have) != 0 {
		t.Errorf("have %v", have)
	}
	after.Alerts = append(after.Alerts, Alert{ID: "b"})
	if have := NewAlerts(Diff(before, after, nil)); !reflect.DeepEqual(have, []string{"b"}) {
		t.Errorf("have %v", have)
	}
}

// Every field of the model is compared, or left out on purpose.
func TestDiffKnowsEveryField(t *testing.T) {
	left := map[string]string{
		"ID": "names the incident", "Source": "part of the id", "CreatedAt": "never changes",
		"UpdatedAt": "changes with everything", "URL": "part of the portal", "Conflicts": "about the body, not the incident",
	}
	of := reflect.TypeFor[Incident]()
	for f := range of.NumField() {
		var before, after Incident
		v := reflect.ValueOf(&after).Elem().Field(f)
		switch v.Kind() {
		case reflect.String:
			v.SetString("x")
		case reflect.Pointer:
			v.Set(reflect.New(v.Type().Elem()))
			v.Elem().SetString("x")
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		case reflect.Struct:
			if v.Type() == reflect.TypeFor[Evidence]() {
				after.Evidence.Files = []File{{ID: "x"}}
			} else {
				after.UpdatedAt = time.Unix(1, 0)
			}
		}
		name := of.Field(f).Name
		if changes := Diff(before, after, nil); (len(changes) == 1) == (left[name] != "") {
			t.Errorf("%s: changes %+v, left out because %q", name, changes, left[name])
		}
	}
}
