package playbooks

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const named = `playbook: named
on: {incident: {if: params.limit > 1}}
params:
  limit: {type: integer, default: 3, description: How many.}
steps:
  - for_each: evidence.files
    as: file
    index: n
    steps:
      - id: access
        uses: files.list_permissions
        with: {file: "${{ file }}"}
      - set: {far: 'filter(steps.access.permissions, .scope == "external")'}
    collect:
      file: file
      at: n + params.limit
      far: len(vars.far)
  - id: gate
    approve:
      ask: "Größe 🙂 ${{ params.limit }} and ${{ params.limit }}?"
      targets: evidence.files
      covers: [end]
      approvers: [dlp-officers]
  - id: end
    if: steps.gate.outcome == "approved"
    for_each: evidence.files
    as: file
    steps:
      - uses: files.unshare
        with: {file: "${{ file }}", permissions: []}
  - call: other
`

// Every name of a playbook is found where it is given and wherever it is read:
// in YAML and in expressions, behind letters that take more than a byte too.
func TestNamesAreFoundEverywhere(t *testing.T) {
	w := testWorld()
	w.Calls = map[string]Source{"other": {File: "other.yaml", Text: []byte("playbook: other\nsteps:\n  - stop: x\n")}}
	for name, c := range map[string]struct {
		mark   string // what the cursor stands in
		nth    int    // which of them
		define string
		all    int // references with the definition
	}{
		"a step":           {"access", 1, "10:13-10:19", 2},
		"a step's id":      {"access", 0, "10:13-10:19", 2},
		"a covered step":   {"end", 0, "24:9-24:12", 2},
		"a var":            {"far", 2, "13:15-13:18", 2},
		"a param":          {"limit", 4, "4:3-4:8", 5},
		"a loop":           {"file }}", 0, "7:9-7:13", 3},
		"a loop elsewhere": {"file }}", 1, "27:9-27:13", 2},
		"an index":         {"n + ", 0, "8:12-8:13", 2},
		"a playbook":       {"other", 0, "1:1-1:1", 1},
	} {
		t.Run(name, func(t *testing.T) {
			a := Analyse("named.yaml", []byte(named), w)
			at := positionOf(t, named, c.mark, c.nth)
			place, ok := a.Definition(at)
			if got := shown(place.Range); !ok || got != c.define {
				t.Errorf("defined at %s, want %s", got, c.define)
			}
			if got := a.References(at, true); len(got) != c.all {
				t.Errorf("%d places, want %d: %v", len(got), c.all, got)
			}
			if c.mark == "other" && place.File != "other.yaml" {
				t.Errorf("in %s", place.File)
			}
		})
	}
}

// positionOf answers where a part of a text stands for the nth time.
func positionOf(t *testing.T, text, part string, nth int) Position {
	t.Helper()
	at := -1
	for range nth + 1 {
		i := strings.Index(text[at+1:], part)
		if i < 0 {
			t.Fatalf("%q is not there %d times", part, nth+1)
		}
		at += 1 + i
	}
	line := strings.Count(text[:at], "\n") + 1
	return Position{line, len([]rune(text[strings.LastIndexByte(text[:at], '\n')+1:at])) + 2}
}

func shown(r Range) string {
	return fmt.Sprintf("%d:%d-%d:%d", r.Start.Line, r.Start.Column, r.End.Line, r.End.Column)
}

// A renamed playbook has the same findings, and the old name is gone from it.
func TestRenameChangesEveryPlaceAndNothingElse(t *testing.T) {
	w := testWorld()
	_, before := LoadAndCheck("named.yaml", []byte(named), w)
	for _, c := range []struct {
		mark string
		nth  int
		name string
	}{
		{"access", 0, "found"},
		{"access", 1, "found"},
		{"far", 2, "wide"},
		{"limit", 2, "most"},
		{"file }}", 0, "document"},
		{"n + ", 0, "position"},
		{"end", 0, "finish"},
	} {
		t.Run(c.mark, func(t *testing.T) {
			a := Analyse("named.yaml", []byte(named), w)
			edits, err := a.Rename(positionOf(t, named, c.mark, c.nth), c.name)
			if err != nil || len(edits) < 2 {
				t.Fatal(edits, err)
			}
			after := edited(named, edits)
			_, findings := LoadAndCheck("named.yaml", []byte(after), w)
			if got, want := withoutPlaces(findings), withoutPlaces(before); !slices.Equal(got, want) {
				t.Errorf("findings %v, want %v, of\n%s", got, want, after)
			}
			again := Analyse("named.yaml", []byte(after), w)
			for _, e := range edits {
				if o, ok := again.symbolAt(e.Range.Start); ok && o.name != c.name && e == edits[0] {
					t.Errorf("%s is still called %s", c.name, o.name)
				}
			}
		})
	}
}

// edited applies edits, the last first.
func edited(text string, edits []Edit) string {
	src := newFileText("", []byte(text))
	for _, e := range slices.Backward(edits) {
		from := src.offset(e.Range.Start.Line, e.Range.Start.Column)
		to := src.offset(e.Range.End.Line, e.Range.End.Column)
		text = text[:from] + e.Text + text[to:]
	}
	return text
}

func TestRenameRefusesWhatItWouldBreak(t *testing.T) {
	for _, c := range []struct{ text, name, want string }{
		{strings.Replace(named, "id: access", "id: "+cursor+"access", 1), "Access", "is no name"},
		{strings.Replace(named, "id: access", "id: "+cursor+"access", 1), "gate", "is there already, on line 18"},
		{strings.Replace(named, "as: file", "as: "+cursor+"file", 1), "count", "word of the language"},
		{strings.Replace(named, "playbook: named", "playbook: "+cursor+"named", 1), "other", "no name of a step"},
		{strings.Replace(named, "call: other", "call: "+cursor+"other", 1), "another", "in its own file"},
		{strings.Replace(named, "id: access", "id: "+cursor+"access", 1) + "  - {\n", "other", "cannot be read as YAML yet"},
	} {
		text, at := atCursor(t, c.text)
		edits, err := Analyse("named.yaml", []byte(text), testWorld()).Rename(at, c.name)
		if err == nil || !strings.Contains(err.Error(), c.want) || edits != nil {
			t.Errorf("%s: %v %v, want %q", c.name, edits, err, c.want)
		}
	}
}

func TestHoverTellsTypeAndMeaning(t *testing.T) {
	for name, c := range map[string]struct {
		mark string
		nth  int
		want []string
	}{
		"a key":              {"covers", 0, []string{"**covers**", "list of step ids"}},
		"a key of a trigger": {"if: params", 0, []string{"**if**", "expression"}},
		"an action":          {"files.list_permissions", 0, []string{"reads", "`file`", "`permissions`"}},
		"a param of it":      {"permissions: []", 0, []string{"**permissions**", "[string]"}},
		"a field":            {"outcome", 0, []string{"steps.gate.outcome", "approved"}},
		"a step":             {"access.perm", 0, []string{"line 10", "files.list_permissions", "permissions"}},
		"a step's id":        {"gate", 0, []string{"line 18", "outcome"}},
		"a function":         {"filter", 0, []string{"**filter**"}},
		"a name":             {"evidence.files", 0, []string{"**evidence**"}},
		"an item's field":    {"scope ==", 0, []string{"anonymous"}},
		"a param":            {"limit }} and", 0, []string{"params.limit", "integer", "How many."}},
	} {
		t.Run(name, func(t *testing.T) {
			h, ok := Analyse("named.yaml", []byte(named), testWorld()).Hover(positionOf(t, named, c.mark, c.nth))
			for _, want := range c.want {
				if !ok || !strings.Contains(h.Markdown, want) {
					t.Errorf("%q is not in %q", want, h.Markdown)
				}
			}
		})
	}
}

// While a line is being typed and nothing can be read as YAML, the rest is
// known.
func TestWhatIsBrokenHidesNoMoreThanItself(t *testing.T) {
	text := strings.Replace(named, "  - id: gate\n", "  - {oops: [\n  - id: gate\n", 1)
	a := Analyse("named.yaml", []byte(text), testWorld())
	if !HasErrors(a.Findings()) {
		t.Error("no finding")
	}
	place, ok := a.Definition(positionOf(t, text, "access.perm", 0))
	if !ok || shown(place.Range) != "10:13-10:19" {
		t.Errorf("%v %v", place, ok)
	}
	if h, ok := a.Hover(positionOf(t, text, "outcome", 0)); !ok || !strings.Contains(h.Markdown, "approved") {
		t.Errorf("%v %v", h, ok)
	}
}

// FuzzAnalyse asks everything at every position of any text: nothing panics,
// and what is answered lies in the text.
func FuzzAnalyse(f *testing.F) {
	for _, text := range everyPlaybook(f) {
		f.Add(text, 100)
	}
	f.Add([]byte(named), 300)
	w := testWorld()
	f.Fuzz(func(t *testing.T, text []byte, at int) {
		if len(text) > 4000 {
			return
		}
		a := Analyse("f.yaml", text, w)
		lines := strings.Split(strings.TrimPrefix(string(text), "\ufeff"), "\n")
		inside := func(r Range) {
			if r.Start.Line < 1 || r.End.Line > len(lines) || r.End.Line < r.Start.Line || r.Start.Column < 1 {
				t.Errorf("%s is outside of %d lines", shown(r), len(lines))
			}
		}
		line := 1
		if at > 0 {
			line = 1 + at%len(lines)
		}
		for column := 1; column <= min(len(lines[line-1])+1, 80); column += 3 {
			p := Position{line, column}
			if h, ok := a.Hover(p); ok {
				inside(h.Range)
			}
			if d, ok := a.Definition(p); ok {
				inside(d.Range)
			}
			for _, r := range a.References(p, true) {
				inside(r)
			}
			_, _ = a.Rename(p, "other_name")
			for _, c := range Complete("f.yaml", text, p, w) {
				inside(c.Range)
			}
		}
	})
}

// BenchmarkAnalyse is what an editor waits for after a key: the findings of a
// file of 500 lines. The budget is 50 ms.
func BenchmarkAnalyse(b *testing.B) {
	text, w := []byte(longPlaybook(500)), testWorld()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if a := Analyse("long.yaml", text, w); HasErrors(a.Findings()) {
			b.Fatal(allText(a.Findings()))
		}
	}
}

// longPlaybook is a playbook of about so many lines.
func longPlaybook(lines int) string {
	var b strings.Builder
	b.WriteString("playbook: long\ntitle: Long\nstatus: stable\nowner: a@contoso.example\non: {incident: {}}\nguardrails: {max_targets: {files: 50}}\nsteps:\n")
	for i := 0; i*10 < lines-7; i++ {
		fmt.Fprintf(&b, `  - id: each%[1]d
    if: len(evidence.files) > %[1]d and incident.severity in ["high", "medium"]
    for_each: filter(evidence.files, len(.alerts) > 0)
    as: file
    steps:
      - id: access%[1]d
        uses: files.list_permissions
        with: {file: "${{ file }}"}
    collect:
      far: filter(steps.access%[1]d.permissions, .scope in ["anonymous", "external"])
`, i)
	}
	return b.String()
}

// What a hint says is meant can be done, and then the finding is gone.
func TestFixesDoWhatHintsSay(t *testing.T) {
	for _, text := range []string{
		strings.Replace(named, "as: file\n    index", "az: file\n    index", 1),
		strings.Replace(named, "files.unshare", "'files.unshar'", 1),
		strings.Replace(named, ".scope ==", ".scop ==", 1),
		strings.Replace(named, "steps.gate", "steps.gatee", 1),
		strings.Replace(named, "len(vars.far)", "lenn(vars.far)", 1),
	} {
		a := Analyse("named.yaml", []byte(text), testWorld())
		fixed := 0
		for _, f := range a.Findings() {
			for _, fix := range a.Fixes(f) {
				fixed++
				after := edited(text, []Edit{fix.Edit})
				for _, g := range Analyse("named.yaml", []byte(after), testWorld()).Findings() {
					if g.Code == f.Code && g.Line == f.Line && g.Column == f.Column {
						t.Errorf("%s leaves\n%s", fix.Title, g.Text())
					}
				}
			}
		}
		if fixed == 0 {
			t.Errorf("no fix for\n%s", allText(a.Findings()))
		}
	}
}
