package redisstore

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"time"

	"stanch/engine"
)

// answersKept is how long an ended run that had children is left as it was, for
// repeats of what its holders said.
const answersKept = 30 * time.Second

// Begin starts a run: see engine.Store. The id of the run follows from the
// request, so that a repeat finds it. An answer of Busy is not kept: nothing has
// happened, so a repeat asks again.
func (s *Store) Begin(ctx context.Context, b engine.Begin) (begun engine.Begun, err error) {
	err = b.Check()
	if b.Request == "" {
		err = errors.New("Request is empty")
	}
	if err != nil {
		return begun, fmt.Errorf("begin: %w", err)
	}
	if b.Key != "" && b.Wide {
		begun, err = s.beginWide(ctx, b)
	} else {
		begun, err = s.begin(ctx, b, "")
	}
	if err != nil {
		return engine.Begun{}, fmt.Errorf("begin a run of %s: %w", b.Playbook, err)
	}
	return begun, nil
}

// runID is the id of the run that a request begins.
func runID(p *part, request string) string {
	sum := sha256.Sum256([]byte(request))
	return fmt.Sprintf("r%02x%s", p.index, strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:20]))
}

// digest tells a dedupe key apart from others, in 16 bytes.
func digest(b *engine.Begin) string {
	if b.Dedupe == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(nets(b.Playbook, b.Subject, b.Dedupe)))
	return string(sum[:16])
}

// begin begins a run in its partition. granted is, with a wide key, what its
// partition has said of it: running or queued.
func (s *Store) begin(ctx context.Context, b engine.Begin, granted string) (engine.Begun, error) {
	p := s.partOf(b.Subject)
	key, when := b.Key, b.WhenBusy
	if key != "" && !b.Wide {
		key = b.Subject + "\x00" + key
	}
	if when == "" {
		when = "queue"
	}
	args := []any{
		runID(p, b.Request), b.Playbook, b.Subject, digest(&b), b.Edition, b.Mode, b.Lane, shrink(b.Head),
		key, when, micros(b.After), granted, micros(answersKept),
	}
	args = append(args, counted(b.Audit)...)
	l, err := s.do(ctx, p, "begin", args...)
	if err != nil {
		return engine.Begun{}, err
	}
	begun := engine.Begun{Run: l.text(0), New: l.int(1) == 1, At: at(l.int(2))}
	begun.Busy = begun.Run == ""
	if l.int(1) == -1 {
		return begun, errNeverBegun
	}
	if begun.New {
		s.worker.hint(p)
		p.due.by(s.clock().Add(b.After))
	}
	if err := l.err(); err != nil {
		return begun, err
	}
	return begun, s.deliverAll(ctx, p, l.list(3))
}

// counted writes bodies behind their number.
func counted(bodies [][]byte) []any {
	args := make([]any, 0, len(bodies)+1)
	args = append(args, len(bodies))
	for _, b := range bodies {
		args = append(args, b)
	}
	return args
}

// errNeverBegun says that a request to begin a run came so late that its key
// was given to others: nothing has begun and nothing will by this request.
var errNeverBegun = fmt.Errorf("the request came too late: its concurrency key was given to others; begin again: %w", engine.ErrConflict)

// beginWide begins a run whose key lies in another partition: the key is asked
// for first. Should this process end before the run has begun, the key's
// partition finds out and frees it.
func (s *Store) beginWide(ctx context.Context, b engine.Begin) (engine.Begun, error) {
	run, keys := runID(s.partOf(b.Subject), b.Request), s.partOf("key "+b.Key)
	known, found, err := s.begunBefore(ctx, &b)
	if err != nil || found {
		return known, err
	}
	word, holder, err := s.askKey(ctx, keys, "ask", &b, run)
	if err == nil && word == "busy" {
		if err = s.stillHolds(ctx, keys, b.Key, holder); err == nil {
			word, _, err = s.askKey(ctx, keys, "ask", &b, run)
		}
	}
	if err != nil {
		return engine.Begun{}, err
	}
	if word == "busy" {
		l, err := s.do(ctx, keys, "get", "", "", "1", 0)
		return engine.Begun{Busy: true, At: at(l.int(0))}, err
	}
	status := map[string]string{"held": "running", "queued": "queued"}[word]
	begun, err := s.begin(ctx, b, status)
	if err != nil {
		return begun, err
	}
	if begun.Run != run { // another request has begun it meanwhile
		return begun, s.free(ctx, b.Key, run)
	}
	if word == "queued" { // its turn, or who replaces it, may have come before it was there
		switch word, holder, err = s.askKey(ctx, keys, "look", &b, run); {
		case err != nil:
		case word == "queued":
			err = s.stillHolds(ctx, keys, b.Key, holder)
		case word == "held":
			err = s.grant(ctx, b.Key, run)
		case word == "none":
			_, _, err = s.runAct(ctx, run, "cancel")
		}
	}
	return begun, errors.Join(err, s.acked(ctx, keys, "v:"+run))
}

// askKey asks the partition of a wide key for it, or looks how the run stands
// there: held, queued behind a holder, busy, or none if it has no place.
func (s *Store) askKey(ctx context.Context, keys *part, how string, b *engine.Begin, run string) (word, holder string, err error) {
	when := b.WhenBusy
	if when == "" {
		when = "queue"
	}
	l, err := s.do(ctx, keys, "key", how, b.Key, run, when)
	if err != nil {
		return "", "", err
	}
	if len(l.values) > 2 {
		holder = l.text(2)
	}
	return l.text(0), holder, errors.Join(l.err(), s.deliverAll(ctx, keys, l.list(1)))
}

// stillHolds looks after who holds a wide key while others wait for it: a
// failover may have forgotten that the key was given to it, that it was given
// back, or the run itself.
func (s *Store) stillHolds(ctx context.Context, keys *part, key, holder string) error {
	err := s.grant(ctx, key, holder)
	if errors.Is(err, errNotYet) {
		_, err = s.do(ctx, keys, "key", "doubt", key, holder)
	}
	return err
}

// begunBefore answers the run that the dedupe key, or this very request, has
// begun before.
func (s *Store) begunBefore(ctx context.Context, b *engine.Begin) (engine.Begun, bool, error) {
	p := s.partOf(b.Subject)
	l, err := s.do(ctx, p, "begun", runID(p, b.Request), digest(b))
	if err != nil || l.text(0) == "" {
		return engine.Begun{}, false, err
	}
	return engine.Begun{Run: l.text(0), New: l.int(1) == 1, At: at(l.int(2))}, true, l.err()
}
