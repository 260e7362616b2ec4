package engine_test

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"stanch/actions"
	"stanch/engine"
	"stanch/engine/sqlitestore"
	"stanch/playbooks"
)

type none struct{}

// BenchmarkSteps measures durable steps: 64 runs of ten no-ops at once, on a
// file that is synced.
func BenchmarkSteps(b *testing.B) {
	var n atomic.Int64
	done := make(chan struct{}, 1)
	var last atomic.Int64
	catalog := actions.Of(map[string]actions.Action{"no.op": actions.Spec[none, none]{
		Doc: "Do nothing.", Class: actions.Reads,
		Read: func(context.Context, actions.Call, none) (none, error) {
			if n.Add(1) == last.Load() {
				done <- struct{}{}
			}
			return none{}, nil
		},
	}.Action()})
	store, err := sqlitestore.Open(filepath.Join(b.TempDir(), "bench.db"), sqlitestore.Options{Work: true})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	e := engine.New(store, store, catalog, engine.Options{Workers: 64})
	book, findings := playbooks.LoadAndCheck("b.yaml", []byte("playbook: b\ntitle: B\nstatus: stable\non: {manual: {}}\nsteps:\n"+strings.Repeat("  - uses: no.op\n", 10)), e.World())
	if playbooks.HasErrors(findings) {
		b.Fatal(findings[0].Text())
	}
	runs := max(1, b.N/10)
	last.Store(int64(runs) * 10)
	for i := range runs {
		ev := event(0)
		ev.ID = strconv.Itoa(i)
		ev.Incident = []byte(strings.Replace(string(ev.Incident), "defender/7", "defender/"+ev.ID, 1))
		if _, err := e.Start(b.Context(), engine.Start{Book: book, Event: ev, Mode: engine.ModeLive, By: "bench"}); err != nil {
			b.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(b.Context())
	b.ResetTimer()
	begun := time.Now()
	worked := make(chan error, 1)
	go func() { worked <- e.Work(ctx) }()
	<-done
	b.ReportMetric(float64(runs*10)/time.Since(begun).Seconds(), "steps/s")
	b.StopTimer()
	stop()
	if err := <-worked; err != nil {
		b.Fatal(err)
	}
}
