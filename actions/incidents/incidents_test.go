package incidents_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"stanch/actions"
	"stanch/actions/incidents"
	"stanch/actions/shelftest"
	"stanch/connectors/practice"
)

func shelf(c shelftest.Clients) []any {
	return []any{incidents.Shelf{Activity: c.Activity, Graph: c.Graph, Sentinel: c.Sentinel}}
}

func open(t *testing.T) *shelftest.Desk {
	x := shelftest.Start(t, practice.Options{})
	return x.Open(shelf(x.Full)...)
}

// first is our id of one of the tenant's incidents.
func first(x *shelftest.Tenant) string {
	var body struct{ Value []struct{ ID string } }
	if err := json.Unmarshal(x.Call("GET", "/v1.0/security/incidents", ""), &body); err != nil || len(body.Value) == 0 {
		panic("the tenant has no incident")
	}
	return "defender/" + body.Value[0].ID
}

// patch changes the incident as somebody else would.
func patch(x *shelftest.Tenant, body string) {
	x.Call("PATCH", "/v1.0/security/incidents/"+strings.TrimPrefix(first(x), "defender/"), body)
}

func say(x *shelftest.Tenant, text string) {
	raw, err := json.Marshal(map[string]string{"comment": text})
	if err != nil {
		panic(err)
	}
	x.Call("POST", "/v1.0/security/incidents/"+strings.TrimPrefix(first(x), "defender/")+"/comments", string(raw))
}

func with(more map[string]any) func(*shelftest.Tenant) any {
	return func(x *shelftest.Tenant) any {
		p := map[string]any{"incident": first(x)}
		for k, v := range more {
			p[k] = v
		}
		return p
	}
}

// own is what an effect says it writes of the incident.
func own(e actions.Effect) string {
	var out []string
	for _, o := range e.Own {
		out = append(out, o.Incident+" "+o.Field+"="+string(o.Value))
	}
	return strings.Join(out, " ")
}

func TestWhatNamesNoIncidentIsRefused(t *testing.T) {
	d := open(t)
	for id, want := range map[string]string{
		"":                  "not an incident id",
		"123":               "not an incident id",
		"defender/":         "not an incident id",
		"jira/1":            "the source",
		"sentinel/w/1b2c":   "workspace w; configured is contoso-sentinel",
		"sentinel/w":        "not an incident id",
		"defender/../users": "no id",
	} {
		for _, action := range []string{"get", "comment"} {
			p := map[string]any{"incident": id}
			if action == "comment" {
				p["text"] = "x"
			}
			var err error
			if action == "get" {
				_, err = d.Read("incidents.get", p)
			} else {
				err = d.Do("incidents.comment", p).Err
			}
			if shelftest.Code(err) != "invalid" || !strings.Contains(err.Error(), want) {
				t.Errorf("%s %q: %v; want invalid: %s", action, id, err, want)
			}
		}
	}
}

func TestAnIncidentThatIsGoneIsNotFound(t *testing.T) {
	d := open(t)
	for name, p := range map[string]map[string]any{
		"incidents.update": {"status": "inProgress"}, "incidents.assign": {"to": "dana.officer@contoso.example"},
		"incidents.tag": {"add": []string{"x"}}, "incidents.comment": {"text": "x"}, "incidents.resolve": {"classification": "truePositive"},
	} {
		p["incident"] = "defender/424242"
		if r := d.Do(name, p); shelftest.Code(r.Err) != "not_found" {
			t.Errorf("%s: %v; want not_found", name, r.Err)
		}
	}
}

func TestAMergedIncidentIsNotWritten(t *testing.T) {
	d := open(t)
	body := `{"displayName":"merged","status":"redirected","redirectIncidentId":"77"}`
	id := "defender/" + d.Tenant.Inject(body)
	r := d.Do("incidents.comment", map[string]any{"incident": id, "text": "x"})
	if shelftest.Code(r.Err) != "invalid" || !strings.Contains(r.Err.Error(), "was merged into") || !strings.Contains(r.Err.Error(), "77") {
		t.Errorf("error: %v", r.Err)
	}
}

func TestTheShelfIsDescribed(t *testing.T) {
	d := open(t)
	for a := range d.Catalog.All() {
		if a.Example == "" || a.Source == "" || a.Throttle == "" || len(a.Permissions) == 0 || a.Class != actions.Reads && a.Settling == 0 {
			t.Errorf("%s lacks example, source, throttling class, permissions or settling time", a.Name)
		}
		if _, _, ok := a.EntityParam(); ok {
			t.Errorf("%s has an entity parameter; incidents are named by their id", a.Name)
		}
	}
}

func TestGetAnswersTheModel(t *testing.T) {
	d := open(t)
	id := first(d.Tenant)
	raw, err := d.Read("incidents.get", map[string]any{"incident": id})
	if err != nil {
		t.Fatal(err)
	}
	got := shelftest.Into[struct {
		ID, Status string
		Alerts     []any
		Evidence   struct{ Files, Users, Devices []any }
	}](t, raw)
	if got.ID != id || got.Status != "active" || len(got.Alerts) == 0 || len(got.Evidence.Users) == 0 {
		t.Errorf("%+v", got)
	}
}

func TestUpdate(t *testing.T) {
	shelftest.Case{
		Action: "incidents.update", Shelves: shelf, Method: "PATCH", Path: "/v1.0/security/incidents/*",
		Params: with(map[string]any{"status": "InProgress", "classification": "truePositive", "determination": "maliciousUserActivity"}),
	}.Check(t)
}

func TestUpdateWritesOnlyWhatDiffers(t *testing.T) {
	d := open(t)
	patch(d.Tenant, `{"status":"inProgress"}`)
	r := d.Must("incidents.update", with(map[string]any{"status": "inProgress", "classification": "truePositive"})(d.Tenant))
	id := first(d.Tenant)
	if len(r.Effects) != 1 || string(r.Effects[0].After) != `{"classification":"truePositive"}` || own(r.Effects[0]) != id+` classification="truePositive"` {
		t.Errorf("effects: %+v", r.Effects)
	}
	if out := shelftest.Into[struct{ Changed []string }](t, r.Output); !slices.Equal(out.Changed, []string{"classification"}) {
		t.Errorf("output: %s", r.Output)
	}
}

func TestUpdateRefuses(t *testing.T) {
	d := open(t)
	for _, c := range []struct {
		params map[string]any
		want   string
	}{
		{map[string]any{}, "nothing to change"},
		{map[string]any{"status": "closed"}, "expected one of active, inProgress, resolved"},
		{map[string]any{"status": "redirected"}, "expected one of"},
		{map[string]any{"determination": "compromisedUser"}, "compromisedAccount"},
		{map[string]any{"classification": "unknownFutureValue"}, "expected one of"},
		{map[string]any{"severity": "high"}, "Graph lets nobody write"},
		{map[string]any{"severity": "critical"}, "expected one of informational, low"},
		{map[string]any{"classification": "falsePositive", "determination": "incorrectAlertLogic"}, "a word of Sentinel"},
	} {
		r := d.Do("incidents.update", with(c.params)(d.Tenant))
		if shelftest.Code(r.Err) != "invalid" || !strings.Contains(r.Err.Error(), c.want) {
			t.Errorf("%v: %v; want invalid: %s", c.params, r.Err, c.want)
		}
	}
}

func TestUndoLeavesAloneWhatSomebodyWrote(t *testing.T) {
	d := open(t)
	r := d.Must("incidents.update", with(map[string]any{"status": "inProgress"})(d.Tenant))
	patch(d.Tenant, `{"status":"resolved"}`)
	inverses, _ := d.Undo(r)
	if !inverses[0].Changed || string(inverses[0].Present) != `{"status":"resolved"}` {
		t.Errorf("inverse: %+v; want changed", inverses[0])
	}
}

func TestOtherFieldsOfOthersDoNotHinderUndo(t *testing.T) {
	d := open(t)
	r := d.Must("incidents.update", with(map[string]any{"status": "inProgress"})(d.Tenant))
	patch(d.Tenant, `{"assignedTo":"omar.officer@contoso.example"}`)
	if inverses, _ := d.Undo(r); inverses[0].Effect == nil {
		t.Errorf("inverse: %+v", inverses[0])
	}
}

func TestAssign(t *testing.T) {
	shelftest.Case{
		Action: "incidents.assign", Shelves: shelf, Method: "PATCH", Path: "/v1.0/security/incidents/*",
		Params: with(map[string]any{"to": "dana.officer@contoso.example"}),
	}.Check(t)
}

func TestAssignTellsWhoWorkedOnItAndGivesItBack(t *testing.T) {
	d := open(t)
	patch(d.Tenant, `{"assignedTo":"omar.officer@contoso.example"}`)
	before := d.Tenant.State()
	r := d.Must("incidents.assign", with(map[string]any{"to": "dana.officer@contoso.example"})(d.Tenant))
	if !strings.Contains(string(r.Output), `"before":"omar.officer@contoso.example"`) {
		t.Errorf("output: %s", r.Output)
	}
	_, back := d.Undo(r)
	if d.Tenant.State() != before {
		t.Error("the state is another than before")
	}
	if got, want := own(back.Effects[0]), first(d.Tenant)+` assigned_to="omar.officer@contoso.example"`; got != want {
		t.Errorf("own %s, want %s", got, want)
	}
}

func TestAssignToNobodyIsRefused(t *testing.T) {
	d := open(t)
	if r := d.Do("incidents.assign", with(map[string]any{"to": " "})(d.Tenant)); shelftest.Code(r.Err) != "invalid" {
		t.Errorf("error: %v", r.Err)
	}
}
