package rehearse

import (
	"cmp"
	"maps"
	"slices"

	"stanch/actions"
)

// Difference is what one playbook would have done and another not, about the same
// incidents. More is what is only in the one that is asked about, Fewer what is
// only in the other.
type Difference struct {
	Same    bool         `json:"same"`
	Matches DiffCount    `json:"matches"` // incidents
	Effects DiffCount    `json:"effects"`
	Actions []ActionDiff `json:"actions"` // the most that is more first
	Changed []Changed    `json:"changed"` // incidents, in the order in which they were opened
}

// DiffCount is how much there is more, and how much fewer.
type DiffCount struct {
	More  int `json:"more"`
	Fewer int `json:"fewer"`
}

// ActionDiff is what an action would do more and fewer.
type ActionDiff struct {
	Action  string        `json:"action"`
	Class   actions.Class `json:"class"`
	Kind    string        `json:"kind"`    // of what it acts upon: file, user, incident
	Targets DiffCount     `json:"targets"` // different things that only one of both acts upon
	Effects DiffCount     `json:"effects"` // on the same things, too
}

// Changed is an incident about which both do not do the same.
type Changed struct {
	Incident  string    `json:"incident"`
	Title     string    `json:"title"`
	Verdict   string    `json:"verdict"`
	Was       string    `json:"was"`     // the other's verdict
	Because   string    `json:"because"` // of the one that does not match, else of the first
	Status    []string  `json:"status"`  // of the runs
	WasStatus []string  `json:"was_status"`
	More      []Planned `json:"more"`
	Fewer     []Planned `json:"fewer"`
	Stops     DiffCount `json:"stops"`
	Asked     DiffCount `json:"asked"` // approvals
}

// Compare answers what is does that was did not, and what it does no more. Both
// are what Backtest.Run answered of the same incidents.
func Compare(is, was []Tried) Difference {
	d := Difference{Actions: []ActionDiff{}, Changed: []Changed{}}
	byAction, known := map[string]*[2]acts{}, things{}
	for i := range is {
		d.count(byAction, known, is[i], was[i])
		if c, differs := known.changed(is[i], was[i]); differs {
			d.Changed = append(d.Changed, c)
			d.Effects.More += len(c.More)
			d.Effects.Fewer += len(c.Fewer)
			d.addEffects(c)
		}
	}
	for i := range d.Actions {
		a := &d.Actions[i]
		both := byAction[a.Action+" "+a.Kind]
		a.Targets = DiffCount{lacking(both[0].targets, both[1].targets), lacking(both[1].targets, both[0].targets)}
	}
	slices.SortFunc(d.Actions, func(a, b ActionDiff) int {
		return cmp.Or(cmp.Compare(a.Class, b.Class), b.Targets.More-a.Targets.More, b.Effects.More-a.Effects.More, cmp.Compare(a.Action, b.Action), cmp.Compare(a.Kind, b.Kind))
	})
	d.Same = len(d.Changed) == 0
	return d
}

// lacking is how many of these the others lack.
func lacking(these, others map[string]bool) int {
	n := 0
	for x := range these {
		if !others[x] {
			n++
		}
	}
	return n
}

// count notes which incidents only one matches, and what each acts upon.
func (d *Difference) count(byAction map[string]*[2]acts, known things, is, was Tried) {
	switch {
	case is.Verdict == Matched && was.Verdict != Matched:
		d.Matches.More++
	case is.Verdict != Matched && was.Verdict == Matched:
		d.Matches.Fewer++
	}
	for side, t := range []Tried{is, was} {
		for _, r := range t.Runs {
			for _, e := range r.Effects {
				key := e.Action + " " + e.kind()
				if byAction[key] == nil {
					byAction[key] = &[2]acts{{targets: map[string]bool{}}, {targets: map[string]bool{}}}
				}
				byAction[key][side].targets[known.of(e)] = true
			}
		}
	}
}

// kind is the kind of thing that an effect acts upon.
func (p Planned) kind() string {
	if len(p.Target.Entities) > 0 {
		return p.Target.Entities[0].Kind
	}
	return p.Target.Kind
}

func (d *Difference) addEffects(c Changed) {
	add := func(e Planned, more, fewer int) {
		i := slices.IndexFunc(d.Actions, func(a ActionDiff) bool { return a.Action == e.Action && a.Kind == e.kind() })
		if i < 0 {
			i = len(d.Actions)
			d.Actions = append(d.Actions, ActionDiff{Action: e.Action, Class: e.Class, Kind: e.kind()})
		}
		d.Actions[i].Effects.More += more
		d.Actions[i].Effects.Fewer += fewer
	}
	for _, e := range c.More {
		add(e, 1, 0)
	}
	for _, e := range c.Fewer {
		add(e, 0, 1)
	}
}

// changed is what both would not have done alike about one incident. The paths of
// steps, which an edit moves, do not count.
func (t things) changed(is, was Tried) (Changed, bool) {
	c := Changed{
		Incident: is.Incident, Title: is.Title, Verdict: is.Verdict, Was: was.Verdict, Because: is.Because,
		Status: statuses(is), WasStatus: statuses(was),
	}
	ours, theirs := effectsOf(is), effectsOf(was)
	c.More, c.Fewer = t.without(ours, theirs), t.without(theirs, ours)
	if is.Verdict == Matched && was.Verdict != Matched {
		c.Because = was.Because
	}
	c.Stops = counted(stopsOf(is), stopsOf(was))
	c.Asked = counted(asksOf(is), asksOf(was))
	same := c.Verdict == c.Was && slices.Equal(c.Status, c.WasStatus) && len(c.More)+len(c.Fewer) == 0 && c.Stops == DiffCount{} && c.Asked == DiffCount{}
	return c, !same
}

func statuses(t Tried) []string {
	all := []string{}
	for _, r := range t.Runs {
		all = append(all, r.Came())
	}
	return all
}

func effectsOf(t Tried) []Planned {
	var all []Planned
	for _, r := range t.Runs {
		all = append(all, r.Effects...)
	}
	return all
}

// same is what makes two effects the same.
func (p Planned) same() string { return p.Action + "\x00" + p.Target.Kind + "\x00" + p.Target.ID }

// without are these effects less as many of the others. Where one side acts upon a
// thing and nobody has looked what the other would change of it, both count as one.
func (t things) without(these, others []Planned) []Planned {
	left, on, assumed := map[string]int{}, map[string]bool{}, map[string]bool{}
	for _, e := range others {
		left[e.same()]++
		on[e.Action+t.of(e)] = true
		assumed[e.Action+t.of(e)] = assumed[e.Action+t.of(e)] || e.Assumed
	}
	out := []Planned{}
	for _, e := range these {
		if what := e.Action + t.of(e); on[what] && (e.Assumed || assumed[what]) {
			continue
		}
		if left[e.same()]--; left[e.same()] < 0 {
			out = append(out, e)
		}
	}
	return out
}

func stopsOf(t Tried) map[string]int {
	all := map[string]int{}
	for _, r := range t.Runs {
		for _, s := range r.Stops {
			all[s.Guardrail+"\x00"+s.Action+"\x00"+s.Target.ID+"\x00"+s.Why]++
		}
	}
	return all
}

func asksOf(t Tried) map[string]int {
	all := map[string]int{}
	for _, r := range t.Runs {
		for _, q := range r.Approvals {
			all[q.Ask]++
		}
	}
	return all
}

// counted is how many there are more in the first, and how many fewer.
func counted(is, was map[string]int) DiffCount {
	var d DiffCount
	for _, key := range slices.Sorted(maps.Keys(is)) {
		d.More += max(is[key]-was[key], 0)
	}
	for key, n := range was {
		d.Fewer += max(n-is[key], 0)
	}
	return d
}
