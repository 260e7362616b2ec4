// Package loganalytics is the query API of Azure Monitor's Log Analytics, which
// holds the tables of Microsoft Sentinel.
//
// It knows nothing of playbooks, actions or the incident model.
package loganalytics

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"stanch/connectors"
	"stanch/connectors/kusto"
)

// Bounds of a query that are Microsoft's.
//
// Source: learn.microsoft.com/azure/azure-monitor/service-limits.
const (
	queryTime = 3 * time.Minute
	queryRows = 500_000
)

// Role is the least role of Azure on the workspace that a query needs.
const Role = "Log Analytics Reader"

// Client is Log Analytics for one tenant. It is safe for concurrent use.
type Client struct{ api *connectors.Client }

// New answers a client of the cloud's Log Analytics; nil options are the default
// ones, with three minutes for a query.
func New(cloud connectors.Cloud, cred azcore.TokenCredential, o *connectors.Options) (*Client, error) {
	own := o.Copy()
	if own.Timeout == 0 {
		own.Timeout = queryTime + 10*time.Second
	}
	api, err := connectors.New(cloud, cloud.Logs, cred, &own)
	if err != nil {
		return nil, err
	}
	return &Client{api: api}, nil
}

// Query runs a query in a workspace and answers at most so many rows of its
// first table. The timespan is one of ISO 8601; empty means all data. A result
// that the service had to cut is an error with the code limit.
//
// Source: learn.microsoft.com/azure/azure-monitor/logs/api/request-format,
// learn.microsoft.com/azure/azure-monitor/logs/api/response-format.
func (c *Client) Query(ctx context.Context, workspace, query, timespan string, most int) (kusto.Table, error) {
	op := "query workspace " + connectors.Plain(workspace)
	switch {
	case !connectors.IsGUID(workspace):
		return kusto.Table{}, &connectors.Error{
			Op: "logs: " + op, Code: connectors.Invalid, Message: fmt.Sprintf("workspace %q is no workspace id; expected a GUID", connectors.Plain(workspace)),
			Hint: "take it from the workspace's overview in the Azure portal: Workspace ID",
		}
	case query == "":
		return kusto.Table{}, &connectors.Error{Op: "logs: " + op, Code: connectors.Invalid, Message: "the query is empty"}
	}
	body := map[string]string{"query": query}
	if timespan != "" {
		body["timespan"] = timespan
	}
	var out struct {
		Tables []struct {
			Name    string              `json:"name"`
			Columns []kusto.Column      `json:"columns"`
			Rows    [][]json.RawMessage `json:"rows"`
		} `json:"tables"`
	}
	reply, err := c.api.Read(ctx, connectors.Request{
		Op: op, Method: http.MethodPost, Path: connectors.To("workspaces", workspace, "query"), Permission: Role, Reads: true, Body: body,
		Header: http.Header{"Prefer": {fmt.Sprintf("wait=%d", int(queryTime.Seconds()))}},
	}, &out)
	if err != nil {
		return kusto.Table{}, explained(err)
	}
	if len(out.Tables) == 0 {
		return kusto.Table{Columns: []kusto.Column{}, Rows: []map[string]any{}}, nil
	}
	t, err := kusto.FromRows(out.Tables[0].Columns, out.Tables[0].Rows, most)
	if err != nil {
		return kusto.Table{}, &connectors.Error{Op: "logs: " + op, Code: connectors.Failed, RequestID: reply.RequestID, Message: err.Error()}
	}
	t.Truncated = t.Truncated || len(out.Tables[0].Rows) >= queryRows
	return t, nil
}

// explained says what to do about the errors that are Log Analytics' own.
func explained(err error) error {
	e, is := errors.AsType[*connectors.Error](err)
	if !is {
		return err
	}
	switch {
	case e.ServiceCode == "PartialError":
		e.Code, e.Message = connectors.Limit, "the result was too large: not all rows came, and none is used"
		e.Hint = "narrow the query: fewer rows (where, summarize, take) or fewer columns (project)"
	case e.Code == connectors.Forbidden:
		e.Hint = "it is a role of Azure: assign it to the app on the workspace (Access control); that takes up to an hour"
	}
	return err
}
