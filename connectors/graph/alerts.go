package graph

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"time"

	"stanch/connectors"
)

// AlertHead says of an alert which one it is, and where.
type AlertHead struct {
	ID         string    `json:"id"`
	Incident   string    `json:"incidentId"` // number of the incident that it is in
	LastUpdate time.Time `json:"lastUpdateDateTime"`
}

// AlertPage is one page of the list. Entries that cannot be read are left out.
type AlertPage struct {
	Alerts []AlertHead
	More   bool // another page follows: one more request
}

// ChangedAlerts yields the pages of the alerts last updated at a time or after,
// newest first: an alert may change and its incident not tell. After an error the
// list is incomplete.
//
// Source: learn.microsoft.com/graph/api/security-list-alerts_v2.
func (c *Client) ChangedAlerts(ctx context.Context, since time.Time) iter.Seq2[AlertPage, error] {
	r := connectors.Request{
		Op: "list alerts", Path: connectors.To("security", "alerts_v2"), Permission: alertRead,
		Header: http.Header{"Prefer": {evolving}},
	}
	if filter := connectors.ChangedSince("lastUpdateDateTime", since, ""); filter != "" {
		r.Query = append(r.Query, connectors.Param{Key: "$filter", Value: filter})
	}
	return func(yield func(AlertPage, error) bool) {
		for page, err := range c.api.Pages(ctx, r) {
			if err != nil {
				yield(AlertPage{}, err)
				return
			}
			out := AlertPage{More: page.More}
			for _, raw := range page.Items {
				var a AlertHead
				if json.Unmarshal(raw, &a) == nil && a.ID != "" && a.Incident != "" {
					out.Alerts = append(out.Alerts, a)
				}
			}
			if !yield(out, nil) {
				return
			}
		}
	}
}
