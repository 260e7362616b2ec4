package sqlitestore

import (
	"context"
	"errors"
	"fmt"

	"stanch/engine"
)

// reservation is one target to be reserved.
type reservation struct {
	name, target, effect string
	until                int64 // 0: for ever
	counts               bool  // nobody has reserved this target yet
}

// Take reserves targets: see engine.Store. It needs no kept answer: what an
// effect has reserved is granted again, also where the limit has come down
// since, and giving back twice is giving back once.
func (s *Store) Take(ctx context.Context, in engine.Take) (taken engine.Taken, err error) {
	if err := in.Check(); err != nil {
		return taken, err
	}
	err = s.act(ctx, func(t *tx) (err error) {
		taken, err = t.take(in)
		return err
	})
	if err != nil {
		return engine.Taken{}, fmt.Errorf("take %s: %w", in.Name, err)
	}
	return taken, nil
}

func (t *tx) take(in engine.Take) (engine.Taken, error) {
	var over string
	var more []reservation
	var err error
	if in.Back {
		err = t.giveBack(in)
	} else if more, over, err = t.plan([]engine.Take{in}); err == nil && over == "" {
		err = t.reserve(more)
	}
	if err != nil {
		return engine.Taken{}, err
	}
	count, err := t.reserved(in.Name)
	return engine.Taken{Granted: over == "", Count: int(count)}, err
}

// reserved answers how many targets are reserved under a cap.
func (t *tx) reserved(name string) (int64, error) {
	r, err := t.one("SELECT count FROM caps WHERE name = ?", name)
	if err != nil || r == nil {
		return 0, err
	}
	return r.int(0), nil
}

// plan answers what has to be reserved for all takes, or the name of the cap
// that one of them does not fit. It forgets what has run out, nothing else.
func (t *tx) plan(takes []engine.Take) (more []reservation, over string, err error) {
	pending := map[string]map[string]bool{} // cap → targets that these takes add
	for _, in := range takes {
		if in.Back {
			return nil, "", errors.New("take: Back does not go with a settlement")
		}
		if err := t.forget("SELECT target, effect FROM takes WHERE name = ? AND until > 0 AND until <= ?", in.Name, t.now); err != nil {
			return nil, "", err
		}
		added := pending[in.Name]
		if added == nil {
			added = map[string]bool{}
			pending[in.Name] = added
		}
		fresh, err := t.planOne(in, added)
		if err != nil {
			return nil, "", err
		}
		count, err := t.reserved(in.Name)
		if err != nil {
			return nil, "", err
		}
		repeat := len(fresh) == 0 && len(in.Targets) > 0
		if !repeat && count+int64(len(added)) > int64(in.Limit) {
			return nil, in.Name, nil
		}
		more = append(more, fresh...)
	}
	return more, "", nil
}

// planOne answers what one take reserves and adds the new targets to added.
func (t *tx) planOne(in engine.Take, added map[string]bool) (fresh []reservation, err error) {
	until := int64(0)
	if in.Window > 0 {
		until = t.now + int64(in.Window)
	}
	own := map[string]bool{}
	for _, target := range in.Targets {
		if target, err = t.keptTarget(in.Name, target); err != nil {
			return nil, err
		}
		if own[target] {
			continue
		}
		own[target] = true
		mine, others := false, false
		err := t.each(func(r row) error {
			mine, others = mine || r.text(0) == in.Effect, true
			return nil
		}, "SELECT effect FROM takes WHERE name = ? AND target = ?", in.Name, target)
		if err != nil {
			return nil, err
		}
		if mine {
			continue
		}
		counts := !others && !added[target]
		if counts {
			added[target] = true
		}
		fresh = append(fresh, reservation{name: in.Name, target: target, effect: in.Effect, until: until, counts: counts})
	}
	return fresh, nil
}

// keptTarget answers a target as it is reserved: where that came from a store
// that keeps digests, as its digest.
func (t *tx) keptTarget(name, target string) (string, error) {
	if !t.s.digests {
		return target, nil
	}
	digest := digestText(engine.TargetDigest(target))
	r, err := t.one("SELECT 1 FROM takes WHERE name = ? AND target = ?", name, digest)
	if r != nil {
		target = digest
	}
	return target, err
}

func (t *tx) reserve(more []reservation) error {
	for _, r := range more {
		if _, err := t.exec("INSERT OR IGNORE INTO takes VALUES (?, ?, ?, ?)", r.name, r.target, r.effect, r.until); err != nil {
			return err
		}
		if !r.counts {
			continue
		}
		if _, err := t.exec("INSERT INTO caps VALUES (?, 1) ON CONFLICT(name) DO UPDATE SET count = count + 1", r.name); err != nil {
			return err
		}
	}
	return nil
}

// giveBack takes back what an effect has reserved under a cap.
func (t *tx) giveBack(in engine.Take) error {
	return t.forget("SELECT target, effect FROM takes WHERE name = ? AND effect = ?", in.Name, in.Effect)
}

// forget removes the reservations that a query names. A target that nobody
// holds any more counts no more.
func (t *tx) forget(q, name string, arg any) error {
	var gone [][2]string
	err := t.each(func(r row) error { gone = append(gone, [2]string{r.text(0), r.text(1)}); return nil }, q, name, arg)
	if err != nil {
		return err
	}
	for _, g := range gone {
		if _, err := t.exec("DELETE FROM takes WHERE name = ? AND target = ? AND effect = ?", name, g[0], g[1]); err != nil {
			return err
		}
		if _, err := t.exec("UPDATE caps SET count = count - 1 WHERE name = ? AND NOT EXISTS (SELECT 1 FROM takes WHERE name = ? AND target = ?)", name, name, g[0]); err != nil {
			return err
		}
	}
	return nil
}
