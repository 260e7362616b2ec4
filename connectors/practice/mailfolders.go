package practice

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
)

// dumpster is the folder of what was deleted from Deleted Items, or past it.
const dumpster = "recoverableitemsdeletions"

// wellKnownFolders are the folders that every mailbox has, with the names that
// people see [graph-docs resources/mailfolder.md].
func wellKnownFolders() map[string]string {
	return map[string]string{
		"inbox": "Inbox", "sentitems": "Sent Items", "drafts": "Drafts", "deleteditems": "Deleted Items", "junkemail": "Junk Email",
		"archive": "Archive", "outbox": "Outbox", dumpster: "Deletions",
	}
}

// mailFolder is a folder that somebody made.
type mailFolder struct {
	userID, name string
	hidden       bool
}

// folderID is the id of a folder of a mailbox by its well-known or own name.
func folderID(userID, name string) string {
	return "AAMkAD" + hexID("folder", userID, strings.ToLower(name))[:30] + "AAA="
}

// folder answers the name under which messages lie in a folder, by its id or
// well-known name; "" where the mailbox has none.
func (w *world) folder(userID, id string) string {
	for name := range wellKnownFolders() {
		if strings.EqualFold(name, id) || folderID(userID, name) == id {
			return name
		}
	}
	if f := w.mailFolders[id]; f != nil && f.userID == userID {
		return f.name
	}
	return ""
}

func (w *world) folderWire(userID, name string) object {
	shown, hidden := name, false
	if known, is := wellKnownFolders()[name]; is {
		shown, hidden = known, name == dumpster
	} else if f := w.mailFolders[folderID(userID, name)]; f != nil {
		hidden = f.hidden
	}
	items := 0
	for _, m := range w.messages {
		if m.userID == userID && m.folder == name {
			items++
		}
	}
	return object{
		"id": folderID(userID, name), "displayName": shown, "parentFolderId": folderID(userID, "msgfolderroot"),
		"childFolderCount": 0, "unreadItemCount": 0, "totalItemCount": items, "sizeInBytes": 4096 * items, "isHidden": hidden,
	}
}

// listMailFolders lists the folders directly below the root [graph-docs
// user-list-mailfolders.md]. Recoverable items are not among them.
func listMailFolders(c *call) (reply, error) {
	u, err := c.userArg()
	if err != nil {
		return reply{}, err
	}
	keep, err := c.filter(fields{"displayName": nil})
	if err != nil {
		return reply{}, err
	}
	hidden := c.query.Get("includeHiddenFolders") == "true"
	list := []object{}
	add := func(name string) {
		o := c.w.folderWire(u.ID, name)
		if keep(func(p string) any { return o[p] }) && (hidden || o["isHidden"] == false) {
			list = append(list, o)
		}
	}
	for name := range wellKnownFolders() {
		if name != dumpster {
			add(name)
		}
	}
	for _, f := range c.w.mailFolders {
		if f.userID == u.ID {
			add(f.name)
		}
	}
	slices.SortFunc(list, func(a, b object) int { return cmp.Compare(a["displayName"].(string), b["displayName"].(string)) })
	return page(c, list, paging{size: 10, max: 1000}, func(o object) object { return c.selector(func() object { return o }) })
}

// folderArg is the folder of the path.
func (c *call) folderArg() (*user, string, error) {
	u, err := c.userArg()
	if err != nil {
		return nil, "", err
	}
	name := c.w.folder(u.ID, c.args["folder"])
	if name == "" {
		return nil, "", fail(http.StatusNotFound, "ErrorItemNotFound", "The specified object was not found in the store.")
	}
	return u, name, nil
}

func getMailFolder(c *call) (reply, error) {
	u, name, err := c.folderArg()
	if err != nil {
		return reply{}, err
	}
	return c.entity(c.w.folderWire(u.ID, name))
}

func listFolderMessages(c *call) (reply, error) {
	u, name, err := c.folderArg()
	if err != nil {
		return reply{}, err
	}
	return c.listed(u, func(m *message) bool { return m.folder == name })
}

// makeMailFolder makes a folder below the root [graph-docs
// user-post-mailfolders.md].
func makeMailFolder(c *call) (reply, error) {
	u, err := c.userArg()
	if err != nil {
		return reply{}, err
	}
	var in struct {
		Name   string `json:"displayName"`
		Hidden bool   `json:"isHidden"`
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if in.Name == "" {
		return reply{}, fail(http.StatusBadRequest, "ErrorInvalidArgument", "The folder needs a displayName.")
	}
	id := folderID(u.ID, in.Name)
	taken := c.w.mailFolders[id] != nil
	for _, shown := range wellKnownFolders() {
		taken = taken || strings.EqualFold(shown, in.Name)
	}
	if taken {
		return reply{}, fail(http.StatusConflict, "ErrorFolderExists", "A folder with the specified name already exists.")
	}
	c.w.mailFolders[id] = &mailFolder{userID: u.ID, name: in.Name, hidden: in.Hidden}
	c.record(Change{Operation: "mailFolder.create", Target: "/users/" + u.ID + "/mailFolders/" + id, After: in.Name, Status: http.StatusCreated})
	out, err := c.entity(c.w.folderWire(u.ID, in.Name))
	out.status = http.StatusCreated
	return out, err
}
