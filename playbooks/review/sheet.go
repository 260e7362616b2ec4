// Package review tells people who answer for a playbook what it may do: a sheet
// of its triggers, effects, approvals and limits, and what a change of it lets
// it do that it could not do before.
//
// It reads checked playbooks and knows nothing of runs.
package review

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"stanch/actions"
	"stanch/playbooks"
)

// Sheet is what a reviewer must know of a playbook.
type Sheet struct {
	Playbook string `json:"playbook"`
	Title    string `json:"title"`
	Status   string `json:"status"`
	Owner    string `json:"owner"`

	Starts     []string   `json:"starts"`     // sentences
	Effects    []Effect   `json:"effects"`    // in the order of the file, those of called playbooks included
	Reads      []string   `json:"reads"`      // actions that only read, each once
	Approvals  []Approval `json:"approvals"`  // likewise
	Caps       []string   `json:"caps"`       // sentences: guardrails, loops, timeouts
	Calls      []string   `json:"calls"`      // ids of playbooks
	Waits      []string   `json:"waits"`      // sentences
	Unguarded  []string   `json:"unguarded"`  // paths and actions of effects that no approval covers
	NotUndone  []string   `json:"not_undone"` // sentences: effects that cannot be taken back
	Configured []string   `json:"params"`     // sentences
}

// Effect is a step that changes the world.
type Effect struct {
	Path       string   `json:"path"`
	Line       int      `json:"line"`
	Action     string   `json:"action"`
	Class      string   `json:"class"` // writes | destroys
	Doc        string   `json:"doc"`
	Target     string   `json:"target"` // the parameter that names what it acts upon, as written
	Kind       string   `json:"kind"`   // of the target
	Each       []string `json:"for_each"`
	If         []string `json:"if"`       // the conditions around it
	Approvals  []string `json:"approval"` // paths of the approvals that cover it
	Undo       bool     `json:"undo"`
	WhyNotUndo string   `json:"no_undo,omitempty"`
	For        string   `json:"for,omitempty"`
	When       string   `json:"when,omitempty"` // on_failure, on_error, finally: a part that runs then

	step  *playbooks.Step
	conds []condition
}

// Approval is a step that asks people.
type Approval struct {
	Path      string   `json:"path"`
	Line      int      `json:"line"`
	Ask       string   `json:"ask"`
	Approvers string   `json:"approvers"`
	Quorum    int      `json:"quorum"`
	Targets   string   `json:"targets"`
	Covers    []string `json:"covers"` // paths
	Timeout   string   `json:"timeout"`
	OnTimeout string   `json:"on_timeout"`
	OnReject  string   `json:"on_reject"`
	If        []string `json:"if"`

	step  *playbooks.Step
	conds []condition
}

// condition is an expression around a step, which must have answered truth.
type condition struct {
	expr  *playbooks.Expression
	truth bool
}

func (c condition) String() string {
	text := oneLine(c.expr.Source())
	if !c.truth {
		return "not (" + text + ")"
	}
	return text
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// New makes the sheet of a checked playbook.
func New(p *playbooks.Playbook) Sheet {
	w := &walker{sheet: Sheet{
		Playbook: p.ID, Title: p.Title, Status: p.Status, Owner: p.Owner,
		Starts: starts(p), Effects: []Effect{}, Reads: []string{}, Approvals: []Approval{}, Caps: caps(p),
		Calls: []string{}, Waits: []string{}, Unguarded: []string{}, NotUndone: []string{}, Configured: params(p),
	}, paths: map[*playbooks.Step]string{}, steps: map[string]*playbooks.Step{}, books: map[*playbooks.Playbook]bool{}}
	w.book(p, "", around{})
	w.cover()
	return w.sheet
}

// around is what stands around a step.
type around struct {
	each  []string
	conds []condition
	when  string
}

type walker struct {
	sheet Sheet
	paths map[*playbooks.Step]string
	steps map[string]*playbooks.Step
	order []string
	books map[*playbooks.Playbook]bool
}

func (w *walker) book(p *playbooks.Playbook, prefix string, a around) {
	if w.books[p] {
		return
	}
	w.books[p] = true
	w.list(p.Steps, prefix, a)
	failed, last := a, a
	failed.when, last.when = "on_failure", "finally"
	w.list(p.OnFailure, prefix+"on_failure/", failed)
	w.list(p.Finally, prefix+"finally/", last)
	delete(w.books, p)
}

func (w *walker) list(steps []*playbooks.Step, prefix string, a around) {
	ended := a
	for _, s := range steps {
		w.step(s, prefix, ended)
		if s.If != nil && (s.Kind == playbooks.Stop || s.Kind == playbooks.Fail) {
			ended.conds = append(slices.Clip(ended.conds), condition{s.If, false})
		}
	}
}

func (w *walker) step(s *playbooks.Step, prefix string, a around) {
	path := prefix + s.Name
	w.paths[s], w.steps[path] = path, s
	w.order = append(w.order, path)
	before := a
	if s.If != nil {
		a.conds = append(slices.Clip(a.conds), condition{s.If, true})
	}
	switch s.Kind {
	case playbooks.Action:
		w.action(s, path, a)
	case playbooks.Approve:
		w.approval(s, path, a)
	case playbooks.Wait:
		w.sheet.Waits = append(w.sheet.Waits, waits(s, path))
	case playbooks.Call:
		if s.Call == nil {
			break
		}
		if !slices.Contains(w.sheet.Calls, s.Call.Playbook) {
			w.sheet.Calls = append(w.sheet.Calls, s.Call.Playbook)
		}
		if s.Call.Book != nil {
			w.book(s.Call.Book, path+"/", a)
		}
	}
	inside := a
	if s.Each != nil && s.Each.List != nil {
		inside.each = append(slices.Clip(a.each), oneLine(s.Each.List.Source()))
	}
	w.list(s.Steps, path+"/", inside)
	w.list(s.Branches, path+"/", a)
	if s.If != nil {
		before.conds = append(slices.Clip(before.conds), condition{s.If, false})
	}
	w.list(s.Else, path+"/else/", before)
	rescue, last := a, a
	rescue.when, last.when = "on_error", "finally"
	w.list(s.Rescue, path+"/on_error/", rescue)
	w.list(s.Finally, path+"/finally/", last)
}

func (w *walker) action(s *playbooks.Step, path string, a around) {
	if s.Action.Class != actions.Writes && s.Action.Class != actions.Destroys {
		if !slices.Contains(w.sheet.Reads, s.Uses) {
			w.sheet.Reads = append(w.sheet.Reads, s.Uses)
		}
		return
	}
	e := Effect{
		Path: path, Line: s.Line, Action: s.Uses, Class: string(s.Action.Class), Doc: s.Action.Doc,
		Each: append([]string{}, a.each...), If: texts(a.conds), Approvals: []string{}, When: a.when, step: s, conds: a.conds,
	}
	if s.Action.Params != nil {
		if name, kind, ok := s.Action.EntityParam(); ok {
			e.Kind, e.Target = kind, oneLine(s.With.Part(name).Source())
		} else if target := s.With.Part("incident"); target != nil {
			e.Kind, e.Target = "incident", oneLine(target.Source())
		}
		e.Undo = s.Action.Undoable()
	}
	if !e.Undo {
		e.WhyNotUndo = s.Action.NoUndo
		w.sheet.NotUndone = append(w.sheet.NotUndone, strings.TrimSuffix(fmt.Sprintf("%s (%s): %s", path, s.Uses, e.WhyNotUndo), ": "))
	}
	if s.For != nil {
		e.For = s.For.Source()
	}
	w.sheet.Effects = append(w.sheet.Effects, e)
}

func texts(conds []condition) []string {
	out := make([]string, len(conds))
	for i, c := range conds {
		out[i] = c.String()
	}
	return out
}

func (w *walker) approval(s *playbooks.Step, path string, a around) {
	g := s.Approve
	if g == nil {
		return
	}
	out := Approval{
		Path: path, Line: s.Line, Ask: oneLine(g.Ask.Source()), Approvers: g.Approvers.Source(), Quorum: g.Quorum,
		Covers: []string{}, Timeout: g.Timeout.Source(), OnTimeout: g.OnTimeout, OnReject: g.OnReject, If: texts(a.conds),
		step: s, conds: a.conds,
	}
	if g.Targets != nil {
		out.Targets = oneLine(g.Targets.Source())
	}
	w.sheet.Approvals = append(w.sheet.Approvals, out)
}

// cover says which effects each approval covers.
func (w *walker) cover() {
	for i := range w.sheet.Approvals {
		g := &w.sheet.Approvals[i]
		for j := range w.sheet.Effects {
			e := &w.sheet.Effects[j]
			if slices.Contains(g.step.Approve.Covers, e.step) {
				g.Covers = append(g.Covers, e.Path)
				e.Approvals = append(e.Approvals, g.Path)
			}
		}
	}
	for _, e := range w.sheet.Effects {
		if len(e.Approvals) == 0 {
			w.sheet.Unguarded = append(w.sheet.Unguarded, fmt.Sprintf("%s (%s)", e.Path, e.Action))
		}
	}
}

func waits(s *playbooks.Step, path string) string {
	switch x := s.Wait; {
	case x == nil:
		return path
	case x.For != nil:
		return fmt.Sprintf("%s: for %s", path, x.For.Source())
	case x.Until != nil:
		return fmt.Sprintf("%s: until %s", path, x.Until.Source())
	default:
		text := fmt.Sprintf("%s: for the event %s with key %s", path, x.Event, x.Key.Source())
		if x.Timeout != nil {
			text += fmt.Sprintf(", at most %s, then %s", x.Timeout.Source(), x.OnTimeout)
		}
		return text
	}
}

// caps are the limits that the playbook sets itself.
func caps(p *playbooks.Playbook) []string {
	out := []string{}
	for _, kind := range slices.Sorted(maps.Keys(p.Guardrails.MaxTargets)) {
		out = append(out, fmt.Sprintf("at most %d %s in a run", p.Guardrails.MaxTargets[kind], kind))
	}
	for _, kind := range slices.Sorted(maps.Keys(p.Guardrails.Protect)) {
		out = append(out, fmt.Sprintf("never the %s %s", kind, strings.Join(p.Guardrails.Protect[kind], ", ")))
	}
	if p.Timeout != nil {
		out = append(out, "a run ends after "+p.Timeout.Source())
	}
	key := "the playbook and its subject"
	if p.Concurrency.Key != nil {
		key = p.Concurrency.Key.Source()
	}
	return append(out, fmt.Sprintf("one run at a time for %s; another one: %s", key, p.Concurrency.WhenBusy))
}

func params(p *playbooks.Playbook) []string {
	out := []string{}
	for _, q := range p.Params {
		text := fmt.Sprintf("%s (%s)", q.Name, q.Type)
		if q.Required {
			text += ", required"
		} else if raw, err := playbooks.Encode(q.Default); err == nil {
			text += fmt.Sprintf(", %s unless given", raw)
		}
		if q.Description != "" {
			text += ": " + oneLine(q.Description)
		}
		out = append(out, text)
	}
	return out
}
