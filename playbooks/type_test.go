package playbooks

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"stanch/actions"
)

type testColor string

func (testColor) Values() []string { return []string{"red", "green"} }

type testNode struct {
	Name     string     `json:"name" doc:"What it is called."`
	Next     *testNode  `json:"next"`
	Children []testNode `json:"children,omitempty"`
}

type testBase struct {
	ID string `json:"id"`
}

type testParams struct {
	testBase
	File    actions.Ref[testNode] `json:"file" entity:"file"`
	Color   testColor             `json:"color"`
	Note    string                `json:"note,omitempty"`
	At      time.Time             `json:"at,omitzero"`
	Wait    time.Duration         `json:"wait"`
	Count   int64                 `json:"count"`
	Share   float64               `json:"share"`
	On      *bool                 `json:"on"`
	Raw     json.RawMessage       `json:"raw"`
	Any     any                   `json:"any"`
	Map     map[string]int        `json:"map"`
	Mode    string                `json:"mode" enum:"a,b"`
	Modes   []string              `json:"modes" enum:"a,b"`
	Bytes   []byte                `json:"bytes"`
	Hidden  string                `json:"-"`
	private int
}

func TestTypeOf(t *testing.T) {
	p := TypeOf(reflect.TypeFor[testParams]())
	want := map[string]string{
		"id": "string", "file": "test_node or string", "color": "test_color", "note": "string?", "at": "time?",
		"wait": "duration", "count": "integer", "share": "number", "on": "boolean?", "raw": "any", "any": "any",
		"map": "{string: integer}", "mode": `"a" | "b"`, "modes": `["a" | "b"]`, "bytes": "string",
	}
	if len(p.Fields()) != len(want) || p.String() != "test_params" {
		t.Errorf("%s has %d fields, want %d", p, len(p.Fields()), len(want))
	}
	for name, text := range want {
		if ft, ok := p.Field(name); !ok || ft.String() != text {
			t.Errorf("%s is %s, want %s", name, ft, text)
		}
	}
	if c, _ := p.Field("color"); strings.Join(c.Values(), " ") != "red green" {
		t.Errorf("color has the values %v", c.Values())
	}
	n := TypeOf(reflect.TypeFor[testNode]())
	if n.Fields()[0].Doc != "What it is called." {
		t.Errorf("doc is %q", n.Fields()[0].Doc)
	}
	next, _ := n.Field("next")
	if inner, _ := next.Present().Field("next"); inner.String() != "test_node?" {
		t.Errorf("a record within itself is %s", inner)
	}
	if again := TypeOf(reflect.TypeFor[testNode]()); !again.Equal(n) || !again.Fits(n) {
		t.Error("a Go type read twice is not the same type")
	}
	_ = testParams{private: 0}
}

func TestNamedType(t *testing.T) {
	for _, name := range []string{"string", "integer", "number", "boolean", "time", "duration", "size", "any"} {
		if got, ok := NamedType(name); !ok || got.String() != name {
			t.Errorf("%s is %s, %v", name, got, ok)
		}
	}
	for _, name := range []string{"", "list", "nil", "text", "optional", "unknown"} {
		if got, ok := NamedType(name); ok {
			t.Errorf("%q is %s", name, got)
		}
	}
}

func TestFits(t *testing.T) {
	str, num, whole := StringType(), NumberType(), IntegerType()
	low := EnumOf("level", "low", "high")
	for _, c := range []struct {
		t, u Type
		want bool
	}{
		{whole, num, true},
		{num, whole, false},
		{SizeType(), whole, true},
		{whole, SizeType(), true},
		{low, str, true},
		{str, low, false},
		{literalType("low"), low, true},
		{literalType("mid"), low, false},
		{str, OptionalOf(str), true},
		{OptionalOf(str), str, false},
		{Type{kind: kindNil}, OptionalOf(str), true},
		{ListOf(whole), ListOf(num), true},
		{ListOf(OptionalOf(str)), ListOf(str), false},
		{ListOf(str), NonEmptyListOf(str), false},
		{NonEmptyListOf(str), ListOf(str), true},
		{AnyType(), str, true},
		{str, AnyType(), true},
		{str, Type{}, true},
		{RecordOf("", TypeField{Name: "a", Type: whole}), MapOf(num), true},
		{RecordOf("", TypeField{Name: "a", Type: str}), MapOf(num), false},
		{TimeType(), DurationType(), false},
		{MapOf(str), RecordOf(""), false},
	} {
		if got := c.t.Fits(c.u); got != c.want {
			t.Errorf("%s fits %s: %v", c.t, c.u, got)
		}
	}
}

func TestNearest(t *testing.T) {
	for name, want := range map[string]string{
		"titel": "title", "Title": "title", "assignedTo": "assigned_to", "severty": "severity", "x": "", "quarantine": "",
	} {
		if got := Nearest(name, []string{"title", "severity", "assigned_to", "tags"}); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
