package files

import (
	"context"
	"slices"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/incident"
)

type recordLock struct {
	File    incident.File `json:"file" doc:"the file with what was looked up: drive_id, item_id, size"`
	Label   retained      `json:"label" doc:"its retention label"`
	Changed bool          `json:"changed" doc:"whether the lock was changed now; false when it was so before"`
}

// UnlockRecord lets the content of a record be changed.
func (s Shelf) UnlockRecord() actions.Action {
	return s.lockSpec(false, "Unlock a record, so that its content can be changed, as by a sensitivity label; deleted it still cannot be. Regulatory records are refused.").Action()
}

// lockSpec is the action that locks records or unlocks them.
func (s Shelf) lockSpec(lock bool, doc string) actions.Spec[onFile, recordLock] {
	return actions.Spec[onFile, recordLock]{
		Doc: doc, Class: actions.Writes, Throttle: throttle, Cost: actions.Cost{Look: 3, Send: 2}, Permissions: writesFiles(),
		Repeat:   actions.RepeatSame, // a lock is shut or open
		Settling: sharingSettles,
		Source:   "https://learn.microsoft.com/graph/api/driveitem-lockorunlockrecord",
		Example:  "file: \"${{ file }}\"",
		Plan: func(ctx context.Context, _ actions.Call, p onFile) ([]actions.Effect, recordLock, error) {
			return s.planLock(ctx, p, lock)
		},
		State: func(ctx context.Context, _ actions.Call, p onFile) (any, error) {
			return s.retentionShown(ctx, p.File)
		},
		Do: s.doRetention, Check: s.checkRetention, Undo: s.undoRetention, Settle: settleLock,
	}
}

func (s Shelf) planLock(ctx context.Context, p onFile, lock bool) ([]actions.Effect, recordLock, error) {
	f, before, err := s.onRetained(ctx, p.File)
	switch {
	case err != nil:
		return nil, recordLock{}, err
	case !before.record():
		return nil, recordLock{}, problem(connectors.Invalid, "only a retention label that makes records locks", "%s is no record: its retention label is %s",
			connectors.Plain(f.Name), connectors.Plain(before.shown()))
	}
	out := recordLock{File: f.record, Label: *before}
	if before.Locked == lock {
		return nil, out, nil
	}
	if before.regulatory() {
		return nil, recordLock{}, before.fixed(f.Name)
	}
	out.Label.Locked, out.Changed = lock, true
	target := f.retentionTarget()
	target.Name = "record lock of " + f.Name
	return []actions.Effect{{
		Target: target, Before: actions.JSON(retention{before}), After: actions.JSON(retention{&out.Label}),
		Request: actions.JSON(retentionRequest{Drive: f.DriveID, Item: f.ID, Lock: &lock, Record: true}),
	}}, out, nil
}

// settleLock tells whether the lock was really changed.
func settleLock(out recordLock, effects []actions.Effect) recordLock {
	changed := slices.ContainsFunc(effects, func(e actions.Effect) bool { return e.Status == actions.Done })
	if out.Changed && !changed {
		out.Label.Locked = !out.Label.Locked
	}
	out.Changed = changed
	return out
}
