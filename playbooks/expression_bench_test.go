package playbooks

import (
	"fmt"
	"strings"
	"testing"

	"github.com/expr-lang/expr"
)

// benchCondition is a condition as playbooks have it, over 100 files.
const benchCondition = `incident.severity == "high" and any(evidence.files, {.size > 1000000 and .shared and .label not in ["Secret", "Internal", "Public"]})`

func benchScope() (Scope, Env) {
	file := RecordOf("file",
		TypeField{Name: "size", Type: IntegerType()}, TypeField{Name: "shared", Type: BooleanType()},
		TypeField{Name: "label", Type: StringType()}, TypeField{Name: "name", Type: StringType()})
	scope := NewScope(map[string]Type{
		"incident": RecordOf("incident", TypeField{Name: "severity", Type: EnumOf("severity", "low", "high")}),
		"evidence": RecordOf("evidence", TypeField{Name: "files", Type: ListOf(file)}),
	})
	files := make([]any, 100)
	for i := range files {
		files[i] = map[string]any{"size": 900_000 + i*2000, "shared": i%2 == 0, "label": "Secret", "name": fmt.Sprint("f", i)}
	}
	return scope, Env{Names: map[string]any{
		"incident": map[string]any{"severity": "high"}, "evidence": map[string]any{"files": files},
	}}
}

// BenchmarkEval is to stay within 1.3 times BenchmarkEvalPlainExpr, the same
// question to expr itself, over the same maps, without our limits and checks.
func BenchmarkEval(b *testing.B) {
	scope, env := benchScope()
	e, problems := Compile(benchCondition, scope, BooleanType())
	if len(problems) > 0 {
		b.Fatal(problemText(problems))
	}
	b.ReportAllocs()
	for b.Loop() {
		if v, err := e.Eval(env); v != false || err != nil {
			b.Fatal(v, err)
		}
	}
}

func BenchmarkEvalPlainExpr(b *testing.B) {
	_, env := benchScope()
	program, err := expr.Compile(benchCondition, expr.Env(env.Names))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if v, err := expr.Run(program, env.Names); v != false || err != nil {
			b.Fatal(v, err)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	scope, _ := benchScope()
	b.ReportAllocs()
	for b.Loop() {
		if _, problems := Compile(benchCondition, scope, BooleanType()); len(problems) > 0 {
			b.Fatal(problemText(problems))
		}
	}
}

// BenchmarkEvalAtTheLimit does nearly all the work in loops that is allowed.
func BenchmarkEvalAtTheLimit(b *testing.B) {
	e, problems := Compile("any(1..7500, "+strings.Repeat("# == -1 or # + 1 == -2 or ", 40)+"# == -3)", Scope{}, BooleanType())
	for _, p := range problems {
		if p.IsError() {
			b.Fatal(problemText(problems))
		}
	}
	for b.Loop() {
		if v, err := e.Eval(Env{}); v != false || err != nil {
			b.Fatal(v, err)
		}
	}
}
