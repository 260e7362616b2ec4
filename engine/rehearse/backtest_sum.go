package rehearse

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"stanch/actions"
)

// Summary is what a playbook would have done about all incidents together.
type Summary struct {
	Incidents int `json:"incidents"` // looked at
	Matched   int `json:"matched"`
	NoAnswer  int `json:"no_answer"` // of the condition: it starts nothing
	Partly    int `json:"partly"`    // incidents about which not all could be judged
	Runs      int `json:"runs"`
	// Assumed are the effects that nobody has looked for: one is counted on what the
	// action acts upon.
	Assumed   int            `json:"assumed"`
	Statuses  []Tally        `json:"statuses"`  // of runs; "judged in part" where that is so and they did not fail
	Classes   []ActionTally  `json:"classes"`   // of effects: destroys, writes
	Actions   []ActionTally  `json:"actions"`   // the most effects first
	Users     []Tally        `json:"users"`     // by effects on them, the most first
	Sites     []Tally        `json:"sites"`     // likewise
	Approvals []GateTally    `json:"approvals"` // by step
	Stops     []StopTally    `json:"stops"`     // by guardrail, step and reason
	Failures  []FailureTally `json:"failures"`  // by step and reason
	Unjudged  []Gap          `json:"unjudged"`  // by step, those that only follow from others last
	Days      []Day          `json:"days"`      // from the first to the last on which an incident was opened, in UTC
}

// Tally is how often something was met.
type Tally struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// ActionTally is what an action, or all of a class, would have done.
type ActionTally struct {
	Action    string        `json:"action,omitempty"`
	Class     actions.Class `json:"class"`
	Effects   int           `json:"effects"`
	Targets   int           `json:"targets"` // different things acted upon: files, users, incidents
	Incidents int           `json:"incidents"`
}

// GateTally is how often people would have been asked at a step.
type GateTally struct {
	Step      string   `json:"step"` // without numbers of items
	Approvers []string `json:"approvers"`
	Times     int      `json:"times"`
	Targets   int      `json:"targets"` // of all times together
}

// StopTally is how often a guardrail would have stopped something.
type StopTally struct {
	Guardrail string `json:"guardrail"`
	Step      string `json:"step"`
	Action    string `json:"action"`
	Why       string `json:"why"`
	Count     int    `json:"count"`
}

// FailureTally is how often runs failed at a step, with one of the reasons.
type FailureTally struct {
	Step  string `json:"step"`
	Code  string `json:"code,omitempty"`
	Why   string `json:"why"` // the first that was met; others may name other things
	Count int    `json:"count"`
}

// Day is what would have been done about the incidents that were opened on one day.
type Day struct {
	Date      string `json:"date"`
	Incidents int    `json:"incidents"`
	Matched   int    `json:"matched"`
	Effects   int    `json:"effects"`
}

// sums gathers a Summary.
type sums struct {
	Summary
	things                 things
	statuses, users, sites map[string]int
	classes, actions       map[string]*acts
	gates                  map[string]*GateTally
	stops                  map[[4]string]int
	failures               map[[2]string]*FailureTally
	gaps                   map[string]*Gap
	days                   map[string]*Day
}

type acts struct {
	ActionTally
	targets, incidents map[string]bool
}

// Sum adds up what a playbook would have done about incidents in order of time.
func Sum(all []Tried) Summary {
	s := sums{
		things:   things{},
		statuses: map[string]int{}, users: map[string]int{}, sites: map[string]int{}, classes: map[string]*acts{}, actions: map[string]*acts{},
		gates: map[string]*GateTally{}, stops: map[[4]string]int{}, failures: map[[2]string]*FailureTally{}, gaps: map[string]*Gap{},
		days: map[string]*Day{},
	}
	for _, t := range all {
		s.tried(t)
	}
	s.Statuses, s.Users, s.Sites = tallies(s.statuses), tallies(s.users), tallies(s.sites)
	s.Classes, s.Actions = actTallies(s.classes), actTallies(s.actions)
	s.Approvals, s.Stops = gateTallies(s.gates), stopTallies(s.stops)
	s.Failures, s.Unjudged = failureTallies(s.failures), gapTallies(s.gaps)
	s.Days = everyDay(s.days)
	return s.Summary
}

func (s *sums) tried(t Tried) {
	s.Incidents++
	day := &Day{Date: dayOf(t.CreatedAt)}
	switch known := s.days[day.Date]; {
	case known != nil:
		day = known
	case shown(t.CreatedAt).Equal(t.CreatedAt): // else it has no date
		s.days[day.Date] = day
	}
	day.Incidents++
	switch t.Verdict {
	case Matched:
		s.Matched++
		day.Matched++
	case NoAnswer:
		s.NoAnswer++
		s.failed("on", "no answer", t.Because)
	}
	if t.Partly() {
		s.Partly++
	}
	for _, r := range t.Runs {
		s.Runs++
		s.statuses[r.Came()]++
		day.Effects += len(r.Effects)
		s.ran(t.Incident, r)
	}
}

func (s *sums) ran(incident string, r Would) {
	for _, e := range r.Effects {
		if e.Assumed {
			s.Assumed++
		}
		s.effect(incident, e)
	}
	for _, q := range r.Approvals {
		step := static(q.Step)
		g := s.gates[step]
		if g == nil {
			g = &GateTally{Step: step, Approvers: q.Approvers}
			s.gates[step] = g
		}
		g.Times++
		g.Targets += q.Targets
	}
	for _, x := range r.Stops {
		s.stops[[4]string{x.Guardrail, static(x.Step), x.Action, x.Why}]++
	}
	if r.Status == "failed" && r.Error != nil {
		s.failed(static(r.Error.Step), r.Error.Code, r.Error.Message)
	}
	for _, g := range r.Unjudged {
		known := s.gaps[g.Step]
		if known == nil {
			known = &Gap{Step: g.Step, Why: g.Why, Follows: true}
			s.gaps[g.Step] = known
		}
		if known.Follows && !g.Follows {
			known.Why, known.Follows = g.Why, false
		}
		known.Count += g.Count
	}
}

func (s *sums) effect(incident string, e Planned) {
	for into, key := range map[*map[string]*acts]string{&s.actions: e.Action, &s.classes: string(e.Class)} {
		a := (*into)[key]
		if a == nil {
			a = &acts{targets: map[string]bool{}, incidents: map[string]bool{}}
			a.Class = e.Class
			if into == &s.actions {
				a.Action = e.Action
			}
			(*into)[key] = a
		}
		a.Effects++
		a.targets[s.things.of(e)] = true
		a.incidents[incident] = true
	}
	for _, x := range e.Target.Entities {
		switch x.Kind {
		case "user":
			s.users[person(x)]++
		case "site":
			s.sites[x.ID]++
		}
	}
}

// person is what people call a user by: the address, where there is one.
func person(e actions.Entity) string {
	for _, name := range append([]string{e.Name, e.ID}, e.Aliases...) {
		if strings.Contains(name, "@") {
			return strings.ToLower(name)
		}
	}
	return cmp.Or(e.Name, e.ID)
}

// things tells which things are the same: what one effect calls a file by its id in
// the tenant, another, which nobody has looked for, calls by its address.
type things map[string]string

// of is the thing that an effect acts upon: a file, a user, an incident; of a
// permission its file.
func (t things) of(p Planned) string {
	if len(p.Target.Entities) == 0 {
		return p.Target.Kind + " " + p.Target.ID
	}
	e := p.Target.Entities[0]
	names := append([]string{e.ID}, e.Aliases...)
	thing := e.Kind + " " + e.ID
	for i := range names {
		names[i] = e.Kind + " " + strings.ToLower(names[i])
		if known, is := t[names[i]]; is {
			thing = known
		}
	}
	for _, name := range names {
		t[name] = thing
	}
	return thing
}

func (s *sums) failed(step, code, why string) {
	key := [2]string{step, code}
	if s.failures[key] == nil {
		s.failures[key] = &FailureTally{Step: step, Code: code, Why: why}
	}
	s.failures[key].Count++
}

func dayOf(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// mostDays is how many days are told one by one: what comes from an export may say
// that it was opened in any year.
const mostDays = 366

// everyDay are the days in order, those between too on which nothing happened, the
// last ones where there are very many.
func everyDay(known map[string]*Day) []Day {
	all := []Day{}
	dates := slices.Sorted(maps.Keys(known))
	if len(dates) == 0 {
		return all
	}
	last, err := time.Parse(time.DateOnly, dates[len(dates)-1])
	if err != nil { // dayOf has written it
		return all
	}
	from := max(dates[0], dayOf(last.AddDate(0, 0, 1-mostDays)))
	for at := last; dayOf(at) >= from; at = at.AddDate(0, 0, -1) {
		d := known[dayOf(at)]
		if d == nil {
			d = &Day{Date: dayOf(at)}
		}
		all = append(all, *d)
	}
	slices.Reverse(all)
	return all
}

func tallies(counts map[string]int) []Tally {
	all := []Tally{}
	for name, n := range counts {
		all = append(all, Tally{name, n})
	}
	slices.SortFunc(all, func(a, b Tally) int { return cmp.Or(b.Count-a.Count, cmp.Compare(a.Name, b.Name)) })
	return all
}

func actTallies(known map[string]*acts) []ActionTally {
	all := []ActionTally{}
	for _, a := range known {
		a.Targets, a.Incidents = len(a.targets), len(a.incidents)
		all = append(all, a.ActionTally)
	}
	slices.SortFunc(all, func(a, b ActionTally) int {
		return cmp.Or(cmp.Compare(a.Class, b.Class), b.Effects-a.Effects, cmp.Compare(a.Action, b.Action))
	})
	return all
}

func gateTallies(known map[string]*GateTally) []GateTally {
	all := []GateTally{}
	for _, step := range slices.Sorted(maps.Keys(known)) {
		all = append(all, *known[step])
	}
	return all
}

func stopTallies(known map[[4]string]int) []StopTally {
	all := []StopTally{}
	for k, n := range known {
		all = append(all, StopTally{k[0], k[1], k[2], k[3], n})
	}
	slices.SortFunc(all, func(a, b StopTally) int {
		return cmp.Or(b.Count-a.Count, strings.Compare(a.Guardrail+a.Step+a.Action+a.Why, b.Guardrail+b.Step+b.Action+b.Why))
	})
	return all
}

func failureTallies(known map[[2]string]*FailureTally) []FailureTally {
	all := []FailureTally{}
	for _, f := range known {
		all = append(all, *f)
	}
	slices.SortFunc(all, func(a, b FailureTally) int {
		return cmp.Or(b.Count-a.Count, cmp.Compare(a.Step, b.Step), cmp.Compare(a.Code, b.Code))
	})
	return all
}

func gapTallies(known map[string]*Gap) []Gap {
	all := []Gap{}
	for _, step := range slices.Sorted(maps.Keys(known)) {
		all = append(all, *known[step])
	}
	slices.SortStableFunc(all, func(a, b Gap) int {
		switch {
		case a.Follows == b.Follows:
			return b.Count - a.Count
		case a.Follows:
			return 1
		}
		return -1
	})
	return all
}
