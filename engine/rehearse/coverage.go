package rehearse

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"stanch/engine"
	"stanch/playbooks"
)

// Point is what cases can reach: a step, or one way out of a place where a run
// may go several.
type Point struct {
	Line int    `json:"line"`
	Path string `json:"path"`             // of the step; on.incident of a trigger
	Way  string `json:"branch,omitempty"` // such as if=false; "": the step itself
}

func (p Point) String() string {
	if p.Way == "" {
		return p.Path + " is never run"
	}
	return p.Path + " never " + wayTold(p.Way)
}

// wayTold says a way in words, behind "never".
func wayTold(way string) string {
	return map[string]string{
		wayTrue: "finds its condition true", wayFalse: "finds its condition false", waySome: "has an item", wayNone: "has an empty list",
		wayError: "fails, so that on_error takes over", wayApproved: "is approved", wayRejected: "is rejected", wayTimedOut: "times out",
		wayReceived: "gets its event", wayLate: "waits in vain", wayUntil: "comes to its end", wayTimes: "uses up its times",
	}[way]
}

// Coverage is what the cases of a playbook reach of it.
type Coverage struct {
	File     string // of the playbook
	Playbook string // its id
	Steps    Share
	Branches Share
	Missing  []Point // in the order of the file
	points   []Point
	reached  map[Point]bool
}

// Points are all that could be reached, in the order of the playbook.
func (c Coverage) Points() []Point { return c.points }

// Covers reports whether a case reached a point.
func (c Coverage) Covers(p Point) bool { return c.reached[p] }

// Share is so many of so many.
type Share struct{ Covered, Total int }

// Percent is the share in percent; all of nothing is 100.
func (s Share) Percent() float64 {
	if s.Total == 0 {
		return 100
	}
	return 100 * float64(s.Covered) / float64(s.Total)
}

// Plus is both shares together.
func (s Share) Plus(t Share) Share { return Share{s.Covered + t.Covered, s.Total + t.Total} }

// The ways that cases may take.
const (
	wayTrue     = "if=true"
	wayFalse    = "if=false"
	waySome     = "for_each=some"
	wayNone     = "for_each=none"
	wayError    = "on_error=taken"
	wayApproved = "approve=approved"
	wayRejected = "approve=rejected"
	wayTimedOut = "approve=timed_out"
	wayReceived = "wait=received"
	wayLate     = "wait=timed_out"
	wayUntil    = "repeat=until"
	wayTimes    = "repeat=times"
)

// points are the steps and branches of a playbook.
func points(b *playbooks.Playbook) []Point {
	var all []Point
	for _, t := range triggersOf(b) {
		line := b.LineOf("on." + t)
		all = append(all, Point{line, "on." + t, wayTrue}, Point{line, "on." + t, wayFalse})
	}
	b.Walk(func(path string, s *playbooks.Step) {
		all = append(all, Point{Line: s.Line, Path: path})
		for _, way := range ways(s) {
			all = append(all, Point{s.LineOf(keyOf(way, s)), path, way})
		}
	})
	return all
}

// triggersOf are the triggers that have a condition.
func triggersOf(b *playbooks.Playbook) []string {
	var all []string
	on := b.On
	for name, is := range map[string]bool{
		"incident": on.Incident != nil && on.Incident.If != nil,
		"alert":    on.Alert != nil && on.Alert.If != nil,
		"schedule": on.Schedule != nil && on.Schedule.If != nil,
		"hunting":  on.Hunting != nil && on.Hunting.If != nil,
		"webhook":  on.Webhook != nil && on.Webhook.If != nil,
	} {
		if is {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// ways are the branches of a step.
func ways(s *playbooks.Step) []string {
	var all []string
	if s.If != nil {
		all = append(all, wayTrue, wayFalse)
	}
	if s.OnError != "" && s.OnError != "fail" {
		all = append(all, wayError)
	}
	switch s.Kind {
	case playbooks.ForEach:
		if all = append(all, waySome); !s.Each.Filled {
			all = append(all, wayNone)
		}
	case playbooks.Approve:
		all = append(all, wayApproved, wayRejected)
		a := s.Approve
		apart := a.OnReject == "continue" || a.OnTimeout == "approve" || a.OnTimeout == "stop"
		if a.Timeout != nil && apart {
			all = append(all, wayTimedOut)
		}
	case playbooks.Wait:
		if s.Wait.Event != "" {
			all = append(all, wayReceived)
			if s.Wait.Timeout != nil {
				all = append(all, wayLate)
			}
		}
	case playbooks.Repeat:
		if s.Repeat.Until != nil {
			all = append(all, wayUntil, wayTimes)
		}
	}
	return all
}

// keyOf is the key of the step that a way belongs to.
func keyOf(way string, s *playbooks.Step) string {
	switch way {
	case wayTrue, wayFalse:
		return "if"
	case wayError:
		return "on_error"
	}
	return string(s.Kind)
}

// Reached is what one case reached: points by the file of their playbook.
type Reached map[string]map[Point]bool

func (r *Reached) add(file string, p Point) {
	if *r == nil {
		*r = Reached{}
	}
	if (*r)[file] == nil {
		(*r)[file] = map[Point]bool{}
	}
	(*r)[file][p] = true
}

// trigger notes what a trigger's condition answered.
func (r *Reached) trigger(b *playbooks.Playbook, ev playbooks.Event, v playbooks.Verdict) {
	path := "on." + ev.Trigger
	for way, said := range map[string]string{wayTrue: path + ".if is true", wayFalse: path + ".if is false"} {
		if strings.HasPrefix(v.Because, said) {
			r.add(b.File, Point{b.LineOf(path), path, way})
		}
	}
}

// run notes the steps of a run and the ways they took.
func (r *Reached) run(b *playbooks.Playbook, run engine.Run) {
	steps := map[*playbooks.Playbook]map[string]*playbooks.Step{}
	paths := map[string]bool{}
	for _, s := range run.Steps {
		paths[s.Path] = true
	}
	for _, s := range run.Steps {
		book, path := inside(b, static(s.Path), steps)
		step := steps[book][path]
		if step == nil {
			continue // of a rollback, or of a playbook that is not there
		}
		if s.Status != "skipped" && s.Status != "queued" {
			r.add(book.File, Point{Line: step.Line, Path: path})
		}
		for _, way := range taken(step, s, paths) {
			r.add(book.File, Point{step.LineOf(keyOf(way, step)), path, way})
		}
	}
}

// inside answers the playbook that a path leads into through its calls, and the
// path there.
func inside(b *playbooks.Playbook, path string, known map[*playbooks.Playbook]map[string]*playbooks.Step) (*playbooks.Playbook, string) {
	steps := known[b]
	if steps == nil {
		steps = map[string]*playbooks.Step{}
		b.Walk(func(path string, s *playbooks.Step) { steps[path] = s })
		known[b] = steps
	}
	if steps[path] != nil {
		return b, path
	}
	for i := range len(path) {
		if path[i] != '/' {
			continue
		}
		if s := steps[path[:i]]; s != nil && s.Kind == playbooks.Call && s.Call != nil && s.Call.Book != nil {
			return inside(s.Call.Book, path[i+1:], known)
		}
	}
	return b, path
}

// taken are the ways that a step took.
func taken(step *playbooks.Step, s engine.Step, paths map[string]bool) []string {
	var all []string
	if step.If != nil {
		if way := asked(step, s, paths); way != "" {
			all = append(all, way)
		}
	}
	if s.Status == "skipped" {
		return all
	}
	failed := s.Status == "failed"
	switch step.Kind {
	case playbooks.ForEach:
		total, broken := intOf(s.Output, "total"), intOf(s.Output, "failed")
		switch {
		case total > 0 || paths[s.Path+"[0]/"+first(step.Steps)]:
			all = append(all, waySome)
		case len(s.Output) > 0:
			all = append(all, wayNone)
		}
		failed = failed || broken > 0
	case playbooks.Approve:
		all = append(all, decided(step, s)...)
	case playbooks.Wait:
		switch {
		case textOf(s.Output, "outcome") == "received":
			all = append(all, wayReceived)
		case textOf(s.Output, "outcome") == "timed_out", strings.Contains(s.Why, "did not come in time"), s.Error != nil && s.Error.Code == "timeout":
			all = append(all, wayLate)
		}
	case playbooks.Repeat:
		switch {
		case s.Status == "succeeded":
			all = append(all, wayUntil)
		case s.Error != nil && s.Error.Code == "limit":
			all = append(all, wayTimes)
		}
	}
	if failed || paths[s.Path+"/on_error/"+first(step.Rescue)] {
		all = append(all, wayError)
	}
	return slices.DeleteFunc(all, func(way string) bool { return !slices.Contains(ways(step), way) })
}

// asked tells how the step's condition was answered, "" where it gave no answer.
func asked(step *playbooks.Step, s engine.Step, paths map[string]bool) string {
	switch {
	case s.Status == "skipped" && s.Why == "its condition is false", len(step.Else) > 0 && paths[s.Path+"/else/"+first(step.Else)]:
		return wayFalse
	case s.Status == "skipped":
		return ""
	}
	return wayTrue
}

func decided(step *playbooks.Step, s engine.Step) []string {
	outcome := textOf(s.Output, "outcome")
	if outcome == "" && s.Approval != nil {
		outcome = s.Approval.Status
	}
	switch outcome {
	case "approved":
		return []string{wayApproved}
	case "rejected":
		return []string{wayRejected}
	case "timed_out":
		if slices.Contains(ways(step), wayTimedOut) {
			return []string{wayTimedOut}
		}
		return []string{wayRejected} // a timeout that is a no
	}
	return nil
}

func first(list []*playbooks.Step) string {
	if len(list) == 0 {
		return "\x00"
	}
	return list[0].Name
}

// coverage puts together what the cases of each playbook reached.
func (o Options) coverage(suites []Suite, results []Result) ([]Coverage, error) {
	reached := Reached{}
	for _, r := range results {
		for file, points := range r.Reached {
			for p := range points {
				reached.add(file, p)
			}
		}
	}
	var all []Coverage
	seen := map[string]bool{}
	for i := range suites {
		s := &suites[i]
		if seen[s.Book.File] {
			continue
		}
		seen[s.Book.File] = true
		if s.Checked == nil {
			return nil, fmt.Errorf("coverage: %s was not checked", s.Book.File)
		}
		all = append(all, measure(s.Checked, reached[s.Book.File]))
	}
	slices.SortFunc(all, func(a, b Coverage) int { return cmp.Compare(a.File, b.File) })
	return all, nil
}

func measure(b *playbooks.Playbook, reached map[Point]bool) Coverage {
	c := Coverage{File: b.File, Playbook: b.ID, points: points(b), reached: reached}
	for _, p := range c.points {
		share := &c.Branches
		if p.Way == "" {
			share = &c.Steps
		}
		share.Total++
		if reached[p] {
			share.Covered++
			continue
		}
		c.Missing = append(c.Missing, p)
	}
	slices.SortStableFunc(c.Missing, func(a, b Point) int { return cmp.Compare(a.Line, b.Line) })
	return c
}
