package sentinel

import (
	"context"
	"encoding/json"

	"stanch/connectors"
)

// Rule is an automation rule. Raw holds its conditions and actions as the API
// sent them.
type Rule struct {
	Name    string // a GUID, mostly
	Title   string
	Order   int
	Enabled bool
	On      string // Incidents, Alerts
	When    string // Created, Updated
	Raw     json.RawMessage
}

// Rules lists the automation rules of the workspace.
//
// Source: learn.microsoft.com/rest/api/securityinsights/automation-rules/list.
func (c *Client) Rules(ctx context.Context) ([]Rule, error) {
	out := []Rule{}
	r := connectors.Request{Op: "list automation rules", Path: c.path("automationRules"), Query: query(), Permission: reader}
	for page, err := range c.api.Pages(ctx, r) {
		if err != nil {
			return nil, err
		}
		for _, raw := range page.Items {
			one, err := rule(r.Op, "", raw, page.Reply.RequestID)
			if err != nil {
				return nil, err
			}
			out = append(out, one)
		}
	}
	return out, nil
}

// Rule reads one automation rule by its name.
//
// Source: learn.microsoft.com/rest/api/securityinsights/automation-rules/get.
func (c *Client) Rule(ctx context.Context, name string) (Rule, error) {
	op := "get automation rule " + connectors.Plain(name)
	raw, request, err := c.get(ctx, op, []string{"automationRules", name})
	if err != nil {
		return Rule{}, err
	}
	return rule(op, name, raw, request)
}

func rule(op, name string, raw json.RawMessage, request string) (Rule, error) {
	var p struct {
		Title   string `json:"displayName"`
		Order   int    `json:"order"`
		Trigger struct {
			Enabled bool   `json:"isEnabled"`
			On      string `json:"triggersOn"`
			When    string `json:"triggersWhen"`
		} `json:"triggeringLogic"`
	}
	r, err := read(op, "an automation rule", name, raw, request, &p)
	return Rule{Name: r.Name, Title: p.Title, Order: p.Order, Enabled: p.Trigger.Enabled, On: p.Trigger.On, When: p.Trigger.When, Raw: raw}, err
}
