package users_test

import (
	"encoding/json"
	"strings"
	"testing"

	"stanch/actions"
	"stanch/actions/shelftest"
	"stanch/actions/users"
	"stanch/connectors/practice"
)

const (
	sam   = "sam.ortiz@contoso.example"
	guest = "kim.abercrombie_fabrikam.example#EXT#@contoso.example"
)

func shelf(c shelftest.Clients) []any { return []any{users.Shelf{Graph: c.Graph}} }

func open(t *testing.T) *shelftest.Desk {
	x := shelftest.Start(t, practice.Options{})
	return x.Open(shelf(x.Full)...)
}

func objectID(x *shelftest.Tenant, upn string) string {
	var body struct{ ID string }
	if err := json.Unmarshal(x.Call("GET", "/v1.0/users/"+upn, ""), &body); err != nil {
		panic(err)
	}
	return body.ID
}

func TestRevokeSessions(t *testing.T) {
	shelftest.Case{
		Action: "users.revoke_sessions", Shelves: shelf, Method: "POST", Path: "/v1.0/users/*/revokeSignInSessions", Always: true,
		Params: func(*shelftest.Tenant) any { return map[string]any{"user": sam} },
	}.Check(t)
}

func TestAUserIsFoundByRecordUPNOrID(t *testing.T) {
	d := open(t)
	id := objectID(d.Tenant, sam)
	for name, ref := range map[string]any{
		"UPN":          "Sam.Ortiz@Contoso.example",
		"object id":    id,
		"our id":       "entra:" + id,
		"record UPN":   map[string]any{"id": sam, "upn": sam},
		"record entra": map[string]any{"id": "sid:S-1-5", "entra_id": id, "upn": "old.name@contoso.example"},
		"record id":    map[string]any{"id": "entra:" + id},
	} {
		r := d.Plan("users.revoke_sessions", map[string]any{"user": ref})
		if r.Err != nil || len(r.Effects) != 1 {
			t.Errorf("%s: %v", name, r.Err)
			continue
		}
		e := r.Effects[0].Target.Entities[0]
		if e.Kind != "user" || e.ID != id || !strings.Contains(strings.Join(e.Aliases, " "), sam) {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

func TestRevokeSessionsRefuses(t *testing.T) {
	d := open(t)
	for _, c := range []struct {
		user       any
		code, want string
	}{
		{"", "invalid", "names no user"},
		{"sam", "invalid", "names no user"},
		{map[string]any{"id": `account:contoso\sam`}, "invalid", "names no user"},
		{"nobody@contoso.example", "not_found", ""},
		{objectID(d.Tenant, strings.ReplaceAll(guest, "#", "%23")), "invalid", "is a guest"},
	} {
		r := d.Do("users.revoke_sessions", map[string]any{"user": c.user})
		if shelftest.Code(r.Err) != c.code || !strings.Contains(r.Err.Error(), c.want) {
			t.Errorf("%v: %v; want %s: %s", c.user, r.Err, c.code, c.want)
		}
	}
}

func TestStateOfAUserIsStable(t *testing.T) {
	d := open(t)
	params := map[string]any{"user": sam}
	first := d.State("users.revoke_sessions", params)
	if d.State("users.revoke_sessions", params) != first {
		t.Error("two reads differ though nothing changed")
	}
	d.Must("users.revoke_sessions", params)
	if d.State("users.revoke_sessions", params) == first {
		t.Error("the revocation is not to be seen")
	}
}

func TestRevokeSessionsIsDescribed(t *testing.T) {
	d := open(t)
	a, _ := d.Catalog.Lookup("users.revoke_sessions")
	if name, kind, _ := a.EntityParam(); name != "user" || kind != "user" || a.Class != actions.Writes || a.NoUndo == "" || a.Repeat != actions.RepeatSame {
		t.Errorf("%+v", a)
	}
}
