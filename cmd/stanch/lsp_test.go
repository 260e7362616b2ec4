package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// session plays a recorded editor session against `stanch lsp` and writes what
// the server said to standard output, as `session FILE [CODE]`: CODE is the exit
// code. The lines of the file are
//
//	-> METHOD {PARAMS}   a request; its answer is waited for and written
//	=> METHOD {PARAMS}   a notification
//	>> METHOD {PARAMS}   a request whose answer comes later
//	open FILE            didOpen with the file's text
//	await FILE           the findings of a file are waited for and written
//	answers N            so many answers are waited for and written
//	raw TEXT             bytes as they are
//	close                the stream ends
//
// $URI in params is the folder's URI. Whole answers are long: `only KEY…` lets
// through no other keys of the objects in the answers behind it.
func session(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: session FILE [CODE]")
	}
	want := 0
	if len(args) == 2 {
		code, err := strconv.Atoi(args[1])
		ts.Check(err)
		want = code
	}
	e := startEditor(ts)
	for n, line := range strings.Split(ts.ReadFile(args[0]), "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		if err := e.play(line); err != nil {
			ts.Fatalf("%s:%d: %s: %v\nso far:\n%s\n%s", args[0], n+1, line, err, e.log.String(), e.stderr.String())
		}
	}
	_ = e.in.Close() // may be closed already
	err := e.cmd.Wait()
	if got := e.cmd.ProcessState.ExitCode(); got != want {
		ts.Fatalf("exit code %d (%v), want %d\n%s", got, err, want, e.stderr.String())
	}
	fmt.Fprint(ts.Stdout(), e.log.String())
}

// editor is the client's side of a session.
type editor struct {
	ts      *testscript.TestScript
	cmd     *exec.Cmd
	in      io.WriteCloser
	said    chan map[string]any
	seen    []map[string]any // said, and not yet waited for
	stderr  bytes.Buffer
	log     strings.Builder
	uri     string
	next    int
	version map[string]int
	only    []string
}

func startEditor(ts *testscript.TestScript) *editor {
	e := &editor{ts: ts, said: make(chan map[string]any, 1000), uri: "file://" + ts.MkAbs("."), version: map[string]int{}}
	e.cmd = exec.Command(commandPath(ts, "stanch"), "lsp")
	e.cmd.Dir, e.cmd.Env, e.cmd.Stderr = ts.MkAbs("."), []string{"HOME=" + ts.Getenv("HOME"), "PATH=" + ts.Getenv("PATH")}, &e.stderr
	in, err := e.cmd.StdinPipe()
	ts.Check(err)
	out, err := e.cmd.StdoutPipe()
	ts.Check(err)
	e.in = in
	ts.Check(e.cmd.Start())
	go e.listen(out)
	return e
}

// listen reads what the server says.
func (e *editor) listen(out io.Reader) {
	defer close(e.said)
	r := bufio.NewReader(out)
	for {
		length := 0
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			if line = strings.TrimSpace(line); line == "" {
				break
			}
			if v, ok := strings.CutPrefix(line, "Content-Length: "); ok {
				length, _ = strconv.Atoi(v)
			}
		}
		body := make([]byte, length)
		if _, err := io.ReadFull(r, body); err != nil {
			return
		}
		var m map[string]any
		if json.Unmarshal(body, &m) != nil {
			return
		}
		e.said <- m
	}
}

func (e *editor) play(line string) error {
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "->", ">>":
		e.next++
		e.show("-> " + rest)
		if err := e.send(rest, e.next); err != nil || verb == ">>" {
			return err
		}
		return e.answer(func(m map[string]any) bool { return m["id"] == float64(e.next) })
	case "=>":
		return e.send(rest, 0)
	case "open":
		e.version[rest] = 1
		return e.write(map[string]any{"method": "textDocument/didOpen", "params": map[string]any{
			"textDocument": map[string]any{"uri": e.uri + "/" + rest, "languageId": "yaml", "version": 1, "text": e.ts.ReadFile(rest)},
		}})
	case "await":
		e.show("findings of " + rest)
		return e.answer(func(m map[string]any) bool {
			p, _ := m["params"].(map[string]any)
			return m["method"] == "textDocument/publishDiagnostics" && p["uri"] == e.uri+"/"+rest
		})
	case "answers":
		n, err := strconv.Atoi(rest)
		for ; n > 0 && err == nil; n-- {
			err = e.answer(func(m map[string]any) bool { _, is := m["id"]; return is })
		}
		return err
	case "only":
		e.only = strings.Fields(rest)
		return nil
	case "raw":
		text, err := strconv.Unquote(rest)
		if err == nil {
			_, err = io.WriteString(e.in, text)
		}
		return err
	case "close":
		return e.in.Close()
	}
	return fmt.Errorf("unknown verb %s", verb)
}

func (e *editor) show(line string) { fmt.Fprintln(&e.log, line) }

func (e *editor) send(line string, id int) error {
	method, params, _ := strings.Cut(line, " ")
	m := map[string]any{"method": method}
	if id > 0 {
		m["id"] = id
	}
	if params != "" {
		m["params"] = json.RawMessage(strings.ReplaceAll(params, "$URI", e.uri))
	}
	return e.write(m)
}

func (e *editor) write(m map[string]any) error {
	m["jsonrpc"] = "2.0"
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.in, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return err
}

// answer waits for a message and writes what is in it.
func (e *editor) answer(is func(map[string]any) bool) error {
	patience := time.After(20 * time.Second)
	for i, m := range e.seen {
		if is(m) {
			e.seen = append(e.seen[:i:i], e.seen[i+1:]...)
			return e.tell(m)
		}
	}
	for {
		select {
		case m, ok := <-e.said:
			if !ok {
				return fmt.Errorf("the server has gone")
			}
			if is(m) {
				return e.tell(m)
			}
			e.seen = append(e.seen, m)
		case <-patience:
			return fmt.Errorf("no answer")
		}
	}
}

// tell writes an answer, one line for each thing in it.
func (e *editor) tell(m map[string]any) error {
	var v any
	switch {
	case m["error"] != nil:
		v = map[string]any{"error": m["error"]}
	case m["params"] != nil:
		v = m["params"].(map[string]any)["diagnostics"]
	default:
		v = m["result"]
	}
	list, isList := v.([]any)
	if !isList {
		list = []any{v}
	}
	for _, item := range list {
		raw, err := json.Marshal(e.kept(item))
		if err != nil {
			return err
		}
		e.show("   " + strings.ReplaceAll(string(raw), e.uri, "$URI"))
	}
	return nil
}

// kept is an object with the keys alone that are asked for.
func (e *editor) kept(v any) any {
	object, ok := v.(map[string]any)
	if !ok || len(e.only) == 0 || object["error"] != nil {
		return v
	}
	out := map[string]any{}
	for _, key := range e.only {
		if object[key] != nil {
			out[key] = object[key]
		}
	}
	return out
}
