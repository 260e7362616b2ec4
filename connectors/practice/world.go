package practice

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// world is the company as it stands: what requests read and change.
type world struct {
	company    Company
	labels     []Label
	retentions map[string]RetentionLabel
	users      map[string]*user
	groups     map[string]*group
	sites      map[string]*site
	drives     map[string]*drive
	items      map[string]*item
	machines   map[string]*machine
	actions    []*machineAction
	running    []*machineAction // those that have not come to their end
	incidents  map[string]*incident
	alerts     map[string]*alert
	messages   map[string]*message
	// mailFolders are those that people made, by id.
	mailFolders map[string]*mailFolder
	apps        map[string]App
	jobs        map[string]*job
	pending     []*job // those that are not done
	upns        map[string]string
	nextID      int
	// ownIncidents are those that Sentinel alone has, by name; nextNumber is
	// the last number that it gave.
	ownIncidents map[string]*incident
	nextNumber   int
	rules        []object // Sentinel's automation rules
	// subscriptions are those to changes, by id.
	subscriptions map[string]*subscription
	feeds         map[string]subscribed // to content, by app and type, see feedKey
	posts         []post                // what came to channels, in order
	tickets       map[string]object     // of the desk
	made          map[string]string     // ticket by the idempotency key that made it
}

type user struct {
	User
	sessionsFrom time.Time
	risk         risk
}

type group struct {
	Group
	memberIDs, groupIDs []string
}

// site is a SharePoint site, or with owner the personal site of a OneDrive.
type site struct {
	id, host, path, title, owner string
	drive                        *drive
	created                      time.Time
}

func (s *site) url() string { return "https://" + s.host + s.path }

type drive struct {
	id, name, kind, owner string
	site                  *site
	root                  *item
	library               string
}

type item struct {
	id, name    string
	unique      string
	number      int
	drive       *drive
	parent      *item
	folder      bool
	children    map[string]*item
	size        int64
	owner       string
	created     time.Time
	modified    time.Time
	modifiedBy  string
	revision    int
	label       string
	labelMethod string
	retention   *retention
	perms       []*permission
	broken      bool
	deleted     bool
	recycled    bool // deleted to the recycle bin
	bin         *recycledAt
}

type retention struct {
	RetentionLabel
	locked   bool
	applied  time.Time
	by       string
	explicit bool
}

// path is the item's path below its library, "" for the root.
func (i *item) path() string {
	if i.parent == nil {
		return ""
	}
	if p := i.parent.path(); p != "" {
		return p + "/" + i.name
	}
	return i.name
}

func (i *item) etag() string {
	return fmt.Sprintf("\"{%s},%d\"", strings.ToUpper(i.unique), i.revision)
}

func (i *item) ctag() string {
	return fmt.Sprintf("\"c:{%s},%d\"", strings.ToUpper(i.unique), i.revision)
}

// target is how the audit names the item.
func (i *item) target() string { return "/drives/" + i.drive.id + "/items/" + i.id }

// find answers the descendant at path, nil if there is none. Names compare
// without case, as SharePoint does.
func (i *item) find(path string) *item {
	at := i
	for name := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if name == "" {
			continue
		}
		if at = at.children[strings.ToLower(name)]; at == nil {
			return nil
		}
	}
	return at
}

func (i *item) kids() []*item {
	out := make([]*item, 0, len(i.children))
	for _, k := range slices.Sorted(maps.Keys(i.children)) {
		out = append(out, i.children[k])
	}
	return out
}

type message struct {
	Mail
	id, userID string
	folder     string // well-known name, or name of a folder of the user's own
	born       string // what tells it from another copy of the same mail
	change     int
	html       bool
	properties map[string]string // extended, by their id
	sender     string            // who sent it, where that is not who it is from
	thread     string            // what tells its conversation; empty: it is one of its own
	own        string            // what of the body is not quoted; empty: all
	headers    []header          // as Exchange has received them; none of what lies in Sent Items
}

// job is accepted work that is done later: the assignment of a label.
type job struct {
	id, token string
	item      *item
	due       time.Time
	failure   string
	done      bool
	apply     func(at time.Time)
}

// builder turns a Company into a world; it keeps the first error.
type builder struct {
	w   *world
	err error
}

func (b *builder) fail(format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf("company: "+format, args...)
	}
}

func build(c Company) (*world, error) {
	w := &world{
		company: c, labels: slices.Clone(c.Labels), retentions: map[string]RetentionLabel{},
		users: map[string]*user{}, groups: map[string]*group{}, sites: map[string]*site{},
		drives: map[string]*drive{}, items: map[string]*item{}, machines: map[string]*machine{},
		incidents: map[string]*incident{}, alerts: map[string]*alert{}, messages: map[string]*message{}, mailFolders: map[string]*mailFolder{},
		apps: map[string]App{}, jobs: map[string]*job{}, upns: map[string]string{}, nextID: 9000,
		ownIncidents: map[string]*incident{}, feeds: map[string]subscribed{}, subscriptions: map[string]*subscription{},
	}
	b := &builder{w: w}
	for field, v := range map[string]string{"tenant_id": c.TenantID, "name": c.Name, "domain": c.Domain, "sharepoint": c.SharePoint} {
		if v == "" {
			b.fail("%s is missing", field)
		}
	}
	b.addLabels(c)
	b.addPeople(c)
	for i, s := range c.Sites {
		b.addSite(fmt.Sprintf("sites[%d]", i), s)
	}
	for i, o := range c.OneDrives {
		b.addOneDrive(fmt.Sprintf("onedrives[%d]", i), o)
	}
	b.addDevices(c)
	b.addMail(c)
	b.addApps(c)
	for i, raw := range c.Incidents {
		if _, err := w.addIncident(raw, nil); err != nil {
			b.fail("incidents[%d]: %v", i, err)
		}
	}
	b.addSentinel(c)
	return w, b.err
}

func (b *builder) addLabels(c Company) {
	for i := range b.w.labels {
		l := &b.w.labels[i]
		if l.Name == "" {
			b.fail("labels[%d].name is missing", i)
		}
		if l.ID == "" {
			l.ID = guid(c.TenantID, "label", l.Name)
		}
	}
	for i, r := range c.RetentionLabels {
		if !slices.Contains(retentionBehaviors(), r.Behavior) {
			b.fail("retention_labels[%d].behavior is %q; expected one of %s", i, r.Behavior, strings.Join(retentionBehaviors(), ", "))
		}
		b.w.retentions[strings.ToLower(r.Name)] = r
	}
}

func retentionBehaviors() []string {
	return []string{"doNotRetain", "retain", "retainAsRecord", "retainAsRegulatoryRecord"}
}

func (b *builder) addPeople(c Company) {
	w := b.w
	for i, u := range c.Users {
		if u.UPN == "" || u.Name == "" {
			b.fail("users[%d] needs upn and name", i)
		}
		if u.ID == "" {
			u.ID = guid(c.TenantID, "user", strings.ToLower(u.UPN))
		}
		if u.Mail == "" {
			u.Mail = u.UPN
		}
		if _, twice := w.upns[strings.ToLower(u.UPN)]; twice {
			b.fail("users[%d].upn %q stands twice", i, u.UPN)
		}
		w.users[u.ID] = &user{User: u, sessionsFrom: founded(), risk: b.riskOf(fmt.Sprintf("users[%d]", i), u.Risk)}
		w.upns[strings.ToLower(u.UPN)] = u.ID
	}
	for i, u := range c.Users {
		if u.Manager != "" && w.userByName(u.Manager) == nil {
			b.fail("users[%d].manager %q is no user", i, u.Manager)
		}
	}
	b.addGroups(c)
}

func (b *builder) addGroups(c Company) {
	w, byName := b.w, map[string]string{}
	for i := range c.Groups {
		byName[c.Groups[i].Name] = cmp.Or(c.Groups[i].ID, guid(c.TenantID, "group", c.Groups[i].Name))
	}
	for i, g := range c.Groups {
		g.ID = byName[g.Name]
		out := &group{Group: g}
		for j, name := range g.Groups {
			if byName[name] == "" {
				b.fail("groups[%d].groups[%d] %q is no group", i, j, name)
			}
			out.groupIDs = append(out.groupIDs, byName[name])
		}
		for j, m := range g.Members {
			u := w.userByName(m)
			if u == nil {
				b.fail("groups[%d].members[%d] %q is no user", i, j, m)
				continue
			}
			out.memberIDs = append(out.memberIDs, u.ID)
		}
		w.groups[g.ID] = out
	}
}

// founded is when the company began: the date of what has no other.
func founded() time.Time { return time.Date(2024, 1, 8, 9, 0, 0, 0, time.UTC) }

// userByName answers a user by object id, upn or mail address, else nil.
func (w *world) userByName(name string) *user {
	if u := w.users[strings.ToLower(name)]; u != nil {
		return u
	}
	if u := w.users[w.upns[strings.ToLower(name)]]; u != nil {
		return u
	}
	for _, u := range w.users {
		if strings.EqualFold(u.Mail, name) {
			return u
		}
	}
	return nil
}

// user answers a user by what Graph takes in /users/{id}: object id or upn.
func (w *world) user(id string) *user {
	if u := w.users[strings.ToLower(id)]; u != nil {
		return u
	}
	return w.users[w.upns[strings.ToLower(id)]]
}

// label answers a label by id or name, else nil.
func (w *world) label(name string) *Label {
	for i := range w.labels {
		if strings.EqualFold(w.labels[i].ID, name) || strings.EqualFold(w.labels[i].Name, name) {
			return &w.labels[i]
		}
	}
	return nil
}

func (b *builder) addApps(c Company) {
	for i, a := range c.Apps {
		if a.ID == "" || a.Name == "" || a.Secret == "" {
			b.fail("apps[%d] needs id, name and secret", i)
		}
		for j, text := range a.Certificates {
			if _, err := publicKey(text); err != nil {
				b.fail("apps[%d].certificates[%d]: %v", i, j, err)
			}
		}
		for j, kind := range a.Feeds {
			if !slices.Contains(feedContentTypes(), kind) {
				b.fail("apps[%d].feeds[%d] is %q; expected one of %s", i, j, kind, strings.Join(feedContentTypes(), ", "))
			}
			b.w.feeds[feedKey(a, kind)] = subscribed{since: founded(), enabled: true}
		}
		b.w.apps[strings.ToLower(a.ID)] = a
	}
}

func (b *builder) addMail(c Company) {
	for i, m := range c.Mail {
		u := b.w.user(m.Mailbox)
		if u == nil {
			b.fail("mail[%d].mailbox %q is no user", i, m.Mailbox)
			continue
		}
		id := "AAMk" + hexID(c.TenantID, "mail", m.Mailbox, m.InternetID)
		folder := m.Folder
		if known := b.w.folder(u.ID, folder); known != "" {
			folder = known
		} else {
			b.w.mailFolders[folderID(u.ID, folder)] = &mailFolder{userID: u.ID, name: folder}
		}
		b.w.messages[id] = &message{Mail: m, id: id, folder: folder, userID: u.ID, change: 1, born: m.Folder}
	}
}
