package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"time"
)

// benching is a measurement under way.
type benching struct {
	place benchPlace
	o     benchOptions
	r     benchReport
}

// bench measures everything that is wanted, one after the other, each on a store
// that is new.
func bench(ctx context.Context, place benchPlace, o benchOptions) (benchReport, error) {
	m := &benching{place: place, o: o}
	m.r = benchReport{Machine: fmt.Sprintf("%d cores, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version()), Runs: o.runs}
	var err error
	if m.r.Store, m.r.Durability, err = place.kind(ctx); err != nil {
		return m.r, err
	}
	events, err := newBenchEvents()
	if err != nil {
		return m.r, err
	}
	m.r.EventBytes = events.size()
	for _, step := range []func(context.Context) error{m.rates, m.processes, m.latency, m.fanouts, m.backlog, m.recovery, m.sizes, m.idle} {
		if err := step(ctx); err != nil {
			return m.r, err
		}
	}
	return m.r, nil
}

// rates measures the limit and the rates beside one another, so often as was
// asked for.
func (m *benching) rates(ctx context.Context) error {
	var limits []float64
	linear, effects := make([][]benchRate, len(m.o.concurrency)), make([][]benchRate, len(m.o.concurrency))
	for i := range m.o.runs {
		again := ""
		if i > 0 {
			again = fmt.Sprintf(", run %d", i+1)
		}
		if m.o.wants("limit") || m.o.wants("linear") || m.o.wants("effects") {
			m.o.note("the machine's own limit" + again)
			l, err := m.place.limit(ctx, m.o.each)
			if err != nil {
				return fmt.Errorf("limit: %w", err)
			}
			limits = append(limits, l)
		}
		err := m.profiled(i, func() error {
			err := m.rate(ctx, "linear", again, linearBook(), linear)
			if err != nil {
				return err
			}
			return m.rate(ctx, "effects", again, effectsBook(), effects)
		})
		if err != nil {
			return err
		}
	}
	slices.Sort(limits)
	if n := len(limits); n > 0 {
		m.r.Limit = benchLimit{limits[n/2], [2]float64{limits[0], limits[n-1]}}
	}
	m.r.Linear, m.r.Effects = medians(linear), medians(effects)
	return nil
}

// rate measures one kind of runs with each number in flight.
func (m *benching) rate(ctx context.Context, what, again, text string, into [][]benchRate) error {
	if !m.o.wants(what) {
		return nil
	}
	for i, n := range m.o.concurrency {
		m.o.note(fmt.Sprintf("%s runs, %d in flight%s", what, n, again))
		err := onNew(ctx, m.place, func(b *benchLoad) error {
			r, err := b.rate(ctx, text, n, m.o.each)
			into[i] = append(into[i], r)
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}

// medians answers of each list the middle one, with the range of all.
func medians(all [][]benchRate) []benchRate {
	out := []benchRate{}
	for _, some := range all {
		if len(some) == 0 {
			continue
		}
		slices.SortFunc(some, func(a, b benchRate) int { return cmp.Compare(a.StepsPerS, b.StepsPerS) })
		r := some[len(some)/2]
		r.Range = [2]float64{some[0].StepsPerS, some[len(some)-1].StepsPerS}
		out = append(out, r)
	}
	return out
}

// profiled profiles the first time, if a profile is wanted.
func (m *benching) profiled(i int, do func() error) error {
	if m.o.profile == "" || i > 0 {
		return do()
	}
	f, err := os.Create(m.o.profile)
	if err != nil {
		return fmt.Errorf("--cpuprofile: %w", err)
	}
	defer f.Close()
	if err := pprof.StartCPUProfile(f); err != nil {
		return fmt.Errorf("--cpuprofile: %w", err)
	}
	defer pprof.StopCPUProfile()
	return do()
}

// processes measures one worker process, and several, on one store.
func (m *benching) processes(ctx context.Context) error {
	if m.o.processes < 2 || !m.o.wants("processes") {
		return nil
	}
	most := slices.Max(m.o.concurrency)
	found := make([][]benchProcesses, 2)
	for range m.o.runs {
		for i, n := range []int{1, m.o.processes} {
			m.o.note(fmt.Sprintf("linear runs of %d processes, %d in flight", n, most))
			err := onNew(ctx, m.place, func(*benchLoad) error { return nil })
			if err != nil {
				return err
			}
			p, err := measureProcesses(ctx, m.place, n, most, m.o.each)
			if err != nil {
				return fmt.Errorf("processes: %w", err)
			}
			found[i] = append(found[i], p)
		}
	}
	for _, some := range found {
		slices.SortFunc(some, func(a, b benchProcesses) int { return cmp.Compare(a.StepsPerS, b.StepsPerS) })
		p := some[len(some)/2]
		p.Range = [2]float64{some[0].StepsPerS, some[len(some)-1].StepsPerS}
		m.r.Processes = append(m.r.Processes, p)
	}
	return m.place.clear(ctx)
}

func (m *benching) latency(ctx context.Context) error {
	if !m.o.wants("latency") {
		return nil
	}
	m.o.note("the latency of one run")
	return onNew(ctx, m.place, func(b *benchLoad) (err error) {
		m.r.LatencyMS, err = b.latency(ctx, m.o.latencies)
		return err
	})
}

func (m *benching) fanouts(ctx context.Context) error {
	m.r.Fanout = []benchFanout{}
	if !m.o.wants("fanout") {
		return nil
	}
	for _, n := range m.o.fanouts {
		m.o.note(fmt.Sprintf("a fan-out of %d", n))
		err := onNew(ctx, m.place, func(b *benchLoad) error {
			f, err := b.fanout(ctx, n)
			m.r.Fanout = append(m.r.Fanout, f)
			return err
		})
		if err != nil {
			return fmt.Errorf("fan-out of %d: %w", n, err)
		}
	}
	return nil
}

func (m *benching) backlog(ctx context.Context) error {
	if !m.o.wants("backlog") {
		return nil
	}
	m.o.note(fmt.Sprintf("a backlog of %d runs", m.o.backlog))
	m.r.BacklogRuns = m.o.backlog
	return onNew(ctx, m.place, func(b *benchLoad) (err error) {
		m.r.BacklogRatio, err = b.backlog(ctx, m.o.backlog, m.o.each)
		return err
	})
}

func (m *benching) recovery(ctx context.Context) error {
	if !m.o.wants("recovery") {
		return nil
	}
	m.o.note("the takeover from a lost worker")
	m.r.RecoveryLeaseS = m.o.lease.Seconds()
	return onNew(ctx, m.place, func(b *benchLoad) (err error) {
		m.r.RecoveryS, err = b.recovery(ctx, m.o.lease)
		return err
	})
}

// sizes measures what runs take.
func (m *benching) sizes(ctx context.Context) error {
	if !m.o.wants("size") {
		return nil
	}
	m.o.note(fmt.Sprintf("the size of %d runs", m.o.sized))
	for _, kind := range []struct {
		into    *int64
		measure func(b *benchLoad) (float64, error)
	}{
		{&m.r.BytesPerRun, func(b *benchLoad) (float64, error) { return b.endedBytes(ctx, m.o.sized) }},
		{&m.r.BytesPerWaitingRun, func(b *benchLoad) (float64, error) { return b.waitingBytes(ctx, waitingBook(), m.o.sized) }},
		{&m.r.BytesPerApprovalRun, func(b *benchLoad) (float64, error) { return b.waitingBytes(ctx, askingBook(), m.o.sized) }},
	} {
		err := onNew(ctx, m.place, func(b *benchLoad) error {
			n, err := kind.measure(b)
			*kind.into = int64(n)
			return err
		})
		if err != nil {
			return fmt.Errorf("size: %w", err)
		}
	}
	return nil
}

func (m *benching) idle(ctx context.Context) error {
	if !m.o.wants("idle") {
		return nil
	}
	const waiting = 64
	m.o.note(fmt.Sprintf("%d waiting runs for %s", waiting, m.o.idle.Round(time.Millisecond)))
	return onNew(ctx, m.place, func(b *benchLoad) (err error) {
		m.r.Idle, err = b.idle(ctx, waiting, m.o.workers, m.o.idle)
		return err
	})
}
