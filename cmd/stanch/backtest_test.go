package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"stanch/actions"
	"stanch/cmd/stanch/internal/terminal"
	"stanch/engine"
	"stanch/engine/rehearse"
)

// hostile is text as an attacker would have it: markup, script, what ends a title
// or a style, what a terminal obeys and what turns text.
const hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)></title></style></details>{{.}}`${1}` javascript:alert(1) \x1b[31m\x00\r\n\u202egpj.exe\u2066"

// hostileReport has text in every place where an incident, a playbook or a file
// name can put some.
func hostileReport(text string) backtestReport {
	target := actions.Target{Kind: "file", ID: text, Name: text, Entities: []actions.Entity{{Kind: "user", ID: text, Name: text + "@"}, {Kind: "site", ID: text}}}
	effect := rehearse.Planned{Step: text, Action: text, Class: actions.Destroys, Target: target, Assumed: true}
	run := rehearse.Would{
		Because: text, Status: "failed", Reason: text, Error: &engine.Fault{Step: text, Code: text, Message: text},
		Effects:   []rehearse.Planned{effect},
		Approvals: []rehearse.Question{{Step: text, Ask: text, Approvers: []string{text}}},
		Stops:     []rehearse.Stop{{Step: text, Guardrail: rehearse.StopCap, Action: text, Target: target, Why: text}},
		Unjudged:  []rehearse.Gap{{Step: text, Why: text, Count: 1}},
	}
	at := time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)
	is := []rehearse.Tried{
		{Incident: text, Title: text, Severity: text, CreatedAt: at, Verdict: rehearse.Matched, Because: text, Runs: []rehearse.Would{run}},
		{Incident: text, Title: text, Severity: text, CreatedAt: at, Verdict: rehearse.NoAnswer, Because: text, Runs: []rehearse.Would{}},
	}
	was := slices.Clone(is)
	was[0].Verdict, was[0].Runs = rehearse.NotMatched, []rehearse.Would{}
	d := rehearse.Compare(is, was)
	return backtestReport{
		Playbook: diffSide{text, text, text}, Input: text, Reads: "recorded", As: "opened", Summary: rehearse.Sum(is), Incidents: is,
		Unread:  []notRead{{text, text}},
		Against: &againstReport{diffSide{text, text, text}, headline(d, false), rehearse.Sum(was), d},
	}
}

// What attackers write is text in the page, and nothing else: its elements and
// attributes are those of a page about harmless words, it has no script and refers
// to nothing, and no character in it hides or turns.
func TestBacktestPageIsInert(t *testing.T) {
	bad, err := pageOf(hostileReport(hostile))
	if err != nil {
		t.Fatal(err)
	}
	good, err := pageOf(hostileReport("words"))
	if err != nil {
		t.Fatal(err)
	}
	tags := regexp.MustCompile(`<[^>]*>`)
	labels := regexp.MustCompile(`aria-label="[^"]*"`)
	of := func(page []byte) []string {
		return tags.FindAllString(labels.ReplaceAllString(string(page), `aria-label=""`), -1)
	}
	if is, want := of(bad), of(good); !slices.Equal(is, want) {
		t.Errorf("%d tags, want %d", len(is), len(want))
	}
	if strings.Count(string(bad), "&lt;script&gt;") < 20 {
		t.Error("the hostile text is not shown where it was put")
	}
	for _, never := range []string{"<script", "<img", "href=", "src=\"", "url(", "\x1b", "\x00", "\u202e", "\u2066", "ZgotmplZ"} {
		if bytes.Contains(bad, []byte(never)) {
			t.Errorf("the page has %q", never)
		}
	}
	for _, needed := range []string{`<html lang="en">`, "default-src 'none'", "prefers-color-scheme: dark", `scope="col"`, "width=device-width"} {
		if !bytes.Contains(bad, []byte(needed)) {
			t.Errorf("the page lacks %q", needed)
		}
	}
}

func TestBacktestTableIsInert(t *testing.T) {
	var out bytes.Buffer
	screen := terminal.On(&out, func(string) string { return "" })
	sh := &shell{out: screen, err: screen}
	r := hostileReport(hostile)
	if err := sh.printBacktest(r); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if !strings.Contains(text, `\u001b[31m`) || !strings.Contains(text, "this edit: matches 1 more incident") {
		t.Error("the table lacks what it is about")
	}
	for _, never := range []string{"\x1b", "\x00", "\r", "\u202e", "\u2066"} {
		if strings.Contains(text, never) {
			t.Errorf("the table has %q", never)
		}
	}
	for _, format := range []string{"json", "jsonl", "yaml"} {
		out.Reset()
		sh.output = format
		if err := sh.printBacktest(r); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(out.String(), "\x1b\x00\u202e\u2066") {
			t.Errorf("%s has what a terminal obeys", format)
		}
	}
	var back backtestReport
	out.Reset()
	sh.output = "json"
	if err := sh.printBacktest(r); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || !reflect.DeepEqual(back.Incidents, r.Incidents) {
		t.Errorf("the JSON does not read back: %v", err)
	}
}

// A backtest of a store leaves every document and run in it as it was.
func TestBacktestChangesNothing(t *testing.T) {
	tr := monthOf(t, 60, 5)
	everything := func() []engine.Record {
		var all []engine.Record
		for page := (engine.Page{More: true}); page.More; {
			var err error
			if page, err = tr.desk.store.Follow(t.Context(), page.Cursor, 100); err != nil {
				t.Fatal(err)
			}
			all = append(all, page.Records...)
		}
		return all
	}
	before := everything()
	r, err := tr.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.Summary.Runs != 12 || r.fails() {
		t.Errorf("%+v", r.Summary)
	}
	if after := everything(); len(before) != 60 || !reflect.DeepEqual(before, after) {
		t.Errorf("the store had %d records and has %d", len(before), len(after))
	}
	again, err := tr.run(t.Context())
	if err != nil || !reflect.DeepEqual(again, r) {
		t.Errorf("the same store gives another report: %v", err)
	}
}

// A value of an export that is too large is named before it is all in memory, and
// those before it are taken.
func TestAnExportIsReadWithinBounds(t *testing.T) {
	file := filepath.Join(t.TempDir(), "large.json")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString(`{"id":"1"} {"id":"2"} {"id":"`)
	for part := bytes.Repeat([]byte("a"), 1<<20); err == nil && len(part) > 0; {
		if at, _ := f.Seek(0, io.SeekCurrent); at > mostValue+1<<20 {
			break
		}
		_, err = f.Write(part)
	}
	if _, also := f.WriteString(`"} {"id":"4"}`); err != nil || also != nil || f.Close() != nil {
		t.Fatal(err, also)
	}
	var seen []string
	err = eachExported(t.Context(), file, func(_ string, raw []byte) error {
		seen = append(seen, string(raw))
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "the rest, from incident 3 on, ") || !strings.Contains(err.Error(), "one value has more than 67108864 bytes") {
		t.Errorf("it says %v", err)
	}
	if want := []string{`{"id":"1"}`, `{"id":"2"}`}; !slices.Equal(seen, want) {
		t.Errorf("%d values were visited", len(seen))
	}
}

// Of what was not judged nobody says that it is the same, or how it ends.
func TestABacktestSaysWhatItCouldNotJudge(t *testing.T) {
	is := rehearse.Tried{Incident: "defender/1", Verdict: rehearse.Matched, Runs: []rehearse.Would{{Status: "succeeded", Unjudged: []rehearse.Gap{{Step: "a", Why: "no recorded answer", Count: 1}}}}}
	d := rehearse.Compare([]rehearse.Tried{is}, []rehearse.Tried{is})
	if text := headline(d, true); text != "both would have done the same, as far as could be judged" {
		t.Error(text)
	}
	if got := listed(is).Runs[0].Status; got != "judged in part" {
		t.Errorf("the page calls the run %s", got)
	}
	if d = rehearse.Compare([]rehearse.Tried{is}, []rehearse.Tried{{Incident: "defender/1", Verdict: rehearse.NotMatched}}); d.Changed[0].Status[0] != "judged in part" {
		t.Errorf("the difference calls the run %s", d.Changed[0].Status[0])
	}
}
