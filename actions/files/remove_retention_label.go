package files

import (
	"context"
	"slices"

	"stanch/actions"
	"stanch/connectors/incident"
)

type notRetained struct {
	File    incident.File `json:"file" doc:"the file with what was looked up: drive_id, item_id, size"`
	Before  *retained     `json:"before,omitempty" doc:"the label before; absent when there was none"`
	Removed bool          `json:"removed" doc:"whether it was taken off now; false when the file had none"`
}

// RemoveRetentionLabel takes the retention label off a file.
func (s Shelf) RemoveRetentionLabel() actions.Action {
	return actions.Spec[onFile, notRetained]{
		Doc: "Take the retention label off a file, so that it can be deleted. Of a record this needs Sites.FullControl.All; " +
			"an unlocked record is refused, and a regulatory one. Folders are refused.",
		Class: actions.Writes, Throttle: throttle, Cost: actions.Cost{Look: 3, Send: 2}, Permissions: writesFiles(),
		Repeat:   actions.RepeatSame, // what has no label has none to lose
		Settling: sharingSettles,
		Source:   "https://learn.microsoft.com/graph/api/driveitem-removeretentionlabel",
		Example:  "file: \"${{ file }}\"",
		Plan:     s.planRelease, Do: s.doRetention, Check: s.checkRetention, Undo: s.undoRetention, Settle: settleRelease,
		State: func(ctx context.Context, _ actions.Call, p onFile) (any, error) {
			return s.retentionShown(ctx, p.File)
		},
	}.Action()
}

func (s Shelf) planRelease(ctx context.Context, _ actions.Call, p onFile) ([]actions.Effect, notRetained, error) {
	f, before, err := s.onRetained(ctx, p.File)
	if err != nil {
		return nil, notRetained{}, err
	}
	out := notRetained{File: f.record, Before: before}
	if before == nil {
		return nil, out, nil
	}
	if err := before.fixed(f.Name); err != nil {
		return nil, notRetained{}, err
	}
	out.Removed = true
	target := f.retentionTarget()
	return []actions.Effect{{
		Target: target, Before: actions.JSON(retention{before}), After: actions.JSON(retention{}), Lost: before.lost(target.ID),
		Request: actions.JSON(retentionRequest{Drive: f.DriveID, Item: f.ID, Record: before.record()}),
	}}, out, nil
}

// settleRelease tells whether the label was really taken off.
func settleRelease(out notRetained, effects []actions.Effect) notRetained {
	out.Removed = slices.ContainsFunc(effects, func(e actions.Effect) bool { return e.Status == actions.Done })
	return out
}
