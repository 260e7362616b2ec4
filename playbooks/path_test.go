package playbooks

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWalkVisitsInTheOrderOfTheFile(t *testing.T) {
	p, _ := Load("p.yaml", []byte(`playbook: p
on: {manual: {}}
steps:
  - if: "true"
    steps:
      - stop: a
    else:
      - stop: b
      - id: named
        for_each: evidence.files
        steps:
          - stop: c
  - id: gate
    parallel:
      - stop: d
      - id: left
        steps:
          - stop: e
`))
	var got []string
	Walk(p.Steps, func(path string, s *Step) { got = append(got, path+" "+string(s.Kind)) })
	want := []string{
		"0 block", "0/0 stop", "0/else/0 stop", "0/else/named for_each", "0/else/named/0 stop",
		"gate parallel", "gate/0 stop", "gate/left block", "gate/left/0 stop",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What the engine relies on is filled in, and only that it may rely on.
func TestCheckResolvesTheExample(t *testing.T) {
	p := exampleBook(t, "testdata/good/contain-external-share.yaml")
	steps := map[string]*Step{}
	Walk(p.Steps, func(path string, s *Step) { steps[path] = s })
	gate := steps["gate"].Approve
	if gate.Entity != "file" || gate.Field != "file" || gate.Quorum != 2 || gate.OnTimeout != "reject" {
		t.Errorf("approval %+v", gate)
	}
	want := []*Step{steps["contain/0"], steps["contain/1"]}
	if len(gate.Covers) != 2 || gate.Covers[0] != want[0] || gate.Covers[1] != want[1] {
		t.Errorf("covers %v", gate.Covers)
	}
	for path, c := range map[string]struct{ typ string }{
		"exposed":        {"{total: integer, succeeded: integer, failed: integer, skipped: integer, rejected: integer, items: [{file: file, external: [permission]}]}"},
		"exposed/access": {"permissions"},
		"gate":           {`{outcome: "approved" | "rejected" | "timed_out"}`},
		"targets":        {""},
	} {
		if got := steps[path].OutputType().String(); got != c.typ {
			t.Errorf("steps.%s is %s, want %s", path, got, c.typ)
		}
	}
	if got := steps["targets"].Set[0].Expr.Type().String(); got != "[{file: file, external: [permission]}]" {
		t.Errorf("vars.files is %s", got)
	}
	if r := steps["contain/0"].Retry; r == nil || r.Attempts != 6 || r.Cap.String() != "5m0s" || r.Jitter != "full" {
		t.Errorf("retry %+v", r)
	}
	if p.Digest == "" || p.ID != "contain-external-share" || len(p.Outputs) != 1 || len(p.OnFailure) != 1 {
		t.Errorf("playbook %+v", p)
	}
}
