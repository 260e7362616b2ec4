package triggers

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"stanch/connectors/incident"
	"stanch/connectors/sentinel"
)

// How far an alert's incident is looked for: it was made or changed when the
// alert came.
const (
	alertBack      = 24 * time.Hour
	mostOfAlert    = 50 // incidents whose alerts are read
	alertsPageSize = 50
)

// OfAlert answers our id of the incident of Sentinel that an alert belongs to,
// by the alert's SystemAlertId: of those that were modified within a day, the
// one modified last. It is "" where none of the last 50 has it. Errors are those
// of the connector.
func OfAlert(ctx context.Context, c *sentinel.Client, alert string) (string, error) {
	looked := 0
	for page, err := range c.Incidents(ctx, sentinel.Query{Since: time.Now().Add(-alertBack), Top: alertsPageSize}) {
		if err != nil {
			return "", err
		}
		for _, in := range page.Incidents {
			if looked++; looked > mostOfAlert {
				return "", nil
			}
			alerts, err := c.Alerts(ctx, in.Name)
			if err != nil {
				return "", err
			}
			for _, raw := range alerts {
				if isAlert(raw, alert) {
					return incident.NewID(incident.Sentinel, c.Workspace().Name+"/"+strings.ToLower(in.Name)), nil
				}
			}
		}
	}
	return "", nil
}

func isAlert(raw json.RawMessage, id string) bool {
	var a struct {
		Properties struct {
			ID string `json:"systemAlertId"`
		} `json:"properties"`
	}
	return json.Unmarshal(raw, &a) == nil && strings.EqualFold(a.Properties.ID, id)
}
