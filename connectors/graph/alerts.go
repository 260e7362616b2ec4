package graph

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"strconv"
	"time"

	"stanch/connectors"
)

const alertRead = "SecurityAlert.Read.All"

// AlertQuery selects alerts. Graph lists the newest first and allows in Filter
// assignedTo, classification, determination, createdDateTime, lastUpdateDateTime,
// severity, serviceSource and status.
type AlertQuery struct {
	Since  time.Time // last updated at or after; zero: all
	Filter string    // further OData, joined with and
	Top    int       // alerts per page; 0: the service's number
}

// Alert is an alert as the API sent it, with its evidence.
type Alert struct {
	ID         string
	Incident   string // id of the incident that it stands in; may be empty
	LastUpdate time.Time
	Raw        json.RawMessage
}

// Alerts yields the pages of the alerts, newest first. After an error the list
// is incomplete; what cannot be read stands in Faulty. An alert that changes does not have to change its incident.
//
// Source: learn.microsoft.com/graph/api/security-list-alerts_v2.
func (c *Client) Alerts(ctx context.Context, q AlertQuery) iter.Seq2[connectors.PageOf[Alert], error] {
	r := connectors.Request{
		Op: "list alerts", Path: connectors.To("security", "alerts_v2"), Permission: alertRead, Header: http.Header{"Prefer": {evolving}},
	}
	if filter := connectors.ChangedSince("lastUpdateDateTime", q.Since, q.Filter); filter != "" {
		r.Query = append(r.Query, connectors.Param{Key: "$filter", Value: filter})
	}
	if q.Top > 0 {
		r.Query = append(r.Query, connectors.Param{Key: "$top", Value: strconv.Itoa(q.Top)})
	}
	return connectors.PagesOf(ctx, c.api, r, func(raw json.RawMessage, request string) (Alert, error) { return alert(r.Op, raw, request) })
}

// Alert reads one alert.
//
// Source: learn.microsoft.com/graph/api/security-alert-get.
func (c *Client) Alert(ctx context.Context, id string) (Alert, error) {
	var raw json.RawMessage
	op := "get alert " + connectors.Plain(id)
	reply, err := c.api.Read(ctx, connectors.Request{
		Op: op, Path: connectors.To("security", "alerts_v2", id), Permission: alertRead, Header: http.Header{"Prefer": {evolving}},
	}, &raw)
	if err != nil {
		return Alert{}, err
	}
	a, err := alert(op, raw, reply.RequestID)
	if err == nil && a.ID != id {
		err = other(op, id, a.ID, reply.RequestID)
	}
	return a, err
}

func alert(op string, raw json.RawMessage, request string) (Alert, error) {
	var head struct {
		ID         string    `json:"id"`
		Incident   string    `json:"incidentId"`
		LastUpdate time.Time `json:"lastUpdateDateTime"`
	}
	if err := json.Unmarshal(raw, &head); err != nil || head.ID == "" {
		return Alert{}, unreadable(op, "an alert", err, request)
	}
	return Alert{ID: head.ID, Incident: head.Incident, LastUpdate: head.LastUpdate, Raw: raw}, nil
}
