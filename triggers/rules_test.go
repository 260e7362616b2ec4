package triggers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"stanch/actions"
	"stanch/actions/incidents"
	"stanch/connectors"
	"stanch/connectors/graph"
	"stanch/connectors/incident"
	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
	"stanch/engine"
	"stanch/engine/sqlitestore"
	"stanch/playbooks"
	"stanch/triggers"
)

// rulesDesk is an engine on a store in memory and a practice tenant, with rules.
type rulesDesk struct {
	t      *testing.T
	server *practicetest.Server
	graph  *graph.Client
	store  *sqlitestore.Store
	engine *engine.Engine
	shelf  *actions.Catalog
	later  atomic.Int64 // by which the store's clock is ahead
	set    *triggers.RuleSet
}

const payroll = "40211"

func newRulesDesk(t *testing.T, o engine.Options, rules ...string) *rulesDesk {
	t.Helper()
	server := practicetest.Start(t, practice.Options{})
	app := practice.FullApp()
	cloud := connectors.PracticeCloud(server.URL, server.CAPEM)
	cred, err := connectors.NewCredential(cloud, connectors.Auth{
		Kind: connectors.ClientSecret, Tenant: practice.ContosoTenantID, Client: app.ID, Secret: connectors.Secret(app.Secret),
	})
	if err != nil {
		t.Fatal(err)
	}
	d := &rulesDesk{t: t, server: server}
	if d.graph, err = graph.New(cloud, cred, nil); err != nil {
		t.Fatal(err)
	}
	catalog, err := actions.Collect(incidents.Shelf{Graph: d.graph})
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return time.Now().Add(time.Duration(d.later.Load())) }
	if d.store, err = sqlitestore.OpenMemory(clock); err != nil {
		t.Fatal(err)
	}
	d.shelf = catalog
	d.engine = engine.New(d.store, d.store, catalog, o)
	d.set = &triggers.RuleSet{Engine: d.engine, Docs: d.store, Rules: rulesOf(t, d.engine.World(), rules...)}
	for _, text := range []string{seen, draft} {
		book, findings := playbooks.LoadAndCheck("book.yaml", []byte(text), d.engine.World())
		if playbooks.HasErrors(findings) {
			t.Fatal(findings[0].Text())
		}
		d.set.Books = append(d.set.Books, book)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.engine.Work(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-done, d.store.Close()); err != nil {
			t.Error(err)
		}
	})
	return d
}

const seen = `playbook: seen
title: Comment what the incident is
status: stable
on: {manual: {}}
steps:
  - uses: incidents.comment
    with: {incident: "${{ incident.id }}", text: "Seen when ${{ event.kind }}"}
`

var draft = strings.NewReplacer("playbook: seen", "playbook: drafted", "status: stable", "status: draft").Replace(seen)

func rulesOf(t *testing.T, w playbooks.World, texts ...string) []*playbooks.Rule {
	t.Helper()
	var rules []*playbooks.Rule
	for i, text := range texts {
		r, found := playbooks.LoadRule(fmt.Sprintf("r%d.yaml", i), []byte(text))
		if playbooks.HasErrors(found) {
			t.Fatal(found[0].Text())
		}
		rules = append(rules, r)
	}
	if found := playbooks.CheckRules(rules, w, time.Now()); playbooks.HasErrors(found) {
		t.Fatal(found[0].Text())
	}
	return rules
}

// event is one of the practice tenant's incident as it is now.
func (d *rulesDesk) event(id, kind string, changes ...string) playbooks.Event {
	d.t.Helper()
	raw, err := d.graph.Incident(d.t.Context(), payroll)
	if err != nil {
		d.t.Fatal(err)
	}
	in, err := incident.FromGraph(raw.Raw)
	if err != nil {
		d.t.Fatal(err)
	}
	body, err := json.Marshal(in)
	if err != nil {
		d.t.Fatal(err)
	}
	return playbooks.Event{ID: id, Trigger: "incident", Kind: kind, At: in.UpdatedAt, Changes: changes, Incident: body}
}

func (d *rulesDesk) amend(body string) {
	d.t.Helper()
	if err := d.server.Tenant.Amend(payroll, []byte(body)); err != nil {
		d.t.Fatal(err)
	}
}

func (d *rulesDesk) ask(ev playbooks.Event) triggers.RuleRecord {
	d.t.Helper()
	rec, err := d.set.Ask(d.t.Context(), ev)
	if err != nil {
		d.t.Fatal(err)
	}
	return rec
}

func (d *rulesDesk) await(run string) engine.Run {
	d.t.Helper()
	r, err := d.engine.Await(d.t.Context(), run, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	return r
}

// runs are those of a playbook that were begun.
func (d *rulesDesk) runs(playbook string) (ids []string) {
	d.t.Helper()
	page, err := d.store.Follow(d.t.Context(), "", 1000)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, r := range page.Records {
		if r.Kind == "run" && r.Head.Playbook == playbook {
			ids = append(ids, r.Head.ID)
		}
	}
	return ids
}

func rule(name string, order int, rest string) string {
	return fmt.Sprintf("rule: %s\norder: %d\n%s", name, order, rest)
}

func saidOf(rec triggers.RuleRecord, rule string) triggers.RuleVerdict {
	i := slices.IndexFunc(rec.Verdicts, func(v triggers.RuleVerdict) bool { return v.Rule == rule })
	if i < 0 {
		return triggers.RuleVerdict{Because: "there is no verdict"}
	}
	return rec.Verdicts[i]
}

// Rules are one run, whose steps are what they do, in their order; a later rule
// is asked about the incident as the earlier ones make it.
func TestRulesAreOneRunInTheirOrder(t *testing.T) {
	d := newRulesDesk(
		t, engine.Options{},
		rule("third", 30, "if: incident.status == \"inProgress\" and \"payroll\" in incident.tags\nthen: [{comment: \"${{ incident.title }} is ${{ incident.status }}\"}]\n"),
		rule("first", 10, "if: incident.status == \"active\"\nthen: [{update: {status: inProgress}}, {run: seen}, {tag: [payroll]}]\n"),
		rule("second", 20, "if: incident.severity == \"high\" and incident.status == \"active\"\nthen: [{tag: [never]}]\n"),
		rule("not-on", 25, "enabled: false\nthen: [{tag: [never]}]\n"),
		rule("updates", 26, "on: [updated]\nthen: [{tag: [never]}]\n"),
	)
	d.amend(`{"displayName":"Payroll ${{ 1 + 1 }} <b>"}`)
	rec := d.ask(d.event("created", "created"))
	for name, want := range map[string]triggers.RuleVerdict{
		"first":   {Matched: true, Because: "if is true", Does: []string{"update: status inProgress", "run: seen", "tag: payroll"}},
		"second":  {Because: `the condition does not hold: incident.status == "active" is false`},
		"not-on":  {Because: "the rule is not enabled"},
		"updates": {Because: "on is updated; this one was created"},
		"third":   {Matched: true, Because: "if is true", Does: []string{"comment"}},
	} {
		if got := saidOf(rec, name); got.Matched != want.Matched || !strings.HasPrefix(got.Because, want.Because) || !slices.Equal(got.Does, want.Does) || len(got.Leaves) > 0 {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	run := d.await(rec.Run)
	var did []string
	for _, s := range run.Steps {
		did = append(did, s.Uses+" "+s.Status)
	}
	if want := []string{"incidents.update succeeded", "playbooks.begin succeeded", "incidents.tag succeeded", "incidents.comment succeeded"}; !slices.Equal(did, want) || run.Status != "succeeded" || run.StartedBy != "trigger:rules" {
		t.Errorf("run %s by %s: %q, want %q: %+v", run.Status, run.StartedBy, did, want, run.Steps[len(run.Steps)-1].Error)
	}
	begun := d.runs("seen")
	if len(begun) != 1 {
		t.Fatalf("runs of the playbook: %v", begun)
	}
	if r := d.await(begun[0]); r.Status != "succeeded" || r.StartedBy != "rule:first" || r.Event.Kind != "created" {
		t.Errorf("the playbook's run is %s by %s for %q", r.Status, r.StartedBy, r.Event.Kind)
	}
	raw, err := d.graph.Incident(t.Context(), payroll)
	if err != nil {
		t.Fatal(err)
	}
	in, err := incident.FromGraph(raw.Raw)
	if err != nil {
		t.Fatal(err)
	}
	texts := ""
	for _, c := range in.Comments {
		texts += c.Text + "\n"
	}
	if in.Status != "inProgress" || !slices.Contains(in.Tags, "payroll") || slices.Contains(in.Tags, "never") || !strings.Contains(texts, "Payroll ${{ 1 + 1 }} <b> is inProgress\n") {
		t.Errorf("the incident is %s, tagged %v, with the comments %s", in.Status, in.Tags, texts)
	}
}

// Whoever asks again about a revision, after a crash too, begins nothing twice.
func TestARevisionIsRuledOnce(t *testing.T) {
	d := newRulesDesk(t, engine.Options{}, rule("one", 1, "then: [{tag: [once]}, {run: seen}]\n"))
	ev := d.event("created", "created")
	first := d.ask(ev)
	again := d.ask(ev)
	if err := d.store.Delete(t.Context(), "rules", "defender/"+payroll+"/created", engine.AnyVersion); err != nil {
		t.Fatal(err)
	}
	crashed := d.ask(ev)
	d.await(first.Run)
	if first.Run == "" || again.Run != first.Run || crashed.Run != first.Run || len(d.runs("rules")) != 1 || len(d.runs("seen")) != 1 {
		t.Errorf("runs %s, %s, %s; %d of rules, %d of the playbook", first.Run, again.Run, crashed.Run, len(d.runs("rules")), len(d.runs("seen")))
	}
	next := d.ask(d.event("updated/2", "updated", "severity"))
	if d.await(next.Run); next.Run == first.Run || len(d.runs("rules")) != 2 || len(d.runs("seen")) != 2 {
		t.Errorf("the next revision: run %s, %d of rules, %d of the playbook", next.Run, len(d.runs("rules")), len(d.runs("seen")))
	}
}

// A suppression holds for later revisions until its end, by the store's clock.
func TestASuppressionHasAReasonAndAnEnd(t *testing.T) {
	d := newRulesDesk(t, engine.Options{},
		rule("known", 1, "on: [created]\nthen: [{suppress: {reason: A known scanner, for: 2h}}]\n"),
		rule("runs", 2, "then: [{run: seen}]\n"))
	first := d.ask(d.event("created", "created"))
	if s := first.Suppressed; s == nil || s.Rule != "known" || s.Until.Sub(first.At) != 2*time.Hour || !strings.Contains(s.Because(), "A known scanner") {
		t.Fatalf("suppressed by %+v", s)
	}
	if v := saidOf(first, "runs"); len(v.Does) > 0 || len(v.Leaves) != 1 || !strings.Contains(v.Leaves[0], "A known scanner") {
		t.Errorf("behind it: %+v", v)
	}
	d.later.Store(int64(119 * time.Minute))
	if rec := d.ask(d.event("updated/2", "updated", "severity")); rec.Suppressed == nil || rec.Suppressed.Rule != "known" || rec.Run != "" {
		t.Errorf("a minute before its end: %+v", rec)
	}
	d.later.Store(int64(121 * time.Minute))
	rec := d.ask(d.event("updated/3", "updated", "severity"))
	if rec.Suppressed != nil || len(saidOf(rec, "runs").Does) != 1 {
		t.Fatalf("a minute after its end: %+v", rec)
	}
	if d.await(rec.Run); len(d.runs("seen")) != 1 {
		t.Errorf("runs: %v", d.runs("seen"))
	}
}

// suppress: true is of the revision alone.
func TestASuppressionWithoutAnEnd(t *testing.T) {
	d := newRulesDesk(t, engine.Options{}, rule("now", 1, "on: [created]\nthen: [{suppress: true}]\n"))
	if rec := d.ask(d.event("created", "created")); rec.Suppressed == nil || !rec.Suppressed.Until.IsZero() {
		t.Errorf("%+v", rec)
	}
	if rec := d.ask(d.event("updated/2", "updated", "severity")); rec.Suppressed != nil {
		t.Errorf("the next revision: %+v", rec)
	}
}

// A rule expires by the store's clock, not by that of a node.
func TestARuleExpiresByTheStoresClock(t *testing.T) {
	until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	d := newRulesDesk(t, engine.Options{}, rule("short", 1, "expires: \""+until+"\"\nthen: [{tag: [x]}]\n"))
	if v := saidOf(d.ask(d.event("created", "created")), "short"); !v.Matched {
		t.Errorf("%+v", v)
	}
	d.later.Store(int64(61 * time.Minute))
	if v := saidOf(d.ask(d.event("updated/2", "updated", "severity")), "short"); v.Matched || v.Because != "the rule has expired" {
		t.Errorf("%+v", v)
	}
}

// What a rule cannot do is told; the rest of it is done. A condition without an
// answer does not hold.
func TestWhatARuleCannotDoIsTold(t *testing.T) {
	d := newRulesDesk(t, engine.Options{},
		rule("mixed", 1, "then: [{run: drafted}, {run: gone}, {comment: \"${{ incident.description ?? '' }}\"}, {tag: [rest]}]\n"),
		rule("no-answer", 2, "if: 1 / len(incident.redirected_to ?? \"\") > 0\nthen: [{tag: [never]}]\n"))
	d.amend(`{"description":""}`)
	rec := d.ask(d.event("created", "created"))
	v := saidOf(rec, "mixed")
	if !slices.Equal(v.Does, []string{"tag: rest"}) || len(v.Leaves) != 3 || !strings.Contains(v.Leaves[0], "a draft never runs") || !strings.Contains(v.Leaves[1], "no such playbook") || !strings.Contains(v.Leaves[2], "says nothing") {
		t.Errorf("%+v", v)
	}
	if v := saidOf(rec, "no-answer"); v.Matched || !strings.Contains(v.Because, "gave no answer") {
		t.Errorf("%+v", v)
	}
	if r := d.await(rec.Run); r.Status != "succeeded" || len(r.Steps) != 1 {
		t.Errorf("the run is %s with %d steps", r.Status, len(r.Steps))
	}
}

// What fails ends the run: the rules behind were asked as if it had happened.
func TestARuleThatFailsEndsTheRun(t *testing.T) {
	d := newRulesDesk(t, engine.Options{},
		rule("one", 1, "then: [{update: {status: resolved}}]\n"), rule("two", 2, "then: [{run: seen}, {tag: [never]}]\n"))
	faults := `[{"method":"PATCH","path":"/v1.0/security/incidents/*","times":1,"status":403}]`
	resp, err := d.server.Client().Post(d.server.URL+"/practice/faults", "application/json", strings.NewReader(faults))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	rec := d.ask(d.event("created", "created"))
	if r := d.await(rec.Run); r.Status != "failed" || len(d.runs("seen")) > 0 {
		t.Errorf("the run is %s; runs of the playbook: %v", r.Status, d.runs("seen"))
	}
}

// While all is frozen, rules do nothing and begin nothing; then they go on.
func TestRulesWaitWhileAllIsFrozen(t *testing.T) {
	d := newRulesDesk(t, engine.Options{}, rule("one", 1, "then: [{run: seen}, {tag: [thawed]}]\n"))
	if _, err := d.engine.Freeze(t.Context(), true, "operator:alice", "a drill"); err != nil {
		t.Fatal(err)
	}
	rec := d.ask(d.event("created", "created"))
	ctx, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer stop()
	if r, err := d.engine.Await(ctx, rec.Run, nil); err == nil || len(d.runs("seen")) > 0 {
		t.Errorf("frozen, the run is %s (%v); runs of the playbook: %v", r.Status, err, d.runs("seen"))
	}
	if _, err := d.engine.Freeze(t.Context(), false, "operator:alice", "over"); err != nil {
		t.Fatal(err)
	}
	if r := d.await(rec.Run); r.Status != "succeeded" || len(d.runs("seen")) != 1 {
		t.Errorf("thawed, the run is %s; runs of the playbook: %v", r.Status, d.runs("seen"))
	}
}

// What rules did is undone as other runs are; what they began names its own undo.
func TestARunOfRulesIsUndone(t *testing.T) {
	d := newRulesDesk(t, engine.Options{}, rule("one", 1, "then: [{tag: [undo-me]}, {run: seen}]\n"))
	rec := d.ask(d.event("created", "created"))
	d.await(rec.Run)
	plan, err := d.engine.PlanUndo(t.Context(), rec.Run, "")
	if err != nil {
		t.Fatal(err)
	}
	begun := d.runs("seen")
	if len(plan.Items) != 2 || plan.Items[0].Status != "no_inverse" || !strings.Contains(plan.Items[0].Why, "stanch undo "+begun[0]) || plan.Items[1].Status != "would_undo" {
		t.Fatalf("%+v", plan.Items)
	}
	undo, err := d.engine.Undo(t.Context(), rec.Run, "", "operator:alice")
	if err != nil {
		t.Fatal(err)
	}
	if r := d.await(undo.Run); r.Status != "succeeded" {
		t.Errorf("the undo is %s", r.Status)
	}
	if _, err := d.engine.Retry(t.Context(), engine.Retry{Run: rec.Run}); !errors.Is(err, engine.ErrRefused) {
		t.Errorf("a retry: %v", err)
	}
}

// An incident that the operator protects is not written, and no run begins.
func TestRulesKeepTheGuardrails(t *testing.T) {
	d := newRulesDesk(t, engine.Options{Guardrails: playbooks.Guardrails{MaxTargets: map[string]int{"incidents": 0}}},
		rule("one", 1, "then: [{run: seen}]\n"))
	rec := d.ask(d.event("created", "created"))
	ctx, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer stop()
	if r, _ := d.engine.Await(ctx, rec.Run, nil); r.Status == "succeeded" || len(d.runs("seen")) > 0 {
		t.Errorf("the run is %s; runs of the playbook: %v", r.Status, d.runs("seen"))
	}
}
