package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"stanch/connectors/practice"
)

// sentinelUses are the actions on incidents, used on one of Sentinel.
func sentinelUses() map[string]use {
	const (
		one      = "/subscriptions/**/incidents/*"
		insights = "/subscriptions/" + practice.ContosoSubscription + "/resourceGroups/" + practice.ContosoResourceGroup +
			"/providers/Microsoft.OperationalInsights/workspaces/" + practice.ContosoWorkspace + "/providers/Microsoft.SecurityInsights/incidents"
		version = "?api-version=2024-09-01"
	)
	type listed struct {
		Name, ETag string
		Properties map[string]any
	}
	first := func(l *lab) listed {
		var body struct{ Value []listed }
		l.get(insights+version, &body)
		return body.Value[0]
	}
	on := func(more map[string]any, before map[string]any) func(*lab) map[string]any {
		return func(l *lab) map[string]any {
			in := first(l)
			with := map[string]any{"incident": "sentinel/" + practice.ContosoWorkspace + "/" + in.Name}
			for k, v := range more {
				with[k] = v
			}
			if before != nil {
				p := map[string]any{"title": in.Properties["title"], "severity": in.Properties["severity"], "status": "New"}
				for k, v := range before {
					p[k] = v
				}
				raw, err := json.Marshal(map[string]any{"etag": in.ETag, "properties": p})
				if err != nil {
					l.t.Fatal(err)
				}
				l.call(http.MethodPut, insights+"/"+in.Name+version, string(raw), nil)
			}
			return with
		}
	}
	label := []map[string]string{{"labelName": "stale"}, {"labelName": "kept"}}
	return map[string]use{
		"incidents.get":         {http.MethodGet, one, on(nil, nil), 0},
		"incidents.dlp_details": {http.MethodGet, one, on(nil, nil), 0},
		"incidents.list":        {http.MethodGet, "/subscriptions/**/incidents", func(*lab) map[string]any { return map[string]any{"source": "sentinel"} }, 0},
		"incidents.update":      {http.MethodPut, one, on(map[string]any{"status": "inProgress", "severity": "low"}, nil), 0},
		"incidents.assign":      {http.MethodPut, one, on(map[string]any{"to": "dana.officer@contoso.example"}, nil), 0},
		"incidents.tag":         {http.MethodPut, one, on(map[string]any{"add": []string{"under-fault"}}, nil), 0},
		"incidents.untag":       {http.MethodPut, one, on(map[string]any{"remove": []string{"stale"}}, map[string]any{"labels": label}), 1},
		"incidents.comment":     {http.MethodPut, "/subscriptions/**/comments/*", on(map[string]any{"text": "Seen."}, nil), 0},
		"incidents.resolve":     {http.MethodPut, one, on(map[string]any{"classification": "truePositive", "determination": "confirmedActivity"}, nil), 0},
		"incidents.reopen": {http.MethodPut, one, on(nil, map[string]any{
			"status": "Closed", "classification": "FalsePositive", "classificationReason": "IncorrectAlertLogic",
		}), 1},
	}
}

// TestEveryActionOnSentinelUnderEveryFault is TestEveryActionUnderEveryFault for
// the other side of the incidents.
func TestEveryActionOnSentinelUnderEveryFault(t *testing.T) {
	catalog, err := catalogOf(clients{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	table := sentinelUses()
	for action := range catalog.All() {
		if !strings.HasPrefix(action.Name, "incidents.") {
			continue
		}
		u, ok := table[action.Name]
		if !ok {
			t.Errorf("%s is not used on Sentinel: add it to sentinelUses", action.Name)
			continue
		}
		for name, w := range weathers() {
			t.Run(action.Name+"/"+name, func(t *testing.T) {
				t.Parallel()
				under(t, action, u, w, nil)
			})
		}
	}
}
