package practice

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"
)

// addIncident puts a Graph incident body, with its alerts, into the company.
// With now, what times are missing become now, and an id that is taken is
// replaced by a new one, which makes the incident a new one; without, the body
// must be complete.
func (w *world) addIncident(raw json.RawMessage, now *time.Time) (string, error) {
	body, list, err := parseIncident(raw)
	if err != nil {
		return "", err
	}
	id := textOf(body["id"])
	taken := w.incidents[id] != nil
	if (taken || id == "") && now == nil {
		return "", fmt.Errorf("id %q is missing or stands twice", id)
	}
	if taken {
		delete(body, "createdDateTime")
		delete(body, "lastUpdateDateTime")
	}
	if err := dateIncident(body, now); err != nil {
		return "", err
	}
	if taken || id == "" {
		id = w.freshIncidentID()
		body["id"] = id
	}
	w.defaults(body, id)
	w.nextNumber++
	in := &incident{body: body, name: guid(w.company.TenantID, "sentinel incident", id), number: w.nextNumber}
	for n, a := range list {
		in.alerts = append(in.alerts, w.addAlert(a, in, n, taken))
	}
	w.incidents[id] = in
	return id, nil
}

// amendIncident overwrites properties of an incident and adds alerts to it.
func (w *world) amendIncident(id string, raw json.RawMessage, now time.Time) error {
	in := w.incidents[id]
	if in == nil {
		return fmt.Errorf("there is no incident %q", id)
	}
	body, list, err := parseIncident(raw)
	if err != nil {
		return err
	}
	delete(body, "id")
	if body["lastUpdateDateTime"] == nil {
		body["lastUpdateDateTime"] = stamp(now)
	}
	body["createdDateTime"] = in.body["createdDateTime"]
	if err := dateIncident(body, nil); err != nil {
		return err
	}
	maps.Copy(in.body, body)
	for _, a := range list {
		if a["createdDateTime"] == nil {
			a["createdDateTime"] = stamp(now)
		}
		in.alerts = append(in.alerts, w.addAlert(a, in, len(in.alerts), false))
	}
	return nil
}

// mergeIncident moves the alerts of an incident to another and redirects it.
func (w *world) mergeIncident(id, into string, now time.Time) error {
	from, to := w.incidents[id], w.incidents[into]
	switch {
	case from == nil || to == nil:
		return fmt.Errorf("there is no incident %q or no %q", id, into)
	case from == to:
		return fmt.Errorf("incident %q can't be merged into itself", id)
	case from.body["status"] == "redirected" || to.body["status"] == "redirected":
		return fmt.Errorf("incident %q or %q is merged into another one already", id, into)
	}
	for _, a := range from.alerts {
		b := w.alerts[a].body
		b["incidentId"], b["incidentWebUrl"] = to.id(), to.body["incidentWebUrl"]
	}
	to.alerts, from.alerts = append(to.alerts, from.alerts...), nil
	from.body["status"], from.body["redirectIncidentId"] = "redirected", to.id()
	from.body["lastUpdateDateTime"], to.body["lastUpdateDateTime"] = stamp(now), stamp(now)
	return nil
}

// parseIncident splits a Graph incident body from its alerts.
func parseIncident(raw json.RawMessage) (body object, alerts []object, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber() // an int64 of the evidence must come back as it was
	err = d.Decode(&body)
	if err == nil && body == nil {
		err = errors.New("null")
	}
	if err == nil && d.More() {
		err = errors.New("text after the incident")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("not a JSON object of an incident: %s", describe(raw, d.InputOffset(), err))
	}
	if _, is := body["id"].(string); body["id"] != nil && !is {
		return nil, nil, errors.New("id is no text")
	}
	list, is := body["alerts"].([]any)
	if body["alerts"] != nil && !is {
		return nil, nil, errors.New("alerts is no list")
	}
	for n, v := range list {
		a, is := v.(object)
		if !is || (a["id"] != nil && textOf(a["id"]) == "") {
			return nil, nil, fmt.Errorf("alerts[%d] is no alert", n)
		}
		alerts = append(alerts, a)
	}
	delete(body, "alerts")
	delete(body, "@odata.context")
	return body, alerts, nil
}

func textOf(v any) string { s, _ := v.(string); return s }

func (w *world) freshIncidentID() string {
	for {
		w.nextID++
		if id := itoa(w.nextID); w.incidents[id] == nil {
			return id
		}
	}
}

func dateIncident(body object, now *time.Time) error {
	for _, key := range []string{"createdDateTime", "lastUpdateDateTime"} {
		switch v := body[key].(type) {
		case nil:
			if now == nil {
				return fmt.Errorf("%s is missing", key)
			}
			body[key] = stamp(*now)
		case string:
			if _, err := time.Parse(time.RFC3339, v); err != nil {
				return fmt.Errorf("%s is %q; expected a time like 2026-01-02T03:04:05Z", key, v)
			}
		default:
			return fmt.Errorf("%s is no text", key)
		}
	}
	return nil
}

// defaults sets what Graph always sends.
func (w *world) defaults(body object, id string) {
	body["incidentWebUrl"] = "https://security.microsoft.com/incidents/" + id + "?tid=" + w.company.TenantID
	for key, v := range map[string]any{
		"@odata.type": "#microsoft.graph.security.incident", "tenantId": w.company.TenantID, "status": "active",
		"severity": "medium", "classification": "unknown", "determination": "unknown", "assignedTo": nil,
		"redirectIncidentId": nil, "customTags": []any{}, "systemTags": []any{}, "comments": []any{}, "displayName": "",
		"description": nil, "lastModifiedBy": nil, "resolvingComment": nil, "summary": nil,
	} {
		if _, is := body[key]; !is {
			body[key] = v
		}
	}
}

func (w *world) addAlert(body object, in *incident, n int, taken bool) string {
	id := textOf(body["id"])
	if id == "" || w.alerts[id] != nil || taken {
		id = "dl" + guid("alert", in.id(), itoa(n))
		body["id"], body["providerAlertId"] = id, id[2:]
	}
	body["incidentId"] = in.id()
	body["incidentWebUrl"] = in.body["incidentWebUrl"]
	body["alertWebUrl"] = "https://security.microsoft.com/alerts/" + id + "?tid=" + w.company.TenantID
	for key, v := range map[string]any{
		"@odata.type": "#microsoft.graph.security.alert", "tenantId": w.company.TenantID, "status": "new",
		"classification": "unknown", "determination": "unknown", "assignedTo": nil, "comments": []any{}, "evidence": []any{},
		"createdDateTime": in.body["createdDateTime"], "lastUpdateDateTime": in.body["lastUpdateDateTime"],
		"resolvedDateTime": nil, "systemTags": []any{}, "severity": in.body["severity"],
	} {
		if body[key] == nil {
			body[key] = v
		}
	}
	w.alerts[id] = &alert{body: body}
	return id
}
