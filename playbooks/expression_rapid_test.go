package playbooks

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// chooser makes the random choices of a test: rapid's, which it can shrink, or
// those of a seed.
type chooser interface{ below(n int) int }

type rapidChooser struct{ t *rapid.T }

func (c rapidChooser) below(n int) int { return rapid.IntRange(0, n-1).Draw(c.t, "choice") }

type seedChooser struct{ r *rand.Rand }

func (c seedChooser) below(n int) int { return c.r.IntN(n) }

func pick[T any](c chooser, all ...T) T { return all[c.below(len(all))] }

// randomValue is a plain value of a type: lists may be empty, what is optional
// may be absent, an enum may have a value of tomorrow.
func randomValue(c chooser, t Type, depth int) any {
	switch t.kind {
	case kindOptional:
		if c.below(3) == 0 {
			return nil
		}
		return randomValue(c, t.def.elem, depth)
	case kindList:
		out := make([]any, t.def.atLeast+c.below(4))
		for i := range out {
			out[i] = randomValue(c, t.def.elem, depth+1)
		}
		return out
	case kindMap:
		out := map[string]any{}
		for range c.below(3) {
			out[pick(c, "a", "b", "ü")] = randomValue(c, t.def.elem, depth+1)
		}
		return out
	case kindRecord:
		out := map[string]any{}
		for _, f := range t.def.fields {
			out[f.Name] = randomValue(c, f.Type, depth+1)
		}
		return out
	case kindAny:
		if depth > 3 {
			return c.below(9)
		}
		shape := RecordOf("", TypeField{Name: "x", Type: AnyType()}, TypeField{Name: "n", Type: OptionalOf(IntegerType())})
		return randomValue(c, pick(c, StringType(), IntegerType(), NumberType(), BooleanType(),
			OptionalOf(StringType()), ListOf(AnyType()), MapOf(AnyType()), shape), depth+1)
	case kindRef:
		return randomValue(c, pick(c, StringType(), t.def.elem), depth)
	}
	return randomScalar(c, t)
}

func randomScalar(c chooser, t Type) any {
	switch t.kind {
	case kindEnum:
		return pick(c, append(t.Values(), "of tomorrow")...)
	case kindString:
		return pick(c, "", "x", "jo@contoso.example", "Secret", "a,b", "10", "ü\u2028\"\\", "10.0.0.1", strings.Repeat("z", 300))
	case kindInteger, kindSize:
		return pick(c, 0, 1, -1, 7, 1<<62, -1<<63, 1<<63-1)
	case kindNumber:
		return pick(c, 0.0, 1.0, -2.5, 1e300, 5e-324)
	case kindBoolean:
		return c.below(2) == 0
	case kindTime:
		return pick(c, time.Unix(0, 0).UTC(), time.Date(2026, 3, 1, 9, 0, 0, 123456789, time.UTC), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC))
	case kindDuration:
		return pick(c, 0, time.Hour, -90*time.Minute, time.Duration(1<<63-1), time.Duration(-1<<63))
	}
	return nil
}

func randomType(c chooser, depth int) Type {
	if depth > 3 || c.below(3) == 0 {
		return pick(c, StringType(), IntegerType(), NumberType(), BooleanType(), TimeType(), DurationType(), SizeType(),
			AnyType(), EnumOf("level", "low", "high"))
	}
	switch c.below(4) {
	case 0:
		return ListOf(randomType(c, depth+1))
	case 1:
		return MapOf(randomType(c, depth+1))
	case 2:
		return OptionalOf(randomType(c, depth+1))
	}
	var fields []TypeField
	for i := range c.below(4) {
		fields = append(fields, TypeField{Name: string(rune('a' + i)), Type: randomType(c, depth+1)})
	}
	return RecordOf("", fields...)
}

func always(any, int) error { return nil }

// What was encoded comes back as it was.
func TestDecodeTakesBackWhatEncodeWrote(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := rapidChooser{t}
		typ := randomType(c, 0)
		v := randomValue(c, typ, 0)
		if err := typ.holds(v, always); err != nil {
			t.Fatalf("the test made %#v for %s: %v", v, typ, err)
		}
		raw, err := Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		back, err := typ.Decode(raw)
		if err != nil || !reflect.DeepEqual(back, v) {
			t.Fatalf("%s of %s came back as %#v, %v; was %#v", raw, typ, back, err, v)
		}
		if again, err := Encode(back); err != nil || string(again) != string(raw) {
			t.Fatalf("%s became %s", raw, again)
		}
	})
}

// speaker makes expressions that mostly are right: of a sort, with slips.
type speaker struct {
	chooser
}

// phrases are what can be said of each sort. <int> stands for something said of
// that sort, <file:int> for something asked about each file.
func phrases() map[string][]string {
	return map[string][]string{
		"bool": {
			"file.shared", "true", "not (<bool>)", "(<bool> and <bool>)", "(<bool> or <bool>)", "<int> < <int>", "<int> >= <int>",
			"<int> == <int>", "<int> != <int>", "<string> == <string>", "<string> in <strings>", "<string> not in <strings>",
			"<string> contains <string>", "<string> startsWith <string>", "any(<files>, <file:bool>)", "all(<files>, <file:bool>)",
			"none(<files>, <file:bool>)", "one(<files>, <file:bool>)", `incident.severity in ["high", "low"]`, "external(<string>)",
			`<string> matches "^[a-z]+$"`, `glob(<string>, "**x")`, "<files> == <files>", `incident.created_at < ago("1h")`,
			"body == <any>", "body", "owner?.upn != nil", "<any> == nil", `in_cidr(<string>, "10.0.0.0/8")`,
			"len(evidence.files) > 0 and evidence.files[0].shared", "incident.created_at + params.window > now()",
		},
		"file:bool": {
			".shared", ".label != nil", "(.label != nil and .label contains <string>)", ".label == <string>", "(.size ?? 0) > <int>",
			`any(.permissions, .scope == "anonymous")`, ".stale == true", "{let f = #; any(.permissions, .id == f.id)}",
		},
		"int": {
			"0", "1", "7", "9223372036854775807", "2.5", "params.ask_above", "params.ratio", "params.limit", "body.n", "(<int> + <int>)",
			"(<int> - <int>)", "(<int> * <int>)", "(<int> / <int>)", "(<int> % <int>)", "(<int> ** <int>)", "-<int>", "len(<files>)",
			"len(<string>)", "sum(<files>, <file:int>)", "count(<files>, <file:bool>)", "(file.size ?? <int>)", "min(<int>, <int>)",
			"max(map(<files>, <file:int>))", "mean([1, <int>])", "abs(<int>)", "ceil(<int>)", "floor(<int>)", "round(<int>)", "int(<int>)",
			"int(<string>)", "float(<string>)", "indexOf(<string>, <string>)", "(findIndex(<files>, <file:bool>) ?? -1)", "(codes.a ?? 0)",
			"reduce([1, 2, 3], #acc + #)", "reduce(1..3, #acc * #, <int>)",
		},
		"file:int": {"(.size ?? 0)", "len(.permissions)", "#index", "len(.name)"},
		"string": {
			`"x"`, `""`, "file.name", "incident.severity", `(file.label ?? <string>)`, "(<string> + <string>)", "upper(<string>)",
			"trim(<string>)", "redact(<string>)", `join(<strings>, ",")`, "string(<int>)", "toJSON(<any>)",
			"replace(<string>, <string>, <string>)", `repeat("ab", <int>)`, "<string>[1:3]", "(<bool> ? <string> : <string>)",
			`(first(<strings>) ?? "")`, `(domain(<string>) ?? "")`, `(find(<files>, <file:bool>)?.name ?? "")`, "string(<string>)",
		},
		"file:string": {".name", ".id", `(.label ?? "")`, "{let f = #; f.name + f.id}"},
		"strings": {
			"incident.tags", `["a", "b"]`, "map(<files>, <file:string>)", "split(<string>, <string>)", "uniq(<strings>)",
			`sort(<strings>, "desc")`, "concat(<strings>, <strings>)", "keys(codes)", "flatten([[<string>], <strings>])",
			"filter(map(evidence.files, .label), # != nil)", "incident.service_sources", "reduce(<files>, concat(#acc, [.name]), <strings>)",
		},
		"files": {
			"evidence.files", "batch", "filter(<files>, <file:bool>)", "take(<files>, <int>)", "concat(<files>, <files>)",
			"reverse(<files>)", "sortBy(<files>, <file:string>)", "unique_by(<files>, <file:string>)", "<files>[1:]",
			"(<bool> ? <files> : <files>)", "[file]",
		},
		"any": {
			"body", "body.x", "body.x.n", "body?.x?.n", "body[0]", "{a: <any>}", "[<any>, <any>]", "owner", "steps.access?.permissions",
			"<int> ?? <int>", "reduce(<files>, <file:int> + #acc, 0)", "incident.created_at", "now() - incident.created_at",
			"params.window * <int>", "groupBy(<files>, <file:string>)", "first(<files>)", "values(codes)", `codes["a"]`, "<bool>",
			"map(<files>, {{n: <file:string>}})", "body + <int>", "any(body, #)", "map(body, #)", "len(body)", "sort(body)", "uniq(body)",
		},
	}
}

func (s *speaker) say(sort string, depth int) string {
	all := phrases()
	if s.below(25) == 0 {
		sort = pick(s.chooser, "bool", "int", "string", "strings", "files", "any")
	}
	asked, ofFile := strings.CutPrefix(sort, "file:")
	if ofFile && s.below(3) == 0 {
		sort = asked
	}
	phrase := all[sort][0]
	if depth < 5 {
		phrase = pick(s.chooser, all[sort]...)
	}
	var b strings.Builder
	for {
		before, rest, more := strings.Cut(phrase, "<")
		next, after, closed := strings.Cut(rest, ">")
		if _, known := all[next]; more && closed && known {
			b.WriteString(before + s.say(next, depth+1))
			phrase = after
			continue
		}
		b.WriteString(before)
		if !more {
			return b.String()
		}
		b.WriteString("<")
		phrase = rest
	}
}

func randomEnv(c chooser, scope Scope) Env {
	env := Env{Now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), OwnDomains: []string{"contoso.example"}, Names: map[string]any{}}
	for _, name := range scope.Names() {
		t, _ := scope.Lookup(name)
		env.Names[name] = randomValue(c, t, 0)
	}
	return env
}

// checkPromise evaluates an accepted expression: it answers a value of its type
// or an EvalError, and leaves the environment as it was.
func checkPromise(e *Expression, env Env) (failed bool, broken error) {
	before, err := Encode(env.Names)
	if err != nil {
		return false, err
	}
	v, err := e.Eval(env)
	if after, _ := Encode(env.Names); string(after) != string(before) {
		return false, fmt.Errorf("%s changed the environment", e.Source())
	}
	if err != nil {
		failure, ok := errors.AsType[*EvalError](err)
		if !ok || failure.Code != "invalid" && failure.Code != "limit" || failure.Message == "" ||
			failure.From < 0 || failure.To > len([]rune(e.Source()))+1 {
			return true, fmt.Errorf("%s: error %w", e.Source(), err)
		}
		if strings.Contains(failure.Message, "interface conversion") || strings.Contains(failure.Message, "runtime error") ||
			strings.Contains(failure.Message, "stack underflow") {
			return true, fmt.Errorf("%s: %s", e.Source(), failure.Message)
		}
		if !strings.Contains(e.Source(), "body") && typeComplaint(failure.Message) {
			return true, fmt.Errorf("%s was checked, but: %s", e.Source(), failure.Message)
		}
		return true, nil
	}
	if err := e.Type().holds(v, always); err != nil {
		return false, fmt.Errorf("%s is %s: %w", e.Source(), e.Type(), err)
	}
	return false, nil
}

// typeComplaint reports whether an evaluation met a type that the checker ought
// to have seen, which without values of no schema must not happen.
func typeComplaint(message string) bool {
	for _, part := range []string{
		"has not the type", "is read of", "does not work on", "is needed here", "a condition is absent", "expected ",
		"have no order", "has no length", "looked up in", "has none", "test for nil", "not a plain value",
	} {
		if strings.Contains(message, part) {
			return true
		}
	}
	return false
}

// What Compile lets through with a type gives values of it, whatever the data.
func TestAcceptedExpressionsKeepTheirType(t *testing.T) {
	scope := incidentScope()
	said, accepted, answered := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		c := rapidChooser{t}
		s := &speaker{chooser: c}
		src := s.say(pick(c, "bool", "int", "string", "strings", "files", "any"), 0)
		said++
		e, problems := Compile(src, scope, Type{})
		for _, p := range problems {
			if p.From < 0 || p.To < p.From || p.To > len([]rune(src))+1 {
				t.Fatalf("%s: %+v", src, p)
			}
			if p.IsError() {
				return
			}
		}
		accepted++
		for range 5 {
			failed, err := checkPromise(e, randomEnv(c, scope))
			if err != nil {
				t.Fatal(err)
			}
			if !failed {
				answered++
			}
		}
	})
	if accepted*4 < said || answered < accepted {
		t.Errorf("of %d expressions %d were accepted and gave %d values: the test tells too little", said, accepted, answered)
	}
	t.Logf("%d expressions, %d accepted, %d values", said, accepted, answered)
}
