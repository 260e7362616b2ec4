package files

import (
	"context"
	"slices"
	"strings"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/incident"
)

type unlabelParams struct {
	File          actions.Ref[incident.File] `json:"file" entity:"file" doc:"file of the evidence, its URL, or <drive id>/<item id>"`
	Justification string                     `json:"justification" doc:"why the label is taken off; kept in the audit log of Microsoft Purview"`
}

type unlabelled struct {
	File    incident.File `json:"file" doc:"the file with what was looked up: drive_id, item_id, size"`
	Before  *fileLabel    `json:"before,omitempty" doc:"the label before; absent when there was none"`
	Removed bool          `json:"removed" doc:"whether it was taken off now; false when the file had none"`
}

// RemoveSensitivityLabel takes the organization's label off a file.
func (s Shelf) RemoveSensitivityLabel() actions.Action {
	return actions.Spec[unlabelParams, unlabelled]{
		Doc:   "Take the sensitivity label off a file, and with it the label's encryption. A label of another organization is refused.",
		Class: actions.Writes, Throttle: throttle, Cost: actions.Cost{Look: 3, Send: 2}, Also: throttleLabel,
		Permissions: append(writesFiles(), actions.Permission{API: "graph", Name: "SensitivityLabels.Read.All"}),
		Repeat:      actions.RepeatSame, // what has no label has none to lose
		Settling:    labelSettles,
		Source:      "https://learn.microsoft.com/graph/api/driveitem-assignsensitivitylabel",
		Example:     "file: \"${{ file }}\"\njustification: \"The document was published on 1 December.\"",
		Plan:        s.planUnlabel, Do: s.doLabel, Check: s.checkLabel, Undo: s.undoLabel, Settle: settleUnlabel,
		State: func(ctx context.Context, c actions.Call, p unlabelParams) (any, error) {
			return s.labelShown(ctx, c, labelParams{File: p.File})
		},
	}.Action()
}

func (s Shelf) planUnlabel(ctx context.Context, _ actions.Call, p unlabelParams) ([]actions.Effect, unlabelled, error) {
	if strings.TrimSpace(p.Justification) == "" {
		return nil, unlabelled{}, problem(connectors.Invalid, "say why the label is taken off: Microsoft Purview keeps it", "justification is empty")
	}
	f, err := s.find(ctx, p.File)
	if err != nil {
		return nil, unlabelled{}, err
	}
	if f.Folder || !labelable(f.Name) {
		return nil, unlabelled{}, problem(connectors.Invalid, "SharePoint labels Word, Excel, PowerPoint and PDF files", "%s cannot have a sensitivity label", connectors.Plain(f.Name))
	}
	before, err := s.label(ctx, f.DriveID, f.ID)
	if err != nil {
		return nil, unlabelled{}, err
	}
	out := unlabelled{File: f.record, Before: before}
	out.File.Label = nil
	switch {
	case before == nil:
		return nil, out, nil
	case before.Name == "": // not among the organization's
		return nil, unlabelled{}, problem(connectors.Refused, "only that organization takes it off", "the label of %s, %s, is another organization's",
			connectors.Plain(f.Name), connectors.Plain(before.ID))
	}
	out.Removed = true
	target := f.labelTarget()
	effect := actions.Effect{
		Target: target, Before: actions.JSON(labelState{before}), After: actions.JSON(labelState{}), Lost: before.lost(target.ID),
		Request: actions.JSON(labelRequest{Drive: f.DriveID, Item: f.ID, Justification: p.Justification}),
	}
	return []actions.Effect{effect}, out, nil
}

// settleUnlabel tells whether the label was really taken off.
func settleUnlabel(out unlabelled, effects []actions.Effect) unlabelled {
	out.Removed = slices.ContainsFunc(effects, func(e actions.Effect) bool { return e.Status == actions.Done })
	if len(effects) > 0 && !out.Removed && out.Before != nil {
		out.File.Label = new(out.Before.name())
	}
	return out
}
