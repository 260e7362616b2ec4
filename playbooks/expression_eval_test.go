package playbooks

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

// incidentEnv is an environment of incidentScope.
func incidentEnv() Env {
	permission := func(scope string) any {
		return map[string]any{"id": "p-" + scope, "scope": scope, "grantees": []any{"eve@evil.example"}, "owner": nil}
	}
	file := func(name string, label, size any, permissions ...any) map[string]any {
		if permissions == nil {
			permissions = []any{}
		}
		return map[string]any{
			"id": "id-" + name, "name": name, "label": label, "size": size, "shared": len(permissions) > 0,
			"stale": nil, "permissions": permissions,
		}
	}
	payroll := file("payroll.xlsx", "Secret", 2_000_000, permission("anonymous"), permission("internal"))
	return Env{
		Now:        time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC),
		OwnDomains: []string{"contoso.example"},
		Names: map[string]any{
			"incident": map[string]any{
				"id": "defender/1", "title": "DLP", "severity": "high", "assigned_to": nil,
				"tags": []any{"dlp", "pci"}, "service_sources": []any{"dataLossPrevention"},
				"created_at": time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC),
			},
			"evidence": map[string]any{
				"files": []any{payroll, file("a.txt", nil, nil)},
				"users": []any{
					map[string]any{"upn": "jo@contoso.example", "sid": nil},
					map[string]any{"upn": "eve_evil.example#EXT#@contoso.example", "sid": nil},
					map[string]any{"upn": nil, "sid": "S-1"},
				},
			},
			"params": map[string]any{"ask_above": 1, "window": 24 * time.Hour, "ratio": 0.5, "limit": 1 << 20},
			"steps":  map[string]any{"access": nil},
			"file":   payroll,
			"batch":  []any{payroll},
			"owner":  nil,
			"body":   map[string]any{"n": 3, "s": "x", "list": []any{1, "a"}, "nested": map[string]any{"ok": true}, "big": "12345678901234567890"},
			"codes":  map[string]any{"a": 1},
		},
	}
}

// mustCompile compiles what has no errors.
func mustCompile(t testing.TB, src string) *Expression {
	t.Helper()
	e, problems := Compile(src, incidentScope(), Type{})
	for _, p := range problems {
		if p.IsError() {
			t.Fatalf("%s\n%s", src, problemText(problems))
		}
	}
	return e
}

func TestEval(t *testing.T) {
	list := func(items ...any) any { return append([]any{}, items...) }
	for src, want := range map[string]any{
		// The language.
		`"dataLossPrevention" in incident.service_sources and incident.severity in ["high", "medium"]`: true,
		`"x" not in incident.tags`:                                          true,
		`incident.severity != "low"`:                                        true,
		`incident.assigned_to ?? "nobody"`:                                  "nobody",
		`incident.assigned_to == "x"`:                                       false,
		`incident.assigned_to != nil and incident.assigned_to contains "x"`: false,
		`steps.access?.permissions`:                                         nil,
		`len(steps.access?.permissions ?? [])`:                              0,
		`owner?.upn ?? "none"`:                                              "none",
		`file.size != nil and file.size > params.limit`:                     true,
		`1 + 2 * 3 - 4`:                                                     3,
		`7 / 2`:                                                             3.5,
		`7 % 4`:                                                             3,
		`2 ** 3`:                                                            8.0,
		`-7 + 1`:                                                            -6,
		`-params.ask_above`:                                                 -1,
		`0.5 + 1`:                                                           1.5,
		`"a" + "b"`:                                                         "ab",
		`1 == 1.0`:                                                          true,
		`[1, 2] == [1, 2]`:                                                  true,
		`file == batch[0]`:                                                  true,
		`1..3`:                                                              list(1, 2, 3),
		`3..1`:                                                              list(),
		`[1, 2, 3][1:]`:                                                     list(2, 3),
		`"Grüße"[1:3]`:                                                      "rü",
		`"Grüße"[-2:]`:                                                      "ße",
		`true ? 1 : 2`:                                                      1,
		`if incident.severity == "high" { "now" } else { "later" }`: "now",
		`let n = len(evidence.files); n * n`:                        4,
		`{a: 1, b: [2]}`:                                            map[string]any{"a": 1, "b": list(2)},
		`"abc" matches "^a.c$"`:                                     true,
		`file.name startsWith "pay" and file.name endsWith ".xlsx"`: true,
		`codes.a`:         1,
		`codes["b"] ?? 0`: 0,
		`"a" in codes`:    true,
		`nil == nil`:      true,
		// Questions about each item.
		`all(evidence.files, .shared)`:       false,
		`none(evidence.files, .name == "x")`: true,
		`one(evidence.files, .shared)`:       true,
		`map(filter(evidence.files, any(.permissions, .scope in ["anonymous", "external"])), .name)`: list("payroll.xlsx"),
		`map(evidence.files, {{n: .name, i: #index}})`:                                               list(map[string]any{"n": "payroll.xlsx", "i": 0}, map[string]any{"n": "a.txt", "i": 1}),
		`any(evidence.files, {let f = #; any(.permissions, .id == "p-anonymous" and f.shared)})`:     true,
		`count(evidence.files, .label != nil)`:                                                       1,
		`count([true, false, true])`:                                                                 2,
		`sum(evidence.files, len(.permissions)) > params.ask_above`:                                  true,
		`sum([1, 2.5])`:                                              3.5,
		`sum([])`:                                                    0,
		`sum([duration("1h"), duration("30m")])`:                     90 * time.Minute,
		`find(evidence.files, .shared)?.name`:                        "payroll.xlsx",
		`find(evidence.files, .name == "zz")`:                        nil,
		`findIndex(evidence.files, .name == "a.txt")`:                1,
		`findLast([1, 2, 3], # < 3)`:                                 2,
		`findLastIndex([1, 2, 3], # < 9)`:                            2,
		`reduce([1, 2, 3], #acc * 10 + #, 0)`:                        123,
		`reduce([1, 2, 3], #acc + #)`:                                6,
		`keys(groupBy(evidence.files, .label ?? "none"))`:            list("Secret", "none"),
		`map(unique_by([1, 2, 3, 4], # % 2), # * 10)`:                list(10, 20),
		`[3, 1, 2] | sortBy(-#)`:                                     list(3, 2, 1),
		`map(sortBy(evidence.files, .name), .name)`:                  list("a.txt", "payroll.xlsx"),
		`map(sortBy(evidence.files, .name, "desc"), .name)`:          list("payroll.xlsx", "a.txt"),
		`evidence.files | filter(.shared) | map(.name) | join(", ")`: "payroll.xlsx",
		// Lists.
		`len("Grüße")`:                 5,
		`first([])`:                    nil,
		`last([1, 2])`:                 2,
		`take([1, 2, 3], 2)`:           list(1, 2),
		`take([1], 5)`:                 list(1),
		`concat(incident.tags, ["x"])`: list("dlp", "pci", "x"),
		`flatten([[1], [2, 3]])`:       list(1, 2, 3),
		`reverse([1, 2])`:              list(2, 1),
		`sort(["b", "a"])`:             list("a", "b"),
		`sort([2, 1.5, 3], "desc")`:    list(3, 2, 1.5),
		`uniq([1, 1.0, 2])`:            list(1, 2),
		`values(codes)`:                list(1),
		// Numbers.
		`min(3, 1, 2)`:         1,
		`max([1, 2.5])`:        2.5,
		`mean([1, 2])`:         1.5,
		`abs(-3)`:              3,
		`ceil(1.2)`:            2,
		`floor(-1.2)`:          -2,
		`round(2.5)`:           3,
		`int("42") + int(1.9)`: 43,
		`float("1.5")`:         1.5,
		// Text.
		`upper("ü") + lower("A")`:                           "Üa",
		`trim(" x ") + trim("--y-", "-")`:                   "xy",
		`trimPrefix("abc", "a") + trimSuffix("abc", "c")`:   "bcab",
		`hasPrefix("abc", "ab") and hasSuffix("abc", "bc")`: true,
		`split("a,b", ",")`:                                 list("a", "b"),
		`join(["a", "b"])`:                                  "ab",
		`replace("aXbX", "X", "-")`:                         "a-b-",
		`repeat("ab", 2)`:                                   "abab",
		`indexOf("üb", "b")`:                                1,
		`lastIndexOf("abab", "b")`:                          3,
		`indexOf("a", "z")`:                                 -1,
		`string(1) + string(true) + string(1.5)`:            "1true1.5",
		`string(incident.created_at)`:                       "2026-03-01T09:00:00Z",
		`toJSON({b: "\"", a: [nil, 1.0]})`:                  `{"a":[null,1.0],"b":"\""}`,
		// Times and sizes.
		`now() - incident.created_at == params.window`: true,
		`incident.created_at + params.window == now()`: true,
		`incident.created_at < ago("4h")`:              true,
		`incident.created_at > date("2026-02-28")`:     true,
		`duration("1d12h") / duration("1h")`:           36.0,
		`2 * duration("1h")`:                           2 * time.Hour,
		`size("1MiB") == params.limit`:                 true,
		// Security.
		`map(filter(evidence.users, .upn != nil and external(.upn)), .upn)`: list("eve_evil.example#EXT#@contoso.example"),
		`external("a@hr.contoso.example") or external("A@CONTOSO.EXAMPLE")`: false,
		`external("a@notcontoso.example")`:                                  true,
		`domain("Jo@Contoso.Example")`:                                      "contoso.example",
		`domain("eve_evil.example#EXT#@contoso.example")`:                   "evil.example",
		`domain("nobody")`: nil,
		`glob("/Sites/HR/a/b.docx", "/sites/hr/**.docx")`:                           true,
		`glob("/sites/hr/a/b", "/sites/*/b")`:                                       false,
		`in_cidr("10.1.2.3", "10.0.0.0/8")`:                                         true,
		`in_cidr("::ffff:11.1.2.3", "10.0.0.0/8")`:                                  false,
		`redact("jo@contoso.example") + redact("4111111111111111") + redact("abc")`: "j…@contoso.example…1111…",
		// Values without schema.
		`body.n + 1`:                     4,
		`body.s == "x"`:                  true,
		`body.nested.ok and true`:        true,
		`body.missing == nil`:            true,
		`body.missing?.deeper ?? "none"`: "none",
		`body.list[0]`:                   1,
		`body.big`:                       "12345678901234567890",
	} {
		got, err := mustCompile(t, src).Eval(incidentEnv())
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n got %#v, %v\nwant %#v", src, got, err, want)
		}
	}
}

func TestEvalFailsClosed(t *testing.T) {
	for src, want := range map[string]string{
		`1 / (params.ask_above - 1)`:                   "division by zero",
		`1 % (params.ask_above - 1)`:                   "division by zero",
		`9223372036854775807 + params.ask_above`:       "too large",
		`-9223372036854775807 - 1 - params.ask_above`:  "too large",
		`9223372036854775807 * (params.ask_above + 1)`: "too large",
		`10.0 ** 308 * 100`:                            "too large",
		`(0 - params.ask_above) ** 0.5`:                "too large",
		`duration("100000d") * 10000`:                  "too large",
		`int("12345678901234567890" + "")`:             "is no whole number",
		`float("NaN" + "")`:                            "is no number",
		`min(filter([1], # > 5))`:                      "an empty list has no smallest",
		`mean(filter([1], # > 5))`:                     "an empty list has no average",
		`reduce(filter([1], # > 5), #acc + #)`:         "reduce of empty array",
		`body.missing == "x"`:                          "test for nil before",
		`body.missing in ["x"]`:                        "nil is looked up in a written list",
		`body.missing.deeper`:                          "`deeper` is read of nil",
		`body.missing and true`:                        "a condition is nil",
		`body.s and true`:                              "a condition is a string",
		`true and body.s`:                              "a condition is a string",
		`codes[body.n]`:                                "a map is asked for text, not for an integer",
		`body.s == 3`:                                  "`==` does not work on a string and an integer",
		`body.s + 1`:                                   "`+` does not work",
		`body.list[7]`:                                 "out of range",
		`any(body.s, true)`:                            "a list is needed here, not a string",
		`external("x")`:                                "is no address",
		`in_cidr("x", "10.0.0.0/8")`:                   "is no IP address",
		`duration("x" + "")`:                           "is no duration",
		`take([1], 0 - params.ask_above)`:              "take needs",
		`repeat("a", 0 - params.ask_above)`:            "repeat needs",
	} {
		got, err := mustCompile(t, src).Eval(incidentEnv())
		failure, ok := errors.AsType[*EvalError](err)
		if !ok || failure.Code != "invalid" || !strings.Contains(failure.Message, want) {
			t.Errorf("%s\n got %#v, %v\nwant an error with %q", src, got, err, want)
			continue
		}
		if failure.From >= failure.To || failure.To > len([]rune(src)) {
			t.Errorf("%s: position %d-%d is outside", src, failure.From, failure.To)
		}
	}
}

func TestEvalNeedsItsNames(t *testing.T) {
	env := incidentEnv()
	delete(env.Names, "evidence")
	if v, err := mustCompile(t, `len(evidence.files) == 0`).Eval(env); err == nil {
		t.Errorf("answered %v without evidence", v)
	}
	if v, err := mustCompile(t, `external("a@b.example")`).Eval(Env{}); err == nil {
		t.Errorf("answered %v without own domains", v)
	}
}

func TestEvalOfBrokenExpression(t *testing.T) {
	e, problems := Compile("1 +", Scope{}, Type{})
	if len(problems) == 0 {
		t.Fatal("no problem")
	}
	if v, err := e.Eval(Env{}); err == nil {
		t.Errorf("answered %v", v)
	}
}
