package practice

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"stanch/connectors/practice/kql"
)

// What the hunting calls answer at most.
//
// [graph-docs resources/security-api-overview.md; azure-monitor
// service-limits.md]
const (
	huntingDays  = 30
	huntingRows  = 100_000
	huntingBytes = 50 << 20
	logDays      = 90
	logRows      = 500_000
	logBytes     = 64_000_000
	huntingWork  = 20_000_000 // of one query; stands for the three minutes it may run
	// cpuQuota is the work of a tenant in 15 minutes. The page names no number.
	cpuQuota = 40_000_000
)

// logReader is the Azure role that reads a workspace.
const logReader = "Log Analytics Reader"

func huntingRoutes() []route {
	return []route{
		{security, http.MethodPost, "security/runHuntingQuery", []string{"ThreatHunting.Read.All"}, nil, cost{}, runHuntingQuery},
	}
}

// logRoutes is the query API of Log Analytics, under /v1
// [azure-monitor logs/api/request-format.md].
func logRoutes() []route {
	return []route{
		{logs, http.MethodPost, "workspaces/{workspace}/query", []string{logReader}, []string{"timespan"}, cost{}, queryLogs},
	}
}

// runHuntingQuery answers POST /security/runHuntingQuery
// [graph-docs api/security-security-runhuntingquery.md]. What the page leaves
// open, the error's code and wording, is as advanced hunting has it. Beyond
// 100,000 rows the rest is left out without a word.
func runHuntingQuery(c *call) (reply, error) {
	var in struct {
		Query    *string `json:"query"` // matched in any case
		Timespan *string `json:"timespan"`
	}
	if err := json.Unmarshal(c.body, &in); err != nil || in.Query == nil || strings.TrimSpace(*in.Query) == "" {
		return reply{}, badRequest("The request must have a JSON body with a non-empty property 'Query'.")
	}
	from, to := c.now.AddDate(0, 0, -huntingDays), c.now
	if in.Timespan != nil && *in.Timespan != "" {
		a, b, err := timespan(*in.Timespan, c.now)
		if err != nil {
			return reply{}, badRequest("Timespan '%s' is not valid: %v.", *in.Timespan, err)
		}
		from, to = later(from, a), earlier(to, b)
	}
	result, err := c.hunt(*in.Query, from, to, false)
	if err != nil {
		e, _ := errors.AsType[*kql.Error](err)
		switch {
		case e == nil:
			return reply{}, err
		case e.Kind == kql.Syntax:
			return reply{}, badRequest("%s. Fix syntax errors in your query.", e.Message)
		case e.Kind == kql.Semantic:
			return reply{}, badRequest("%s. Fix semantic errors in your query.", e.Message)
		}
		return reply{}, badRequest("%s", e.Message)
	}
	schema := []object{}
	for _, col := range result.Columns {
		schema = append(schema, object{"name": col.Name, "type": dotNet(col.Type)})
	}
	rows, size := []object{}, 0
	for _, r := range result.Rows[:min(huntingRows, len(result.Rows))] {
		o := object{}
		for i, col := range result.Columns {
			o[col.Name] = kql.Plain(r[i])
		}
		if size += len(kql.JSON(o)); size > huntingBytes {
			return reply{}, badRequest("The query's result is larger than %d MB. Optimize your query by limiting the number of rows or columns.", huntingBytes>>20)
		}
		rows = append(rows, o)
	}
	return ok(object{"@odata.context": c.origin() + "/v1.0/$metadata#microsoft.graph.security.huntingQueryResults", "schema": schema, "results": rows}), nil
}

// dotNet is how Graph names a type.
func dotNet(t kql.Type) string {
	return map[kql.Type]string{
		kql.Bool: "Boolean", kql.Int: "Int32", kql.Long: "Int64", kql.Real: "Double", kql.String: "String", kql.DateTime: "DateTime",
		kql.TimeSpan: "TimeSpan", kql.GUID: "Guid", kql.Dynamic: "Object",
	}[t]
}

// hunt runs a query over what happened between two times.
func (c *call) hunt(query string, from, to time.Time, logs bool) (kql.Result, error) {
	h := &hunted{w: c.w, seed: c.t.o.Seed, from: from, to: to, logs: logs, done: c.t.changes}
	r, err := kql.Run(query, kql.Options{Now: c.now, Table: h.table, Work: huntingWork})
	if !logs {
		c.t.limits.spend(cpuKey, 15*time.Minute, float64(r.Work), c.now)
	}
	return r, err
}

// queryLogs answers POST /v1/workspaces/{id}/query. Both kinds of failure that a
// success can hide are as documented: a call without body or content type is
// answered 200 with no body, and a result that is too large is cut, with an
// error beside the tables.
//
// [azure-monitor logs/api/request-format.md, errors.md, response-format.md]
func queryLogs(c *call) (reply, error) {
	if !strings.EqualFold(c.args["workspace"], LogWorkspaceID(c.w.company.TenantID)) {
		return reply{}, &failure{
			status: http.StatusNotFound, code: "PathNotFoundError", message: "The requested path does not exist",
			inner: object{"code": "WorkspaceNotFoundError", "message": "Workspace " + c.args["workspace"] + " could not be found"},
		}
	}
	if len(c.body) == 0 || !strings.HasPrefix(c.r.Header.Get("Content-Type"), "application/json") {
		return reply{status: http.StatusOK}, nil
	}
	var in struct {
		Query    string  `json:"query"`
		Timespan *string `json:"timespan"`
	}
	if err := json.Unmarshal(c.body, &in); err != nil {
		return reply{}, badArgument(object{"code": "InvalidJsonBody", "message": "Request body failed to parse"})
	}
	if strings.TrimSpace(in.Query) == "" {
		return reply{}, badArgument(object{"code": "QueryMissing", "message": "The query is missing from the request body"})
	}
	from, to := c.now.AddDate(0, 0, -logDays), c.now
	for _, span := range []string{c.query.Get("timespan"), deref(in.Timespan)} { // both: what they share
		if span == "" {
			continue
		}
		a, b, err := timespan(span, c.now)
		if err != nil {
			return reply{}, badArgument(object{"code": "InvalidTimespan", "message": "The timespan '" + span + "' is not valid: " + err.Error()})
		}
		from, to = later(from, a), earlier(to, b)
	}
	result, err := c.hunt(in.Query, from, to, true)
	if e, is := errors.AsType[*kql.Error](err); is {
		return reply{}, logFailure(e)
	} else if err != nil {
		return reply{}, err
	}
	return ok(logTables(result)), nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func badArgument(inner object) *failure {
	return &failure{status: http.StatusBadRequest, code: "BadArgumentError", message: "The request had some invalid properties", inner: inner}
}

// logFailure words an error of the query as recorded answers of Log Analytics do
// (Azure/azure-sdk-for-net, Azure.Monitor.Query/README.md).
func logFailure(e *kql.Error) *failure {
	switch e.Kind {
	case kql.Syntax:
		return badArgument(object{"code": "SyntaxError", "message": "A recognition error occurred in the query.", "innererror": object{
			"code": "SYN0002", "message": e.Message, "line": e.Line, "pos": e.Pos, "token": e.Token,
		}})
	case kql.Semantic:
		return badArgument(object{"code": "SemanticError", "message": "A semantic error occurred.", "innererror": object{"code": "SEM0100", "message": e.Message}})
	}
	return &failure{
		status: http.StatusGatewayTimeout, code: "GatewayTimeout", message: "The query's execution took more than it may",
		inner: object{"code": "GatewayTimeout", "message": e.Message},
	}
}

// logTables is the answer with the one table, cut where it is too large.
func logTables(r kql.Result) object {
	columns := []object{}
	for _, col := range r.Columns {
		columns = append(columns, object{"name": col.Name, "type": string(col.Type)})
	}
	rows, size, cut := [][]any{}, 0, ""
	for n, row := range r.Rows {
		if n == logRows {
			cut = strconv.Itoa(logRows) + " records"
			break
		}
		out := make([]any, len(row))
		for i, v := range row {
			out[i] = kql.Plain(v)
			if r.Columns[i].Type == kql.Dynamic && v != nil { // goes as JSON in a text
				out[i] = string(kql.JSON(v))
			}
		}
		if size += len(kql.JSON(out)); size > logBytes {
			cut = strconv.Itoa(logBytes) + " bytes"
			break
		}
		rows = append(rows, out)
	}
	answer := object{"tables": []object{{"name": "PrimaryResult", "columns": columns, "rows": rows}}}
	if cut != "" {
		answer["error"] = object{"code": "PartialError", "message": "There were some errors when processing your query.", "details": []object{{
			"code": "EngineError", "message": "Something went wrong processing your query on the server.", "innererror": object{
				"code":     "-2133196797",
				"message":  "The results of this query exceed the set limit of " + cut + ", so not all records were returned (E_QUERY_RESULT_SET_TOO_LARGE, 0x80DA0003). See https://aka.ms/kustoquerylimits for more information and possible solutions.",
				"severity": 2, "severityName": "Error",
			},
		}}}
	}
	return answer
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

var isoDuration = regexp.MustCompile(`^P(?:(\d{1,6})Y)?(?:(\d{1,6})M)?(?:(\d{1,6})W)?(?:(\d{1,6})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,6})(?:\.\d{1,9})?S)?)?$`)

// timespan reads a span of ISO 8601: start/end, duration/end, start/duration,
// duration (back from now) or start (until now).
func timespan(s string, now time.Time) (from, to time.Time, err error) {
	wrong := errors.New("expected an ISO 8601 timespan such as P30D or 2026-11-01T00:00:00Z/P7D")
	first, second, two := strings.Cut(s, "/")
	a, isSpan := back(first, now)
	start, isTime := clockOf(first)
	if !two {
		switch {
		case isSpan:
			return a, now, nil
		case isTime:
			return start, now, nil
		}
		return from, to, wrong
	}
	end, endsAt := clockOf(second)
	switch {
	case isTime && endsAt:
		return start, end, nil
	case isSpan && endsAt:
		from, _ = back(first, end)
		return from, end, nil
	case isTime:
		if b, is := back(second, start); is {
			return start, start.Add(start.Sub(b)), nil
		}
	}
	return from, to, wrong
}

func clockOf(s string) (time.Time, bool) {
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err := time.Parse(form, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// back is the time a duration before t.
func back(s string, t time.Time) (time.Time, bool) {
	m := isoDuration.FindStringSubmatch(s)
	if m == nil || s == "P" || strings.HasSuffix(s, "T") {
		return t, false
	}
	n := func(i int) int { v, _ := strconv.Atoi(m[i]); return v }
	t = t.AddDate(-min(n(1), 1000), -min(n(2), 12_000), -min(7*n(3)+n(4), 365_000))
	return t.Add(-time.Duration(n(5))*time.Hour - time.Duration(n(6))*time.Minute - time.Duration(n(7))*time.Second), true
}
