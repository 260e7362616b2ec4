package terminal

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
	"pgregory.net/rapid"
)

func TestNothingRemoteReachesTheTerminalRaw(t *testing.T) {
	for in, want := range map[string]string{
		"pay\x1b[31mroll":     `pay\u001b[31mroll`,
		"a\u009b2Jb":          `a\u009b2Jb`,
		"\u202egnp.exe":       `\u202egnp.exe`,
		"bell\a\b\r":          `bell\u0007\u0008\u000d`,
		"bad\xff":             `bad\u00ff`,
		"tag\U000e0041":       `tag\udb40\udc41`,
		"two\nlines\tand tab": "two\nlines\tand tab",
		"Lohn ä 給与 🙂 \ufffd":  "Lohn ä 給与 🙂 \ufffd",
	} {
		if got := Safe(in); got != want {
			t.Errorf("Safe(%q) = %q, want %q", in, got, want)
		}
	}
	if got, want := OneLine("a\r\nb\tc"), `a\u000d\nb\tc`; got != want {
		t.Errorf("OneLine = %q, want %q", got, want)
	}
}

func FuzzSafe(f *testing.F) {
	f.Add("a\x1b\u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		out := Safe(s)
		if !utf8.ValidString(out) {
			t.Fatalf("%q became invalid UTF-8 %q", s, out)
		}
		for _, r := range out {
			if unsafe(r) && r != utf8.RuneError {
				t.Fatalf("%q still has %q", out, r)
			}
		}
		if Safe(out) != out {
			t.Fatalf("%q is not stable", out)
		}
	})
}

func sample() any {
	return []any{
		map[string]any{"id": "r1", "targets": []any{"a", map[string]any{"name": "b: c #d", "empty": []any{}}}, "n": 3.5, "none": nil},
		map[string]any{"title": "\x1b]0;x\x07 <b>\u202e", "yes": true, "nested": []any{[]any{"x"}, []any{}}, "o": map[string]any{}},
	}
}

func TestEveryFormatHoldsTheSameData(t *testing.T) {
	for f, read := range map[Format]func([]byte) (any, error){
		AsJSON: func(b []byte) (v any, err error) { err = json.Unmarshal(b, &v); return v, err },
		AsYAML: func(b []byte) (v any, err error) { err = yaml.Unmarshal(b, &v); return v, err },
		AsJSONL: func(b []byte) (any, error) {
			var all []any
			for line := range strings.Lines(string(b)) {
				var v any
				if err := json.Unmarshal([]byte(line), &v); err != nil {
					return nil, err
				}
				all = append(all, v)
			}
			return all, nil
		},
	} {
		var out bytes.Buffer
		if err := On(&out, noEnv).Data(f, sample()); err != nil {
			t.Fatal(err)
		}
		got, err := read(out.Bytes())
		if err != nil {
			t.Fatalf("%s: %v in\n%s", f, err, out.String())
		}
		if !reflect.DeepEqual(got, sample()) {
			t.Errorf("%s: got %#v from\n%s", f, got, out.String())
		}
		if strings.ContainsAny(out.String(), "\x1b\x07\u202e") {
			t.Errorf("%s: raw control characters in\n%q", f, out.String())
		}
	}
}

func noEnv(string) string { return "" }

// Whatever the data, YAML output reads back as the data.
func TestYAMLReadsBack(t *testing.T) {
	value := rapid.Deferred(func() *rapid.Generator[any] {
		return rapid.OneOf(
			rapid.Custom(func(t *rapid.T) any { return rapid.String().Draw(t, "text") }),
			rapid.Custom(func(t *rapid.T) any { return rapid.Bool().Draw(t, "bool") }),
			rapid.Just[any](nil),
			rapid.Custom(func(t *rapid.T) any {
				return rapid.SliceOfN(rapid.StringMatching(`[a-z:# -]{0,6}`), 0, 3).Draw(t, "list")
			}),
			rapid.Custom(func(t *rapid.T) any {
				return rapid.MapOfN(rapid.StringMatching(`y|no|null|on|[a-z_]{0,9}|[A-Z: #]{1,3}`), rapid.SliceOfN(rapid.Int32(), 0, 2), 0, 3).Draw(t, "map")
			}),
		)
	})
	rapid.Check(t, func(t *rapid.T) {
		in := map[string]any{"v": value.Draw(t, "value"), "w": []any{value.Draw(t, "other")}}
		raw, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		text, err := printYAML(raw)
		if err != nil {
			t.Fatal(err)
		}
		var back any
		if err := yaml.Unmarshal([]byte(text), &back); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		again, err := json.Marshal(back)
		if err != nil {
			t.Fatal(err)
		}
		if string(again) != string(raw) {
			t.Fatalf("%s became %s by\n%s", raw, again, text)
		}
	})
}

func printYAML(raw []byte) (string, error) {
	var b bytes.Buffer
	err := On(&b, noEnv).Data(AsYAML, json.RawMessage(raw))
	return b.String(), err
}

func TestTable(t *testing.T) {
	table := Table{Head: []string{"ID", "TITLE"}}
	table.Add("r1", "給与.xlsx\nshared")
	table.Add(Text{Red, "r22"}, "pay")
	var out bytes.Buffer
	On(&out, noEnv).Table(table)
	if want := "ID   TITLE\nr1   給与.xlsx\\nshared\nr22  pay\n"; out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	out.Reset()
	(&Screen{w: &out, Width: 20}).Table(table)
	if want := "ID r1\nTITLE 給与.xlsx\\nshared\n\nID r22\nTITLE pay\n"; out.String() != want {
		t.Errorf("on 20 columns: got\n%s\nwant\n%s", out.String(), want)
	}
	out.Reset()
	(&Screen{w: &out, Width: 80, Color: true}).Table(table)
	if want := "\x1b[31mr22\x1b[0m  pay\n"; !strings.HasSuffix(out.String(), want) {
		t.Errorf("got %q", out.String())
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestAReaderThatLeavesIsNoError(t *testing.T) {
	for _, err := range []error{syscall.EPIPE, io.ErrClosedPipe} {
		s := On(failing{err}, noEnv)
		s.Printf("hello\n")
		if !s.Gone() || s.Err() != nil {
			t.Errorf("%v: gone %v, err %v", err, s.Gone(), s.Err())
		}
	}
	s := On(failing{syscall.ENOSPC}, noEnv)
	s.Printf("hello\n")
	if s.Gone() || !errors.Is(s.Err(), syscall.ENOSPC) {
		t.Errorf("a full disk: gone %v, err %v", s.Gone(), s.Err())
	}
}

func TestProgress(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	run := func(width int) string {
		var out bytes.Buffer
		s := &Screen{w: &out, Width: width}
		p := &Progress{s: s, what: "files", total: 100, started: at, now: func() time.Time { return at }}
		p.Done(1) // in the first second: silence
		at = at.Add(2 * time.Second)
		p.Done(50)
		p.Done(51) // too soon
		at = at.Add(6 * time.Second)
		p.Done(100)
		s.Printf("done\n")
		p.End()
		return out.String()
	}
	if got, want := run(0), "files: 50 of 100, 25.0/s, 2s left\nfiles: 100 of 100, 12.5/s\ndone\n"; got != want {
		t.Errorf("plain: got %q, want %q", got, want)
	}
	if got, want := run(20), "\r\x1b[Kfiles: 50 of 100, 2\r\x1b[Kfiles: 100 of 100, \r\x1b[Kdone\n"; got != want {
		t.Errorf("terminal: got %q, want %q", got, want)
	}
}
