package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"stanch/cmd/stanch/internal/terminal"
	"stanch/engine"
	"stanch/triggers"
)

// decidedOf names whose verdicts are asked for; empty: everybody's.
type decidedOf struct{ playbook, rule string }

// explainIncident tells what was decided over the revisions of an incident: by
// every rule and of every playbook, or of one.
func (sh *shell) explainIncident(ctx context.Context, id string, of decidedOf) error {
	d, err := sh.open(ctx, need{looks: true}, nil)
	if err != nil {
		return err
	}
	defer d.close()
	all, err := triggers.DecidedOver(ctx, d.engine, d.store, id)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return fmt.Errorf("nothing is known of incident %s: no feed of this store has seen it within the last 90 days", id)
	}
	if err := of.narrow(id, all); err != nil {
		return err
	}
	return sh.printText(all, func() {
		for i, rec := range all {
			if i > 0 {
				sh.out.Printf("\n")
			}
			sh.showDecided(rec)
		}
	})
}

// narrow leaves out all verdicts but those that are asked for.
func (of decidedOf) narrow(id string, all []triggers.Decided) error {
	if of == (decidedOf{}) {
		return nil
	}
	playbook, rule := of.playbook == "", of.rule == ""
	for i := range all {
		rec := &all[i]
		rec.Verdicts = slices.DeleteFunc(rec.Verdicts, func(v triggers.Verdict) bool { return v.Playbook != of.playbook })
		playbook = playbook || len(rec.Verdicts) > 0
		if rec.Rules == nil {
			continue
		}
		rec.Rules.Verdicts = slices.DeleteFunc(rec.Rules.Verdicts, func(v triggers.RuleDecided) bool { return v.Rule != of.rule })
		if rule = rule || len(rec.Rules.Verdicts) > 0; len(rec.Rules.Verdicts) == 0 {
			rec.Rules = nil
		}
	}
	switch {
	case !playbook:
		return fmt.Errorf("playbook %s was not asked about incident %s: no feed had it then", of.playbook, id)
	case !rule:
		return fmt.Errorf("rule %s was not asked about incident %s: no feed had it then", of.rule, id)
	}
	return nil
}

// showDecided tells what was decided over one revision.
func (sh *shell) showDecided(rec triggers.Decided) {
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
	if rec.Rules != nil {
		sh.showRules(*rec.Rules)
	}
	if len(rec.Verdicts) == 0 {
		return
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

// showRules tells what rules said of a revision, and what came of what they do.
func (sh *shell) showRules(r triggers.RulesDecided) {
	if r.Run != "" {
		sh.out.Line("run ", r.Run, " of rules", map[bool]string{true: " in shadow"}[r.Mode == engine.ModeShadow], ": ", orUnknown(r.Status))
	}
	if r.Refused != "" {
		sh.out.Line(terminal.Text{Style: terminal.Red, Text: "what rules do was refused: "}, shortText(r.Refused, 240))
	}
	if r.Suppressed != nil {
		sh.out.Line(terminal.Text{Style: terminal.Yellow, Text: "no playbook starts: "}, shortText(r.Suppressed.Because(), 240))
	}
	t := table("RULE", "OUTCOME", "BECAUSE")
	for _, v := range r.Verdicts {
		t.Add(v.Rule, v.Outcome, shortText(v.Because, 240))
		for _, done := range v.Does {
			what := done.What
			if done.Run != "" {
				what += ": run " + done.Run
			}
			if done.Why != "" {
				what += ": " + done.Why
			}
			t.Add("", "  "+done.Status, shortText(what, 240))
		}
		for _, left := range v.Leaves {
			t.Add("", "  left out", shortText(left, 240))
		}
	}
	sh.out.Table(t)
}

func orUnknown(status string) string {
	if status == "" {
		return "it is no longer kept"
	}
	return status
}
