package playbooks

import (
	"strings"
	"testing"
	"time"
)

// sample is the incident that the examples of the library are about, with its
// types: the manual shows it.
func sample() (Scope, Env) {
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	file := func(name, site string, label, size any, alerts ...any) any {
		return map[string]any{
			"id": "f-" + name, "name": name, "path": site + "/" + name, "site": site, "label": label, "size": size, "alerts": alerts,
		}
	}
	pay, plan := file("pay.xlsx", "/sites/hr", "Secret", 2_000_000, "a-1", "a-2"), file("plan.docx", "/sites/lab", nil, 48_000, "a-2")
	text, maybe := StringType(), OptionalOf(StringType())
	fileType := RecordOf(
		"file", TypeField{Name: "id", Type: text}, TypeField{Name: "name", Type: text}, TypeField{Name: "path", Type: text},
		TypeField{Name: "site", Type: maybe}, TypeField{Name: "label", Type: maybe},
		TypeField{Name: "size", Type: OptionalOf(IntegerType())}, TypeField{Name: "alerts", Type: ListOf(text)},
	)
	scope := NewScope(map[string]Type{
		"incident": RecordOf("incident", TypeField{Name: "created_at", Type: TimeType()}, TypeField{Name: "tags", Type: ListOf(text)},
			TypeField{Name: "comments", Type: ListOf(RecordOf("comment", TypeField{Name: "text", Type: text}))}),
		"evidence": RecordOf("evidence", TypeField{Name: "files", Type: ListOf(fileType)},
			TypeField{Name: "users", Type: ListOf(RecordOf("user", TypeField{Name: "upn", Type: maybe}))}),
		"file": fileType, "ip": RecordOf("ip", TypeField{Name: "address", Type: text}), "numbers": ListOf(IntegerType()),
		"permissions": ListOf(RecordOf("permission", TypeField{Name: "scope", Type: text})),
	}).WithLabels([]string{"General", "Confidential", "Secret"})
	return scope, Env{
		Now: at.Add(25 * time.Hour), OwnDomains: []string{"contoso.example"},
		Names: map[string]any{
			"incident": map[string]any{
				"created_at": at, "tags": []any{"dlp", "pci"},
				"comments": []any{map[string]any{"text": "Seen"}, map[string]any{"text": "Called the owner"}},
			},
			"evidence": map[string]any{"files": []any{pay, plan}, "users": []any{
				map[string]any{"upn": "jo@contoso.example"}, map[string]any{"upn": "eve@fabrikam.example"}, map[string]any{"upn": nil},
			}},
			"file": pay, "ip": map[string]any{"address": "10.1.2.3"}, "numbers": []any{1, 2, 3},
			"permissions": []any{map[string]any{"scope": "anonymous"}, map[string]any{"scope": "internal"}},
		},
	}
}

// What the manual says of a function is so: its example compiles and answers
// what is written beside it.
func TestTheLibraryDoesWhatItsExamplesSay(t *testing.T) {
	scope, env := sample()
	for _, fn := range Library() {
		t.Run(fn.Name, func(t *testing.T) {
			if fn.Doc == "" || !strings.Contains(fn.Signature, "(") || !strings.Contains(fn.Example, fn.Name+"(") {
				t.Errorf("no documentation: %+v", fn)
			}
			e, problems := Compile(fn.Example, scope, Type{})
			if len(problems) > 0 {
				t.Fatalf("%s\n%s", fn.Example, problemText(problems))
			}
			v, err := e.Eval(env)
			if err != nil {
				t.Fatalf("%s: %v", fn.Example, err)
			}
			raw, err := Encode(v)
			if err != nil {
				t.Fatal(err)
			}
			if string(raw) != fn.Result {
				t.Errorf("%s\n\t\t%q: `%s`,", fn.Example, fn.Name, raw)
			}
		})
	}
}

// A table is text that attackers fill: it stays a table, on its lines, and short.
func TestTablesStayTables(t *testing.T) {
	scope := NewScope(map[string]Type{"rows": ListOf(RecordOf(
		"", TypeField{Name: "name", Type: OptionalOf(StringType())}, TypeField{Name: "tags", Type: ListOf(StringType())},
		TypeField{Name: "owner", Type: OptionalOf(RecordOf("", TypeField{Name: "n", Type: IntegerType()}))},
	))})
	e, problems := Compile(`table(rows, ["name", "tags", "owner.n"])`, scope, StringType())
	if len(problems) > 0 {
		t.Fatal(problemText(problems))
	}
	row := func(name any, owner any, tags ...any) any {
		return map[string]any{"name": name, "tags": tags, "owner": owner}
	}
	v, err := e.Eval(Env{Names: map[string]any{"rows": []any{
		row("a|b\r\n| c |\u202e\u2028", map[string]any{"n": 7}, "x", "y"), row(nil, nil), row(strings.Repeat("ä", 200), nil, "z"),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(v.(string), "\n")
	if len(lines) != 5 {
		t.Fatalf("%d lines:\n%s", len(lines), v)
	}
	for _, line := range lines {
		if strings.Count(line, "|") != 4 || len([]rune(line)) != len([]rune(lines[0])) {
			t.Errorf("not three cells, or another width: %s", line)
		}
	}
	if !strings.HasPrefix(lines[2], "| a¦b  ¦ c ¦") || !strings.Contains(lines[2], "| x, y | 7") ||
		!strings.HasPrefix(lines[3], "| –  ") || !strings.Contains(lines[4], "ä… |") {
		t.Errorf("\n%s", v)
	}
	many := make([]any, 2500)
	for i := range many {
		many[i] = row("n", nil)
	}
	if v, err = e.Eval(Env{Names: map[string]any{"rows": many}}); err != nil || !strings.HasSuffix(v.(string), "\nand 1500 more") {
		t.Errorf("%v", err)
	}
}

// Labels are compared whatever their case; none is below all, and an unknown one
// is an error, so that a guard cannot be passed with it.
func TestLabelsHaveTheOperatorsOrder(t *testing.T) {
	scope := NewScope(map[string]Type{"label": OptionalOf(StringType())}).WithLabels([]string{"Public", "Secret"})
	e, problems := Compile(`label_rank(label) >= label_rank("secret")`, scope, BooleanType())
	if len(problems) > 0 {
		t.Fatal(problemText(problems))
	}
	for _, c := range []struct {
		label any
		want  any
	}{{"SECRET", true}, {"Public", false}, {nil, false}, {"Top secret", nil}} {
		v, err := e.Eval(Env{Names: map[string]any{"label": c.label}})
		if v != c.want || (err == nil) == (c.want == nil) {
			t.Errorf("%v: %v, %v", c.label, v, err)
		}
	}
	if _, problems := Compile(`label_rank("Sekret") > 0`, scope, BooleanType()); len(problems) != 1 || problems[0].Code != "E316" ||
		problems[0].Hint != `did you mean "Secret"?` {
		t.Error(problemText(problems))
	}
}

// Where the operator's file is not read, a playbook is checked without the order;
// it does not run so.
func TestLabelsWithoutAnOrderAreNoAnswer(t *testing.T) {
	scope := NewScope(map[string]Type{"label": OptionalOf(StringType())}).WithLabels(nil)
	e, problems := Compile(`label_rank(label) >= 0`, scope, BooleanType())
	if len(problems) > 0 {
		t.Fatal(problemText(problems))
	}
	if v, err := e.Eval(Env{Names: map[string]any{"label": "Public"}}); err == nil || !strings.Contains(err.Error(), "list them in the config") {
		t.Errorf("%v, %v", v, err)
	}
}

// A zone is a rule, not an offset: summer and winter differ.
func TestFormatKnowsSummer(t *testing.T) {
	scope := NewScope(map[string]Type{"at": TimeType(), "zone": StringType()})
	e, _ := Compile(`format(at, zone)`, scope, StringType())
	at := time.Date(2026, 7, 1, 22, 30, 0, 0, time.UTC)
	for zone, want := range map[string]any{
		"Europe/Berlin": "2026-07-02 00:30 CEST", "UTC": "2026-07-01 22:30 UTC", "America/New_York": "2026-07-01 18:30 EDT",
		"Local": nil, "../etc/passwd": nil, "": nil,
	} {
		if v, _ := e.Eval(Env{Names: map[string]any{"at": at, "zone": zone}}); v != want {
			t.Errorf("%s: %v, want %v", zone, v, want)
		}
	}
}
