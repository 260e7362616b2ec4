package files

import (
	"context"
	"slices"
	"strings"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/incident"
)

type retainParams struct {
	File  actions.Ref[incident.File] `json:"file" entity:"file" doc:"file of the evidence, its URL, or <drive id>/<item id>"`
	Label string                     `json:"label" doc:"name of the retention label, as Microsoft Purview has it"`
}

type nowRetained struct {
	File   incident.File `json:"file" doc:"the file with what was looked up: drive_id, item_id, size"`
	Label  retained      `json:"label" doc:"the label, with what it does once it is set"`
	Before *retained     `json:"before,omitempty" doc:"the label before; absent when there was none"`
	Set    bool          `json:"set" doc:"whether it was set now; false when the file had it before"`
}

// foreseen is the state after as far as it can be told: an app cannot ask what
// a label does before a file has it.
type foreseen struct {
	Label foreseenLabel `json:"label"`
}

type foreseenLabel struct {
	Name string `json:"name"`
}

// SetRetentionLabel puts a retention label on a file.
func (s Shelf) SetRetentionLabel() actions.Action {
	return actions.Spec[retainParams, nowRetained]{
		Doc: "Put a retention label on a file, in place of the one it has. A label that makes records locks the file, and taking it off needs Sites.FullControl.All; " +
			"a regulatory record's stays for ever. Folders are refused.",
		Class: actions.Writes, Throttle: throttle, Cost: actions.Cost{Look: 3, Send: 2}, Permissions: writesFiles(),
		Repeat:   actions.RepeatSame, // a file has one retention label
		Settling: sharingSettles,
		Source:   "https://learn.microsoft.com/graph/api/driveitem-setretentionlabel",
		Example:  "file: \"${{ file }}\"\nlabel: Keep 7 years",
		Plan:     s.planRetain, Do: s.doRetention, Check: s.checkRetention, Undo: s.undoRetention, Settle: settleRetain,
		State: func(ctx context.Context, _ actions.Call, p retainParams) (any, error) {
			return s.retentionShown(ctx, p.File)
		},
	}.Action()
}

func (s Shelf) planRetain(ctx context.Context, _ actions.Call, p retainParams) ([]actions.Effect, nowRetained, error) {
	if strings.TrimSpace(p.Label) == "" {
		return nil, nowRetained{}, problem(connectors.Invalid, "name the label, as Microsoft Purview has it", "label is empty")
	}
	f, before, err := s.onRetained(ctx, p.File)
	if err != nil {
		return nil, nowRetained{}, err
	}
	out := nowRetained{File: f.record, Label: retained{Name: p.Label, Explicit: true}, Before: before}
	if strings.EqualFold(before.name(), p.Label) {
		out.Label = *before
		return nil, out, nil
	}
	if err := before.fixed(f.Name); err != nil {
		return nil, nowRetained{}, err
	}
	out.Set = true
	target := f.retentionTarget()
	return []actions.Effect{{
		Target: target, Before: actions.JSON(retention{before}), After: actions.JSON(foreseen{foreseenLabel{p.Label}}), Lost: before.lost(target.ID),
		Request: actions.JSON(retentionRequest{Drive: f.DriveID, Item: f.ID, Label: p.Label, Record: before.record()}),
	}}, out, nil
}

// settleRetain tells whether the label was really set, and what it does.
func settleRetain(out nowRetained, effects []actions.Effect) nowRetained {
	out.Set = slices.ContainsFunc(effects, func(e actions.Effect) bool { return e.Status == actions.Done })
	for _, e := range effects {
		if after, err := actions.Kept[retention](e.After, "state after"); err == nil && after.Label != nil && e.Status == actions.Done {
			out.Label = *after.Label
		}
	}
	return out
}
