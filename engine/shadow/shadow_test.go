package shadow_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"stanch/actions"
	"stanch/connectors/incident"
	"stanch/engine"
	"stanch/engine/shadow"
	"stanch/playbooks"
)

func noon() time.Time { return time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC) }

// about is an incident as it is at noon.
func about(change func(*incident.Incident)) *incident.Incident {
	in := &incident.Incident{
		ID: "defender/1", Status: "active", Classification: "unknown", Determination: "unknown", Severity: "high", Tags: []string{}, UpdatedAt: noon(),
	}
	if change != nil {
		in.UpdatedAt = noon().Add(time.Hour)
		change(in)
	}
	return in
}

func resolved(in *incident.Incident) {
	in.Status, in.Classification, in.Determination = "resolved", "truePositive", "phishing"
}

// run has its effects so long after noon.
func run(mode, status string, after time.Duration, effects ...engine.StepEffect) engine.Run {
	raw, err := json.Marshal(about(nil))
	if err != nil {
		panic(err)
	}
	at := noon().Add(after)
	r := engine.Run{ID: mode, Mode: mode, Status: status, StartedAt: at, Event: playbooks.Event{Incident: raw}}
	for i, e := range effects {
		r.Steps = append(r.Steps, engine.Step{Path: fmt.Sprint(i), Uses: e.Action, Status: "succeeded", FinishedAt: &at, Effects: []engine.StepEffect{e}})
	}
	return r
}

func onFile(action, target, after string, status actions.Status) engine.StepEffect {
	return engine.StepEffect{Action: action, Class: actions.Writes, Target: actions.Target{Kind: "file", ID: target, Name: target}, After: json.RawMessage(after), Status: status}
}

func onIncident(before, after string, status actions.Status) engine.StepEffect {
	return engine.StepEffect{
		Action: "incidents.update", Class: actions.Writes, Target: actions.Target{Kind: "incident", ID: "defender/1/x"},
		Before: json.RawMessage(before), After: json.RawMessage(after), Status: status,
	}
}

func resolves(status actions.Status) engine.StepEffect {
	return onIncident(`{"status":"active","classification":"unknown"}`, `{"status":"resolved","classification":"truePositive"}`, status)
}

// told are the differences as text.
func told(r shadow.Report, with shadow.With) []string {
	all := []string{}
	for _, d := range r.Cases {
		if d.With == with {
			all = append(all, strings.TrimSuffix(d.Side+": "+d.What+": "+d.Why, ": "))
		}
	}
	slices.Sort(all)
	return all
}

func check(t *testing.T, what string, got shadow.Agreed, incidents int, want shadow.Tally) {
	t.Helper()
	if got.Incidents != incidents || got.Sum != want {
		t.Errorf("%s: %d incidents, %+v; want %d, %+v", what, got.Incidents, got.Sum, incidents, want)
	}
	var sum shadow.Tally
	for _, r := range got.Rows {
		sum.Both, sum.OnlyShadow, sum.OnlyOthers, sum.NotKnown = sum.Both+r.Both, sum.OnlyShadow+r.OnlyShadow, sum.OnlyOthers+r.OnlyOthers, sum.NotKnown+r.NotKnown
	}
	if sum != got.Sum {
		t.Errorf("%s: the rows are %+v, their sum %+v", what, got.Rows, got.Sum)
	}
}

// With the live version: the same action on the same thing that leaves it alike.
func TestWithTheLiveVersion(t *testing.T) {
	const planned, done = actions.Planned, actions.Done
	r := shadow.Compare("p", []shadow.Case{{
		Subject: "defender/1",
		Shadow: []engine.Run{run("shadow", "succeeded", 0,
			onFile("files.unshare", "link", "null", planned), onFile("files.label", "a", `{"label":"Secret","at":"2026-03-02T12:00:00Z"}`, planned),
			onFile("files.label", "b", `{"label":"Secret"}`, planned), onFile("files.delete", "c", "null", planned), onFile("files.move", "d", "null", planned),
			onFile("incidents.comment", "comments", `{"added":"x"}`, planned),
		)},
		Live: []engine.Run{run("live", "succeeded", time.Minute,
			onFile("files.unshare", "link", "null", done), onFile("files.label", "a", `{"label":"Secret","at":"2026-03-02T13:00:00Z"}`, done),
			onFile("files.label", "b", `{"label":"Public"}`, actions.AlreadySo), onFile("files.delete", "c", "null", actions.NotDone),
			onFile("files.move", "d", "null", actions.Unknown), onFile("incidents.comment", "comments", `{"added":"y"}`, done),
			onFile("files.unshare", "other link", "null", done), onFile("files.unshare", "refused link", "null", actions.Refused),
		)},
	}})
	check(t, "live", r.Live, 1, shadow.Tally{Both: 3, OnlyShadow: 2, OnlyOthers: 2, NotKnown: 1})
	want := []string{
		"not known: files.move on d: it is not known whether the live version has done it",
		"others: files.label on b: in shadow it would be left otherwise",
		"others: files.unshare on other link",
		"shadow: files.delete on c",
		"shadow: files.label on b: the live version left it otherwise",
	}
	if got := told(r, shadow.WithLive); !slices.Equal(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
}

// What a shadow run could not see or plan, and what has not ended, is no
// disagreement.
func TestWhatCannotBeComparedWithTheLiveVersionIsNotKnown(t *testing.T) {
	trial := run("shadow", "succeeded", time.Hour, onFile("files.delete", "a", "null", actions.Planned))
	trial.Steps = append(trial.Steps, engine.Step{Path: "later", Uses: "files.label", Status: "skipped", Why: "needs a live result: steps.x"})
	unended := run("shadow", "running", 0, onFile("files.delete", "z", "null", actions.Planned))
	r := shadow.Compare("p", []shadow.Case{{
		Subject: "defender/1", Shadow: []engine.Run{trial, unended},
		Live: []engine.Run{
			run("live", "succeeded", 0, onFile("files.unshare", "early", "null", actions.Done)),
			run("live", "waiting", 2*time.Hour, onFile("files.label", "b", "null", actions.Done)),
		},
	}})
	check(t, "live", r.Live, 1, shadow.Tally{NotKnown: 3})
	if r.Runs != 1 || r.Unended != 1 || r.Unplanned != 1 || r.Incidents != 1 {
		t.Errorf("%+v", r)
	}
	none := shadow.Compare("p", []shadow.Case{{Subject: "defender/1", Shadow: []engine.Run{trial}}})
	check(t, "no live version", none.Live, 0, shadow.Tally{})
}

// With people: what became of the incident, without what runs wrote.
func TestWithPeople(t *testing.T) {
	trial := run("shadow", "succeeded", 0, resolves(actions.Planned), onIncident(`{"tags":["a"]}`, `{"tags":["b"]}`, actions.Planned), onFile("files.unshare", "link", "null", actions.Planned))
	for name, c := range map[string]struct {
		now    *incident.Incident
		others []engine.Run
		seen   int
		want   shadow.Tally
		told   string
	}{
		"agree": {
			now:  about(func(in *incident.Incident) { resolved(in); in.Tags = []string{"b"} }),
			seen: 1, want: shadow.Tally{Both: 3, OnlyShadow: 1, OnlyOthers: 1, NotKnown: 1}, told: "others: determination phishing",
		},
		"another verdict": {
			now:  about(func(in *incident.Incident) { in.Status, in.Classification = "resolved", "falsePositive" }),
			seen: 1, want: shadow.Tally{Both: 1, OnlyShadow: 3, OnlyOthers: 1, NotKnown: 1}, told: "shadow: classification truePositive: people gave it another value",
		},
		"open": {
			now:  about(func(in *incident.Incident) { in.AssignedTo = new("ann@contoso.example") }),
			seen: 1, want: shadow.Tally{OnlyOthers: 1, NotKnown: 5}, told: "not known: status resolved: the incident is still open: people may do it yet",
		},
		"a run of ours did it": {
			now: about(resolved), others: []engine.Run{run("live", "succeeded", time.Minute, resolves(actions.Done))},
			seen: 1, want: shadow.Tally{OnlyShadow: 2, OnlyOthers: 1, NotKnown: 3}, told: "not known: status resolved: a run has written it, so that people had no need to",
		},
		"unseen": {want: shadow.Tally{NotKnown: 5}, told: "not known: status resolved: no feed of this store has seen the incident: what people made of it is not known"},
		"merged": {now: about(func(in *incident.Incident) { in.RedirectedTo = new("defender/2") }), want: shadow.Tally{NotKnown: 5}, told: "not known: status resolved: the incident was merged into defender/2"},
		"an older revision": {
			now: about(func(in *incident.Incident) { resolved(in); in.UpdatedAt = noon().Add(-time.Hour) }), want: shadow.Tally{NotKnown: 5},
			told: "not known: status resolved: the feed has not seen the incident since the run was begun",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := shadow.Compare("p", []shadow.Case{{Subject: "defender/1", Shadow: []engine.Run{trial}, Others: c.others, Now: c.now}})
			check(t, "people", r.People, c.seen, c.want)
			if got := told(r, shadow.WithPeople); !slices.Contains(got, c.told) {
				t.Errorf("no %q in\n%s", c.told, strings.Join(got, "\n"))
			}
			if got := told(r, shadow.WithPeople); c.seen > 0 && !slices.Contains(got, "not known: files.unshare on link: the incident does not show what people do to files, devices, mails and accounts") {
				t.Errorf("of the file: %s", strings.Join(got, "\n"))
			}
		})
	}
}

// Several runs on one incident are one case; what is about no incident, no people
// show.
func TestRunsOnOneIncidentAreOneCase(t *testing.T) {
	twice := []engine.Run{
		run("shadow", "succeeded", 0, onFile("files.delete", "a", "null", actions.Planned)),
		run("shadow", "failed", time.Minute, onFile("files.delete", "a", "null", actions.Planned), onFile("files.delete", "b", "null", actions.Planned)),
	}
	alone := run("shadow", "succeeded", 0, onFile("users.disable", "u", "null", actions.Planned))
	alone.Event = playbooks.Event{Subject: json.RawMessage(`{"id":"u"}`)}
	r := shadow.Compare("p", []shadow.Case{
		{Subject: "defender/1", Shadow: twice, Live: []engine.Run{run("live", "succeeded", time.Hour, onFile("files.delete", "a", "null", actions.Done))}},
		{Subject: "user/u", Shadow: []engine.Run{alone}},
	})
	check(t, "live", r.Live, 1, shadow.Tally{Both: 1, OnlyShadow: 1})
	if r.Runs != 3 || r.Failed != 1 || r.Incidents != 2 || len(told(r, shadow.WithPeople)) != 2 {
		t.Errorf("%+v", r)
	}
}

// Of a step that a guardrail stops, what comes before is sent, and what stands
// behind is not.
func TestWhatStandsBehindARefusalWouldNotBeDone(t *testing.T) {
	trial := run("shadow", "failed", 0, onFile("files.unshare", "a", "null", actions.Planned))
	trial.Steps[0].Status = "failed"
	trial.Steps[0].Effects = append(trial.Steps[0].Effects, onFile("files.unshare", "b", "null", actions.Refused), onFile("files.unshare", "c", "null", actions.Planned))
	live := run("live", "failed", time.Minute, onFile("files.unshare", "a", "null", actions.Done))
	r := shadow.Compare("p", []shadow.Case{{Subject: "defender/1", Shadow: []engine.Run{trial}, Live: []engine.Run{live}}})
	check(t, "live", r.Live, 1, shadow.Tally{Both: 1})
}

// What the live version did for a while, or what was undone, it did.
func TestWhatWasTakenBackWasDone(t *testing.T) {
	r := shadow.Compare("p", []shadow.Case{{
		Subject: "defender/1",
		Shadow:  []engine.Run{run("shadow", "succeeded", 0, onFile("devices.isolate", "d", "null", actions.Planned))},
		Live:    []engine.Run{run("live", "succeeded", time.Minute, onFile("devices.isolate", "d", "null", actions.Undone))},
	}})
	check(t, "live", r.Live, 1, shadow.Tally{Both: 1})
}
