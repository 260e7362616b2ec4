package playbooks

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// traced is a trace as lines: value, text.
func traced(p Part, depth int) string {
	var b strings.Builder
	shown := fmt.Sprint(p.Value)
	switch {
	case p.Outcome != PartValue:
		shown = strings.TrimSuffix(string(p.Outcome)+": "+p.Message, ": ")
	case p.Value == nil:
		shown = "absent"
	case len(shown) > 30:
		shown = "…"
	}
	fmt.Fprintf(&b, "%s%s = %s\n", strings.Repeat("  ", depth), p.Text, shown)
	for _, part := range p.Parts {
		b.WriteString(traced(part, depth+1))
	}
	if p.Items != nil {
		fmt.Fprintf(&b, "%sasked %d of %d: %d yes, %d no\n", strings.Repeat("  ", depth+1), p.Items.Asked, p.Items.Total, p.Items.True, p.Items.False)
		for _, item := range p.Items.Some {
			fmt.Fprintf(&b, "%s#%d\n", strings.Repeat("  ", depth+1), item.Index)
			b.WriteString(traced(item.Part, depth+2))
		}
	}
	return b.String()
}

func TestATraceTellsEachPart(t *testing.T) {
	for src, want := range map[string]string{
		`"dlp" in incident.tags and incident.severity == "low" and len(evidence.files) > 0`: `
"dlp" in incident.tags and incident.severity == "low" and len(evidence.files) > 0 = false
  "dlp" in incident.tags = true
    incident.tags = [dlp pci]
  incident.severity == "low" = false
    incident.severity = high
  len(evidence.files) > 0 = not looked at
    len(evidence.files) = not looked at
      evidence.files = not looked at
`,
		`any(evidence.files, .label == "Secret")`: `
any(evidence.files, .label == "Secret") = true
  evidence.files = …
  asked 1 of 2: 1 yes, 0 no
  #0
    .label == "Secret" = true
      .label = Secret
`,
		`owner?.upn ?? "none"`: `
owner?.upn ?? "none" = none
  owner?.upn = absent
`,
		`find(evidence.files, .name == "a.txt")?.label`: `
find(evidence.files, .name == "a.txt")?.label = absent
  find(evidence.files, .name == "a.txt") = …
    evidence.files = …
    asked 2 of 2: 1 yes, 1 no
    #0
      .name == "a.txt" = false
        .name = payroll.xlsx
    #1
      .name == "a.txt" = true
        .name = a.txt
`,
		`len(incident.tags) > 5 ? 1 % params.ask_above : 2`: `
len(incident.tags) > 5 ? 1 % params.ask_above : 2 = 2
  len(incident.tags) > 5 = false
    len(incident.tags) = 2
      incident.tags = [dlp pci]
  1 % params.ask_above = not looked at
    params.ask_above = not looked at
`,
		`map([1, 2, 0], 6 % #)`: `
map([1, 2, 0], 6 % #) = failed
  asked 3 of 3: 0 yes, 0 no
  #0
    6 % # = 0
      # = 1
  #1
    6 % # = 0
      # = 2
  #2
    6 % # = failed: division by zero
      # = 0
`,
	} {
		e := mustCompile(t, src)
		trace, _ := e.Trace(incidentEnv())
		if got := traced(trace.Root, 0); got != want[1:] {
			t.Errorf("%s\n--- got\n%s--- want%s", src, got, want)
		}
	}
}

func TestATraceOfManyItemsIsShort(t *testing.T) {
	e := mustCompile(t, `count(1..1000, # % 2 == 0 and any(1..20, # == 19))`)
	trace, err := e.Trace(incidentEnv())
	if err != nil || trace.Value != 500 {
		t.Fatal(trace.Value, err)
	}
	items := trace.Root.Items
	if items.Total != 1000 || items.Asked != 1000 || items.True != 500 || items.False != 500 {
		t.Errorf("%+v", items)
	}
	if len(items.Some) != 2*keptItems {
		t.Errorf("%d items are kept, want %d", len(items.Some), 2*keptItems)
	}
}

// A trace answers what Eval answers, error or not, and what its parts tell is
// consistent: the parts of `and` give its value.
func TestATraceAnswersAsEvalDoes(t *testing.T) {
	scope := incidentScope()
	told := 0
	rapid.Check(t, func(t *rapid.T) {
		c := rapidChooser{t}
		src := (&speaker{chooser: c}).say(pick(c, "bool", "bool", "int", "strings", "files", "any"), 0)
		e, problems := Compile(src, scope, Type{})
		for _, p := range problems {
			if p.IsError() {
				return
			}
		}
		env := randomEnv(c, scope)
		want, wantErr := e.Eval(env)
		watched := &Expression{source: e.source, typ: e.typ, root: e.root, names: e.names, admit: e.admit}
		r := newRecorder(e.read)
		if err := watched.assemble(e.read, r.watch); err != nil {
			t.Fatalf("%s: %v", src, err)
		}
		got, gotErr := watched.Eval(env)
		if !sameAnswer(got, gotErr, want, wantErr) {
			t.Fatalf("%s: traced %v, %v; evaluated %v, %v", src, got, gotErr, want, wantErr)
		}
		trace, err := e.Trace(env)
		if !sameAnswer(trace.Value, err, want, wantErr) {
			t.Fatalf("%s: Trace %v, %v; Eval %v, %v", src, trace.Value, err, want, wantErr)
		}
		if err := consistent(trace.Root); err != nil {
			t.Fatalf("%s: %v\n%s", src, err, traced(trace.Root, 0))
		}
		if (trace.Root.Outcome == PartFailed) != (err != nil) {
			t.Fatalf("%s: %s, but %v", src, trace.Root.Outcome, err)
		}
		told++
	})
	t.Logf("%d traces", told)
}

func sameAnswer(a any, aErr error, b any, bErr error) bool {
	x, failedA := errors.AsType[*EvalError](aErr)
	y, failedB := errors.AsType[*EvalError](bErr)
	if failedA || failedB {
		return failedA && failedB && x.Message == y.Message
	}
	return reflect.DeepEqual(a, b)
}

// consistent looks that the parts explain the whole.
func consistent(p Part) error {
	if p.Outcome == PartValue {
		for _, part := range p.Parts {
			if part.Outcome == PartFailed {
				return fmt.Errorf("%s has a value, but %s failed", p.Text, part.Text)
			}
		}
	}
	if p.Op == "and" && p.Outcome == PartValue {
		for i, part := range p.Parts[:max(len(p.Parts)-1, 0)] {
			next := p.Parts[i+1].Outcome
			if part.Outcome == PartValue && part.Value == true && next != PartValue || part.Value == false && next == PartValue {
				return fmt.Errorf("%s: part %d is %v, the next %s", p.Text, i, part.Value, next)
			}
		}
	}
	if p.Items != nil {
		if p.Items.Asked > p.Items.Total {
			return fmt.Errorf("%s: %d of %d items", p.Text, p.Items.Asked, p.Items.Total)
		}
		for _, item := range p.Items.Some {
			if err := consistent(item.Part); err != nil {
				return err
			}
		}
	}
	for _, part := range p.Parts {
		if err := consistent(part); err != nil {
			return err
		}
	}
	return nil
}

func BenchmarkTrace(b *testing.B) {
	e := mustCompile(b, `any(1..1000, # == 999)`)
	for b.Loop() {
		_, _ = e.Trace(incidentEnv())
	}
}
