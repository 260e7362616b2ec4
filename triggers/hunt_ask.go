package triggers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stanch/connectors"
	"stanch/connectors/graph"
	"stanch/connectors/kusto"
	"stanch/connectors/loganalytics"
	"stanch/playbooks"
)

// Hunter asks the logs what hunting playbooks want to know.
type Hunter struct {
	Graph      *graph.Client
	Logs       *loganalytics.Client
	Workspace  string   // id of the Log Analytics workspace that source: logs asks
	OwnDomains []string // for the expressions of let
}

// mostAsked is how many rows of an answer are looked at.
const mostAsked = 10_000

// Found is the answer to a query.
type Found struct {
	Columns    []string // that the query has, in order
	Rows       []Row
	Unreadable []error // of rows that are none of the declared columns
	Truncated  bool    // there are, or may be, more rows than these
}

// Row is one row of an answer: what its playbook declares of it, as JSON.
type Row struct {
	Value json.RawMessage
	Key   string // what it is known again by
}

// Ask runs the query of a checked hunting playbook with values for its params. A
// query that the service refuses, or whose answer lacks a declared column, is a
// connectors.Error with the code invalid.
func (h *Hunter) Ask(ctx context.Context, book *playbooks.Playbook, params map[string]any) (Found, error) {
	t := book.On.Hunting
	table, err := h.query(ctx, book, params, "")
	if err != nil {
		return Found{}, err
	}
	found := Found{Truncated: table.Truncated}
	for _, c := range table.Columns {
		found.Columns = append(found.Columns, c.Name)
	}
	if err := differs(t, table); err != nil {
		return found, err
	}
	row := t.Row()
	for i, cells := range table.Rows {
		r, err := rowOf(t, row, cells)
		if err != nil {
			found.Unreadable = append(found.Unreadable, fmt.Errorf("row %d: %w", i+1, err))
			continue
		}
		found.Rows = append(found.Rows, r)
	}
	return found, nil
}

// Check asks the service whether the query of a checked playbook can be run and
// answers the declared columns; no row is asked for. What is wrong with the query
// is answered apart from why the service could not be asked.
func (h *Hunter) Check(ctx context.Context, book *playbooks.Playbook) (wrong, err error) {
	params, err := book.BindParams(nil)
	if err != nil {
		return nil, err
	}
	table, err := h.query(ctx, book, params, "\n| take 0")
	if err == nil {
		err = differs(book.On.Hunting, table)
	}
	if e, is := errors.AsType[*connectors.Error](err); is && e.Code == connectors.Invalid {
		return err, nil
	}
	return nil, err
}

// class is the throttling class of a query.
func class(t *playbooks.HuntingTrigger) string {
	if t.Source == "logs" {
		return "loganalytics"
	}
	return "graph.hunting"
}

func (h *Hunter) query(ctx context.Context, book *playbooks.Playbook, params map[string]any, behind string) (kusto.Table, error) {
	t := book.On.Hunting
	text, err := h.bind(book, params, behind)
	if err != nil {
		return kusto.Table{}, &connectors.Error{Op: "hunting", Code: connectors.Invalid, Message: err.Error()}
	}
	var table kusto.Table
	if t.Source == "logs" {
		table, err = h.Logs.Query(ctx, h.Workspace, text, "", mostAsked)
	} else {
		table, err = h.Graph.Hunt(ctx, text, "", mostAsked)
	}
	if e, is := errors.AsType[*connectors.Error](err); is && e.Code == connectors.Invalid && len(t.Let) > 0 && e.Hint == "" {
		e.Hint = "lines are counted from the declarations of let, so that the query begins on line 2"
	}
	return table, err
}

// bind writes the query with the values of let.
func (h *Hunter) bind(book *playbooks.Playbook, params map[string]any, behind string) (string, error) {
	t := book.On.Hunting
	env := playbooks.Env{Names: map[string]any{"params": params, "lists": book.ListValues()}, Now: time.Now(), OwnDomains: h.OwnDomains}
	values, types := map[string]any{}, map[string]string{}
	for _, b := range t.Let {
		v, err := b.Expr.Eval(env)
		if err != nil {
			return "", fmt.Errorf("let.%s: %w", b.Name, err)
		}
		switch v.(type) {
		case time.Time:
			types[b.Name] = "datetime"
		case time.Duration:
			types[b.Name] = "timespan"
		}
		if values[b.Name], err = plain(v); err != nil {
			return "", fmt.Errorf("let.%s: %w", b.Name, err)
		}
	}
	query := strings.TrimRight(t.Query, " \t\r\n;")
	return kusto.Bind(query+behind, values, types)
}

// plain is a value as JSON has it.
func plain(v any) (any, error) {
	switch x := v.(type) {
	case time.Time, time.Duration:
		return x, nil
	}
	raw, err := playbooks.Encode(v)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var out any
	return out, d.Decode(&out)
}

// differs says which declared columns an answer has not, or has of another type.
func differs(t *playbooks.HuntingTrigger, table kusto.Table) error {
	var has, wrong []string
	hint := "end the query with project or summarize, and declare what that gives"
	of := map[string]string{}
	for _, c := range table.Columns {
		has = append(has, c.Name)
		of[c.Name] = c.Type
	}
	for _, c := range t.Columns {
		typ, is := of[c.Name]
		switch {
		case !is:
			wrong = append(wrong, "no column "+c.Name+", which columns declares")
			if near := playbooks.Nearest(c.Name, has); near != "" {
				hint = fmt.Sprintf("did you mean %s?", near)
			}
		case !mayBe(typ, c.Type.Present().String()):
			wrong = append(wrong, fmt.Sprintf("%s as %s, where columns declares %s", c.Name, connectors.Plain(typ), c.Type.Present()))
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return &connectors.Error{
		Op: "hunting", Code: connectors.Invalid, Hint: hint,
		Message: fmt.Sprintf("the query answers %s; its columns are %s", strings.Join(wrong, ", and "), connectors.Plain(strings.Join(has, ", "))),
	}
}

// mayBe reports whether a value of a type of Kusto may be one of a type of the
// language. A dynamic may be anything.
func mayBe(kustoType, typ string) bool {
	switch typ {
	case "integer", "number", "boolean":
		fit := map[string][]string{"integer": {"int", "long", "real"}, "number": {"int", "long", "real"}, "boolean": {"bool"}}
		return kustoType == "dynamic" || slices.Contains(fit[typ], kustoType) || !slices.Contains(kusto.Types(), kustoType)
	case "string":
		return !slices.Contains([]string{"bool", "int", "long", "real"}, kustoType)
	case "time":
		return !slices.Contains([]string{"bool", "int", "long", "real", "timespan", "guid"}, kustoType)
	}
	return true
}

// rowOf is what a playbook declares of a row.
func rowOf(t *playbooks.HuntingTrigger, typ playbooks.Type, cells map[string]any) (Row, error) {
	declared := cells
	if len(t.Columns) > 0 {
		declared = map[string]any{}
		for _, c := range t.Columns {
			v := cells[c.Name]
			if text, is := v.(string); is && c.Type.Present().Equal(playbooks.DurationType()) {
				d, ok := kusto.Span(text)
				if !ok {
					return Row{}, fmt.Errorf("%s: is no timespan", c.Name)
				}
				v = d.String()
			}
			declared[c.Name] = v
		}
	}
	raw, err := json.Marshal(declared)
	if err != nil {
		return Row{}, err
	}
	v, err := typ.Decode(raw)
	if err != nil {
		return Row{}, err // it names the column
	}
	if raw, err = playbooks.Encode(v); err != nil {
		return Row{}, err
	}
	key, err := keyOf(t, v)
	return Row{Value: raw, Key: key}, err
}

// keyOf is what a row is known again by: the values of its key columns, or all.
func keyOf(t *playbooks.HuntingTrigger, row any) (string, error) {
	by := row
	if cells, is := row.(map[string]any); is && len(t.Key) > 0 {
		some := map[string]any{}
		for _, column := range t.Key {
			some[column] = cells[column]
		}
		by = some
	}
	raw, err := playbooks.Encode(by)
	if err != nil {
		return "", err
	}
	return digestOf(raw)[:32], nil
}
