package incident

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

// lists fails for a nil list anywhere in the incident.
func lists(t testing.TB, i Incident) {
	t.Helper()
	var check func(v reflect.Value, path string)
	check = func(v reflect.Value, path string) {
		switch v.Kind() {
		case reflect.Slice:
			if v.IsNil() {
				t.Errorf("%s is nil", path)
			}
			for n := range v.Len() {
				check(v.Index(n), path+"[]")
			}
		case reflect.Struct:
			if v.Type() == reflect.TypeFor[time.Time]() {
				return
			}
			for f := range v.NumField() {
				check(v.Field(f), path+"."+v.Type().Field(f).Name)
			}
		}
	}
	check(reflect.ValueOf(i), "incident")
}

// FuzzFromGraph: no body makes the mapping panic, the same body gives the same
// incident, its lists are there, and its JSON reads back as it.
func FuzzFromGraph(f *testing.F) {
	files, err := filepath.Glob("testdata/graph_security_*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var list struct{ Value []json.RawMessage }
		if err := json.Unmarshal(body, &list); err != nil {
			f.Fatal(err)
		}
		for _, v := range list.Value {
			f.Add([]byte(v))
		}
	}
	types, base, enums := wireTypes(f)
	g := generator{types: types, base: base, enums: enums}
	for name := range types {
		if base[name] == "self.alertEvidence" {
			e := g.object(name, 3)
			e["@odata.type"] = "#microsoft.graph.security." + name
			f.Add(withEvidence(f, e))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		i, err := FromGraph(body)
		if err != nil {
			return
		}
		lists(t, i)
		again, err := FromGraph(body)
		if err != nil || !reflect.DeepEqual(i, again) {
			t.Fatalf("mapped again: %v\n%s\n%s", err, encode(i), encode(again))
		}
		text, err := json.Marshal(i)
		if err != nil {
			t.Fatal(err)
		}
		var back Incident
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(i, back) {
			t.Fatalf("after a round trip:\n%s\n%s", text, encode(back))
		}
		if changes := Diff(i, back, nil); len(changes) > 0 {
			t.Fatalf("differs from itself: %+v", changes)
		}
		if source, native, err := ParseID(i.ID); err != nil || NewID(source, native) != i.ID {
			t.Fatalf("id %q: %v", i.ID, err)
		}
	})
}
