package graph_test

import (
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"stanch/connectors"
	"stanch/connectors/practice"
)

// What is sent equals the examples of the page
// (microsoft-graph-docs-contrib api-reference/v1.0/api/security-security-runhuntingquery.md).
func TestHuntSendsTheDocumentedRequests(t *testing.T) {
	for _, c := range []struct{ query, timespan, body string }{
		{
			`DeviceProcessEvents | where InitiatingProcessFileName =~ "powershell.exe" | project Timestamp, FileName, InitiatingProcessFileName | order by Timestamp desc | limit 2`, "",
			`{"Query": "DeviceProcessEvents | where InitiatingProcessFileName =~ \"powershell.exe\" | project Timestamp, FileName, InitiatingProcessFileName | order by Timestamp desc | limit 2"}`,
		},
		{"DeviceProcessEvents", "P90D", `{"Query": "DeviceProcessEvents", "Timespan": "P90D"}`},
	} {
		s := start(t, practice.ReaderApp(), practice.Options{})
		if _, err := s.Hunt(t.Context(), c.query, c.timespan, 10); err != nil {
			t.Fatal(err)
		}
		var got, want any
		s.last.Lock()
		err := json.Unmarshal(s.last.bytes, &got)
		s.last.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(c.body), &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("sent %v, want %v", got, want)
		}
	}
}

// The answer of the page, and the same in the names that older answers have.
func TestHuntReadsBothFormsOfTheSchema(t *testing.T) {
	const answer = `{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#microsoft.graph.security.huntingQueryResults",
		"schema":[{"name":"Timestamp","type":"DateTime"},{"name":"FileName","type":"String"},{"name":"Allowed","type":"SByte"}],
		"results":[{"Timestamp":"2024-03-26T09:39:50.7688641Z","FileName":"cmd.exe","Allowed":1}]}`
	for _, body := range []string{answer, strings.NewReplacer(`"name"`, `"Name"`, `"type"`, `"Type"`).Replace(answer)} {
		got, err := scripted(t, says(200, body)).Hunt(t.Context(), "x", "", 10)
		if err != nil {
			t.Fatal(err)
		}
		if row := got.Rows[0]; row["Timestamp"] != "2024-03-26T09:39:50.7688641Z" || row["Allowed"] != true || got.Columns[0].Type != "datetime" || got.Truncated {
			t.Errorf("%+v", got)
		}
	}
}

func TestHuntsThatFail(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		code   connectors.Code
		says   string
	}{
		{200, `{"schema":[{"name":"N","type":"Int64"}],"results":[{"N":"many"}]}`, connectors.Failed, `row 1 of the result: column "N" is no long`},
		{200, `{"schema":{},"results":[]}`, connectors.Failed, "another shape"},
		{200, `{"schema":[{"name":"N","type":"Int64"}],"results":{}}`, connectors.Failed, "another shape"},
		{200, `{"schema":[],"results":[{"N":1}]}`, connectors.Failed, "no columns"},
		{200, `<html>`, connectors.Failed, ""},
		{429, `{"error":{"code":"TooManyRequests","message":"You can run queries again at 09:15."}}`, connectors.Throttled, "again at 09:15"},
		{403, `{"error":{"code":"Forbidden","message":"no"}}`, connectors.Forbidden, "ThreatHunting.Read.All"},
		{504, ``, connectors.Timeout, ""},
	} {
		_, err := scripted(t, says(c.status, c.body)).Hunt(t.Context(), "x", "", 10)
		if e := wantCode(t, err, c.code, c.says); e.Unsure() {
			t.Errorf("%s: a read is unsure", c.body)
		}
	}
	_, err := scripted(t, says(200, "{}")).Hunt(t.Context(), "", "", 10)
	wantCode(t, err, connectors.Invalid, "the query is empty")
}

// Graph leaves out what is beyond its bound without a word.
func TestARowCountAtTheBoundIsToldAsTruncated(t *testing.T) {
	c := scripted(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"schema":[{"name":"N","type":"Int64"}],"results":[{"N":1}`+strings.Repeat(`,{"N":1}`, 99_999)+`]}`)
	})
	got, err := c.Hunt(t.Context(), "x", "", 200_000)
	if err != nil || len(got.Rows) != 100_000 || !got.Truncated {
		t.Errorf("%d rows, truncated %v, %v", len(got.Rows), got.Truncated, err)
	}
}
