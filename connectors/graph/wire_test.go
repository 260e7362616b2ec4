package graph_test

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"stanch/connectors"
	"stanch/connectors/graph"
)

const tenantID = "7c3f1c52-3d0e-4a53-9a55-0d3a5f0f6a11"

// scripted is a client of a server that answers what the test says: for what
// the practice tenant does not send.
func scripted(t *testing.T, answer http.HandlerFunc) *graph.Client {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		base := "https://" + r.Host + "/" + tenantID
		switch {
		case strings.HasSuffix(r.URL.Path, "/openid-configuration"):
			_, _ = io.WriteString(w, `{"issuer":"`+base+`/v2.0","authorization_endpoint":"`+base+`/oauth2/v2.0/authorize","token_endpoint":"`+base+`/oauth2/v2.0/token"}`)
		case strings.HasSuffix(r.URL.Path, "/token"):
			_, _ = io.WriteString(w, `{"token_type":"Bearer","expires_in":3600,"access_token":"the-token"}`)
		default:
			answer(w, r)
			_, _ = io.Copy(io.Discard, r.Body)
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	cloud := connectors.PracticeCloud(s.URL, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	cred, err := connectors.NewCredential(cloud, connectors.Auth{Kind: connectors.ClientSecret, Tenant: tenantID, Client: "app", Secret: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	c, err := graph.New(cloud, cred, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// recorded is a client of a server that takes every request with 204, and
// tells it.
func recorded(t *testing.T, tell func(*http.Request, []byte)) *graph.Client {
	t.Helper()
	return scripted(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		tell(r, body)
		w.WriteHeader(http.StatusNoContent)
	})
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestPermissionsInEveryFormOfTheWire(t *testing.T) {
	var got []graph.Permission
	err := json.Unmarshal([]byte(`[
		{"id":"1","roles":["write"],"grantedTo":{"user":{"id":"u1","displayName":"John"}},"inheritedFrom":{"id":"p1"},"expirationDateTime":"0001-01-01T00:00:00Z"},
		{"id":"2","roles":["read"],"grantedTo":{"user":{"displayName":"old"}},"grantedToV2":{"user":{"id":"u2","displayName":"New","email":"n@x.example"},"siteUser":{"id":"7","loginName":"i:0#.f|membership|n_x.example#ext#@contoso.example"}}},
		{"id":"3","roles":["read"],"grantedToV2":{"siteGroup":{"id":"5","displayName":"Finance Visitors","loginName":"Finance Visitors"}}},
		{"id":"4","roles":["read"],"link":{"type":"view","scope":"users","webUrl":"https://x/s","preventsDownload":true},"grantedToIdentities":[{"user":{"id":"u4"}}],"grantedToIdentitiesV2":[{"user":{"id":"u4","email":"a@x"}},{"group":{"id":"g"}}],"hasPassword":true},
		{"id":"5","roles":[],"link":null,"grantedToV2":null,"invitation":{"email":"b@y.example","signInRequired":true},"hasPassword":null,"expirationDateTime":"2027-01-02T03:04:05Z"},
		{"id":"6","roles":["read"],"grantedToV2":{"sharePointGroup":{"id":"9","title":"Members"}},"futureField":{}}
	]`), &got)
	if err != nil || len(got) != 6 {
		t.Fatal(err)
	}
	if p := got[0]; !p.Inherited || p.InheritedFrom != "p1" || p.GrantedTo.Name != "John" || !p.ExpiresAt.IsZero() {
		t.Errorf("1: %+v", p)
	}
	if to := got[1].GrantedTo; to.ID != "u2" || to.Kind != "user" || to.Email != "n@x.example" || !to.External() {
		t.Errorf("2: %+v", to)
	}
	if to := got[2].GrantedTo; to.Kind != "siteGroup" || to.Name != "Finance Visitors" || to.External() {
		t.Errorf("3: %+v", to)
	}
	if p := got[3]; len(p.GrantedToIdentities) != 2 || p.GrantedToIdentities[1].Kind != "group" || !p.HasPassword || !p.Link.PreventsDownload || p.GrantedTo != nil {
		t.Errorf("4: %+v", p)
	}
	if p := got[4]; p.Link != nil || p.GrantedTo != nil || p.Invitation.Email != "b@y.example" || p.ExpiresAt != time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC) {
		t.Errorf("5: %+v", p)
	}
	if to := got[5].GrantedTo; to.Kind != "sharePointGroup" || to.Name != "Members" {
		t.Errorf("6: %+v", to)
	}
}

func TestLabelsOfAFileWrappedOrNot(t *testing.T) {
	for body, want := range map[string]int{
		`{"labels":[{"sensitivityLabelId":"l1","assignmentMethod":"standard","tenantId":"t"}]}`:          1,
		`{"value":{"labels":[{"sensitivityLabelId":"l1"},{"sensitivityLabelId":"l2","tenantId":"t2"}]}}`: 2,
		`{"labels":[]}`: 0, `{"value":{"labels":null}}`: 0, `{"labels":null}`: 0,
	} {
		got, err := scripted(t, says(200, body)).ExtractLabel(t.Context(), "d", "i")
		if err != nil || got == nil || len(got) != want {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
}

// Of the ways in which a file is locked only one ends by itself.
func TestLockedFiles(t *testing.T) {
	for code, want := range map[string]connectors.Code{
		"fileDoubleKeyEncrypted": connectors.Failed, "fileDecryptionNotSupported": connectors.Failed,
		"fileDecryptionDeferred": connectors.Locked, "resourceLocked": connectors.Locked,
	} {
		for _, body := range []string{`{"error":{"code":"` + code + `","message":"m"}}`, `{"error":{"code":"notAllowed","message":"m","innerError":{"code":"` + code + `"}}}`} {
			c := scripted(t, says(423, body))
			_, err := c.ExtractLabel(t.Context(), "d", "i")
			wantCode(t, err, want, code)
			_, err = c.AssignLabel(t.Context(), effect(), "d", "i", graph.LabelAssignment{LabelID: "l"})
			if e := wantCode(t, err, want, code); e.Unsure() {
				t.Error("unsure about a refusal")
			}
		}
	}
}

// Where accepted work is asked for is the service's word: it gets no token and
// must lie in the cloud's SharePoint.
func TestTheMonitorGetsNoTokenAndLiesInSharePoint(t *testing.T) {
	evil := 0
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { evil++ }))
	t.Cleanup(elsewhere.Close)
	for _, location := range []string{elsewhere.URL + "/m?tempAuth=zzz", "https://contoso.sharepoint.com.evil.example/m?tempAuth=zzz", "//127.0.0.1/m", "%zz", "/m", "http://127.0.0.1/m"} {
		c := scripted(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", location)
			w.WriteHeader(http.StatusAccepted)
		})
		at, err := c.AssignLabel(t.Context(), effect(), "d", "i", graph.LabelAssignment{LabelID: "l"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.PollLabel(t.Context(), at)
		if e := wantCode(t, err, connectors.Refused, "not the SharePoint of this cloud"); strings.Contains(e.Error(), "zzz") {
			t.Errorf("the token is shown: %v", e)
		}
	}
	if evil != 0 {
		t.Errorf("%d requests elsewhere", evil)
	}
	polls := 0
	c := scripted(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.Header().Set("Location", "https://"+r.Host+"/_api/m?tempAuth=zzz")
			w.WriteHeader(http.StatusAccepted)
			return
		}
		if polls++; r.Header.Get("Authorization") != "" || r.URL.Query().Get("tempAuth") != "zzz" {
			t.Errorf("Authorization %q, query %s", r.Header.Get("Authorization"), r.URL.RawQuery)
		}
		if polls == 1 {
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.WriteString(w, `{"operation":"x","percentageComplete":27.8,"status":"inProgress"}`)
			return
		}
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"error":{"code":"accessDenied","message":"tempAuth=zzz has expired"}}`)
	})
	at, err := c.AssignLabel(t.Context(), effect(), "d", "i", graph.LabelAssignment{LabelID: "l"})
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.PollLabel(t.Context(), at)
	if err != nil || w.Ended() || w.Percent != 27.8 {
		t.Errorf("%+v, %v", w, err)
	}
	_, err = c.PollLabel(t.Context(), at)
	if e := wantCode(t, err, connectors.Forbidden); strings.Contains(e.Error(), "zzz") {
		t.Errorf("the token is shown: %v", e)
	}
	_, err = c.PollLabel(t.Context(), connectors.Location{})
	wantCode(t, err, connectors.Refused)
}

// 109: an answer about something else is a failure, and after a change unsure.
func TestBad109AnswersAboutSomethingElse(t *testing.T) {
	c := scripted(t, says(200, `{"id":"other","userPrincipalName":"other@x","parentReference":{"driveId":"d"}}`))
	ctx := t.Context()
	_, err := c.Incident(ctx, "7")
	wantCode(t, err, connectors.Failed, `about "other"; asked was "7"`)
	_, err = c.Item(ctx, "d", "i")
	wantCode(t, err, connectors.Failed, "asked was")
	_, err = c.User(ctx, "dana@x")
	wantCode(t, err, connectors.Failed, "asked was")
	status := "resolved"
	_, err = c.UpdateIncident(ctx, effect(), "7", graph.IncidentPatch{Status: &status})
	if e := wantCode(t, err, connectors.Failed); !e.Unsure() {
		t.Error("sure")
	}
	_, err = scripted(t, says(200, `{"name":"x"}`)).Item(ctx, "d", "i")
	wantCode(t, err, connectors.Failed, "no drive item")
}

func TestCommentsInOldAndNewNames(t *testing.T) {
	c := scripted(t, says(200, `{"value":[{"comment":"a","createdByDisplayName":"x","createdDateTime":"2026-11-23T01:02:03.1234567Z"},{"comment":"b","createdBy":"y","createdTime":"2026-11-23T01:02:03Z"}]}`))
	got, err := c.CommentIncident(t.Context(), effect(), "7", "b")
	if err != nil || len(got) != 2 || got[0].By != "x" || got[1].By != "y" || got[1].At.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
}

// 086: of several recipients each is judged alone.
func TestBad086InvitationsThatFailInPart(t *testing.T) {
	both := []graph.Recipient{{Email: "a@x"}, {Email: "b@x"}}
	c := scripted(t, says(207, `{"value":[{"id":"1","roles":["read"]},{"error":{"code":"accessDenied","message":"Sharing with b is not allowed."}}]}`))
	given, err := c.Invite(t.Context(), effect(), "d", "i", graph.Grant{Recipients: both, Roles: []string{"read"}})
	if e := wantCode(t, err, connectors.Failed, "Sharing with b is not allowed"); !e.Unsure() || len(given) != 1 || given[0].ID != "1" {
		t.Errorf("%+v, unsure %v", given, e.Unsure())
	}
	c = scripted(t, says(200, `{"value":[{"error":{"code":"accessDenied","message":"No."}}]}`))
	_, err = c.Invite(t.Context(), effect(), "d", "i", graph.Grant{Recipients: both[:1], Roles: []string{"read"}})
	if e := wantCode(t, err, connectors.Failed); e.Unsure() {
		t.Error("unsure about the one recipient who was refused")
	}
}

func TestNamesOfFilesAreEscapedOnce(t *testing.T) {
	var paths []string
	c := scripted(t, func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.URL.EscapedPath())
		switch {
		case strings.Contains(r.URL.Path, "/shares/"):
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"error":{"code":"itemNotFound"}}`)
		case strings.HasSuffix(r.URL.Path, "/drives"):
			_, _ = io.WriteString(w, `{"value":[{"id":"d0","webUrl":"https://contoso.sharepoint.com/sites/HR/Shared"},{"id":"d1","webUrl":"https://contoso.sharepoint.com/sites/HR/Shared%20Documents"},{"id":"d2","webUrl":"https://evil.example/sites/HR/Shared%20Documents/50%25%20%23"}]}`)
		case strings.Contains(r.URL.Path, "/root:/"):
			_, _ = io.WriteString(w, `{"id":"i","parentReference":{"driveId":"d1"}}`)
		default:
			_, _ = io.WriteString(w, `{"id":"contoso.sharepoint.com,s,w"}`)
		}
	})
	d, err := c.ResolveFile(t.Context(), graph.FileRef{URL: "https://contoso.sharepoint.com/sites/HR/shared%20documents/50%25%20%23/Gehälter.xlsx"})
	if err != nil || d.ID != "i" {
		t.Fatalf("%+v, %v, %q", d, err, paths)
	}
	want := []string{"/v1.0/sites/contoso.sharepoint.com:/sites/HR", "/v1.0/sites/contoso.sharepoint.com%2Cs%2Cw/drives", "/v1.0/drives/d1/root:/50%25%20%23/Geh%C3%A4lter.xlsx"}
	if strings.Join(paths[1:], " ") != strings.Join(want, " ") {
		t.Errorf("asked %q\nwant %q", paths[1:], want)
	}
}

func TestTheIncidentListGoesOnBehindWhatCannotBeRead(t *testing.T) {
	c := scripted(t, says(200, `{"value":[{"displayName":"no id"},{"id":"7","lastUpdateDateTime":7},{"id":"1","lastUpdateDateTime":"2026-11-23T01:02:03.1234567Z"}]}`))
	for page, err := range c.Incidents(t.Context(), graph.IncidentQuery{}) {
		if err != nil || len(page.Faulty) != 2 || len(page.Incidents) != 1 || page.Incidents[0].ID != "1" || page.More {
			t.Fatalf("the page is %+v (%v)", page, err)
		}
		wantCode(t, page.Faulty[0].Err, connectors.Failed, "it has no id")
		wantCode(t, page.Faulty[1].Err, connectors.Failed, "cannot be read")
		if page.Faulty[0].ID != "" || page.Faulty[1].ID != "7" {
			t.Errorf("they are called %q and %q", page.Faulty[0].ID, page.Faulty[1].ID)
		}
	}
}

// The requests of Microsoft's pages, as they stand there.
func TestDocumentedRequestsAreSent(t *testing.T) {
	sent := make(chan string, 1)
	c := scripted(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent <- r.Method + " " + r.URL.Path + " " + string(body)
		switch {
		case r.Method == http.MethodDelete:
			w.WriteHeader(http.StatusNoContent)
		case strings.HasSuffix(r.URL.Path, "/assignSensitivityLabel"):
			w.WriteHeader(http.StatusAccepted)
		default:
			_, _ = io.WriteString(w, `{"id":"i","name":"Retention label for Contracts","retentionSettings":{"isRecordLocked":true},"value":[]}`)
		}
	})
	for name, x := range map[string]struct {
		send func() error
		want string
	}{
		// graph_driveItem_retentionLabel_set_request.json
		"set retention label": {func() error {
			_, err := c.SetRetentionLabel(t.Context(), effect(), "d", "i", "Retention label for Contracts", false)
			return err
		}, `PATCH /v1.0/drives/d/items/i/retentionLabel {"name":"Retention label for Contracts"}`},
		// graph_driveItem_retentionLabel_lock_request.json
		"lock record": {func() error {
			_, err := c.LockRecord(t.Context(), effect(), "d", "i", true)
			return err
		}, `PATCH /v1.0/drives/d/items/i/retentionLabel {"retentionSettings":{"isRecordLocked":true}}`},
		// learn.microsoft.com/graph/api/driveitem-move
		"move": {func() error {
			_, err := c.MoveItem(t.Context(), effect(), "d", "i", "", "new-parent-folder-id", "new-item-name.txt")
			return err
		}, `PATCH /v1.0/drives/d/items/i {"name":"new-item-name.txt","parentReference":{"id":"new-parent-folder-id"}}`},
		// learn.microsoft.com/graph/api/driveitem-assignsensitivitylabel: an empty id takes it off
		"remove sensitivity label": {func() error {
			_, err := c.AssignLabel(t.Context(), effect(), "d", "i", graph.LabelAssignment{Method: "privileged", Justification: "test_justification"})
			return err
		}, `POST /v1.0/drives/d/items/i/assignSensitivityLabel {"assignmentMethod":"privileged","justificationText":"test_justification","sensitivityLabelId":""}`},
		// learn.microsoft.com/graph/api/driveitem-removeretentionlabel
		"remove retention label": {func() error {
			return c.RemoveRetentionLabel(t.Context(), effect(), "d", "i", false)
		}, `DELETE /v1.0/drives/d/items/i/retentionLabel `},
		// learn.microsoft.com/graph/api/driveitem-search
		"search": {func() error {
			return c.Search(t.Context(), "d", "Contoso Project", nil)
		}, `GET /v1.0/drives/d/root/search(q='Contoso Project') `},
	} {
		if err := x.send(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := <-sent; got != x.want {
			t.Errorf("%s: sent %s, want %s", name, got, x.want)
		}
	}
}

func TestALabelThatIsNotPaidForSaysWhatToDo(t *testing.T) {
	c := scripted(t, says(402, `{"error":{"code":"paymentRequired","message":"The app is not bound to a subscription."}}`))
	_, err := c.AssignLabel(t.Context(), effect(), "d", "i", graph.LabelAssignment{LabelID: "l"})
	if e := wantCode(t, err, connectors.Failed, "metered API"); e.Unsure() {
		t.Errorf("%v; want an error that is sure", e)
	}
}
