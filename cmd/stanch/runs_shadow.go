package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stanch/cmd/stanch/internal/terminal"
	"stanch/connectors/incident"
	"stanch/engine"
	"stanch/engine/shadow"
	"stanch/engine/view"
	"stanch/triggers"
)

// shadowSheet is what `stanch runs shadow` answers.
type shadowSheet struct {
	Since     time.Time       `json:"since"`
	Playbooks []shadow.Report `json:"playbooks"`
}

func runsShadow(sh *shell) *cobra.Command {
	var since string
	c := &cobra.Command{
		Use:   "shadow [PLAYBOOK]",
		Short: "How far runs in shadow agree with what the live version and people did",
		Long: `Compare, incident by incident, what runs in shadow would have done (of playbooks
with status: test, of stanch serve --shadow and stanch run --shadow) with

  live    what live runs of the same playbook did on the same incident
  people  what became of the incident since: status, classification,
          determination, severity, owner and tags, without what runs here wrote

Effects are counted by action, and changes of an incident by field: in both, only
in shadow, only in the other. An effect is the same if it is on the same thing and
leaves it alike; what comments and messages say is not compared. What was taken
back later was done.

Not known is what nobody can tell, and counts as no agreement: what people do to
files, devices, mails and accounts; what an incident that is still open may yet
become; what was done before the shadow run looked, so that it had nothing to
plan; what depends on effects that were not done. In shadow every approval counts
as given.`,
		Example: `  stanch runs shadow
  stanch runs shadow contain-external-share --since 7d --output json`,
		Args: func(cmd *cobra.Command, args []string) error { return argCount(cmd, args, 0, 1) },
		RunE: verb(func(ctx context.Context, args []string) error {
			from, err := moment("since", since, time.Now())
			if err != nil {
				return err
			}
			return sh.runsShadow(ctx, strings.Join(args, ""), from)
		}),
	}
	c.Flags().StringVar(&since, "since", "30d", "of runs begun since a `TIME` (2026-03-02, 2026-03-02T09:00:00Z) or within a duration (7d)")
	sh.storeFlag(c)
	sh.outputFlag(c)
	return c
}

func (sh *shell) runsShadow(ctx context.Context, playbook string, since time.Time) error {
	d, err := sh.open(ctx, need{looks: true}, nil)
	if err != nil {
		return err
	}
	defer d.close()
	sheet := shadowSheet{Since: since.UTC(), Playbooks: []shadow.Report{}}
	found, err := d.shadows(ctx, playbook, since)
	if err != nil {
		return err
	}
	total, compared := 0, 0
	for _, subjects := range found {
		total += len(subjects)
	}
	progress := sh.err.Progress("comparing, incidents", total)
	for _, id := range sortedKeys(found) {
		var cases []shadow.Case
		for _, subject := range sortedKeys(found[id]) {
			one, err := d.shadowCase(ctx, id, subject, found[id][subject])
			if err != nil {
				return err
			}
			cases, compared = append(cases, one), compared+1
			progress.Done(compared)
		}
		sheet.Playbooks = append(sheet.Playbooks, shadow.Compare(id, cases))
	}
	progress.End()
	return sh.print(sheet, func() {
		if len(sheet.Playbooks) == 0 {
			sh.err.Printf("nothing ran in shadow%s since %s\n", ofPlaybook(playbook), instant(since))
		}
		for i, r := range sheet.Playbooks {
			if i > 0 {
				sh.out.Printf("\n")
			}
			sh.showShadow(r, since)
		}
	})
}

func ofPlaybook(id string) string {
	if id == "" {
		return ""
	}
	return " of " + id
}

// shadows are the runs in shadow, the oldest first, by playbook and by what they
// are about.
func (d *desk) shadows(ctx context.Context, playbook string, since time.Time) (map[string]map[string][]string, error) {
	found := map[string]map[string][]string{}
	err := d.eachRun(ctx, runFilter{playbook: playbook, mode: engine.ModeShadow, since: since}, func(r view.Run) bool {
		if found[r.Playbook] == nil {
			found[r.Playbook] = map[string][]string{}
		}
		found[r.Playbook][r.Subject] = append(found[r.Playbook][r.Subject], r.ID)
		return true
	})
	for _, subjects := range found {
		for _, runs := range subjects {
			slices.Reverse(runs) // the newest came first
		}
	}
	return found, err
}

// shadowCase is what is known of one incident.
func (d *desk) shadowCase(ctx context.Context, playbook, subject string, runs []string) (shadow.Case, error) {
	c := shadow.Case{Subject: subject}
	var live, others []string
	err := d.eachRun(ctx, runFilter{subject: subject, mode: engine.ModeLive}, func(r view.Run) bool {
		if r.Playbook == playbook {
			live = append(live, r.ID)
		} else {
			others = append(others, r.ID)
		}
		return true
	})
	if err != nil {
		return c, err
	}
	slices.Reverse(live) // the newest came first
	slices.Reverse(others)
	for _, list := range []struct {
		ids []string
		to  *[]engine.Run
	}{{runs, &c.Shadow}, {live, &c.Live}, {others, &c.Others}} {
		if *list.to, err = d.runsNamed(ctx, list.ids); err != nil {
			return c, err
		}
	}
	c.Now, err = d.incidentNow(ctx, subject)
	return c, err
}

// runsNamed reads runs; those that are no longer kept are left out.
func (d *desk) runsNamed(ctx context.Context, ids []string) ([]engine.Run, error) {
	var all []engine.Run
	for _, id := range ids {
		r, err := d.engine.Run(ctx, id)
		if errors.Is(err, engine.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// incidentNow is the newest revision of an incident that the feed has kept; nil:
// it has none.
func (d *desk) incidentNow(ctx context.Context, id string) (*incident.Incident, error) {
	if _, _, err := incident.ParseID(id); err != nil {
		return nil, nil //nolint:nilerr // it is about something else
	}
	in, err := triggers.Incident(ctx, d.store, id)
	switch {
	case errors.Is(err, engine.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &in, nil
}

// mostDiffering is how many differences people are shown.
const mostDiffering = 20

// showShadow tells the agreement of one playbook.
func (sh *shell) showShadow(r shadow.Report, since time.Time) {
	sh.out.Line(terminal.Text{Style: terminal.Bold, Text: r.Playbook}, ": ", strings.Join(agreement(r, since), " "))
	t := table("WITH", "WHAT", "CLASS", "BOTH", "ONLY SHADOW", "ONLY OTHERS", "NOT KNOWN")
	add := func(with shadow.With, rows []shadow.Row) {
		for _, row := range rows {
			t.Add(string(with), row.Of, string(row.Class), fmt.Sprint(row.Both), fmt.Sprint(row.OnlyShadow), fmt.Sprint(row.OnlyOthers), fmt.Sprint(row.NotKnown))
		}
	}
	add(shadow.WithLive, r.Live.Rows)
	add(shadow.WithPeople, r.People.Rows)
	if len(t.Rows) > 0 {
		sh.out.Table(t)
	}
	sh.showDiffering(r.Cases)
}

func (sh *shell) showDiffering(all []shadow.Differ) {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b shadow.Differ) int { return rank(a.Side) - rank(b.Side) })
	t := table("INCIDENT", "WITH", "ONLY", "WHAT", "WHY")
	for _, x := range all[:min(len(all), mostDiffering)] {
		t.Add(x.Incident, string(x.With), x.Side, shortText(x.What, 80), x.Why)
	}
	if len(t.Rows) == 0 {
		return
	}
	sh.out.Printf("\n")
	sh.out.Table(t)
	if len(all) > mostDiffering {
		sh.err.Printf("and %d more: --output json tells all\n", len(all)-mostDiffering)
	}
}

// rank puts what differs before what is not known.
func rank(side string) int {
	if side == "not known" {
		return 1
	}
	return 0
}

// agreement is the report in sentences.
func agreement(r shadow.Report, since time.Time) []string {
	said := []string{fmt.Sprintf("%s in shadow on %s since %s.", plural(r.Runs, "run"), plural(r.Incidents, "incident"), instant(since))}
	if r.Live.Incidents == 0 {
		said = append(said, "The live version ran on none of them.")
	} else {
		said = append(said, agreed("the live version", r.Live))
	}
	if r.People.Incidents == 0 {
		said = append(said, "What people did is known of none of them.")
	} else {
		said = append(said, agreed("people", r.People))
	}
	for _, more := range []struct {
		n          int
		noun, says string
	}{
		{r.Failed, "run", "failed."},
		{r.Unended, "further run", "not ended, and not counted."},
		{r.Approvals, "approval", "counted as given."},
		{r.Unplanned, "step", "not planned: what it does needs a live result."},
	} {
		if more.n > 0 {
			said = append(said, plural(more.n, more.noun)+" "+more.says)
		}
	}
	return said
}

func agreed(with string, a shadow.Agreed) string {
	known := a.Sum.Both + a.Sum.OnlyShadow + a.Sum.OnlyOthers
	return fmt.Sprintf("With %s, on %s, it agrees in %d of %d: %d only in shadow, %d only there; %d not known.",
		with, plural(a.Incidents, "incident"), a.Sum.Both, known, a.Sum.OnlyShadow, a.Sum.OnlyOthers, a.Sum.NotKnown)
}
