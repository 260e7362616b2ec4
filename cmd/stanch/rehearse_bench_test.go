package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stanch/cmd/stanch/internal/config"
	"stanch/engine/rehearse"
)

// BenchmarkFiveHundredCases is what `stanch test` does for 500 cases: each a
// whole run on the practice tenant with an approval and effects. The promise is
// 3 s on two processors.
func BenchmarkFiveHundredCases(b *testing.B) {
	suites := fiveHundred(b)
	for b.Loop() {
		report, err := rehearse.Run(b.Context(), suites, rehearsalOptions(&config.Config{}, nil))
		if err != nil {
			b.Fatal(err)
		}
		if len(report.Results) != 500 || report.Failed() {
			b.Fatalf("%d cases, the first: %+v", len(report.Results), report.Results[0])
		}
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N)/500, "ms/case")
}

// fiveHundred are as many cases of an example: half of them end at the gate,
// half go on to the effects of a file with two permissions.
func fiveHundred(b *testing.B) []rehearse.Suite {
	const one = `  - name: case %d
    event: {incident: fixtures/external-share.json}
    params: {ask_above: %d}
    actions:
      files.list_permissions: {permissions: [{id: p1, scope: anonymous}, {id: p2, scope: external}]}
      files.unshare: {effects: [{target: link}, {target: grant}]}
    approvals: {gate: {outcome: %s, after: 1h}}
    expect: {status: %s}
`
	text := strings.Builder{}
	text.WriteString("playbook: contain-external-share.yaml\ncases:\n")
	for i := range 500 {
		outcome, status := "approved", "succeeded"
		if i%2 == 1 {
			outcome, status = "rejected", "rejected"
		}
		fmt.Fprintf(&text, one, i, i%2, outcome, status)
	}
	dir := b.TempDir()
	for _, name := range []string{"contain-external-share.yaml", "fixtures/external-share.json"} {
		body, err := os.ReadFile(filepath.Join("../../examples", name))
		if err == nil {
			err = os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), body, 0o600)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	file := filepath.Join(dir, "many_test.yaml")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	catalog, err := catalogOf(clients{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	found, err := loadSuites([]string{file}, world(catalog, &config.Config{}))
	if err != nil || len(found.ready) != 1 {
		b.Fatalf("%v %v", err, found.findings)
	}
	return found.ready
}
