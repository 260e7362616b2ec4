package lsp

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf16"

	"pgregory.net/rapid"

	"stanch/playbooks"
)

// A position that the editor names is the same place in the text, whatever
// letters stand before it, and an edit changes that place and no other.
func TestPositionsCountUTF16Units(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letters := rapid.SampledFrom([]rune("ab \n🙂ßé—𝄞"))
		text := string(rapid.SliceOfN(letters, 0, 60).Draw(t, "text"))
		d := &document{}
		d.set(1, text)
		runes := []rune(text)
		place := func(n int) position { // counted the slow way
			line := strings.Count(string(runes[:n]), "\n")
			begin := n
			for begin > 0 && runes[begin-1] != '\n' {
				begin--
			}
			return position{line, len(utf16.Encode(runes[begin:n]))}
		}
		from := rapid.IntRange(0, len(runes)).Draw(t, "from")
		to := rapid.IntRange(from, len(runes)).Draw(t, "to")
		if got := d.offset(place(from)); got != len(string(runes[:from])) {
			t.Fatalf("offset %d, want %d", got, len(string(runes[:from])))
		}
		if got := d.position(d.place(place(from))); got != place(from) {
			t.Fatalf("there and back: %v, want %v", got, place(from))
		}
		with := rapid.SampledFrom([]string{"", "x", "🙂\n", "ß"}).Draw(t, "with")
		d.change(textRange{place(from), place(to)}, with)
		if want := string(runes[:from]) + with + string(runes[to:]); d.text != want {
			t.Fatalf("%q, want %q", d.text, want)
		}
	})
}

// Positions outside of the text are its nearest places.
func TestPositionsOutsideOfTheText(t *testing.T) {
	d := &document{}
	d.set(1, "ab\r\ncd")
	for p, want := range map[position]int{
		{0, 99}: 2, {1, 99}: 6, {99, 0}: 6, {-1, 5}: 0, {0, -7}: 0,
	} {
		if got := d.offset(p); got != want {
			t.Errorf("%v is at %d, want %d", p, got, want)
		}
	}
	d.change(textRange{position{1, 1}, position{0, 1}}, "x") // the end before the start
	if d.text != "ab\r\ncxd" {
		t.Errorf("%q", d.text)
	}
}

// A file that is far too long gets its finding, and the server goes on.
func TestHugeDocumentsAreRefusedNotRead(t *testing.T) {
	huge := "playbook: huge\nsteps:\n" + strings.Repeat("  - {stop: [[[[\n", 300_000)
	out := talk(t, []string{
		`{"id": 1, "method": "initialize", "params": {}}`,
		fmt.Sprintf(`{"method": "textDocument/didOpen", "params": {"textDocument": {"uri": "file:///huge.yaml", "version": 1, "text": %s}}}`, quoted(huge)),
		`{"id": 2, "method": "textDocument/hover", "params": {"textDocument": {"uri": "file:///huge.yaml"}, "position": {"line": 9000, "character": 6}}}`,
		`{"id": 3, "method": "textDocument/completion", "params": {"textDocument": {"uri": "file:///huge.yaml"}, "position": {"line": 9000, "character": 6}}}`,
		`{"id": 4, "method": "shutdown"}`,
		`{"method": "exit"}`,
	}, nil)
	all := strings.Join(out, "\n")
	for _, want := range []string{`"code":"E101"`, `"id":2,"result":null`, `"id":3,"result":[]`, `"id":4,"result":null`} {
		if !strings.Contains(all, want) {
			t.Errorf("%s is not in %.600s", want, all)
		}
	}
}

func quoted(s string) string {
	raw, _ := json.Marshal(s)
	return string(raw)
}

// talk plays messages to a server and answers what it said.
func talk(t *testing.T, messages []string, want error) []string {
	t.Helper()
	var in strings.Builder
	for _, m := range messages {
		fmt.Fprintf(&in, "Content-Length: %d\r\n\r\n%s", len(m), m)
	}
	r, w := io.Pipe()
	said := make(chan []string)
	go func() {
		var all []string
		buffered := bufio.NewReader(r)
		for {
			body, err := readMessage(buffered)
			if err != nil {
				said <- all
				return
			}
			all = append(all, string(body))
		}
	}()
	err := Serve(t.Context(), strings.NewReader(in.String()), w, Options{World: func([]string) playbooks.World { return playbooks.World{} }})
	if !errors.Is(err, want) {
		t.Errorf("ended with %v, want %v", err, want)
	}
	_ = w.Close()
	return <-said
}

// FuzzServe sends any bytes: the server ends, and never panics.
func FuzzServe(f *testing.F) {
	for _, m := range []string{
		`{"id": 1, "method": "initialize", "params": {}}`, `{"method": "exit"}`, `{}`, `[]`, `{"id": {}, "method": 1}`,
		`{"id": 1, "method": "textDocument/hover", "params": {"position": {"line": 1e9}}}`,
	} {
		f.Add([]byte(fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(m), m)))
	}
	f.Add([]byte("Content-Length: -1\r\n\r\n"))
	f.Add([]byte("Content-Length: 99999999999\r\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		_ = Serve(t.Context(), strings.NewReader(string(in)), io.Discard, Options{World: func([]string) playbooks.World { return playbooks.World{} }})
	})
}
