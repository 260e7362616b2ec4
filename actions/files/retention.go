package files

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/graph"
	"stanch/connectors/incident"
)

// retained is a retention label as it stands on a file.
type retained struct {
	Name          string     `json:"name" doc:"name of the label"`
	Behavior      string     `json:"behavior,omitempty" doc:"what it does: doNotRetain, retain, retainAsRecord or retainAsRegulatoryRecord; absent before it is set"`
	DeleteAllowed bool       `json:"delete_allowed" doc:"whether the file may be deleted while it is kept"`
	Locked        bool       `json:"locked" doc:"whether it is a record whose content cannot be changed"`
	Explicit      bool       `json:"explicit" doc:"whether it was set on the file itself, not by a policy or a folder"`
	AppliedAt     *time.Time `json:"applied_at,omitempty" doc:"when it was set"`
}

// retention is the state of a file's retention label; null is none.
type retention struct {
	Label *retained `json:"label"`
}

// retentionRequest sets the label of that name, or takes it off, or locks the
// record or unlocks it.
type retentionRequest struct {
	Drive  string `json:"drive"`
	Item   string `json:"item"`
	Label  string `json:"label,omitempty"` // "" takes the label off
	Lock   *bool  `json:"lock,omitempty"`
	Record bool   `json:"record,omitempty"` // the file is a record before
}

func retainedOf(l graph.RetentionLabel) *retained {
	out := &retained{Name: l.Name, Behavior: l.Behavior, DeleteAllowed: l.DeleteAllowed, Locked: l.Locked, Explicit: l.Explicit}
	if !l.AppliedAt.IsZero() {
		out.AppliedAt = new(l.AppliedAt.UTC())
	}
	return out
}

func (s Shelf) retention(ctx context.Context, drive, item string) (*retained, error) {
	l, err := s.Graph.RetentionLabel(ctx, drive, item)
	if err != nil || l == nil {
		return nil, err
	}
	return retainedOf(*l), nil
}

func (l *retained) record() bool { return l != nil && strings.HasPrefix(l.Behavior, "retainAs") }

func (l *retained) regulatory() bool { return l != nil && l.Behavior == "retainAsRegulatoryRecord" }

func (l *retained) name() string {
	if l == nil {
		return ""
	}
	return l.Name
}

// holds is how much the label keeps people from doing, least first.
func (l *retained) holds() int {
	if l == nil {
		return 0
	}
	for at, behavior := range []string{"doNotRetain", "retain", "retainAsRecord", "retainAsRegulatoryRecord"} {
		if l.Behavior == behavior {
			return at + 1
		}
	}
	return 5 // what a newer Purview means we cannot tell: losing it counts as losing protection
}

// fixed tells what the label lets nobody change: an unlocked record's label
// is as fixed as a regulatory one's
// (learn.microsoft.com/purview/records-management, compare restrictions).
func (l *retained) fixed(file string) error {
	switch {
	case l.regulatory():
		return problem(connectors.Refused, "nobody can, no administrator either", "the label of %s, %s, makes it a regulatory record and cannot be changed",
			connectors.Plain(file), connectors.Plain(l.Name))
	case l.record() && !l.Locked:
		return problem(connectors.Refused, "lock it first: files.lock_record", "%s is an unlocked record of the label %s, which cannot be changed so",
			connectors.Plain(file), connectors.Plain(l.Name))
	}
	return nil
}

// lost is what setting the label again cannot give back.
func (l *retained) lost(target string) []actions.Lost {
	if l == nil {
		return nil
	}
	out := []actions.Lost{{Target: target, Field: "label.applied_at", Why: "it comes back as set anew: a time of retention that counts from there starts again"}}
	if !l.Explicit {
		out = append(out, actions.Lost{Target: target, Field: "label.explicit", Why: "it comes back as set on the file, no longer by a policy or a folder"})
	}
	return out
}

func (s subject) retentionTarget() actions.Target {
	return actions.Target{Kind: "retention_label", ID: s.key() + "/retention", Name: "retention label of " + s.Name, Entities: s.entity}
}

// onRetained looks up a file and its label. Folders are refused: setting their
// label labels all they hold, which nothing takes back.
func (s Shelf) onRetained(ctx context.Context, ref actions.Ref[incident.File]) (subject, *retained, error) {
	f, err := s.find(ctx, ref)
	if err != nil {
		return f, nil, err
	}
	if f.Folder {
		return f, nil, problem(connectors.Invalid, "name the files in it", "%s is a folder; its retention label is that of all it holds", connectors.Plain(f.Name))
	}
	l, err := s.retention(ctx, f.DriveID, f.ID)
	return f, l, err
}

func (s Shelf) retentionShown(ctx context.Context, ref actions.Ref[incident.File]) (any, error) {
	f, l, err := s.onRetained(ctx, ref)
	return struct {
		File  string    `json:"file"`
		URL   string    `json:"url"`
		Label *retained `json:"label"`
	}{f.Name, f.WebURL, l}, err
}

func (s Shelf) doRetention(ctx context.Context, c actions.Call, e actions.Effect) (actions.Outcome, error) {
	r, err := actions.Kept[retentionRequest](e.Request, "request")
	if err != nil {
		return actions.Outcome{}, err
	}
	change := connectors.Change(c.Sending)
	var after graph.RetentionLabel
	switch {
	case r.Lock != nil:
		after, err = s.Graph.LockRecord(ctx, change, r.Drive, r.Item, *r.Lock)
	case r.Label != "":
		after, err = s.Graph.SetRetentionLabel(ctx, change, r.Drive, r.Item, r.Label, r.Record)
	default:
		err = s.Graph.RemoveRetentionLabel(ctx, change, r.Drive, r.Item, r.Record)
		if notFound(err) { // the label or the file is gone
			if l, look := s.retention(ctx, r.Drive, r.Item); look == nil && l == nil {
				return actions.Outcome{AlreadySo: true}, nil
			}
		}
		return actions.Outcome{}, held(err)
	}
	if err != nil {
		return actions.Outcome{}, held(wrongRetention(err, r))
	}
	return actions.Outcome{After: actions.JSON(retention{retainedOf(after)})}, nil
}

// wrongRetention says what a refused name may mean: an app cannot ask for the
// names that there are.
func wrongRetention(err error, r retentionRequest) error {
	e, is := errors.AsType[*connectors.Error](err)
	if !is || e.Code != connectors.Invalid || e.Status == 0 || r.Lock != nil {
		return err
	}
	wrong := *e
	wrong.Hint = cmp.Or(e.Hint, "see that Microsoft Purview has a retention label "+connectors.Plain(r.Label)+": an app cannot list them")
	return &wrong
}

// held makes a lock that a retention label keeps a final refusal: waiting does
// not end it. SharePoint answers 423 for files that are open, too; those do.
func held(err error) error {
	e, is := errors.AsType[*connectors.Error](err)
	if !is || e.Code != connectors.Locked || !strings.Contains(strings.ToLower(e.ServiceCode+e.InnerCode+" "+e.Message), "retention") {
		return err
	}
	final := *e
	final.Code, final.Wait = connectors.Refused, 0
	final.Hint = cmp.Or(e.Hint, "a retention label holds the file: files.unlock_record lets its content be changed")
	return &final
}

func (s Shelf) checkRetention(ctx context.Context, _ actions.Call, e actions.Effect) (actions.Finding, error) {
	r, err := actions.Kept[retentionRequest](e.Request, "request")
	if err != nil {
		return actions.Finding{}, err
	}
	now, err := s.retention(ctx, r.Drive, r.Item)
	if notFound(err) {
		return actions.Finding{Answer: actions.CannotTell, Why: "the file is no longer to be seen"}, nil
	}
	if err != nil {
		return actions.Finding{}, err
	}
	if r.made(now) {
		return actions.Finding{Answer: actions.Happened, After: actions.JSON(retention{now}), Why: "the file's label is as asked for"}, nil
	}
	return actions.Finding{Answer: actions.DidNot, Why: "the retention label of the file is " + now.shown()}, nil
}

func (l *retained) shown() string {
	switch {
	case l == nil:
		return "none"
	case l.Locked:
		return l.Name + ", locked"
	}
	return l.Name
}

// made reports whether a label is what the request asks for.
func (r retentionRequest) made(now *retained) bool {
	if r.Lock != nil {
		return now.record() && now.Locked == *r.Lock
	}
	return strings.EqualFold(now.name(), r.Label)
}

// undoRetention puts the label back that was there, or none, or the lock.
func (s Shelf) undoRetention(ctx context.Context, _ actions.Call, e actions.Effect) (actions.Inverse, error) {
	r, err := actions.Kept[retentionRequest](e.Request, "request")
	if err != nil {
		return actions.Inverse{}, err
	}
	before, err := actions.Kept[retention](e.Before, "state before")
	if err != nil {
		return actions.Inverse{}, err
	}
	now, err := s.retention(ctx, r.Drive, r.Item)
	if notFound(err) {
		return actions.Inverse{Changed: true, Present: gone(), Why: "the file is gone"}, nil
	}
	if err != nil {
		return actions.Inverse{}, err
	}
	present := actions.JSON(retention{now})
	if !r.made(now) {
		return actions.Inverse{Changed: true, Present: present, Why: "the retention label is " + now.shown() + " now"}, nil
	}
	inverse := actions.Inverse{Present: present, Widens: r.Lock != nil && *r.Lock || before.Label.holds() < now.holds()}
	if fixed := now.fixed("the file"); fixed != nil && r.Lock == nil {
		inverse.Why = fixed.Error()
	} else {
		action, back := r.inverse(before.Label, now)
		inverse.Effect = &actions.Effect{
			Action: action, Class: actions.Writes, Target: e.Target, Before: present, After: actions.JSON(before), Request: actions.JSON(back),
		}
	}
	return inverse, nil
}

// inverse is the request that takes the first one back, and its action.
func (r retentionRequest) inverse(before, now *retained) (string, retentionRequest) {
	back := retentionRequest{Drive: r.Drive, Item: r.Item, Record: now.record()}
	if r.Lock != nil {
		back.Lock = new(!*r.Lock)
		if *back.Lock {
			return "files.lock_record", back
		}
		return "files.unlock_record", back
	}
	back.Label = before.name()
	if back.Label == "" {
		return "files.remove_retention_label", back
	}
	return "files.set_retention_label", back
}
