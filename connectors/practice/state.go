package practice

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// State is the company as canonical JSON: keys sorted, lists in a stable
// order, and nothing in it that a write changes by itself. Two equal states
// are equal bytes.
func (t *Tenant) State() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.world.settle(t.o.Now())
	w := t.world
	out := object{
		"tenant_id": w.company.TenantID, "name": w.company.Name, "domain": w.company.Domain,
		"users": w.userStates(), "groups": w.groupStates(), "sites": w.siteStates(),
		"devices": w.machineStates(), "mail": w.mailStates(), "incidents": w.incidentStates(),
	}
	if feeds := w.feedStates(); len(feeds) > 0 {
		out["feeds"] = feeds
	}
	if len(w.posts) > 0 {
		out["posts"] = w.posts
	}
	if len(w.tickets) > 0 {
		out["tickets"] = w.tickets
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(out); err != nil {
		return []byte(`{"error":"the state can't be encoded"}`)
	}
	return b.Bytes()
}

func (w *world) userStates() []object {
	out := []object{}
	for _, u := range slices.SortedFunc(maps.Values(w.users), func(a, b *user) int { return cmp.Compare(a.UPN, b.UPN) }) {
		out = append(out, object{
			"id": u.ID, "upn": u.UPN, "name": u.Name, "mail": u.Mail, "department": u.Department, "manager": u.Manager,
			"guest": u.Guest, "enabled": !u.Disabled, "sessions_valid_from": stamp(u.sessionsFrom),
			"risk": object{"state": cmp.Or(u.risk.State, "none"), "level": cmp.Or(u.risk.Level, "none"), "detail": cmp.Or(u.risk.Detail, "none")},
		})
	}
	return out
}

// feedStates are the subscriptions to content, as app and type.
func (w *world) feedStates() []string {
	var out []string
	for key, s := range w.feeds {
		if s.enabled {
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return out
}

func (w *world) groupStates() []object {
	out := []object{}
	for _, g := range w.sortedGroups() {
		out = append(out, object{"id": g.ID, "name": g.Name, "members": slices.Sorted(slices.Values(g.Members)), "groups": slices.Sorted(slices.Values(g.Groups))})
	}
	return out
}

func (w *world) siteStates() []object {
	out := []object{}
	recycled := map[*site][]string{}
	for _, i := range w.items {
		if i.recycled {
			recycled[i.drive.site] = append(recycled[i.drive.site], "/"+i.path())
		}
	}
	for _, s := range slices.SortedFunc(maps.Values(w.sites), func(a, b *site) int { return cmp.Compare(a.url(), b.url()) }) {
		items := []object{}
		for i := range s.drive.root.all() {
			items = append(items, w.itemState(i))
		}
		slices.SortFunc(items, func(a, b object) int { return cmp.Compare(a["path"].(string), b["path"].(string)) })
		bin := append([]string{}, recycled[s]...)
		slices.Sort(bin)
		out = append(out, object{"url": s.url(), "title": s.title, "items": items, "recycle_bin": bin})
	}
	return out
}

func (w *world) itemState(i *item) object {
	perms := []object{}
	for _, p := range i.perms {
		perms = append(perms, p.canonical())
	}
	slices.SortFunc(perms, func(a, b object) int { return cmp.Compare(canonical(a), canonical(b)) })
	o := object{
		"id": i.id, "path": "/" + i.path(), "folder": i.folder, "permissions": perms, "inherits": !i.broken,
		"created": stamp(i.created),
	}
	if !i.folder {
		label := ""
		if l := w.label(i.label); l != nil && i.label != "" {
			label = l.Name
		}
		o["size"], o["label"] = i.size, label
	}
	if u := w.users[i.owner]; u != nil {
		o["owner"] = u.UPN
	}
	if i.retention != nil {
		o["retention"], o["record_locked"] = i.retention.Name, i.retention.locked
	}
	return o
}

func canonical(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func (w *world) machineStates() []object {
	out := []object{}
	for _, m := range slices.SortedFunc(maps.Values(w.machines), func(a, b *machine) int { return cmp.Compare(a.Name, b.Name) }) {
		tags := slices.Sorted(slices.Values(m.Tags))
		if tags == nil {
			tags = []string{}
		}
		out = append(out, object{
			"id": m.ID, "name": m.Name, "os": m.OS, "health": m.Health, "tags": tags,
			"isolated": m.isolated != "", "isolation": m.isolated, "restricted": m.restricted,
			"scans": append([]string{}, m.scans...), "packages": m.packages,
		})
	}
	return out
}

func (w *world) mailStates() []object {
	out := []object{}
	for _, m := range w.messages {
		out = append(out, object{
			"mailbox": strings.ToLower(m.Mailbox), "folder": m.folder, "internet_message_id": m.InternetID, "subject": m.Subject,
		})
	}
	slices.SortFunc(out, func(a, b object) int { return cmp.Compare(canonical(a), canonical(b)) })
	return out
}

func (w *world) incidentStates() []object {
	out := []object{}
	all := slices.Concat(slices.Collect(maps.Values(w.incidents)), slices.Collect(maps.Values(w.ownIncidents)))
	slices.SortFunc(all, func(a, b *incident) int { return cmp.Compare(a.id(), b.id()) })
	for _, i := range all {
		alerts := []object{}
		for _, id := range i.alerts {
			b := w.alerts[id].body
			alerts = append(alerts, object{
				"id": id, "title": b["title"], "status": b["status"], "classification": b["classification"],
				"determination": b["determination"], "assigned_to": b["assignedTo"], "comments": comments(b),
			})
		}
		b := i.body
		tags, _ := b["customTags"].([]any)
		out = append(out, object{
			"id": i.id(), "title": b["displayName"], "severity": b["severity"], "status": b["status"],
			"classification": b["classification"], "determination": b["determination"], "assigned_to": b["assignedTo"],
			"tags": append([]any{}, tags...), "comments": comments(b), "redirect": b["redirectIncidentId"], "alerts": alerts,
		})
		if s := i.sentinelState(); s != nil {
			out[len(out)-1]["sentinel"] = s
		}
	}
	return out
}

// comments answers the texts of an incident's or alert's comments.
func comments(body object) []any {
	out := []any{}
	list, _ := body["comments"].([]any)
	for _, v := range list {
		if c, is := v.(object); is {
			out = append(out, c["comment"])
		}
	}
	return out
}
