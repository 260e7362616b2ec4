package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"stanch/actions"
	"stanch/cmd/stanch/internal/terminal"
	"stanch/engine"
)

// showRun tells a run on one screen: what it was about, each step, and each
// effect with the state before and after.
func (sh *shell) showRun(r engine.Run) {
	sh.out.Line(terminal.Text{Style: terminal.Bold, Text: "run " + r.ID}, "  ", status(r.Status), fmt.Sprintf("  %s of %s", r.Mode, r.Playbook.ID))
	t := table("", "")
	for _, about := range eventTitles(r) {
		t.Add(about[0], about[1])
	}
	t.Add("started", instant(r.StartedAt)+" by "+r.StartedBy)
	if r.FinishedAt != nil {
		t.Add("finished", fmt.Sprintf("%s, after %s", instant(*r.FinishedAt), r.FinishedAt.Sub(r.StartedAt).Round(time.Millisecond)))
	}
	if r.Undoes != "" {
		t.Add("undoes", r.Undoes)
	}
	if r.Retries != "" {
		t.Add("retries", r.Retries)
	}
	if r.Resubmits != "" {
		t.Add("resubmits", r.Resubmits)
	}
	if r.BeginsAt != nil {
		t.Add("begins", instant(*r.BeginsAt))
	}
	addList(&t, "waits for", r.WaitsFor)
	if r.Reason != "" {
		t.Add("because", r.Reason)
	}
	if r.Error != nil {
		t.Add("error", faultText(*r.Error))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Outputs)) {
		t.Add("output "+name, string(r.Outputs[name]))
	}
	sh.facts(t)
	sh.showSteps(r)
	sh.showEffects(r)
}

func faultText(f engine.Fault) string {
	at := ""
	if f.Step != "" {
		at = f.Step + ": "
	}
	return at + f.Code + ": " + f.Message
}

// eventTitles names what a run is about: its incident, alert or entity.
func eventTitles(r engine.Run) (titles [][2]string) {
	add := func(kind string, raw json.RawMessage) {
		var about struct{ ID, Title string }
		if json.Unmarshal(raw, &about) == nil {
			titles = append(titles, [2]string{kind, strings.TrimSpace(about.ID + "  " + about.Title)})
		}
	}
	add("incident", r.Event.Incident)
	add("alert", r.Event.Alert)
	var entity struct{ ID string }
	if json.Unmarshal(r.Event.Subject, &entity) == nil && entity.ID != "" {
		kind := path.Base(strings.TrimSuffix(r.Subject, "/"+entity.ID)) // behind a tenant's name, where it has one
		titles = append(titles, [2]string{kind, strings.TrimSpace(entity.ID + "  " + r.Event.SubjectName())})
	}
	return titles
}

func (sh *shell) showSteps(r engine.Run) {
	if len(r.Steps) == 0 {
		return
	}
	t := table("STEP", "WHAT", "STATUS", "")
	for _, s := range r.Steps {
		what := s.Uses
		if what == "" {
			what = s.Kind
		}
		t.Add(s.Path, what, status(s.Status), stepNote(s))
	}
	sh.out.Printf("\n")
	sh.out.Table(t)
}

func stepNote(s engine.Step) string {
	switch {
	case s.Error != nil:
		return s.Error.Code + ": " + s.Error.Message
	case s.Approval != nil:
		return fmt.Sprintf("%s (%s, %s)", s.Approval.Ask, s.Approval.ID, approvalState(*s.Approval))
	}
	return s.Why
}

func (sh *shell) showEffects(r engine.Run) {
	t := table("EFFECT", "TARGET", "BEFORE", "AFTER", "STATUS")
	ends := table("TARGET", "TAKEN BACK", "BY RUN")
	var lost []actions.Lost
	for _, s := range r.Steps {
		for _, e := range s.Effects {
			t.Add(e.Action, targetName(e.Target), brief(e.Before), brief(e.After), status(string(e.Status)))
			lost = append(lost, named(e.Target, e.Lost)...)
			if e.Until != nil {
				ends.Add(targetName(e.Target), instant(*e.Until), e.UndoBy)
			}
		}
	}
	sh.out.Printf("\n")
	if len(t.Rows) == 0 {
		sh.out.Printf("no effects\n")
		return
	}
	sh.out.Table(t)
	if len(ends.Rows) > 0 {
		sh.out.Printf("\n")
		sh.out.Table(ends)
	}
	sh.showLost(lost)
}

// showLost tells what undo will not bring back.
func (sh *shell) showLost(lost []actions.Lost) {
	if len(lost) == 0 {
		return
	}
	sh.out.Printf("\nwhat undo cannot bring back:\n")
	t := table("", "", "")
	for _, l := range lost {
		t.Add(l.Target, l.Field, l.Why)
	}
	sh.facts(t)
}

// named puts the name of a target where losses have its id.
func named(t actions.Target, lost []actions.Lost) []actions.Lost {
	out := slices.Clone(lost)
	for i := range out {
		if out[i].Target == t.ID {
			out[i].Target = targetName(t)
		}
	}
	return out
}

func targetName(t actions.Target) string {
	if t.Name != "" {
		return short(t.Name, maxName)
	}
	return t.Kind + " " + t.ID
}

// short cuts a text for a table.
func short(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

// How much of a name and of a state a table shows.
const (
	maxName  = 72
	maxBrief = 48
)

// brief writes a state in a few words: its values with their names, without
// ids, cut where it is long. `--output json` has it all.
func brief(raw json.RawMessage) string {
	var v any
	if len(raw) == 0 || json.Unmarshal(raw, &v) != nil || v == nil {
		return "-"
	}
	return short(terminal.OneLine(said(v)), maxBrief)
}

// said writes a value of JSON as people would say it.
func said(v any) string {
	switch v := v.(type) {
	case map[string]any:
		var parts []string
		for _, key := range slices.Sorted(maps.Keys(v)) {
			word := calling(v[key])
			if key == "id" || strings.HasSuffix(key, "_id") || word == "" {
				continue
			}
			if _, nested := v[key].(map[string]any); nested {
				parts = append(parts, word)
				continue
			}
			parts = append(parts, key+"="+word)
		}
		return strings.Join(parts, " ")
	case []any:
		var parts []string
		for _, item := range v {
			parts = append(parts, calling(item))
		}
		return strings.Join(parts, ",")
	case nil:
		return ""
	case string:
		return v
	}
	return fmt.Sprint(v)
}

// calling answers what people call an item of a list.
func calling(item any) string {
	if record, is := item.(map[string]any); is {
		for _, key := range []string{"email", "name", "upn", "login"} {
			if name, is := record[key].(string); is && name != "" {
				return name
			}
		}
	}
	return said(item)
}

// status colours a status by what it means for the reader.
func status(s string) terminal.Text {
	switch s {
	case "succeeded", "done", "approved", "undone", "already_so":
		return terminal.Text{Style: terminal.Green, Text: s}
	case "failed", "rejected", "unknown", "refused", "cancelled", "timed_out":
		return terminal.Text{Style: terminal.Red, Text: s}
	case "waiting", "running", "queued", "open", "begun", "planned", "would_undo":
		return terminal.Text{Style: terminal.Yellow, Text: s}
	}
	return terminal.Text{Text: s}
}

// news tells what has become different since it was last asked.
type news struct {
	sh   *shell
	told map[string]string
}

func newNews(sh *shell) *news { return &news{sh: sh, told: map[string]string{}} }

// fresh reports whether what is said of key is new.
func (n *news) fresh(key, now string) bool {
	if n.told[key] == now {
		return false
	}
	n.told[key] = now
	return true
}

// tell writes one line for each effect, approval and failure that is new.
func (n *news) tell(r engine.Run) {
	for _, s := range r.Steps {
		for i, e := range s.Effects {
			if n.fresh(fmt.Sprintf("%s#%d", s.Path, i), string(e.Status)) && e.Status != actions.Planned && e.Status != actions.Begun {
				n.sh.err.Line("  ", status(string(e.Status)), "  ", e.Action, "  ", targetName(e.Target), because(e.Why))
			}
		}
		if s.Status == "unknown" && n.fresh(s.Path+"!", "unknown") {
			n.sh.err.Line("  nobody can tell what became of ", s.Path, ": look, then `stanch runs resolve ", r.ID, " ", s.Path, " --done` or `--not-done`")
		}
		if s.Status == "failed" && s.Error != nil && n.fresh(s.Path+"?", s.Error.Message) {
			n.sh.err.Line("  ", status("failed"), "  ", s.Path, "  ", s.Error.Code, ": ", s.Error.Message)
		}
	}
	n.approvals(r)
	if len(r.WaitsFor) > 0 && n.fresh("waits", strings.Join(r.WaitsFor, ", ")) {
		n.sh.err.Line("  waits for ", strings.Join(r.WaitsFor, ", "))
	}
}

func (n *news) approvals(r engine.Run) {
	for _, s := range r.Steps {
		a := s.Approval
		if a == nil || !n.fresh(a.ID, approvalState(*a)) {
			continue
		}
		n.sh.err.Line("  ", status(a.Status), "  ", a.Ask, fmt.Sprintf(" (%s)", approvalState(*a)))
		if a.Status == "waiting" && len(a.Decided) == 0 {
			n.sh.err.Line("    `stanch approvals approve ", a.ID, " --as PERSON`, by ", strings.Join(a.Approvers, ", "))
		}
	}
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

// approvalState is how far an approval has come.
func approvalState(a engine.Approval) string {
	yes := 0
	for _, d := range a.Decided {
		if d.Decision == "approve" {
			yes++
		}
	}
	if a.Status == "waiting" {
		return fmt.Sprintf("%d of %d approved", yes, a.Quorum)
	}
	return strings.ReplaceAll(a.Status, "_", " ")
}
