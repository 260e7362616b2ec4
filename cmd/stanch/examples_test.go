package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"testing"

	"stanch/cmd/stanch/internal/terminal"
	"stanch/playbooks"
)

// typed runs a command as it is typed, in this process, and answers what it
// prints.
func typed(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errors bytes.Buffer
	env := func(string) string { return "" }
	sh := &shell{in: &bytes.Buffer{}, out: terminal.On(&out, env), err: terminal.On(&errors, env)}
	code = sh.run(t.Context(), args)
	return code, out.String(), errors.String()
}

const examplesFolder = "../../examples"

func exampleConfig() string { return "--config=" + filepath.Join(examplesFolder, "practice.yaml") }

// Whoever reads the examples to learn the language reads nothing that lint would
// tell them to change.
func TestTheExamplesAreWithoutFindings(t *testing.T) {
	for _, args := range [][]string{{"lint", examplesFolder, exampleConfig()}, {"fmt", "--check", examplesFolder}} {
		if code, stdout, stderr := typed(t, args...); code != 0 || stdout != "" {
			t.Errorf("stanch %v: exit %d\n%s%s", args, code, stdout, stderr)
		}
	}
}

// Every step and branch of the examples is tried, and a change that lets one act
// on more, or takes a guard away, is noticed by its tests.
func TestTheExamplesAreTestedWhole(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := typed(t, "test", examplesFolder, exampleConfig(), "--min-coverage=100", "--mutate", "--output=json")
	if code != 0 {
		t.Errorf("exit %d: %s", code, stderr)
	}
	var got testOutcome
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	for _, c := range got.Cases {
		if c.Status != "passed" {
			t.Errorf("%s:%d: %s: %s", c.File, c.Line, c.Name, c.Message)
		}
	}
	if got.Mutation == nil || got.Mutation.Tried < 300 {
		t.Fatalf("too little was changed: %+v", got.Mutation)
	}
	for _, s := range got.Mutation.Survivors {
		if s.Class == playbooks.MutantWidens || s.Class == playbooks.MutantGuard {
			t.Errorf("%s:%d:%d: no test notices: %s", s.File, s.Line, s.Column, s.Change)
		}
	}
	tested := map[string]bool{}
	for _, p := range got.Coverage.Playbooks {
		tested[p.File] = true
		if p.Percent.Steps < 100 || p.Percent.Branches < 100 {
			t.Errorf("%s: %v%% of steps, %v%% of branches", p.File, p.Percent.Steps, p.Percent.Branches)
		}
	}
	for _, file := range exampleBooks(t) {
		if !tested[file] {
			t.Errorf("%s has no tests", file)
		}
	}
}

// leastResponses is how many responses of other systems stand among the
// examples.
const leastResponses = 10

// Public responses of other systems are there, each started by what it watches.
func TestTheResponsesOfOthersAreThere(t *testing.T) {
	catalog, err := catalogOf(clients{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := loadBooks([]string{filepath.Join(examplesFolder, "responses")}, playbooks.World{Catalog: catalog})
	if err != nil {
		t.Fatal(err)
	}
	started := 0
	for _, b := range s.books {
		if b.playbook == nil {
			t.Fatalf("%s: %v", b.file, b.findings)
		}
		if !b.playbook.OnlyCalled() {
			started++
		}
	}
	if started < leastResponses {
		t.Errorf("%d responses, want at least %d", started, leastResponses)
	}
}

func exampleBooks(t *testing.T) []string {
	t.Helper()
	files, err := playbookFiles(examplesFolder)
	if err != nil {
		t.Fatal(err)
	}
	var books []string
	for _, file := range files {
		text, err := readFile(file, maxPlaybook)
		if err != nil {
			t.Fatal(err)
		}
		if playbooks.KindOfFile(text) == playbooks.PlaybookFile {
			books = append(books, file)
		}
	}
	return books
}
