package engine

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"stanch/actions"
)

// The journal is a file of this worker's own that says which effects it has
// begun, and what became of them. It is for one case: the store has gone back and
// forgotten what it had acknowledged. Then the journal tells what the world has
// seen all the same. It is written before the request leaves, each line at once,
// and not synced: it outlives this process and the store, not the loss of this
// machine.

// journalLine is one line of the journal.
type journalLine struct {
	At     time.Time      `json:"at"`
	Run    string         `json:"run"`
	Step   string         `json:"step"`
	Status actions.Status `json:"status"`
	Effect actions.Effect `json:"effect"` // of what has ended only the id
}

// mostJournal is the size at which a journal is put aside and begun anew; one
// that was put aside is kept.
const mostJournal = 8 << 20

type journal struct {
	mu   sync.Mutex
	path string
	file *os.File
	size int64
}

// write appends a line.
func (j *journal) write(l journalLine) error {
	if j.path == "" {
		return nil
	}
	raw, err := json.Marshal(l)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.open(); err != nil {
		return err
	}
	n, err := j.file.Write(append(raw, '\n'))
	j.size += int64(n)
	if err == nil && j.size > mostJournal {
		err = errors.Join(j.file.Close(), os.Rename(j.path, j.path+".old"))
		j.file = nil
	}
	return err
}

func (j *journal) open() error {
	if j.file != nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(j.path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(j.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	j.file, j.size = f, info.Size()
	return nil
}

// begun are the effects that were begun after a time, each with the last that is
// known of it, in the order in which they were.
func (j *journal) begun(after time.Time) (all []journalLine, err error) {
	at := map[string]int{}
	for _, path := range []string{j.path + ".old", j.path} {
		raw, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		lines := bufio.NewScanner(bytes.NewReader(raw))
		lines.Buffer(nil, maxHead)
		for lines.Scan() {
			var l journalLine
			if json.Unmarshal(lines.Bytes(), &l) != nil {
				continue // the process ended while it wrote
			}
			i, known := at[l.Effect.ID]
			switch {
			case known:
				all[i].Status = l.Status
			case l.Status == actions.Begun && l.At.After(after):
				at[l.Effect.ID] = len(all)
				all = append(all, l)
			}
		}
		if err := lines.Err(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// journals writes down what becomes of an effect. That it cannot be written stops
// nothing: what the store has is what counts.
func (e *Engine) journals(run, step string, status actions.Status, eff actions.Effect) {
	if status != actions.Begun {
		eff = actions.Effect{ID: eff.ID}
	}
	if err := e.journal.write(journalLine{At: time.Now().UTC(), Run: run, Step: step, Status: status, Effect: eff}); err != nil {
		e.log.Warn("the journal of effects cannot be written", "error", err)
	}
}

// lostWindow is how far back effects are looked up that a store may have
// forgotten.
const lostWindow = time.Hour

// WentBack says that the store has forgotten what it had acknowledged of some
// runs, and why that is known. Of the effects that this worker has begun there
// lately it looks up those that the store does not know any more, asks the world
// about each, and writes into the audit log what it found. It begins nothing and
// repeats nothing: that the store is frozen until a person has looked is the
// store's.
func (e *Engine) WentBack(ctx context.Context, why string, of func(run string) bool) error {
	e.log.Error("the store has gone back; effects are frozen there until `stanch thaw`", "why", why)
	errs := []error{e.docs.Note(ctx, auditRecord(Audit{Kind: "store.back", By: "stanch", Why: why}))}
	lines, err := e.journal.begun(time.Now().Add(-lostWindow))
	errs = append(errs, err)
	for _, l := range lines {
		if !of(l.Run) {
			continue
		}
		known, err := e.knows(ctx, l)
		if err == nil && !known {
			err = e.forgotten(ctx, l)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("effect %s of run %s: %w", l.Effect.ID, l.Run, err))
		}
	}
	return errors.Join(errs...)
}

// knows reports whether the store knows that an effect was begun.
func (e *Engine) knows(ctx context.Context, l journalLine) (bool, error) {
	record, err := e.store.Run(ctx, l.Run)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	states, err := e.states(ctx, record)
	if err != nil {
		return false, err
	}
	for _, s := range states {
		p := s.st.steps[l.Step]
		if p == nil {
			continue
		}
		for _, eff := range p.effects {
			if eff.ID == l.Effect.ID {
				return eff.sent > 0, nil
			}
		}
	}
	return false, nil
}

// forgotten asks the world about an effect that the store has forgotten, and
// writes down what it says.
func (e *Engine) forgotten(ctx context.Context, l journalLine) error {
	status, why := l.Status, "the store has forgotten that it was begun"
	if a, ok := e.catalog.Lookup(l.Effect.Action); ok && status == actions.Begun {
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		found, err := a.Check(ctx, actions.Call{Run: l.Run, Step: l.Step, Attempt: 1, Now: time.Now()}, l.Effect)
		switch {
		case err != nil:
			status, why = actions.Unknown, why+"; what became of it cannot be told: "+message(err)
		case found.Answer == actions.Happened:
			status = actions.Done
		case found.Answer == actions.DidNot || found.Answer == actions.Failed:
			status = actions.NotDone
		default:
			status = actions.Unknown
		}
	}
	e.log.Error("the store has forgotten an effect", "run", l.Run, "step", l.Step, "effect", l.Effect.ID, "action", l.Effect.Action,
		"target", l.Effect.Target.Name, "begun", l.At, "status", status)
	return e.docs.Note(ctx, auditRecord(Audit{
		Kind: "effect.forgotten", Run: l.Run, Step: l.Step, Effect: l.Effect.ID, Action: l.Effect.Action, Class: l.Effect.Class,
		Target: &l.Effect.Target, Before: l.Effect.Before, After: l.Effect.After, Status: string(status), Why: why,
	}))
}
