package playbooks

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Looked is one thing that is looked at before an event starts a playbook.
type Looked struct {
	What    string  // status, on.incident, events, changes, if
	Outcome Outcome // whether Passed counts
	Passed  bool
	Because string // in one sentence
	Trace   *Trace // of a condition
}

// Judgement says whether an event would start a playbook by itself, with every
// check in the order in which they are made.
type Judgement struct {
	Verdict
	Checks []Looked
	Err    error // the condition gave no answer: the playbook does not start
}

// Judge decides as Matches does, and tells each check and each part of the
// trigger's condition. A draft starts nothing by itself, whatever matches.
func (p *Playbook) Judge(ev Event, names map[string]any, own []string, now time.Time) Judgement {
	j := Judgement{Checks: []Looked{p.statusCheck()}}
	j.Verdict, j.Err = p.Matches(ev, names, own, now)
	condition := p.On.condition(ev.Trigger)
	if t := p.On.Incident; ev.Trigger == "incident" {
		j.add("on.incident", t != nil, "it listens to incidents", "it does not listen to incidents: on.incident is not there")
		if t != nil {
			j.listens(t, ev)
		}
	} else {
		j.add("on."+ev.Trigger, p.On.has(ev.Trigger), "it listens to the trigger "+ev.Trigger, j.Because)
	}
	if t := p.On.Alert; ev.Trigger == "alert" && t != nil {
		events := strings.Join(t.Events, ", ")
		j.add("events", slices.Contains(t.Events, ev.Kind),
			fmt.Sprintf("the alert was %s; events is %s", ev.Kind, events), fmt.Sprintf("the alert was %s, but events is %s", ev.Kind, events))
	}
	if condition != nil {
		j.condition(p, condition, names, Env{Now: now, OwnDomains: own})
	}
	if p.Status == "draft" {
		j.Matched, j.Because = false, "a draft is never started by an event"
		return j
	}
	return j
}

// condition is the `if` of a trigger, or nil.
func (on On) condition(trigger string) *Expression {
	switch {
	case trigger == "incident" && on.Incident != nil:
		return on.Incident.If
	case trigger == "alert" && on.Alert != nil:
		return on.Alert.If
	case trigger == "schedule" && on.Schedule != nil:
		return on.Schedule.If
	case trigger == "hunting" && on.Hunting != nil:
		return on.Hunting.If
	case trigger == "webhook" && on.Webhook != nil:
		return on.Webhook.If
	}
	return nil
}

// statusCheck says what the status lets happen.
func (p *Playbook) statusCheck() Looked {
	c := Looked{What: "status", Outcome: PartValue, Passed: p.Status != "draft"}
	switch p.Status {
	case "draft":
		c.Because = "status is draft: no event starts it, and it never runs live"
	case "test":
		c.Because = "status is test: it starts in shadow, without effects"
	case "deprecated":
		c.Because = "status is deprecated: it still starts, and asks to be replaced"
	default:
		c.Because = "status is " + p.Status + ": it starts live"
	}
	return c
}

// add notes a check. Behind one that failed, nothing is looked at.
func (j *Judgement) add(what string, passed bool, yes, no string) {
	c := Looked{What: what, Outcome: PartValue, Passed: passed, Because: no}
	if passed {
		c.Because = yes
	}
	if j.failed() {
		c.Outcome, c.Passed = PartUnlooked, false
	}
	j.Checks = append(j.Checks, c)
}

// failed reports whether a check behind that of the status has failed.
func (j *Judgement) failed() bool {
	return slices.ContainsFunc(j.Checks[1:], func(c Looked) bool { return !c.Passed })
}

// listens looks at what happened to the incident.
func (j *Judgement) listens(t *IncidentTrigger, ev Event) {
	events := strings.Join(t.Events, ", ")
	j.add("events", slices.Contains(t.Events, ev.Kind),
		fmt.Sprintf("the incident was %s; events is %s", ev.Kind, events),
		fmt.Sprintf("the incident was %s, but events is %s", ev.Kind, events))
	if ev.Kind != "updated" {
		return
	}
	changes := strings.Join(t.Changes, ", ")
	j.add("changes", slices.ContainsFunc(ev.Changes, func(c string) bool { return slices.Contains(t.Changes, c) }),
		fmt.Sprintf("the update changed %s; changes is %s", orNothing(ev.Changes), changes),
		fmt.Sprintf("the update changed %s, but changes is %s", orNothing(ev.Changes), changes))
}

// condition evaluates the trigger's condition part by part.
func (j *Judgement) condition(p *Playbook, condition *Expression, names map[string]any, env Env) {
	c := Looked{What: "if", Outcome: PartUnlooked, Because: strings.Join(strings.Fields(condition.Source()), " ")}
	if j.failed() {
		j.Checks = append(j.Checks, c)
		return
	}
	env.Names = maps.Clone(names)
	if _, given := env.Names["params"]; !given {
		params, err := p.BindParams(nil)
		if err != nil {
			c.Outcome, c.Because = PartFailed, err.Error()
			j.Checks = append(j.Checks, c)
			return
		}
		env.Names["params"] = params
	}
	if _, given := env.Names["lists"]; !given {
		env.Names["lists"] = p.ListValues()
	}
	trace, err := condition.Trace(env)
	c.Outcome, c.Trace = PartValue, &trace
	switch {
	case err != nil:
		c.Outcome, c.Because = PartFailed, "the condition gave no answer: "+err.Error()
	case trace.Value == true:
		c.Passed, c.Because = true, "the condition holds"
	default:
		c.Because = "the condition does not hold: " + deciding(trace.Root)
	}
	j.Checks = append(j.Checks, c)
}

// deciding is the part that made a condition false.
func deciding(p Part) string {
	if p.Op == "and" {
		for _, part := range p.Parts {
			if part.Outcome == PartValue && part.Value == false {
				return deciding(part)
			}
		}
	}
	return strings.Join(strings.Fields(p.Text), " ") + " is false"
}
