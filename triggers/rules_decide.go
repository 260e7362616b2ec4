package triggers

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"stanch/connectors/incident"
	"stanch/engine"
	"stanch/playbooks"
)

// RuleWorld is what rules are decided in.
type RuleWorld struct {
	Own      []string // the organisation's domains
	Now      time.Time
	Standing *Suppression // of an earlier revision; nil: none
}

// RuleDecision is what rules say of an event, and what is to be done for it.
type RuleDecision struct {
	Verdicts   []RuleVerdict
	Steps      []engine.RuleStep
	Suppressed *Suppression
}

// DecideRules asks rules about an event, strictly in their order. A later rule is
// asked about the incident as the earlier ones make it. It changes nothing. An
// error says that the event itself cannot be read; a condition without an answer
// does not hold.
func DecideRules(rules []*playbooks.Rule, books []*playbooks.Playbook, ev playbooks.Event, w RuleWorld) (RuleDecision, error) {
	id, lane, err := subjectOf(ev)
	if err != nil {
		return RuleDecision{}, err
	}
	names, err := playbooks.NewOffer(ev).RuleNames()
	if err != nil {
		return RuleDecision{}, fmt.Errorf("rules about %s: %w", id, err)
	}
	d := ruling{world: w, books: books, incident: id, lane: lane, names: names, out: RuleDecision{Suppressed: w.Standing}}
	now, _ := names["incident"].(map[string]any)
	d.now = maps.Clone(now) // the offer's own is left as it came
	d.names["incident"] = d.now
	inOrder := slices.Clone(rules)
	slices.SortStableFunc(inOrder, func(a, b *playbooks.Rule) int { return a.Order - b.Order })
	for _, r := range inOrder {
		d.rule(r, ev)
	}
	return d.out, nil
}

// subjectOf is the incident that an event is about, and its lane.
func subjectOf(ev playbooks.Event) (id string, at int, err error) {
	var about struct {
		ID       string            `json:"id"`
		Severity incident.Severity `json:"severity"`
	}
	if err := json.Unmarshal(ev.Incident, &about); err != nil {
		return "", 0, fmt.Errorf("rules: the incident of the event: %w", err)
	}
	if about.ID == "" {
		return "", 0, errors.New("rules: the event is of no incident")
	}
	return about.ID, lane(about.Severity), nil
}

// ruling is what rules have come to so far.
type ruling struct {
	world    RuleWorld
	books    []*playbooks.Playbook
	incident string
	lane     int
	names    map[string]any
	now      map[string]any // the incident as it will be
	out      RuleDecision
}

func (d *ruling) rule(r *playbooks.Rule, ev playbooks.Event) {
	v, err := r.Judge(ev, d.names, d.world.Own, d.world.Now)
	said := RuleVerdict{Rule: r.Name, Matched: v.Matched && err == nil, Outcome: d.outcome(r, v, err), Because: v.Because}
	if said.Matched {
		for _, a := range r.Then {
			if a.Run != nil {
				d.runs(r, *a.Run, &said)
				continue
			}
			d.does(&said, func() (string, string) { return d.act(r, a) })
		}
	}
	d.out.Verdicts = append(d.out.Verdicts, said)
}

// does notes what a rule does, with the step that does it, or why it is not done.
func (d *ruling) does(said *RuleVerdict, act func() (does, leaves string)) {
	step := len(d.out.Steps)
	does, leaves := act()
	switch {
	case leaves != "":
		said.Leaves = append(said.Leaves, leaves)
	case len(d.out.Steps) > step:
		said.Does, said.Steps = append(said.Does, does), append(said.Steps, strconv.Itoa(step))
	default:
		said.Does, said.Steps = append(said.Does, does), append(said.Steps, "")
	}
}

// runs begins the playbooks of a run, each as far as it may.
func (d *ruling) runs(r *playbooks.Rule, runs playbooks.Runs, said *RuleVerdict) {
	for _, id := range runs.Playbooks {
		d.does(said, func() (does, leaves string) { return d.run(r, id, runs.InOrder) })
	}
}

// outcome is what a rule's verdict comes to, in one word or two.
func (d *ruling) outcome(r *playbooks.Rule, v playbooks.Verdict, err error) string {
	switch {
	case err != nil:
		return OutcomeError
	case v.Matched:
		return OutcomeMatched
	case !r.Enabled:
		return OutcomeDisabled
	case !r.Expires.IsZero() && !r.Expires.After(d.world.Now):
		return OutcomeExpired
	}
	return OutcomeNot
}

// act is one thing that a rule does: what it is, or why it is not done.
func (d *ruling) act(r *playbooks.Rule, a playbooks.RuleAction) (does, leaves string) {
	step := func(uses string, with map[string]any) {
		with["incident"] = d.incident
		d.out.Steps = append(d.out.Steps, engine.RuleStep{Rule: r.Name, Uses: uses, With: with})
	}
	switch {
	case len(a.Update) > 0:
		with, says := map[string]any{}, []string{}
		for _, field := range slices.Sorted(maps.Keys(a.Update)) {
			with[field], d.now[field] = a.Update[field], a.Update[field]
			says = append(says, field+" "+a.Update[field])
		}
		step("incidents.update", with)
		return "update: " + strings.Join(says, ", "), ""
	case len(a.Tag) > 0:
		d.tag(a.Tag)
		step("incidents.tag", map[string]any{"add": texts(a.Tag)})
		return "tag: " + strings.Join(a.Tag, ", "), ""
	case a.Assign != nil:
		to, why := d.text(r, a.Assign)
		if why != "" {
			return "", "assign: " + why
		}
		d.now["assigned_to"] = to
		step("incidents.assign", map[string]any{"to": to})
		return "assign: " + to, ""
	case a.Comment != nil:
		text, why := d.text(r, a.Comment)
		if why != "" {
			return "", "comment: " + why
		}
		step("incidents.comment", map[string]any{"text": text})
		return "comment", ""
	}
	return d.suppress(r, *a.Suppress), ""
}

// text is what a template says of the incident as it is by now.
func (d *ruling) text(r *playbooks.Rule, t *playbooks.Template) (text, why string) {
	v, err := t.Eval(r.Env(d.names, d.world.Own, d.world.Now))
	if err != nil {
		return "", err.Error()
	}
	text, is := v.(string)
	if text = strings.TrimSpace(text); !is || text == "" {
		return "", "it says nothing"
	}
	return text, ""
}

// tag adds tags that the incident has not.
func (d *ruling) tag(tags []string) {
	had, _ := d.now["tags"].([]any)
	list := slices.Clone(had)
	for _, t := range texts(tags) {
		if !slices.Contains(list, t) {
			list = append(list, t)
		}
	}
	d.now["tags"] = list
}

func texts(list []string) []any {
	all := make([]any, len(list))
	for i, t := range list {
		all[i] = t
	}
	return all
}

// suppress keeps the suppression that lasts longest.
func (d *ruling) suppress(r *playbooks.Rule, s playbooks.Suppress) string {
	end, lasts := s.End(d.world.Now)
	if lasts && !end.After(d.world.Now) {
		lasts, end = false, time.Time{}
	}
	is := d.out.Suppressed
	if is == nil || lasts && end.After(is.Until) {
		d.out.Suppressed = &Suppression{Rule: r.Name, Reason: s.Reason, Since: d.world.Now, Until: end}
	}
	return "suppress"
}

// run begins a playbook for the same event: one that this event starts by itself,
// too, runs once. In order, what follows waits for its end.
func (d *ruling) run(r *playbooks.Rule, id string, inOrder bool) (does, leaves string) {
	at := slices.IndexFunc(d.books, func(b *playbooks.Playbook) bool { return b.ID == id })
	switch {
	case at < 0:
		return "", "run " + id + ": there is no such playbook"
	case d.out.Suppressed != nil:
		return "", "run " + id + ": " + d.out.Suppressed.Because()
	}
	book := d.books[at]
	manual := book.On.Manual
	if book.On.Incident == nil && (manual == nil || manual.Subject != "" && manual.Subject != "incident") {
		return "", "run " + id + ": incidents do not start it: it has neither on.incident nor on.manual of an incident"
	}
	if book.Status == "draft" {
		return "", "run " + id + ": a draft never runs live"
	}
	params, err := book.BindParams(nil)
	if err != nil {
		return "", "run " + id + ": " + err.Error()
	}
	d.out.Steps = append(d.out.Steps, engine.RuleStep{Rule: r.Name, Ends: inOrder, Begin: &engine.Start{
		Book: book, Params: params, Mode: engine.ModeLive, By: "rule:" + r.Name, Lane: d.lane,
	}})
	if inOrder {
		return "run: " + id + ", to its end", ""
	}
	return "run: " + id, ""
}
