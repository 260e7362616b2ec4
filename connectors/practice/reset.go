package practice

import (
	"fmt"
	"maps"
	"slices"
)

// Reset makes the company again what it was when the tenant was made, without
// changes, faults, stale reads or used-up limits. Tokens stay valid.
func (t *Tenant) Reset() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults, t.serial, t.outbox = nil, 0, nil
	t.limits.windows, t.stale = map[string]*window{}, map[string]*version{}
	if len(t.changes) == 0 && !t.amended {
		return nil // reads change nothing
	}
	if t.origin == nil {
		w, err := build(t.world.company)
		if err != nil { // it was built before
			return fmt.Errorf("practice tenant: %w", err)
		}
		t.origin = w
	}
	t.world, t.changes, t.amended = t.origin.clone(), nil, false
	return nil
}

// clone copies the company as it stands. What is built once and never changed
// is shared. It is for a company in which nothing has been done yet: work under
// way is not copied.
func (w *world) clone() *world {
	out := *w
	out.labels = slices.Clone(w.labels)
	out.feeds = maps.Clone(w.feeds)
	out.retentions, out.apps, out.upns = maps.Clone(w.retentions), maps.Clone(w.apps), maps.Clone(w.upns)
	out.actions, out.running, out.pending = nil, nil, nil
	out.jobs, out.subscriptions = map[string]*job{}, map[string]*subscription{}
	out.users = cloneEach(w.users, func(*user) {})
	out.groups = cloneEach(w.groups, func(g *group) {
		g.Members, g.memberIDs, g.groupIDs = slices.Clone(g.Members), slices.Clone(g.memberIDs), slices.Clone(g.groupIDs)
	})
	out.machines = cloneEach(w.machines, func(m *machine) {
		m.Tags, m.Users, m.scans = slices.Clone(m.Tags), slices.Clone(m.Users), slices.Clone(m.scans)
	})
	out.messages = cloneEach(w.messages, func(m *message) { m.To = slices.Clone(m.To) })
	out.mailFolders = cloneEach(w.mailFolders, func(*mailFolder) {})
	out.incidents = cloneEach(w.incidents, func(i *incident) {
		*i = *i.clone()
	})
	out.ownIncidents = cloneEach(w.ownIncidents, func(i *incident) { *i = *i.clone() })
	out.alerts = cloneEach(w.alerts, func(a *alert) { a.body = deepCopy(a.body).(object) })
	out.cloneLibraries(w)
	return &out
}

func cloneEach[T any](in map[string]*T, deep func(*T)) map[string]*T {
	out := make(map[string]*T, len(in))
	for k, v := range in {
		one := *v
		deep(&one)
		out[k] = &one
	}
	return out
}

// cloneLibraries copies sites, drives and items, which point at each other.
func (w *world) cloneLibraries(from *world) {
	items := make(map[*item]*item, len(from.items))
	drives := make(map[*drive]*drive, len(from.drives))
	sites := make(map[*site]*site, len(from.sites))
	w.sites, w.drives, w.items = make(map[string]*site, len(from.sites)), make(map[string]*drive, len(from.drives)), make(map[string]*item, len(from.items))
	for k, s := range from.sites {
		one := sites[s]
		if one == nil {
			one = new(*s)
			sites[s] = one
		}
		w.sites[k] = one
	}
	for k, d := range from.drives {
		one := drives[d]
		if one == nil {
			one = new(*d)
			drives[d] = one
		}
		w.drives[k] = one
	}
	for k, i := range from.items {
		one := items[i]
		if one == nil {
			one = i.clone()
			items[i] = one
		}
		w.items[k] = one
	}
	for _, s := range sites {
		s.drive = drives[s.drive]
	}
	for _, d := range drives {
		d.site, d.root = sites[d.site], items[d.root]
	}
	for _, i := range items {
		i.drive, i.parent = drives[i.drive], items[i.parent]
		kids := make(map[string]*item, len(i.children))
		for name, kid := range i.children {
			kids[name] = items[kid]
		}
		i.children = kids
	}
}
