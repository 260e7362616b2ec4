package redisstore_test

import (
	"strings"
	"testing"
	"time"

	"stanch/engine"
	"stanch/engine/redisstore"
	"stanch/engine/redisstore/redistest"
)

// What is measured and dropped leaves what others keep alone.
func TestLimitAndDrop(t *testing.T) {
	server := single(t)
	mine := redisstore.Options{Addrs: []string{server.Addr()}, Prefix: "be*nch", Work: true}
	others := redisstore.Options{Addrs: []string{server.Addr()}, Prefix: "be-nch"}
	limitAndDrop(t, mine, others)
	left, err := server.Do("KEYS", "be[*]nch*")
	if keys, _ := left.([]any); err != nil || len(keys) > 0 {
		t.Errorf("%d keys are left: %v, %v", len(keys), left, err)
	}
}

func TestLimitAndDropInACluster(t *testing.T) {
	c := redistest.StartCluster(t, 3, 0)
	limitAndDrop(t, redisstore.Options{Addrs: c.Addrs(), Cluster: true, Prefix: "bench", Work: true},
		redisstore.Options{Addrs: c.Addrs(), Cluster: true, Prefix: "bench2"})
}

func limitAndDrop(t *testing.T, mine, others redisstore.Options) {
	t.Helper()
	ctx := t.Context()
	calls, err := redisstore.Limit(ctx, mine, 200*time.Millisecond)
	if err != nil || calls < 100 {
		t.Errorf("the limit is %f calls/s, %v", calls, err)
	}
	stays, goes := open(t, others), open(t, mine)
	for _, s := range []*redisstore.Store{stays, goes} {
		if _, err := s.Begin(ctx, engine.Begin{Request: "1", Playbook: "p", Subject: "s"}); err != nil {
			t.Fatal(err)
		}
	}
	before, err := stays.Usage(ctx)
	if err != nil || before.Hidden || before.Memory <= 0 || before.Commands <= 0 || before.CPU <= 0 {
		t.Errorf("usage %+v, %v", before, err)
	}
	said, err := stays.Durability(ctx)
	if err != nil || said == "unknown" {
		t.Errorf("durability %q, %v", said, err)
	}
	if n, err := goes.Unpacked(ctx); err != nil || n != 0 {
		t.Errorf("%d runs are not packed, %v", n, err)
	}
	if err := goes.Close(); err != nil {
		t.Error(err)
	}
	if err := redisstore.Drop(ctx, mine); err != nil {
		t.Error(err)
	}
	if _, err := redisstore.Open(ctx, redisstore.Options{Addrs: mine.Addrs, Cluster: mine.Cluster, Prefix: mine.Prefix, ReadOnly: true}); err == nil || !strings.Contains(err.Error(), "nothing of stanch is kept there") {
		t.Errorf("the store is still there: %v", err)
	}
	if claimed, err := stays.Begin(ctx, engine.Begin{Request: "1", Playbook: "p", Subject: "s"}); err != nil || !claimed.New {
		t.Errorf("the other store has lost a run: %+v, %v", claimed, err)
	}
	if err := stays.Close(); err != nil {
		t.Error(err)
	}
}

// There is no default for what is thrown away.
func TestDropNeedsAPrefix(t *testing.T) {
	if err := redisstore.Drop(t.Context(), redisstore.Options{Addrs: []string{"localhost:1"}}); err == nil {
		t.Error("it dropped the default")
	}
	if _, err := redisstore.Limit(t.Context(), redisstore.Options{Addrs: []string{"localhost:1"}}, time.Second); err == nil {
		t.Error("it measured in the default")
	}
}
