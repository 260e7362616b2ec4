package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stanch/cmd/stanch/internal/again"
	"stanch/engine"
)

// benchOrder is what another process of bench is told to do. It goes over its
// standard input: an address may hold a password.
type benchOrder struct {
	Path    string // of a SQLite file, else
	Address string // of a Redis
	Prefix  string
	Config  string // the operator's file

	Concurrency int
	For         time.Duration
	Lose        time.Duration // claim under a lease of such a length, and go no further
}

// benchResult is what another process has measured.
type benchResult struct {
	Steps, Runs int64
	Seconds     float64
	CPU         time.Duration
}

// The words between the processes.
const (
	benchReady = "ready"
	benchGo    = "go"
)

// ordered answers the place of an order.
func (sh *shell) ordered(o benchOrder) (benchPlace, error) {
	if o.Address == "" {
		return sqlitePlace{o.Path}, nil
	}
	places, err := sh.storePlaces()
	if err != nil {
		return nil, err
	}
	_, redis, err := places.at(o.Address)
	if err != nil {
		return nil, err
	}
	if redis == nil {
		return nil, fmt.Errorf("%s is no Redis", o.Address)
	}
	return newRedisPlace(o.Address, o.Prefix, *redis), nil
}

// benchWorkerCommand is what bench starts to measure several processes.
func benchWorkerCommand(sh *shell) *cobra.Command {
	return &cobra.Command{
		Use: "worker", Hidden: true, Args: noArgs,
		Short: "One of several processes that bench measures",
		RunE: verb(func(ctx context.Context, _ []string) error {
			in := json.NewDecoder(sh.in)
			var o benchOrder
			if err := in.Decode(&o); err != nil {
				return fmt.Errorf("the order: %w", err)
			}
			place, err := sh.ordered(o)
			if err != nil {
				return err
			}
			b, err := newBench(ctx, place)
			if err != nil {
				return err
			}
			if o.Lose > 0 {
				return sh.lose(ctx, b, o.Lose)
			}
			err = sh.obey(ctx, b, o, io.MultiReader(in.Buffered(), sh.in))
			return errors.Join(err, b.store.Close())
		}),
	}
}

// lose claims what is due and waits to be killed.
func (sh *shell) lose(ctx context.Context, b *benchLoad, last time.Duration) error {
	for {
		claimed, err := b.store.Claim(ctx, engine.Claim{Worker: "lost", Max: 1, Last: last})
		if err != nil {
			return err
		}
		if len(claimed.Strands) > 0 {
			break
		}
		if err := b.store.Wait(ctx, time.Time{}); err != nil {
			return err
		}
	}
	sh.out.Printf("%s\n", benchReady)
	<-ctx.Done()
	return nil
}

// obey measures the rate of this process beside the others. Runs in flight are
// counted as they end here, whoever has begun them.
func (sh *shell) obey(ctx context.Context, b *benchLoad, o benchOrder, in io.Reader) error {
	free := make(chan struct{}, 64*o.Concurrency)
	b.watch.told = func() {
		select {
		case free <- struct{}{}:
		default:
		}
	}
	e, stop := b.engine(ctx, o.Concurrency)
	book, err := b.book(e, linearBook())
	if err != nil {
		return errors.Join(err, stop())
	}
	sh.out.Printf("%s\n", benchReady)
	var word string
	if _, err := fmt.Fscan(in, &word); err != nil || word != benchGo {
		return errors.Join(fmt.Errorf("%q is not the word to begin", word), err, stop())
	}
	begun, busy, steps := time.Now(), cpu(), b.watch.steps.Load()
	over := time.After(o.For)
	for range o.Concurrency {
		free <- struct{}{}
	}
	group := newGroup()
	done := make(chan struct{})
	for range 32 {
		group.do(func() error {
			for {
				select {
				case <-done:
					return nil
				case <-free:
				}
				if _, err := b.start(ctx, e, book, 0); err != nil {
					return err
				}
			}
		})
	}
	select {
	case <-over:
	case <-ctx.Done():
	}
	r := benchResult{Steps: b.watch.steps.Load() - steps, Seconds: time.Since(begun).Seconds(), CPU: cpu() - busy}
	close(done)
	if err := errors.Join(group.wait(), stop()); err != nil {
		return err
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	sh.out.Printf("%s\n", text)
	return nil
}

// child is another process of bench.
type child struct {
	*again.Process
	complaints *bytes.Buffer
}

// startChild starts another process and waits until it is ready.
func startChild(ctx context.Context, o benchOrder) (*child, error) {
	c := &child{complaints: &bytes.Buffer{}}
	args := []string{"bench", "worker"}
	if o.Config != "" {
		args = append(args, "--config", o.Config)
	}
	var err error
	if c.Process, err = again.Start(ctx, c.complaints, args...); err != nil {
		return nil, err
	}
	text, err := json.Marshal(o)
	if err == nil {
		_, err = c.In.Write(append(text, '\n'))
	}
	var word string
	if err == nil {
		word, err = c.Out.ReadString('\n')
	}
	if err != nil || strings.TrimSpace(word) != benchReady {
		_ = c.Kill() // it is no use any more
		return nil, errors.Join(fmt.Errorf("another process is not ready: %q", word), err, c.end())
	}
	return c, nil
}

// end waits for the end of the process, and answers what it complained of.
func (c *child) end() error {
	if err := c.Wait(); err != nil {
		return fmt.Errorf("another process: %w: %s", err, strings.TrimSpace(c.complaints.String()))
	}
	return nil
}

// measureProcesses measures the rate of so many processes on one store.
func measureProcesses(ctx context.Context, place benchPlace, n, concurrency int, d time.Duration) (rate benchProcesses, err error) {
	rate.Processes = n
	o := place.order()
	o.Concurrency, o.For = max(1, concurrency/n), d
	var all []*child
	for range n {
		c, err := startChild(ctx, o)
		if err != nil {
			for _, c := range all {
				_ = c.Kill()
				_ = c.end()
			}
			return rate, err
		}
		all = append(all, c)
	}
	for _, c := range all {
		_, e := io.WriteString(c.In, benchGo+"\n")
		err = errors.Join(err, e)
	}
	var steps int64
	var busy time.Duration
	for _, c := range all {
		var r benchResult
		e := json.NewDecoder(c.Out).Decode(&r)
		err = errors.Join(err, e, c.end())
		rate.StepsPerS += float64(r.Steps) / max(r.Seconds, 0.001)
		steps, busy = steps+r.Steps, busy+r.CPU
	}
	rate.WorkerUSPerStep = float64(busy.Microseconds()) / float64(max(steps, 1))
	rate.Range = [2]float64{rate.StepsPerS, rate.StepsPerS}
	return rate, err
}

// recovery measures how long a run stands still whose worker was killed as it
// had claimed it, under a lease of such a length, with another worker beside
// where the store allows one.
func (b *benchLoad) recovery(ctx context.Context, lease time.Duration) (float64, error) {
	idle := b.idler()
	book, err := b.book(idle, linearBook())
	if err != nil {
		return 0, err
	}
	ended, err := b.begin(ctx, idle, book)
	if err != nil {
		return 0, err
	}
	if !b.place.shared() {
		if err := b.store.Close(); err != nil {
			return 0, err
		}
	}
	o := b.place.order()
	o.Lose = lease
	lost, err := startChild(ctx, o)
	if err != nil {
		return 0, err
	}
	begun := time.Now()
	_ = lost.Kill()
	_ = lost.end() // it was killed
	if !b.place.shared() {
		old := b.watch
		if err := b.reopen(ctx); err != nil {
			return 0, err
		}
		b.watch.ended = old.ended
	}
	_, stop := b.engine(ctx, 8)
	select {
	case <-ended:
	case <-ctx.Done():
	}
	return time.Since(begun).Seconds(), errors.Join(ctx.Err(), stop())
}
