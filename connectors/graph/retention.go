package graph

import (
	"context"
	"net/http"
	"strings"
	"time"

	"stanch/connectors"
)

// recordWrite is what changing the label of a record needs beyond filesWrite
// (learn.microsoft.com/graph/api/driveitem-setretentionlabel, note).
const recordWrite = "Sites.FullControl.All"

// RetentionLabel is a Purview retention label as it stands on an item.
type RetentionLabel struct {
	Name          string
	Behavior      string // doNotRetain, retain, retainAsRecord, retainAsRegulatoryRecord
	DeleteAllowed bool   // whether the item may be deleted while it is kept
	Locked        bool   // of a record: its content cannot be changed
	Explicit      bool   // set on the item itself, not by a policy or a folder
	AppliedAt     time.Time
	AppliedBy     Identity
}

// Record reports whether the label makes a record of the item.
func (l RetentionLabel) Record() bool { return strings.HasPrefix(l.Behavior, "retainAs") }

// Regulatory reports whether nobody, no administrator either, can take the
// label off (learn.microsoft.com/purview/records-management).
func (l RetentionLabel) Regulatory() bool { return l.Behavior == "retainAsRegulatoryRecord" }

type wireRetention struct {
	Name     string `json:"name"`
	Settings struct {
		Behavior      string `json:"behaviorDuringRetentionPeriod"`
		DeleteAllowed bool   `json:"isDeleteAllowed"`
		Locked        bool   `json:"isRecordLocked"`
	} `json:"retentionSettings"`
	Explicit  bool        `json:"isLabelAppliedExplicitly"`
	AppliedAt *time.Time  `json:"labelAppliedDateTime"`
	AppliedBy identitySet `json:"labelAppliedBy"`
}

func (w wireRetention) label() RetentionLabel {
	l := RetentionLabel{
		Name: w.Name, Behavior: w.Settings.Behavior, DeleteAllowed: w.Settings.DeleteAllowed,
		Locked: w.Settings.Locked, Explicit: w.Explicit, AppliedBy: w.AppliedBy.identity(),
	}
	if w.AppliedAt != nil {
		l.AppliedAt = *w.AppliedAt
	}
	return l
}

// RetentionLabel reads the retention label of an item, nil for none. It is read
// with its item, so that an item without a label is told from one that is gone,
// which answers not_found.
//
// Source: learn.microsoft.com/graph/api/driveitem-getretentionlabel.
func (c *Client) RetentionLabel(ctx context.Context, drive, item string) (*RetentionLabel, error) {
	var w struct {
		ID    string         `json:"id"`
		Label *wireRetention `json:"retentionLabel"`
	}
	op := "get retention label of item " + connectors.Plain(item)
	reply, err := c.api.Read(ctx, connectors.Request{
		Op: op, Path: itemPath(drive, item), Permission: filesRead,
		Query: []connectors.Param{{Key: "$select", Value: "id"}, {Key: "$expand", Value: "retentionLabel"}},
	}, &w)
	if err != nil {
		return nil, err
	}
	if w.ID != item {
		return nil, other(op, item, w.ID, reply.RequestID)
	}
	if w.Label == nil || w.Label.Name == "" {
		return nil, nil
	}
	l := w.Label.label()
	return &l, nil
}

// SetRetentionLabel puts the label of that name on an item, in place of the one
// it has, and answers it with its settings. With record, the item is a record
// now, which an app needs more for. An app cannot list the labels there are: a
// name that is none is invalid.
//
// Source: learn.microsoft.com/graph/api/driveitem-setretentionlabel.
func (c *Client) SetRetentionLabel(ctx context.Context, ch connectors.Change, drive, item, name string, record bool) (RetentionLabel, error) {
	op := "set retention label of item " + connectors.Plain(item)
	if name == "" {
		return RetentionLabel{}, invalid(op, "the label has no name")
	}
	l, err := c.patchRetention(ctx, ch, op, drive, item, map[string]string{"name": name}, retentionWrite(record))
	if err == nil && !strings.EqualFold(l.Name, name) {
		err = open(other(op, name, l.Name, ""))
	}
	return l, err
}

// LockRecord locks a record, or unlocks it so that its content may be changed.
// What is no record answers invalid.
//
// Source: learn.microsoft.com/graph/api/driveitem-lockorunlockrecord.
func (c *Client) LockRecord(ctx context.Context, ch connectors.Change, drive, item string, lock bool) (RetentionLabel, error) {
	op := "unlock record " + connectors.Plain(item)
	if lock {
		op = "lock record " + connectors.Plain(item)
	}
	body := map[string]any{"retentionSettings": map[string]bool{"isRecordLocked": lock}}
	l, err := c.patchRetention(ctx, ch, op, drive, item, body, filesWrite)
	if err == nil && (l.Name == "" || l.Locked != lock) {
		err = unsaid(op, "that it was done", connectors.Reply{})
	}
	return l, err
}

// RemoveRetentionLabel takes the retention label off an item; record as with
// SetRetentionLabel. An item without one answers not_found.
//
// Source: learn.microsoft.com/graph/api/driveitem-removeretentionlabel.
func (c *Client) RemoveRetentionLabel(ctx context.Context, ch connectors.Change, drive, item string, record bool) error {
	_, err := c.api.Send(ctx, ch, connectors.Request{
		Op: "remove retention label of item " + connectors.Plain(item), Method: http.MethodDelete,
		Path: itemPath(drive, item, "retentionLabel"), Permission: retentionWrite(record),
	}, nil)
	return err
}

func (c *Client) patchRetention(ctx context.Context, ch connectors.Change, op, drive, item string, body any, permission string) (RetentionLabel, error) {
	var w wireRetention
	_, err := c.api.Send(ctx, ch, connectors.Request{
		Op: op, Method: http.MethodPatch, Path: itemPath(drive, item, "retentionLabel"), Permission: permission, Body: body,
	}, &w)
	return w.label(), err
}

func retentionWrite(record bool) string {
	if record {
		return recordWrite
	}
	return filesWrite
}
