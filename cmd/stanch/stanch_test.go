package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"stanch/connectors/practice"
	"stanch/engine/redisstore/redistest"
)

func TestMain(m *testing.M) {
	if os.Getenv(asTenant) != "" {
		os.Exit(tenantMain())
	}
	testscript.Main(m, map[string]func(){"stanch": main})
}

// TestScripts runs the commands as people type them, one script per command.
// With STANCH_REWRITE=1 the outputs that scripts compare with become those of
// today.
func TestScripts(t *testing.T) {
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	redis := redistest.Start(t, redistest.Options{AppendOnly: true})
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("STANCH_REWRITE") != "",
		Setup: func(e *testscript.Env) error {
			e.Setenv("EXAMPLES", examples)
			e.Setenv("HOME", e.WorkDir+"/home")
			e.Setenv("USER", "alice")
			e.Setenv("REDIS", fmt.Sprintf("redis://%s?prefix=%s", redis.Addr(), filepath.Base(e.WorkDir))) // of each script its own
			e.Setenv("SERVER", redis.Addr())
			e.Setenv("LISTEN", freeAddress(t))
			return os.MkdirAll(e.WorkDir+"/home", 0o700)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":   exits,
			"tenant":  tenant,
			"inject":  inject,
			"changes": changes,
			"state":   state,
			"awaits":  awaits,
			"unread":  unread,
			"session": session,
			"spoil":   spoil,
			"hook":    hook,
			"page":    page,
		},
	})
}

// freeAddress is an address where nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// exits runs a command and compares its exit code: `exits 2 stanch lnt`.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if e, is := errors.AsType[*exec.ExitError](err); is {
		got = e.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// tenant serves a practice tenant for the script: $TENANT is its address, and
// tenant.yaml a copy of examples/practice.yaml that points there.
func tenant(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: tenant")
	}
	served, err := openPractice("127.0.0.1:0", ts.MkAbs("certificate"), practice.Options{})
	ts.Check(err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- served.serve(ctx) }()
	ts.Defer(func() {
		stop()
		ts.Check(<-done)
	})
	ts.Setenv("TENANT", served.address())
	ts.Check(os.WriteFile(ts.MkAbs("ca.pem"), served.ca, 0o600))
	text, err := os.ReadFile(filepath.Join(ts.Getenv("EXAMPLES"), "practice.yaml"))
	ts.Check(err)
	pointed := regexp.MustCompile(`[a-z-]+\.yaml`).ReplaceAllStringFunc(pointedAt(string(text), served.address()), func(name string) string {
		return filepath.Join(ts.Getenv("EXAMPLES"), name)
	})
	ts.Check(os.WriteFile(ts.MkAbs("tenant.yaml"), []byte(pointed), 0o600))
}

// ask speaks to the tenant's own paths.
func ask(ts *testscript.TestScript, method, path string, body io.Reader) []byte {
	req, err := http.NewRequest(method, "http://"+ts.Getenv("TENANT")+path, body)
	ts.Check(err)
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	ts.Check(err)
	if resp.StatusCode >= http.StatusBadRequest {
		ts.Fatalf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	return text
}

// inject lets the incident of a file happen now: $INCIDENT is its id.
func inject(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: inject FILE")
	}
	var body map[string]json.RawMessage
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &body))
	for _, key := range []string{"id", "createdDateTime", "lastUpdateDateTime"} {
		delete(body, key)
	}
	raw, err := json.Marshal(body)
	ts.Check(err)
	var made struct{ ID string }
	ts.Check(json.Unmarshal(ask(ts, http.MethodPost, "/practice/incidents", bytes.NewReader(raw)), &made))
	ts.Setenv("INCIDENT", "defender/"+made.ID)
}

// changes compares how often each operation stands in the tenant's audit:
// `changes permission.delete=13 label.assign=1`; none at all is `changes`.
func changes(ts *testscript.TestScript, neg bool, args []string) {
	var list []practice.Change
	ts.Check(json.Unmarshal(ask(ts, http.MethodGet, "/practice/audit", nil), &list))
	count := map[string]int{}
	for _, c := range list {
		count[c.Operation]++
	}
	var got []string
	for _, op := range sortedKeys(count) {
		got = append(got, fmt.Sprintf("%s=%d", op, count[op]))
	}
	if slices.Sort(args); neg || !slices.Equal(got, args) {
		ts.Fatalf("the tenant saw %v, want %v", got, args)
	}
}

// state writes what the tenant is now into a file, without the comments of
// incidents, which nobody can take back.
func state(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: state FILE")
	}
	var now struct {
		Rest      map[string]json.RawMessage `json:"-"`
		Incidents []map[string]json.RawMessage
	}
	text := ask(ts, http.MethodGet, "/practice/state", nil)
	ts.Check(json.Unmarshal(text, &now.Rest))
	ts.Check(json.Unmarshal(text, &now))
	for _, i := range now.Incidents {
		delete(i, "comments")
	}
	var err error
	now.Rest["incidents"], err = json.Marshal(now.Incidents)
	ts.Check(err)
	text, err = json.MarshalIndent(now.Rest, "", " ")
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), text, 0o600))
}

// awaits repeats a command until its output matches, and sets a variable to
// what the first group matched: `awaits ID 'id: (a\w+)' stanch approvals list`.
func awaits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: awaits NAME PATTERN COMMAND [ARG…]")
	}
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for patience := time.After(20 * time.Second); ; {
		err := ts.Exec(args[2], args[3:]...)
		if m := pattern.FindStringSubmatch(ts.ReadFile("stdout")); err == nil && m != nil {
			ts.Setenv(args[0], m[len(m)-1])
			return
		}
		select {
		case <-again.C:
		case <-patience:
			ts.Fatalf("%s: no %s in time; the last answer was\n%s%s", args[2], args[1], ts.ReadFile("stdout"), ts.ReadFile("stderr"))
		}
	}
}

// unread runs a command whose output nobody reads, as in `stanch actions |
// true`: it ends well, and says nothing.
func unread(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: unread COMMAND [ARG…]")
	}
	r, w, err := os.Pipe()
	ts.Check(err)
	ts.Check(r.Close())
	defer w.Close()
	var said strings.Builder
	cmd := exec.Command(commandPath(ts, args[0]), args[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = ts.MkAbs("."), []string{"HOME=" + ts.Getenv("HOME"), "PATH=" + ts.Getenv("PATH")}, w, &said
	if err := cmd.Run(); err != nil || said.Len() > 0 {
		ts.Fatalf("%v: %v: %s", args, err, said.String())
	}
}

// spoil writes something else over every file in a folder.
func spoil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: spoil FOLDER")
	}
	files, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	for _, f := range files {
		ts.Check(os.WriteFile(filepath.Join(ts.MkAbs(args[0]), f.Name()), bytes.Repeat([]byte("notes of mine\n"), 1000), 0o600))
	}
}

// commandPath answers where a script finds a command.
func commandPath(ts *testscript.TestScript, name string) string {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if at := filepath.Join(dir, name); isFile(at) {
			return at
		}
	}
	ts.Fatalf("there is no %s", name)
	return ""
}

func isFile(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
