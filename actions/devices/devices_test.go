package devices_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"stanch/actions"
	"stanch/actions/devices"
	"stanch/actions/shelftest"
	"stanch/connectors/practice"
)

const sam = "wks-sortiz.contoso.example"

func shelf(c shelftest.Clients) []any { return []any{devices.Shelf{Defender: c.Defender}} }

func open(t *testing.T) *shelftest.Desk {
	x := shelftest.Start(t, practice.Options{})
	return x.Open(shelf(x.Full)...)
}

type machine struct {
	ID          string
	AadDeviceID string
}

func lookup(x *shelftest.Tenant, name string) machine {
	var m machine
	if err := json.Unmarshal(x.Call("GET", "/api/machines/"+name, ""), &m); err != nil {
		panic(err)
	}
	return m
}

// act does a machine action as somebody else would, and waits for its end.
func act(x *shelftest.Tenant, verb, body string) {
	x.Call("POST", "/api/machines/"+lookup(x, sam).ID+"/"+verb, body)
	x.Advance(time.Minute)
}

func TestIsolate(t *testing.T) {
	for _, kind := range []string{"full", "selective"} {
		t.Run(kind, func(t *testing.T) {
			shelftest.Case{
				Action: "devices.isolate", Shelves: shelf, Method: "POST", Path: "/api/machines/*/isolate",
				Params: func(*shelftest.Tenant) any { return map[string]any{"device": sam, "type": kind} },
			}.Check(t)
		})
	}
}

func TestRelease(t *testing.T) {
	for _, kind := range []string{"Full", "Selective"} {
		t.Run(kind, func(t *testing.T) {
			shelftest.Case{
				Action: "devices.release", Shelves: shelf, Method: "POST", Path: "/api/machines/*/unisolate", Begun: 1,
				Params: func(x *shelftest.Tenant) any {
					if len(x.Changes()) == 0 {
						act(x, "isolate", `{"Comment":"before","IsolationType":"`+kind+`"}`)
					}
					return map[string]any{"device": sam}
				},
			}.Check(t)
		})
	}
}

func TestIsolateEndsWhenTheMachineActionHas(t *testing.T) {
	d := open(t)
	r := d.Must("devices.isolate", map[string]any{"device": sam, "comment": "Mass download"})
	if r.Looks < 2 {
		t.Errorf("looked %d times at work that takes 30 s, first after 2 s", r.Looks)
	}
	inverses, back := d.Undo(r)
	if !inverses[0].Widens || inverses[0].Effect.Action != "devices.release" || back.Effects[0].Status != actions.Done {
		t.Errorf("inverse: %+v", inverses[0])
	}
}

func TestADeviceIsFoundByRecordIDOrName(t *testing.T) {
	d := open(t)
	m := lookup(d.Tenant, sam)
	for name, ref := range map[string]any{
		"id":           m.ID,
		"upper id":     strings.ToUpper(m.ID),
		"name":         "WKS-sortiz.Contoso.example",
		"our name":     "name:" + sam,
		"Entra":        "entra:" + m.AadDeviceID,
		"record":       map[string]any{"id": m.ID, "name": sam},
		"record Entra": map[string]any{"id": "entra:" + m.AadDeviceID, "entra_id": m.AadDeviceID},
		"record name":  map[string]any{"id": "name:" + sam},
	} {
		r := d.Plan("devices.isolate", map[string]any{"device": ref})
		if r.Err != nil || len(r.Effects) != 1 {
			t.Errorf("%s: %v", name, r.Err)
			continue
		}
		e := r.Effects[0].Target.Entities
		if len(e) != 1 || e[0].Kind != "device" || e[0].ID != m.ID || e[0].Name != sam || !strings.Contains(strings.Join(e[0].Aliases, " "), "wks-sortiz") {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

func TestIsolateRefuses(t *testing.T) {
	d := open(t)
	for _, c := range []struct {
		device     any
		kind       string
		code, want string
	}{
		{"", "full", "invalid", "no device is named"},
		{sam, "half", "invalid", `type is "half"`},
		{"no-such-device", "full", "not_found", "knows no device"},
		{strings.Repeat("a", 40), "full", "not_found", ""},
		{"entra:x", "full", "invalid", "no Entra device id"},
		{"byod-tablet.contoso.example", "full", "invalid", "not onboarded"},
	} {
		r := d.Do("devices.isolate", map[string]any{"device": c.device, "type": c.kind})
		if shelftest.Code(r.Err) != c.code || !strings.Contains(r.Err.Error(), c.want) {
			t.Errorf("%v: %v; want %s: %s", c.device, r.Err, c.code, c.want)
		}
	}
}

func TestWhatIsUnderWayIsAConflict(t *testing.T) {
	d := open(t)
	r := d.Plan("devices.isolate", map[string]any{"device": sam})
	d.Tenant.Call("POST", "/api/machines/"+lookup(d.Tenant, sam).ID+"/isolate", `{"Comment":"portal","IsolationType":"Full"}`)
	if planned := d.Plan("devices.isolate", map[string]any{"device": sam}); shelftest.Code(planned.Err) != "conflict" || !strings.Contains(planned.Err.Error(), "Isolate by practice-full") {
		t.Errorf("plan: %v; want conflict", planned.Err)
	}
	if r = d.Perform(r); shelftest.Code(r.Err) != "conflict" || r.Statuses() != string(actions.NotDone) {
		t.Errorf("%v, statuses %q; want conflict, not done", r.Err, r.Statuses())
	}
}

func TestAMachineActionThatIsCancelledHasFailed(t *testing.T) {
	d := open(t)
	r := d.Plan("devices.isolate", map[string]any{"device": sam})
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
	e.Handle = out.Handle
	if found, err := r.Action.Check(t.Context(), call, e); err != nil || found.Answer != actions.Pending || found.Again == 0 {
		t.Errorf("%+v, %v; want pending", found, err)
	}
	d.Tenant.Call("POST", "/api/machineactions/"+h.Action+"/cancel", `{"Comment":"no"}`)
	if found, err := r.Action.Check(t.Context(), call, e); err != nil || found.Answer != actions.Failed || !strings.Contains(found.Why, "Cancelled") {
		t.Errorf("%+v, %v; want failed", found, err)
	}
}

func TestUndoLeavesADeviceAloneThatSomebodyReleased(t *testing.T) {
	d := open(t)
	r := d.Must("devices.isolate", map[string]any{"device": sam})
	act(d.Tenant, "unisolate", `{"Comment":"portal"}`)
	if inverses, _ := d.Undo(r); !inverses[0].Changed || !strings.Contains(inverses[0].Why, "none now") {
		t.Errorf("inverse: %+v; want changed", inverses[0])
	}
}

func TestUndoOfAStrongerIsolationGivesBackTheWeaker(t *testing.T) {
	d := open(t)
	act(d.Tenant, "isolate", `{"Comment":"portal","IsolationType":"Selective"}`)
	before := d.Tenant.State()
	r := d.Must("devices.isolate", map[string]any{"device": sam})
	inverses, _ := d.Undo(r)
	if !inverses[0].Widens || inverses[0].Effect.Action != "devices.isolate" || d.Tenant.State() != before {
		t.Errorf("inverse: %+v", inverses[0])
	}
}

func TestStateOfADeviceTellsItsIsolation(t *testing.T) {
	d := open(t)
	params := map[string]any{"device": sam}
	first := d.State("devices.isolate", params)
	d.Tenant.Advance(time.Hour)
	if d.State("devices.release", params) != first {
		t.Error("two reads differ though nothing changed")
	}
	d.Must("devices.isolate", params)
	if now := d.State("devices.isolate", params); !strings.Contains(now, `"isolation":"full"`) {
		t.Errorf("state: %s", now)
	}
}
