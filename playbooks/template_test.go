package playbooks

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
)

func TestSplitTemplate(t *testing.T) {
	for _, c := range []struct {
		text string
		want string // pieces, expressions in <>
		err  error
	}{
		{"plain", "plain", nil},
		{"${{ a }}", "< a >", nil},
		{"x ${{a}} y ${{b}}", "x <a> y <b>", nil},
		{"${{a}}\n", "<a>\n", nil},
		{"$${{ a }}", "${{ a }}", nil},
		{"$$${{ a }}", "$${{ a }}", nil},
		{"${{ {a: {b: 1}} }}", "< {a: {b: 1}} >", nil},
		{"${{ {a: {b: 1}}}}", "< {a: {b: 1}}>", nil},
		{"${{ '}}' }}", "< '}}' >", nil},
		{`${{ "\"}}" }}`, `< "\"}}" >`, nil},
		{"${{ `}}` }}", "< `}}` >", nil},
		{"${{ a /* }} */ }}", "< a /* }} */ >", nil},
		{"${{ a // }}\n }}", "< a // }}\n >", nil},
		{"it's ${{ a }} o'clock", "it's < a > o'clock", nil},
		{"${{ len(a }}", "< len(a >", nil},
		{"${{ map(xs, {{n: .a}}) }}", "< map(xs, {{n: .a}}) >", nil},
		{"${{ a }", "< a }>", errUnclosed},
		{"${{", "<>", errUnclosed},
		{"${{ 'a }}", "< 'a }}>", errUnclosed},
		{"a }} b", "a }} b", nil},
		{"", "", nil},
	} {
		pieces, err := splitTemplate(c.text)
		var got strings.Builder
		runes := []rune(c.text)
		for _, p := range pieces {
			if !p.isExpr {
				got.WriteString(p.text)
				continue
			}
			got.WriteString("<" + p.text + ">")
			if string(runes[p.from:p.to]) != p.text {
				t.Errorf("%q: runes %d to %d are not %q", c.text, p.from, p.to, p.text)
			}
		}
		if got.String() != c.want || !errors.Is(err, c.err) {
			t.Errorf("%q gives %q, %v; want %q, %v", c.text, got.String(), err, c.want, c.err)
		}
	}
}

// templateOf compiles a YAML value over a small world.
func templateOf(t *testing.T, text string, want Type) *Template {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	c := &linter{report: &report{src: newFileText("f", []byte(text))}, p: &Playbook{}, used: map[string]bool{}}
	scope := NewScope(map[string]Type{
		"s": StringType(), "n": IntegerType(), "f": NumberType(), "b": BooleanType(), "at": TimeType(),
		"d": DurationType(), "o": OptionalOf(StringType()), "xs": ListOf(StringType()), "any": AnyType(),
	})
	tpl := c.data(doc.Content[0], scope, want, "value")
	if len(c.findings) > 0 {
		t.Fatalf("findings:\n%s", allText(c.findings))
	}
	return tpl
}

func testEnv() Env {
	return Env{Now: time.Unix(0, 0), Names: map[string]any{
		"s": "te${{ n }}xt", "n": 5, "f": 2.5, "b": true, "at": time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC),
		"d": 90 * time.Minute, "o": nil, "xs": []any{"a", "b"}, "any": map[string]any{"a": 1},
	}}
}

func TestTemplatesKeepTypesAndPrintText(t *testing.T) {
	for _, c := range []struct {
		text string
		want any
	}{
		{"${{ n }}", 5},
		{"\"${{ xs }}\"", []any{"a", "b"}},
		{"n is ${{ n }}", "n is 5"},
		{"${{ f }}/${{ b }}/${{ at }}/${{ d }}", "2.5/true/2026-03-02T09:00:00Z/1h30m"},
		{"|\n  ${{ n }}\n", "5\n"},
		{"${{ s }}!", "te${{ n }}xt!"}, // what data holds is never a template
		{"$${{ n }} is ${{ n }}", "${{ n }} is 5"},
		{"[a, \"${{ n }}\", {b: \"${{ s }}\"}]", []any{"a", 5, map[string]any{"b": "te${{ n }}xt"}}},
		{"{a: 1, b: 2.5, c: true, d: x}", map[string]any{"a": 1, "b": 2.5, "c": true, "d": "x"}},
	} {
		got, err := templateOf(t, c.text, AnyType()).Eval(testEnv())
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", c.text, err, diff)
		}
	}
}

func TestAbsentFieldsAreLeftOut(t *testing.T) {
	want := RecordOf("", TypeField{Name: "a", Type: OptionalOf(StringType())}, TypeField{Name: "b", Type: IntegerType()})
	got, err := templateOf(t, `{a: "${{ o }}", b: "${{ n }}"}`, want).Eval(testEnv())
	if diff := cmp.Diff(map[string]any{"b": 5}, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestARecordThatHadNoSchemaIsNotPrinted(t *testing.T) {
	_, err := templateOf(t, "it is ${{ any }}", StringType()).Eval(testEnv())
	e, ok := errors.AsType[*EvalError](err)
	if !ok || e.Code != "invalid" || !strings.Contains(e.Message, "cannot stand in text") {
		t.Errorf("error %v", err)
	}
}

func TestTextIsBounded(t *testing.T) {
	env := testEnv()
	env.Names["s"] = strings.Repeat("x", maxTemplate)
	_, err := templateOf(t, "${{ s }} and more ${{ s }}", StringType()).Eval(env)
	if e, ok := errors.AsType[*EvalError](err); !ok || e.Code != "limit" {
		t.Errorf("error %v", err)
	}
}

// FuzzTemplate splits any text: nothing is lost, nothing panics, and every
// expression that the parser can read is found whole between ${{ and }}.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{
		"", "plain", "${{ a }}", "$${{ a }}", "${{ {a: {b: 1}} }}", "${{ '}}' }}", "${{ a /* }} */ }}", "it's ${{ a }}",
		"map(xs, {{n: .a}})", "any(xs, # == \"}}\")", "`a}}`", "a ? {b: 1}.b : [2][0]", "\"\\\"}}\"", "1 /* } */ + 2",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		pieces, err := splitTemplate(text)
		if err == nil {
			var back strings.Builder
			for _, p := range pieces {
				if p.isExpr {
					back.WriteString("${{" + p.text + "}}")
				} else {
					back.WriteString(strings.ReplaceAll(p.text, "${{", "$${{"))
				}
			}
			if back.String() != text {
				t.Errorf("%q came back as %q", text, back.String())
			}
		}
		if _, problems := parse(text); len(problems) > 0 || strings.Contains(text, "//") {
			return // a comment to the end of the line hides the braces
		}
		pieces, err = splitTemplate("${{" + text + "}}")
		if err != nil || len(pieces) != 1 || pieces[0].text != text {
			t.Errorf("%q: pieces %+v, %v", text, pieces, err)
		}
	})
}
