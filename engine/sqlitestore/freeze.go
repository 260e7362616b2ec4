package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stanch/engine"
)

// frozen is the freeze as the transaction sees it.
type frozen struct {
	on         bool
	by, reason string
	at         int64
}

func (t *tx) frozen() (*frozen, error) {
	if t.freeze != nil {
		return t.freeze, nil
	}
	f, err := t.conn.frozen()
	if err == nil {
		t.freeze = f
	}
	return f, err
}

func (c *conn) frozen() (*frozen, error) {
	r, err := c.one("SELECT frozen, by, reason, at FROM freeze WHERE id = 1")
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, errDamaged
	}
	return &frozen{on: r.int(0) == 1, by: r.text(1), reason: r.text(2), at: r.int(3)}, nil
}

func (f *frozen) state() engine.Frozen {
	return engine.Frozen{On: f.on, By: f.by, Reason: f.reason, At: at(f.at)}
}

// Freeze stops effects or lets them go on: see engine.Store.
func (s *Store) Freeze(ctx context.Context, in engine.Freeze) (state engine.Frozen, err error) {
	switch {
	case in.Change == "":
		err = s.read(ctx, func(c *conn) error {
			f, err := c.frozen()
			if err == nil {
				state = f.state()
			}
			return err
		})
	case in.Change != "freeze" && in.Change != "thaw":
		err = fmt.Errorf("Change is %q, it must be freeze or thaw", in.Change)
	case in.Request == "":
		err = errors.New("Request is empty")
	default:
		err = s.act(ctx, func(t *tx) (err error) {
			state, err = t.setFreeze(&in)
			return err
		})
	}
	if err != nil {
		return engine.Frozen{}, fmt.Errorf("freeze: %w", err)
	}
	return state, nil
}

// setFreeze changes the freeze. A thaw wakes those who wait for it.
func (t *tx) setFreeze(in *engine.Freeze) (engine.Frozen, error) {
	kept, repeated, err := t.answered(in.Request)
	if err != nil {
		return engine.Frozen{}, err
	}
	if repeated {
		return unpackFrozen(kept), nil
	}
	f := &frozen{on: in.Change == "freeze", by: in.By, reason: in.Reason, at: t.now}
	on := int64(0)
	if f.on {
		on = 1
	}
	if _, err := t.exec("UPDATE freeze SET frozen = ?, by = ?, reason = ?, at = ? WHERE id = 1", on, f.by, f.reason, f.at); err != nil {
		return engine.Frozen{}, err
	}
	t.freeze = f
	if !f.on {
		if err := t.wakeWaiting("SELECT id FROM strands WHERE state = 3 AND thaw = 1"); err != nil {
			return engine.Frozen{}, err
		}
	}
	if err := t.audit(in.Audit); err != nil {
		return engine.Frozen{}, err
	}
	return f.state(), t.answer(in.Request, packFrozen(f.state()))
}

func packFrozen(f engine.Frozen) []byte {
	on := int64(0)
	if f.On {
		on = 1
	}
	return append(append(numbers(on, f.At.UnixNano(), int64(len(f.By))), f.By...), f.Reason...)
}

func unpackFrozen(b []byte) engine.Frozen {
	f := engine.Frozen{On: number(&b) == 1, At: time.Unix(0, number(&b)).UTC()}
	by := min(int(number(&b)), len(b))
	f.By, f.Reason = string(b[:by]), string(b[by:])
	return f
}
