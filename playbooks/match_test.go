package playbooks

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"stanch/connectors/incident"
)

func exampleBook(t *testing.T, file string) *Playbook {
	t.Helper()
	p, findings := LoadAndCheck(file, readFile(t, file), testWorld())
	if len(findings) > 0 {
		t.Fatal(allText(findings))
	}
	return p
}

// exampleEvent is an incident that the example's trigger takes.
func exampleEvent(t testing.TB) Event {
	t.Helper()
	name := "pay ${{ run.id }}.xlsx"
	raw, err := json.Marshal(incident.Incident{
		ID: "defender/1", Title: "DLP", Severity: "high", ServiceSources: []incident.ServiceSource{incident.DataLossPrevention},
		Evidence: incident.Evidence{Files: []incident.File{{ID: "https://contoso.example/pay.xlsx", Name: &name}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return Event{ID: "defender/1", Trigger: "incident", Kind: "created", At: time.Unix(1, 0), Incident: raw}
}

func TestTheVerdictSaysWhy(t *testing.T) {
	p := exampleBook(t, "testdata/good/contain-external-share.yaml")
	for name, c := range map[string]struct {
		change  func(*Event)
		matched bool
		because string
	}{
		"as wanted":   {func(*Event) {}, true, `on.incident.if is true: "dataLossPrevention" in incident.service_sources and`},
		"wrong kind":  {func(e *Event) { e.Kind = "closed" }, false, "on.incident.events is created, updated; this one was closed"},
		"no change":   {func(e *Event) { e.Kind, e.Changes = "updated", []string{"tags"} }, false, "on.incident.changes is alerts, severity; this update changed tags"},
		"a change":    {func(e *Event) { e.Kind, e.Changes = "updated", []string{"tags", "alerts"} }, true, "is true"},
		"by hand":     {func(e *Event) { e.Trigger, e.Kind = "manual", "manual" }, true, "started by hand"},
		"a schedule":  {func(e *Event) { e.Trigger = "schedule" }, false, "on.schedule is not there: no clock starts it"},
		"if is false": {func(e *Event) { e.Incident = []byte(strings.ReplaceAll(string(e.Incident), `"high"`, `"low"`)) }, false, "on.incident.if is false"},
	} {
		t.Run(name, func(t *testing.T) {
			ev := exampleEvent(t)
			c.change(&ev)
			names, err := p.EventNames(ev)
			if err != nil {
				t.Fatal(err)
			}
			v, err := p.Matches(ev, names, nil, time.Unix(2, 0))
			if err != nil || v.Matched != c.matched || !strings.Contains(v.Because, c.because) {
				t.Errorf("verdict %+v, %v; want %t because %q", v, err, c.matched, c.because)
			}
		})
	}
}

func TestPlaybooksStartOnlyByTheirTriggers(t *testing.T) {
	byHand := exampleBook(t, "testdata/good/smallest.yaml")
	if v, err := byHand.Matches(exampleEvent(t), nil, nil, time.Now()); v.Matched || err != nil {
		t.Errorf("verdict %+v, %v", v, err)
	}
	p, _ := LoadAndCheck("p.yaml", []byte("playbook: p\non: {incident: {events: [created]}}\nsteps:\n  - stop: x\n"), testWorld())
	ev := exampleEvent(t)
	if v, err := p.Matches(ev, nil, nil, time.Now()); !v.Matched || err != nil || v.Because != "the incident was created" {
		t.Errorf("verdict %+v, %v", v, err)
	}
	ev.Trigger = "manual"
	if v, err := p.Matches(ev, nil, nil, time.Now()); v.Matched || err != nil {
		t.Errorf("verdict %+v, %v", v, err)
	}
}

func TestAConditionWithoutAnswerStartsNothing(t *testing.T) {
	p, findings := LoadAndCheck("p.yaml", []byte(
		"playbook: p\non: {incident: {if: 10 / len(incident.tags) > 1}}\nsteps:\n  - stop: x\n"), testWorld())
	if HasErrors(findings) {
		t.Fatal(allText(findings))
	}
	ev := exampleEvent(t)
	names, err := p.EventNames(ev)
	if err != nil {
		t.Fatal(err)
	}
	v, err := p.Matches(ev, names, nil, time.Now())
	if v.Matched || err == nil || !strings.Contains(v.Because, "gave no answer") {
		t.Errorf("verdict %+v, %v", v, err)
	}
}

func TestAnEventWithoutAnIncidentIsRefused(t *testing.T) {
	p := exampleBook(t, "testdata/good/smallest.yaml")
	for _, raw := range []string{"", "null", "[]", `{"title": 5}`} {
		if _, err := p.EventNames(Event{Incident: json.RawMessage(raw)}); err == nil {
			t.Errorf("%q is taken", raw)
		}
	}
}

func TestEventNamesAreWhatExpressionsRead(t *testing.T) {
	p := exampleBook(t, "testdata/good/triggers.yaml")
	ev := exampleEvent(t)
	ev.By, ev.Trigger, ev.Kind = "dana@contoso.example", "manual", "manual"
	names, err := p.EventNames(ev)
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Steps[0].Text.Eval(Env{Names: names, Now: time.Unix(2, 0)})
	if err != nil || got != "manual by dana@contoso.example at 1970-01-01T00:00:01Z" {
		t.Errorf("%v, %v", got, err)
	}
}

// What Decide says is what Matches does, for every condition of the examples of
// this room, and it names the part that was false with what that read.
func TestDecidingIsMatching(t *testing.T) {
	const head = "playbook: p\ntitle: t\nstatus: stable\nparams:\n  least: {type: integer, default: 3}\n  token: {type: string, default: hush}\non:\n  incident:\n    events: [created]\n    if: '"
	for condition, because := range map[string]string{
		`incident.severity == "high" and incident.title startsWith "DLP"`: `is true: incident.severity == "high" and`,
		`incident.severity == "low" and incident.title == "x"`:            `on.incident.if: incident.severity == "low" is false (incident.severity is "high")`,
		`incident.title != "" and len(evidence.files) > params.least`:     `len(evidence.files) > params.least is false (evidence.files is a list of 1, params.least is 3)`,
		`"microsoftSentinel" in incident.service_sources`:                 `(incident.service_sources is ["dataLossPrevention"])`,
		`incident.assigned_to == "me" or incident.status == "resolved"`:   `(incident.assigned_to is absent, incident.status is "")`,
		`params.token == "open"`:                                          `(params.token is [secret])`,
		`any(evidence.files, .name == "a") and event.at > now()`:          `any(evidence.files, .name == "a") is false (evidence.files is a list of 1)`,
		`event.at > now() and incident.title == "x"`:                      `event.at > now() is false (event.at is 1970-01-01T00:00:01Z)`,
		`let s = incident.severity; s == "low" and incident.title == "x"`: `is false`,
		`incident.assigned_to != nil and incident.assigned_to == "me"`:    `incident.assigned_to != nil is false`,
		`external(incident.title + "@contoso.example")`:                   ``,
	} {
		t.Run(condition, func(t *testing.T) {
			p, findings := LoadAndCheck("p.yaml", []byte(head+condition+"'\nsteps:\n  - set: {x: 1}\n"), testWorld())
			if HasErrors(findings) {
				t.Fatal(allText(findings))
			}
			offer := NewOffer(exampleEvent(t))
			names, err := offer.Names(p)
			if err != nil {
				t.Fatal(err)
			}
			for _, own := range [][]string{{"contoso.example"}, {"other.example"}} {
				want, err := p.Matches(offer.Event(), names, own, time.Unix(2, 0))
				if err != nil {
					t.Fatal(err)
				}
				for range 2 { // also when it is asked again
					got, err := offer.Decide(p, own, time.Unix(2, 0))
					if err != nil || got.Matched != want.Matched || !strings.Contains(got.Because, because) {
						t.Errorf("decided %+v (%v), want %t because %q", got, err, want.Matched, because)
					}
				}
			}
		})
	}
}

func TestDecidingTellsAnErrorAsMatchingDoes(t *testing.T) {
	p, findings := LoadAndCheck("p.yaml", []byte("playbook: p\ntitle: t\nstatus: stable\non: {incident: {events: [created], if: 'incident.title != \"\" and external(incident.title + \"@x.example\")'}}\nsteps:\n  - set: {x: 1}\n"), testWorld())
	if HasErrors(findings) {
		t.Fatal(allText(findings))
	}
	v, err := NewOffer(exampleEvent(t)).Decide(p, nil, time.Unix(2, 0))
	if err == nil || v.Matched || !strings.Contains(v.Because, "gave no answer") {
		t.Errorf("decided %+v (%v)", v, err)
	}
}
