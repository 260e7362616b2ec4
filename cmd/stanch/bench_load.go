package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"stanch/engine"
	"stanch/playbooks"
)

// benchLoad is an engine at work on a store, with actions that do nothing.
type benchLoad struct {
	place  benchPlace
	store  benchKeeper
	watch  *watchedStore
	events *benchEvents
	serial atomic.Int64
}

// newBench opens the present store of a place.
func newBench(ctx context.Context, place benchPlace) (*benchLoad, error) {
	events, err := newBenchEvents()
	if err != nil {
		return nil, err
	}
	b := &benchLoad{place: place, events: events}
	b.serial.Store(rand.Int64N(1 << 40)) //nolint:gosec // processes on one store have different events
	return b, b.reopen(ctx)
}

// reopen opens the store again.
func (b *benchLoad) reopen(ctx context.Context) (err error) {
	if b.store, err = b.place.open(ctx); err != nil {
		return err
	}
	b.watch = &watchedStore{benchKeeper: b.store, ended: map[string]chan struct{}{}}
	return nil
}

// onNew does something with a store that is new, and removes it afterwards.
func onNew(ctx context.Context, place benchPlace, do func(b *benchLoad) error) error {
	b, err := newBench(ctx, place)
	if err != nil {
		return errors.Join(err, place.clear(context.WithoutCancel(ctx)))
	}
	err = do(b)
	return errors.Join(err, b.store.Close(), place.clear(context.WithoutCancel(ctx)))
}

// engine starts an engine with so many goroutines; stop ends it.
func (b *benchLoad) engine(ctx context.Context, workers int) (*engine.Engine, func() error) {
	return startEngine(ctx, b.watch, workers)
}

func startEngine(ctx context.Context, watch *watchedStore, workers int) (*engine.Engine, func() error) {
	e := engine.New(watch, watch.benchKeeper, benchCatalog(&watch.steps), engine.Options{
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

// idler is an engine that only begins runs.
func (b *benchLoad) idler() *engine.Engine {
	return engine.New(b.watch, b.store, benchCatalog(&b.watch.steps), engine.Options{})
}

// lastLane is drawn least often.
const lastLane = 3

// start begins a run.
func (b *benchLoad) start(ctx context.Context, e *engine.Engine, book *playbooks.Playbook, lane int) (run string, err error) {
	ev := b.events.event(b.serial.Add(1))
	b.watch.acts.Add(1)
	begun, err := e.Start(ctx, engine.Start{Book: book, Event: ev, Mode: engine.ModeLive, By: "bench", Lane: lane})
	if err != nil {
		return "", err
	}
	if !begun.New {
		return "", fmt.Errorf("a run to measure was not begun: %+v", begun)
	}
	return begun.Run, nil
}

// startMany begins runs, 64 at once.
func (b *benchLoad) startMany(ctx context.Context, e *engine.Engine, book *playbooks.Playbook, runs, lane int) error {
	group := newGroup()
	var left atomic.Int64
	left.Store(int64(runs))
	for range 64 {
		group.do(func() error {
			for left.Add(-1) >= 0 {
				if _, err := b.start(ctx, e, book, lane); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.wait()
}

// begin begins a run and answers what is closed at its end.
func (b *benchLoad) begin(ctx context.Context, e *engine.Engine, book *playbooks.Playbook) (<-chan struct{}, error) {
	run, err := b.start(ctx, e, book, 0)
	if err != nil {
		return nil, err
	}
	return b.watch.end(run), nil
}

// once makes one run from its begin to its end.
func (b *benchLoad) once(ctx context.Context, e *engine.Engine, book *playbooks.Playbook) (time.Duration, error) {
	begun := time.Now()
	ended, err := b.begin(ctx, e, book)
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

// book checks a playbook to be measured.
func (b *benchLoad) book(e *engine.Engine, text string) (*playbooks.Playbook, error) {
	book, findings := playbooks.LoadAndCheck("bench.yaml", []byte(text), e.World())
	if playbooks.HasErrors(findings) {
		return nil, fmt.Errorf("the measured playbook: %s", findings[0].Message)
	}
	return book, nil
}

// rate measures with so many runs in flight: as soon as one ends, another is
// begun.
func (b *benchLoad) rate(ctx context.Context, text string, inFlight int, d time.Duration) (benchRate, error) {
	e, stop := b.engine(ctx, inFlight)
	book, err := b.book(e, text)
	if err != nil {
		return benchRate{}, errors.Join(err, stop())
	}
	server, err := b.place.spent(ctx, b.store)
	if err != nil {
		return benchRate{}, errors.Join(err, stop())
	}
	steps, busy, begun := b.watch.steps.Load(), cpu(), time.Now()
	runs, err := b.cycle(ctx, e, book, inFlight, begun.Add(d))
	took, used := time.Since(begun), cpu()-busy
	after, err2 := b.place.spent(ctx, b.store)
	n := float64(max(b.watch.steps.Load()-steps, 1))
	if err := errors.Join(err, err2, stop()); err != nil {
		return benchRate{}, err
	}
	r := n / took.Seconds()
	return benchRate{
		Concurrency: inFlight, StepsPerS: r, Range: [2]float64{r, r}, RunsPerS: float64(runs) / took.Seconds(),
		WorkerUSPerStep: float64(used.Microseconds()) / n, ServerUSPerStep: float64((after.CPU - server.CPU).Microseconds()) / n,
	}, nil
}

// cycle keeps runs in flight until a time, and answers how many have ended.
func (b *benchLoad) cycle(ctx context.Context, e *engine.Engine, book *playbooks.Playbook, inFlight int, until time.Time) (int64, error) {
	var runs atomic.Int64
	group := newGroup()
	for range inFlight {
		group.do(func() error {
			for time.Now().Before(until) {
				if _, err := b.once(ctx, e, book); err != nil {
					return err
				}
				runs.Add(1)
			}
			return nil
		})
	}
	err := group.wait()
	return runs.Load(), err
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
		took, err := b.once(ctx, e, book)
		if err != nil {
			return benchLatency{}, errors.Join(err, stop())
		}
		times = append(times, took)
	}
	slices.Sort(times)
	return benchLatency{P50: percentile(times, 0.5), P99: percentile(times, 0.99)}, stop()
}

// backlog measures the rate again while so many runs wait in a lower lane.
func (b *benchLoad) backlog(ctx context.Context, runs int, d time.Duration) (float64, error) {
	without, err := b.rate(ctx, linearBook(), 64, d)
	if err != nil {
		return 0, err
	}
	idle := b.idler()
	book, err := b.book(idle, linearBook())
	if err != nil {
		return 0, err
	}
	if err := b.startMany(ctx, idle, book, runs, lastLane); err != nil {
		return 0, err
	}
	with, err := b.rate(ctx, linearBook(), 64, d)
	return with.StepsPerS / without.StepsPerS, err
}

// cpu is the CPU time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func percentile(sorted []time.Duration, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	i := min(len(sorted)-1, int(p*float64(len(sorted))))
	return float64(sorted[i].Microseconds()) / 1000
}
