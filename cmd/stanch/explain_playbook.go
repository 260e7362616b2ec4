package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"stanch/cmd/stanch/internal/terminal"
	"stanch/connectors/incident"
	"stanch/playbooks"
	"stanch/playbooks/review"
)

// printText writes v as asked by --output, whose default is text.
func (sh *shell) printText(v any, text func()) error {
	if sh.output == "text" {
		text()
		return nil
	}
	return sh.out.Data(terminal.Format(sh.output), v)
}

// explainPlaybook tells what a playbook may do or, given an incident, whether
// and why it would start.
func (sh *shell) explainPlaybook(ctx context.Context, o occurrence) error {
	if err := o.valid(); err != nil {
		return err
	}
	at, err := o.at()
	if err != nil {
		return err
	}
	d, err := sh.desk(need{})
	if err != nil {
		return err
	}
	if o.incident == "" {
		if len(o.params) > 0 {
			return misused("--param needs --incident")
		}
		book, err := sh.findBook(d, o.playbook)
		if err != nil {
			return err
		}
		sheet := review.New(book)
		return sh.printText(sheet, func() { sh.showSheet(sheet) })
	}
	book, params, err := sh.boundBook(d, o.playbook, o.params)
	if err != nil {
		return err
	}
	about, err := sh.incident(ctx, o.incident, sh.connect)
	if err != nil {
		return err
	}
	events, err := o.events(book, about, at)
	if err != nil {
		return err
	}
	all := []judgedData{}
	starts := false
	for _, ev := range events {
		names, err := book.EventNames(ev.Event)
		switch {
		case err == nil:
		case book.On.Incident == nil && book.On.Alert == nil:
			names = map[string]any{} // what does not start it gives it nothing
		default:
			return err
		}
		names["params"] = params
		j := book.Judge(ev.Event, names, d.cfg.OwnDomains, at)
		starts = starts || j.Matched
		all = append(all, judged(book, ev.about, j))
		if sh.output == "text" {
			sh.showJudgement(book, ev.about, j)
		}
	}
	if err := sh.printText(all, func() {}); err != nil {
		return err
	}
	if !starts {
		return quietly(exitFailed)
	}
	return nil
}

// happening is an event with what it is about.
type happening struct {
	playbooks.Event
	about string
}

// events are what the source tells of an incident: itself, and each alert for a
// playbook that listens to alerts.
func (o *occurrence) events(book *playbooks.Playbook, about incident.Incident, at time.Time) ([]happening, error) {
	ev, err := o.event(about, at)
	if err != nil {
		return nil, err
	}
	all := []happening{}
	if book.On.Incident != nil || book.On.Alert == nil {
		all = append(all, happening{ev, "incident " + about.ID})
	}
	for _, a := range about.Alerts {
		kind := "created"
		if !slices.Contains(ev.NewAlerts, a.ID) {
			kind = "detailed"
		}
		if book.On.Alert == nil || kind == "detailed" && !slices.Contains(ev.Changes, "details") {
			continue
		}
		alert := playbooks.Event{ID: a.ID, Trigger: "alert", Kind: kind, At: at, Incident: ev.Incident}
		if err := alert.GiveAlert(a, about.Evidence.Of(a.ID)); err != nil {
			return nil, err
		}
		all = append(all, happening{alert, "alert " + a.ID})
	}
	return all, nil
}

// judgedData is an element of what `stanch explain PLAYBOOK --incident --output
// json` prints: one for the incident, and one for each alert where the playbook
// listens to alerts.
type judgedData struct {
	Playbook string       `json:"playbook"`
	About    string       `json:"about"` // incident ID, alert ID
	Starts   bool         `json:"starts"`
	Because  string       `json:"because"`
	Checks   []lookedData `json:"checks"`
}

type lookedData struct {
	What    string    `json:"what"`
	Outcome string    `json:"outcome"` // passed | failed | error | not looked at
	Because string    `json:"because"`
	Trace   *partData `json:"trace,omitempty"`
}

func judged(book *playbooks.Playbook, about string, j playbooks.Judgement) judgedData {
	out := judgedData{Playbook: book.ID, About: about, Starts: j.Matched, Because: j.Because, Checks: []lookedData{}}
	for _, c := range j.Checks {
		data := lookedData{What: c.What, Outcome: lookedAs(c), Because: c.Because}
		if c.Trace != nil {
			part := dataOfPart(c.Trace.Root)
			data.Trace = &part
		}
		out.Checks = append(out.Checks, data)
	}
	return out
}

func lookedAs(c playbooks.Looked) string {
	switch {
	case c.Outcome == playbooks.PartFailed:
		return "error"
	case c.Outcome == playbooks.PartUnlooked:
		return "not looked at"
	case c.Passed:
		return "passed"
	}
	return "failed"
}

func (sh *shell) showJudgement(book *playbooks.Playbook, about string, j playbooks.Judgement) {
	verdict := terminal.Text{Style: terminal.Yellow, Text: "does not start"}
	if j.Matched {
		verdict = terminal.Text{Style: terminal.Green, Text: "starts"}
	}
	sh.out.Line(terminal.Text{Style: terminal.Bold, Text: book.ID}, " ", verdict, " for ", about)
	for _, c := range j.Checks {
		sh.out.Line(lookedMark(c), c.What+": ", shortText(c.Because, 200))
		if c.Trace != nil {
			sh.showConjuncts(c.Trace.Root)
		}
	}
}

func lookedMark(c playbooks.Looked) terminal.Text {
	switch lookedAs(c) {
	case "passed":
		return terminal.Text{Style: terminal.Green, Text: "yes  "}
	case "failed":
		return terminal.Text{Style: terminal.Yellow, Text: "no   "}
	case "error":
		return terminal.Text{Style: terminal.Red, Text: "error  "}
	}
	return terminal.Text{Style: terminal.Faint, Text: "-    "}
}

// showConjuncts tells a condition by what `and` joins in it.
func (sh *shell) showConjuncts(root playbooks.Part) {
	parts := []playbooks.Part{root}
	if root.Op == "and" {
		parts = root.Parts
	}
	for _, p := range parts {
		sh.showPart(p, 3)
	}
}

// showSheet tells what a playbook may do.
func (sh *shell) showSheet(s review.Sheet) {
	sh.out.Line(terminal.Text{Style: terminal.Bold, Text: s.Playbook}, "  ", s.Title)
	about := table("", "")
	about.Add("status", s.Status)
	if s.Owner != "" {
		about.Add("owner", s.Owner)
	}
	sh.facts(about)
	sh.section("Starts when", s.Starts)
	sh.section("Takes", s.Configured)
	sh.effects(s)
	sh.section("Reads with", s.Reads)
	sh.approvals(s)
	sh.section("Waits", s.Waits)
	sh.section("Calls", s.Calls)
	sh.section("Limits", s.Caps)
	if len(s.Effects) > 0 {
		sh.section("Without anybody being asked", s.Unguarded)
		sh.section("Cannot be taken back", orNone(s.NotUndone, "nothing: every effect has an inverse"))
	}
}

func orNone(list []string, none string) []string {
	if len(list) == 0 {
		return []string{none}
	}
	return list
}

func (sh *shell) section(title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	sh.heading(title)
	for _, line := range lines {
		sh.out.Line("  ", terminal.OneLine(line))
	}
}

func (sh *shell) heading(title string) {
	sh.out.Printf("\n")
	sh.out.Line(terminal.Text{Style: terminal.Bold, Text: title})
}

func (sh *shell) effects(s review.Sheet) {
	if len(s.Effects) == 0 {
		sh.section("Changes", []string{"nothing: it only reads"})
		return
	}
	sh.heading("Changes")
	for _, e := range s.Effects {
		style := terminal.Yellow
		if e.Class == "destroys" {
			style = terminal.Red
		}
		head := fmt.Sprintf("  %s  %s", e.Action, terminal.OneLine(e.Path))
		sh.out.Line("  ", terminal.Text{Style: style, Text: e.Class}, head)
		for _, line := range effectLines(e) {
			sh.out.Line("      ", terminal.OneLine(line))
		}
	}
}

func effectLines(e review.Effect) []string {
	lines := []string{}
	if e.Target != "" {
		lines = append(lines, fmt.Sprintf("on the %s %s", e.Kind, e.Target))
	}
	if len(e.Each) > 0 {
		lines = append(lines, "for each of "+strings.Join(e.Each, ", in it each of "))
	}
	if len(e.If) > 0 {
		lines = append(lines, "if "+strings.Join(e.If, " and "))
	}
	if e.When != "" {
		lines = append(lines, "runs in "+e.When)
	}
	if len(e.Approvals) > 0 {
		lines = append(lines, "after the approval "+strings.Join(e.Approvals, ", "))
	}
	if e.For != "" {
		lines = append(lines, "taken back after "+e.For)
	}
	return lines
}

func (sh *shell) approvals(s review.Sheet) {
	if len(s.Approvals) == 0 {
		return
	}
	sh.heading("Asks")
	for _, a := range s.Approvals {
		sh.out.Line("  ", terminal.OneLine(a.Path), fmt.Sprintf("  %d of %s", a.Quorum, a.Approvers))
		sh.out.Line("      ", terminal.OneLine(a.Ask))
		if a.Targets != "" {
			sh.out.Line("      ", "shows ", terminal.OneLine(a.Targets))
		}
		if len(a.If) > 0 {
			sh.out.Line("      ", "if ", terminal.OneLine(strings.Join(a.If, " and ")))
		}
		sh.out.Line("      ", "covers ", terminal.OneLine(strings.Join(orNone(a.Covers, "no effect"), ", ")))
		if a.Timeout != "" {
			sh.out.Line("      ", "after ", a.Timeout, " without an answer: ", a.OnTimeout)
		}
	}
}
