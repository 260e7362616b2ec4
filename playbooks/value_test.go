package playbooks

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestDecode(t *testing.T) {
	record := RecordOf("thing",
		TypeField{Name: "name", Type: StringType()}, TypeField{Name: "note", Type: OptionalOf(StringType())},
		TypeField{Name: "tags", Type: ListOf(StringType())}, TypeField{Name: "more", Type: MapOf(IntegerType())})
	thing := map[string]any{"name": "x", "note": nil, "tags": []any{}, "more": map[string]any{}}
	for _, c := range []struct {
		t    Type
		raw  string
		want any
	}{
		{IntegerType(), `12`, 12},
		{IntegerType(), `1.2e1`, 12},
		{NumberType(), `12`, 12.0},
		{SizeType(), `"10MiB"`, 10 << 20},
		{SizeType(), `512`, 512},
		{DurationType(), `"30d"`, 30 * 24 * time.Hour},
		{TimeType(), `"2026-03-01T10:00:00+01:00"`, time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)},
		{TimeType(), `"2026-03-01T09:00:00.1234567Z"`, time.Date(2026, 3, 1, 9, 0, 0, 123456700, time.UTC)},
		{EnumOf("e", "a"), `"of tomorrow"`, "of tomorrow"},
		{OptionalOf(StringType()), `null`, nil},
		{ListOf(StringType()), `null`, []any{}},
		{record, `{"name": "x", "unknown": 1}`, thing},
		{AnyType(), `[1, 1.0, 12345678901234567890, 1e999, {"a": null}]`, []any{1, 1.0, "12345678901234567890", "1e999", map[string]any{"a": nil}}},
		{Type{kindRef, &typeDef{elem: record}}, `"id"`, "id"},
		{Type{kindRef, &typeDef{elem: record}}, `{"name": "x"}`, thing},
	} {
		got, err := c.t.Decode(json.RawMessage(c.raw))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s as %s: got %#v, %v", c.raw, c.t, got, err)
		}
	}
}

func TestDecodeNamesThePath(t *testing.T) {
	inner := RecordOf("", TypeField{Name: "n", Type: IntegerType()})
	outer := RecordOf("", TypeField{Name: "list", Type: ListOf(inner)}, TypeField{Name: "on", Type: OptionalOf(BooleanType())})
	for raw, want := range map[string]string{
		`{"list": [{"n": 1}, {"n": "2"}]}`:        "list[1].n: is a string; expected integer",
		`{"list": [{}]}`:                          "list[0].n: is missing; expected integer",
		`{"list": [{"n": 1.5}]}`:                  "list[0].n: 1.5 is not a whole number",
		`{"list": [{"n": 1e400}]}`:                "list[0].n: 1e400 is not a whole number",
		`{"list": [{"n": 12345678901234567890}]}`: "is not a whole number of 64 bits",
		`{"list": {}}`:                            "list: is a record; expected [{n: integer}]",
		`{"list": [], "on": "false"}`:             "on: is a string; expected boolean",
		`{"list": [], "on": 0}`:                   "on: is a number; expected boolean",
		`[]`:                                      "the value: is a list; expected {list:",
		`{"list": [`:                              "not JSON",
		`{} {}`:                                   "more than one value",
	} {
		if v, err := outer.Decode(json.RawMessage(raw)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, %v\nwant %q", raw, v, err, want)
		}
	}
	for _, c := range []struct {
		t   Type
		raw string
	}{
		{TimeType(), `"tomorrow"`},
		{TimeType(), `"2026-03-01"`},
		{DurationType(), `24`},
		{DurationType(), `"24"`},
		{SizeType(), `"10 apples"`},
		{SizeType(), `"-"`},
		{BooleanType(), `"true"`},
		{DurationType(), `"999999999d"`},
	} {
		if v, err := c.t.Decode(json.RawMessage(c.raw)); err == nil {
			t.Errorf("%s as %s is %v", c.raw, c.t, v)
		}
	}
}

func TestEncode(t *testing.T) {
	raw, err := Encode(map[string]any{
		"b": []any{1, 1.0, 2.5, nil, true}, "a": "<\"\u2028\n\x01", "d": 90 * time.Minute,
		"t": time.Date(2026, 3, 1, 10, 0, 0, 0, time.FixedZone("", 3600)),
	})
	want := `{"a":"<\"\u2028\n\u0001","b":[1,1.0,2.5,null,true],"d":"1h30m0s","t":"2026-03-01T09:00:00Z"}`
	if err != nil || string(raw) != want || !json.Valid(raw) {
		t.Errorf("got %s, %v", raw, err)
	}
	cycle := map[string]any{}
	cycle["self"] = cycle
	for _, bad := range []any{struct{}{}, []string{"x"}, int64(1), cycle, time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if raw, err := Encode([]any{bad}); err == nil {
			t.Errorf("%T became %s", bad, raw)
		}
	}
}

func TestParseDurationAndSize(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"30s": 30 * time.Second, "1d12h": 36 * time.Hour, "1.5h": 90 * time.Minute, "2w": 14 * 24 * time.Hour,
		"-4h0m0s": -4 * time.Hour, "0": 0, "0s": 0, "250ms": 250 * time.Millisecond, "2562047h47m16.854775807s": 1<<63 - 1,
	} {
		if got, err := ParseDuration(s); err != nil || got != want {
			t.Errorf("%s is %s, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "-", "30", "h", "1x", "1h ", "1 h", "1..5h", "300000000h", "1e3s", "--1h", "١h"} {
		if got, err := ParseDuration(s); err == nil {
			t.Errorf("%q is %s", s, got)
		}
	}
	for s, want := range map[string]int{"512": 512, "1KiB": 1024, "1.5GB": 1_500_000_000, "10MiB": 10 << 20} {
		if got, err := ParseSize(s); err != nil || got != want {
			t.Errorf("%s is %d, %v", s, got, err)
		}
	}
	if got, err := ParseSize("9999999TiB"); err == nil {
		t.Errorf("too large a size is %d", got)
	}
}
