package playbooks

import (
	"errors"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What an expression may cost at most: processor time and memory.
const (
	mostTime   = 250 * time.Millisecond
	mostMemory = 64 << 20
)

// evil is an expression made to hurt: the code that refuses it, or else the code
// of the error that stops it.
type evil struct {
	src  string
	code string // E…: refused; limit or invalid: stopped
}

// evils are the attacks on the expression language that the product promises to
// withstand, by their numbers in that list.
func evils() map[string]evil {
	million := func(s string) string { return strings.Repeat(s, 1_000_000/len(s)) }
	return map[string]evil{
		"021 a million brackets":         {million("("), "E302"},
		"021 a million lists":            {million("["), "E302"},
		"021 a million negations":        {million("!"), "E302"},
		"021 a million minuses":          {million("-"), "E302"},
		"021 a million nots":             {million("not "), "E302"},
		"022 5,000 ternaries":            {strings.Repeat("true?", 5000), "E302"},
		"022 5,000 sums":                 {strings.Repeat("1+", 5000) + "1", "E302"},
		"022 nodes within 4 KiB":         {strings.Repeat("1+", 1500) + "1", "E302"},
		"023 doubling text":              {`reduce(1..27, #acc + #acc, "aaaaaaaaaa")`, "limit"},
		"023 doubling lists":             {`reduce(1..27, concat(#acc, #acc), xs)`, "limit"},
		"023 doubling records":           {`reduce(1..60, [#acc, #acc], [1])`, "E308"},
		"024 replace by itself":          {`replace(s, "a", s)`, "limit"},
		"024 replace of nothing":         {`replace(s, "", s)`, "limit"},
		"024 join of copies":             {`join(map(1..2000, s))`, "limit"},
		"024 join with a long separator": {`join(texts, s)`, "limit"},
		"024 repeat of repeat":           {`repeat(repeat("a", 100000), 100000)`, "limit"},
		"024 repeat overflowing":         {`repeat(s, 9223372036854775807)`, "limit"},
		"024 split into characters":      {`map(1..200, split(s, ""))`, "limit"},
		"024 upper of copies":            {`map(1..1000, upper(s))`, "limit"},
		"024 slices of text":             {`map(1..1000, s[1:])`, "limit"},
		"024 JSON of copies":             {`toJSON(map(1..2000, texts))`, "limit"},
		"024 table of copies":            {`map(1..2000, table(rows, ["a", "a", "a", "a", "a", "a", "a", "a"]))`, "limit"},
		"024 format of many":             {`map(1..100000, format(now(), "Europe/Berlin"))`, "limit"},
		"024 redact of copies":           {`map(1..2000, redact(s))`, "limit"},
		"025 four nested any":            {`any(xs, any(xs, any(xs, any(xs, # == -1))))`, "limit"},
		"025 nested any in a let":        {`count(xs, let x = #; any(xs, # == x and x == -1))`, "limit"},
		"025 sorting in a loop":          {`map(1..1000, sort(xs))`, "limit"},
		"025 grouping in a loop":         {`map(1..200, groupBy(texts, #))`, "limit"},
		"025 uniq of all":                {`uniq(flatten(map(1..100, texts)))`, "limit"},
		"025 searching in a loop":        {`count(1..2000, s contains "ab") > 0`, "limit"},
		"025 comparing long texts":       {`any(texts, {let x = #; any(texts, # == x and false)})`, "limit"},
		"025 membership in a loop":       {`count(1..2000, s in texts) > 0`, "limit"},
		"025 measuring in a loop":        {`all(1..90000, len(s) > 0)`, "limit"},
		"026 a pattern from evidence":    {`s matches s`, "E315"},
		"026 a computed pattern":         {`s matches ("a" + "b")`, "E315"},
		"027 a pattern that explodes":    {`s matches "(a{100}){100}"`, "E316"},
		"027 a pattern that never ends":  {`any(1..400, any(texts, # matches "(a+)+!$"))`, "limit"},
		"027 a glob over everything":     {`count(1..2000, glob(s, "**a**a**a**b")) > 0`, "limit"},
		"028 the whole environment":      {`$env`, "E306"},
		"028 an entry of it":             {`$env["s"]`, "E306"},
		"028 get of it":                  {`get($env, "s")`, "E3"},
		"028 JSON of it":                 {`toJSON($env)`, "E306"},
		"029 a method":                   {`s.String()`, "E306"},
		"029 a constructor":              {`s.constructor`, "E304"},
		"029 a prototype":                {`s.__proto__`, "E304"},
		"031 absent through any":         {`body[0].name.first > 1`, "invalid"},
		"032 mixed types":                {`"10" > 9`, "E308"},
		"032 text compared as number":    {`"10" < 9.5`, "E308"},
		"033 division by nothing":        {`len(xs) / (len(xs) - 2000) > 1`, "invalid"},
		"033 remainder by nothing":       {`len(xs) % (len(xs) - 2000) > 1`, "invalid"},
		"033 overflow":                   {`9223372036854775807 + len(xs)`, "invalid"},
		"033 overflow by times":          {`sum(map(xs, 4611686018427387904)) > 0`, "invalid"},
		"035 another parser":             {`fromJSON(s)`, "E305"},
		"036 the largest of nothing":     {`max(filter(xs, # < 0))`, "invalid"},
		"036 the first of nothing":       {`filter(xs, # < 0)[0]`, "E313"},
		"037 a range without end":        {`1..9223372036854775807`, "limit"},
		"037 a range from below":         {`-9223372036854775807..9223372036854775807`, "limit"},
		"037 a million items":            {`len(1..1000000)`, "limit"},
		"037 many records":               {`map(1..90000, {{a: #, b: #, c: #}})`, "limit"},
		"037 many lists":                 {`map(1..90000, [#, #, #, #, #])`, "limit"},
		"038 text as boolean":            {`not "false"`, "E308"},
		"040 secrets":                    {`secrets.token`, "E303"},
		"040 the process's environment":  {`env.HOME`, "E303"},
		"a comment of brackets":          {"/*" + strings.Repeat("(", 5000), "E302"},
		"a name that hides a function":   {`let len = 1; len`, "E317"},
		"a call of what was computed":    {`(s ?? s)()`, "E3"},
		"several expressions":            {`1; 2`, "E306"},
		"bytes":                          {`b"x"`, "E306"},
		"a number that is too large":     {`99999999999999999999`, "E301"},
		"an index far outside":           {`xs[9223372036854775807]`, "E313"},
		"an empty loop a million times":  {`any(1..100000, any([], true))`, "limit"},
		"a result that shares its parts": {`map(1..500, texts)`, "limit"},
		"lists in lists in lists":        {`map(1..60, map(1..60, map(1..60, #)))`, "limit"},
	}
}

// Every way that is known to hold a worker or to fill its memory is refused
// before it runs, or ends by name within 250 ms and 64 MB.
func TestEvilExpressionsAreRefusedOrStopped(t *testing.T) {
	scope, env := hugeScope()
	scope = scope.With("rows", ListOf(RecordOf("", TypeField{Name: "a", Type: StringType()})))
	rows := make([]any, 2000)
	for i := range rows {
		rows[i] = map[string]any{"a": env.Names["s"]}
	}
	env.Names["rows"], env.Now = rows, time.Unix(0, 0)
	for name, c := range evils() {
		t.Run(name, func(t *testing.T) {
			begun := spend()
			got, said := attack(c.src, scope, env)
			cost := spend().since(begun)
			if !strings.HasPrefix(got, c.code) {
				t.Errorf("%s\nis %s, want %s: %s", shorten(c.src), got, c.code, said)
			}
			if cost.memory > mostMemory {
				t.Errorf("%s: made %d MiB", shorten(c.src), cost.memory>>20)
			}
			if cost.time > mostTime*slowness {
				t.Errorf("%s: took %s", shorten(c.src), cost.time)
			}
		})
	}
}

// attack answers the code of the problem or error that an expression ends with.
func attack(src string, scope Scope, env Env) (code, said string) {
	e, problems := Compile(src, scope, Type{})
	for _, p := range problems {
		if p.IsError() {
			return p.Code, p.Message
		}
	}
	v, err := e.Eval(env)
	if failure, ok := errors.AsType[*EvalError](err); ok {
		return failure.Code, failure.Message
	}
	return "a value", describe(v)
}

// spent is what the process has used: processor time, so that a busy machine
// makes no difference, and all memory that was ever asked for.
type spent struct {
	time   time.Duration
	memory uint64
}

func spend() spent {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage) // fails for nobody but a wrong who
	return spent{time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), memory.TotalAlloc}
}

func (s spent) since(before spent) spent {
	return spent{s.time - before.time, s.memory - before.memory}
}

// What a template makes is bounded too: one text, and all texts in a mapping.
func TestTemplatesAreStopped(t *testing.T) {
	long := strings.Repeat("x", 600<<10)
	for name, text := range map[string]string{
		"one text":       "playbook: p\non: {manual: {}}\nsteps:\n  - uses: incidents.comment\n    with: {incident: x, text: \"${{ incident.title }}${{ incident.title }}\"}\n",
		"many texts":     "playbook: p\non: {manual: {}}\nsteps:\n  - uses: incidents.tag\n    with: {incident: x, add: [" + strings.Repeat("\"${{ incident.title }}\", ", 20) + "x]}\n",
		"many all alone": "playbook: p\non: {manual: {}}\nsteps:\n  - uses: test.pages\n    with: {limit: 1, extra: [" + strings.Repeat("{a: \"${{ incident }}\"}, ", 20) + "x]}\n",
	} {
		t.Run(name, func(t *testing.T) {
			p, findings := LoadAndCheck("p.yaml", []byte(text), testWorld())
			if len(findings) > 0 {
				t.Fatal(allText(findings))
			}
			begun := spend()
			_, err := p.Steps[0].With.Eval(Env{Names: map[string]any{"incident": map[string]any{"title": long}}})
			failure, ok := errors.AsType[*EvalError](err)
			if !ok || failure.Code != "limit" {
				t.Errorf("ended with %v", err)
			}
			if made := spend().since(begun).memory; made > mostMemory {
				t.Errorf("made %d MiB", made>>20)
			}
		})
	}
}
