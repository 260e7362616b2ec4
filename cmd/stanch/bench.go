package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// benchReport is what `stanch bench --output json` prints.
type benchReport struct {
	Store               string           `json:"store"`
	Durability          string           `json:"durability"`
	Machine             string           `json:"machine"`
	Runs                int              `json:"runs"` // how often each rate was measured: it is the median
	Limit               benchLimit       `json:"limit"`
	Linear              []benchRate      `json:"linear"`
	Effects             []benchRate      `json:"effects"`
	LatencyMS           benchLatency     `json:"latency_ms"`
	Fanout              []benchFanout    `json:"fanout"`
	BacklogRuns         int              `json:"backlog_runs"`
	BacklogRatio        float64          `json:"backlog_ratio"`
	RecoveryS           float64          `json:"recovery_s"`
	RecoveryLeaseS      float64          `json:"recovery_lease_s"`
	Idle                benchIdle        `json:"idle"`
	EventBytes          int              `json:"event_bytes"`
	BytesPerRun         int64            `json:"bytes_per_run"`
	BytesPerWaitingRun  int64            `json:"bytes_per_waiting_run"`
	BytesPerApprovalRun int64            `json:"bytes_per_approval_run"`
	Processes           []benchProcesses `json:"processes,omitempty"`
}

// benchLimit is what the machine can do. SQLite: a loop of two small writes for
// each call, committed in groups as the store does. Redis: a script of eight
// small commands for each call, pipelined over two connections.
type benchLimit struct {
	CallsPerS float64    `json:"calls_per_s"`
	Range     [2]float64 `json:"range"`
}

type benchRate struct {
	Concurrency     int        `json:"concurrency"`
	StepsPerS       float64    `json:"steps_per_s"`
	Range           [2]float64 `json:"range"` // of steps_per_s, over all runs
	RunsPerS        float64    `json:"runs_per_s"`
	WorkerUSPerStep float64    `json:"worker_us_per_step"` // CPU of this process; with SQLite the store is in it
	ServerUSPerStep float64    `json:"server_us_per_step,omitempty"`
}

type benchLatency struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

type benchFanout struct {
	Items   int     `json:"items"`
	Seconds float64 `json:"seconds"`
	PeakMB  float64 `json:"peak_mb"` // memory of the worker at most
}

type benchIdle struct {
	Workers          int     `json:"workers"`
	CPUPercent       float64 `json:"cpu_percent"` // of all workers together
	ServerCPUPercent float64 `json:"server_cpu_percent"`
	CommandsPerS     float64 `json:"commands_per_s"` // that the server counts, those inside scripts among them
	RequestsPerS     float64 `json:"requests_per_s"` // that reach it: what is sent together counts once
	ActsPerS         float64 `json:"acts_per_s"`     // that workers ask of the store
	WaitingRuns      int     `json:"waiting_runs"`
	MeasuredOverS    float64 `json:"measured_over_s"`
}

type benchProcesses struct {
	Processes       int        `json:"processes"`
	StepsPerS       float64    `json:"steps_per_s"`
	Range           [2]float64 `json:"range"`
	WorkerUSPerStep float64    `json:"worker_us_per_step"`
}

// benchOptions say what to measure and how long.
type benchOptions struct {
	each        time.Duration // of every rate
	runs        int           // of every rate
	concurrency []int
	fanouts     []int
	latencies   int
	backlog     int
	idle        time.Duration
	workers     int // that are idle
	processes   int
	sized       int           // runs whose size is measured
	lease       time.Duration // of the lost worker
	only        []string
	profile     string
	note        func(string)
}

// benchParts are what can be measured alone.
func benchParts() []string {
	return []string{"limit", "linear", "effects", "latency", "fanout", "backlog", "recovery", "idle", "size", "processes"}
}

func benchCommand(sh *shell) *cobra.Command {
	o := benchOptions{}
	quick := false
	c := &cobra.Command{
		Use:     "bench",
		GroupID: "try",
		Short:   "Measure steps per second on this machine",
		Long: `Measures the engine on a store, beside what the machine itself can do in one
run: compare the ratios, for machines differ. Steps are no-ops; what is measured
is making them durable. The limit of SQLite is a raw loop of group commits on
the same disk; that of Redis a script of eight small commands, pipelined over
two connections to the same server.

The store is made beside the one that --store names and removed afterwards: a
file in a folder of its own (or in the temporary folder), or keys of their own
on that Redis. Nothing of yours is touched, but the server has to work for it.`,
		Example: "  stanch bench\n  stanch bench --store sqlite:/var/lib/stanch/stanch.db --output json\n  stanch bench --store redis://localhost --runs 5\n  stanch bench --quick",
		Args:    noArgs,
		RunE: verb(func(ctx context.Context, _ []string) error {
			roomyHeap() // as workers have it
			if quick {
				o.each, o.idle, o.latencies, o.backlog, o.sized, o.lease = 500*time.Millisecond, time.Second, 20, 2000, 640, time.Second
				o.concurrency, o.fanouts = []int{64}, []int{1000}
			}
			o.note = func(what string) { sh.err.Printf("measuring %s …\n", what) }
			return sh.bench(ctx, o)
		}),
	}
	sh.outputFlag(c)
	sh.storeFlag(c)
	benchFlags(c, &o)
	c.Flags().BoolVar(&quick, "quick", false, "a few seconds in all: to see that it works, not to compare")
	c.AddCommand(benchWorkerCommand(sh))
	return c
}

func benchFlags(c *cobra.Command, o *benchOptions) {
	f := c.Flags()
	f.DurationVar(&o.each, "for", 5*time.Second, "`TIME` to measure every rate")
	f.IntVar(&o.runs, "runs", 1, "measure every rate `N` times, and tell the median")
	f.IntSliceVar(&o.concurrency, "concurrency", []int{1, 16, 64, 256}, "runs in flight, as a `LIST`")
	f.IntSliceVar(&o.fanouts, "fanout", []int{1000, 10000}, "items of a for_each, as a `LIST`")
	f.IntVar(&o.backlog, "backlog", 20000, "runs `N` that wait while the rate is measured again")
	f.DurationVar(&o.idle, "idle", 60*time.Second, "`TIME` to look at 64 waiting runs")
	f.IntVar(&o.workers, "workers", 1, "so many workers `N` look at the waiting runs")
	f.IntVar(&o.processes, "processes", 1, "measure one worker process against `N` on the same store")
	f.DurationVar(&o.lease, "lease", 15*time.Second, "`TIME` that the lease of the lost worker lasts")
	f.StringSliceVar(&o.only, "only", nil, "measure only this `LIST` of "+strings.Join(benchParts(), ", "))
	for _, name := range []string{"concurrency", "fanout"} { // as they are written
		f.Lookup(name).DefValue = strings.Trim(f.Lookup(name).DefValue, "[]")
	}
	f.StringVar(&o.profile, "cpuprofile", "", "`FILE` for a CPU profile of the rates")
	_ = f.MarkHidden("cpuprofile")
	o.latencies, o.sized = 200, 3200
}

// check refuses options that measure nothing.
func (o *benchOptions) check() error {
	for _, p := range o.only {
		if !slices.Contains(benchParts(), p) {
			return misused("--only: %q is none of %s", p, strings.Join(benchParts(), ", "))
		}
	}
	for _, n := range slices.Concat(o.concurrency, o.fanouts, []int{o.runs, o.workers, o.processes, o.backlog}) {
		if n < 1 {
			return misused("%d is no number to measure with", n)
		}
	}
	if o.each <= 0 || o.idle <= 0 || o.lease <= 0 {
		return misused("a time to measure must be longer than nothing")
	}
	return nil
}

func (o *benchOptions) wants(part string) bool {
	return len(o.only) == 0 || slices.Contains(o.only, part)
}

func (sh *shell) bench(ctx context.Context, o benchOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	place, err := sh.benchPlace()
	if err != nil {
		return err
	}
	if o.processes > 1 && !place.shared() {
		return errors.Join(misused("--processes: a SQLite store has one worker process: give --store a Redis"), place.end(ctx))
	}
	r, err := bench(ctx, place, o)
	if err := errors.Join(err, place.end(context.WithoutCancel(ctx))); err != nil {
		return err
	}
	return sh.print(r, func() { sh.benchTable(r, o) })
}

func (sh *shell) benchTable(r benchReport, o benchOptions) {
	sh.out.Printf("store      %s: %s\nmachine    %s\n", r.Store, r.Durability, r.Machine)
	per := func(steps float64) string {
		if r.Limit.CallsPerS == 0 {
			return ""
		}
		return fmt.Sprintf("  %.2f of the limit", steps/r.Limit.CallsPerS)
	}
	between := func(of [2]float64) string {
		if r.Runs == 1 {
			return ""
		}
		return fmt.Sprintf(" (%.0f to %.0f)", of[0], of[1])
	}
	if r.Limit.CallsPerS > 0 {
		sh.out.Printf("limit      %.0f calls/s%s\n", r.Limit.CallsPerS, between(r.Limit.Range))
	}
	for _, part := range []struct {
		name  string
		rates []benchRate
	}{{"linear", r.Linear}, {"effects", r.Effects}} {
		for _, l := range part.rates {
			server := ""
			if l.ServerUSPerStep > 0 {
				server = fmt.Sprintf(" + %.1f of the server", l.ServerUSPerStep)
			}
			sh.out.Printf("%-10s %4d in flight  %8.0f steps/s%s  %6.0f runs/s  %5.1f µs CPU/step%s%s\n", part.name, l.Concurrency, l.StepsPerS, between(l.Range), l.RunsPerS, l.WorkerUSPerStep, server, per(l.StepsPerS))
		}
	}
	for _, p := range r.Processes {
		sh.out.Printf("processes  %4d            %8.0f steps/s%s  %5.1f µs CPU/step\n", p.Processes, p.StepsPerS, between(p.Range), p.WorkerUSPerStep)
	}
	if o.wants("latency") {
		sh.out.Printf("latency    one run of ten steps: p50 %.2f ms, p99 %.2f ms\n", r.LatencyMS.P50, r.LatencyMS.P99)
	}
	for _, f := range r.Fanout {
		sh.out.Printf("fan-out    %d items in %.3f s, memory of the worker at most %.0f MB\n", f.Items, f.Seconds, f.PeakMB)
	}
	if o.wants("backlog") {
		sh.out.Printf("backlog    %.2f of the rate without, while %d runs wait\n", r.BacklogRatio, r.BacklogRuns)
	}
	if o.wants("recovery") {
		sh.out.Printf("recovery   %.2f s with a lease of %.0f s\n", r.RecoveryS, r.RecoveryLeaseS)
	}
	if i := r.Idle; o.wants("idle") {
		sh.out.Printf("idle       %d workers, %d waiting runs: %.3f %% CPU + %.3f %% of the server, %.1f requests/s, %.1f commands/s over %.0f s\n",
			i.Workers, i.WaitingRuns, i.CPUPercent, i.ServerCPUPercent, i.RequestsPerS, i.CommandsPerS, i.MeasuredOverS)
	}
	if o.wants("size") {
		sh.out.Printf("size       with an incident of %d bytes: %d bytes for an ended run of ten steps, %d for one that waits, %d for one that waits for an answer\n",
			r.EventBytes, r.BytesPerRun, r.BytesPerWaitingRun, r.BytesPerApprovalRun)
	}
}
