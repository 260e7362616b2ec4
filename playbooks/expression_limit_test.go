package playbooks

import (
	"errors"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// hugeScope has what an attacker can make large: texts and lists of evidence.
func hugeScope() (Scope, Env) {
	text := strings.Repeat("a", 64<<10)
	texts, numbers := make([]any, 2000), make([]any, 2000)
	for i := range texts {
		texts[i], numbers[i] = text[:len(text)-1]+string(rune('a'+i%26)), i
	}
	scope := NewScope(map[string]Type{
		"s": StringType(), "texts": ListOf(StringType()), "xs": ListOf(IntegerType()), "body": AnyType(),
	})
	return scope, Env{Names: map[string]any{"s": text, "texts": texts, "xs": numbers, "body": []any{text}}}
}

// Every known way to hold a worker or to fill its memory ends as a named limit,
// soon and small.
func TestLimits(t *testing.T) {
	scope, env := hugeScope()
	lets := func(n int, each func(i int) string, last string) string {
		var b strings.Builder
		for i := 1; i <= n; i++ {
			b.WriteString(each(i))
		}
		return b.String() + last
	}
	name := func(i int) string { return string(rune('a'+i/26)) + string(rune('a'+i%26)) + "z" }
	for _, src := range []string{
		`reduce(1..27, #acc + #acc, "aaaaaaaaaa")`,
		`replace(s, "a", s)`,
		`join(map(1..2000, s))`,
		`join(texts, s)`,
		`repeat(repeat("a", 100000), 100000)`,
		`repeat(s, 9223372036854775807)`,
		`map(1..3, split(s, ""))`,
		`map(1..200, split(s, ""))`,
		`any(xs, any(xs, any(xs, any(xs, # == -1))))`,
		`count(xs, let x = #; any(xs, # == x and x == -1))`,
		`1..9223372036854775807`,
		`-9223372036854775807..9223372036854775807`,
		`len(1..1000000)`,
		`map(1..90000, {{a: #, b: #, c: #}})`,
		`map(1..90000, [#, #, #, #, #])`,
		`any(1..400, any(texts, # matches "(a+)+!$"))`,
		`any(texts, # matches "^(a|aa)*(a|aa)*(a|aa)*!$")`,
		`count(1..2000, s contains "ab") > 0`,
		`any(texts, {let x = #; any(texts, # + "" == x + "b")})`,
		`any(texts, {let x = #; any(texts, # == x and false)})`,
		`uniq(flatten(map(1..100, texts)))`,
		`sort(flatten(map(1..100, texts)))`,
		`map(1..100, sortBy(texts, #))`,
		`map(1..1000, sort(xs))`,
		`map(1..200, groupBy(texts, #))`,
		`reduce(1..20, concat(#acc, #acc), xs)`,
		`toJSON(map(1..2000, texts))`,
		`map(1..2000, toJSON(texts))`,
		`map(1..1000, upper(s))`,
		`all(1..90000, len(s) > 0)`,
		`map(1..1000, s[1:])`,
		`map(1..1000, trim(s, s))`,
		`any(1..95000, ` + lets(90, func(i int) string { return "# == 0 or # == -" + strconv.Itoa(i) + " or " }, "# == -200)"),
		`any(1..100000, any([], true))`,
		lets(60, func(i int) string { return "let " + name(i) + " = [" + orName(i, name) + "," + orName(i, name) + "];" }, name(60)),
		lets(60, func(i int) string { return "let " + name(i) + " = [" + orName(i, name) + "," + orName(i, name) + "];" }, "toJSON("+name(60)+")"),
		lets(60, func(i int) string { return "let " + name(i) + " = [" + orName(i, name) + "," + orName(i, name) + "];" }, name(60)+" == "+name(60)+"[:]"),
		`map(1..500, texts)`,
		`map(1..90000, s)`,
	} {
		e, problems := Compile(src, scope, Type{})
		if len(problems) > 0 {
			t.Errorf("%s\n%s", shorten(src), problemText(problems))
			continue
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begun := time.Now()
		_, err := e.Eval(env)
		took := time.Since(begun)
		runtime.ReadMemStats(&after)
		failure, ok := errors.AsType[*EvalError](err)
		if !ok || failure.Code != "limit" || !strings.Contains(failure.Message, "limit was reached") {
			t.Errorf("%s\nended after %s with %v", shorten(src), took, err)
			continue
		}
		if made := after.TotalAlloc - before.TotalAlloc; made > 16<<20 {
			t.Errorf("%s: made %d MiB", shorten(src), made>>20)
		}
		// Milliseconds as built; the race detector on a busy machine is slow.
		if took > 5*time.Second {
			t.Errorf("%s: took %s", shorten(src), took)
		}
		t.Logf("%8s %5d KiB  %s: %s", took.Round(time.Millisecond/10), (after.TotalAlloc-before.TotalAlloc)>>10, shorten(src), failure.Message)
	}
}

func orName(i int, name func(int) string) string {
	if i == 1 {
		return "xs"
	}
	return name(i - 1)
}

// What is too long or too deep is refused before expr's parser, which would end
// the process.
func TestSourceLimits(t *testing.T) {
	million := func(s string) string { return strings.Repeat(s, 1_000_000/len(s)) }
	for name, src := range map[string]string{
		"brackets":          million("("),
		"lists":             million("["),
		"negations":         million("!"),
		"minuses":           million("-"),
		"nots":              million("not "),
		"ternaries":         strings.Repeat("true?", 5000),
		"sums":              strings.Repeat("1+", 5000) + "1",
		"short brackets":    strings.Repeat("(", 100) + "1" + strings.Repeat(")", 100),
		"short negations":   strings.Repeat("!", 100) + "true",
		"short nots":        strings.Repeat("not ", 100) + "true",
		"short ternaries":   strings.Repeat("true?1:", 100) + "1",
		"short powers":      strings.Repeat("2**", 100) + "1",
		"lets":              strings.Repeat("let a=1;", 100) + "1",
		"many nodes":        strings.Repeat("1+", 1500) + "1",
		"elvis":             strings.Repeat("(", 60) + "true" + strings.Repeat("?:false)", 60),
		"comparisons":       strings.Repeat("(", 60) + "1" + strings.Repeat("<2<3)", 60),
		"fields":            "a" + strings.Repeat(".a", 1500),
		"records":           strings.Repeat("{a:", 63) + "1" + strings.Repeat("}", 63),
		"questions":         strings.Repeat("map([1],", 63) + "1" + strings.Repeat(")", 63),
		"deep in a comment": "/*" + strings.Repeat("(", 5000),
	} {
		begun := time.Now()
		_, problems := Compile(src, Scope{}, Type{})
		if len(problems) == 0 {
			t.Errorf("%s: let through", name)
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("%s: took %s", name, took)
		}
	}
}

// Brackets, quotes and comments inside texts count for nothing.
func TestScanKnowsTexts(t *testing.T) {
	for _, src := range []string{
		`"` + strings.Repeat("(", 200) + `" == ""`,
		`'it\'s ((((' != "" /* ` + strings.Repeat("[", 200) + ` */`,
		"`" + strings.Repeat("{", 200) + `\` + "` == ''",
		"true // " + strings.Repeat("(", 200),
		`"unique_by(" != "x"`,
	} {
		if _, problems := Compile(src, Scope{}, BooleanType()); len(problems) > 0 {
			t.Errorf("%s\n%s", src, problemText(problems))
		}
	}
}

// A machine that stopped in the middle answers right the next time.
func TestEvalAfterFailure(t *testing.T) {
	scope := NewScope(map[string]Type{"xs": ListOf(IntegerType())})
	e, problems := Compile(`map(xs, filter(xs, 10 % # == 0))`, scope, Type{})
	if len(problems) > 0 {
		t.Fatal(problemText(problems))
	}
	for range 3 {
		if _, err := e.Eval(Env{Names: map[string]any{"xs": []any{1, 0}}}); err == nil {
			t.Fatal("no error")
		}
		v, err := e.Eval(Env{Names: map[string]any{"xs": []any{1, 2}}})
		if raw, _ := Encode(v); err != nil || string(raw) != "[[1,2],[1,2]]" {
			t.Fatalf("got %s, %v", raw, err)
		}
	}
}

// An expression serves many goroutines at once.
func TestEvalConcurrently(t *testing.T) {
	e := mustCompile(t, `sum(evidence.files, len(.permissions)) * params.ask_above + len(now() > incident.created_at ? "ab" : "")`)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 200 {
				env := incidentEnv()
				env.Names["params"] = map[string]any{"ask_above": i, "window": time.Hour, "ratio": 0.5, "limit": 1}
				if v, err := e.Eval(env); v != 2*i+2 || err != nil {
					t.Errorf("with %d: %v, %v", i, v, err)
				}
			}
		})
	}
	wg.Wait()
}
