package redisstore_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"stanch/actions"
	"stanch/connectors/incident"
	"stanch/engine"
	"stanch/engine/redisstore"
	"stanch/engine/redisstore/redistest"
	"stanch/engine/sqlitestore"
	"stanch/playbooks"
)

const movedBook = `playbook: moved
title: Moved
status: stable
on: {manual: {}}
outputs:
  total: ${{ steps.all.total }}
steps:
  - id: all
    for_each: 1..30
    max_parallel: 4
    steps:
      - uses: count.one
      - wait: 20ms
      - uses: count.one
`

type nought struct{}

type counted struct {
	Done bool `json:"done" doc:"true"`
}

// catalog holds an action that counts.
func catalog(n *atomic.Int64) *actions.Catalog {
	return actions.Of(map[string]actions.Action{"count.one": actions.Spec[nought, counted]{
		Doc: "Count.", Class: actions.Reads,
		Read: func(context.Context, actions.Call, nought) (counted, error) {
			n.Add(1)
			return counted{true}, nil
		},
	}.Action()})
}

// Runs in the midst of their work go on in a cluster, and again in a file, and
// end as if they had stayed.
func TestMovedRunsEnd(t *testing.T) {
	c := redistest.StartCluster(t, 3, 0)
	var steps atomic.Int64
	const runs = 12
	path := func() string { return filepath.Join(t.TempDir(), "stanch.db") }
	from := file(t, path())
	var ids []string
	e := engine.New(from, from, catalog(&steps), engine.Options{})
	book, findings := playbooks.LoadAndCheck("moved.yaml", []byte(movedBook), e.World())
	if playbooks.HasErrors(findings) {
		t.Fatal(findings)
	}
	for i := range runs {
		about, err := json.Marshal(incident.Incident{ID: fmt.Sprint("defender/", i), Source: incident.Defender})
		if err != nil {
			t.Fatal(err)
		}
		begun, err := e.Start(t.Context(), engine.Start{
			Book: book, Mode: engine.ModeLive, By: "test",
			Event: playbooks.Event{ID: fmt.Sprint(i), Trigger: "incident", Kind: "manual", At: time.Now(), Incident: about},
		})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, begun.Run)
	}
	work(t, from, &steps, func() bool { return steps.Load() > 100 })
	cluster := redisstore.Options{Addrs: c.Addrs(), Cluster: true, Work: true}
	there := open(t, cluster)
	moveAll(t, from, there)
	if r, err := there.Contents(t.Context()); err != nil || r.Live == 0 {
		t.Fatalf("nothing goes on: %+v, %v", r, err)
	}
	work(t, there, &steps, func() bool { return steps.Load() > 300 })
	back := file(t, path())
	again := open(t, redisstore.Options{Addrs: c.Addrs(), Cluster: true})
	moveAll(t, again, back)
	ended := func() bool {
		held, err := back.Contents(t.Context())
		return err != nil || held.Live == 0
	}
	e = engine.New(back, back, catalog(&steps), engine.Options{})
	until(t, e, ended)
	for _, id := range ids {
		r, err := e.Run(t.Context(), id)
		if err != nil || r.Status != "succeeded" || string(r.Outputs["total"]) != "30" {
			t.Errorf("run %s has ended as %s with %s, %v", id, r.Status, r.Outputs["total"], err)
		}
	}
	if n := steps.Load(); n < runs*60 {
		t.Errorf("%d steps were made of %d", n, runs*60)
	}
	if err := back.Close(); err != nil {
		t.Error(err)
	}
}

func file(t *testing.T, path string) *sqlitestore.Store {
	t.Helper()
	s, err := sqlitestore.Open(path, sqlitestore.Options{Work: true})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// moveAll moves a store, and ends the use of the old one.
func moveAll(t *testing.T, from, to engine.Movable) {
	t.Helper()
	if err := to.Import(t.Context(), from.Export(t.Context())); err != nil {
		t.Fatal(err)
	}
	if err := from.Close(); err != nil {
		t.Fatal(err)
	}
}

// work lets an engine work on a store for a while.
func work(t *testing.T, s engine.Movable, steps *atomic.Int64, enough func() bool) {
	t.Helper()
	until(t, engine.New(s, s, catalog(steps), engine.Options{Workers: 8}), enough)
	if r, is := s.(*redisstore.Store); is {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// until lets an engine work until it is enough.
func until(t *testing.T, e *engine.Engine, enough func() bool) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- e.Work(ctx) }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !enough() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Error("it takes too long")
			<-done
			return
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
