package graph_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"stanch/connectors"
	"stanch/connectors/graph"
	"stanch/connectors/practice"
)

func TestAlertsAreListedAndRead(t *testing.T) {
	s := start(t, practice.ReaderApp(), practice.Options{})
	all := alerts(t, s, graph.AlertQuery{Filter: "serviceSource eq 'dataLossPrevention'", Top: 2})
	if len(all) < 5 {
		t.Fatalf("%d alerts", len(all))
	}
	for _, a := range all {
		var body struct {
			Incident string `json:"incidentId"`
			Evidence []any  `json:"evidence"`
		}
		if err := json.Unmarshal(a.Raw, &body); err != nil || a.Incident == "" || body.Incident != a.Incident || len(body.Evidence) == 0 || a.LastUpdate.IsZero() {
			t.Errorf("%s: %v", a.Raw, err)
		}
	}
	// What changed at that very time or later, to 100 ns.
	newest := all[0].LastUpdate
	for _, a := range all {
		if a.LastUpdate.After(newest) {
			newest = a.LastUpdate
		}
	}
	if got := alerts(t, s, graph.AlertQuery{Since: newest}); len(got) == 0 || len(got) == len(all) || got[0].LastUpdate.Before(newest) {
		t.Errorf("%d of %d alerts since %s", len(got), len(all), newest)
	}
	if got := alerts(t, s, graph.AlertQuery{Since: newest.Add(100 * time.Nanosecond)}); len(got) != 0 {
		t.Errorf("%d alerts after the last", len(got))
	}
	one := must[graph.Alert](t)(s.Alert(t.Context(), all[0].ID))
	if one.ID != all[0].ID || one.Incident != all[0].Incident || !one.LastUpdate.Equal(all[0].LastUpdate) {
		t.Errorf("%+v", one)
	}
	_, err := s.Alert(t.Context(), "dl0")
	wantCode(t, err, connectors.NotFound, "get alert dl0")
	_, err = s.Alert(t.Context(), "../x")
	wantCode(t, err, connectors.Invalid)
}

func alerts(t *testing.T, s tenant, q graph.AlertQuery) []graph.Alert {
	t.Helper()
	var out []graph.Alert
	for page, err := range s.Alerts(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		if q.Top > 0 && len(page.Items) > q.Top {
			t.Errorf("a page of %d", len(page.Items))
		}
		out = append(out, page.Items...)
	}
	return out
}

func TestBadAlerts(t *testing.T) {
	s := start(t, practice.FullApp(), practice.Options{})
	s.fault(t, `[{"path":"/v1.0/security/alerts_v2","status":200,"body":{"value":[{"id":"dl1"},{"title":"no id"}]}},
		{"path":"/v1.0/security/alerts_v2/dl1","times":1,"status":200,"body":{"id":"dl2"}},{"path":"/v1.0/security/alerts_v2/dl1","times":1,"status":200,"body":{"id":7}},
		{"path":"/v1.0/security/alerts_v2/dl1","status":403}]`)
	for page, err := range s.Alerts(t.Context(), graph.AlertQuery{}) {
		if err != nil || len(page.Items) != 1 || len(page.Faulty) != 1 {
			t.Fatalf("the page is %+v (%v)", page, err)
		}
		wantCode(t, page.Faulty[0].Err, connectors.Failed, "an alert of the answer cannot be read: it has no id")
	}
	_, err := s.Alert(t.Context(), "dl1")
	wantCode(t, err, connectors.Failed, `the answer is about "dl2"`)
	_, err = s.Alert(t.Context(), "dl1")
	wantCode(t, err, connectors.Failed, "an alert of the answer cannot be read")
	_, err = s.Alert(t.Context(), "dl1")
	if e := wantCode(t, err, connectors.Forbidden); !strings.Contains(e.Permission, "SecurityAlert.Read.All") {
		t.Errorf("%v", e)
	}
}
