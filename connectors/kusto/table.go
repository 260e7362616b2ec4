package kusto

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Column names a column and its type, by one of Types, or as the service named
// it where that is none.
type Column struct {
	Name string `json:"name" doc:"name of the column"`
	Type string `json:"type" doc:"its type: string, bool, int, long, real, datetime, timespan, guid or dynamic"`
}

// Object is a row as Graph sends it, by the names of its columns.
type Object = map[string]json.RawMessage

// Table is rows by the names of columns. A value is nil, bool, int64, float64,
// a text, or of a dynamic what its JSON is (numbers json.Number); a datetime is
// a text by RFC 3339 in UTC, a timespan one in Kusto's form.
type Table struct {
	Columns []Column
	Rows    []map[string]any
	// Truncated: there are, or may be, more rows than these.
	Truncated bool
}

// FromObjects reads the form of Graph: a schema and rows that are objects.
func FromObjects(columns []Column, rows []Object, most int) (Table, error) {
	t, err := begun(columns, len(rows), most)
	if err != nil {
		return Table{}, err
	}
	for n := range t.Rows {
		for i, c := range t.Columns {
			if t.Rows[n][c.Name], err = value(c.Type, rows[n][c.Name]); err != nil {
				return Table{}, wrongCell(n, t.Columns[i], err)
			}
		}
	}
	return t, nil
}

// FromRows reads the form of Log Analytics: columns and rows that are lists.
func FromRows(columns []Column, rows [][]json.RawMessage, most int) (Table, error) {
	t, err := begun(columns, len(rows), most)
	if err != nil {
		return Table{}, err
	}
	for n := range t.Rows {
		if len(rows[n]) != len(columns) {
			return Table{}, fmt.Errorf("row %d of the result has %d cells under %d columns", n+1, len(rows[n]), len(columns))
		}
		for i, c := range t.Columns {
			if t.Rows[n][c.Name], err = value(c.Type, rows[n][i]); err != nil {
				return Table{}, wrongCell(n, c, err)
			}
		}
	}
	return t, nil
}

func wrongCell(n int, c Column, err error) error {
	return fmt.Errorf("row %d of the result: column %q is no %s: %w", n+1, shortened(c.Name), shortened(c.Type), err)
}

// begun is a table with room for its rows.
func begun(columns []Column, rows, most int) (Table, error) {
	t := Table{Columns: []Column{}, Rows: make([]map[string]any, min(rows, most)), Truncated: rows > most}
	seen := map[string]bool{}
	for _, c := range columns {
		if c.Name == "" || seen[c.Name] {
			return Table{}, fmt.Errorf("the result has a column without name, or two of the name %q", shortened(c.Name))
		}
		seen[c.Name] = true
		t.Columns = append(t.Columns, Column{c.Name, typeNamed(c.Type)})
	}
	if len(columns) == 0 && rows > 0 {
		return Table{}, fmt.Errorf("the result has %d rows and no columns", rows)
	}
	for n := range t.Rows {
		t.Rows[n] = make(map[string]any, len(columns))
	}
	return t, nil
}

// typeNamed is a type by the names of Kusto and those of .NET, which Graph uses.
//
// Source: learn.microsoft.com/kusto/query/scalar-data-types.
func typeNamed(wire string) string {
	switch n := strings.ToLower(strings.TrimPrefix(wire, "System.")); n {
	case "boolean", "sbyte":
		return "bool"
	case "int32":
		return "int"
	case "int64":
		return "long"
	case "double":
		return "real"
	case "object":
		return "dynamic"
	case "bool", "int", "long", "real", "string", "datetime", "timespan", "guid", "dynamic":
		return n
	}
	return wire
}

func value(typ string, raw json.RawMessage) (any, error) {
	v, err := decoded(raw)
	if err != nil {
		return nil, err
	}
	text, isText := v.(string)
	switch {
	case v == nil:
		if typ == "string" {
			return "", nil
		}
		return nil, nil
	case isText && text == "" && typ != "string" && typ != "dynamic" && typ != "guid": // how some tables say null
		return nil, nil
	}
	switch typ {
	case "bool":
		return boolean(v)
	case "int", "long":
		return whole(v)
	case "real":
		return finite(v)
	case "datetime":
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return nil, fmt.Errorf("expected a time")
		}
		return t.UTC().Format(time.RFC3339Nano), nil
	case "dynamic":
		if isText && (strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[")) { // JSON in a text
			if in, err := decoded([]byte(text)); err == nil {
				return in, nil
			}
		}
		return v, nil
	case "string", "guid", "timespan":
		if !isText {
			return string(bytes.TrimSpace(raw)), nil
		}
	}
	return v, nil
}

func decoded(raw []byte) (any, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil || d.More() {
		return nil, fmt.Errorf("it is no JSON")
	}
	return v, nil
}

func boolean(v any) (any, error) {
	switch fmt.Sprint(v) { // true, 1, "true"
	case "true", "1", "True":
		return true, nil
	case "false", "0", "False":
		return false, nil
	}
	return nil, fmt.Errorf("expected true or false")
}

func whole(v any) (any, error) {
	n, err := strconv.ParseInt(fmt.Sprint(v), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("expected a whole number")
	}
	return n, nil
}

// finite reads a number; one that is not finite has no JSON and becomes nil.
func finite(v any) (any, error) {
	f, err := strconv.ParseFloat(fmt.Sprint(v), 64)
	switch {
	case err != nil && f == 0:
		return nil, fmt.Errorf("expected a number")
	case f-f != 0:
		return nil, nil
	}
	return f, nil
}
