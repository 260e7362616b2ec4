package hunting

import (
	"context"
	"encoding/json"

	"stanch/actions"
	"stanch/connectors/kusto"
)

type logQuery struct {
	Workspace string                     `json:"workspace" doc:"id of the Log Analytics workspace, a GUID"`
	Query     string                     `json:"query" lang:"kql" doc:"the query, in the Kusto Query Language; what let declares stands in it by its name"`
	Let       map[string]json.RawMessage `json:"let,omitempty" doc:"values by the name that the query calls them; each is declared before the query as a literal, whatever it holds"`
	Types     map[string]string          `json:"types,omitempty" doc:"type of a value of let that is no text, number, yes or no, list or record: datetime, timespan, guid, int, long, real, bool, string or dynamic"`
	Timespan  string                     `json:"timespan,omitempty" doc:"how far to look back, by ISO 8601, such as P7D or 2026-11-01T00:00:00Z/P1D; default all that is kept"`
	MaxRows   int                        `json:"max_rows,omitempty" default:"500" doc:"most rows to answer, up to 10000"`
}

func (p logQuery) bound() bound {
	return bound{Query: p.Query, Let: p.Let, Types: p.Types, Timespan: p.Timespan, MaxRows: p.MaxRows}
}

// QueryLogs runs a query in a Log Analytics workspace.
func (s Shelf) QueryLogs() actions.Action {
	return actions.Spec[logQuery, found]{
		Doc:   "Run a query in a Log Analytics workspace, such as Sentinel's, with bound values.",
		Class: actions.Reads, Throttle: "loganalytics", Permissions: readsLogs(), Timeout: takes,
		Source: "https://learn.microsoft.com/azure/azure-monitor/logs/api/request-format",
		Example: "workspace: \"${{ params.workspace }}\"\n" +
			"query: |\n" +
			"  SecurityAlert\n" +
			"  | where VendorOriginalId == alert\n" +
			"  | project TimeGenerated, AlertName, StartTime, EndTime\n" +
			"let: {alert: \"${{ alert.id }}\"}\n" +
			"timespan: P7D",
		Read: s.queryLogs,
	}.Action()
}

func (s Shelf) queryLogs(ctx context.Context, _ actions.Call, p logQuery) (found, error) {
	return p.bound().run(func(text string, most int) (kusto.Table, error) {
		return s.Logs.Query(ctx, p.Workspace, text, p.Timespan, most)
	})
}
