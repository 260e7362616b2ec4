package triggers

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"

	"stanch/connectors"
)

// sentinelCall is what a playbook of Sentinel is called with, as far as it names
// what it is about: with the incident trigger in object, or the incident itself
// where only that is passed on, or with the older alert trigger an alert.
//
// Source: learn.microsoft.com/connectors/azuresentinel; no schema is published.
type sentinelCall struct {
	sentinelIncident
	Object *sentinelIncident `json:"object"`
	Info   struct {
		Subscription string `json:"SubscriptionId"`
		Group        string `json:"ResourceGroupName"`
		Workspace    string `json:"WorkspaceName"`
	} `json:"workspaceInfo"`

	Alert             string `json:"SystemAlertId"`
	AlertSubscription string `json:"WorkspaceSubscriptionId"`
	AlertGroup        string `json:"WorkspaceResourceGroup"`
}

type sentinelIncident struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// The path of an incident in Azure, and names in it.
var (
	incidentPath = regexp.MustCompile(`(?i)^/subscriptions/([^/]+)/resourceGroups/([^/]+)/providers/Microsoft\.OperationalInsights/workspaces/([^/]+)/providers/Microsoft\.SecurityInsights/incidents/([0-9a-z-]{1,64})$`)
	sentinelName = regexp.MustCompile(`^[0-9A-Za-z-]{1,64}$`)
)

// tell notes the incident that a request of Sentinel tells of. Nothing else of
// the request is believed: the incident is read.
func (h *Hooks) tell(ctx context.Context, hook *Hook, body json.RawMessage) (taken, *problem) {
	var c sentinelCall
	if err := json.Unmarshal(body, &c); err != nil {
		return taken{}, refused(http.StatusUnprocessableEntity, "this is not what Sentinel calls playbooks with: "+connectors.Plain(err.Error()), "no payload of Sentinel")
	}
	key, p := h.toldOf(c)
	if p != nil {
		return taken{}, p
	}
	if err := h.note(ctx, key); err != nil {
		return taken{}, later(10, "the store does not take it now", err)
	}
	h.o.Log.Info("Sentinel tells of an incident", "hook", hook.Path, "of", key)
	return taken{Delivery: key}, nil
}

// toldOf is the name of what a request tells of: our id of an incident, or
// alert/ and the id of an alert.
func (h *Hooks) toldOf(c sentinelCall) (string, *problem) {
	in, at := c.sentinelIncident, h.o.Workspace
	if c.Object != nil {
		in = *c.Object
	}
	elsewhere := refused(http.StatusForbidden, "it is of another workspace than the one that is configured", "another workspace")
	differs := func(got, want string) bool { return got != "" && !strings.EqualFold(got, want) }
	switch m := incidentPath.FindStringSubmatch(in.ID); {
	case m != nil:
		if differs(m[1], at.Subscription) || differs(m[2], at.ResourceGroup) || differs(m[3], at.Name) ||
			differs(c.Info.Subscription, at.Subscription) || differs(c.Info.Group, at.ResourceGroup) || differs(c.Info.Workspace, at.Name) {
			return "", elsewhere
		}
		if differs(in.Name, m[4]) {
			return "", refused(http.StatusUnprocessableEntity, "the incident's id and name are not of one incident", "its id and name differ")
		}
		return sentinelID(at.Name, m[4]), nil
	case c.Object == nil && in.ID == "" && sentinelName.MatchString(c.Alert):
		if differs(c.AlertSubscription, at.Subscription) || differs(c.AlertGroup, at.ResourceGroup) {
			return "", elsewhere
		}
		return alertNote + strings.ToLower(c.Alert), nil
	}
	return "", refused(http.StatusUnprocessableEntity,
		"it names no incident: expected object.id or id, the path of an incident in Azure, or SystemAlertId", "it names no incident")
}
