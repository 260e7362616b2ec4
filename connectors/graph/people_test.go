package graph_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"

	"stanch/connectors"
	"stanch/connectors/practice"
)

const ivan = "ivan.petrov@contoso.example"

func TestRiskIsReadAndJudged(t *testing.T) {
	s := start(t, practice.FullApp(), practice.Options{})
	ctx := t.Context()
	u, err := s.User(ctx, ivan)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.UserRisk(ctx, u.ID)
	if err != nil || r.State != "atRisk" || r.Level != "medium" || r.UpdatedAt.IsZero() {
		t.Errorf("%+v, %v", r, err)
	}
	if err := s.ConfirmCompromised(ctx, effect(), u.ID); err != nil {
		t.Fatal(err)
	}
	if r, err = s.UserRisk(ctx, u.ID); err != nil || r.State != "confirmedCompromised" || r.Level != "high" {
		t.Errorf("%+v, %v", r, err)
	}
	if err := s.DismissRisk(ctx, effect(), u.ID); err != nil {
		t.Fatal(err)
	}
	if r, err = s.UserRisk(ctx, u.ID); err != nil || r.State != "dismissed" {
		t.Errorf("%+v, %v", r, err)
	}
	wantCode(t, s.ConfirmCompromised(ctx, effect(), ivan), connectors.Invalid, "is no object id")
	_, err = s.UserRisk(ctx, "00000000-0000-0000-0000-000000000001")
	wantCode(t, err, connectors.NotFound)
	if n := len(s.Tenant.Changes()); n != 2 {
		t.Errorf("%d changes", n)
	}
}

func TestARequestToConfirmIsThatOfThePage(t *testing.T) {
	raw, err := os.ReadFile("testdata/riskyUser-confirmCompromised.json")
	if err != nil {
		t.Fatal(err)
	}
	var page struct {
		UserIDs []string `json:"userIds"`
	}
	if err := json.Unmarshal(raw, &page); err != nil {
		t.Fatal(err)
	}
	var method, path string
	var got []string
	c := recorded(t, func(r *http.Request, body []byte) {
		method, path = r.Method, r.URL.Path
		var in map[string][]string
		if err := json.Unmarshal(body, &in); err != nil || len(in) != 1 {
			t.Errorf("%s: %v", body, err)
		}
		got = append(got, in["userIds"]...)
	})
	for _, id := range page.UserIDs {
		if err := c.ConfirmCompromised(t.Context(), effect(), id); err != nil {
			t.Fatal(err)
		}
	}
	if method != "POST" || path != "/v1.0/identityProtection/riskyUsers/confirmCompromised" || !reflect.DeepEqual(got, page.UserIDs) {
		t.Errorf("%s %s %v; want %s", method, path, got, raw)
	}
}

func TestForbiddenPeopleAreExplained(t *testing.T) {
	s := start(t, practice.ReaderApp(), practice.Options{})
	u, err := s.User(t.Context(), ivan)
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, s.ConfirmCompromised(t.Context(), effect(), u.ID), connectors.Forbidden, "IdentityRiskyUser.ReadWrite.All", "Microsoft Entra ID P2")
	e := wantCode(t, s.SetAccountEnabled(t.Context(), effect(), u.ID, false), connectors.Forbidden, "User.EnableDisableAccount.All", "administrator's role")
	if e.Unsure() {
		t.Error("unsure")
	}
}

func TestGroupsOfAUserInEveryFormOfTheWire(t *testing.T) {
	pages := func(bodies ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			n := 0
			_, _ = fmt.Sscan(r.URL.Query().Get("page"), &n)
			if r.Header.Get("ConsistencyLevel") != "eventual" {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			body := bodies[n]
			if n+1 < len(bodies) {
				body = strings.Replace(body, "{", fmt.Sprintf(`{"@odata.nextLink":"https://%s/v1.0/users/u/transitiveMemberOf/microsoft.graph.group?page=%d",`, r.Host, n+1), 1)
			}
			_, _ = io.WriteString(w, body)
		}
	}
	const a, b = `{"value":[{"id":"1","displayName":"A","mail":null,"securityEnabled":true,"groupTypes":[]}]}`,
		`{"value":[{"@odata.type":"#microsoft.graph.group","id":"2","displayName":"B","mail":"b@x","securityEnabled":null,"groupTypes":["Unified"]}]}`
	c := scripted(t, pages(a, b))
	found, err := c.GroupsOf(t.Context(), "u", 2)
	if err != nil || len(found) != 2 || !found[0].Security || found[0].Microsoft365() || !found[1].Microsoft365() || found[1].Mail != "b@x" || found[1].Name != "B" {
		t.Errorf("%+v, %v", found, err)
	}
	_, err = c.GroupsOf(t.Context(), "u", 1)
	wantCode(t, err, connectors.Limit, "more than 1 groups")
	for want, x := range map[string]struct {
		body string
		code connectors.Code
	}{
		"but not their names": {`{"value":[{"id":"1","displayName":null}]}`, connectors.Forbidden},
		"has no id":           {`{"value":[{"displayName":"A"}]}`, connectors.Failed},
		"is no group":         {`{"value":[{"id":7}]}`, connectors.Failed},
		"is no list":          {`{"id":"x"}`, connectors.Failed},
		"another shape":       {`[]`, connectors.Failed},
	} {
		_, err := scripted(t, pages(x.body)).GroupsOf(t.Context(), "u", 10)
		wantCode(t, err, x.code, want)
	}
	_, err = scripted(t, pages(`{"@odata.nextLink":"https://evil.example/v1.0/x","value":[]}`)).GroupsOf(t.Context(), "u", 10)
	wantCode(t, err, connectors.Refused, "elsewhere")
	_, err = c.GroupsOf(t.Context(), "../me", 10)
	wantCode(t, err, connectors.Invalid)
}

func TestBad109ARiskOfSomebodyElse(t *testing.T) {
	const asked = "00000000-0000-0000-0000-000000000001"
	_, err := scripted(t, says(200, `{"id":"00000000-0000-0000-0000-000000000002","riskState":"none"}`)).UserRisk(t.Context(), asked)
	wantCode(t, err, connectors.Failed, "asked was")
	_, err = scripted(t, says(200, `{"id":"`+asked+`","riskState":7}`)).UserRisk(t.Context(), asked)
	wantCode(t, err, connectors.Failed, "another shape")
}
