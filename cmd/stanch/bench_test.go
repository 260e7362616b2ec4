package main

import (
	"slices"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"stanch/engine/redisstore/redistest"
)

// TestBenchScripts measures a little on both stores, with a real Redis.
func TestBenchScripts(t *testing.T) {
	server := redistest.Start(t, redistest.Options{AppendOnly: true, Fsync: "everysec"})
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/bench",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("REDIS", server.Addr())
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits,
			// empty says that the server holds nothing.
			"empty": func(ts *testscript.TestScript, _ bool, _ []string) {
				n, err := server.Do("DBSIZE")
				ts.Check(err)
				if n != int64(0) {
					keys, _ := server.Do("KEYS", "*")
					ts.Fatalf("%v keys are left: %v", n, keys)
				}
			},
		},
	})
}

func TestRedisAddress(t *testing.T) {
	for _, c := range []struct {
		address string
		addrs   []string
		db      int
	}{
		{"redis://localhost", []string{"localhost:6379"}, 0},
		{"rediss://alice:p%40ss@h:1/3", []string{"h:1"}, 3},
		{"redis+cluster://a:1,b", []string{"a:1", "b:6379"}, 0},
		{"redis+sentinel://a,b:7/mine/2", []string{"a:26379", "b:7"}, 2},
		{"redis://[::1]", []string{"[::1]:6379"}, 0},
	} {
		o, err := redisAddress(c.address)
		if err != nil || !slices.Equal(o.Addrs, c.addrs) || o.DB != c.db {
			t.Errorf("%s: %+v, %v", c.address, o, err)
		}
	}
	if o, err := redisAddress("rediss://alice:p%40ss@h:1/3"); err != nil || o.Username != "alice" || o.Password != "p@ss" || o.TLS == nil {
		t.Errorf("%+v, %v", o, err)
	}
	for _, bad := range []string{"redis://", "redis://a,b", "redis+cluster://a/1", "redis://a/x", "redis+mirror://a", "redis+sentinel://a"} {
		if o, err := redisAddress(bad); err == nil {
			t.Errorf("%s was read as %+v", bad, o)
		}
	}
}
