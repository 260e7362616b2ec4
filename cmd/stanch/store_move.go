package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/spf13/cobra"

	"stanch/engine"
	"stanch/engine/redisstore"
)

// storeMoved is what `stanch store move --output json` prints.
type storeMoved struct {
	From string `json:"from"`
	To   string `json:"to"`
	engine.Contents
	Seconds float64 `json:"seconds"`
}

func storeMoveCommand(sh *shell) *cobra.Command {
	anew := false
	c := &cobra.Command{
		Use:   "move FROM TO",
		Short: "Take everything from one store to another",
		Long: `Takes everything that a store keeps to another one, between SQLite and Redis or
within one kind: runs that have ended and runs that go on, with what they wait
for; documents, the audit log, the freeze, and what caps have reserved. Then it
compares both stores, run by run.

Nobody may work on either store, and the new one has to hold nothing. The old one
stays as it was, but for a freeze, so that no run goes on in both: thaw it only to
go back. A move that fails leaves the new store empty; one that was killed leaves
a store that nobody can open, and --anew throws that away.

A run that holds a concurrency key, or waits for one, may have to end before its
store can be moved to a Redis: the move says which.`,
		Example: "  stanch store move sqlite:/var/lib/stanch/stanch.db redis://localhost\n  stanch store move redis://localhost sqlite:stanch.db",
		Args:    exactArgs(2),
		RunE: verb(func(ctx context.Context, args []string) error {
			r, err := sh.moveStore(ctx, args[0], args[1], anew)
			if err != nil {
				return err
			}
			return sh.print(r, func() {
				sh.out.Printf("moved %d runs (%d go on), %d documents, %d audit records and %d reserved targets in %.1f s; both stores were compared\n%s is frozen: name %s as the store from now on\n",
					r.Runs, r.Live, r.Documents, r.Audit, r.Reserved, r.Seconds, r.From, r.To)
			})
		}),
	}
	sh.outputFlag(c)
	c.Flags().BoolVar(&anew, "anew", false, "throw away what an earlier move to the new store has left there when it was killed")
	return c
}

func (sh *shell) moveStore(ctx context.Context, from, to string, anew bool) (r storeMoved, err error) {
	begun := time.Now()
	places, err := sh.storePlaces()
	if err != nil {
		return r, err
	}
	if a, _, err := places.at(from); err == nil {
		if b, _, err := places.at(to); err == nil && a.String() == b.String() {
			return r, misused("both stores are %s", a)
		}
	}
	old, err := places.open(ctx, from, toRead)
	if err != nil {
		return r, whoWorks(err)
	}
	defer func() { err = errors.Join(err, old.Close()) }()
	if err := nobodyWorks(ctx, old); err != nil {
		return r, err
	}
	if r.Contents, err = old.Contents(ctx); err != nil {
		return r, err
	}
	if r.Contents.Empty() {
		return r, fmt.Errorf("%s holds nothing", old.at)
	}
	if err := places.notWhole(ctx, to, anew); err != nil {
		return r, err
	}
	fresh, err := places.open(ctx, to, toFill)
	if err != nil {
		return r, whoWorks(err)
	}
	defer func() { err = errors.Join(err, fresh.Close()) }()
	r.From, r.To = old.at.String(), fresh.at.String()
	if imported, err := sh.takeOver(ctx, old, fresh, r.Contents); err != nil {
		if !imported {
			err = errors.Join(err, places.notWhole(context.WithoutCancel(ctx), to, true))
		}
		return r, err
	}
	_, err = old.Freeze(ctx, engine.Freeze{Request: "moved to " + r.To, Change: "freeze", By: "stanch store move", Reason: "moved to " + r.To})
	r.Seconds = time.Since(begun).Seconds()
	return r, err
}

// whoWorks says what to do about another worker.
func whoWorks(err error) error {
	if errors.Is(err, engine.ErrWorkerBusy) {
		return fmt.Errorf("%w: end it first", err)
	}
	return err
}

// nobodyWorks refuses a store on which somebody works. A freeze is not enough:
// it stops effects, not runs.
func nobodyWorks(ctx context.Context, s *openedStore) error {
	n, err := s.workers(ctx)
	if err == nil && n > 0 {
		err = fmt.Errorf("%s: %w: %d live; end them first", s.at, engine.ErrWorkerBusy, n)
	}
	return err
}

// notWhole looks whether an earlier move to a Redis was killed, and throws away
// what it has left there, if that is wanted.
func (p storePlaces) notWhole(ctx context.Context, to string, anew bool) error {
	_, redis, err := p.at(to)
	if err != nil || redis == nil {
		return err // a file takes all or nothing
	}
	if redis.Prefix == "" {
		redis.Prefix = redisstore.DefaultPrefix
	}
	part, err := redisstore.NotWhole(ctx, *redis)
	switch {
	case err != nil || !part:
		return err
	case !anew:
		return errors.New("an earlier move to this store was killed: give --anew to throw away what it has left there")
	}
	return redisstore.Drop(ctx, *redis)
}

// takeOver takes everything over and compares both stores. imported is false
// where the new one does not have all.
func (sh *shell) takeOver(ctx context.Context, old, fresh *openedStore, what engine.Contents) (imported bool, err error) {
	held, err := fresh.Contents(ctx)
	if err != nil {
		return false, err
	}
	if !held.Empty() {
		return false, fmt.Errorf("%s holds something (%d runs, %d documents, %d audit records): name a store that is new", fresh.at, held.Runs, held.Documents, held.Audit)
	}
	if err := nobodyWorks(ctx, fresh); err != nil {
		return false, err
	}
	progress := sh.err.Progress("moved and compared", 2*(what.Runs+what.Documents+what.Audit+what.Reserved))
	done := 0
	read, arrived := newMoved(), newMoved()
	err = fresh.Import(ctx, noting(old.Export(ctx), func(d *engine.Dumped) error {
		done++
		progress.Done(done)
		return read.add(d)
	}))
	if err != nil {
		return false, err
	}
	for d, err := range noting(fresh.Export(ctx), arrived.add) {
		done++
		progress.Done(done)
		if err == nil {
			err = answeredAlike(ctx, old, fresh, &d)
		}
		if err != nil {
			return true, doubtful(fresh, err)
		}
	}
	if err := read.same(arrived); err != nil {
		return true, doubtful(fresh, err)
	}
	return true, nil
}

// doubtful says what to do about a store that does not hold what it was given.
func doubtful(s *openedStore, err error) error {
	return fmt.Errorf("%s does not hold the same, do not use it: %w", s.at, err)
}

// noting answers the same, and takes note of each thing.
func noting(all iter.Seq2[engine.Dumped, error], note func(*engine.Dumped) error) iter.Seq2[engine.Dumped, error] {
	return func(yield func(engine.Dumped, error) bool) {
		for d, err := range all {
			if err == nil {
				err = note(&d)
			}
			if !yield(d, err) || err != nil {
				return
			}
		}
	}
}
