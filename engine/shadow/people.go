package shadow

import (
	"slices"

	"stanch/connectors/incident"
	"stanch/engine"
)

// people compares with what people have made of the incident since the shadow run
// was begun: what the newest revision has, without what runs of ours did.
func (x *comparison) people(c Case, before *incident.Incident) {
	if before == nil {
		return // it was about no incident
	}
	if why := unknowable(c, *before); why != "" {
		for _, w := range x.would {
			x.count(WithPeople, w, sideUnknown, why)
		}
		return
	}
	x.report.People.Incidents++
	ours := written(append(append([]engine.Run{}, c.Live...), c.Others...))
	var did []claim
	for _, one := range changed(*before, *c.Now) {
		if find(ours, one.what) < 0 {
			did = append(did, one)
		}
	}
	open := c.Now.Status != "resolved"
	for _, w := range x.would {
		switch {
		case !w.field && says(w.of):
			x.count(WithPeople, w, sideUnknown, "what people say is not compared")
		case !w.field:
			x.count(WithPeople, w, sideUnknown, "the incident does not show what people do to files, devices, mails and accounts")
		case find(did, w.what) >= 0:
			x.count(WithPeople, w, "", "")
		case find(ours, w.what) >= 0 || wrote(ours, w.of):
			x.count(WithPeople, w, sideUnknown, "a run has written it, so that people had no need to")
		case wrote(did, w.of):
			x.count(WithPeople, w, sideShadow, "people gave it another value")
		case open:
			x.count(WithPeople, w, sideUnknown, "the incident is still open: people may do it yet")
		default:
			x.count(WithPeople, w, sideShadow, "")
		}
	}
	for _, d := range did {
		if find(x.would, d.what) < 0 {
			x.count(WithPeople, d, sideOthers, "")
		}
	}
}

// unknowable says why nobody can tell what people made of an incident.
func unknowable(c Case, before incident.Incident) string {
	switch {
	case c.Now == nil:
		return "no feed of this store has seen the incident: what people made of it is not known"
	case c.Now.RedirectedTo != nil:
		return "the incident was merged into " + *c.Now.RedirectedTo
	case c.Now.UpdatedAt.Before(before.UpdatedAt):
		return "the feed has not seen the incident since the run was begun"
	}
	return ""
}

// written are what live runs did to the fields of the incident.
func written(runs []engine.Run) []claim {
	var all []claim
	for _, r := range runs {
		for _, c := range claimsOf(r, done) {
			if c.field {
				all = merged(all, c)
			}
		}
	}
	return all
}

// wrote reports whether a field was given a value. Tags have none: each is one of
// its own.
func wrote(all []claim, field string) bool {
	return field != "tags" && slices.ContainsFunc(all, func(c claim) bool { return c.of == field })
}
