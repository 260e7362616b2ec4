package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stanch/actions/incidents"
	"stanch/cmd/stanch/internal/terminal"
	"stanch/connectors/incident"
)

func incidentsCommand(sh *shell) *cobra.Command {
	c := &cobra.Command{
		Use:     "incidents",
		GroupID: "look",
		Short:   "Look at incidents",
		Example: `  stanch incidents list --status active
  stanch incidents show defender/1234
  stanch incidents show examples/fixtures/external-share.json --output json`,
	}
	c.AddCommand(incidentsList(sh), incidentsShow(sh), incidentsPoisoned(sh), incidentsFeed(sh))
	return c
}

func incidentsShow(sh *shell) *cobra.Command {
	c := &cobra.Command{
		Use:   "show ID|FILE",
		Short: "Show one incident with its alerts and evidence, and what happened",
		Long: `Show one incident as playbooks see it: the model that expressions read. FILE
is a Graph incident as the API sends it (with $expand=alerts), - is standard
input; ID, such as defender/1234 or sentinel/WORKSPACE/GUID, is asked of the
tenant.

What the audit log tells of the alerts of an incident that the feed knows is
filled in; ` + "`alerts[].details`" + ` says which fields are from there.

As a table it is the story of the alerts: policies and what they found, whom and
what it is about, and in order of time what was done, by people and by the runs
that the store knows.`,
		Example: `  stanch incidents show examples/fixtures/external-share.json
  stanch incidents show defender/1234 --output json --config stanch.yaml`,
		Args: exactArgs(1),
		RunE: verb(func(ctx context.Context, args []string) error {
			i, err := sh.incident(ctx, args[0], sh.connect)
			if err != nil {
				return err
			}
			runs, err := sh.known(ctx, args[0], &i)
			if err != nil {
				return err
			}
			return sh.print(i, func() {
				sh.showIncident(i)
				sh.tellStory(i, runs)
			})
		}),
	}
	sh.outputFlag(c)
	sh.storeFlag(c)
	return c
}

// incident reads an incident by file or id. What exists as a file is a file;
// else what reads as an id is one.
func (sh *shell) incident(ctx context.Context, named string, tenant func() (clients, error)) (incident.Incident, error) {
	if named == "-" {
		body, err := readAll(until{ctx, sh.in}, "standard input", incident.MaxBody)
		if err != nil {
			return incident.Incident{}, err
		}
		return mapped("standard input", body)
	}
	_, err := os.Stat(named)
	if err == nil {
		return incidentFile(named)
	}
	named = portalID(named)
	source, native, notID := incident.ParseID(named)
	switch {
	case notID != nil && errors.Is(err, fs.ErrNotExist):
		return incident.Incident{}, fmt.Errorf("%s is neither a file nor an incident id such as defender/1234", named)
	case notID != nil:
		return incident.Incident{}, err
	}
	c, err := tenant()
	if err != nil {
		return incident.Incident{}, err
	}
	if source != incident.Defender {
		return incidents.Shelf{Graph: c.graph, Sentinel: c.sentinel}.Whole(ctx, named)
	}
	got, err := c.graph.Incident(ctx, native)
	if err != nil {
		return incident.Incident{}, err
	}
	return mapped(named, got.Raw)
}

// portalID makes an id of the number that Defender's portal shows, by which no
// playbook is called; anything else stays as it is.
func portalID(named string) string {
	if named != "" && strings.Trim(named, "0123456789") == "" {
		return incident.NewID(incident.Defender, named)
	}
	return named
}

func incidentFile(name string) (incident.Incident, error) {
	body, err := readFile(name, incident.MaxBody)
	if err != nil {
		return incident.Incident{}, err
	}
	return mapped(name, body)
}

func mapped(name string, body []byte) (incident.Incident, error) {
	i, err := incident.FromGraph(body)
	if err != nil {
		return i, fmt.Errorf("%s: %w", name, err)
	}
	return i, nil
}

// connect makes the clients of the configured tenant.
func (sh *shell) connect() (clients, error) {
	cfg, err := sh.config()
	if err != nil {
		return clients{}, err
	}
	return connect(cfg)
}

// showIncident tells an incident on one screen.
func (sh *shell) showIncident(i incident.Incident) {
	sh.out.Printf("%s  %s\n\n", i.ID, i.Title)
	t := table("", "")
	t.Add("severity", string(i.Severity))
	t.Add("status", string(i.Status))
	if i.AssignedTo != nil {
		t.Add("assigned to", *i.AssignedTo)
	}
	t.Add("classification", verdictOn(i))
	addList(&t, "policies", i.Policies)
	addList(&t, "tags", i.Tags)
	t.Add("sources", strings.Join(words(i.ServiceSources), ", "))
	t.Add("created", instant(i.CreatedAt))
	t.Add("updated", instant(i.UpdatedAt))
	if i.URL != nil {
		t.Add("portal", *i.URL)
	}
	sh.facts(t)
	alerts := table("ALERT", "SEVERITY", "RAISED", "TITLE")
	for _, a := range i.Alerts {
		alerts.Add(a.ID, string(a.Severity), instant(a.CreatedAt), a.Title)
	}
	sh.out.Printf("\n")
	sh.out.Table(alerts)
	sh.found(i)
	evidence := evidenceTable(i.Evidence)
	if len(evidence.Rows) > 0 {
		sh.out.Printf("\n")
		sh.out.Table(evidence)
	}
}

// verdictOn is an incident's classification, and its determination where one is
// given.
func verdictOn(i incident.Incident) string {
	if i.Determination == "" || i.Determination == "unknown" {
		return string(i.Classification)
	}
	return string(i.Classification) + ", " + string(i.Determination)
}

func words[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}

// instant writes a time in UTC; a source that gave none shows nothing.
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

func addList(t *terminal.Table, name string, list []string) {
	if len(list) > 0 {
		t.Add(name, strings.Join(list, ", "))
	}
}

// evidenceTable lists what the alerts are about, one line each.
func evidenceTable(e incident.Evidence) terminal.Table {
	t := table("EVIDENCE", "WHAT")
	for _, f := range e.Files {
		t.Add("file", either(f.URL, f.Path, f.Name, &f.ID))
	}
	for _, u := range e.Users {
		t.Add("user", either(u.UPN, u.Name, &u.ID))
	}
	for _, d := range e.Devices {
		t.Add("device", either(d.Name, &d.ID))
	}
	for _, m := range e.Mailboxes {
		t.Add("mailbox", either(m.Address, m.UPN, &m.ID))
	}
	for _, m := range e.Messages {
		t.Add("message", either(m.Subject, m.InternetMessageID, &m.ID))
	}
	for _, a := range e.Apps {
		t.Add("app", either(a.Name, &a.ID))
	}
	for _, ip := range e.IPs {
		t.Add("ip", either(ip.Address, &ip.ID))
	}
	for _, u := range e.URLs {
		t.Add("url", either(u.URL, &u.ID))
	}
	for _, p := range e.Processes {
		t.Add("process", either(p.CommandLine, p.Image, &p.ID))
	}
	for _, o := range e.Other {
		t.Add(o.Kind, o.ID)
	}
	return t
}

// either answers the first text that is there.
func either(texts ...*string) string {
	for _, s := range texts {
		if s != nil && *s != "" {
			return *s
		}
	}
	return ""
}
