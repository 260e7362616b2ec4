package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"stanch/engine/redisstore/redistest"
)

// TestServerScripts runs commands that want a real Redis: what measures a store,
// and what moves one.
func TestServerScripts(t *testing.T) {
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	server := redistest.Start(t, redistest.Options{AppendOnly: true, Fsync: "everysec"})
	for _, dir := range []string{"testdata/bench", "testdata/stores"} {
		testscript.Run(t, testscript.Params{
			Dir:                 dir,
			RequireExplicitExec: true,
			RequireUniqueNames:  true,
			Setup: func(e *testscript.Env) error {
				e.Setenv("EXAMPLES", examples)
				e.Setenv("HOME", e.WorkDir+"/home")
				e.Setenv("USER", "alice")
				e.Setenv("REDIS", server.Addr())
				return os.MkdirAll(e.WorkDir+"/home", 0o700)
			},
			Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
				"exits":  exits,
				"tenant": tenant,
				"awaits": awaits,
				// unbenched says that bench has left nothing on the server.
				"unbenched": func(ts *testscript.TestScript, _ bool, _ []string) {
					keys, err := server.Do("KEYS", "stanch-bench-*")
					ts.Check(err)
					if left, _ := keys.([]any); len(left) > 0 {
						ts.Fatalf("keys are left: %v", keys)
					}
				},
				// halfway makes a store what a move leaves that is killed.
				"halfway": func(ts *testscript.TestScript, _ bool, _ []string) {
					_, err := server.Do("EVAL", "redis.call('SELECT', 1) return redis.call('HSET', 'stanch:meta', 'schema', 0)", "0")
					ts.Check(err)
				},
			},
		})
	}
}
