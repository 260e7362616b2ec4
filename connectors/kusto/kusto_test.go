package kusto_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"stanch/connectors/kusto"
	"stanch/connectors/practice/kql"
)

// hostile is what an attacker may put into a file's name.
func hostile() []string {
	return []string{
		`x" | take 100; //`, `x"; SecurityAlert | take 1 //`, `'`, `"`, "`", "```", "~~~", `\`, `\"`, `\\"`, "a\nb", "a\r\nb", "a\x00b", "%00", "../", "a\u2028b\u2029c", "a\u0085b",
		`@'x'`, `@"x""`, `h"x"`, "\u202eevil", "\ufeff", "😀 𝕏", `datetime(2026-01-01)`, `dynamic({})`, "//", "/*", `\u0022`, `\x22`, strings.Repeat(`"\`, 8_000), "\x7f\u009b", "",
	}
}

// echo runs a query that only answers the value.
func echo(t *testing.T, query string) any {
	t.Helper()
	r, err := kql.Run(query, kql.Options{Now: time.Now(), Table: func(string) (*kql.Table, bool) { return nil, false }})
	if err != nil {
		t.Fatalf("%.200s: %v", query, err)
	}
	if len(r.Rows) != 1 || len(r.Columns) != 1 {
		t.Fatalf("%.200s: %d rows of %d columns", query, len(r.Rows), len(r.Columns))
	}
	return r.Rows[0][0]
}

// 41, 42: whatever a bound value holds, it comes out as it went in.
func TestBad041BoundTextsStayTexts(t *testing.T) {
	for _, text := range hostile() {
		query, err := kusto.Bind("print x", map[string]any{"x": text}, nil)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if strings.Count(query, "\n") != 1 {
			t.Errorf("%q broke the line: %q", text, query)
		}
		if got := echo(t, query); got != text {
			t.Errorf("%q came out as %q", text, got)
		}
		query, err = kusto.Bind("print x", map[string]any{"x": []any{text, map[string]any{text: text}}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		list := echo(t, query).([]any)
		if list[0] != text || list[1].(map[string]any)[text] != text {
			t.Errorf("%q in a list came out as %q", text, list)
		}
	}
}

func FuzzBoundTextStaysOneText(f *testing.F) {
	for _, s := range hostile() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		query, err := kusto.Bind("print x", map[string]any{"x": text}, nil)
		if err != nil {
			if len(text) < 16_000 {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if got := echo(t, query); got != strings.ToValidUTF8(text, "\uFFFD") {
			t.Fatalf("%q came out as %q", text, got)
		}
		raw, _ := json.Marshal(text)
		var value any
		if json.Unmarshal(raw, &value) != nil {
			t.Fatal("no JSON")
		}
		if query, err = kusto.Bind("print x", map[string]any{"x": map[string]any{"k": value}}, nil); err != nil {
			return
		}
		if got := echo(t, query).(map[string]any)["k"]; got != value {
			t.Fatalf("%q in a record came out as %q", text, got)
		}
	})
}

func TestLiterals(t *testing.T) {
	for _, c := range []struct {
		value any
		typ   string
		want  string
	}{
		{json.Number("5"), "", "long(5)"},
		{json.Number("-9223372036854775808"), "", "long(-9223372036854775808)"},
		{json.Number("5.0"), "", "real(5)"},
		{json.Number("1e300"), "", "real(1e+300)"},
		{json.Number("5"), "int", "int(5)"},
		{json.Number("5"), "real", "real(5)"},
		{true, "", "true"},
		{nil, "", "dynamic(null)"},
		{nil, "datetime", "datetime(null)"},
		{"2026-11-20T08:38:51.5+01:00", "datetime", "datetime(2026-11-20T07:38:51.5000000Z)"},
		{"4h0m0s", "timespan", "timespan(0.04:00:00.0000000)"},
		{"30d", "timespan", "timespan(30.00:00:00.0000000)"},
		{"-1d1h", "timespan", "timespan(-1.01:00:00.0000000)"},
		{"53F12236-E5EC-43B3-9D9E-1BAE9F3FF8BF", "guid", "guid(53f12236-e5ec-43b3-9d9e-1bae9f3ff8bf)"},
		{[]any{"a", json.Number("12345678901234567890")}, "", `dynamic(["a",12345678901234567890])`},
		{map[string]any{"<": ")"}, "", `dynamic({"\u003c":")"})`},
	} {
		got, err := kusto.Literal(c.value, c.typ)
		if err != nil || got != c.want {
			t.Errorf("%v as %q: %s, %v; want %s", c.value, c.typ, got, err, c.want)
		}
	}
}

// Every literal is understood by who reads it.
func TestTypedValuesArrive(t *testing.T) {
	for typ, value := range map[string]any{
		"datetime": "2026-11-20T07:38:51Z", "timespan": "1h30m", "guid": "53f12236-e5ec-43b3-9d9e-1bae9f3ff8bf", "int": json.Number("7"), "long": json.Number("7"),
		"real": json.Number("0.5"), "bool": true, "string": "s", "dynamic": []any{"s"},
	} {
		query, err := kusto.Bind("print gettype(x), tostring(x) | project t = strcat(print_0, ' ', print_1)", map[string]any{"x": value}, map[string]string{"x": typ})
		if err != nil {
			t.Errorf("%s: %v", typ, err)
			continue
		}
		want := map[string]string{
			"datetime": "datetime 2026-11-20T07:38:51.0000000Z", "timespan": "timespan 01:30:00", "guid": "string 53f12236-e5ec-43b3-9d9e-1bae9f3ff8bf",
			"int": "long 7", "long": "long 7", "real": "double 0.5", "bool": "bool true", "string": "string s", "dynamic": `array ["s"]`,
		}[typ]
		if got := echo(t, query); got != want {
			t.Errorf("%s: %v, want %s", typ, got, want)
		}
	}
}

func TestWhatCannotBeBoundIsNamed(t *testing.T) {
	deep := any("x")
	for range 20_000 {
		deep = []any{deep}
	}
	for _, c := range []struct {
		query  string
		values map[string]any
		types  map[string]string
		want   string
	}{
		{"", nil, nil, "query is empty"},
		{"print x\x00", nil, nil, "query is no text"},
		{strings.Repeat("x", kusto.MaxQuery+1), nil, nil, "expected at most"},
		{"print y", map[string]any{"x": "1"}, nil, "let.x: the query does not use it"},
		{"print xx, x_, _x", map[string]any{"x": "1"}, nil, "let.x: the query does not use it"},
		{"print a b", map[string]any{"a b": "1"}, nil, `"a b" is no name`},
		{"where", map[string]any{"where": "1"}, nil, `"where" is no name`},
		{"print x", map[string]any{"x = 1; y": "1"}, nil, `is no name`},
		{"print x", map[string]any{"x": "1"}, map[string]string{"y": "long"}, "types.y: let has no such value"},
		{"print x", map[string]any{"x": "1"}, map[string]string{"x": "decimal"}, `let.x: the type "decimal" is not known; expected one of string`},
		{"print x", map[string]any{"x": "yesterday"}, map[string]string{"x": "datetime"}, "let.x: it is no datetime; expected a time such as"},
		{"print x", map[string]any{"x": "2026-11-20) | take 1 //"}, map[string]string{"x": "datetime"}, "it is no datetime"},
		{"print x", map[string]any{"x": "1) or (true"}, map[string]string{"x": "long"}, "it is no long"},
		{"print x", map[string]any{"x": "1d) //"}, map[string]string{"x": "timespan"}, "it is no timespan"},
		{"print x", map[string]any{"x": "x) //"}, map[string]string{"x": "guid"}, "it is no guid"},
		{"print x", map[string]any{"x": json.Number("92233720368547758070")}, nil, "it is no long"},
		{"print x", map[string]any{"x": json.Number("1e999")}, nil, "it is no real"},
		{"print x", map[string]any{"x": strings.Repeat("x", 300_000)}, nil, "expected at most"},
	} {
		_, err := kusto.Bind(c.query, c.values, c.types)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40q %v: %v; want %s", c.query, c.types, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "//") {
			t.Errorf("the error shows the value: %v", err)
		}
	}
	if _, err := kusto.Bind("print x", map[string]any{"x": deep}, nil); err != nil && !strings.Contains(err.Error(), "let.x") {
		t.Error(err)
	}
}

func TestRowsAreTyped(t *testing.T) {
	columns := []kusto.Column{
		{"At", "DateTime"}, {"B", "SByte"}, {"B2", "Boolean"}, {"I", "Int32"}, {"L", "Int64"}, {"R", "Double"}, {"S", "String"}, {"D", "Object"}, {"T", "timespan"}, {"New", "Vector"},
	}
	row := `{"At":"2026-11-20T08:38:51.1234567+01:00","B":1,"B2":false,"I":7,"L":"9007199254740993","R":0.5,"S":null,"D":"{\"a\":[1]}","T":"1.00:00:00","New":[1],"At@odata.type":"x"}`
	var o kusto.Object
	if err := json.Unmarshal([]byte(row), &o); err != nil {
		t.Fatal(err)
	}
	got, err := kusto.FromObjects(columns, []kusto.Object{o, {}}, 5)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := json.Marshal(got.Rows)
	want := `[{"At":"2026-11-20T07:38:51.1234567Z","B":true,"B2":false,"D":{"a":[1]},"I":7,"L":9007199254740993,"New":[1],"R":0.5,"S":"","T":"1.00:00:00"},` +
		`{"At":null,"B":null,"B2":null,"D":null,"I":null,"L":null,"New":null,"R":null,"S":"","T":null}]`
	if string(raw) != want || got.Truncated {
		t.Errorf("rows %s\nwant %s", raw, want)
	}
	if c := got.Columns[4]; c.Type != "long" {
		t.Errorf("column %v", c)
	}
	if got, err = kusto.FromObjects(columns, []kusto.Object{o, o, o}, 2); err != nil || len(got.Rows) != 2 || !got.Truncated {
		t.Errorf("%d rows, truncated %v, %v", len(got.Rows), got.Truncated, err)
	}
}

func TestRowsThatDoNotFitAreErrors(t *testing.T) {
	at := []kusto.Column{{"At", "datetime"}}
	for _, c := range []struct {
		columns []kusto.Column
		rows    string
		want    string
	}{
		{at, `[["yesterday"]]`, `row 1 of the result: column "At" is no datetime`},
		{at, `[["2026-11-20T07:38:51Z","more"]]`, "row 1 of the result has 2 cells under 1 columns"},
		{at, `[["2026-11-20T07:38:51Z"],[]]`, "row 2 of the result has 0 cells"},
		{[]kusto.Column{{"N", "long"}}, `[[1.5]]`, `column "N" is no long`},
		{[]kusto.Column{{"N", "long"}}, `[[{}]]`, `column "N" is no long`},
		{[]kusto.Column{{"N", "real"}}, `[["much"]]`, `column "N" is no real`},
		{[]kusto.Column{{"N", "bool"}}, `[["maybe"]]`, `column "N" is no bool`},
		{[]kusto.Column{{"N", "long"}, {"N", "long"}}, `[]`, `two of the name "N"`},
		{nil, `[[]]`, "1 rows and no columns"},
	} {
		var rows [][]json.RawMessage
		if err := json.Unmarshal([]byte(c.rows), &rows); err != nil {
			t.Fatal(err)
		}
		if _, err := kusto.FromRows(c.columns, rows, 10); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %s", c.rows, err, c.want)
		}
	}
}
