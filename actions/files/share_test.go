package files_test

import (
	"strings"
	"testing"
	"time"

	"stanch/actions/shelftest"
)

func TestShareWithPeople(t *testing.T) {
	shelftest.Case{
		Action: "files.share", Shelves: shelf, Method: "POST", Path: "/v1.0/drives/*/items/*/invite",
		Params: func(x *shelftest.Tenant) any {
			return map[string]any{"file": id(x, drawing), "role": "read", "recipients": []string{"sam.ortiz@contoso.example", "kim.abercrombie@fabrikam.example"}}
		},
	}.Check(t)
}

func TestShareByLink(t *testing.T) {
	for _, link := range []string{"anonymous", "organization", "users"} {
		t.Run(link, func(t *testing.T) {
			shelftest.Case{
				Action: "files.share", Shelves: shelf, Method: "POST", Path: "/v1.0/drives/*/items/*/createLink",
				Params: func(x *shelftest.Tenant) any {
					p := map[string]any{"file": id(x, drawing), "role": "write", "link": link, "expires_at": x.Now().Add(72 * time.Hour).Truncate(time.Hour)}
					if link == "users" {
						p["recipients"] = []string{"kim.abercrombie@fabrikam.example"}
					}
					return p
				},
			}.Check(t)
		})
	}
}

func TestShareRefuses(t *testing.T) {
	d := open(t)
	for _, c := range []struct{ params, want string }{
		{`{"file":"x/y","role":"owner","recipients":["a@b.example"]}`, `role is "owner"`},
		{`{"file":"x/y","role":"read"}`, "recipients is empty"},
		{`{"file":"x/y","role":"read","link":"users"}`, "recipients is empty"},
		{`{"file":"x/y","role":"read","link":"world"}`, `link is "world"`},
		{`{"file":"x/y","role":"read","link":"anonymous","recipients":["a@b.example"]}`, "has no recipients"},
		{`{"file":"x/y","role":"read","recipients":["kim"]}`, `recipients[0] is "kim"`},
		{`{"file":"x/y","role":"read","recipients":["a@b.example"],"expires_at":"2020-01-01T00:00:00Z"}`, "has passed"},
		{`{"file":"x/y","role":"read","recipient":["a@b.example"]}`, `unknown field "recipient"`},
	} {
		r := d.Do("files.share", c.params)
		if shelftest.Code(r.Err) != "invalid" || !strings.Contains(r.Err.Error(), c.want) {
			t.Errorf("%s: %v; want %s", c.params, r.Err, c.want)
		}
	}
}

func TestShareThatRaisesARoleIsTakenBackToTheRoleBefore(t *testing.T) {
	d := open(t)
	before := d.Tenant.State()
	r := d.Must("files.share", map[string]any{"file": payroll, "role": "write", "recipients": []string{"kim.abercrombie@fabrikam.example"}})
	if len(r.Effects) != 1 || !strings.Contains(string(r.Effects[0].Before), `"read"`) {
		t.Fatalf("effects: %+v", r.Effects)
	}
	inverses, _ := d.Undo(r)
	if inverses[0].Widens {
		t.Error("lowering a role is said to widen access")
	}
	if d.Tenant.State() != before {
		t.Error("the state is another than before")
	}
}

func TestUndoOfShareLeavesAloneWhatSomebodyChanged(t *testing.T) {
	d := open(t)
	r := d.Must("files.share", map[string]any{"file": drawing, "role": "read", "recipients": []string{"kim.abercrombie@fabrikam.example"}})
	drive, item := target(d.Tenant, drawing)
	d.Tenant.Call("POST", "/v1.0/drives/"+drive+"/items/"+item+"/invite",
		`{"recipients":[{"email":"kim.abercrombie@fabrikam.example"}],"roles":["write"],"requireSignIn":true}`)
	if inverses, _ := d.Undo(r); !inverses[0].Changed {
		t.Errorf("inverse: %+v; want changed", inverses[0])
	}
}

func TestALinkThatSomebodyMadeMeanwhileIsAlreadySo(t *testing.T) {
	d := open(t)
	r := d.Plan("files.share", map[string]any{"file": drawing, "role": "read", "link": "organization"})
	drive, item := target(d.Tenant, drawing)
	d.Tenant.Call("POST", "/v1.0/drives/"+drive+"/items/"+item+"/createLink", `{"type":"view","scope":"organization"}`)
	r = d.Perform(r)
	if r.Err != nil || r.Statuses() != "already_so" || !strings.Contains(string(r.Output), `"given":[]`) {
		t.Errorf("%v, statuses %q, output %s", r.Err, r.Statuses(), r.Output)
	}
	if inverses, _ := d.Undo(r); len(inverses) != 0 {
		t.Errorf("undo takes away what somebody else gave: %+v", inverses)
	}
}
