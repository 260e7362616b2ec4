package devices_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"stanch/actions"
	"stanch/actions/shelftest"
	"stanch/connectors/practice"
)

func TestRestrictApps(t *testing.T) {
	shelftest.Case{
		Action: "devices.restrict_apps", Shelves: shelf, Method: "POST", Path: "/api/machines/*/restrictCodeExecution",
		Params: func(*shelftest.Tenant) any { return map[string]any{"device": sam} },
	}.Check(t)
}

func TestUnrestrictApps(t *testing.T) {
	shelftest.Case{
		Action: "devices.unrestrict_apps", Shelves: shelf, Method: "POST", Path: "/api/machines/*/unrestrictCodeExecution", Begun: 1,
		Params: func(x *shelftest.Tenant) any {
			if len(x.Changes()) == 0 {
				act(x, "restrictCodeExecution", `{"Comment":"before"}`)
			}
			return map[string]any{"device": sam}
		},
	}.Check(t)
}

func TestScan(t *testing.T) {
	for _, kind := range []string{"quick", "full"} {
		t.Run(kind, func(t *testing.T) {
			shelftest.Case{
				Action: "devices.scan", Shelves: shelf, Method: "POST", Path: "/api/machines/*/runAntiVirusScan", Always: true,
				Params: func(*shelftest.Tenant) any { return map[string]any{"device": sam, "type": kind} },
			}.Check(t)
		})
	}
}

func TestCollectPackage(t *testing.T) {
	shelftest.Case{
		Action: "devices.collect_package", Shelves: shelf, Method: "POST", Path: "/api/machines/*/collectInvestigationPackage", Always: true,
		Params: func(*shelftest.Tenant) any { return map[string]any{"device": sam} },
	}.Check(t)
}

func TestTag(t *testing.T) {
	shelftest.Case{
		Action: "devices.tag", Shelves: shelf, Method: "POST", Path: "/api/machines/*/tags",
		Params: func(*shelftest.Tenant) any {
			return map[string]any{"device": "srv-file-01.contoso.example", "add": []string{"dlp", "quarantine zone"}, "remove": []string{"server", "not-there"}}
		},
	}.Check(t)
}

// long is a tenant whose machine actions take hours, as a full scan does.
func long(t *testing.T) *shelftest.Desk {
	x := shelftest.Start(t, practice.Options{MachineActionTime: 5 * time.Hour})
	return x.Open(shelf(x.Full)...)
}

func TestAScanIsAwaitedForAsLongAsItTakes(t *testing.T) {
	d := long(t)
	r := d.Must("devices.scan", map[string]any{"device": sam, "type": "full"})
	out := shelftest.Into[struct {
		Type          string
		MachineAction string `json:"machine_action"`
	}](t, r.Output)
	var got struct{ Status, Scope, RequestorComment string }
	if err := json.Unmarshal(d.Tenant.Call("GET", "/api/machineactions/"+out.MachineAction, ""), &got); err != nil {
		t.Fatal(err)
	}
	if got.Status != "Succeeded" || got.Scope != "Full" || out.Type != "full" || !strings.HasPrefix(got.RequestorComment, "Scanned by Stanch, run r1 [stanch ") {
		t.Errorf("%+v, output %+v", got, out)
	}
}

func TestAnIsolationThatGoesOnTooLongIsAPersonsMatter(t *testing.T) {
	d := long(t)
	r := d.Do("devices.isolate", map[string]any{"device": sam})
	if r.Err == nil || !strings.Contains(r.Err.Error(), "unknown") || r.Statuses() != string(actions.Unknown) {
		t.Errorf("%v, %s; want unknown", r.Err, r.Statuses())
	}
}

// The same that somebody else has begun is a conflict, told before anything is
// sent, and where it was begun in between, by Defender's answer.
func TestWhatIsUnderWayIsNeverAskedForTwice(t *testing.T) {
	for action, verb := range map[string]string{
		"devices.restrict_apps": "restrictCodeExecution", "devices.scan": "runAntiVirusScan", "devices.collect_package": "collectInvestigationPackage",
	} {
		t.Run(action, func(t *testing.T) {
			d := open(t)
			r := d.Plan(action, map[string]any{"device": sam})
			body := `{"Comment":"portal"}`
			if verb == "runAntiVirusScan" {
				body = `{"Comment":"portal","ScanType":"Full"}`
			}
			d.Tenant.Call("POST", "/api/machines/"+lookup(d.Tenant, sam).ID+"/"+verb, body)
			planned := d.Plan(action, map[string]any{"device": sam})
			wait, told := shelftest.RetryAfter(planned.Err)
			if shelftest.Code(planned.Err) != "conflict" || !strings.Contains(planned.Err.Error(), "by practice-full (machine action ") || !told || wait <= 0 {
				t.Errorf("plan: %v; want conflict that says what is under way and when to come again", planned.Err)
			}
			if r = d.Perform(r); shelftest.Code(r.Err) != "conflict" || r.Statuses() != string(actions.NotDone) {
				t.Errorf("%v, statuses %q; want conflict, not done", r.Err, r.Statuses())
			}
			if n := len(d.Tenant.Changes()); n != 1 {
				t.Errorf("%d machine actions, want the one of the portal", n)
			}
			d.Tenant.Advance(time.Minute)
			d.Do(action, map[string]any{"device": sam}) // the way is free again
		})
	}
}

// end is what the device itself says of a machine action.
func end(t *testing.T, x *shelftest.Tenant, id, status string) {
	t.Helper()
	x.Control(http.MethodPatch, "machineactions/"+id, `{"status":"`+status+`"}`)
}

func TestAMachineActionThatFailsOnTheDeviceHasFailed(t *testing.T) {
	for _, status := range []string{"Failed", "TimeOut"} {
		d := open(t)
		r := d.Plan("devices.scan", map[string]any{"device": sam})
		e := r.Effects[0]
		call := actions.Call{Sending: actions.Sending{ID: e.ID}}
		out, err := r.Action.Do(t.Context(), call, e)
		if err != nil || !out.Pending {
			t.Fatal(out, err)
		}
		var h struct {
			Action string `json:"machine_action"`
		}
		if err := json.Unmarshal(out.Handle, &h); err != nil {
			t.Fatal(err)
		}
		end(t, d.Tenant, h.Action, status)
		for _, handle := range []json.RawMessage{out.Handle, nil} { // by its id, and by the mark of the comment
			e.Handle = handle
			if found, err := r.Action.Check(t.Context(), call, e); err != nil || found.Answer != actions.Failed || !strings.Contains(found.Why, status) {
				t.Errorf("%+v, %v; want failed: %s", found, err, status)
			}
		}
	}
}

func TestRestrictAppsOfADeviceThatCannotIsInvalid(t *testing.T) {
	company := practice.Contoso(0)
	company.Devices = append(company.Devices, practice.Device{Name: "mac-01.contoso.example", OS: "macOS", LastSeen: time.Now()})
	raw, err := json.Marshal(company)
	if err != nil {
		t.Fatal(err)
	}
	x := shelftest.Start(t, practice.Options{Company: raw})
	r := x.Open(shelf(x.Full)...).Do("devices.restrict_apps", map[string]any{"device": "mac-01.contoso.example"})
	if shelftest.Code(r.Err) != "invalid" || !strings.Contains(r.Err.Error(), "cannot do this on the operating system") {
		t.Errorf("%v", r.Err)
	}
}

func TestUndoLeavesADeviceAloneThatSomebodyLetGo(t *testing.T) {
	d := open(t)
	r := d.Must("devices.restrict_apps", map[string]any{"device": sam})
	act(d.Tenant, "unrestrictCodeExecution", `{"Comment":"portal"}`)
	if inverses, _ := d.Undo(r); !inverses[0].Changed || inverses[0].Effect != nil {
		t.Errorf("inverse: %+v; want changed", inverses[0])
	}
}

func TestTagsSayWhatBecameOfThem(t *testing.T) {
	d := open(t)
	const server = "srv-file-01.contoso.example"
	r := d.Must("devices.tag", map[string]any{"device": server, "add": []string{"dlp", "dlp", "server"}, "remove": []string{"gone"}})
	if string(r.Output) != `{"device":"`+lookup(d.Tenant, server).ID+`","name":"`+server+`","tags":["server","dlp"],"added":["dlp"],"removed":[]}` {
		t.Errorf("%s", r.Output)
	}
	d.Tenant.Break(shelftest.Fault{Method: "POST", Path: "/api/machines/*/tags", After: 1, Status: 403})
	r = d.Do("devices.tag", map[string]any{"device": server, "add": []string{"one", "two"}, "remove": []string{"server"}})
	out := shelftest.Into[struct{ Tags, Added, Removed []string }](t, r.Output)
	if strings.Join(out.Tags, " ") != "dlp" || len(out.Added) != 0 || strings.Join(out.Removed, " ") != "server" {
		t.Errorf("%v: %+v; want what was done before the refusal", r.Err, out)
	}
	d.Tenant.Break()
	d.Tenant.Call("POST", "/api/machines/"+lookup(d.Tenant, server).ID+"/tags", `{"Value":"server","Action":"Add"}`)
	if inverses, _ := d.Undo(shelftest.Run{Action: r.Action, Effects: r.Effects[:1]}); !inverses[0].Changed {
		t.Errorf("inverse: %+v; want changed", inverses[0])
	}
}

func TestRespondRefuses(t *testing.T) {
	d := open(t)
	many := make([]string, 21)
	for i := range many {
		many[i] = strings.Repeat("x", i+1)
	}
	for _, c := range []struct {
		action, code, want string
		params             map[string]any
	}{
		{"devices.scan", "invalid", `type is "deep"; expected quick or full`, map[string]any{"device": sam, "type": "deep"}},
		{"devices.scan", "invalid", "not onboarded", map[string]any{"device": "byod-tablet.contoso.example"}},
		{"devices.restrict_apps", "invalid", "not onboarded", map[string]any{"device": "byod-tablet.contoso.example"}},
		{"devices.collect_package", "invalid", "not onboarded", map[string]any{"device": "byod-tablet.contoso.example"}},
		{"devices.collect_package", "not_found", "knows no device", map[string]any{"device": "nobody"}},
		{"devices.unrestrict_apps", "invalid", "no device is named", map[string]any{"device": " "}},
		{"devices.tag", "invalid", "add and remove are empty", map[string]any{"device": sam}},
		{"devices.tag", "invalid", "add[1] is empty", map[string]any{"device": sam, "add": []string{"x", " "}}},
		{"devices.tag", "invalid", "remove[0] is", map[string]any{"device": sam, "remove": []string{"x\n"}}},
		{"devices.tag", "invalid", "add[0] has 201 bytes", map[string]any{"device": sam, "add": []string{strings.Repeat("x", 201)}}},
		{"devices.tag", "invalid", "in add and in remove", map[string]any{"device": sam, "add": []string{"x"}, "remove": []string{"x"}}},
		{"devices.tag", "invalid", "have 21 tags", map[string]any{"device": sam, "add": many}},
	} {
		r := d.Do(c.action, c.params)
		if shelftest.Code(r.Err) != c.code || !strings.Contains(r.Err.Error(), c.want) {
			t.Errorf("%s %v: %v; want %s: %s", c.action, c.params, r.Err, c.code, c.want)
		}
	}
	if n := len(d.Tenant.Changes()); n != 0 {
		t.Errorf("%d changes", n)
	}
}

func TestGetTellsHowADeviceStands(t *testing.T) {
	d := open(t)
	act(d.Tenant, "isolate", `{"Comment":"x","IsolationType":"Selective"}`)
	act(d.Tenant, "restrictCodeExecution", `{"Comment":"x"}`)
	m := lookup(d.Tenant, sam)
	d.Tenant.Call("POST", "/api/machines/"+m.ID+"/runAntiVirusScan", `{"Comment":"x","ScanType":"Quick"}`)
	d.Tenant.Call("POST", "/api/machines/"+m.ID+"/unisolate", `{"Comment":"x"}`)
	raw, err := d.Read("devices.get", map[string]any{"device": map[string]any{"id": "entra:" + m.AadDeviceID, "entra_id": m.AadDeviceID}})
	if err != nil {
		t.Fatal(err)
	}
	out := shelftest.Into[struct {
		ID, Name, OS, Health, Isolation string
		EntraID                         string `json:"entra_id"`
		Onboarded, Restricted           bool
		UnderWay                        []string  `json:"under_way"`
		LastSeen                        time.Time `json:"last_seen"`
		Tags                            []string
	}](t, raw)
	if out.ID != m.ID || out.Name != sam || out.EntraID != m.AadDeviceID || out.OS != "Windows11" || out.Health != "Active" || !out.Onboarded || out.Tags == nil || out.LastSeen.IsZero() {
		t.Errorf("%s", raw)
	}
	if out.Isolation != "selective" || !out.Restricted || len(out.UnderWay) != 2 || !strings.HasPrefix(out.UnderWay[0], "Unisolate by practice-full") {
		t.Errorf("%s", raw)
	}
	d.Tenant.Advance(time.Minute)
	if raw, err = d.Read("devices.get", map[string]any{"device": m.ID}); err != nil || !strings.Contains(string(raw), `"isolation":"none","restricted":true,"under_way":[]`) {
		t.Errorf("%s, %v", raw, err)
	}
	if raw, err = d.Read("devices.get", map[string]any{"device": "byod-tablet.contoso.example"}); err != nil || !strings.Contains(string(raw), `"onboarded":false`) {
		t.Errorf("%s, %v", raw, err)
	}
}
