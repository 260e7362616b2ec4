package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"stanch/cmd/stanch/internal/config"
	"stanch/engine/sqlitestore"
)

// benchReport is what `stanch bench --output json` prints.
type benchReport struct {
	Store        string        `json:"store"`
	Durability   string        `json:"durability"`
	Machine      string        `json:"machine"`
	Limit        benchLimit    `json:"limit"`
	Linear       []benchRate   `json:"linear"`
	Effects      []benchRate   `json:"effects"`
	LatencyMS    benchLatency  `json:"latency_ms"`
	Fanout       []benchFanout `json:"fanout"`
	BacklogRatio float64       `json:"backlog_ratio"`
	RecoveryS    float64       `json:"recovery_s"`
	Idle         benchIdle     `json:"idle"`
	BytesPerRun  int64         `json:"bytes_per_run"`
}

// benchLimit is what the machine can do: a loop of two small writes for each
// call, committed in groups as the store does.
type benchLimit struct {
	CallsPerS float64 `json:"calls_per_s"`
}

type benchRate struct {
	Concurrency     int     `json:"concurrency"`
	StepsPerS       float64 `json:"steps_per_s"`
	RunsPerS        float64 `json:"runs_per_s"`
	WorkerUSPerStep float64 `json:"worker_us_per_step"` // CPU of the whole process, store included
}

type benchLatency struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

type benchFanout struct {
	Items   int     `json:"items"`
	Seconds float64 `json:"seconds"`
}

type benchIdle struct {
	CPUPercent    float64 `json:"cpu_percent"`
	CommandsPerS  float64 `json:"commands_per_s"`
	WaitingRuns   int     `json:"waiting_runs"`
	MeasuredOverS float64 `json:"measured_over_s"`
}

// benchOptions say how long to measure.
type benchOptions struct {
	path        string
	each        time.Duration // of every rate
	concurrency []int
	fanouts     []int
	latencies   int
	backlog     int
	idle        time.Duration
	note        func(string)
}

func benchCommand(sh *shell) *cobra.Command {
	o := benchOptions{}
	quick := false
	c := &cobra.Command{
		Use:     "bench",
		GroupID: "try",
		Short:   "Measure steps per second on this machine",
		Long: `Measures the engine on a store, beside what the machine itself can do (a raw
loop of group commits on the same disk) in one run: compare the ratios, for
machines differ. Steps are no-ops; what is measured is making them durable.

The store is made in a folder of its own beside the path that --store names (or
in the temporary folder) and removed afterwards: nothing of yours is touched.`,
		Example: "  stanch bench\n  stanch bench --store sqlite:/var/lib/stanch/stanch.db --output json\n  stanch bench --quick",
		Args:    noArgs,
		RunE: verb(func(ctx context.Context, _ []string) error {
			if quick {
				o.each, o.idle, o.latencies, o.backlog = 500*time.Millisecond, time.Second, 20, 2000
				o.concurrency, o.fanouts = []int{64}, []int{1000}
			}
			folder, err := sh.benchFolder()
			if err != nil {
				return err
			}
			defer os.RemoveAll(folder)
			o.path = filepath.Join(folder, "bench.db")
			o.note = func(what string) { sh.err.Printf("measuring %s …\n", what) }
			r, err := bench(ctx, o)
			if err != nil {
				return err
			}
			return sh.print(r, func() { sh.benchTable(r) })
		}),
	}
	sh.outputFlag(c)
	sh.storeFlag(c)
	c.Flags().DurationVar(&o.each, "for", 5*time.Second, "`TIME` to measure every rate")
	c.Flags().IntSliceVar(&o.concurrency, "concurrency", []int{1, 16, 64, 256}, "runs in flight, as a `LIST`")
	c.Flags().IntSliceVar(&o.fanouts, "fanout", []int{1000, 10000}, "items of a for_each, as a `LIST`")
	c.Flags().IntVar(&o.backlog, "backlog", 20000, "runs waiting while the rate is measured again")
	c.Flags().DurationVar(&o.idle, "idle", 60*time.Second, "`TIME` to look at 64 waiting runs")
	c.Flags().BoolVar(&quick, "quick", false, "a few seconds in all: to see that it works, not to compare")
	o.latencies = 200
	return c
}

// benchFolder makes the folder for the measured store, on the disk that the
// person's store is on.
func (sh *shell) benchFolder() (string, error) {
	beside := os.TempDir()
	if sh.storeURL != "" {
		store, err := config.ParseStore(sh.storeURL)
		if err != nil {
			return "", err
		}
		if store.Redis != nil {
			return "", misused("bench measures SQLite files in this version: give --store sqlite:PATH")
		}
		beside = filepath.Dir(store.Path)
	}
	folder, err := os.MkdirTemp(beside, "stanch-bench-")
	if err != nil {
		return "", fmt.Errorf("a folder for the measurement: %w", err)
	}
	return folder, nil
}

// bench measures everything, one after the other.
func bench(ctx context.Context, o benchOptions) (benchReport, error) {
	r := benchReport{
		Store: "sqlite", Durability: "every step is on the disk before it counts (WAL, synchronous=FULL)",
		Machine: fmt.Sprintf("%d cores, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version()),
	}
	o.note("the machine's own limit")
	var err error
	if r.Limit.CallsPerS, err = sqlitestore.Limit(ctx, o.path+".limit", 64, o.each); err != nil {
		return r, fmt.Errorf("limit: %w", err)
	}
	b, err := newBench(o.path)
	if err != nil {
		return r, err
	}
	defer b.close()
	for _, n := range o.concurrency {
		o.note(fmt.Sprintf("linear runs, %d in flight", n))
		rate, err := b.rate(ctx, linearBook, n, o.each)
		if err != nil {
			return r, err
		}
		r.Linear = append(r.Linear, rate)
	}
	if r.BytesPerRun, err = b.bytesPerRun(); err != nil {
		return r, fmt.Errorf("size: %w", err)
	}
	for _, n := range o.concurrency {
		o.note(fmt.Sprintf("runs of effects, %d in flight", n))
		rate, err := b.rate(ctx, effectsBook, n, o.each)
		if err != nil {
			return r, err
		}
		r.Effects = append(r.Effects, rate)
	}
	o.note("the latency of one run")
	if r.LatencyMS, err = b.latency(ctx, o.latencies); err != nil {
		return r, err
	}
	for _, n := range o.fanouts {
		o.note(fmt.Sprintf("a fan-out of %d", n))
		f, err := b.fanout(ctx, n)
		if err != nil {
			return r, err
		}
		r.Fanout = append(r.Fanout, f)
	}
	o.note(fmt.Sprintf("a backlog of %d runs", o.backlog))
	if r.BacklogRatio, err = b.backlog(ctx, o.backlog, o.each); err != nil {
		return r, err
	}
	o.note("the takeover from a lost worker")
	if r.RecoveryS, err = b.recovery(ctx); err != nil {
		return r, err
	}
	o.note(fmt.Sprintf("64 waiting runs for %s", o.idle))
	r.Idle, err = b.idle(ctx, 64, o.idle)
	return r, err
}

func (sh *shell) benchTable(r benchReport) {
	sh.out.Printf("store      %s: %s\nmachine    %s\nlimit      %.0f calls/s (two small writes each, committed in groups)\n", r.Store, r.Durability, r.Machine, r.Limit.CallsPerS)
	for _, l := range r.Linear {
		sh.out.Printf("linear     %4d in flight  %8.0f steps/s  %6.0f runs/s  %5.1f µs CPU/step  %.2f of the limit\n", l.Concurrency, l.StepsPerS, l.RunsPerS, l.WorkerUSPerStep, l.StepsPerS/r.Limit.CallsPerS)
	}
	for _, l := range r.Effects {
		sh.out.Printf("effects    %4d in flight  %8.0f steps/s  %6.0f runs/s  %5.1f µs CPU/step  %.2f of the limit\n", l.Concurrency, l.StepsPerS, l.RunsPerS, l.WorkerUSPerStep, l.StepsPerS/r.Limit.CallsPerS)
	}
	sh.out.Printf("latency    one run of ten steps: p50 %.2f ms, p99 %.2f ms\n", r.LatencyMS.P50, r.LatencyMS.P99)
	for _, f := range r.Fanout {
		sh.out.Printf("fan-out    %d items in %.3f s\n", f.Items, f.Seconds)
	}
	sh.out.Printf("backlog    %.2f of the rate without\nrecovery   %.2f s with a lease of 1 s\nidle       %.3f %% CPU and %.1f acts/s for %d waiting runs over %.0f s\nsize       %d bytes for each ended run of ten steps\n",
		r.BacklogRatio, r.RecoveryS, r.Idle.CPUPercent, r.Idle.CommandsPerS, r.Idle.WaitingRuns, r.Idle.MeasuredOverS, r.BytesPerRun)
}
