package files

import (
	"cmp"
	"context"
	"errors"
	"path"
	"slices"
	"strings"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/graph"
	"stanch/connectors/incident"
)

type labelParams struct {
	File          actions.Ref[incident.File] `json:"file" entity:"file" doc:"file of the evidence, its URL, or <drive id>/<item id>"`
	Label         string                     `json:"label" doc:"name or GUID of the sensitivity label"`
	Justification string                     `json:"justification,omitempty" weakens:"the label may be lowered" doc:"why the label is lowered; needed for that, and kept in the audit log of Microsoft Purview"`
}

type labelled struct {
	File   incident.File `json:"file" doc:"the file with what was looked up: drive_id, item_id, size, label"`
	Label  fileLabel     `json:"label" doc:"the label asked for"`
	Before *fileLabel    `json:"before,omitempty" doc:"the label before; absent when there was none"`
	Set    bool          `json:"set" doc:"whether it was set now; false when the file had it before"`
}

type labelRequest struct {
	Drive         string `json:"drive"`
	Item          string `json:"item"`
	Label         string `json:"label"` // "" takes the label off
	Justification string `json:"justification,omitempty"`
}

// accepted is what SharePoint's 202 leaves: when it was.
type accepted struct {
	At time.Time `json:"at"`
}

// labelState is the state of a file's label; null is none.
type labelState struct {
	Label *fileLabel `json:"label"`
}

// again is when to look at an assignment that was accepted so long ago: small
// files take SharePoint a second, large ones and busy hours minutes.
func again(since time.Duration) time.Duration {
	return min(max(since/2, time.Second), 30*time.Second)
}

// assignedBy says that an administrator's tool set the label, so that it
// replaces what a user or a policy has set.
const assignedBy = "privileged"

// SetSensitivityLabel puts a label on a file.
func (s Shelf) SetSensitivityLabel() actions.Action {
	return actions.Spec[labelParams, labelled]{
		Doc:   "Put a sensitivity label on a file. Lowering the label needs a justification.",
		Class: actions.Writes, Throttle: throttle, Cost: actions.Cost{Look: 3, Send: 2}, Also: throttleLabel,
		Permissions: append(writesFiles(), actions.Permission{API: "graph", Name: "SensitivityLabels.Read.All"}),
		Repeat:      actions.RepeatSame, // a file has one label of the organization
		Settling:    labelSettles,
		Source:      "https://learn.microsoft.com/graph/api/driveitem-assignsensitivitylabel",
		Example:     "file: \"${{ file }}\"\nlabel: Confidential",
		Plan:        s.planLabel, State: s.labelShown, Do: s.doLabel, Check: s.checkLabel, Undo: s.undoLabel, Settle: settleLabel,
	}.Action()
}

// labelable are the types of file that SharePoint can label; for others the
// request is accepted and fails later (learn.microsoft.com/purview/sensitivity-labels-sharepoint-onedrive-files).
func labelable(name string) bool {
	return slices.Contains([]string{".docx", ".docm", ".xlsx", ".xlsm", ".xlsb", ".pptx", ".ppsx", ".pdf"}, strings.ToLower(path.Ext(name)))
}

func (s Shelf) planLabel(ctx context.Context, _ actions.Call, p labelParams) ([]actions.Effect, labelled, error) {
	if p.Label == "" {
		return nil, labelled{}, problem(connectors.Invalid, "name the label, or give its GUID", "label is empty")
	}
	f, err := s.find(ctx, p.File)
	if err != nil {
		return nil, labelled{}, err
	}
	if f.Folder || !labelable(f.Name) {
		return nil, labelled{}, problem(connectors.Invalid, "SharePoint labels Word, Excel, PowerPoint and PDF files", "%s cannot have a sensitivity label", connectors.Plain(f.Name))
	}
	want, err := s.Graph.Label(ctx, p.Label)
	if err != nil {
		return nil, labelled{}, wrongLabel(err)
	}
	before, err := s.label(ctx, f.DriveID, f.ID)
	if err != nil {
		return nil, labelled{}, err
	}
	out := labelled{File: f.record, Label: fileLabel{ID: want.ID, Name: want.Name}, Before: before}
	out.File.Label = &out.Label.Name
	if before.id() == strings.ToLower(want.ID) {
		out.Label = *before
		return nil, out, nil
	}
	if err := s.mayLower(ctx, f, before, want, p.Justification); err != nil {
		return nil, labelled{}, err
	}
	out.Set = true
	target := f.labelTarget()
	effect := actions.Effect{
		Target: target, Before: actions.JSON(labelState{before}), After: actions.JSON(labelState{&out.Label}), Lost: before.lost(target.ID),
		Request: actions.JSON(labelRequest{Drive: f.DriveID, Item: f.ID, Label: want.ID, Justification: p.Justification}),
	}
	return []actions.Effect{effect}, out, nil
}

// wrongLabel makes an unknown label a mistake of the parameters: not_found is
// for files.
func wrongLabel(err error) error {
	if e, is := errors.AsType[*connectors.Error](err); is && e.Status == 0 && (e.Code == connectors.NotFound || e.Code == connectors.Conflict) {
		wrong := *e
		wrong.Code = connectors.Invalid
		return &wrong
	}
	return err
}

func (s Shelf) mayLower(ctx context.Context, f subject, before *fileLabel, want graph.Label, justification string) error {
	labels, err := s.Graph.Labels(ctx)
	if err != nil {
		return err
	}
	if at := rank(labels, before.id()); justification != "" || at < 0 || at < rank(labels, want.ID) {
		return nil
	}
	return problem(connectors.Invalid, "give a justification if it is to be lowered all the same",
		"%s is labelled %s, which ranks above %s", connectors.Plain(f.Name), connectors.Plain(before.name()), connectors.Plain(want.Name))
}

func (s Shelf) labelShown(ctx context.Context, _ actions.Call, p labelParams) (any, error) {
	f, err := s.find(ctx, p.File)
	if err != nil {
		return nil, err
	}
	shown := struct {
		File  string     `json:"file"`
		URL   string     `json:"url"`
		Label *fileLabel `json:"label"`
	}{File: f.Name, URL: f.WebURL}
	if !f.Folder {
		shown.Label, err = s.label(ctx, f.DriveID, f.ID)
	}
	return shown, err
}

func (s Shelf) doLabel(ctx context.Context, c actions.Call, e actions.Effect) (actions.Outcome, error) {
	r, err := actions.Kept[labelRequest](e.Request, "request")
	if err != nil {
		return actions.Outcome{}, err
	}
	// Where the work can be asked for holds a token, so it is dropped: reading
	// the label back tells the same.
	_, err = s.Graph.AssignLabel(ctx, connectors.Change(c.Sending), r.Drive, r.Item, graph.LabelAssignment{
		LabelID: r.Label, Method: assignedBy, Justification: r.Justification,
	})
	if err != nil {
		return actions.Outcome{}, held(err)
	}
	return actions.Outcome{Pending: true, Again: again(0), Handle: actions.JSON(accepted{c.Now})}, nil
}

func (s Shelf) checkLabel(ctx context.Context, c actions.Call, e actions.Effect) (actions.Finding, error) {
	r, err := actions.Kept[labelRequest](e.Request, "request")
	if err != nil {
		return actions.Finding{}, err
	}
	now, err := s.label(ctx, r.Drive, r.Item)
	if failed, is := errors.AsType[*connectors.Error](err); is && (failed.Code == connectors.Failed || failed.Code == connectors.NotFound) {
		return actions.Finding{Answer: actions.CannotTell, Why: "the label can no longer be read: " + failed.Error()}, nil
	}
	if err != nil {
		return actions.Finding{}, err
	}
	if now.id() == strings.ToLower(r.Label) {
		return actions.Finding{Answer: actions.Happened, After: actions.JSON(labelState{now}), Why: "the file has the label"}, nil
	}
	why := "the label of the file is " + now.name()
	if h, err := actions.Kept[accepted](e.Handle, "handle"); e.Handle != nil && err == nil && c.Now.Before(h.At.Add(labelSettles)) {
		return actions.Finding{Answer: actions.Pending, Again: again(c.Now.Sub(h.At)), Why: "SharePoint accepted it; so far " + why}, nil
	}
	return actions.Finding{Answer: actions.DidNot, Why: why}, nil
}

func (s Shelf) undoLabel(ctx context.Context, c actions.Call, e actions.Effect) (actions.Inverse, error) {
	r, err := actions.Kept[labelRequest](e.Request, "request")
	if err != nil {
		return actions.Inverse{}, err
	}
	before, err := actions.Kept[labelState](e.Before, "state before")
	if err != nil {
		return actions.Inverse{}, err
	}
	now, err := s.label(ctx, r.Drive, r.Item)
	if notFound(err) {
		return actions.Inverse{Changed: true, Present: gone(), Why: "the file is gone"}, nil
	}
	if err != nil {
		return actions.Inverse{}, err
	}
	present := actions.JSON(labelState{now})
	if now.id() != strings.ToLower(r.Label) {
		return actions.Inverse{Changed: true, Present: present, Why: "the label is " + now.name() + " now"}, nil
	}
	labels, err := s.Graph.Labels(ctx)
	if err != nil {
		return actions.Inverse{}, err
	}
	back, was := rank(labels, before.Label.id()), rank(labels, now.id())
	if before.Label != nil && back < 0 {
		return actions.Inverse{Present: present, Why: "the label before, " + before.Label.name() + ", is none of the organization's"}, nil
	}
	inverse := labelRequest{Drive: r.Drive, Item: r.Item, Label: before.Label.id(), Justification: "Taken back: run " + cmp.Or(c.Run, "unknown")}
	return actions.Inverse{Present: present, Widens: back < was, Effect: &actions.Effect{
		Action: "files.set_sensitivity_label", Class: actions.Writes, Target: e.Target,
		Before: present, After: actions.JSON(before), Request: actions.JSON(inverse),
	}}, nil
}

// settleLabel tells whether the label was really set.
func settleLabel(out labelled, effects []actions.Effect) labelled {
	out.Set = slices.ContainsFunc(effects, func(e actions.Effect) bool { return e.Status == actions.Done })
	if len(effects) > 0 && !out.Set {
		out.File.Label = nil
		if out.Before != nil {
			out.File.Label = new(out.Before.name())
		}
	}
	return out
}
