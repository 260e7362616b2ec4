package practice

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// decode reads the JSON body into v; nothing in the body is an error unless
// empty is allowed.
func (c *call) decode(v any) error {
	if len(c.body) == 0 {
		return badRequest("Empty Payload. JSON content expected.")
	}
	if err := json.Unmarshal(c.body, v); err != nil {
		return badRequest("Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.")
	}
	return nil
}

// matches checks If-Match against the item's tags.
func (c *call) matches(i *item) error {
	m := c.r.Header.Get("If-Match")
	if m == "" || m == "*" || m == i.etag() || m == i.ctag() {
		return nil
	}
	return fail(http.StatusPreconditionFailed, "resourceModified", "ETag does not match current item's value")
}

// changed marks the item as changed by this call.
func (c *call) changed(i *item) {
	i.revision++
	i.modified, i.modifiedBy = c.now, c.app.ID
}

// writable answers the item for a write, root excluded.
func (c *call) writable() (*item, error) {
	i, err := c.item()
	if err != nil {
		return nil, err
	}
	if err := c.matches(i); err != nil {
		return nil, err
	}
	if i.parent == nil {
		return nil, fail(http.StatusForbidden, "accessDenied", "The root folder of a library can't be changed.")
	}
	return i, nil
}

// undeletable refuses to delete what a retention label keeps, a record above
// all; the documentation names no code for it
// (learn.microsoft.com/purview/records-management, compare restrictions).
func (i *item) undeletable() error {
	if r := i.retention; r != nil && (!r.DeleteAllowed && r.Behavior != "doNotRetain" || r.record()) {
		return r.forbids()
	}
	return nil
}

// patchItem renames or moves [graph-docs driveitem-update.md, driveitem-move.md].
func patchItem(c *call) (reply, error) {
	i, err := c.writable()
	if err != nil {
		return reply{}, err
	}
	var in struct {
		Name            *string `json:"name"`
		ParentReference *struct {
			DriveID string `json:"driveId"`
			ID      string `json:"id"`
			Path    string `json:"path"`
		} `json:"parentReference"`
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	name, parent := i.name, i.parent
	if in.Name != nil {
		name = *in.Name
	}
	if badName(name) {
		return reply{}, fail(http.StatusBadRequest, "invalidRequest", "The provided name cannot contain reserved characters or be empty.")
	}
	if ref := in.ParentReference; ref != nil {
		if ref.DriveID != "" && ref.DriveID != i.drive.id {
			return reply{}, fail(http.StatusBadRequest, "notSupported", "Items can't be moved between drives.")
		}
		if parent = c.w.items[i.drive.id+"/"+ref.ID]; ref.ID == "root" {
			parent = i.drive.root
		}
		if _, below, is := strings.Cut(ref.Path, "root:"); ref.ID == "" && is {
			parent = i.drive.root.find(below)
		}
		if parent == nil || parent.deleted || !parent.folder {
			return reply{}, fail(http.StatusNotFound, "itemNotFound", "The destination folder could not be found.")
		}
	}
	return c.move(i, parent, name)
}

func (c *call) move(i, parent *item, name string) (reply, error) {
	if there := parent.children[strings.ToLower(name)]; there != nil && there != i {
		return reply{}, fail(http.StatusConflict, "nameAlreadyExists", "The specified item name already exists.")
	}
	for at := parent; at != nil; at = at.parent {
		if at == i {
			return reply{}, fail(http.StatusBadRequest, "invalidRequest", "An item can't be moved below itself.")
		}
	}
	before := object{"name": i.name, "path": i.path()}
	operation := "item.rename"
	if parent != i.parent {
		operation = "item.move"
	}
	c.keepItem(i)
	delete(i.parent.children, strings.ToLower(i.name))
	i.name, i.parent = name, parent
	parent.children[strings.ToLower(name)] = i
	c.changed(i)
	c.record(Change{Operation: operation, Target: i.target(), Before: before, After: object{"name": i.name, "path": i.path()}, Status: http.StatusOK})
	return c.entity(c.itemWire(i))
}

func deleteItem(c *call) (reply, error) { return c.remove("item.delete") }

func purgeItem(c *call) (reply, error) { return c.remove("item.permanentDelete") }

func (c *call) remove(operation string) (reply, error) {
	i, err := c.writable()
	if err != nil {
		return reply{}, err
	}
	for at := range i.all() {
		if err := at.undeletable(); err != nil {
			return reply{}, err
		}
	}
	before := object{"name": i.name, "path": i.path()}
	for at := range i.all() {
		c.keepItem(at)
		at.deleted, at.recycled = true, operation == "item.delete"
	}
	if operation == "item.delete" {
		c.t.serial++
		dir := strings.Trim(i.drive.site.path+"/"+i.drive.library+prefixed(i.parent.path()), "/")
		i.bin = &recycledAt{id: guid(i.unique, "bin", itoa(c.t.serial)), dir: dir, at: c.now, by: c.app.Name}
	}
	delete(i.parent.children, strings.ToLower(i.name))
	c.record(Change{Operation: operation, Target: i.target(), Before: before, Status: http.StatusNoContent})
	return noContent(), nil
}

// all answers the item and everything below it.
func (i *item) all() func(func(*item) bool) {
	return func(yield func(*item) bool) {
		list := []*item{i}
		for len(list) > 0 {
			at := list[0]
			list = slices.Concat(list[1:], at.kids())
			if !yield(at) {
				return
			}
		}
	}
}

// restoreItem refuses: restore is documented for OneDrive personal only
// [graph-docs driveitem-restore.md].
func restoreItem(*call) (reply, error) {
	return reply{}, fail(http.StatusBadRequest, "notSupported", "Restoring a deleted item is supported for OneDrive Personal only.")
}
