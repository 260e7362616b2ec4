package graph

import (
	"context"
	"net/http"
	"time"

	"stanch/connectors"
	"stanch/connectors/kusto"
)

// Bounds of a hunting query that are Microsoft's.
//
// Source: learn.microsoft.com/graph/api/resources/security-api-overview.
const (
	huntingTime = 3 * time.Minute
	huntingRows = 100_000
)

// patient is o with time for a query.
func patient(o *connectors.Options) *connectors.Options {
	out := o.Copy()
	if out.Timeout == 0 {
		out.Timeout = huntingTime + 10*time.Second
	}
	out.Batching = nil // it would keep the others of its batch waiting
	return &out
}

// Hunt runs a query of advanced hunting over Defender XDR and answers at most
// so many rows. The timespan is one of ISO 8601; empty means 30 days, which is
// all there is. A result that the service may have cut is Truncated, too.
//
// Source: learn.microsoft.com/graph/api/security-security-runhuntingquery.
func (c *Client) Hunt(ctx context.Context, query, timespan string, most int) (kusto.Table, error) {
	const op = "run hunting query"
	if query == "" {
		return kusto.Table{}, invalid(op, "the query is empty")
	}
	var out struct {
		Schema  []kusto.Column `json:"schema"`
		Results []kusto.Object `json:"results"`
	}
	body := map[string]string{"Query": query}
	if timespan != "" {
		body["Timespan"] = timespan
	}
	reply, err := c.hunting.Read(ctx, connectors.Request{
		Op: op, Method: http.MethodPost, Path: connectors.To("security", "runHuntingQuery"), Permission: huntingRead, Reads: true, Body: body,
	}, &out)
	if err != nil {
		return kusto.Table{}, err
	}
	t, err := kusto.FromObjects(out.Schema, out.Results, most)
	if err != nil {
		return kusto.Table{}, &connectors.Error{Op: "graph: " + op, Code: connectors.Failed, RequestID: reply.RequestID, Message: err.Error()}
	}
	t.Truncated = t.Truncated || len(out.Results) >= huntingRows
	return t, nil
}
