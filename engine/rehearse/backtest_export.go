package rehearse

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"stanch/connectors/incident"
	"stanch/playbooks"
)

// ReadIncident reads an exported incident: a body of Graph as its API sends it, one
// of Sentinel as Azure Resource Manager does, alone or joined as
// {"incident":…,"alerts":[…],"entities":[…],"comments":[…]}, or Stanch's own model.
func ReadIncident(raw []byte) (incident.Incident, error) {
	var form struct {
		Type       string          `json:"type"`
		Properties json.RawMessage `json:"properties"`
		Source     string          `json:"source"`
		Evidence   json.RawMessage `json:"evidence"`
		Incident   json.RawMessage `json:"incident"`
	}
	_ = json.Unmarshal(raw, &form) // what is no such text the mapping below says better
	switch {
	case form.Properties != nil || strings.Contains(strings.ToLower(form.Type), "securityinsights"):
		return ofSentinel(incident.SentinelBody{Incident: raw})
	case form.Incident != nil:
		var body incident.SentinelBody
		if err := json.Unmarshal(raw, &body); err != nil {
			return incident.Incident{}, fmt.Errorf("sentinel incident: %s", strings.TrimPrefix(err.Error(), "json: "))
		}
		return ofSentinel(body)
	case form.Source != "" && form.Evidence != nil:
		return ofModel(raw)
	}
	return incident.FromGraph(raw)
}

// ofSentinel takes the workspace out of the id that Azure Resource Manager gives.
func ofSentinel(body incident.SentinelBody) (incident.Incident, error) {
	var head struct {
		ID string `json:"id"`
	}
	_ = json.Unmarshal(body.Incident, &head) // the mapping says what is wrong with it
	parts := strings.Split(head.ID, "/")
	for i, part := range parts[:len(parts)-1] {
		if strings.EqualFold(part, "workspaces") {
			body.Workspace = parts[i+1]
		}
	}
	if body.Workspace == "" {
		return incident.Incident{}, errors.New("sentinel incident: its id names no workspace: want /subscriptions/…/workspaces/NAME/providers/Microsoft.SecurityInsights/incidents/GUID")
	}
	return incident.FromSentinel(body)
}

func ofModel(raw []byte) (incident.Incident, error) {
	v, err := playbooks.AnyType().Decode(raw) // whole numbers stay whole
	if err != nil {
		return incident.Incident{}, err
	}
	tree, _ := v.(map[string]any)
	in, err := strict(tree)
	if err != nil {
		return in, err
	}
	if _, _, err := incident.ParseID(in.ID); err != nil {
		return in, err
	}
	return in, nil
}
