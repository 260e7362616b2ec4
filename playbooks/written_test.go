package playbooks

import (
	"testing"

	"pgregory.net/rapid"
)

func TestOneMeaningHasOneCanonicalForm(t *testing.T) {
	for _, same := range [][]string{
		{`incident.severity in ["high"] and len(evidence.files)>1`, `(incident.severity in ['high']) && /* why */ len( evidence.files ) > 1`},
		{`not (incident.severity == "low")`, `!(incident.severity == 'low')`},
		{`evidence.files | any(.label == nil)`, `any(evidence.files, .label == nil)`},
		{`1 + 2 * 3`, `1 + (2 * 3)`},
	} {
		a, b := mustCompile(t, same[0]), mustCompile(t, same[1])
		if a.Canonical() != b.Canonical() {
			t.Errorf("%s\n%s", a.Canonical(), b.Canonical())
		}
	}
	for _, other := range [][]string{
		{`unique_by(evidence.files, .id)`, `groupBy(evidence.files, .id)`},
		{`(1 + 2) * 3`, `1 + 2 * 3`},
		{`incident.severity == "low"`, `incident.severity == "Low"`},
	} {
		a, _ := Compile(other[0], incidentScope(), Type{})
		b, _ := Compile(other[1], incidentScope(), Type{})
		if a.Canonical() == b.Canonical() {
			t.Errorf("%s and %s are both %s", other[0], other[1], a.Canonical())
		}
	}
}

// The canonical form is an expression with the same answer, and its own
// canonical form.
func TestTheCanonicalFormMeansTheSame(t *testing.T) {
	scope := incidentScope()
	rapid.Check(t, func(t *rapid.T) {
		c := rapidChooser{t}
		src := (&speaker{chooser: c}).say(pick(c, "bool", "int", "strings", "files"), 0)
		e, problems := Compile(src, scope, Type{})
		for _, p := range problems {
			if p.IsError() {
				return
			}
		}
		again, problems := Compile(e.Canonical(), scope, Type{})
		for _, p := range problems {
			if p.IsError() {
				t.Fatalf("%s\n%s\n%s", src, e.Canonical(), p.Message)
			}
		}
		if again.Canonical() != e.Canonical() {
			t.Fatalf("%s\n%s", e.Canonical(), again.Canonical())
		}
		env := randomEnv(c, scope)
		want, wantErr := e.Eval(env)
		got, gotErr := again.Eval(env)
		if !sameAnswer(got, gotErr, want, wantErr) {
			t.Fatalf("%s\n%s: %v %v; %v %v", src, e.Canonical(), got, gotErr, want, wantErr)
		}
	})
}
