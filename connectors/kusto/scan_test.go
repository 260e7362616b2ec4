package kusto_test

import (
	"os"
	"testing"
	"time"

	"stanch/connectors/kusto"
)

func TestScanFindsWhatNoServiceReads(t *testing.T) {
	for query, want := range map[string]string{
		"T | where x in (1, 2":                       "( is never closed",
		"T | where x == 1)":                          ") closes nothing",
		"T | extend y = a[(1]":                       "] stands where ) is to close the ( before",
		`T | where x == "a`:                          `the text that " begins does not end on this line`,
		"T | where x == 'a\n| take 5":                "the text that ' begins does not end on this line",
		`T | where x == @"a\`:                        `the text that @" begins does not end on this line`,
		"T | where x == ```a":                        "the text that ``` begins is never closed",
		"T | where x > 1 |":                          "there is nothing behind the last |",
		"T | // all\n | take 5":                      "there is nothing between this | and the one before",
		"| take 5 | ":                                "there is nothing behind the last |",
		"T | where x == \"a\\\" and y":               `the text that " begins does not end on this line`,
		"T | mv-expand z = parse_json('{\"a\": 1}'}": "} stands where ) is to close the ( before",
	} {
		if f := kusto.Scan(query); f == nil || f.Message != want || f.From < 0 || f.To <= f.From || f.To > len(query) {
			t.Errorf("%q: %+v; want %q", query, f, want)
		}
	}
}

// What the service takes is not refused, whatever stands in texts and comments.
func TestScanRefusesNothingThatIsRight(t *testing.T) {
	portal, err := os.ReadFile("../../actions/hunting/testdata/portal.kql")
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{
		string(portal),
		"T | where x == \"(\" and y == ']' // (not closed\n| take 5",
		`T | where path == @"C:\" and q == @"say ""(""" and r == "a\\"`,
		"T | where x matches regex h@'a|b(\\d)' | summarize n = count() by bin(Timestamp, 1h);",
		"let f = (a: long) { a + 1 };\nlet d = datatable(a: long) [1, 2];\nd | extend b = f(a)",
		"T | extend s = ```(\n\"```, u = ~~~[~~~ | take 1\n// the end (",
		"T\n| where x in~ ('a', 'b')\n| project-away *y, ['my column']",
		"T | where url startswith 'https://x' | where '//' != \"//\"",
	} {
		if f := kusto.Scan(query); f != nil {
			t.Errorf("%q: %+v", query, f)
		}
	}
}

func FuzzScan(f *testing.F) {
	f.Add("T | where x == \"(\" // (")
	f.Add("@'")
	f.Add("```")
	f.Fuzz(func(t *testing.T, query string) {
		if x := kusto.Scan(query); x != nil && (x.From < 0 || x.From >= x.To || x.To > len(query)) {
			t.Errorf("%q: %+v", query, x)
		}
	})
}

func TestSpan(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"00:00:00": 0, "1.12:00:00": 36 * time.Hour, "-00:00:01.5": -1500 * time.Millisecond, "00:10:00.0000001": 10*time.Minute + 100, "365.00:00:00": 365 * 24 * time.Hour,
	} {
		if got, ok := kusto.Span(text); !ok || got != want {
			t.Errorf("%s: %s %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "1h", "1:00:00", "9999999.00:00:00", "00:00", "00:00:00.", "x"} {
		if got, ok := kusto.Span(text); ok {
			t.Errorf("%q is %s", text, got)
		}
	}
}
