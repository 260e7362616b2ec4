package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"stanch/cmd/stanch/internal/terminal"
	"stanch/triggers"
)

// explainIncident tells what was decided over the revisions of an incident: of
// every playbook, or of one.
func (sh *shell) explainIncident(ctx context.Context, id, playbook string) error {
	d, err := sh.open(ctx, need{looks: true}, nil)
	if err != nil {
		return err
	}
	defer d.close()
	records, err := triggers.Records(ctx, d.store, id)
	if err != nil {
		return err
	}
	if len(records) == 0 {
		return fmt.Errorf("nothing is known of incident %s: no feed of this store has seen it within the last 90 days", id)
	}
	if playbook != "" {
		found := false
		for i := range records {
			records[i].Verdicts = slices.DeleteFunc(records[i].Verdicts, func(v triggers.Verdict) bool { return v.Playbook != playbook })
			found = found || len(records[i].Verdicts) > 0
		}
		if !found {
			return fmt.Errorf("playbook %s was not asked about incident %s: no feed had it then", playbook, id)
		}
	}
	return sh.printText(records, func() {
		for i, rec := range records {
			if i > 0 {
				sh.out.Printf("\n")
			}
			sh.showRecord(rec)
		}
	})
}

// showRecord tells what was decided over one revision.
func (sh *shell) showRecord(rec triggers.Record) {
	what := rec.Kind
	if len(rec.Changes) > 0 {
		what += ": " + strings.Join(rec.Changes, ", ")
	}
	if len(rec.NewAlerts) > 0 {
		what += fmt.Sprintf(" (%s new)", plural(len(rec.NewAlerts), "alert"))
	}
	sh.out.Line(terminal.Text{Style: terminal.Bold, Text: rec.Incident}, fmt.Sprintf("  revision %d  ", rec.Revision), instant(rec.Updated), "  ", terminal.OneLine(what))
	if rec.Frozen {
		sh.out.Line(terminal.Text{Style: terminal.Yellow, Text: "the store was frozen: what was begun waited with its effects"})
	}
	t := table("PLAYBOOK", "OUTCOME", "BECAUSE")
	for _, v := range rec.Verdicts {
		because := v.Because
		if v.Alert != "" {
			because = "alert " + v.Alert + ": " + because
		}
		if v.Run != "" {
			because = "run " + v.Run + ": " + because
		}
		t.Add(v.Playbook, v.Outcome, shortText(because, 240))
	}
	sh.out.Table(t)
}
