package incident

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// What Microsoft documents of an incident is in the model, or stands in
// testdata/lost with the reason why it is not. A value counts as mapped when
// another value in its place gives another incident, or an error.
func TestStatedLoss(t *testing.T) {
	for _, file := range sampleFiles(t) {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			lost := map[string]bool{}
			for _, sample := range samples(t, file) {
				l := loss{root: sample, mapped: map[string]bool{}, met: map[string]int{}}
				l.base = l.outcome()
				l.walk(sample, "", func(v any) { panic("the root is not varied") })
				for path := range l.met {
					if !l.mapped[path] {
						lost[path] = true
					}
				}
			}
			stated := statedLoss(t, filepath.Join("testdata/lost", name+".txt"))
			for _, path := range slices.Sorted(maps.Keys(lost)) {
				if stated[path] == "" {
					t.Errorf("%s is not in the model and no reason is stated", path)
				}
			}
			for _, path := range slices.Sorted(maps.Keys(stated)) {
				if !lost[path] {
					t.Errorf("%s is stated as lost, but is in the model or not in the sample", path)
				}
			}
		})
	}
}

// sampleFiles are Microsoft's samples and the incidents of our examples.
func sampleFiles(t *testing.T) []string {
	t.Helper()
	documented, err := filepath.Glob("testdata/graph_security_*.json")
	if err != nil || len(documented) != 4 {
		t.Fatalf("want 4 samples, got %d (%v)", len(documented), err)
	}
	ours, err := filepath.Glob("../../examples/fixtures/*.json")
	if err != nil || len(ours) < 3 {
		t.Fatalf("want 3 fixtures or more, got %d (%v)", len(ours), err)
	}
	return append(documented, ours...)
}

// Our examples map whole: every item in a list of its kind, every file at a
// place that an action can find, every incident with its policy.
func TestFixturesMapWhole(t *testing.T) {
	for _, file := range sampleFiles(t)[4:] {
		for _, sample := range samples(t, file) {
			i := mustMap(t, marshal(t, sample))
			lists(t, i)
			if len(i.Policies) == 0 || len(i.Alerts) == 0 || len(i.Evidence.Files) == 0 || len(i.Evidence.Users) == 0 {
				t.Errorf("%s: policies %q, %d alerts, %d files, %d users", file, i.Policies, len(i.Alerts), len(i.Evidence.Files), len(i.Evidence.Users))
			}
			if len(i.Evidence.Other) > 0 || len(i.Conflicts) > 0 {
				t.Errorf("%s: other %s, conflicts %s", file, encode(i.Evidence.Other), encode(i.Conflicts))
			}
			for _, f := range i.Evidence.Files {
				if f.URL == nil && (f.DeviceID == nil || f.Path == nil) {
					t.Errorf("%s: nobody can find the file %s", file, f.ID)
				}
			}
		}
	}
}

// samples reads the incidents of a sample file; an alert stands in an incident
// of its own.
func samples(t *testing.T, file string) []map[string]any {
	t.Helper()
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	root := decode(t, body)
	list, isList := root["value"].([]any)
	if !isList {
		list = []any{root}
	}
	var found []map[string]any
	for _, v := range list {
		o := v.(map[string]any)
		if strings.HasSuffix(o["@odata.type"].(string), ".alert") {
			o = map[string]any{"id": "1", "alerts": []any{o}}
		}
		found = append(found, o)
	}
	return found
}

func decode(t *testing.T, body []byte) map[string]any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var root map[string]any
	if err := dec.Decode(&root); err != nil {
		t.Fatal(err)
	}
	return root
}

func statedLoss(t *testing.T, file string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	stated := map[string]string{}
	for line := range strings.Lines(string(text)) {
		path, reason, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if path == "" || strings.TrimSpace(reason) == "" {
			t.Fatalf("%s: want path, tab, reason in %q", file, line)
		}
		stated[path] = reason
	}
	return stated
}

// loss finds the paths of root whose values the mapping does not look at.
type loss struct {
	root   map[string]any
	base   string
	met    map[string]int // how often
	mapped map[string]bool
}

// enough is how many values of one path are varied: one of many alike says as
// much as all.
const enough = 8

func (l *loss) outcome() string {
	body, err := json.Marshal(l.root)
	if err != nil {
		return err.Error()
	}
	i, err := FromGraph(body)
	if err != nil {
		return err.Error()
	}
	return string(encode(i))
}

// walk varies every leaf below v, which set replaces.
func (l *loss) walk(v any, path string, set func(any)) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			l.walk(value, strings.TrimPrefix(path+"."+key, "."), func(n any) { v[key] = n })
		}
		return
	case []any:
		for i, value := range v {
			l.walk(value, path+"["+evidenceKind(value)+"]", func(n any) { v[i] = n })
		}
		if len(v) > 0 {
			return
		}
	}
	if l.met[path]++; l.mapped[path] || l.met[path] > enough {
		return
	}
	for _, other := range variations(v) {
		set(other)
		if l.outcome() != l.base {
			l.mapped[path] = true
		}
	}
	set(v)
}

func evidenceKind(v any) string {
	o, _ := v.(map[string]any)
	kind, _ := o["@odata.type"].(string)
	kind = strings.TrimPrefix(kind, "#microsoft.graph.security.")
	if strings.HasSuffix(kind, "Evidence") {
		return kind
	}
	return ""
}

func variations(v any) []any {
	switch v := v.(type) {
	case string:
		if at, err := time.Parse(time.RFC3339Nano, v); err == nil {
			return []any{at.Add(time.Hour).Format(time.RFC3339Nano)}
		}
		return []any{v + "x"}
	case json.Number:
		return []any{json.Number(v.String() + "1")}
	case bool:
		return []any{!v}
	case nil:
		return []any{"x", json.Number("7"), "2020-01-01T00:00:00Z", []any{"x"}}
	case []any:
		return []any{[]any{"x"}}
	}
	panic(fmt.Sprintf("no variation of %T", v))
}
