package engine

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// filled is a value of a type in which nothing is empty, drawn as far as its
// texts, numbers and times go.
func filled(rt *rapid.T, t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	switch {
	case t == reflect.TypeFor[json.RawMessage]():
		v.SetBytes([]byte(rapid.SampledFrom([]string{`{"a":[1,"x"]}`, `"text"`, `null`, `7.5`, `[]`}).Draw(rt, "raw")))
	case t == reflect.TypeFor[time.Time]():
		at := time.Unix(rapid.Int64Range(1, 1<<37).Draw(rt, "s"), rapid.Int64Range(0, 1e9-1).Draw(rt, "ns")).UTC()
		v.Set(reflect.ValueOf(at))
	case t.Kind() == reflect.Struct:
		for i := range t.NumField() {
			if t.Field(i).IsExported() {
				v.Field(i).Set(filled(rt, t.Field(i).Type))
			}
		}
	case t.Kind() == reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		v.Elem().Set(filled(rt, t.Elem()))
	case t == reflect.TypeFor[[]byte]():
		v.SetBytes([]byte("bytes"))
	case t.Kind() == reflect.Slice:
		v.Set(reflect.Append(v, filled(rt, t.Elem())))
	case t.Kind() == reflect.Map:
		v.Set(reflect.MakeMap(t))
		v.SetMapIndex(filled(rt, t.Key()), filled(rt, t.Elem()))
	case t.Kind() == reflect.String:
		v.SetString("x" + rapid.String().Draw(rt, "text"))
	case t.Kind() == reflect.Bool:
		v.SetBool(true)
	case t.Kind() == reflect.Interface:
		v.Set(reflect.ValueOf("any"))
	case t.Kind() == reflect.Float64:
		v.SetFloat(0.5)
	default:
		v.SetInt(rapid.Int64Range(-100, 1<<30).Filter(func(n int64) bool { return n != 0 }).Draw(rt, "number"))
	}
	return v
}

// written checks what is written of a record whose fields are there or not
// against what encoding/json writes.
func written[T any](t *testing.T, always string, write func(T) []byte) {
	rapid.Check(t, func(rt *rapid.T) {
		var record T
		v := reflect.ValueOf(&record).Elem()
		whole := rapid.Bool().Draw(rt, "whole")
		for f, field := range v.Fields() {
			if !f.IsExported() {
				continue
			}
			if whole || f.Name == always || rapid.Bool().Draw(rt, f.Name) {
				field.Set(filled(rt, f.Type))
			}
		}
		want, err := json.Marshal(record)
		if err != nil {
			rt.Fatal(err)
		}
		if got := string(write(record)); got != string(want) {
			rt.Errorf("%T is written\n%s\nand it is\n%s", record, got, want)
		}
	})
}

func TestFactsAreWrittenWhole(t *testing.T) { written(t, "Kind", fact.encode) }
func TestAuditIsWrittenWhole(t *testing.T)  { written(t, "Kind", auditRecord) }
func TestWhatIsNotJSONIsNotWritten(t *testing.T) {
	defer func() {
		if r, _ := recover().(string); !strings.Contains(r, "out is not JSON") {
			t.Errorf("it panics with %q", r)
		}
	}()
	newObject().raw("out", json.RawMessage(`{"a":`))
}
