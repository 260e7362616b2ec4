package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"stanch/connectors/practice"
)

func TestMain(m *testing.M) {
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
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("STANCH_REWRITE") != "",
		Setup: func(e *testscript.Env) error {
			e.Setenv("EXAMPLES", examples)
			e.Setenv("HOME", e.WorkDir+"/home")
			e.Setenv("USER", "alice")
			return os.MkdirAll(e.WorkDir+"/home", 0o700)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":  exits,
			"tenant": tenant,
		},
	})
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
	ts.Check(os.WriteFile(ts.MkAbs("tenant.pem"), served.ca, 0o600))
	text, err := os.ReadFile(filepath.Join(ts.Getenv("EXAMPLES"), "practice.yaml"))
	ts.Check(err)
	pointed := strings.Replace(string(text), "cloud: practice", "cloud: practice\n  authority: https://"+served.address()+"\n  ca: tenant.pem", 1)
	pointed = strings.Replace(pointed, "playbooks: [.]", "playbooks: ["+ts.Getenv("EXAMPLES")+"]", 1)
	ts.Check(os.WriteFile(ts.MkAbs("tenant.yaml"), []byte(pointed), 0o600))
}
