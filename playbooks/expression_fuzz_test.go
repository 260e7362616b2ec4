package playbooks

import (
	"math/rand/v2"
	"testing"
	"time"
)

// fuzzSeeds are expressions to begin with.
func fuzzSeeds() []string {
	seeds := []string{
		`"dataLossPrevention" in incident.service_sources and incident.severity in ["high", "medium"]`,
		`file.label == nil or file.label contains "x"`, `first(evidence.files)?.name ?? "none"`, `1 < 2 < 3`, `true ?: false`,
		`{let f = #; any(.permissions, .id == f.id)}`, `let a = [1]; let b = [a, a]; [b, b]`, `if true { 1 } else { 2 }`,
		`evidence.files | filter(.shared) | map(.name) | join(", ")`, `"(a|b)*" matches "(a|b)*"`, `$env["x"]`, `b"x"`, `1..9 == [1]`,
		`"\u{10FFFF}" + 'it\'s' + ` + "`raw`", `/* ( */ 1 // (`, `#`, `.x`, `a?.[0]?.b`, `not "x" in ["y"]`, `-9223372036854775808`, `0x7F + 1_000 + .5e3`,
		`body.x[0].y ?? body["x"]`, `reduce(1..9, #acc + #acc, "a")`, `unique_by(evidence.files, .id) | map(.name)`, `groupBy([1], string(#))`,
		`map(batch, {{a: .name, b: {c: #index}}})`, `now() - duration("1d") < ago("4h")`,
	}
	for _, fn := range Library() {
		seeds = append(seeds, fn.Example)
	}
	return seeds
}

// FuzzCompile: no text ends the checker or holds it up, and every problem is
// within the text.
func FuzzCompile(f *testing.F) {
	for _, seed := range fuzzSeeds() {
		f.Add(seed)
	}
	scope := incidentScope()
	f.Fuzz(func(t *testing.T, src string) {
		begun := time.Now()
		e, problems := Compile(src, scope, BooleanType())
		if took := time.Since(begun); took > 2*time.Second {
			t.Fatalf("took %s", took)
		}
		for _, p := range problems {
			if p.From < 0 || p.To < p.From || p.To > len([]rune(src))+1 || p.Message == "" || ProblemCodes()[p.Code] == "" {
				t.Fatalf("%+v in %d characters", p, len([]rune(src)))
			}
		}
		if e.Type().IsZero() || e.Source() != src {
			t.Fatal("an expression without type or source")
		}
	})
}

// FuzzEval: what is accepted keeps its promise over random incidents.
func FuzzEval(f *testing.F) {
	for i, seed := range fuzzSeeds() {
		f.Add(seed, uint64(i))
	}
	scope := incidentScope()
	f.Fuzz(func(t *testing.T, src string, seed uint64) {
		e, problems := Compile(src, scope, Type{})
		for _, p := range problems {
			if p.IsError() {
				return
			}
		}
		c := seedChooser{rand.New(rand.NewPCG(seed, 1))}
		begun := time.Now()
		if _, err := checkPromise(e, randomEnv(c, scope)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took > 2*time.Second {
			t.Fatalf("took %s", took)
		}
	})
}
