package main

import (
	"cmp"
	"slices"

	"stanch/actions"
	"stanch/cmd/stanch/internal/config"
	"stanch/connectors/activity"
	"stanch/connectors/loganalytics"
	"stanch/playbooks"
)

// permissionSheet is what `stanch permissions` answers.
type permissionSheet struct {
	Playbooks []string           `json:"playbooks"` // ids; what they call is theirs
	Needed    []neededPermission `json:"needed"`
	TooMuch   []extraPermission  `json:"too_much"`
	Apps      []signedIn         `json:"apps"` // whose tokens were looked at; empty: none
	Consent   []string           `json:"consent"`
}

// neededPermission is one application permission of the least set.
type neededPermission struct {
	API        string   `json:"api"`
	Permission string   `json:"permission"`
	When       string   `json:"when"`      // only then, such as "on incidents of Sentinel"; empty: always
	For        []string `json:"for"`       // actions, and trigger
	Playbooks  []string `json:"playbooks"` // ids
	Held       string   `json:"held"`      // yes, no, or unknown where no token tells; empty: not looked
	As         string   `json:"as"`        // the wider permission by which it is held
}

// What Held may be.
const (
	heldYes     = "yes"
	heldNo      = "no"
	heldUnknown = "unknown"
)

// extraPermission is held and not needed; Instead is the lesser that would do.
type extraPermission struct {
	API        string `json:"api"`
	Permission string `json:"permission"`
	Instead    string `json:"instead"`
}

// needs computes the least permissions of playbooks under a configuration.
func needs(books []*playbooks.Playbook, cfg *config.Config) permissionSheet {
	sheet := permissionSheet{Playbooks: []string{}, Needed: []neededPermission{}, TooMuch: []extraPermission{}, Apps: []signedIn{}, Consent: []string{}}
	for _, p := range books {
		sheet.Playbooks = append(sheet.Playbooks, p.ID)
		for _, t := range triggerNeeds(p.On) {
			sheet.need(t, "trigger", p.ID)
		}
		if cfg.Feed.Details && (p.On.Incident != nil || p.On.Alert != nil) {
			for _, name := range []string{activity.Read, activity.ReadDLP} {
				sheet.need(actions.Permission{API: "activity", Name: name}, "feed.details", p.ID)
			}
		}
		for _, each := range append([]*playbooks.Playbook{p}, p.Calls...) {
			each.Walk(func(_ string, s *playbooks.Step) {
				for _, n := range s.Action.Permissions {
					sheet.need(n, s.Uses, p.ID)
				}
			})
		}
	}
	slices.Sort(sheet.Playbooks)
	sheet.least()
	return sheet
}

// triggerNeeds are what the feed that a trigger listens to reads.
func triggerNeeds(on playbooks.On) []actions.Permission {
	var all []actions.Permission
	manual := on.Manual != nil && (on.Manual.Subject == "incident" || on.Manual.Subject == "alert")
	if on.Incident != nil || on.Alert != nil || manual {
		all = append(all, actions.Permission{API: "graph", Name: "SecurityIncident.Read.All"},
			actions.Permission{API: "graph", Name: "SecurityAlert.Read.All", When: "for alerts that change while their incidents do not"},
			actions.Permission{API: "azure", Name: "Microsoft Sentinel Reader", When: "on incidents of Sentinel"})
	}
	if on.Manual != nil {
		all = append(all, lookupNeeds(on.Manual.Subject)...)
	}
	switch t := on.Hunting; {
	case t == nil:
	case t.Source == "logs":
		all = append(all, actions.Permission{API: "azure", Name: loganalytics.Role})
	default:
		all = append(all, actions.Permission{API: "graph", Name: "ThreatHunting.Read.All"})
	}
	return all
}

// lookupNeeds are what finds the thing that a person starts a playbook on; an
// incident is found by what the feed reads.
func lookupNeeds(subject string) []actions.Permission {
	switch subject {
	case "alert":
		return []actions.Permission{{API: "graph", Name: "SecurityAlert.Read.All"}}
	case "user":
		return []actions.Permission{{API: "graph", Name: "User.Read.All"}}
	case "file":
		return []actions.Permission{{API: "graph", Name: "Files.Read.All"}, {API: "graph", Name: "Sites.Read.All"}}
	case "device":
		return []actions.Permission{{API: "defender", Name: "Machine.Read.All"}}
	case "mailbox":
		return []actions.Permission{{API: "graph", Name: "User.Read.All"}, {API: "graph", Name: "Mail.Read"}}
	}
	return nil
}

// need notes that a playbook needs a permission for an action.
func (p *permissionSheet) need(n actions.Permission, action, book string) {
	i := slices.IndexFunc(p.Needed, func(x neededPermission) bool { return x.is().Same(n) })
	if i < 0 {
		i = len(p.Needed)
		p.Needed = append(p.Needed, neededPermission{API: n.API, Permission: n.Name, When: n.When})
	}
	p.Needed[i].sometimes(n.When)
	p.Needed[i].For = with(p.Needed[i].For, action)
	p.Needed[i].Playbooks = with(p.Needed[i].Playbooks, book)
}

// sometimes notes when a use needs the permission: always, if two need it at
// different times.
func (n *neededPermission) sometimes(when string) {
	if when != n.When {
		n.When = ""
	}
}

func (n neededPermission) is() actions.Permission {
	return actions.Permission{API: n.API, Name: n.Permission}
}

// with adds to a sorted set.
func with(set []string, more ...string) []string {
	set = append(set, more...)
	slices.Sort(set)
	return slices.Compact(set)
}

// least leaves out what another needed permission covers, and sorts the rest.
func (p *permissionSheet) least() {
	kept := []neededPermission{}
	for _, n := range p.Needed {
		if !slices.ContainsFunc(p.Needed, func(x neededPermission) bool { return !x.is().Same(n.is()) && x.is().Covers(n.is()) }) {
			kept = append(kept, n)
		}
	}
	for _, n := range p.Needed {
		for i := range kept {
			if kept[i].is().Covers(n.is()) {
				kept[i].sometimes(n.When)
				kept[i].For, kept[i].Playbooks = with(kept[i].For, n.For...), with(kept[i].Playbooks, n.Playbooks...)
			}
		}
	}
	slices.SortFunc(kept, func(a, b neededPermission) int {
		return cmp.Or(cmp.Compare(a.API, b.API), cmp.Compare(a.Permission, b.Permission))
	})
	p.Needed = kept
}

// apis are those of which something is needed.
func (p permissionSheet) apis() []string {
	var all []string
	for _, n := range p.Needed {
		all = with(all, n.API)
	}
	return all
}

func (p permissionSheet) missing() []neededPermission {
	return slices.DeleteFunc(slices.Clone(p.Needed), func(n neededPermission) bool { return n.Held != heldNo })
}
