package review

import (
	"fmt"
	"slices"
	"strings"

	"stanch/playbooks"
)

// starts says in words what starts a playbook.
func starts(p *playbooks.Playbook) []string {
	out := []string{}
	for _, t := range triggers(p) {
		out = append(out, t.words())
	}
	if len(out) == 0 {
		out = append(out, "nothing: it is only called by other playbooks")
	}
	return out
}

// trigger is one thing that starts a playbook: its name, what it is in words,
// the settings, and the condition.
type trigger struct {
	name     string
	what     string
	settings []setting
	cond     *playbooks.Expression
}

// setting is a value of a trigger that a change may touch.
type setting struct {
	name  string
	value string
}

func (t trigger) words() string {
	text := t.what
	if t.cond != nil {
		text += ", if " + oneLine(t.cond.Source())
	}
	return text
}

func triggers(p *playbooks.Playbook) []trigger {
	var all []trigger
	if t := p.On.Incident; t != nil {
		what := "an incident is " + strings.Join(t.Events, " or ")
		if strings.Contains(what, "updated") {
			what += fmt.Sprintf(" (with changed %s)", strings.Join(t.Changes, ", "))
		}
		all = append(all, trigger{"incident", what, []setting{
			{"events", sorted(t.Events)}, {"changes", sorted(t.Changes)},
		}, t.If})
	}
	if t := p.On.Alert; t != nil {
		what := "an alert is new"
		switch detailed := slices.Contains(t.Events, "detailed"); {
		case detailed && slices.Contains(t.Events, "created"):
			what += ", or the audit log tells more of it"
		case detailed:
			what = "the audit log tells more of an alert"
		}
		all = append(all, trigger{"alert", what, []setting{{"events", sorted(t.Events)}}, t.If})
	}
	if t := p.On.Schedule; t != nil {
		all = append(all, trigger{"schedule", "at times: " + times(*t), timeSettings(*t), t.If})
	}
	if t := p.On.Hunting; t != nil {
		all = append(all, hunting(t))
	}
	if t := p.On.Webhook; t != nil {
		all = append(all, trigger{
			"webhook", fmt.Sprintf("a request comes to /hooks/%s (proved by %s)", t.Path, t.Auth),
			[]setting{{"path", t.Path}, {"auth", t.Auth}, {"body", t.Body.String()}},
			t.If,
		})
	}
	if t := p.On.Manual; t != nil {
		what := "a person starts it on one " + t.Subject
		if t.Subject == "none" {
			what = "a person starts it"
		}
		all = append(all, trigger{"manual", what, []setting{{"subject", t.Subject}}, nil})
	}
	return all
}

func times(t playbooks.ScheduleTrigger) string {
	zone := t.Zone
	if zone == "" {
		zone = "UTC"
	}
	return fmt.Sprintf("%s in %s", t.Cron, zone)
}

func timeSettings(t playbooks.ScheduleTrigger) []setting {
	return []setting{
		{"cron", oneLine(t.Cron)},
		{"zone", t.Zone},
		{"misfire", t.Misfire},
		{"dst", t.DST},
		{"jitter", t.Jitter.String()},
	}
}

func hunting(t *playbooks.HuntingTrigger) trigger {
	runs := "each row"
	if t.Start == "batch" {
		runs = "all rows together"
	}
	let := []string{}
	for _, b := range t.Let {
		let = append(let, b.Name+" = "+b.Expr.Canonical())
	}
	columns := []string{}
	for _, c := range t.Columns {
		columns = append(columns, c.Name+": "+c.Type.String())
	}
	settings := append(timeSettings(t.Schedule), []setting{
		{"source", t.Source},
		{"query", oneLine(t.Query)},
		{"let", sorted(let)},
		{"columns", sorted(columns)},
		{"key", strings.Join(t.Key, ", ")},
		{"start", t.Start},
		{"max_rows", fmt.Sprint(t.MaxRows)},
	}...)
	what := fmt.Sprintf("a query finds something (%s), for %s, at most %d rows", times(t.Schedule), runs, t.MaxRows)
	return trigger{"hunting", what, settings, t.If}
}

func sorted(words []string) string {
	all := slices.Sorted(slices.Values(words))
	return strings.Join(all, ", ")
}
