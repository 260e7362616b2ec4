package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"stanch/connectors/incident"
	"stanch/engine/view"
	"stanch/triggers"
)

// chapter is one line of the story of an incident.
type chapter struct {
	at        time.Time
	what, how string
}

// story is what happened, in order of time: at the source, by people, and by runs.
// What the source gives no time for is left out.
func story(i incident.Incident, runs []view.Run) []chapter {
	all := []chapter{}
	add := func(at time.Time, what, how string) {
		if at.Year() > 1 {
			all = append(all, chapter{at, what, how})
		}
	}
	when := func(at *time.Time, what, how string) {
		if at != nil {
			add(*at, what, how)
		}
	}
	add(i.CreatedAt, "incident opened", i.Title)
	for _, a := range i.Alerts {
		for _, did := range a.Activities {
			add(did.At, did.Operation, strings.Join(strings.Fields(did.User+" "+did.Workload+" "+did.Object), " "))
		}
		for _, o := range a.Overrides {
			add(o.At, "policy overridden", strings.TrimSpace(o.User+": "+o.Justification))
		}
		did := either(a.UserActivity, &a.Title)
		when(a.FirstActivityAt, "first activity", did)
		if a.FirstActivityAt == nil || a.LastActivityAt == nil || !a.LastActivityAt.Equal(*a.FirstActivityAt) {
			when(a.LastActivityAt, "last activity", did)
		}
		add(a.CreatedAt, "alert raised", a.Title)
		when(a.ResolvedAt, "alert resolved", a.Title)
		for _, c := range a.Comments {
			when(c.CreatedAt, "comment on an alert", remark(c))
		}
	}
	for _, c := range i.Comments {
		when(c.CreatedAt, "comment", remark(c))
	}
	for _, r := range runs {
		add(r.BegunAt, "run begun", r.Playbook+"  "+r.ID+"  by "+r.StartedBy)
		add(r.EndedAt, "run "+r.Status, r.Playbook+"  "+r.ID)
	}
	slices.SortStableFunc(all, func(a, b chapter) int { return a.at.Compare(b.at) })
	return all
}

func remark(c incident.Comment) string {
	if c.Author == nil {
		return c.Text
	}
	return *c.Author + ": " + c.Text
}

// found is what an alert of data loss prevention tells of the policy: which, what
// was found, and where that is from that the alert itself does not tell.
func (sh *shell) found(i incident.Incident) {
	filled := slices.ContainsFunc(i.Alerts, func(a incident.Alert) bool { return a.Details != nil })
	t := table("POLICY", "RULE", "FOUND", "ALERT")
	if filled {
		t = table("POLICY", "RULE", "FOUND", "ALERT", "FROM")
	}
	for _, a := range i.Alerts {
		types := []string{}
		for _, s := range a.SensitiveTypes {
			types = append(types, counted(s))
		}
		if policy := either(a.Policy.Name, a.Policy.ID); policy != "" || len(types) > 0 {
			row := []any{policy, either(a.Policy.Rule), strings.Join(types, ", "), a.ID}
			if filled {
				row = append(row, origin(a.Details))
			}
			t.Add(row...)
		}
	}
	if len(t.Rows) > 0 {
		sh.out.Printf("\n")
		sh.out.Table(t)
	}
}

// origin says where details of an alert come from.
func origin(d *incident.Details) string {
	if d == nil {
		return ""
	}
	events := "1 event"
	if d.Events != 1 {
		events = fmt.Sprintf("%d events", d.Events)
	}
	out := fmt.Sprintf("%s of the audit log, found by %s", events, d.FoundBy)
	if !d.Complete {
		out += "; not all of it could be read"
	}
	return out
}

// counted writes a kind of sensitive content with how often and how surely it was
// found.
func counted(s incident.SensitiveType) string {
	out := s.Name
	if s.Count != nil {
		out += fmt.Sprintf(" × %d", *s.Count)
	}
	if s.Confidence != nil {
		out += fmt.Sprintf(" (%d %%)", *s.Confidence)
	}
	return out
}

// known answers what the store knows of an incident: the runs on it, at most the
// newest thousand, and the details of its alerts, which it fills in unless it was
// named by a file. Where there is no store there are none; one that was named must
// be there.
func (sh *shell) known(ctx context.Context, named string, in *incident.Incident) ([]view.Run, error) {
	d, err := sh.open(ctx, need{looks: true, exists: true}, nil)
	if err != nil {
		if sh.storeURL == "" {
			return nil, nil
		}
		return nil, err
	}
	defer d.close()
	if !namesFile(named) {
		if *in, err = triggers.Kept(ctx, d.store, *in); err != nil {
			return nil, err
		}
	}
	all := []view.Run{}
	if !sh.asTable() { // nothing else tells of them
		return all, nil
	}
	err = d.eachRun(ctx, runFilter{subject: in.ID}, func(r view.Run) bool {
		all = append(all, r)
		return len(all) < 1000
	})
	return all, err
}

// detailed is an incident with the details of its alerts that the store knows;
// where none can be opened there are none.
func (sh *shell) detailed(ctx context.Context, in incident.Incident) (incident.Incident, error) {
	d, err := sh.open(ctx, need{looks: true, exists: true}, nil)
	if err != nil {
		return in, nil // who needs the store opens it, and says why it cannot be
	}
	defer d.close()
	return triggers.Kept(ctx, d.store, in)
}

// namesFile reports whether an incident was named by a file or standard input.
func namesFile(named string) bool {
	_, err := os.Stat(named)
	return named == "-" || err == nil
}

// tellStory prints what happened, and which runs wait for whom.
func (sh *shell) tellStory(i incident.Incident, runs []view.Run) {
	t := table("WHEN", "WHAT", "HOW")
	for _, h := range story(i, runs) {
		t.Add(instant(h.at), h.what, h.how)
	}
	if len(t.Rows) > 0 {
		sh.out.Printf("\n")
		sh.out.Table(t)
	}
	for _, r := range runs {
		if r.EndedAt.IsZero() {
			sh.out.Printf("\nrun %s of %s is %s: %s\n", r.ID, r.Playbook, r.Status, strings.Join(append(r.WaitsFor, r.Unknown...), ", "))
		}
	}
}
