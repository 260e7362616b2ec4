package triggers_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"stanch/actions"
	"stanch/actions/incidents"
	"stanch/actions/users"
	"stanch/connectors/incident"
	"stanch/engine"
	"stanch/triggers"
)

const signOut = `playbook: out
title: Sign a person out
status: stable
on: {manual: {subject: user}}
params:
  times: {type: integer, default: 1}
steps:
  - uses: users.get
    with: {user: "${{ subject }}", without_leave_date: true}
outputs:
  id: subject.id
  times: params.times
  why: event.reason
`

const alertBook = `playbook: said
title: What an alert says
status: stable
on: {manual: {subject: alert}}
steps:
  - stop: "${{ alert.title }}"
outputs:
  files: len(evidence.files)
`

// manualDesk is an engine on a practice tenant, with what looks things up there.
func manualDesk(t *testing.T) (*desk, triggers.Manual) {
	t.Helper()
	d := newDesk(t, tagging)
	catalog, err := actions.Collect(incidents.Shelf{Graph: d.feed.Graph}, users.Shelf{Graph: d.feed.Graph})
	if err != nil {
		t.Fatal(err)
	}
	d.engine = engine.New(d.store, d.store, catalog, engine.Options{})
	found := incidents.Shelf{Graph: d.feed.Graph}
	return d, triggers.Manual{Tenant: triggers.Lookup{
		Incident: found.Whole, Alert: found.OfAlert, User: users.Shelf{Graph: d.feed.Graph}.Look,
	}}
}

// A wish becomes the start of a run about the thing of the tenant that it names,
// by whatever name: the id is that of evidence.
func TestAWishIsAboutWhatTheTenantHas(t *testing.T) {
	d, m := manualDesk(t)
	book := d.book(signOut)
	var ids []string
	for _, on := range []string{"user:petra.novak@contoso.example", " user: PETRA.Novak@contoso.example"} {
		start, err := m.Start(t.Context(), triggers.Asking{
			Book: book, On: on, Params: map[string]string{"times": "3"}, By: "operator:alice", Reason: "She is gone", Mode: engine.ModeLive,
		})
		if err != nil {
			t.Fatal(err)
		}
		var user incident.User
		if err := json.Unmarshal(start.Event.Subject, &user); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, user.ID)
		if user.EntraID == nil || *user.UPN != "petra.novak@contoso.example" || *user.Domain != "contoso.example" || user.Alerts == nil {
			t.Errorf("%s: %+v", on, user)
		}
		if ev := start.Event; ev.Trigger != "manual" || ev.Kind != "manual" || ev.By != "operator:alice" || ev.Reason != "She is gone" || ev.At.IsZero() {
			t.Errorf("%s: %+v", on, ev)
		}
		if start.Params["times"] != int64(3) && start.Params["times"] != 3 {
			t.Errorf("%s: params %#v", on, start.Params)
		}
	}
	whole, err := m.Tenant.Incident(t.Context(), "defender/40211")
	if err != nil {
		t.Fatal(err)
	}
	if evidence := whole.Evidence.Users[0].ID; ids[0] != evidence || ids[1] != evidence {
		t.Errorf("ids %q; evidence has %s", ids, evidence)
	}
}

// Every time is a run of its own; asked again under one key there is one, and
// something else under that key is refused.
func TestAKeyBeginsOneRun(t *testing.T) {
	d, m := manualDesk(t)
	book := d.book(signOut)
	const petra, jonas = "user:petra.novak@contoso.example", "user:jonas.weber@contoso.example"
	ask := func(a triggers.Asking) (engine.Begun, error) {
		t.Helper()
		if a.By = "operator:alice"; a.Mode == "" {
			a.Mode = engine.ModeLive
		}
		if a.Book == nil {
			a.Book = book
		}
		start, err := m.Start(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		return d.engine.Start(t.Context(), start)
	}
	begin := func(a triggers.Asking) engine.Begun {
		t.Helper()
		begun, err := ask(a)
		if err != nil {
			t.Fatal(err)
		}
		return begun
	}
	first, second := begin(triggers.Asking{On: petra}), begin(triggers.Asking{On: petra})
	if !first.New || !second.New || first.Run == second.Run {
		t.Errorf("without a key: %+v, %+v", first, second)
	}
	first = begin(triggers.Asking{On: petra, Key: "k1"})
	for _, again := range []triggers.Asking{
		{On: petra, Key: "k1"}, {On: "user:PETRA.novak@contoso.example", Key: "k1", Reason: "again"}, {On: petra, Key: "k1", Params: map[string]string{"times": "1"}},
	} {
		if second = begin(again); second.New || second.Run != first.Run {
			t.Errorf("%+v: %+v, and the first %+v", again, second, first)
		}
	}
	other := begin(triggers.Asking{On: jonas, Key: "k2", Params: map[string]string{"times": "2"}})
	if !other.New {
		t.Errorf("under another key: %+v", other)
	}
	const one, two = "alert:dl15effcd2-1182-413a-9650-108df60f45d8", "alert:dl95e0e07d-36e3-4986-86c4-e57808d85944"
	said := d.book(alertBook)
	if begun := begin(triggers.Asking{Book: said, On: one, Key: "k1"}); !begun.New {
		t.Errorf("of another playbook: %+v", begun)
	}
	for _, c := range []struct {
		asked triggers.Asking
		want  string
	}{
		{triggers.Asking{On: petra, Key: "k1", Params: map[string]string{"times": "3"}}, "the key k1 was given for another run of out before: params.times was 1 and is now 3; give another key for this one"},
		{triggers.Asking{On: jonas, Key: "k1"}, "what it is about was user/petra.novak@contoso.example and is now user/jonas.weber@contoso.example; give another key"},
		{triggers.Asking{On: petra, Key: "k1", Mode: engine.ModeShadow}, "the mode was live and is now shadow"},
		{triggers.Asking{Book: said, On: two, Key: "k1"}, "what it is about was alert/" + strings.TrimPrefix(one, "alert:") + " and is now alert/"},
	} {
		begun, err := ask(c.asked)
		if !errors.Is(err, engine.ErrRefused) || !strings.Contains(err.Error(), c.want) || begun.Run != "" {
			t.Errorf("%+v: %+v, %v", c.asked, begun, err)
		}
	}
	if begun := begin(triggers.Asking{On: petra, Key: "k1"}); begun.Run != first.Run {
		t.Errorf("the first, after others were refused: %+v", begun)
	}
}

// Runs on one thing wait for each other; those on others do not.
func TestRunsOnOneThingAreInOrder(t *testing.T) {
	d, m := manualDesk(t)
	book := d.book(strings.Replace(signOut, "steps:\n", "steps:\n  - wait: 1h\n", 1))
	status := func(on string) engine.Run {
		t.Helper()
		start, err := m.Start(t.Context(), triggers.Asking{Book: book, On: on, Mode: engine.ModeLive})
		if err != nil {
			t.Fatal(err)
		}
		begun, err := d.engine.Start(t.Context(), start)
		if err != nil {
			t.Fatal(err)
		}
		run, err := d.engine.Run(t.Context(), begun.Run)
		if err != nil {
			t.Fatal(err)
		}
		return run
	}
	first, second := status("user:petra.novak@contoso.example"), status("user:petra.novak@contoso.example")
	other := status("user:jonas.weber@contoso.example")
	if first.Subject != "user/petra.novak@contoso.example" || first.Status == "queued" || second.Status != "queued" || other.Status == "queued" {
		t.Errorf("first %s of %s, second %s, another's %s", first.Status, first.Subject, second.Status, other.Status)
	}
}

// An alert brings its own evidence, and its incident; the run is about that.
func TestAWishOnAnAlert(t *testing.T) {
	d, m := manualDesk(t)
	start, err := m.Start(t.Context(), triggers.Asking{Book: d.book(alertBook), On: "alert:dl53f12236-e5ec-43b3-9d9e-1bae9f3ff8bf", Mode: engine.ModeLive})
	if err != nil {
		t.Fatal(err)
	}
	var alert incident.Alert
	var evidence incident.Evidence
	if err := errors.Join(json.Unmarshal(start.Event.Alert, &alert), json.Unmarshal(start.Event.Evidence, &evidence)); err != nil {
		t.Fatal(err)
	}
	if alert.ID != "dl53f12236-e5ec-43b3-9d9e-1bae9f3ff8bf" || len(evidence.Files) != 1 || start.Event.Trigger != "manual" {
		t.Errorf("%+v of %d files", alert, len(evidence.Files))
	}
	begun, err := d.engine.Start(t.Context(), start)
	if err != nil {
		t.Fatal(err)
	}
	if run, err := d.engine.Run(t.Context(), begun.Run); err != nil || run.Subject != "defender/40211" {
		t.Errorf("it is about %s (%v)", run.Subject, err)
	}
}

// A wish that is wrong says in which part, before anything is asked of the tenant.
func TestAWrongWishSaysWhatIsWrong(t *testing.T) {
	d, _ := manualDesk(t)
	nobody := triggers.Manual{Tenant: triggers.Lookup{User: func(context.Context, string) (incident.User, error) {
		t.Error("the tenant was asked")
		return incident.User{}, errors.New("asked")
	}}}
	book, called := d.book(signOut), d.book("playbook: called\ntitle: Called\nstatus: stable\nsteps:\n  - stop: Seen.\n")
	for _, c := range []struct {
		asked     triggers.Asking
		field, in string
	}{
		{triggers.Asking{Book: book, On: "petra"}, "on", `"petra" does not say what to start on`},
		{triggers.Asking{Book: book, On: ""}, "on", "does not say what to start on"},
		{triggers.Asking{Book: book, On: "user: "}, "on", "names nothing: give user:UPN or user:ID"},
		{triggers.Asking{Book: book, On: "none:x"}, "on", "write it without a name"},
		{triggers.Asking{Book: book, On: "user:a\x00b@x"}, "on", "control character"},
		{triggers.Asking{Book: book, On: "user:" + strings.Repeat("a", 5000)}, "on", "5000 bytes; the most is 4096"},
		{triggers.Asking{Book: book, On: "file:https://x/y"}, "on", "out is started on one user, and file:https://x/y is another kind of thing: give user:UPN or user:ID"},
		{triggers.Asking{Book: called, On: "user:a@x"}, "on", "nobody starts called by hand: it has no on.manual"},
		{triggers.Asking{Book: book, On: "user:a@x", Params: map[string]string{"tims": "2"}}, "params", "did you mean"},
		{triggers.Asking{Book: book, On: "user:a@x", Params: map[string]string{"times": "two"}}, "params", "param times"},
		{triggers.Asking{Book: book, On: "user:a@x", Key: "two words"}, "key", "128 characters"},
		{triggers.Asking{Book: book, On: "user:a@x", Key: strings.Repeat("k", 129)}, "key", "128 characters"},
	} {
		_, err := nobody.Start(t.Context(), c.asked)
		wrong, is := errors.AsType[*triggers.AskError](err)
		if !is || wrong.Field != c.field || !strings.Contains(wrong.Message, c.in) {
			t.Errorf("%.60q: %v; want %s: %s", c.asked.On, err, c.field, c.in)
		}
	}
}

// What the tenant has not is no fault of the form.
func TestWhatIsNotThereIsSaid(t *testing.T) {
	d, m := manualDesk(t)
	_, err := m.Start(t.Context(), triggers.Asking{Book: d.book(signOut), On: "user:nobody@contoso.example"})
	if _, wrong := errors.AsType[*triggers.AskError](err); err == nil || wrong || !strings.Contains(err.Error(), "there is no such user as nobody@contoso.example") {
		t.Errorf("%v", err)
	}
	_, err = m.Start(t.Context(), triggers.Asking{Book: d.book(signOut), On: "user:nobody"})
	if wrong, is := errors.AsType[*triggers.AskError](err); !is || wrong.Field != "on" {
		t.Errorf("%v", err)
	}
}
