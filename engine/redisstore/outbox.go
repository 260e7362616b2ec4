package redisstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stanch/engine"
)

// What has to happen in another partition is written into the outbox of the one
// where it was decided, by the same act. Whoever made the act delivers it before
// answering; should they die, the next claim does. Everything that is delivered
// may be delivered twice. Messages are texts behind their lengths:
//
//	free KEY RUN       the run has ended: its wide key goes on
//	grant RUN KEY      the wide key is the run's
//	cancel RUN         another run replaces it
//	begun? RUN KEY     if the run is not there, its key is free
//	put NAME KIND KEY BODY EXPIRES   a document of a settlement

// deliverAll delivers what an act has written into the outbox of a partition.
func (s *Store) deliverAll(ctx context.Context, p *part, out *list) error {
	for i := 0; i+1 < len(out.values); i += 2 {
		if err := s.deliver(ctx, p, out.text(i), out.text(i+1)); err != nil {
			return err
		}
	}
	return out.err()
}

// deliver delivers one message and takes it out of the outbox.
func (s *Store) deliver(ctx context.Context, p *part, id, message string) error {
	m, _, err := unnets(message, 6)
	if err != nil || len(m) < 2 {
		return errDamaged
	}
	switch m[0] {
	case "free":
		err = s.free(ctx, m[1], m[2])
	case "grant":
		err = s.grant(ctx, m[2], m[1])
	case "cancel":
		err = s.replaced(ctx, m[1])
	case "begun?":
		err = s.begunOrFree(ctx, m[1], m[2])
	case "put":
		err = s.deliverPut(ctx, m)
	default:
		err = fmt.Errorf("a message of the kind %q: %w", m[0], engine.ErrNewer)
	}
	if errors.Is(err, errNotYet) || m[0] != "put" && (passes(err) || errors.Is(err, engine.ErrDamaged)) {
		return nil // it stays in the outbox: what it tells another partition can wait
	}
	if err != nil {
		return err
	}
	return s.acked(ctx, p, id)
}

// errNotYet says that a message cannot be delivered now.
var errNotYet = errors.New("not yet")

// acked takes a message out of the outbox.
func (s *Store) acked(ctx context.Context, p *part, id string) error {
	_, err := s.do(ctx, p, "acked", id)
	return err
}

// free gives a wide key back.
func (s *Store) free(ctx context.Context, key, run string) error {
	keys := s.partOf("key " + key)
	l, err := s.do(ctx, keys, "key", "free", key, run)
	if err != nil {
		return err
	}
	return errors.Join(l.err(), s.deliverAll(ctx, keys, l.list(1)))
}

// grant tells a run that its wide key is its own. One that has ended has no use
// for it.
func (s *Store) grant(ctx context.Context, key, run string) error {
	there, ended, err := s.runAct(ctx, run, "grant")
	switch {
	case err != nil:
		return err
	case ended:
		return s.free(ctx, key, run)
	case !there:
		return errNotYet
	}
	return nil
}

// replaced cancels a run that another replaces, as soon as it is there.
func (s *Store) replaced(ctx context.Context, run string) error {
	there, _, err := s.runAct(ctx, run, "cancel")
	if err == nil && !there {
		return errNotYet
	}
	return err
}

// begunOrFree frees the key of a run that was never begun, for good, or that has
// ended.
func (s *Store) begunOrFree(ctx context.Context, run, key string) error {
	there, ended, err := s.runAct(ctx, run, "begun?")
	if err != nil || there && !ended {
		return err
	}
	return s.free(ctx, key, run)
}

// runAct does to a run what another partition asks for, and reports whether the
// run is there, or certainly never will be, and whether it has ended.
func (s *Store) runAct(ctx context.Context, run, what string) (there, ended bool, err error) {
	p := s.partOfRun(run)
	if p == nil {
		return false, false, errDamaged
	}
	l, err := s.do(ctx, p, "run", run, what, micros(answersKept))
	if err != nil {
		return false, false, err
	}
	s.worker.hint(p)
	return l.text(0) == "1", l.text(1) == "ended", errors.Join(l.err(), s.deliverAll(ctx, p, l.list(2)))
}

// doneNames is how long it is known that a document of a settlement was put.
const doneNames = 24 * time.Hour

// putMessage is the message that puts a document of a settlement.
func putMessage(request string, i int, d *engine.Document) (id, message string) {
	id = fmt.Sprintf("d:%s/%d", request, i)
	return id, nets("put", id, d.Kind, d.Key, shrink(d.Body), fmt.Sprint(micros(d.Expires)))
}

func (s *Store) deliverPut(ctx context.Context, m []string) error {
	if len(m) != 6 {
		return errDamaged
	}
	_, err := s.do(ctx, s.partOfKind(m[2]), "put", m[2], m[3], "", m[4], m[5], m[1], "", doneNames.Milliseconds())
	return err
}
