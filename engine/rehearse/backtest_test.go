package rehearse_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"stanch/actions"
	"stanch/connectors/incident"
	"stanch/engine"
	"stanch/engine/rehearse"
	"stanch/playbooks"
)

const counting = `
playbook: counting
title: Counts every file that was not counted yet
status: draft
owner: dlp@contoso.example
on:
  incident: {events: [created], if: 'incident.severity in ["high"]'}
guardrails: {max_targets: {files: 100}}
steps:
  - id: each
    for_each: evidence.files
    as: file
    steps:
      - id: look
        uses: things.get
        with: {id: "${{ file.id }}"}
      - if: steps.look.count == 0
        steps:
          - uses: things.count
            with: {id: "${{ file.id }}"}
  - uses: things.count
    with: {id: last}
  - if: len(evidence.files) > 1
    approve: {ask: "Go on, ${{ run.id }}?", targets: evidence.files, approvers: [officers]}
`

// bookOf checks a playbook.
func bookOf(t testing.TB, text string) rehearse.Candidate {
	t.Helper()
	b, findings := playbooks.LoadAndCheck("book.yaml", []byte(text), playbooks.World{Catalog: catalog(nil)})
	for _, f := range findings {
		if f.Severity == playbooks.SeverityError {
			t.Fatal(f.Text())
		}
	}
	params, err := b.BindParams(nil)
	if err != nil {
		t.Fatal(err)
	}
	return rehearse.Candidate{Book: b, Params: params}
}

// backtest tries playbooks on a world that nobody changes.
func backtest(t testing.TB, world map[string]int, texts ...string) rehearse.Backtest {
	b := rehearse.Backtest{
		World: playbooks.World{OwnDomains: []string{"contoso.example"}, Groups: map[string][]string{"officers": {"dana@contoso.example"}}},
		Desk: func(func() time.Time) (rehearse.Desk, error) {
			return rehearse.Desk{
				Catalog: catalog(world), Reset: func() error { return nil }, Inject: func(string, []byte) error { return nil },
			}, nil
		},
	}
	for _, text := range texts {
		b.Books = append(b.Books, bookOf(t, text))
	}
	return b
}

// past makes an incident of so many files, opened on the day of its number.
func past(n, files int, severity string) incident.Incident {
	in := incident.Incident{
		ID: fmt.Sprintf("defender/%d", n), Source: incident.Defender, Title: fmt.Sprintf("Number %d", n), Severity: incident.Severity(severity),
		Status: "resolved", Classification: "truePositive", CreatedAt: time.Date(2026, 10, n, 8, 0, 0, 0, time.UTC),
		Tags: []string{"contained"}, Alerts: []incident.Alert{},
	}
	in.UpdatedAt = in.CreatedAt.Add(48 * time.Hour)
	for i := range files {
		in.Evidence.Files = append(in.Evidence.Files, incident.File{ID: fmt.Sprintf("f%d-%d", n, i)})
	}
	return in
}

func listOf(all ...incident.Incident) iter.Seq2[incident.Incident, error] {
	return func(yield func(incident.Incident, error) bool) {
		for _, in := range all {
			if !yield(in, nil) {
				return
			}
		}
	}
}

func run(t testing.TB, b rehearse.Backtest, all ...incident.Incident) [][]rehearse.Tried {
	t.Helper()
	tried, err := b.Run(t.Context(), listOf(all...))
	if err != nil {
		t.Fatal(err)
	}
	return tried
}

// read is an answer that a past run got.
func read(id string, count int) engine.Answer {
	return engine.Answer{
		Action: "things.get", Params: json.RawMessage(`{"id":"` + id + `"}`), Out: json.RawMessage(fmt.Sprintf(`{"id":%q,"count":%d}`, id, count)),
	}
}

// In a world that answers, a backtest says what would be done, and does none of it.
// A draft may be tried.
func TestBacktestOnAWorldThatAnswers(t *testing.T) {
	world := map[string]int{"f2-1": 7}
	b := backtest(t, world, counting)
	b.Practice = true
	var again []string
	b.Repeated = func(id string) { again = append(again, id) }
	tried := run(t, b, past(2, 3, "high"), past(1, 1, "high"), past(3, 5, "low"), past(1, 9, "high"))[0]
	var told []string
	for _, x := range tried {
		line := x.Incident + " " + x.Verdict
		for _, r := range x.Runs {
			line += " " + r.Status
			for _, e := range r.Effects {
				line += " " + e.Step + "=" + e.Target.ID
			}
			for _, q := range r.Approvals {
				line += fmt.Sprintf(" asks %q of %v about %d", q.Ask, q.Approvers, q.Targets)
			}
		}
		told = append(told, line)
	}
	want := []string{
		"defender/1 matched succeeded each[0]/1/0=f1-0 1=last",
		`defender/2 matched succeeded each[0]/1/0=f2-0 each[2]/1/0=f2-2 1=last asks "Go on, RUN?" of [officers] about 3`,
		"defender/3 not matched",
	}
	if !slices.Equal(told, want) {
		t.Errorf("told\n%s", strings.Join(told, "\n"))
	}
	if !slices.Equal(again, []string{"defender/1"}) {
		t.Errorf("%v came again", again)
	}
	if len(world) != 1 || world["f2-1"] != 7 {
		t.Errorf("the world was changed: %v", world)
	}
	s := rehearse.Sum(tried)
	if s.Incidents != 3 || s.Matched != 2 || s.Runs != 2 || s.Partly != 0 || s.Assumed != 0 || len(s.Actions) != 1 || s.Actions[0].Effects != 5 || s.Actions[0].Targets != 4 || s.Actions[0].Incidents != 2 {
		t.Errorf("%+v", s)
	}
	if len(s.Days) != 3 || s.Days[1] != (rehearse.Day{Date: "2026-10-02", Incidents: 1, Matched: 1, Effects: 3}) || s.Approvals[0].Times != 1 {
		t.Errorf("%+v %+v", s.Days, s.Approvals)
	}
}

// With what past runs read: the earliest answer counts; what nobody asked is open,
// and so is what depends on it; what has effects is assumed on what it acts upon.
func TestBacktestOnWhatWasRead(t *testing.T) {
	b := backtest(t, nil, counting)
	b.Recorded = func(_ context.Context, id string) ([]engine.Answer, error) {
		return map[string][]engine.Answer{"defender/1": {read("f1-0", 0), read("f1-0", 5), read("f1-1", 3)}, "defender/2": {read("f2-0", 0)}}[id], nil
	}
	tried := run(t, b, past(1, 2, "high"), past(2, 2, "high"))[0]
	one, two := tried[0].Runs[0], tried[1].Runs[0]
	if tried[0].Partly() || len(one.Effects) != 2 || one.Effects[0].Target.ID != "f1-0" || !one.Effects[0].Assumed {
		t.Errorf("%+v", one)
	}
	want := []rehearse.Gap{{Step: "each/look", Why: "no recorded answer of things.get", Count: 1}}
	if !tried[1].Partly() || len(two.Unjudged) != 2 || two.Unjudged[0] != want[0] || two.Unjudged[1].Step != "each/1" || len(two.Effects) != 2 || two.Status != "succeeded" {
		t.Errorf("%+v", two)
	}
	if s := rehearse.Sum(tried); s.Partly != 1 || s.Assumed != 4 || len(s.Statuses) != 2 || s.Statuses[0].Name != "judged in part" {
		t.Errorf("%+v", s)
	}
	planned := engine.Answer{Action: "things.count", Params: json.RawMessage(`{"id":"last"}`), Out: json.RawMessage(`{"id":"last","count":9}`)}
	b.Recorded = func(context.Context, string) ([]engine.Answer, error) {
		return []engine.Answer{read("f1-0", 1), read("f1-1", 1), planned}, nil
	}
	if one = run(t, b, past(1, 2, "high"))[0][0].Runs[0]; len(one.Effects) != 0 || len(one.Unjudged) != 0 {
		t.Errorf("it was so already, as the past run saw: %+v", one)
	}
	broken := errors.New("the store is away")
	b.Recorded = func(context.Context, string) ([]engine.Answer, error) { return nil, broken }
	if _, err := b.Run(t.Context(), listOf(past(1, 1, "high"))); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

// The same incidents give the same bytes, in whatever order and on however many
// lanes.
func TestBacktestIsTheSameEachTime(t *testing.T) {
	var all []incident.Incident
	for n := range 25 {
		all = append(all, past(n+1, n%4, []string{"high", "low"}[n%2]))
	}
	var first string
	for _, lanes := range []int{1, 2, 5} {
		b := backtest(t, map[string]int{"f3-1": 1}, counting)
		b.Practice, b.Lanes = true, lanes
		raw, err := json.Marshal(run(t, b, all...))
		if err != nil {
			t.Fatal(err)
		}
		if first == "" {
			first = string(raw)
		}
		if string(raw) != first {
			t.Errorf("on %d lanes it is otherwise", lanes)
		}
		slices.Reverse(all)
	}
}

// Against itself nothing differs; an edit that widens is told exactly.
func TestBacktestAgainst(t *testing.T) {
	wider := strings.NewReplacer(`["high"]`, `["high", "medium"]`, "steps.look.count == 0", "steps.look.count < 5").Replace(counting)
	world := map[string]int{"f1-0": 2, "f2-0": 9}
	all := []incident.Incident{past(1, 2, "high"), past(2, 2, "medium"), past(3, 1, "low"), past(4, 1, "high")}
	b := backtest(t, world, counting, counting)
	b.Practice = true
	tried := run(t, b, all...)
	if d := rehearse.Compare(tried[0], tried[1]); !d.Same || len(d.Actions)+len(d.Changed) > 0 {
		t.Errorf("against itself: %+v", d)
	}
	b = backtest(t, world, wider, counting)
	b.Practice = true
	tried = run(t, b, all...)
	d := rehearse.Compare(tried[0], tried[1])
	if d.Same || d.Matches != (rehearse.DiffCount{More: 1}) || d.Effects != (rehearse.DiffCount{More: 3}) || len(d.Changed) != 2 {
		t.Fatalf("%+v", d)
	}
	// f1-0 and f2-1 are new; last was counted before, for other incidents.
	if a := d.Actions[0]; a.Action != "things.count" || a.Kind != "file" || a.Targets != (rehearse.DiffCount{More: 2}) || a.Effects != (rehearse.DiffCount{More: 3}) {
		t.Errorf("%+v", d.Actions)
	}
	if c := d.Changed[1]; c.Incident != "defender/2" || c.Was != rehearse.NotMatched || c.Verdict != rehearse.Matched || len(c.More) != 2 || c.Asked.More != 1 || !strings.Contains(c.Because, "is false") {
		t.Errorf("%+v", c)
	}
	if back := rehearse.Compare(tried[1], tried[0]); back.Matches.Fewer != 1 || back.Effects.Fewer != 3 || back.Actions[0].Targets.Fewer != 2 {
		t.Errorf("the other way: %+v", back)
	}
}

// Guardrails are judged: what is protected fails the step, what is beyond a cap is
// asked about.
func TestBacktestTellsWhatGuardrailsStop(t *testing.T) {
	b := backtest(t, map[string]int{}, strings.Replace(counting, "files: 100", "files: 2", 1))
	b.Practice = true
	b.Guardrails.Protect = map[string][]string{"files": {"f2-0"}}
	tried := run(t, b, past(1, 4, "high"), past(2, 1, "high"))[0]
	capped := tried[0].Runs[0]
	if len(capped.Effects) != 5 || len(capped.Stops) != 3 || capped.Stops[0].Guardrail != rehearse.StopCap || capped.Stops[0].Target.ID != "f1-2" {
		t.Errorf("%+v", capped.Stops)
	}
	refused := tried[1].Runs[0]
	if refused.Status != "failed" || refused.Error.Code != "refused" || len(refused.Effects) != 0 || refused.Stops[0].Guardrail != rehearse.StopRefused {
		t.Errorf("%+v", refused)
	}
	s := rehearse.Sum(tried)
	if len(s.Failures) != 1 || s.Failures[0].Code != "refused" || s.Stops[0].Count != 2 {
		t.Errorf("%+v %+v", s.Failures, s.Stops)
	}
}

const around = `
playbook: around
title: Counts what is around a file
status: stable
owner: dlp@contoso.example
on: {incident: {events: [created]}}
steps:
  - uses: things.count_around
    with: {id: guarded}
`

// Of a step that a guardrail stops, what comes before is sent, and what stands
// behind is not.
func TestBacktestCountsWhatIsSentBeforeARefusal(t *testing.T) {
	b := backtest(t, map[string]int{}, around)
	b.Practice = true
	b.Guardrails.Protect = map[string][]string{"files": {"guarded"}}
	one := run(t, b, past(1, 0, "high"))[0][0].Runs[0]
	if one.Status != "failed" || len(one.Effects) != 1 || one.Effects[0].Target.ID != "guarded-first" || len(one.Stops) != 1 {
		t.Errorf("%+v", one)
	}
}

const waiting = `
playbook: waiting
title: Waits for a word
status: stable
owner: dlp@contoso.example
on: {incident: {events: [created]}}
steps:
  - wait: {event: go-on, key: "${{ incident.id }}", timeout: 1h}
`

// A step that waits for an event is a gap of its own: it follows from no other.
func TestBacktestOfAWaitForAnEvent(t *testing.T) {
	one := run(t, backtest(t, nil, waiting), past(1, 0, "high"))[0][0].Runs[0]
	if g := one.Unjudged; len(g) != 1 || g[0].Follows || g[0].Why != engine.NoEvent {
		t.Errorf("%+v", g)
	}
}

const byAlert = `
playbook: by-alert
title: Counts for each alert
status: stable
owner: dlp@contoso.example
on: {alert: {if: alert.severity == "high"}}
steps:
  - if: now() == event.at and incident?.status == "active" and len(incident?.tags ?? []) == 0
    uses: things.count
    with: {id: "${{ alert.id }}"}
`

// Alerts start a run each, at the time of the alert; the incident is as it was
// opened, or with AsKept as it is now.
func TestBacktestOfAlerts(t *testing.T) {
	in := past(1, 0, "low")
	for i, severity := range []string{"high", "low", "high"} {
		in.Alerts = append(in.Alerts, incident.Alert{
			ID: fmt.Sprintf("a%d", i), Severity: incident.Severity(severity), CreatedAt: in.CreatedAt.Add(time.Duration(i) * time.Hour),
		})
	}
	b := backtest(t, map[string]int{}, byAlert)
	b.Practice = true
	runs := run(t, b, in, past(2, 1, "high"))[0]
	one := runs[0]
	if one.Verdict != rehearse.Matched || len(one.Runs) != 2 || one.Runs[1].Alert != "a2" || len(one.Runs[1].Effects) != 1 || one.Runs[1].Effects[0].Target.ID != "a2" {
		t.Errorf("%+v", one)
	}
	if two := runs[1]; two.Verdict != rehearse.NotMatched || !strings.Contains(two.Because, "no alerts") {
		t.Errorf("%+v", two)
	}
	b.AsKept = true
	if kept := run(t, b, in)[0][0]; len(kept.Runs) != 2 || len(kept.Runs[0].Effects) != 0 {
		t.Errorf("as it is now it is resolved: %+v", kept)
	}
}

// An alert of which the audit log told more is offered so, too, and starts a
// playbook once; as new it is offered without that.
func TestBacktestOfDetailedAlerts(t *testing.T) {
	in := past(1, 0, "low")
	in.Alerts = []incident.Alert{{ID: "a0", Severity: "high", CreatedAt: in.CreatedAt}, {ID: "a1", Severity: "high", CreatedAt: in.CreatedAt}}
	in = in.With(map[string]incident.Found{"a1": {
		Details: incident.Details{From: incident.AuditLog, FoundBy: "id", Events: 1, Complete: true}, Policy: incident.Policy{Rule: new("High volume")},
	}})
	for _, c := range []struct {
		name, on string
		asKept   bool
		runs     []string // alert and kind
		because  string
	}{
		{"detailed alone", `events: [detailed]`, false, []string{"a1 detailed"}, "the audit log tells more of the alert"},
		{"detailed, by its rule", `events: [detailed], if: alert.policy.rule == "High volume"`, false, []string{"a1 detailed"}, "High volume"},
		{"detailed, by another rule", `events: [detailed], if: alert.id == "a1" and alert.policy.rule == "Low"`, false, nil, "on.alert.events is detailed; this one was created"},
		{"created alone, by what is not there yet", `if: 'alert.policy.rule != nil or any(incident?.alerts ?? [], .details != nil)'`, false, nil, "is false"},
		{"either, by what comes late", `events: [created, detailed], if: alert.policy.rule != nil`, false, []string{"a1 detailed"}, "is true"},
		{"either, once", `events: [created, detailed]`, false, []string{"a0 created", "a1 created"}, "the alert is new"},
		{"created, as it is now", `if: alert.policy.rule != nil`, true, []string{"a1 created"}, "is true"},
	} {
		t.Run(c.name, func(t *testing.T) {
			book := strings.Replace(byAlert, `if: alert.severity == "high"`, c.on, 1)
			at := strings.Index(book, "  - if: now()")
			b := backtest(t, map[string]int{}, book[:at]+"  - uses: things.count\n    with: {id: \"${{ alert.id }} ${{ event.kind }}\"}\n")
			b.Practice, b.AsKept = true, c.asKept
			one := run(t, b, in)[0][0]
			var runs []string
			for _, r := range one.Runs {
				runs = append(runs, r.Effects[0].Target.ID)
			}
			if !slices.Equal(runs, c.runs) || !strings.Contains(one.Because, c.because) {
				t.Errorf("%v, because %s", runs, one.Because)
			}
		})
	}
}

// A playbook that listens to changes is offered each incident once; a condition
// that gives no answer starts nothing, and says so.
func TestBacktestOfChangesAndOfNoAnswer(t *testing.T) {
	changes := strings.Replace(byAlert, `{alert: {if: alert.severity == "high"}}`, `{incident: {events: [updated], changes: [tags, severity]}}`, 1)
	changes = strings.Replace(strings.Replace(changes, `now() == event.at and incident?.status == "active" and len(incident?.tags ?? []) == 0`, `now() == incident.updated_at and "tags" in event.changes`, 1), "alert.id", "incident.id", 1)
	b := backtest(t, map[string]int{}, changes)
	b.Practice = true
	if one := run(t, b, past(1, 0, "low"))[0][0]; one.Verdict != rehearse.Matched || len(one.Runs[0].Effects) != 1 {
		t.Errorf("%+v", one)
	}
	b = backtest(t, map[string]int{}, strings.Replace(counting, `incident.severity in ["high"]`, `10 % (len(evidence.files) - 1) == 0`, 1))
	tried := run(t, b, past(1, 1, "high"))[0]
	if one := tried[0]; one.Verdict != rehearse.NoAnswer || len(one.Runs) != 0 || one.Because == "" {
		t.Errorf("%+v", one)
	}
	if s := rehearse.Sum(tried); s.NoAnswer != 1 || s.Failures[0].Code != "no answer" {
		t.Errorf("%+v", s)
	}
}

// What no incident starts cannot be tried on them, and says what to use.
func TestBacktestOfWhatIncidentsDoNotStart(t *testing.T) {
	head := "playbook: x\ntitle: X\nstatus: stable\nowner: dlp@contoso.example\n"
	for on, want := range map[string]string{
		"on: {schedule: {cron: '0 3 * * *'}}\n": "stanch schedules run", "on: {manual: {}}\n": "stanch run", "on: {webhook: {path: a/b, schema: {type: any}}}\n": "stanch test",
		"": "only other playbooks",
	} {
		b, _ := playbooks.Load("x.yaml", []byte(head+on+"steps:\n  - fail: no\n"))
		if b == nil {
			t.Fatalf("%s cannot be read", on)
		}
		_, err := rehearse.Backtest{Books: []rehearse.Candidate{{Book: b}}}.Run(t.Context(), listOf())
		if !errors.Is(err, rehearse.ErrNotTriedSo) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", on, err)
		}
	}
}

// A backtest ends with its context, and with an error of who gives the incidents.
func TestBacktestEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b := backtest(t, map[string]int{}, counting)
	b.Practice = true
	b.Done = func(n int) {
		if n == 2 {
			cancel()
		}
	}
	endless := func(yield func(incident.Incident, error) bool) {
		for n := 1; yield(past(n, 1, "high"), nil); n++ {
		}
	}
	if _, err := b.Run(ctx, endless); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	gone := errors.New("the store is away")
	b.Done = nil
	failing := func(yield func(incident.Incident, error) bool) {
		if yield(past(1, 1, "high"), nil) {
			yield(incident.Incident{}, gone)
		}
	}
	if _, err := b.Run(t.Context(), failing); !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
}

// Times that no clock shows stop nothing: an incident without a date, or with an
// impossible one, is tried at some time, and stands on no day.
func TestBacktestOfImpossibleTimes(t *testing.T) {
	undated, late := past(1, 1, "high"), past(2, 1, "high")
	undated.CreatedAt, undated.UpdatedAt = time.Time{}, time.Time{}
	late.CreatedAt = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	b := backtest(t, map[string]int{}, counting)
	b.Practice = true
	tried := run(t, b, late, undated, past(3, 1, "high"))[0]
	s := rehearse.Sum(tried)
	if s.Matched != 3 || len(s.Days) != 1 || s.Days[0].Date != "2026-10-03" || s.Statuses[0] != (rehearse.Tally{Name: "succeeded", Count: 3}) {
		t.Errorf("%+v", s)
	}
}

func TestReadIncident(t *testing.T) {
	model, err := json.Marshal(past(7, 2, "high"))
	if err != nil {
		t.Fatal(err)
	}
	arm := `{"id":"/subscriptions/s/resourceGroups/g/providers/Microsoft.OperationalInsights/Workspaces/soc/providers/Microsoft.SecurityInsights/incidents/73e01a99-5cd7-4139-a149-9f2736ff2ab5",
		"name":"73e01a99-5cd7-4139-a149-9f2736ff2ab5","properties":{"title":"t","severity":"High","status":"New","createdTimeUtc":"2026-11-04T07:42:13Z"}}`
	good := map[string]string{
		`{"id":"5","displayName":"x","severity":"high","alerts":[]}`: "defender/5", string(model): "defender/7",
		arm: "sentinel/soc/73e01a99-5cd7-4139-a149-9f2736ff2ab5",
		`{"incident":` + arm + `,"alerts":[],"entities":[{"id":"/e/1","kind":"Account","properties":{"accountName":"ann"}}],"comments":[]}`: "sentinel/soc/73e01a99-5cd7-4139-a149-9f2736ff2ab5",
	}
	for raw, id := range good {
		if in, err := rehearse.ReadIncident([]byte(raw)); err != nil || in.ID != id {
			t.Errorf("%.60s: %q, %v", raw, in.ID, err)
		}
	}
	bad := map[string]string{
		`[]`: "", `{`: "", `"x"`: "", ``: "", `{"properties":{}}`: "names no workspace", `{"incident":3}`: "names no workspace", `{"incident":{},"alerts":3}`: "alerts",
		strings.Replace(string(model), `"defender/7"`, `"../7"`, 1): "not an incident id", strings.Replace(string(model), `"title"`, `"titel"`, 1): "titel",
		`{"source":"defender","evidence":{},"id":"defender/1","alerts":7}`: "alerts",
	}
	for _, raw := range slices.Sorted(maps.Keys(bad)) {
		if in, err := rehearse.ReadIncident([]byte(raw)); err == nil || !strings.Contains(err.Error(), bad[raw]) {
			t.Errorf("%.60s: %q, %v", raw, in.ID, err)
		}
	}
}

// What a past run expected of an effect is what a plan expects of it now; what could
// not be read then cannot be read now.
func TestBacktestGoesOnWithWhatWasExpected(t *testing.T) {
	const book = `
playbook: goes-on
title: Goes on with what it expects
status: stable
owner: dlp@contoso.example
on: {incident: {events: [created]}}
steps:
  - id: counted
    uses: things.count
    with: {id: last}
  - id: gone
    uses: things.get
    with: {id: gone}
    on_error: continue
  - if: steps.counted.count > 5
    steps:
      - uses: things.count
        with: {id: more}
`
	b := backtest(t, nil, book)
	entity := []actions.Entity{{Kind: "file", ID: "last"}}
	known := []engine.Answer{
		{
			Action: "things.count", Params: json.RawMessage(`{"id":"last"}`), Out: json.RawMessage(`{"id":"last","count":9}`),
			Effects: []actions.Effect{{ID: "e1", Action: "things.count", Class: actions.Writes, Status: actions.Done, Target: actions.Target{Kind: "counter", ID: "last", Name: "last", Entities: entity}}},
		},
		{Action: "things.get", Params: json.RawMessage(`{"id":"gone"}`), Fault: &engine.Fault{Code: "not_found", Message: "it is gone"}},
	}
	b.Recorded = func(context.Context, string) ([]engine.Answer, error) { return known, nil }
	one := run(t, b, past(1, 0, "low"))[0][0].Runs[0]
	if one.Status != "succeeded" || len(one.Effects) != 2 || one.Effects[0].Assumed || one.Effects[0].Target.Kind != "counter" || one.Effects[1].Target.ID != "more" {
		t.Errorf("%+v", one)
	}
	known = nil
	one = run(t, b, past(1, 0, "low"))[0][0].Runs[0]
	if len(one.Effects) != 1 || !one.Effects[0].Assumed || len(one.Unjudged) != 2 || one.Unjudged[0].Follows || !one.Unjudged[1].Follows {
		t.Errorf("%+v", one)
	}
}

// Where one side acts upon a thing that was looked at and the other upon the same
// unseen, the thing is one, and nothing is said to differ.
func TestBacktestComparesWhatIsAssumed(t *testing.T) {
	file := actions.Entity{Kind: "file", ID: "drive/item", Aliases: []string{"https://x.example/A"}}
	seen := rehearse.Planned{Action: "files.unshare", Target: actions.Target{Kind: "permission", ID: "drive/item/p1", Entities: []actions.Entity{file}}}
	unseen := rehearse.Planned{Action: "files.unshare", Assumed: true, Target: actions.Target{Kind: "file", ID: "https://x.example/a", Entities: []actions.Entity{{Kind: "file", ID: "https://x.example/a"}}}}
	tried := func(effects ...rehearse.Planned) []rehearse.Tried {
		return []rehearse.Tried{{Incident: "defender/1", Verdict: rehearse.Matched, Runs: []rehearse.Would{{Status: "succeeded", Effects: effects}}}}
	}
	if d := rehearse.Compare(tried(seen, seen), tried(unseen)); !d.Same {
		t.Errorf("%+v", d)
	}
	other := unseen
	other.Action = "files.delete"
	d := rehearse.Compare(tried(seen, other), tried(seen))
	if d.Same || len(d.Actions) != 1 || d.Actions[0].Action != "files.delete" || d.Actions[0].Targets.More != 1 {
		t.Errorf("%+v", d)
	}
	if s := rehearse.Sum(tried(seen, unseen)); s.Actions[0].Targets != 1 || s.Assumed != 1 {
		t.Errorf("%+v", s.Actions)
	}
}
