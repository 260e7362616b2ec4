package history

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"testing/quick"

	"stanch/engine"
)

func text(t *testing.T, lines ...Line) string {
	t.Helper()
	var b strings.Builder
	for _, l := range lines {
		j, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(j, '\n'))
	}
	return b.String()
}

func TestRead(t *testing.T) {
	b := two(2)
	for i := range b.lines {
		b.lines[i].Node = "w"
	}
	whole := text(t, b.lines...)
	got, err := Read(strings.NewReader(whole))
	if err != nil || !reflect.DeepEqual(got, b.lines) {
		t.Fatalf("what was written is read as %+v, %v", got, err)
	}
	first := strings.Index(whole, "\n") + 1
	for cut := range first {
		lines, err := Read(strings.NewReader(whole[:first] + whole[:cut]))
		if err != nil || len(lines) > 2 || len(lines) == 2 && cut < first-1 {
			t.Fatalf("a line torn after %d bytes: %d lines, %v", cut, len(lines), err)
		}
		if lines, err = Read(strings.NewReader(whole[:cut] + whole)); err != nil || len(lines) < len(b.lines) {
			t.Fatalf("another process writes behind a line torn after %d bytes: %d lines, %v", cut, len(lines), err)
		}
	}
	for _, bad := range []string{"garbage", `{"node":1}`, `{}`, `{"node":"w","life":"a","n":1,"ev":"begin","at":1,"unknown":1}`, strings.TrimSpace(whole[:first]) + " more"} {
		_, err := Read(strings.NewReader(whole[:first] + bad + "\n" + whole))
		if err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%q is read: %v", bad, err)
		}
	}
	if _, err := Read(strings.NewReader(whole + "garbage")); err == nil {
		t.Error("garbage at the end is read")
	}
}

func TestMerge(t *testing.T) {
	line := func(node string, n, at int64, end string) Line { return Line{Node: node, N: n, At: at, End: end} }
	got := Merge(
		[]Line{line("a", 1, 10, ""), line("a", 1, 20, OK), line("a", 2, 15, ""), line("a", 2, 40, OK)},
		[]Line{line("b", 1, 20, ""), line("b", 1, 30, OK)},
	)
	var order []string
	for _, l := range got {
		order = append(order, l.Node+l.End)
	}
	if s := strings.Join(order, " "); s != "a a b aok bok aok" {
		t.Errorf("the order is %s", s)
	}
}

func TestChildrenAreReadAsWritten(t *testing.T) {
	outcomes := []string{"succeeded", "failed", "skipped"}
	err := quick.Check(func(steps []uint8) bool {
		var ended []engine.Ended
		var want []child
		index := 0
		for _, s := range steps {
			index += 1 + int(s>>6)%2*int(s%5)
			ended = append(ended, engine.Ended{Index: index, Outcome: outcomes[s%3]})
			want = append(want, child{index, outcomes[s%3]})
		}
		got, err := readChildren(writeChildren(ended))
		return err == nil && reflect.DeepEqual(got, want)
	}, nil)
	if err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"@x", "failed*0", "failed*x"} {
		if _, err := readChildren(bad); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}
