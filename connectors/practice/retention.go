package practice

import (
	"net/http"
	"slices"
	"strings"
)

// record reports whether the label makes a record of its item.
func (r *retention) record() bool { return strings.HasPrefix(r.Behavior, "retainAs") }

func (r *retention) forbids() error {
	return fail(http.StatusLocked, "resourceLocked", "The item has the retention label '%s', which forbids this.", r.Name)
}

func (c *call) retentionWire(i *item) object {
	r := i.retention
	free := r.Behavior == "doNotRetain" || r.Behavior == "retain"
	return object{
		"name": r.Name, "isLabelAppliedExplicitly": r.explicit, "labelAppliedDateTime": stamp(r.applied),
		"labelAppliedBy": object{"user": c.person(r.by)},
		"retentionSettings": object{
			"behaviorDuringRetentionPeriod": r.Behavior, "isDeleteAllowed": r.DeleteAllowed, "isRecordLocked": r.locked,
			"isMetadataUpdateAllowed": free || !r.locked, "isContentUpdateAllowed": free || !r.locked, "isLabelUpdateAllowed": free,
		},
	}
}

// getRetention answers the item's retention label; what Graph answers for an
// item without one is not documented, here it is 404.
func getRetention(c *call) (reply, error) {
	i, err := c.readItem()
	if err != nil {
		return reply{}, err
	}
	if i.retention == nil {
		return reply{}, fail(http.StatusNotFound, "itemNotFound", "The item has no retention label.")
	}
	return c.entity(c.retentionWire(i))
}

// patchRetention sets a label by name, 201 the first time, or locks a record
// [graph-docs driveitem-setretentionlabel.md, driveitem-lockorunlockrecord.md].
func patchRetention(c *call) (reply, error) {
	i, err := c.writable()
	if err != nil {
		return reply{}, err
	}
	var in struct {
		Name     *string `json:"name"`
		Settings *struct {
			Locked *bool `json:"isRecordLocked"`
		} `json:"retentionSettings"`
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	switch {
	case in.Settings != nil && in.Settings.Locked != nil && in.Name == nil:
		return c.lockRecord(i, *in.Settings.Locked)
	case in.Name == nil || in.Settings != nil:
		return reply{}, fail(http.StatusBadRequest, "invalidRequest", "Either name or retentionSettings.isRecordLocked is required.")
	}
	label, known := c.w.retentions[strings.ToLower(*in.Name)]
	if !known {
		return reply{}, fail(http.StatusBadRequest, "invalidRequest", "The retention label '%s' does not exist.", *in.Name)
	}
	if err := c.recordGuard(i); err != nil {
		return reply{}, err
	}
	status, before := http.StatusOK, any(nil)
	if i.retention == nil {
		status = http.StatusCreated
	} else {
		before = i.retention.Name
	}
	c.keepItem(i)
	i.retention = &retention{RetentionLabel: label, applied: c.now, by: c.app.ID, explicit: true}
	i.retention.locked = i.retention.record()
	c.record(Change{Operation: "retention.set", Target: i.target(), Before: before, After: label.Name, Status: status})
	out, err := c.entity(c.retentionWire(i))
	out.status = status
	return out, err
}

// recordGuard refuses to change the label of a record: of a locked one it needs
// Sites.FullControl.All [graph-docs driveitem-setretentionlabel.md], of an
// unlocked or a regulatory one nobody may
// (learn.microsoft.com/purview/records-management, compare restrictions).
func (c *call) recordGuard(i *item) error {
	r := i.retention
	switch {
	case r == nil || !r.record():
		return nil
	case r.Behavior == "retainAsRegulatoryRecord" || !r.locked:
		return fail(http.StatusForbidden, "accessDenied", "The retention label '%s' of this record can't be changed.", r.Name)
	case !slices.Contains(c.app.Roles, "Sites.FullControl.All"):
		return fail(http.StatusForbidden, "accessDenied", "Missing application roles. API required roles: Sites.FullControl.All.")
	}
	return nil
}

func (c *call) lockRecord(i *item, lock bool) (reply, error) {
	if i.retention == nil || !i.retention.record() {
		return reply{}, fail(http.StatusBadRequest, "invalidRequest", "The item is not a record.")
	}
	if i.retention.Behavior == "retainAsRegulatoryRecord" {
		return reply{}, fail(http.StatusForbidden, "accessDenied", "A regulatory record can't be unlocked.")
	}
	before := i.retention.locked
	c.keepItem(i)
	i.retention.locked = lock
	c.record(Change{Operation: "retention.lock", Target: i.target(), Before: before, After: lock, Status: http.StatusOK})
	return c.entity(c.retentionWire(i))
}

func deleteRetention(c *call) (reply, error) {
	i, err := c.writable()
	if err != nil {
		return reply{}, err
	}
	if i.retention == nil {
		return reply{}, fail(http.StatusNotFound, "itemNotFound", "The item has no retention label.")
	}
	if err := c.recordGuard(i); err != nil {
		return reply{}, err
	}
	before := i.retention.Name
	c.keepItem(i)
	i.retention = nil
	c.record(Change{Operation: "retention.remove", Target: i.target(), Before: before, Status: http.StatusNoContent})
	return noContent(), nil
}
