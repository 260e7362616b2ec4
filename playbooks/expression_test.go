package playbooks

import (
	"fmt"
	"strings"
	"testing"
)

// incidentScope is a scope as playbooks have it, small enough to read.
func incidentScope() Scope {
	str, opt := StringType(), OptionalOf
	severity := EnumOf("severity", "informational", "low", "medium", "high")
	permission := RecordOf("permission",
		TypeField{Name: "id", Type: str},
		TypeField{Name: "scope", Type: EnumOf("scope", "anonymous", "external", "organization", "internal")},
		TypeField{Name: "grantees", Type: ListOf(str)},
		TypeField{Name: "owner", Type: opt(str)})
	file := RecordOf("file",
		TypeField{Name: "id", Type: str},
		TypeField{Name: "name", Type: str},
		TypeField{Name: "label", Type: opt(str)},
		TypeField{Name: "size", Type: opt(IntegerType())},
		TypeField{Name: "shared", Type: BooleanType()},
		TypeField{Name: "stale", Type: opt(BooleanType())},
		TypeField{Name: "permissions", Type: ListOf(permission)})
	user := RecordOf("user", TypeField{Name: "upn", Type: opt(str)}, TypeField{Name: "sid", Type: opt(str)})
	incident := RecordOf("incident",
		TypeField{Name: "id", Type: str},
		TypeField{Name: "title", Type: str},
		TypeField{Name: "severity", Type: severity},
		TypeField{Name: "assigned_to", Type: opt(str)},
		TypeField{Name: "tags", Type: ListOf(str)},
		TypeField{Name: "service_sources", Type: ListOf(EnumOf("service_source", "dataLossPrevention", "microsoftDefenderForEndpoint"))},
		TypeField{Name: "created_at", Type: TimeType()})
	access := RecordOf("", TypeField{Name: "permissions", Type: ListOf(permission)}, TypeField{Name: "total", Type: IntegerType()})
	return NewScope(map[string]Type{
		"incident": incident,
		"evidence": RecordOf("evidence", TypeField{Name: "files", Type: ListOf(file)}, TypeField{Name: "users", Type: ListOf(user)}),
		"params": RecordOf("params",
			TypeField{Name: "ask_above", Type: IntegerType()}, TypeField{Name: "window", Type: DurationType()},
			TypeField{Name: "ratio", Type: NumberType()}, TypeField{Name: "limit", Type: SizeType()}),
		"steps": RecordOf("steps", TypeField{Name: "access", Type: opt(access)}),
		"file":  file,
		"batch": NonEmptyListOf(file),
		"owner": opt(user),
		"body":  AnyType(),
		"codes": MapOf(IntegerType()),
	})
}

func problemText(problems []Problem) string {
	var b strings.Builder
	for i, p := range problems {
		if i > 0 {
			b.WriteString(" | ")
		}
		fmt.Fprintf(&b, "%d-%d %s %s", p.From, p.To, p.Code, p.Message)
		if p.Hint != "" {
			fmt.Fprintf(&b, " → %s", p.Hint)
		}
	}
	return b.String()
}

// Each expression has exactly these problems: its code, what is marked, and a
// part of what is said.
func TestProblems(t *testing.T) {
	seen := map[string]bool{"E302": true, "E309": true, "E314": true} // see TestSourceLimits, TestWantedType
	for src, want := range map[string][]string{
		// Names and fields, all at once.
		`incidnt.severity == "high" or incident.titel == "x" or foo(1)`: {
			"E303 [incidnt] did you mean `incident`?", "E304 [titel] did you mean `title`?", "E305 [foo] unknown function",
		},
		`evidence.filez`:                   {"E304 [filez] did you mean `files`?"},
		`any(evidence.files, name == "x")`: {"E303 [name] did you mean `.name` of the item?"},
		`len == 3`:                         {"E303 [len] call it: len(…)"},
		`nothing.at.all`:                   {"E303 [nothing] known here: batch"},
		`incident.title.length`:            {"E304 [length] string has no fields"},
		`incident.created_at.Year`:         {"E304 [Year] a time has no fields"},
		`secrets.token`:                    {"E303 [secrets] unknown name"},
		// What is refused.
		`$env`:                             {"E306 [$env] is not allowed"},
		`$env["secrets"]`:                  {"E306 [$env] is not allowed"},
		`get($env, "x")`:                   {"E305 [get] write x.field", "E306 [$env] is not allowed"},
		`incident.title.String()`:          {"E306 [incident.title.String()] values have no methods"},
		`file.__proto__`:                   {"E304 [__proto__] file has no field"},
		`file["na" + "me"]`:                {`E306 [file["na" + "me"]] must be written`},
		`body[file.name]`:                  {"E306 [body[file.name]] must be written"},
		`incident.title matches file.name`: {"E315 [file.name] must be written"},
		`glob(file.name, file.id)`:         {"E315 [file.id] must be written"},
		`median([1])`:                      {"E305 [median] did you mean `mean`?"},
		`fromJSON("1")`:                    {"E305 [fromJSON] already values"},
		`1 < 2 < 3`:                        {"E306 [2] in two comparisons"},
		`b"x" == b"x"`:                     {`E306 [b"x"] byte strings`, `E306 [b"x"] byte strings`},
		`1; 2`:                             {"E306 [1; 2] several expressions"},
		`{(file.name): 1}`:                 {"E306 [file.name] must be written"},
		`{a: 1, a: 2}`:                     {"E317 [a] given twice"},
		`let incident = 1; incident`:       {"E317 [incident] already has a value"},
		`let len = 1; 2`:                   {"E317 [len] is a function"},
		// Types.
		`incident.title + 1`:                    {"E308 [incident.title + 1] string(x) makes text"},
		`incident.tags + ["x"]`:                 {`E308 [incident.tags + ["x"]] concat(incident.tags, ["x"])`},
		`-incident.title`:                       {"E308 [-incident.title] needs a number"},
		`upper(3)`:                              {"E308 [3] expected string, got integer"},
		`len(3)`:                                {"E308 [3] integer has none"},
		`len()`:                                 {"E307 [len()] takes 1 argument, not 0"},
		`take([1])`:                             {"E307 [take([1])] takes 2 arguments, not 1"},
		`filter(incident, true)`:                {"E308 [incident] needs a list, not incident"},
		`map(codes, #)`:                         {"E308 [codes] values(codes) is a list"},
		`filter(evidence.files, .name)`:         {"E308 [.name] must be true or false, not string"},
		`all(evidence.files, .shared and .id)`:  {"E308 [.id] behind `and` there must be true or false"},
		`incident.tags and true`:                {"E308 [incident.tags] len(incident.tags) > 0"},
		`sum(evidence.files, .name)`:            {"E308 [.name] sum adds numbers"},
		`uniq(evidence.files)`:                  {"E308 [evidence.files] unique_by(evidence.files, .field)"},
		`sortBy(evidence.files, .permissions)`:  {"E308 [.permissions] no order to sort by"},
		`sortBy(evidence.files, .name, "down")`: {`E311 ["down"] write "asc" or "desc"`},
		`[1, "a"]`:                              {`E308 ["a"] item 2 is string`},
		`true ? 1 : "a"`:                        {`E308 [true ? 1 : "a"] different types: integer and string`},
		`params.ask_above ?? "x"`:               {"W321 [params.ask_above] never absent", `E308 [params.ask_above ?? "x"] must be of one type`},
		`incident.created_at < "2026-01-01"`:    {`E308 ["2026-01-01"] has no order`},
		`params.window > incident.created_at`:   {"E310 [params.window > incident.created_at] cannot be compared"},
		`reduce(evidence.files, .name, 0)`:      {"E308 [.name] the answer is string, but #acc begins as integer"},
		`reduce([1], [#acc], [1])`:              {"E308 [[#acc]] both must be of one type"},
		`take((file.shared and file.shared), 0)`: {
			"W320 [file.shared and file.shared] both sides", "E308 [file.shared and file.shared] needs a list, not boolean",
		},
		`reduce(evidence.files, concat(#acc, [.name]), [true])`: {"E308 [[.name]] does not go with [boolean]"},
		`#acc`:                            {"E301 [#] stand only inside any()"},
		`map([1], #last)`:                 {"E303 [#last] unknown name `#last`"},
		`duration("4x")`:                  {`E316 ["4x"] is no duration`},
		`size("10 apples")`:               {`E316 ["10 apples"] is no size`},
		`date("soon")`:                    {`E316 ["soon"] is no date`},
		`int("x")`:                        {`E316 ["x"] is no whole number`},
		`"a" matches "(a{100}){100}"`:     {`E316 ["(a{100}){100}"] invalid repeat count`},
		`in_cidr("10.0.0.1", "10.0.0.0")`: {`E316 ["10.0.0.0"] is no network`},
		`params.ask_above % 0`:            {"E316 [params.ask_above % 0] division by zero"},
		// Comparisons.
		`"10" > 9`:                                  {`E308 ["10"] has no order`},
		`"10" == 9`:                                 {`E310 ["10" == 9] without quotes`},
		`file.shared == "false"`:                    {`E310 [file.shared == "false"] true and false are written without quotes`},
		`incident.tags == "x"`:                      {`E310 [incident.tags == "x"] in list`},
		`incident.severity == "hgih"`:               {`E311 ["hgih"] did you mean "high"?`},
		`"High" != incident.severity`:               {`E311 ["High"] did you mean "high"?`},
		`incident.severity in ["high", "critical"]`: {`E311 ["critical"] known: informational, low, medium, high`},
		`"microsoftDataLossPrevention" in incident.service_sources`: {`E311 ["microsoftDataLossPrevention"] did you mean "dataLossPrevention"?`},
		`any(file.permissions, .scope == incident.severity)`:        {"E310 [.scope == incident.severity] no value in common"},
		`incident.severity >= "medium"`:                             {"E308 [incident.severity] name the values"},
		`incident.title in "abc"`:                                   {`E308 [incident.title in "abc"] write "abc" contains incident.title`},
		`file.label == file.label`:                                  {"W320 [file.label == file.label] both sides"},
		`file.shared and file.shared`:                               {"W320 [file.shared and file.shared] both sides"},
		`incident.title != nil`:                                     {"W321 [incident.title != nil] never absent"},
		// Absent values.
		`file.label contains "x"`:            {"E312 [file.label] test `file.label != nil and …` before"},
		`file.size > 3`:                      {"E312 [file.size] may be absent"},
		`file.stale`:                         nil,
		`file.stale and true`:                {"E312 [file.stale] write file.stale == true"},
		`file.label in ["x"]`:                {"E312 [file.label] may be absent"},
		`owner.upn`:                          {"E312 [owner] may be absent"},
		`steps.access.total`:                 {"E312 [steps.access] the step `access` may not have run"},
		`codes["a"] + 1`:                     {`E312 [codes["a"]] may be absent`},
		`first(evidence.files).name`:         {"E312 [first(evidence.files)] may be absent"},
		`nil + 1`:                            {"E312 [nil] can only be compared"},
		`map(evidence.files, lower(.label))`: {"E312 [.label] may be absent"},
		`file.label != nil or file.label contains "x"`:                                                 {"E312 [file.label] may be absent"},
		`file.label == nil and file.label contains "x"`:                                                {"E312 [file.label] may be absent"},
		`not (file.label == nil or file.size == nil) and file.size > 1 and file.label == "x"`:          nil,
		`file.label != nil and file.label contains "x"`:                                                nil,
		`file.label == nil or file.label contains "x"`:                                                 nil,
		`file.label == "Secret" and file.label contains "x"`:                                           nil,
		`file.label != nil ? file.label contains "x" : false`:                                          nil,
		`if file.label == nil { "" } else { lower(file.label) }`:                                       nil,
		`let l = file.label; l != nil and l contains "x"`:                                              nil,
		`let l = file.label ?? ""; l contains "x"`:                                                     nil,
		`owner?.upn != nil and external(owner.upn)`:                                                    nil,
		`first(evidence.files) != nil and first(evidence.files).shared`:                                nil,
		`all(evidence.files, .label != nil and .label contains "x")`:                                   nil,
		`map(filter(map(evidence.files, .label), # != nil), lower(#))`:                                 nil,
		`any(evidence.users, .upn != nil and any(evidence.files, .name contains (.label ?? "")))`:      nil,
		`any(evidence.users, {let u = #; u.upn != nil and any(evidence.files, .name contains u.upn)})`: nil,
		`any(evidence.users, .upn != nil and any(evidence.users, external(.upn)))`:                     {"E312 [.upn] may be absent"},
		// Lists.
		`evidence.files[0].name`:                                   {"E313 [evidence.files[0]] first(evidence.files)"},
		`evidence.files[-1].name`:                                  {"E313 [evidence.files[-1]] may have too few"},
		`incident.tags[len(incident.tags) - 1]`:                    {"E313 [incident.tags[len(incident.tags) - 1]] computed index"},
		`len(incident.tags) > 0 and incident.tags[1] == "x"`:       {"E313 [incident.tags[1]] may have too few"},
		`len(incident.tags) > 1 and incident.tags[1] == "x"`:       nil,
		`len(incident.tags) == 0 or incident.tags[0] == "x"`:       nil,
		`0 < len(incident.tags) and incident.tags[-1] == "x"`:      nil,
		`any(incident.tags, # == "x") and incident.tags[0] == "x"`: nil,
		`batch[0].name + first(batch).name`:                        nil,
		`map(groupBy(evidence.files, .name)["a"] ?? [], .id)`:      nil,
		`values(groupBy(evidence.files, .name)) | map(#[0].name)`:  nil,
		// What people trip over.
		`not "x" in incident.tags`:                                               {`E308 [not "x"] write "x" not in incident.tags`},
		`!incident.title contains "x"`:                                           {`E308 [!incident.title] write incident.title not contains "x"`},
		`not params.ask_above > 3`:                                               {"E308 [not params.ask_above] write not (params.ask_above > 3)"},
		`incident.tags contains "x"`:                                             {`E308 [incident.tags contains "x"] write "x" in incident.tags`},
		`map(evidence.files, {n: .id})`:                                          {"E301 [:] two braces"},
		`evidence.files.name`:                                                    {"E304 [name] map(evidence.files, .name)"},
		`join(map(filter(evidence.files, .label != nil), .label))`:               nil,
		`join(map(filter(evidence.files, .label != nil or .shared), .label))`:    {"E308 [map(filter(evidence.files, .label != nil or .shared), .label)] expected [string]"},
		`(find(evidence.files, .label != nil)?.label ?? "") + file.name`:         nil,
		`concat(filter(evidence.files, .label != nil), evidence.files)[0].label`: {"E313 [concat(filter(evidence.files, .label != nil), evidence.files)[0]] too few"},
		`label_rank(file.label) > 1`:                                             {"E318 [label_rank(file.label)] labels: [Public"},
		`format(now(), "Berlin")`:                                                {`E316 ["Berlin"] write it as Europe/Berlin`},
		`format(now(), "Local")`:                                                 {`E316 ["Local"] is no time zone`},
		`table(evidence.files, ["nam", "permissions"])`:                          {`E304 ["nam"] did you mean `, `E308 ["permissions"] cannot stand in a table`},
		`table(evidence.files, evidence.users)`:                                  {"E315 [evidence.users] must be written"},
		`table(file, ["name"])`:                                                  {"E308 [file] needs a list"},
		`file.shared and evidence.files | any(.shared)`:                          {"E308 [evidence.files] write any(evidence.files, …)"},
		`any(evidence.files, any(.permissions, .shared))`:                        {"E304 [shared] name the outer one"},
		`incident.severity = "high"`:                                             {"E301 [=] compare with =="},
		`.name == "x"`:                                                           {"E301 [.] stand only inside any()"},
		`1 +`:                                                                    {"E301 [+] ends too early"},
		``:                                                                       {"E301 [] is empty"},
		"file.name == 'a\u202eb'":                                                {"E301 [\u202e] U+202E cannot be seen"},
	} {
		_, problems := Compile(src, incidentScope().WithLabels([]string{}), Type{})
		ok := len(problems) == len(want)
		for i, p := range problems {
			seen[p.Code] = true
			marked := ""
			if runes := []rune(src); p.To <= len(runes) {
				marked = string(runes[p.From:p.To])
			}
			if !ok {
				break
			}
			head, said, _ := strings.Cut(want[i], "] ")
			ok = head == p.Code+" ["+marked && strings.Contains(p.Message+" "+p.Hint, said)
		}
		if !ok {
			t.Errorf("%s\n got %s\nwant %q", src, problemText(problems), want)
		}
	}
	for code := range ProblemCodes() {
		if !seen[code] {
			t.Errorf("%s is never reported", code)
		}
	}
	for code := range seen {
		if ProblemCodes()[code] == "" {
			t.Errorf("%s has no title", code)
		}
	}
}

// The wish for a type is part of the check.
func TestWantedType(t *testing.T) {
	scope := incidentScope()
	severity, _ := scope.names["incident"].Field("severity")
	fileType, _ := scope.Lookup("file")
	for _, c := range []struct {
		src  string
		want Type
		code string
	}{
		{`len(evidence.files) > 0`, BooleanType(), ""},
		{`evidence.files`, BooleanType(), "E309"},
		{`file.stale`, BooleanType(), "E312"},
		{`file.stale ?? false`, BooleanType(), ""},
		{`body.x`, BooleanType(), ""},
		{`evidence.files`, ListOf(AnyType()), ""},
		{`file`, ListOf(AnyType()), "E314"},
		{`"high"`, severity, ""},
		{`true ? "high" : "low"`, severity, ""},
		{`"urgent"`, severity, "E314"},
		{`incident.title`, severity, "E314"},
		{`file.label ?? "high"`, severity, "E314"},
		{`1`, NumberType(), ""},
		{`1.5`, IntegerType(), "E314"},
		{`file`, Type{kindRef, &typeDef{elem: fileType}}, ""},
		{`file.id`, Type{kindRef, &typeDef{elem: fileType}}, ""},
		{`owner`, Type{kindRef, &typeDef{elem: fileType}}, "E314"},
		{`file.label`, OptionalOf(StringType()), ""},
		{`{id: "x", name: "y"}`, RecordOf("", TypeField{Name: "id", Type: StringType()}, TypeField{Name: "name", Type: OptionalOf(StringType())}), ""},
		{`{name: "y"}`, RecordOf("", TypeField{Name: "id", Type: StringType()}, TypeField{Name: "name", Type: OptionalOf(StringType())}), "E314"},
		{`{id: "x", extra: 1}`, RecordOf("", TypeField{Name: "id", Type: StringType()}), "E314"},
	} {
		_, problems := Compile(c.src, scope, c.want)
		code := ""
		if len(problems) > 0 {
			code = problems[0].Code
		}
		if code != c.code || len(problems) > 1 {
			t.Errorf("%s as %s: got %s, want %q", c.src, c.want, problemText(problems), c.code)
		}
	}
}

// Every part of the type of an expression is what its writing says.
func TestTypes(t *testing.T) {
	for src, want := range map[string]string{
		`first(evidence.files)`:                           "file?",
		`last(evidence.files)?.name`:                      "string?",
		`filter(evidence.files, .shared)`:                 "[file]",
		`map(evidence.files, .label)`:                     "[string?]",
		`map(evidence.files, {{n: .name, l: .label}})`:    "[{n: string, l: string?}]",
		`flatten(map(evidence.files, .permissions))`:      "[permission]",
		`groupBy(evidence.files, .name)`:                  "{string: [file]}",
		`concat(evidence.files, batch)`:                   "[file]",
		`sortBy(evidence.files, .name)`:                   "[file]",
		`find(evidence.files, .shared)`:                   "file?",
		`findIndex(evidence.files, .shared)`:              "integer?",
		`reduce([1, 2], #acc + # * 0.5, 0)`:               "number",
		`reduce(evidence.files, concat(#acc, [.id]), [])`: "[string]",
		`file.label ?? "none"`:                            "string",
		`true ? file.label : nil`:                         "string?",
		`incident.severity`:                               "severity",
		`["a", "b"]`:                                      "[string]",
		`[]`:                                              "[any]",
		`now() - incident.created_at`:                     "duration",
		`params.limit * 2`:                                "integer",
		`body.x.y`:                                        "any",
		`codes.a`:                                         "integer?",
		`max(1, 2.5)`:                                     "number",
		`{a: {b: [1]}}`:                                   "{a: {b: [integer]}}",
	} {
		e, problems := Compile(src, incidentScope(), Type{})
		if got := e.Type().String(); got != want || len(problems) > 0 {
			t.Errorf("%s is %s, want %s %s", src, got, want, problemText(problems))
		}
	}
}

func TestUses(t *testing.T) {
	e := mustCompile(t, `steps.access?.permissions != nil and any(evidence.files, .name == incident.title) and incident.title != "" and batch[0].shared`)
	if got := strings.Join(e.Uses(), " "); got != "steps.access.permissions evidence.files incident.title batch" {
		t.Errorf("uses %s", got)
	}
}

// What an `if` has told holds behind it, until the name means something else.
func TestNarrow(t *testing.T) {
	scope := incidentScope()
	yes := func(s Scope, src string) bool {
		_, problems := Compile(src, s, Type{})
		return len(problems) == 0
	}
	e := mustCompile(t, `steps.access != nil and file.label != nil and len(evidence.files) > 1`)
	then, otherwise := scope.Narrow(e, true), scope.Narrow(e, false)
	for _, src := range []string{`steps.access.total`, `lower(file.label)`, `evidence.files[1].name`} {
		if !yes(then, src) || yes(otherwise, src) || yes(scope, src) {
			t.Errorf("%s: then %v, else %v, before %v", src, yes(then, src), yes(otherwise, src), yes(scope, src))
		}
	}
	absent := mustCompile(t, `file.label == nil or file.size == nil`)
	if after := scope.Narrow(absent, false); !yes(after, `file.size > len(file.label)`) {
		t.Error("behind `if: a == nil or b == nil` + stop, both are there")
	}
	if again := then.With("file", scope.names["file"]); yes(again, `lower(file.label)`) || !yes(again, `steps.access.total`) {
		t.Error("a new value for a name must forget what was known of it, and only that")
	}
	more := then.WithField("steps", "next", StringType())
	if !yes(more, `steps.access.total > len(steps.next)`) {
		t.Error("another field of a record must not make forget")
	}
	if other := then.WithField("steps", "access", OptionalOf(StringType())); yes(other, `len(steps.access)`) {
		t.Error("a new value for a field must make forget")
	}
}
