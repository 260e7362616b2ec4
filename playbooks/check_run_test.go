package playbooks

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stanch/connectors/incident"
)

// What a checked playbook evaluates is what its actions take: the example is
// followed by hand from the event to the params of its effects.
func TestTheExampleEvaluates(t *testing.T) {
	p := exampleBook(t, "testdata/good/contain-external-share.yaml")
	steps := map[string]*Step{}
	Walk(p.Steps, func(path string, s *Step) { steps[path] = s })
	names, err := p.EventNames(exampleEvent(t))
	if err != nil {
		t.Fatal(err)
	}
	if names["params"], err = p.BindParams(nil); err != nil {
		t.Fatal(err)
	}
	env := Env{Names: names, Now: time.Unix(0, 0)}
	eval := func(e *Expression) any {
		t.Helper()
		v, err := e.Eval(env)
		if err != nil {
			t.Fatalf("%s: %v", e.Source(), err)
		}
		return v
	}

	files := eval(steps["exposed"].Each.List).([]any)
	if len(files) != 1 {
		t.Fatalf("files %v", files)
	}
	names["file"] = files[0]
	access, err := steps["exposed/access"].OutputType().Decode([]byte(
		`{"permissions": [{"id": "p1", "scope": "anonymous", "inherited": false}, {"id": "p2", "scope": "internal", "inherited": false}, {"id": "p3", "scope": "external", "inherited": false}]}`))
	if err != nil {
		t.Fatal(err)
	}
	names["steps"] = map[string]any{"access": access}
	item := map[string]any{}
	for _, b := range steps["exposed"].Each.Collect {
		item[b.Name] = eval(b.Expr)
	}
	raw, err := Encode(map[string]any{"total": 1, "succeeded": 1, "failed": 0, "skipped": 0, "rejected": 0, "items": []any{item}})
	if err != nil {
		t.Fatal(err)
	}
	exposed, err := steps["exposed"].OutputType().Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	names["steps"], names["vars"] = map[string]any{"exposed": exposed}, map[string]any{}
	names["vars"] = map[string]any{"files": eval(steps["targets"].Set[0].Expr)}
	if eval(steps["2"].If) != false || eval(steps["gate"].If) != false {
		t.Error("one file with two outside permissions stops the run, or asks")
	}

	names["item"] = eval(steps["contain"].Each.List).([]any)[0]
	v, err := steps["contain/0"].With.Eval(env)
	if err != nil {
		t.Fatal(err)
	}
	if raw, err = Encode(v); err != nil {
		t.Fatal(err)
	}
	var params unshare
	if err := json.Unmarshal(raw, &params); err != nil {
		t.Fatal(err)
	}
	file := incident.File{}
	if params.File.Value != nil {
		file = *params.File.Value
	}
	if diff := cmp.Diff([]string{"p1", "p3"}, params.Permissions); diff != "" || file.ID != "https://contoso.example/pay.xlsx" ||
		file.Name == nil || *file.Name != "pay ${{ run.id }}.xlsx" {
		t.Errorf("params %s\n%s", raw, diff)
	}
}
