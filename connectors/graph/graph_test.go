package graph_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stanch/connectors"
	"stanch/connectors/graph"
	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
)

// tenant is a served practice tenant and a client with an app's rights. What
// goes over the wire is held against the description of Graph.
type tenant struct {
	*practicetest.Server
	*graph.Client
	last *lastBody
}

// lastBody is the body of the last request that the tenant answered.
type lastBody struct {
	sync.Mutex
	bytes []byte
}

func start(t *testing.T, app practice.App, o practice.Options) tenant {
	t.Helper()
	last := &lastBody{}
	o.Observe = func(x practice.Exchange) {
		last.Lock()
		last.bytes = x.RequestBody
		last.Unlock()
		if x.Faulty || x.Status >= 300 {
			return
		}
		for _, err := range []error{practicetest.CheckResponse(x), practicetest.CheckRequest(x)} {
			if err != nil {
				t.Errorf("%v\n%s", err, x.Body)
			}
		}
	}
	s := practicetest.Start(t, o)
	cloud := connectors.PracticeCloud(s.URL, s.CAPEM)
	cred, err := connectors.NewCredential(cloud, connectors.Auth{
		Kind: connectors.ClientSecret, Tenant: practice.ContosoTenantID, Client: app.ID, Secret: connectors.Secret(app.Secret),
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := graph.New(cloud, cred, nil)
	if err != nil {
		t.Fatal(err)
	}
	return tenant{s, c, last}
}

var effects struct {
	sync.Mutex
	n int
}

func effect() connectors.Change {
	effects.Lock()
	defer effects.Unlock()
	effects.n++
	return connectors.Change{ID: "effect-" + string(rune('a'+effects.n%26)) + "-" + time.Now().Format("150405.000000000"), SendBy: time.Now().Add(time.Minute)}
}

// fault sets faults of the tenant.
func (s tenant) fault(t *testing.T, faults string) {
	t.Helper()
	res, err := http.Post(s.PlainURL+"/practice/faults", "application/json", strings.NewReader(faults))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode >= 300 {
		t.Fatalf("faults: %s", res.Status)
	}
}

func wantCode(t *testing.T, err error, code connectors.Code, texts ...string) *connectors.Error {
	t.Helper()
	e, is := errors.AsType[*connectors.Error](err)
	if !is || e.Code != code {
		t.Fatalf("error %v; want one that is %s", err, code)
	}
	for _, text := range texts {
		if !strings.Contains(e.Error(), text) {
			t.Errorf("the error does not say %q: %v", text, e)
		}
	}
	return e
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// shared answers the file that the first incident names, with an anonymous
// link on it.
func (s tenant) shared(t *testing.T) graph.DriveItem {
	t.Helper()
	for page, err := range s.Incidents(t.Context(), graph.IncidentQuery{}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range page.Incidents {
			for _, url := range fileURLs(t, in.Raw) {
				d, err := s.ResolveFile(t.Context(), graph.FileRef{URL: url})
				if err != nil {
					t.Fatal(err)
				}
				if slices.ContainsFunc(must[[]graph.Permission](t)(s.Permissions(t.Context(), d.DriveID, d.ID)), anonymous) {
					return d
				}
			}
		}
	}
	t.Fatal("no incident names a file with an anonymous link")
	return graph.DriveItem{}
}

func anonymous(p graph.Permission) bool { return p.Link != nil && p.Link.Scope == "anonymous" }

func fileURLs(t *testing.T, raw []byte) []string {
	t.Helper()
	var in struct {
		Alerts []struct {
			Evidence []struct {
				Details struct {
					Name string `json:"fileName"`
					Path string `json:"filePath"`
				} `json:"fileDetails"`
			} `json:"evidence"`
		} `json:"alerts"`
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, a := range in.Alerts {
		for _, e := range a.Evidence {
			if strings.HasPrefix(e.Details.Path, "https://") {
				out = append(out, strings.TrimRight(e.Details.Path, "/")+"/"+e.Details.Name)
			}
		}
	}
	return out
}

func TestIncidentsAreListedReadAndWritten(t *testing.T) {
	s := start(t, practice.FullApp(), practice.Options{})
	ctx := t.Context()
	var all []graph.Incident
	for page, err := range s.Incidents(ctx, graph.IncidentQuery{Top: 1}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page.Incidents...)
	}
	if len(all) < 3 || all[0].LastUpdate.IsZero() || !bytes.Contains(all[0].Raw, []byte(`"alerts"`)) {
		t.Fatalf("%d incidents", len(all))
	}
	id := all[0].ID
	newest := all[0].LastUpdate
	for _, in := range all {
		if in.LastUpdate.After(newest) {
			newest, id = in.LastUpdate, in.ID
		}
	}
	for page, err := range s.Incidents(ctx, graph.IncidentQuery{Since: newest.Add(time.Second), Filter: "status eq 'active'"}) {
		if err != nil || len(page.Incidents) != 0 {
			t.Fatalf("after the newest: %v, %v", page, err)
		}
	}
	who, status, class, why := "dana.officer@contoso.example", "resolved", "truePositive", "confirmedActivity"
	in, err := s.UpdateIncident(ctx, effect(), id, graph.IncidentPatch{
		AssignedTo: &who, Status: &status, Classification: &class, Determination: &why, Tags: &[]string{"Stanch", "a'b"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range [][]byte{in.Raw, must[graph.Incident](t)(s.Incident(ctx, id)).Raw} {
		for _, text := range []string{`"dana.officer@contoso.example"`, `"resolved"`, `"truePositive"`, `"confirmedActivity"`, `"a'b"`} {
			if !bytes.Contains(raw, []byte(text)) {
				t.Errorf("%s is not in %s", text, raw)
			}
		}
	}
	nobody := ""
	in = must[graph.Incident](t)(s.UpdateIncident(ctx, effect(), id, graph.IncidentPatch{AssignedTo: &nobody}))
	var left struct {
		AssignedTo *string `json:"assignedTo"`
	}
	if err := json.Unmarshal(in.Raw, &left); err != nil || left.AssignedTo != nil {
		t.Errorf("still assigned: %s", in.Raw)
	}
	comments, err := s.CommentIncident(ctx, effect(), id, "Link removed.\n<b>")
	if err != nil || comments[len(comments)-1].Text != "Link removed.\n<b>" || comments[len(comments)-1].At.IsZero() {
		t.Errorf("comments %+v, %v", comments, err)
	}
	_, err = s.Incident(ctx, "999999")
	wantCode(t, err, connectors.NotFound, "graph: get incident 999999: 404")
	_, err = s.UpdateIncident(ctx, effect(), id, graph.IncidentPatch{})
	wantCode(t, err, connectors.Invalid, "no field")
	_, err = s.CommentIncident(ctx, effect(), "../../users", "x")
	wantCode(t, err, connectors.Invalid)
	_, err = s.UpdateIncident(ctx, connectors.Change{}, id, graph.IncidentPatch{Status: &status})
	wantCode(t, err, connectors.Invalid, "no effect id")
}

func TestAFileIsFoundHoweverItIsNamed(t *testing.T) {
	full, reader := start(t, practice.FullApp(), practice.Options{}), start(t, practice.ReaderApp(), practice.Options{})
	ctx := t.Context()
	d := full.shared(t)
	_, path, _ := strings.Cut(d.WebURL, d.SiteURL+"/")
	refs := map[string]graph.FileRef{
		"by ids":           {DriveID: d.DriveID, ItemID: d.ID},
		"by URL":           {URL: d.WebURL},
		"by site and path": {Site: d.SiteURL, Path: path},
		"by path as URL":   {Path: d.WebURL},
	}
	for name, ref := range refs {
		for _, s := range []tenant{full, reader} { // the reader may not ask /shares
			got, err := s.ResolveFile(ctx, ref)
			if err != nil || got.ID != d.ID || got.DriveID != d.DriveID || got.ETag == "" || got.ListItemUniqueID == "" || got.SiteID == "" || got.ParentPath == "" {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
		}
	}
	_, err := reader.ResolveFile(ctx, graph.FileRef{URL: d.WebURL + ".none"})
	wantCode(t, err, connectors.Forbidden, "Files.ReadWrite.All")
	_, err = full.ResolveFile(ctx, graph.FileRef{URL: d.WebURL + ".none"})
	wantCode(t, err, connectors.NotFound)
	_, err = full.ResolveFile(ctx, graph.FileRef{DriveID: d.DriveID, ItemID: "01NONE"})
	wantCode(t, err, connectors.NotFound, "graph: get item 01NONE")
	for _, ref := range []graph.FileRef{
		{},
		{Path: `C:\Users\x.docx`},
		{URL: "http://contoso.sharepoint.com/x"},
		{URL: "file:///etc/passwd"},
		{URL: "https://contoso.sharepoint.com/"},
		{DriveID: "..", ItemID: "x"},
		{DriveID: "d", ItemID: "root:"},
		{Site: "javascript:x", Path: "y"},
	} {
		_, err := full.ResolveFile(ctx, ref)
		wantCode(t, err, connectors.Invalid)
	}
}

func TestAccessIsListedTakenAndGiven(t *testing.T) {
	s := start(t, practice.FullApp(), practice.Options{})
	ctx := t.Context()
	d := s.shared(t)
	before := must[[]graph.Permission](t)(s.Permissions(ctx, d.DriveID, d.ID))
	at := slices.IndexFunc(before, anonymous)
	inherited := slices.IndexFunc(before, func(p graph.Permission) bool { return p.Inherited })
	if at < 0 || inherited < 0 || before[at].Link.WebURL == "" || len(before[at].Roles) == 0 {
		t.Fatalf("permissions %+v", before)
	}
	if p := before[inherited]; p.GrantedTo == nil || p.GrantedTo.Name == "" || p.GrantedTo.Kind == "" {
		t.Errorf("inherited %+v", p)
	}
	ch := effect()
	if err := s.DeletePermission(ctx, ch, d.DriveID, d.ID, before[at].ID); err != nil {
		t.Fatal(err)
	}
	changes := s.Tenant.Changes()
	if len(changes) != 1 || changes[0].RequestID != ch.ID {
		t.Errorf("the audit has %+v; want one change with id %s", changes, ch.ID)
	}
	wantCode(t, s.DeletePermission(ctx, effect(), d.DriveID, d.ID, before[at].ID), connectors.NotFound)
	if e := wantCode(t, s.DeletePermission(ctx, effect(), d.DriveID, d.ID, before[inherited].ID), connectors.Invalid); e.Unsure() {
		t.Error("unsure about a refusal")
	}
	link, created, err := s.CreateLink(ctx, effect(), d.DriveID, d.ID, graph.NewLink{Type: "view", Scope: "organization", KeepInherited: true, ExpiresAt: time.Now().Add(48 * time.Hour)})
	if err != nil || link.Link == nil || link.Link.Scope != "organization" || link.ExpiresAt.IsZero() {
		t.Errorf("link %+v, %v", link, err)
	}
	again, twice, err := s.CreateLink(ctx, effect(), d.DriveID, d.ID, graph.NewLink{Type: "view", Scope: "organization", KeepInherited: true, ExpiresAt: link.ExpiresAt})
	if err != nil || !created || twice || again.ID != link.ID {
		t.Errorf("created %v, then %v: %+v, %v", created, twice, again, err)
	}
	given, err := s.Invite(ctx, effect(), d.DriveID, d.ID, graph.Grant{
		Recipients: []graph.Recipient{{Email: "omar.officer@contoso.example"}}, Roles: []string{"read"}, SignIn: true, KeepInherited: true,
	})
	if err != nil || len(given) != 1 || given[0].GrantedTo == nil || !strings.EqualFold(given[0].GrantedTo.Email, "omar.officer@contoso.example") {
		t.Errorf("given %+v, %v", given, err)
	}
	_, err = s.Invite(ctx, effect(), d.DriveID, d.ID, graph.Grant{Roles: []string{"read"}})
	wantCode(t, err, connectors.Invalid)
	_, _, err = s.CreateLink(ctx, effect(), d.DriveID, d.ID, graph.NewLink{Type: "view", Scope: "everybody"})
	wantCode(t, err, connectors.Invalid, "everybody")
}

func TestLabelsAreAssignedAndReadBack(t *testing.T) {
	s := start(t, practice.FullApp(), practice.Options{LabelTime: time.Millisecond})
	ctx := t.Context()
	labels := must[[]graph.Label](t)(s.Labels(ctx))
	if len(labels) != 4 || labels[0].Name != "Public" || labels[3].Name != "Highly Confidential" || labels[3].Priority <= labels[2].Priority {
		t.Fatalf("labels %+v", labels)
	}
	top := must[graph.Label](t)(s.Label(ctx, "highly confidential"))
	if byID := must[graph.Label](t)(s.Label(ctx, top.ID)); byID != top || !top.Protected {
		t.Errorf("%+v and %+v", byID, top)
	}
	_, err := s.Label(ctx, "Secret")
	wantCode(t, err, connectors.NotFound, "no such label", "Public, General, Confidential, Highly Confidential")
	s.fault(t, `[{"path":"/v1.0/security/dataSecurityAndGovernance/**","status":500}]`)
	if _, err := s.Labels(ctx); err != nil {
		t.Errorf("the list is not taken from memory: %v", err)
	}
	d := s.shared(t)
	at, err := s.AssignLabel(ctx, effect(), d.DriveID, d.ID, graph.LabelAssignment{LabelID: top.ID, Justification: "dlp"})
	if err != nil || !at.Known() {
		t.Fatal(err)
	}
	var w graph.Work
	for !w.Ended() {
		if w, err = s.PollLabel(ctx, at); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.ExtractLabel(ctx, d.DriveID, d.ID)
	if err != nil || w.Failed() || len(got) != 1 || !strings.EqualFold(got[0].ID, top.ID) {
		t.Errorf("work %+v, labels %+v, %v", w, got, err)
	}
	if raw, _ := json.Marshal(map[string]any{"location": at}); bytes.Contains(raw, []byte("tempAuth")) {
		t.Errorf("the location can be stored: %s", raw)
	}
	_, err = s.AssignLabel(ctx, effect(), d.DriveID, d.ID, graph.LabelAssignment{LabelID: "none"})
	wantCode(t, err, connectors.Invalid)
}

func TestItemsAreDeletedIfTheyAreAsRead(t *testing.T) {
	s := start(t, practice.FullApp(), practice.Options{})
	ctx := t.Context()
	d := s.shared(t)
	if e := wantCode(t, s.DeleteItem(ctx, effect(), d.DriveID, d.ID, `"{OTHER},9"`), connectors.Conflict); e.Status != 412 || e.Unsure() {
		t.Errorf("%+v", e)
	}
	if err := s.DeleteItem(ctx, effect(), d.DriveID, d.ID, d.ETag); err != nil {
		t.Fatal(err)
	}
	wantCode(t, s.DeleteItem(ctx, effect(), d.DriveID, d.ID, d.ETag), connectors.NotFound)
	_, err := s.RestoreItem(ctx, effect(), d.DriveID, d.ID)
	if e, is := errors.AsType[*connectors.Error](err); !is || e.Unsure() {
		t.Errorf("restore outside personal OneDrive: %v", err)
	}
}

func TestUsersAreReadDisabledAndSignedOut(t *testing.T) {
	s := start(t, practice.FullApp(), practice.Options{})
	ctx := t.Context()
	u := must[graph.User](t)(s.User(ctx, "dana.officer@contoso.example"))
	if byID := must[graph.User](t)(s.User(ctx, u.ID)); byID.UPN != u.UPN || !u.Enabled || u.Name == "" || u.Department == "" {
		t.Errorf("%+v, %+v", u, byID)
	}
	boss, err := s.Manager(ctx, u.UPN)
	if err != nil || boss.ID == "" || boss.ID == u.ID {
		t.Errorf("manager %+v, %v", boss, err)
	}
	_, err = s.User(ctx, "nobody@contoso.example")
	wantCode(t, err, connectors.NotFound, "graph: get user nobody@contoso.example")
	leaves, err := s.LeaveDate(ctx, "tim.leaver@contoso.example")
	if err != nil || leaves.Format(time.DateOnly) != "2026-12-31" {
		t.Errorf("leaves %s, %v", leaves, err)
	}
	if leaves, err = s.LeaveDate(ctx, u.ID); err != nil || !leaves.IsZero() {
		t.Errorf("leaves %s, %v", leaves, err)
	}
	if err := s.RevokeSessions(ctx, effect(), u.ID); err != nil {
		t.Fatal(err)
	}
	if now := must[graph.User](t)(s.User(ctx, u.ID)); !now.SessionsValidFrom.After(u.SessionsValidFrom) {
		t.Errorf("sessions valid from %s, before %s", now.SessionsValidFrom, u.SessionsValidFrom)
	}
	for _, enabled := range []bool{false, true} {
		if err := s.SetAccountEnabled(ctx, effect(), u.ID, enabled); err != nil {
			t.Fatal(err)
		}
		if now := must[graph.User](t)(s.User(ctx, u.ID)); now.Enabled != enabled {
			t.Errorf("enabled %v; want %v", now.Enabled, enabled)
		}
	}
}

// Without the right every changing call names the one that is missing and is
// certain to have done nothing.
func TestForbiddenCallsNameThePermission(t *testing.T) {
	s, full := start(t, practice.ReaderApp(), practice.Options{}), start(t, practice.FullApp(), practice.Options{})
	ctx := t.Context()
	d := full.shared(t)
	status := "resolved"
	for permission, call := range map[string]func() error{
		"SecurityIncident.ReadWrite.All": func() error {
			_, err := s.UpdateIncident(ctx, effect(), "1001", graph.IncidentPatch{Status: &status})
			return err
		},
		"Files.ReadWrite.All":           func() error { return s.DeleteItem(ctx, effect(), d.DriveID, d.ID, "") },
		"User.RevokeSessions.All":       func() error { return s.RevokeSessions(ctx, effect(), "dana.officer@contoso.example") },
		"User.EnableDisableAccount.All": func() error { return s.SetAccountEnabled(ctx, effect(), "dana.officer@contoso.example", false) },
	} {
		e := wantCode(t, call(), connectors.Forbidden, "needs the application permission "+permission, "admin consent")
		if e.Permission != permission || e.Unsure() || e.RequestID == "" {
			t.Errorf("%+v", e)
		}
	}
	if changes := s.Tenant.Changes(); len(changes) != 0 {
		t.Errorf("changes %+v", changes)
	}
}

// 105: a cut says unsure whether the change was applied or not, and the change
// stands at most once.
func TestBad105CutChangesAreUnsureAndNeverRepeated(t *testing.T) {
	for cut, applied := range map[string]int{"before": 0, "after": 1, "middle": 1} {
		t.Run(cut, func(t *testing.T) {
			s := start(t, practice.FullApp(), practice.Options{})
			ctx := t.Context()
			s.fault(t, `[{"method":"POST","path":"/v1.0/security/incidents/*/comments","times":1,"cut":"`+cut+`"}]`)
			var id string
			for page, err := range s.Incidents(ctx, graph.IncidentQuery{Top: 1}) {
				if err != nil {
					t.Fatal(err)
				}
				id = page.Incidents[0].ID
				break
			}
			_, err := s.CommentIncident(ctx, effect(), id, "once")
			if e := wantCode(t, err, connectors.Unavailable, "may have happened"); !e.Unsure() {
				t.Error("sure")
			}
			if n := len(s.Tenant.Changes()); n != applied {
				t.Errorf("%d changes; want %d", n, applied)
			}
		})
	}
}

func TestGroupMembersAreUsers(t *testing.T) {
	s := start(t, practice.FullApp(), practice.Options{})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/v1.0/groups?$filter=displayName%20eq%20%27dlp-officers%27", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.Token(t, practice.FullApp(), practicetest.Graph))
	res, err := s.Server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var groups struct{ Value []struct{ ID string } }
	if err := json.NewDecoder(res.Body).Decode(&groups); err != nil || len(groups.Value) != 1 {
		t.Fatalf("groups %+v, %v", groups, err)
	}
	members := must[[]graph.User](t)(s.GroupMembers(t.Context(), groups.Value[0].ID))
	if len(members) != 2 || !strings.HasSuffix(members[0].UPN, ".officer@contoso.example") {
		t.Errorf("members %+v", members)
	}
	_, err = s.GroupMembers(t.Context(), "00000000-0000-0000-0000-000000000000")
	wantCode(t, err, connectors.NotFound)
}

func TestRetentionLabelsAreSetLockedAndRemoved(t *testing.T) {
	s := start(t, practice.FullApp(), practice.Options{})
	item := s.shared(t)
	ctx, g := t.Context(), s.Client
	if l, err := g.RetentionLabel(ctx, item.DriveID, item.ID); l != nil || err != nil {
		t.Fatalf("label: %+v, %v; want none", l, err)
	}
	_, err := g.RetentionLabel(ctx, item.DriveID, "01NOSUCHITEM")
	wantCode(t, err, connectors.NotFound)
	l := must[graph.RetentionLabel](t)(g.SetRetentionLabel(ctx, effect(), item.DriveID, item.ID, "Board record", false))
	if !l.Record() || l.Regulatory() || !l.Locked || l.DeleteAllowed || !l.Explicit || l.AppliedAt.IsZero() || l.AppliedBy.Kind != "user" {
		t.Errorf("label: %+v", l)
	}
	err = g.DeleteItem(ctx, effect(), item.DriveID, item.ID, "")
	wantCode(t, err, connectors.Locked, "Board record")
	if l := must[graph.RetentionLabel](t)(g.LockRecord(ctx, effect(), item.DriveID, item.ID, false)); l.Locked {
		t.Errorf("label: %+v; want unlocked", l)
	}
	must[graph.RetentionLabel](t)(g.LockRecord(ctx, effect(), item.DriveID, item.ID, true))
	if err := g.RemoveRetentionLabel(ctx, effect(), item.DriveID, item.ID, true); err != nil {
		t.Error(err)
	}
	wantCode(t, g.RemoveRetentionLabel(ctx, effect(), item.DriveID, item.ID, false), connectors.NotFound)
	_, err = g.SetRetentionLabel(ctx, effect(), item.DriveID, item.ID, "", false)
	wantCode(t, err, connectors.Invalid, "has no name")
	_, err = g.LockRecord(ctx, effect(), item.DriveID, item.ID, true)
	wantCode(t, err, connectors.Invalid, "not a record")
}

func TestItemsAreFoundAndMoved(t *testing.T) {
	s := start(t, practice.FullApp(), practice.Options{})
	item := s.shared(t)
	ctx, g := t.Context(), s.Client
	site := must[graph.DriveItem](t)(g.Item(ctx, item.DriveID, item.ID)).SiteURL
	libraries := must[[]graph.Library](t)(g.Libraries(ctx, site))
	if len(libraries) != 1 || libraries[0].ID != item.DriveID || libraries[0].WebURL == "" {
		t.Fatalf("libraries: %+v", libraries)
	}
	_, err := g.Libraries(ctx, "http://contoso.sharepoint.com/sites/payroll")
	wantCode(t, err, connectors.Invalid, "no https address")
	own := must[graph.Library](t)(g.OneDrive(ctx, "sam.ortiz@contoso.example"))
	if own.ID == item.DriveID || !strings.Contains(own.WebURL, "-my.") {
		t.Errorf("OneDrive: %+v", own)
	}
	var found []graph.DriveItem
	if err := g.Search(ctx, item.DriveID, item.Name, func(d graph.DriveItem) bool { found = append(found, d); return false }); err != nil || len(found) != 1 || found[0].DriveID != item.DriveID {
		t.Errorf("found %+v, %v", found, err)
	}
	wantCode(t, g.Search(ctx, item.DriveID, " ", nil), connectors.Invalid)
	wantCode(t, g.Search(ctx, item.DriveID, "a/b", nil), connectors.Invalid, "holds a slash")
	folder := must[graph.DriveItem](t)(g.ItemAt(ctx, item.DriveID, "/Quarantine/"))
	moved := must[graph.DriveItem](t)(g.MoveItem(ctx, effect(), item.DriveID, item.ID, item.ETag, folder.ID, "x.xlsx"))
	if moved.ParentID != folder.ID || moved.Name != "x.xlsx" {
		t.Errorf("moved: %+v", moved)
	}
	if child := must[graph.DriveItem](t)(g.Child(ctx, item.DriveID, folder.ID, "x.xlsx")); child.ID != item.ID {
		t.Errorf("child: %+v", child)
	}
	_, err = g.MoveItem(ctx, effect(), item.DriveID, item.ID, item.ETag, item.ParentID, item.Name)
	wantCode(t, err, connectors.Conflict)
	_, err = g.MoveItem(ctx, effect(), item.DriveID, item.ID, "", "", item.Name)
	wantCode(t, err, connectors.Invalid)
}
