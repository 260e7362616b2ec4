package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"stanch/actions"
	"stanch/cmd/stanch/internal/config"
	"stanch/connectors/incident"
	"stanch/playbooks"
)

// lintedTexts lints playbooks by name, as the command does.
func lintedTexts(t *testing.T, texts map[string]string) []linted {
	t.Helper()
	catalog, err := catalogOf(clients{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var s shelf
	for name, text := range texts {
		set := []playbooks.Source{{File: name, Text: []byte(text)}}
		if e, ok := playbooks.Explain(filepath.Base(name)[:min(4, len(filepath.Base(name)))]); ok && e.With != "" {
			set = append(set, playbooks.Source{File: "beside.yaml", Text: []byte(e.With)})
		}
		s.check(set, world(catalog, &config.Config{}))
	}
	return s.linted()
}

// badTexts are a playbook for each code, and one that is nasty everywhere a
// format could be broken.
func badTexts() map[string]string {
	texts := map[string]string{}
	for _, e := range playbooks.Explanations() {
		texts["pages/"+e.Code+".yaml"] = e.Bad
		texts["pages/"+e.Code+"-good.yaml"] = e.Good
	}
	texts["a b,c:d%é]]>.yaml"] = "playbook: p\non: {manual: {}}\nsteps:\n  - uses: \"a::error file=x::%0A]]><&\\\"\\n::warning::\"\n  - stop: ${{ 'é𝄞' + x }}\n"
	texts["/abs/olute.yaml"] = "playbook: p\non: {manual: {}}\nsteps:\n  # stanch:ignore W504 a <test> file, says \"Jo\"\n  - uses: files.delete\n    with: {file: x}\n"
	texts["-"] = ""
	return texts
}

func sarifValidator(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile("testdata/sarif/sarif-schema-2.1.0.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(sarifSchema, doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(sarifSchema)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func TestSARIFFollowsItsSchema(t *testing.T) {
	schema := sarifValidator(t)
	for name, files := range map[string][]linted{
		"all": lintedTexts(t, badTexts()), "nothing": nil,
		"clean": lintedTexts(t, map[string]string{"a.yaml": "playbook: p\non: {manual: {}}\nsteps:\n  - stop: Done\n"}),
	} {
		text, err := json.Marshal(asSARIF(files, thisBuild()))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(doc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The schema would say so.
	doc, _ := jsonschema.UnmarshalJSON(strings.NewReader(`{"version": "2.1.0", "runs": [{"results": []}]}`))
	if schema.Validate(doc) == nil {
		t.Error("a run without a tool is taken")
	}
}

func TestSARIFSaysWhatIsSuppressed(t *testing.T) {
	run := asSARIF(lintedTexts(t, badTexts()), thisBuild()).Runs[0]
	i := slices.IndexFunc(run.Results, func(r sarifResult) bool {
		return r.Locations[0].Physical.Artifact.URI == "file:///abs/olute.yaml"
	})
	if i < 0 {
		t.Fatal("the result is missing")
	}
	if s := run.Results[i].Suppressions; len(s) != 1 || s[0].Kind != "inSource" || s[0].Justification != `a <test> file, says "Jo"` {
		t.Errorf("suppressions %v", s)
	}
	for _, r := range run.Results {
		rule := run.Tool.Driver.Rules[r.RuleIndex]
		if rule.ID != r.RuleID || rule.Help.Text == "" || rule.Help.Markdown == "" || rule.Default.Level != r.Level {
			t.Errorf("%s: rule %v", r.RuleID, rule)
		}
	}
}

// A finding is the same one when lines above it come, and when it moves within
// its line; two alike are two.
func TestFingerprintsStay(t *testing.T) {
	prints := func(text string) []string {
		var all []string
		for _, r := range asSARIF(lintedTexts(t, map[string]string{"a.yaml": text}), thisBuild()).Runs[0].Results {
			all = append(all, r.Fingerprints["stanchFinding/v1"])
		}
		return all
	}
	before := prints("playbook: p\non: {manual: {}}\nsteps:\n  - stop: ${{ x }}\n  - stop: ${{ x }}\n")
	after := prints("playbook: p\non: {manual: {}}\nsteps:\n\n  # a note\n  - steps:\n    - stop: ${{ x }}\n    - stop: ${{ x }}\n")
	slices.Sort(before)
	slices.Sort(after)
	if len(before) != 3 || !slices.Equal(before, after) || before[0] == before[1] {
		t.Errorf("before %v\nafter  %v", before, after)
	}
}

// Nothing of a playbook can end a workflow command or begin another.
func TestWorkflowCommandsHold(t *testing.T) {
	for _, f := range lintedTexts(t, badTexts()) {
		for _, x := range f.findings {
			line := asWorkflowCommand(x)
			if strings.ContainsAny(line, "\r\n") {
				t.Errorf("more than one line: %q", line)
			}
			head, _, ok := strings.Cut(strings.TrimPrefix(line, "::"), "::")
			if !ok || !strings.HasPrefix(line, "::error file=") && !strings.HasPrefix(line, "::warning file=") {
				t.Fatalf("no command: %q", line)
			}
			properties := strings.Split(head, ",")
			for _, p := range properties {
				if !strings.Contains(p, "=") {
					t.Errorf("a property is cut: %q", line)
				}
			}
		}
	}
	got := asWorkflowCommand(playbooks.Finding{File: "a,b:c.yaml", Line: 4, Column: 5, EndLine: 4, EndColumn: 9, Code: "E304", Severity: "error", Message: "50% of\nit", Hint: "no"})
	want := "::error file=a%2Cb%3Ac.yaml,line=4,endLine=4,col=5,endColumn=8,title=E304 Unknown field::50%25 of%0Ait%0Ahint: no"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestJUnitCounts(t *testing.T) {
	files := lintedTexts(t, badTexts())
	errors, warnings, suppressed := 0, 0, 0
	for _, f := range files {
		suppressed += len(f.suppressed)
		for _, x := range f.findings {
			if x.Severity == playbooks.SeverityError {
				errors++
			} else {
				warnings++
			}
		}
	}
	for _, strict := range []bool{false, true} {
		text, err := asJUnit(files, strict)
		if err != nil {
			t.Fatal(err)
		}
		var r junitReport
		if err := xml.Unmarshal(text, &r); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		want := errors
		if strict {
			want += warnings
		}
		if r.Failures != want || r.Skipped != suppressed || r.Tests < errors+warnings+suppressed || len(r.Suites) != len(files) {
			t.Errorf("strict %v: %d failures, want %d; %d skipped, want %d; %d tests in %d suites", strict, r.Failures, want, r.Skipped, suppressed, r.Tests, len(r.Suites))
		}
	}
}

// The pages hold for the actions of this build too.
func TestPagesHoldForTheRealActions(t *testing.T) {
	for _, f := range lintedTexts(t, badTexts()) {
		code := strings.TrimSuffix(filepath.Base(f.file), ".yaml")
		if !strings.HasPrefix(f.file, "pages/") {
			continue
		}
		code, good := strings.CutSuffix(code, "-good")
		// Groups and labels are the operator's: without his file nobody knows what they
		// hold. Actions that take text of another language, and playbooks that only the
		// tests of the language know, are none of this build's; nor is what the app
		// lacks, what only the service can say, or what the operator has configured.
		page, _ := playbooks.Explain(code)
		kind := playbooks.KindOfFile([]byte(page.Bad))
		others := []playbooks.FileKind{playbooks.TestFile, playbooks.RuleFile, playbooks.ListFile}
		if slices.Contains(others, kind) || slices.Contains([]string{"E318", "E413", "E420", "E421", "E422", "E423", "E424", "E430", "E619", "W528", "W614"}, code) {
			continue
		}
		for _, x := range f.findings {
			if good || x.Code != code {
				t.Errorf("%s: %s", f.file, x.Text())
			}
		}
		if !good && len(f.findings) == 0 {
			t.Errorf("%s: no finding", f.file)
		}
	}
}

// What actions say of themselves for lint is meant: fields of the incident, and
// languages that there is an escape for.
func TestActionsDeclareWhatLintKnows(t *testing.T) {
	catalog, err := catalogOf(clients{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	fields := []string{}
	for f := range reflect.TypeFor[incident.Incident]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		fields = append(fields, name)
	}
	for a := range catalog.All() {
		for _, field := range a.Writes {
			if !slices.Contains(fields, field) {
				t.Errorf("%s writes %s, which is no field of an incident", a.Name, field)
			}
		}
		if strings.HasPrefix(a.Name, "incidents.") && a.Class != actions.Reads && len(a.Writes) == 0 {
			t.Errorf("%s does not say what it writes", a.Name)
		}
		for param, language := range a.ParamTag("lang") {
			if !slices.Contains([]string{"kql", "odata", "html", "json", "url"}, language) {
				t.Errorf("%s: %s is text of %q, which no function escapes for", a.Name, param, language)
			}
		}
	}
}
