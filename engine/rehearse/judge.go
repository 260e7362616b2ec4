package rehearse

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"stanch/actions"
	"stanch/engine"
	"stanch/playbooks"
)

// judge answers what is not as the case expects, each in a line or a few.
func (p *play) judge() []string {
	j := &judge{p: p, e: &p.c.Expect, run: p.run}
	if p.refused != "" {
		j.run.Status = "not_started"
	}
	j.status()
	if p.refused != "" {
		j.nothing()
		return j.wrong
	}
	j.steps()
	j.path()
	j.outputs()
	j.effects()
	j.failure()
	j.checks()
	if len(j.wrong) > 0 {
		j.wrong = append(j.wrong, j.told()...)
	}
	return j.wrong
}

type judge struct {
	p     *play
	e     *playbooks.Expect
	run   engine.Run
	wrong []string
}

func (j *judge) add(format string, args ...any) {
	j.wrong = append(j.wrong, fmt.Sprintf(format, args...))
}

// differs notes what was expected and what came.
func (j *judge) differs(what string, want, got any) {
	j.add("%s:\n  - expected %v\n  + got      %v", what, want, got)
}

func (j *judge) status() {
	want, got := j.e.Status, j.run.Status
	switch {
	case want == got || want == "" && got != "not_started":
		return
	case got == "not_started":
		j.add("the run was not started: %s", j.p.refused)
		return
	}
	why := ""
	if j.run.Error != nil {
		why = fmt.Sprintf(", at %s: %s (%s)", j.run.Error.Step, j.run.Error.Message, j.run.Error.Code)
	} else if j.run.Reason != "" {
		why = ": " + j.run.Reason
	}
	j.differs("status", want, got+why)
}

// nothing looks that a case whose run was not started expects nothing of one.
func (j *judge) nothing() {
	if j.e.Status != "not_started" {
		return
	}
	if len(j.e.Steps)+len(j.e.AllSteps)+len(j.e.Path)+len(j.e.Outputs)+len(j.e.Check) > 0 || j.e.Error != nil {
		j.add("a run that is not started has no steps, outputs or errors to expect")
	}
}

// byPath are the steps of the run.
func (j *judge) byPath() map[string]engine.Step {
	steps := map[string]engine.Step{}
	for _, s := range j.run.Steps {
		steps[s.Path] = s
	}
	return steps
}

func (j *judge) steps() {
	steps := j.byPath()
	expected := maps.Clone(j.e.Steps)
	if expected == nil {
		expected = map[string]string{}
	}
	maps.Copy(expected, j.e.AllSteps)
	for _, path := range slices.Sorted(maps.Keys(expected)) {
		found := j.known(path, steps)
		if len(found) == 0 && expected[path] != "not_reached" {
			j.differs("step "+path, expected[path], "not_reached")
		}
		for _, s := range found {
			if s.Status != expected[path] {
				j.differs("step "+s.Path, expected[path], s.Status+because(s))
			}
		}
	}
	if j.e.AllSteps == nil {
		return
	}
	for _, s := range j.run.Steps {
		_, named := expected[s.Path]
		_, everywhere := expected[static(s.Path)]
		if !named && !everywhere {
			j.add("step %s was reached (%s), and all_steps does not name it", s.Path, s.Status)
		}
	}
}

// known answers the step that a path or an id stands for; of a path without the
// numbers of items, rounds and branches, each.
func (j *judge) known(path string, steps map[string]engine.Step) []engine.Step {
	if s, ok := steps[path]; ok {
		return []engine.Step{s}
	}
	var all []engine.Step
	for _, s := range j.run.Steps {
		if s.ID == path {
			return []engine.Step{s}
		}
		if static(s.Path) == path {
			all = append(all, s)
		}
	}
	return all
}

func because(s engine.Step) string {
	switch {
	case s.Error != nil:
		return fmt.Sprintf(" (%s: %s)", s.Error.Code, s.Error.Message)
	case s.Why != "":
		return " (" + s.Why + ")"
	}
	return ""
}

// ran are the paths of the steps that ran, in the playbook's order.
func (j *judge) ran(items bool) []string {
	var paths []string
	for _, s := range j.run.Steps {
		if s.Status == "skipped" || s.Status == "queued" {
			continue
		}
		path := s.Path
		if !items {
			path = static(path)
		}
		if !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	return paths
}

func (j *judge) path() {
	if j.e.Path == nil {
		return
	}
	items := slices.ContainsFunc(j.e.Path, func(p string) bool { return indices.MatchString(p) })
	got := j.ran(items)
	if slices.Equal(got, j.e.Path) {
		return
	}
	j.add("path:\n%s", diff(j.e.Path, got))
}

// diff shows two lists line by line: - is expected, + came.
func diff(want, got []string) string {
	common := make([][]int, len(want)+1)
	for i := range common {
		common[i] = make([]int, len(got)+1)
	}
	for i := len(want) - 1; i >= 0; i-- {
		for k := len(got) - 1; k >= 0; k-- {
			common[i][k] = max(common[i+1][k], common[i][k+1])
			if want[i] == got[k] {
				common[i][k] = common[i+1][k+1] + 1
			}
		}
	}
	var b strings.Builder
	for i, k := 0, 0; i < len(want) || k < len(got); {
		switch {
		case i < len(want) && k < len(got) && want[i] == got[k]:
			fmt.Fprintf(&b, "    %s\n", want[i])
			i, k = i+1, k+1
		case i < len(want) && (k == len(got) || common[i+1][k] >= common[i][k+1]):
			fmt.Fprintf(&b, "  - %s\n", want[i])
			i++
		default:
			fmt.Fprintf(&b, "  + %s\n", got[k])
			k++
		}
	}
	return strings.TrimRight(b.String(), "\n")
}

func (j *judge) outputs() {
	for _, name := range slices.Sorted(maps.Keys(j.e.Outputs)) {
		want := compact(j.e.Outputs[name])
		got, there := j.run.Outputs[name]
		if !there {
			j.differs("output "+name, want, "none")
			continue
		}
		var v any
		if json.Unmarshal(got, &v) != nil || !equal(v, j.e.Outputs[name]) {
			j.differs("output "+name, want, string(got))
		}
	}
}

// equal compares a decoded value with one of the test file.
func equal(got, want any) bool {
	raw, err := playbooks.Encode(want)
	if err != nil {
		return false
	}
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return false
	}
	return compact(got) == compact(v)
}

func compact(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(raw)
}

func (j *judge) failure() {
	if j.e.Reason != "" && !matches(j.e.Reason, strings.TrimSpace(j.run.Reason)) {
		j.differs("reason", j.e.Reason, j.run.Reason)
	}
	want, got := j.e.Error, j.run.Error
	switch {
	case want == nil:
		return
	case got == nil:
		j.differs("error", strings.TrimSpace(want.Code+" "+want.Step), "none")
		return
	}
	if want.Step != "" && want.Step != got.Step && want.Step != static(got.Step) {
		j.differs("error.step", want.Step, got.Step)
	}
	if want.Code != "" && want.Code != got.Code {
		j.differs("error.code", want.Code, got.Code+" ("+got.Message+")")
	}
	if want.Message != "" && !matches(want.Message, got.Message) {
		j.differs("error.message", want.Message, got.Message)
	}
}

// told is what happened, for who looks why a case failed.
func (j *judge) told() []string {
	lines := []string{"what happened:"}
	for _, s := range j.run.Steps {
		lines = append(lines, fmt.Sprintf("    %-9s %s%s", s.Status, s.Path, because(s)))
		for _, e := range s.Effects {
			lines = append(lines, fmt.Sprintf("              %s %s %s", e.Status, e.Action, e.Target.Name))
		}
	}
	const most = 60
	if len(lines) > most {
		lines = append(lines[:most], fmt.Sprintf("    … %d more", len(lines)-most))
	}
	return lines
}

// effect is one effect of the run with the step that had it.
type effect struct {
	engine.StepEffect
	step string
}

// happened reports whether an effect has changed the world, or in a plan would.
func (e effect) happened(mode string) bool {
	switch e.Status {
	case actions.Done, actions.Undone, actions.Unknown, actions.Open, actions.Begun:
		return true
	case actions.Planned:
		return mode != engine.ModeLive
	}
	return false
}
