package redisstore_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"stanch/engine"
	"stanch/engine/redisstore"
	"stanch/engine/redisstore/redistest"
)

// inspect answers what is found of a server, by name.
func inspect(t *testing.T, o redisstore.Options) (map[string]engine.Finding, engine.Inspection) {
	t.Helper()
	found, err := redisstore.Inspect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]engine.Finding{}
	for _, f := range found.Findings {
		by[f.What] = f
	}
	return by, found
}

func wants(t *testing.T, by map[string]engine.Finding, what, level, found string) {
	t.Helper()
	if f := by[what]; f.Level != level || !strings.Contains(f.Found, found) || level != engine.Good && f.Says == "" {
		t.Errorf("%s is %+v, want it to be %s with %q", what, f, level, found)
	}
}

func TestInspectNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		server redistest.Options
		level  string
		checks [][3]string // what, level, found
	}{
		"always": {redistest.Options{AppendOnly: true, Fsync: "always", MaxMemory: "100mb"}, "single+always", [][3]string{
			{"append-only file", engine.Good, "appendfsync always"},
			{"eviction", engine.Good, "noeviction"},
			{"memory", engine.Good, "of 100 MiB"},
			{"role", engine.Good, "primary"},
			{"version", engine.Good, "Redis 7"},
			{"commands", engine.Good, "all"},
			{"clock", engine.Good, "our"},
			{"round trip", engine.Good, "s"},
			{"store", engine.Good, "none yet"},
			{"fit", engine.Good, "yes"},
			{"replicas", engine.Good, "none"},
		}},
		"everysec": {redistest.Options{AppendOnly: true, Fsync: "everysec", Extra: []string{"no-appendfsync-on-rewrite yes"}}, "single", [][3]string{
			{"append-only file", engine.Warning, "no-appendfsync-on-rewrite yes"}, {"memory", engine.Warning, "maxmemory is not set"},
		}},
		"in memory": {redistest.Options{}, "memory", [][3]string{{"append-only file", engine.Wrong, "none"}}},
		"never":     {redistest.Options{AppendOnly: true, Fsync: "no"}, "single", [][3]string{{"append-only file", engine.Wrong, "appendfsync no"}}},
		"evicting": {redistest.Options{AppendOnly: true, Extra: []string{"maxmemory 3mb", "maxmemory-policy allkeys-lru"}}, "single", [][3]string{
			{"eviction", engine.Wrong, "allkeys-lru"}, {"fit", engine.Wrong, "no"},
		}},
		"without replicas": {redistest.Options{AppendOnly: true, Extra: []string{"min-replicas-to-write 1"}}, "single", [][3]string{{"min-replicas-to-write", engine.Wrong, "1, replicas 0"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t, c.server)
			by, all := inspect(t, redisstore.Options{Addrs: []string{s.Addr()}})
			for _, check := range c.checks {
				wants(t, by, check[0], check[1], check[2])
			}
			if all.Level != c.level || all.Loses == "" {
				t.Errorf("the durability is %q: %q, want %s", all.Level, all.Loses, c.level)
			}
			if n := len(dump(t, s)); n != 0 {
				t.Errorf("%d keys were left behind", n)
			}
		})
	}
	gone := redistest.Start(t, redistest.Options{})
	gone.Stop()
	by, _ := inspect(t, redisstore.Options{Addrs: []string{gone.Addr()}})
	wants(t, by, "reach", engine.Wrong, "no")
}

func TestInspectSaysHowReplicasStand(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{AppendOnly: true})
	o := redisstore.Options{Addrs: []string{s.Addr()}}
	replica := func(n string) {
		redistest.Start(t, redistest.Options{ReplicaOf: s})
		redistest.Until(t, "the replica is online", func() bool { return strings.Contains(s.Info("replication")["slave"+n], "state=online") })
	}
	replica("0")
	by, all := inspect(t, o)
	wants(t, by, "replicas", engine.Good, "1, last heard of")
	wants(t, by, "min-replicas-to-write", engine.Warning, "0")
	if all.Level != "replicated" {
		t.Errorf("the durability is %s", all.Level)
	}
	o.Replicas = 2
	do(t, s, "CONFIG SET min-replicas-to-write 1")
	by, _ = inspect(t, o)
	wants(t, by, "durability", engine.Wrong, "are to be on 2 replicas, there are 1")
	wants(t, by, "min-replicas-to-write", engine.Warning, "1, replicas 1")
	replica("1")
	by, all = inspect(t, o)
	wants(t, by, "durability", engine.Good, "are on 2 of 2 replicas")
	wants(t, by, "min-replicas-to-write", engine.Good, "1, min-replicas-max-lag 10")
	if all.Level != "replicated+proved" {
		t.Errorf("the durability is %s", all.Level)
	}
}

// begins begins a run.
func begins(t *testing.T, s *redisstore.Store, id string) engine.Begun {
	t.Helper()
	b, err := s.Begin(t.Context(), engine.Begin{Request: "begin " + id, Playbook: "p", Subject: id, Dedupe: id, Edition: "sha256:x", Mode: "live", Head: []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestInspectSaysHowTheWorkStands(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{AppendOnly: true})
	o := redisstore.Options{Addrs: []string{server.Addr()}}
	s := open(t, o)
	begins(t, s, "a")
	begins(t, s, "b")
	by, _ := inspect(t, o)
	wants(t, by, "queues", engine.Good, "2 due (high 2,")
	wants(t, by, "workers", engine.Warning, "0 alive")
	wants(t, by, "store", engine.Good, "schema 1, 16 partitions, prefix stanch")
	o.Work = true
	w := open(t, o)
	by, _ = inspect(t, o)
	wants(t, by, "workers", engine.Good, "1 alive")
	if err := errors.Join(w.Close(), s.Close()); err != nil {
		t.Error(err)
	}
}

// A backup is restored: what was held is given back without a loss, whoever
// followed begins anew, and workers keep it from happening under them.
func TestAfterRestore(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{AppendOnly: true})
	o := redisstore.Options{Addrs: []string{server.Addr()}, Work: true}
	s := open(t, o)
	for _, id := range []string{"a", "b", "c"} {
		begins(t, s, id)
	}
	claimed, err := s.Claim(t.Context(), engine.Claim{Worker: "w", Max: 2, Last: time.Hour})
	if err != nil || len(claimed.Strands) != 2 {
		t.Fatalf("%d strands, %v", len(claimed.Strands), err)
	}
	page, err := s.Follow(t.Context(), "", 100)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := redisstore.AfterRestore(t.Context(), o); !errors.Is(err, redisstore.ErrWorkers) {
		t.Errorf("under a worker: %v", err)
	}
	if err := s.Abandon(); err != nil {
		t.Fatal(err)
	}
	done, err := redisstore.AfterRestore(t.Context(), o)
	if err != nil || done.Partitions != 16 || done.Leases != 2 {
		t.Errorf("%+v, %v", done, err)
	}
	young := open(t, o)
	if _, err := young.Follow(t.Context(), page.Cursor, 100); !errors.Is(err, engine.ErrConflict) {
		t.Errorf("who followed before goes on: %v", err)
	}
	claimed, err = young.Claim(t.Context(), engine.Claim{Worker: "w", Max: 10, Last: time.Minute})
	if err != nil || len(claimed.Strands) != 3 {
		t.Fatalf("%d strands, %v", len(claimed.Strands), err)
	}
	for _, st := range claimed.Strands {
		if st.Lost != 0 {
			t.Errorf("run %s was lost %d times", st.Run, st.Lost)
		}
	}
	again, err := redisstore.AfterRestore(t.Context(), o)
	if !errors.Is(err, redisstore.ErrWorkers) {
		t.Errorf("%+v, %v", again, err)
	}
	if err := young.Close(); err != nil {
		t.Error(err)
	}
}
