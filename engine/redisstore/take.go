package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"stanch/engine"
)

// Take reserves targets: see engine.Store. It needs no kept answer: what an
// effect has reserved is granted again, also where the limit has come down
// since, and giving back twice is giving back once.
func (s *Store) Take(ctx context.Context, in engine.Take) (taken engine.Taken, err error) {
	if err := in.Check(); err != nil {
		return taken, err
	}
	p := s.partOfCap(in.Name)
	args := []any{"back", in.Name, in.Effect}
	if !in.Back {
		args = append([]any{"take"}, takeArgs(in)...)
	}
	l, err := s.do(ctx, p, "take", args...)
	if err == nil {
		taken = engine.Taken{Granted: l.text(0) == "", Count: int(l.list(1).int(0))}
		err = l.err()
	}
	if err != nil {
		return engine.Taken{}, fmt.Errorf("take %s: %w", in.Name, err)
	}
	return taken, nil
}

// partOfCap answers the partition of a cap: one whose name begins with the id of
// a run, and a slash, lies beside that run.
func (s *Store) partOfCap(name string) *part {
	if run, _, ok := strings.Cut(name, "/"); ok {
		if p := s.partOfRun(run); p != nil {
			return p
		}
	}
	return s.partOf("cap " + name)
}

// takeElsewhere reserves, before a settlement, what it takes under caps of other
// partitions, and answers the takes that go with it. A crash in between leaves a
// reservation: a cap may be a little too strict, never too loose. back gives
// back what was reserved here and now.
func (s *Store) takeElsewhere(ctx context.Context, p *part, in *engine.Settlement) (local []engine.Take, refused string, back func(context.Context) error, err error) {
	elsewhere := map[*part][]any{}
	for _, t := range in.Take {
		if at := s.partOfCap(t.Name); at != p {
			elsewhere[at] = append(elsewhere[at], takeArgs(t)...)
			continue
		}
		local = append(local, t)
	}
	fresh := map[*part][]any{}
	back = func(ctx context.Context) error {
		var errs []error
		for at, args := range fresh {
			_, err := s.do(ctx, at, "take", append([]any{"drop"}, args...)...)
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	}
	for at, args := range elsewhere {
		l, err := s.do(ctx, at, "take", append([]any{"take"}, args...)...)
		if err != nil {
			return nil, "", back, errors.Join(err, back(ctx))
		}
		for _, text := range l.texts(2) {
			fresh[at] = append(fresh[at], text)
		}
		if over := l.text(0); over != "" && refused == "" {
			refused = "cap " + over
		}
		if err := l.err(); err != nil {
			return nil, "", back, err
		}
	}
	return local, refused, back, nil
}
