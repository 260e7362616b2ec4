// Package hunting holds the actions that ask the logs: advanced hunting over
// Defender XDR and queries of Log Analytics, in the Kusto Query Language; and
// those by which the audit log gathers events of data loss prevention.
//
// Values reach a query bound (see connectors/kusto), never as part of its text.
// The package knows nothing of playbooks, runs or the engine.
package hunting

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/activity"
	"stanch/connectors/graph"
	"stanch/connectors/kusto"
	"stanch/connectors/loganalytics"
)

// Shelf is the actions that hunt.
type Shelf struct {
	Graph *graph.Client
	Logs  *loganalytics.Client
	// Activity may be nil: the cloud has no such log.
	Activity *activity.Client
}

// takes bounds one query; the services end theirs after three minutes.
const takes = 200 * time.Second

// Bounds of the rows of one answer.
const (
	usualRows = 500
	mostRows  = 10_000
)

// bound is a query with the values that it is asked with.
type bound struct {
	Query    string                     `json:"query" lang:"kql" doc:"the query, in the Kusto Query Language; what let declares stands in it by its name"`
	Let      map[string]json.RawMessage `json:"let,omitempty" doc:"values by the name that the query calls them; each is declared before the query as a literal, whatever it holds"`
	Types    map[string]string          `json:"types,omitempty" doc:"type of a value of let that is no text, number, yes or no, list or record: datetime, timespan, guid, int, long, real, bool, string or dynamic"`
	Timespan string                     `json:"timespan,omitempty" doc:"how far to look back, by ISO 8601, such as P7D or 2026-11-01T00:00:00Z/P1D"`
	MaxRows  int                        `json:"max_rows,omitempty" default:"500" doc:"most rows to answer, up to 10000"`
}

// found is the answer to a query.
type found struct {
	Columns   []kusto.Column   `json:"columns" doc:"the columns, in order, with their types"`
	Rows      []map[string]any `json:"rows" doc:"the rows by the names of the columns; a datetime is a time as text, a timespan as d.hh:mm:ss"`
	Count     int              `json:"count" doc:"how many rows these are"`
	Truncated bool             `json:"truncated" doc:"whether there are, or may be, more rows than these"`
}

func invalid(hint, format string, args ...any) error {
	return &connectors.Error{Op: "hunting", Code: connectors.Invalid, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// rows is how many rows to answer.
func rows(asked int) (int, error) {
	switch {
	case asked == 0:
		return usualRows, nil
	case asked < 0 || asked > mostRows:
		return 0, invalid("end the query with summarize or take, or give a number in these bounds", "max_rows is %d; expected 1 to %d", asked, mostRows)
	}
	return asked, nil
}

// text is the query with its values declared.
func (p bound) text() (string, error) {
	values := map[string]any{}
	for name, raw := range p.Let {
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber() // a number keeps all its digits
		var v any
		if err := d.Decode(&v); err != nil {
			return "", invalid("", "let.%s cannot be read: %s", connectors.Plain(name), connectors.Plain(err.Error()))
		}
		values[name] = v
	}
	query, err := kusto.Bind(p.Query, values, p.Types)
	if err != nil {
		return "", invalid("", "%v", err) // it shows no value
	}
	return query, nil
}

// run binds and asks.
func (p bound) run(ask func(query string, most int) (kusto.Table, error)) (found, error) {
	most, err := rows(p.MaxRows)
	if err != nil {
		return found{}, err
	}
	query, err := p.text()
	if err != nil {
		return found{}, err
	}
	t, err := ask(query, most)
	if err != nil {
		return found{}, p.explained(err)
	}
	return found{Columns: t.Columns, Rows: t.Rows, Count: len(t.Rows), Truncated: t.Truncated}, nil
}

// explained says which line of the query the service counts as first.
func (p bound) explained(err error) error {
	if e, is := errors.AsType[*connectors.Error](err); is && e.Code == connectors.Invalid && e.Status != 0 && len(p.Let) > 0 && e.Hint == "" {
		e.Hint = "lines are counted from the declarations of let, so that the query begins on line 2"
	}
	return err
}

func defenderHunts() []actions.Permission {
	return []actions.Permission{{API: "graph", Name: "ThreatHunting.Read.All"}}
}

func readsLogs() []actions.Permission {
	return []actions.Permission{{API: "azure", Name: loganalytics.Role}}
}
