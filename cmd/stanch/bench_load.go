package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"stanch/actions"
	"stanch/connectors/incident"
	"stanch/engine"
	"stanch/engine/sqlitestore"
	"stanch/playbooks"
)

// benchLoad is an engine at work on a store, with actions that do nothing.
type benchLoad struct {
	store  *sqlitestore.Store
	path   string
	watch  *watchedStore
	runs   int64
	serial atomic.Int64
}

func benchHead(steps string) string {
	return "playbook: bench\ntitle: Bench\nstatus: stable\non: {manual: {}}\nsteps:\n" + steps
}

// The playbooks that are measured: ten steps that read, ten with one effect each.
func linearBook() string  { return benchHead(strings.Repeat("  - uses: bench.read\n", 10)) }
func effectsBook() string { return benchHead(strings.Repeat("  - uses: bench.write\n", 10)) }
func fanoutBook(items int) string {
	return benchHead(fmt.Sprintf("  - for_each: 1..%d\n    max_parallel: 64\n    steps:\n      - uses: bench.read\n", items))
}

func waitingBook() string {
	return benchHead("  - approve: {ask: Wait, approvers: [nobody@stanch.invalid], timeout: 4h, on_timeout: reject}\n")
}

type benchNothing struct{}

type benchDone struct {
	Done bool `json:"done" doc:"true"`
}

// benchCatalog holds actions that do nothing, so that only the engine and the
// store are measured.
func benchCatalog(steps *atomic.Int64) *actions.Catalog {
	return actions.Of(map[string]actions.Action{
		"bench.read": actions.Spec[benchNothing, benchDone]{
			Doc: "Do nothing.", Class: actions.Reads,
			Read: func(context.Context, actions.Call, benchNothing) (benchDone, error) {
				steps.Add(1)
				return benchDone{true}, nil
			},
		}.Action(),
		"bench.write": actions.Spec[benchNothing, benchDone]{
			Doc: "Do nothing, as an effect.", Class: actions.Writes, NoUndo: "nothing was done",
			Plan: func(context.Context, actions.Call, benchNothing) ([]actions.Effect, benchDone, error) {
				return []actions.Effect{{
					Target: actions.Target{Kind: "file", ID: "x", Name: "x", Entities: []actions.Entity{{Kind: "file", ID: "x"}}},
					Before: json.RawMessage(`{"shared":true}`), After: json.RawMessage(`{"shared":false}`),
				}}, benchDone{true}, nil
			},
			Do: func(context.Context, actions.Call, actions.Effect) (actions.Outcome, error) {
				steps.Add(1)
				return actions.Outcome{}, nil
			},
			Check: func(context.Context, actions.Call, actions.Effect) (actions.Finding, error) {
				return actions.Finding{Answer: actions.Happened}, nil
			},
		}.Action(),
	})
}

func newBench(path string) (*benchLoad, error) {
	store, err := sqlitestore.Open(path, sqlitestore.Options{Work: true})
	if err != nil {
		return nil, err
	}
	return &benchLoad{store: store, path: path, watch: &watchedStore{Store: store, ended: map[string]chan struct{}{}}}, nil
}

func (b *benchLoad) close() { _ = b.store.Close() }

// engine starts an engine with so many goroutines; stop ends it.
func (b *benchLoad) engine(ctx context.Context, workers int) (*engine.Engine, func() error) {
	e := engine.New(b.watch, b.store, benchCatalog(&b.watch.steps), engine.Options{
		Workers: workers, Guardrails: playbooks.Guardrails{MaxTargets: map[string]int{"files": 1000}},
	})
	working, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- e.Work(working) }()
	return e, func() error {
		stop()
		return <-done
	}
}

// lastLane is drawn least often.
const lastLane = 3

// begin begins a run and answers what is closed at its end.
func (b *benchLoad) begin(ctx context.Context, e *engine.Engine, book *playbooks.Playbook, size int) (<-chan struct{}, error) {
	return b.beginIn(ctx, e, book, size, 0)
}

func (b *benchLoad) beginIn(ctx context.Context, e *engine.Engine, book *playbooks.Playbook, size, lane int) (<-chan struct{}, error) {
	id := fmt.Sprint(b.serial.Add(1))
	about, err := json.Marshal(incident.Incident{ID: "defender/" + id, Source: incident.Defender, Title: strings.Repeat("x", size), Severity: "high"})
	if err != nil {
		return nil, err
	}
	ev := playbooks.Event{ID: id, Trigger: "incident", Kind: "manual", At: time.Now(), Incident: about}
	b.watch.acts.Add(1)
	begun, err := e.Start(ctx, engine.Start{Book: book, Event: ev, Mode: engine.ModeLive, By: "bench", Lane: lane})
	if err != nil {
		return nil, err
	}
	if !begun.New {
		return nil, fmt.Errorf("a run to measure was not begun: %+v", begun)
	}
	return b.watch.end(begun.Run), nil
}

// book checks a playbook to be measured.
func (b *benchLoad) book(e *engine.Engine, text string) (*playbooks.Playbook, error) {
	book, findings := playbooks.LoadAndCheck("bench.yaml", []byte(text), e.World())
	if playbooks.HasErrors(findings) {
		return nil, fmt.Errorf("the measured playbook: %s", findings[0].Message)
	}
	return book, nil
}

// eventSize is about what an incident event with little evidence has.
const eventSize = 2000

// rate measures with so many runs in flight: as soon as one ends, another is
// begun.
func (b *benchLoad) rate(ctx context.Context, text func() string, inFlight int, d time.Duration) (benchRate, error) {
	e, stop := b.engine(ctx, inFlight)
	book, err := b.book(e, text())
	if err != nil {
		return benchRate{}, errors.Join(err, stop())
	}
	steps, busy, begun := b.watch.steps.Load(), cpu(), time.Now()
	until := begun.Add(d)
	var runs atomic.Int64
	group := newGroup()
	for range inFlight {
		group.do(func() error {
			for time.Now().Before(until) {
				ended, err := b.begin(ctx, e, book, eventSize)
				if err != nil {
					return err
				}
				select {
				case <-ended:
					runs.Add(1)
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		})
	}
	err = group.wait()
	took, used := time.Since(begun), cpu()-busy
	n := b.watch.steps.Load() - steps
	b.runs += runs.Load()
	if err := errors.Join(err, stop()); err != nil {
		return benchRate{}, err
	}
	return benchRate{
		Concurrency: inFlight, StepsPerS: float64(n) / took.Seconds(), RunsPerS: float64(runs.Load()) / took.Seconds(),
		WorkerUSPerStep: float64(used.Microseconds()) / float64(max(n, 1)),
	}, nil
}

// latency measures one run at a time on an idle engine.
func (b *benchLoad) latency(ctx context.Context, n int) (benchLatency, error) {
	e, stop := b.engine(ctx, 8)
	book, err := b.book(e, linearBook())
	if err != nil {
		return benchLatency{}, errors.Join(err, stop())
	}
	times := make([]time.Duration, 0, n)
	for range n {
		took, err := b.once(ctx, e, book, eventSize)
		if err != nil {
			return benchLatency{}, errors.Join(err, stop())
		}
		times = append(times, took)
	}
	slices.Sort(times)
	return benchLatency{P50: percentile(times, 0.5), P99: percentile(times, 0.99)}, stop()
}

func (b *benchLoad) once(ctx context.Context, e *engine.Engine, book *playbooks.Playbook, size int) (time.Duration, error) {
	begun := time.Now()
	ended, err := b.begin(ctx, e, book, size)
	if err != nil {
		return 0, err
	}
	select {
	case <-ended:
		return time.Since(begun), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// fanout measures a for_each from the begin of its run to its end.
func (b *benchLoad) fanout(ctx context.Context, items int) (benchFanout, error) {
	e, stop := b.engine(ctx, 64)
	book, err := b.book(e, fanoutBook(items))
	if err != nil {
		return benchFanout{}, errors.Join(err, stop())
	}
	took, err := b.once(ctx, e, book, eventSize)
	return benchFanout{Items: items, Seconds: took.Seconds()}, errors.Join(err, stop())
}

// backlog measures the rate again while so many runs wait in a lower lane.
func (b *benchLoad) backlog(ctx context.Context, runs int, d time.Duration) (float64, error) {
	without, err := b.rate(ctx, linearBook, 64, d)
	if err != nil {
		return 0, err
	}
	idle := engine.New(b.watch, b.store, benchCatalog(&b.watch.steps), engine.Options{})
	book, err := b.book(idle, linearBook())
	if err != nil {
		return 0, err
	}
	group := newGroup()
	each := runs / 64
	for range 64 {
		group.do(func() error {
			for range each {
				if _, err := b.beginIn(ctx, idle, book, eventSize, lastLane); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.wait(); err != nil {
		return 0, err
	}
	with, err := b.rate(ctx, linearBook, 64, d)
	if err != nil {
		return 0, err
	}
	return with.StepsPerS / without.StepsPerS, nil
}

// recovery measures how long a run takes whose worker was lost at its start,
// with a lease of a second.
func (b *benchLoad) recovery(ctx context.Context) (float64, error) {
	lost := engine.New(b.watch, b.store, benchCatalog(&b.watch.steps), engine.Options{})
	book, err := b.book(lost, linearBook())
	if err != nil {
		return 0, err
	}
	for { // what the backlog left
		claimed, err := b.store.Claim(ctx, engine.Claim{Worker: "drain", Max: 500, Last: time.Hour})
		if err != nil {
			return 0, err
		}
		if len(claimed.Strands) == 0 {
			break
		}
	}
	ended, err := b.begin(ctx, lost, book, eventSize)
	if err != nil {
		return 0, err
	}
	begun := time.Now()
	if _, err := b.store.Claim(ctx, engine.Claim{Worker: "lost", Max: 1, Last: time.Second}); err != nil {
		return 0, err
	}
	_, stop := b.engine(ctx, 8)
	select {
	case <-ended:
	case <-ctx.Done():
	}
	return time.Since(begun).Seconds(), stop()
}

// idle measures what waiting costs.
func (b *benchLoad) idle(ctx context.Context, runs int, d time.Duration) (benchIdle, error) {
	e, stop := b.engine(ctx, 8)
	book, err := b.book(e, waitingBook())
	if err != nil {
		return benchIdle{}, errors.Join(err, stop())
	}
	for range runs {
		if _, err := b.begin(ctx, e, book, eventSize); err != nil {
			return benchIdle{}, errors.Join(err, stop())
		}
	}
	<-time.After(500 * time.Millisecond) // until all of them wait
	acts, busy, begun := b.watch.acts.Load(), cpu(), time.Now()
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
	took := time.Since(begun).Seconds()
	return benchIdle{
		CPUPercent: 100 * (cpu() - busy).Seconds() / took, CommandsPerS: float64(b.watch.acts.Load()-acts) / took,
		WaitingRuns: runs, MeasuredOverS: took,
	}, stop()
}

// cpu is the CPU time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (b *benchLoad) bytesPerRun() (int64, error) {
	var size int64
	for _, suffix := range []string{"", "-wal"} {
		if info, err := os.Stat(b.path + suffix); err == nil {
			size += info.Size()
		}
	}
	if b.runs == 0 {
		return 0, errors.New("no run was measured")
	}
	return size / b.runs, nil
}

func percentile(sorted []time.Duration, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	i := min(len(sorted)-1, int(p*float64(len(sorted))))
	return float64(sorted[i].Microseconds()) / 1000
}
