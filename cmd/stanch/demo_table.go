package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"stanch/cmd/stanch/internal/terminal"
	"stanch/connectors/incident"
	"stanch/connectors/practice"
)

// company is what the demo reads of /practice/state.
type company struct {
	Name      string           `json:"name"`
	Sites     []companySite    `json:"sites"`
	Devices   []companyDevice  `json:"devices"`
	Users     []companyUser    `json:"users"`
	Incidents []companyProblem `json:"incidents"`
}

type companySite struct {
	URL   string        `json:"url"`
	Items []companyItem `json:"items"`
}

type companyItem struct {
	Path        string `json:"path"`
	Folder      bool   `json:"folder"`
	Label       string `json:"label"`
	Permissions []struct {
		Scope string   `json:"scope"`
		To    []string `json:"to"`
	} `json:"permissions"`
}

type companyDevice struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Isolated bool   `json:"isolated"`
}

type companyUser struct {
	UPN      string `json:"upn"`
	Sessions string `json:"sessions_valid_from"`
}

type companyProblem struct {
	ID       string   `json:"id"`
	Status   string   `json:"status"`
	Assigned *string  `json:"assigned_to"`
	Tags     []string `json:"tags"`
}

// look reads the company as it is now.
func (s *stage) look() (company, error) {
	var c company
	if err := json.Unmarshal(s.served.tenant.State(), &c); err != nil {
		return c, fmt.Errorf("the company's state: %w", err)
	}
	return c, nil
}

func (c company) files() int {
	n := 0
	for _, s := range c.Sites {
		for _, i := range s.Items {
			if !i.Folder {
				n++
			}
		}
	}
	return n
}

// item finds a file of the evidence.
func (c company) item(f incident.File) (companyItem, bool) {
	if f.Site == nil || f.Path == nil {
		return companyItem{}, false
	}
	for _, s := range c.Sites {
		if !strings.HasSuffix(s.URL, *f.Site) {
			continue
		}
		for _, i := range s.Items {
			if strings.HasSuffix(*f.Path, i.Path) {
				return i, true
			}
		}
	}
	return companyItem{}, false
}

// sharing counts what of the files is open to anybody, to people outside and
// to the whole organisation, and which labels they have.
func (c company) sharing(files []incident.File) (open, labels string) {
	count := map[string]int{}
	kinds := map[string]int{}
	for _, f := range files {
		item, found := c.item(f)
		if !found {
			continue
		}
		kinds[item.Label]++
		for _, p := range item.Permissions {
			switch {
			case p.Scope == "anonymous":
				count["anonymous"]++
			case p.Scope == "organization":
				count["whole company"]++
			case slices.ContainsFunc(p.To, outside):
				count["outside"]++
			}
		}
	}
	return tallied(count, "nobody too many"), tallied(kinds, "none")
}

func outside(address string) bool {
	_, domain, is := strings.Cut(address, "@")
	return is && !strings.EqualFold(domain, practice.ContosoDomain)
}

func tallied(count map[string]int, none string) string {
	var parts []string
	for _, name := range sortedKeys(count) {
		parts = append(parts, fmt.Sprintf("%d %s", count[name], name))
	}
	if len(parts) == 0 {
		return none
	}
	return strings.Join(parts, ", ")
}

// compared is the table of what is different now.
func compared(scenes []*scene, before, after company) terminal.Table {
	t := table("", "BEFORE", "AFTER")
	add := func(what, was, is string) {
		style := terminal.Plain
		if was != is {
			style = terminal.Green
		}
		t.Add(what, was, terminal.Text{Style: style, Text: is})
	}
	for _, sc := range scenes {
		tag := "[" + sc.tag + "] "
		if files := cloudFiles(sc.incident.Evidence.Files); len(files) > 0 && len(sc.incident.Evidence.Devices) == 0 {
			wasOpen, wasLabel := before.sharing(files)
			isOpen, isLabel := after.sharing(files)
			add(tag+"open to", wasOpen, isOpen)
			add(tag+"labels", wasLabel, isLabel)
		}
		for _, d := range sc.incident.Evidence.Devices {
			add(tag+either(d.Name, &d.ID), before.device(d.ID), after.device(d.ID))
		}
		for _, u := range sc.incident.Evidence.Users {
			if u.UPN != nil && before.sessions(*u.UPN) != after.sessions(*u.UPN) {
				add(tag+*u.UPN, "signed in", "signed out everywhere")
			}
		}
		_, native, _ := incident.ParseID(sc.incident.ID)
		add(tag+"incident", "active", after.problem(native))
	}
	return t
}

func cloudFiles(files []incident.File) []incident.File {
	return slices.DeleteFunc(slices.Clone(files), func(f incident.File) bool { return f.Site == nil })
}

func (c company) device(id string) string {
	for _, d := range c.Devices {
		if strings.EqualFold(d.ID, id) && d.Isolated {
			return "cut off the network"
		}
	}
	return "on the network"
}

func (c company) sessions(upn string) string {
	for _, u := range c.Users {
		if strings.EqualFold(u.UPN, upn) {
			return u.Sessions
		}
	}
	return ""
}

// problem says where an incident stands.
func (c company) problem(id string) string {
	for _, p := range c.Incidents {
		if p.ID != id {
			continue
		}
		text := p.Status
		if p.Assigned != nil {
			text += ", assigned to " + *p.Assigned
		}
		if len(p.Tags) > 0 {
			text += ", tagged " + strings.Join(p.Tags, " ")
		}
		return text
	}
	return "gone"
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
