package main

import (
	"context"
	"errors"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"stanch/engine"
	"stanch/playbooks"
)

// fanout measures a for_each from the begin of its run to its end, and the
// memory that this process had at most meanwhile.
func (b *benchLoad) fanout(ctx context.Context, items int) (benchFanout, error) {
	e, stop := b.engine(ctx, 64)
	book, err := b.book(e, fanoutBook(items))
	if err != nil {
		return benchFanout{}, errors.Join(err, stop())
	}
	debug.FreeOSMemory()
	high := watchMemory()
	took, err := b.once(ctx, e, book)
	f := benchFanout{Items: items, Seconds: took.Seconds(), PeakMB: float64(high()) / (1 << 20)}
	return f, errors.Join(err, stop())
}

// watchMemory looks at the memory of this process until it is asked how much it
// was at most.
func watchMemory() func() uint64 {
	stop, said := make(chan struct{}), make(chan uint64)
	go func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		most := memory()
		for {
			select {
			case <-tick.C:
				most = max(most, memory())
			case <-stop:
				said <- max(most, memory())
				return
			}
		}
	}()
	return func() uint64 {
		close(stop)
		return <-said
	}
}

// memory is what this process has of the system.
func memory() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}

// idle measures what it costs that runs wait, with one or more workers on the
// store. Where a worker is a process of its own, each has its own connections.
func (b *benchLoad) idle(ctx context.Context, runs, workers int, d time.Duration) (idle benchIdle, err error) {
	watches := []*watchedStore{b.watch}
	for range workers - 1 {
		w := b.watch
		if b.place.shared() {
			k, err := b.place.open(ctx)
			if err != nil {
				return idle, err
			}
			w = &watchedStore{benchKeeper: k, ended: map[string]chan struct{}{}}
			defer func() { err = errors.Join(err, k.Close()) }()
		}
		watches = append(watches, w)
	}
	var e *engine.Engine
	for _, w := range watches {
		var stop func() error
		e, stop = startEngine(ctx, w, 8)
		defer func() { err = errors.Join(err, stop()) }()
	}
	book, err := b.book(e, askingBook())
	if err != nil {
		return idle, err
	}
	if err := b.startMany(ctx, e, book, runs, 0); err != nil {
		return idle, err
	}
	if err := b.allWait(ctx, runs); err != nil {
		return idle, err
	}
	return b.measureIdle(ctx, watches, runs, d)
}

// measureIdle measures what happens while nothing happens.
func (b *benchLoad) measureIdle(ctx context.Context, watches []*watchedStore, runs int, d time.Duration) (benchIdle, error) {
	idle := benchIdle{Workers: len(watches), WaitingRuns: runs}
	counted := func() (n int64) {
		seen := map[*watchedStore]bool{}
		for _, w := range watches {
			if !seen[w] {
				n += w.acts.Load()
			}
			seen[w] = true
		}
		return n
	}
	server, err := b.place.spent(ctx, b.store)
	if err != nil {
		return idle, err
	}
	acts, busy, begun := counted(), cpu(), time.Now()
	select {
	case <-time.After(d):
	case <-ctx.Done():
		return idle, ctx.Err()
	}
	took := time.Since(begun).Seconds()
	idle.MeasuredOverS = took
	idle.CPUPercent, idle.ActsPerS = 100*(cpu()-busy).Seconds()/took, float64(counted()-acts)/took
	after, err := b.place.spent(ctx, b.store)
	idle.ServerCPUPercent = 100 * (after.CPU - server.CPU).Seconds() / took
	idle.CommandsPerS = float64(max(0, after.Commands-server.Commands-server.Asked)) / took
	idle.RequestsPerS = float64(max(0, after.Requests-server.Requests-server.Asked)) / took
	if !b.place.shared() {
		idle.CommandsPerS = idle.ActsPerS
	}
	return idle, err
}

// allWait waits until so many runs wait and nothing is due.
func (b *benchLoad) allWait(ctx context.Context, runs int) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		waiting, cursor := 0, ""
		for {
			page, err := b.store.Follow(ctx, cursor, 1000)
			if err != nil {
				return err
			}
			for _, r := range page.Records {
				if r.Kind == "run" && len(r.Waits) > 0 && !r.Active {
					waiting++
				}
			}
			if cursor = page.Cursor; !page.More {
				break
			}
		}
		if waiting >= runs {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// endedBytes answers what an ended run of ten steps takes, after all that is done
// to it when it has ended.
func (b *benchLoad) endedBytes(ctx context.Context, runs int) (float64, error) {
	return b.bytesOf(ctx, linearBook(), runs, func(e *engine.Engine, book *playbooks.Playbook) error {
		group := newGroup()
		for range 64 {
			group.do(func() error {
				for range runs / 64 {
					if _, err := b.once(ctx, e, book); err != nil {
						return err
					}
				}
				return nil
			})
		}
		return group.wait()
	})
}

// waitingBytes answers what a run of a playbook takes that waits.
func (b *benchLoad) waitingBytes(ctx context.Context, text string, runs int) (float64, error) {
	return b.bytesOf(ctx, text, runs, func(e *engine.Engine, book *playbooks.Playbook) error {
		if err := b.startMany(ctx, e, book, runs/64*64, 0); err != nil {
			return err
		}
		return b.allWait(ctx, runs/64*64)
	})
}

// bytesOf answers by how much the store grows with each of so many runs. The
// first are not counted: what is kept once comes with them.
func (b *benchLoad) bytesOf(ctx context.Context, text string, runs int, begins func(*engine.Engine, *playbooks.Playbook) error) (float64, error) {
	e, stop := b.engine(ctx, 64)
	book, err := b.book(e, text)
	if err == nil {
		err = b.startMany(ctx, e, book, 1, 0)
	}
	if err := errors.Join(err, stop()); err != nil {
		return 0, err
	}
	before, err := b.place.size(ctx, b)
	if err != nil {
		return 0, err
	}
	e, stop = b.engine(ctx, 64)
	if err := errors.Join(begins(e, book), stop()); err != nil {
		return 0, err
	}
	after, err := b.place.size(ctx, b)
	return float64(after-before) / float64(runs/64*64), err
}
