package shadow

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"stanch/actions"
	"stanch/connectors/incident"
	"stanch/engine"
)

// Case is one incident, with the runs about it. Runs are in the order of their
// beginnings.
type Case struct {
	Subject string
	Shadow  []engine.Run       // of one playbook
	Live    []engine.Run       // of the same playbook
	Others  []engine.Run       // live, of other playbooks and of rules
	Now     *incident.Incident // the newest revision that is kept; nil: no feed of the store has seen it
}

// With is whom a shadow run is compared with.
type With string

// With whom.
const (
	WithLive   With = "live"   // the live version of the playbook
	WithPeople With = "people" // those who work on the incident
)

// Report is the agreement of one playbook.
type Report struct {
	Playbook  string   `json:"playbook"`
	Runs      int      `json:"runs"`      // in shadow, that have ended
	Failed    int      `json:"failed"`    // of those
	Unended   int      `json:"unended"`   // in shadow, not counted
	Incidents int      `json:"incidents"` // they are about
	Approvals int      `json:"approvals"` // that counted as given
	Unplanned int      `json:"unplanned"` // steps that need a live result
	Live      Agreed   `json:"live"`
	People    Agreed   `json:"people"`
	Cases     []Differ `json:"differences"` // everything that is not in both, with the reason
}

// Agreed counts, over all incidents that can be compared.
type Agreed struct {
	Incidents int   `json:"incidents"`
	Sum       Tally `json:"sum"`
	Rows      []Row `json:"rows"`
}

// Row counts the effects of one action, or changes of one field of incidents.
type Row struct {
	Of    string        `json:"of"`
	Class actions.Class `json:"class"`
	Tally
}

// Tally counts effects.
type Tally struct {
	Both       int `json:"both"`
	OnlyShadow int `json:"only_shadow"`
	OnlyOthers int `json:"only_others"`
	NotKnown   int `json:"not_known"`
}

// Differ is one effect that is not in both.
type Differ struct {
	Incident string `json:"incident"`
	With     With   `json:"with"`
	What     string `json:"what"`
	Side     string `json:"side"` // shadow | others | not known
	Why      string `json:"why,omitempty"`
}

// Compare makes the report of a playbook.
func Compare(playbook string, cases []Case) Report {
	r := Report{Playbook: playbook, Live: Agreed{Rows: []Row{}}, People: Agreed{Rows: []Row{}}, Cases: []Differ{}}
	for _, c := range cases {
		r.add(c)
	}
	slices.SortFunc(r.Live.Rows, byName)
	slices.SortFunc(r.People.Rows, byName)
	return r
}

func byName(a, b Row) int { return strings.Compare(a.Of, b.Of) }

// add compares one incident.
func (r *Report) add(c Case) {
	would, needsLive := []claim{}, map[string]bool{}
	var first *engine.Run
	for i := range c.Shadow {
		run := &c.Shadow[i]
		if !run.Ended() {
			r.Unended++
			continue
		}
		if first == nil {
			first = run
		}
		r.Runs++
		if run.Status == "failed" {
			r.Failed++
		}
		for _, s := range run.Steps {
			if s.Approval != nil {
				r.Approvals++
			}
			if s.Status == "skipped" && strings.HasPrefix(s.Why, engine.NeedsLive) {
				r.Unplanned++
				needsLive[s.Uses] = true
			}
		}
		for _, one := range claimsOf(*run, planned) {
			would = merged(would, one)
		}
	}
	if first == nil {
		return
	}
	r.Incidents++
	x := comparison{report: r, incident: c.Subject, would: would, unplanned: needsLive, looked: first.StartedAt}
	x.live(c)
	x.people(c, snapshot(*first))
}

// snapshot is the incident as the run was begun with it; nil: it was begun with
// none.
func snapshot(r engine.Run) *incident.Incident {
	var in incident.Incident
	if len(r.Event.Incident) == 0 || json.Unmarshal(r.Event.Incident, &in) != nil {
		return nil
	}
	return &in
}

// comparison is that of one incident.
type comparison struct {
	report    *Report
	incident  string
	would     []claim
	unplanned map[string]bool // actions of which not all could be planned
	looked    time.Time       // when the first shadow run began
}

// Sides of a difference.
const (
	sideShadow  = "shadow"
	sideOthers  = "others"
	sideUnknown = "not known"
)

// count notes what one effect comes to.
func (x *comparison) count(with With, c claim, side, why string) {
	to := &x.report.Live
	if with == WithPeople {
		to = &x.report.People
	}
	at := slices.IndexFunc(to.Rows, func(r Row) bool { return r.Of == c.of })
	if at < 0 {
		at = len(to.Rows)
		to.Rows = append(to.Rows, Row{Of: c.of, Class: c.class})
	}
	for _, t := range []*Tally{&to.Rows[at].Tally, &to.Sum} {
		switch side {
		case sideShadow:
			t.OnlyShadow++
		case sideOthers:
			t.OnlyOthers++
		case sideUnknown:
			t.NotKnown++
		default:
			t.Both++
		}
	}
	if side != "" {
		x.report.Cases = append(x.report.Cases, Differ{Incident: x.incident, With: with, What: c.shown, Side: side, Why: why})
	}
}

// live compares with the live version of the playbook, where it ran.
func (x *comparison) live(c Case) {
	if len(c.Live) == 0 {
		return
	}
	x.report.Live.Incidents++
	var did, doubt []claim
	going := false
	for _, r := range c.Live {
		going = going || !r.Ended()
		for _, one := range claimsOf(r, done) {
			did = merged(did, one)
		}
		for _, one := range claimsOf(r, func(s actions.Status) bool { return s == actions.Open || s == actions.Unknown || s == actions.Begun }) {
			doubt = merged(doubt, one)
		}
	}
	for _, w := range x.would {
		at := find(did, w.what)
		switch {
		case at >= 0 && same(w, did[at]):
			x.count(WithLive, w, "", "")
		case at >= 0:
			x.count(WithLive, w, sideShadow, "the live version left it otherwise")
			x.count(WithLive, did[at], sideOthers, "in shadow it would be left otherwise")
		case find(doubt, w.what) >= 0:
			x.count(WithLive, w, sideUnknown, "it is not known whether the live version has done it")
		case going:
			x.count(WithLive, w, sideUnknown, "the live version has not ended")
		default:
			x.count(WithLive, w, sideShadow, "")
		}
	}
	for _, d := range did {
		switch {
		case find(x.would, d.what) >= 0:
		case x.unplanned[d.of]:
			x.count(WithLive, d, sideUnknown, "in shadow such a step could not be planned: it needs a live result")
		case !d.at.IsZero() && d.at.Before(x.looked):
			x.count(WithLive, d, sideUnknown, "it was done before the shadow run looked")
		default:
			x.count(WithLive, d, sideOthers, "")
		}
	}
}
