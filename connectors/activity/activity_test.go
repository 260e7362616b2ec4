package activity_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"stanch/connectors"
	"stanch/connectors/activity"
	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
)

// day is the tenant's clock, three days after the incidents of the company.
func day() time.Time { return time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC) }

// tenant is a practice tenant with what was asked of its feed.
type tenant struct {
	*practicetest.Server
	t     *testing.T
	cloud connectors.Cloud
	mu    sync.Mutex
	asked []string // method and request URI
}

func start(t *testing.T, o practice.Options) *tenant {
	t.Helper()
	x := &tenant{t: t}
	o.TokenLife = 24 * time.Hour
	o.Now = day
	o.Observe = func(e practice.Exchange) {
		if strings.Contains(e.Request.URL.Path, "/activity/feed/") {
			x.mu.Lock()
			defer x.mu.Unlock()
			x.asked = append(x.asked, e.Request.Method+" "+e.Request.URL.RequestURI())
			if e.Faulty || e.Status >= 300 {
				return
			}
			for _, err := range []error{practicetest.CheckRequest(e), practicetest.CheckResponse(e)} {
				if err != nil {
					t.Error(err)
				}
			}
		}
	}
	x.Server = practicetest.Start(t, o)
	x.cloud = connectors.PracticeCloud(x.URL, x.CAPEM)
	return x
}

func (x *tenant) client(app practice.App) *activity.Client {
	x.t.Helper()
	cred, err := connectors.NewCredential(x.cloud, connectors.Auth{
		Kind: connectors.ClientSecret, Tenant: practice.ContosoDomain, Client: app.ID, Secret: connectors.Secret(app.Secret),
	})
	if err != nil {
		x.t.Fatal(err)
	}
	c, err := activity.New(x.cloud, cred, nil)
	if err != nil {
		x.t.Fatal(err)
	}
	return c
}

func (x *tenant) calls() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	out := x.asked
	x.asked = nil
	return out
}

func (x *tenant) control(path, body string) {
	x.t.Helper()
	res, err := http.Post(x.PlainURL+"/practice/"+path, "application/json", strings.NewReader(body))
	if err != nil {
		x.t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode > 299 {
		x.t.Fatalf("%s: %s", path, res.Status)
	}
}

func change(id string) connectors.Change { return connectors.Change{ID: id} }

func code(err error) connectors.Code {
	if e, is := errors.AsType[*connectors.Error](err); is {
		return e.Code
	}
	return ""
}

const feed = "/api/v1.0/" + practice.ContosoTenantID + "/activity/feed/"

// [office-365-management-activity-api-reference.md]
func TestSubscriptionsAreAskedForAsDocumented(t *testing.T) {
	x := start(t, practice.Options{})
	c := x.client(practice.FullApp())
	const me = "PublisherIdentifier=" + practice.ContosoTenantID
	for _, step := range []struct {
		do   func() error
		want string
	}{
		{func() error { _, err := c.Subscriptions(t.Context()); return err }, "GET " + feed + "subscriptions/list?" + me},
		{func() error { return c.Stop(t.Context(), change("e1"), activity.DLP) }, "POST " + feed + "subscriptions/stop?contentType=DLP.All&" + me},
		{func() error { _, err := c.Start(t.Context(), change("e2"), activity.DLP); return err }, "POST " + feed + "subscriptions/start?contentType=DLP.All&" + me},
		{func() error { _, err := c.SensitiveTypes(t.Context()); return err }, "GET " + feed + "resources/dlpSensitiveTypes?" + me},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.want, err)
		}
		if got := x.calls(); len(got) != 1 || got[0] != step.want {
			t.Errorf("asked %q, want %q", got, step.want)
		}
	}
	// Starting what runs is no error, and the tenant is not changed by it.
	if s, err := c.Start(t.Context(), change("e3"), activity.DLP); err != nil || !s.Enabled || s.Type != activity.DLP {
		t.Errorf("%+v, %v", s, err)
	}
	if n := len(x.Tenant.Changes()); n != 2 {
		t.Errorf("%d changes, want 2", n)
	}
	if got, err := c.Subscriptions(t.Context()); err != nil || len(got) != 1 || got[0] != (activity.Subscription{Type: activity.DLP, Enabled: true}) {
		t.Errorf("%+v, %v", got, err)
	}
	names, err := c.SensitiveTypes(t.Context())
	if err != nil || names["50842eb7-edc8-4019-85dd-5a5c1f2bb085"] != "CreditCardNumber" {
		t.Errorf("%v, %v", names, err)
	}
}

func TestEventsOfTheCompany(t *testing.T) {
	x := start(t, practice.Options{})
	c := x.client(practice.FullApp())
	got, err := c.DLP(t.Context(), day().Add(-4*24*time.Hour), day())
	if err != nil || got.Unreadable != 0 {
		t.Fatalf("%d unreadable, %v", got.Unreadable, err)
	}
	files := map[string]activity.Record{}
	for n, r := range got.Records {
		if r.Operation != activity.RuleMatch || len(r.Policies) != 1 || len(r.Policies[0].Rules) != 1 || r.User == "" || r.At.IsZero() {
			t.Errorf("%+v", r)
		}
		if n > 0 && r.At.Before(got.Records[n-1].At) {
			t.Error("not by time")
		}
		if r.File != nil {
			files[r.File.URL] = r
		}
	}
	r, is := files["https://contoso.sharepoint.com/sites/payroll/Shared Documents/2026/Payroll November 2026.xlsx"]
	if !is || len(got.Records) < 60 {
		t.Fatalf("%d records, without that of the payroll file", len(got.Records))
	}
	rule := r.Policies[0].Rules[0]
	if r.User != "petra.novak@contoso.example" || r.Policies[0].Name != "Payroll data shared outside" || rule.Severity != "High" || len(rule.Types) == 0 ||
		rule.Types[0].Count == nil || *rule.Types[0].Count < 1 || rule.Types[0].Confidence == nil || rule.Types[0].Unique == nil || rule.Types[0].Name == "" ||
		r.Incident != "53f12236-e5ec-43b3-9d9e-1bae9f3ff8bf" || r.File.UniqueID == "" || r.File.Site != "https://contoso.sharepoint.com/sites/payroll" || r.File.External == nil || !*r.File.External {
		t.Errorf("%+v %+v", r, r.File)
	}
}

// Seven windows of a day at most, pages to their end, each content read once
// however often it is asked for.
func TestWindowsPagesAndWhatIsKept(t *testing.T) {
	x := start(t, practice.Options{})
	for n := range 30 {
		at := day().Add(-30*time.Hour + time.Duration(n)*10*time.Minute).Format(time.RFC3339)
		x.control("incidents", `{"displayName":"n","createdDateTime":"`+at+`","lastUpdateDateTime":"`+at+`","alerts":[{"serviceSource":"dataLossPrevention","title":"DLP policy (P) matched for document (a.docx) in SharePoint",
			"firstActivityDateTime":"`+at+`","lastActivityDateTime":"`+at+`","evidence":[{"@odata.type":"#microsoft.graph.security.fileEvidence","fileDetails":{"fileName":"a`+strconv.Itoa(n)+`.docx","filePath":"https://contoso.sharepoint.com/sites/sales/Shared Documents"}},
			{"@odata.type":"#microsoft.graph.security.userEvidence","userAccount":{"userPrincipalName":"sam.ortiz@contoso.example"}}]}]}`)
	}
	c := x.client(practice.FullApp())
	got, err := c.DLP(t.Context(), day().Add(-36*time.Hour), day())
	if err != nil || len(got.Records) != 30 {
		t.Fatalf("%d records, want 30: %v", len(got.Records), err)
	}
	var lists, pages, blobs int
	for _, call := range x.calls() {
		u := call[strings.IndexByte(call, ' ')+1:]
		switch {
		case !strings.Contains(u, "PublisherIdentifier="+practice.ContosoTenantID):
			t.Errorf("%s has no PublisherIdentifier", u)
		case strings.Contains(u, "nextPage="):
			pages++
		case strings.Contains(u, "/subscriptions/content?"):
			lists++
		case strings.Contains(u, "/audit/"):
			blobs++
		}
	}
	if lists != 2 || pages != 1 || blobs != 30 {
		t.Errorf("%d lists, %d further pages, %d contents; want 2, 1 and 30", lists, pages, blobs)
	}
	if _, err := c.DLP(t.Context(), day().Add(-36*time.Hour), day()); err != nil {
		t.Fatal(err)
	}
	if n := len(x.calls()); n != 3 {
		t.Errorf("%d calls the second time, want those of the lists, 3", n)
	}
	contents, err := c.Contents(t.Context(), activity.DLP, activity.Available(day()), day())
	if n := len(x.calls()); err != nil || len(contents) < 40 || n < 7 {
		t.Errorf("%d contents by %d calls, %v", len(contents), n, err)
	}
	for _, x := range contents {
		if x.Expires.Sub(x.Created) != 7*24*time.Hour {
			t.Errorf("%+v", x)
		}
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	x := start(t, practice.Options{})
	reader := x.client(practice.ReaderApp())
	_, err := reader.Subscriptions(t.Context())
	if code(err) != connectors.Forbidden || !strings.Contains(err.Error(), "needs the application permission ActivityFeed.Read") || !strings.Contains(err.Error(), "Office 365 Management APIs") {
		t.Error(err)
	}
	c := x.client(practice.FullApp())
	if err := c.Stop(t.Context(), change("e1"), activity.DLP); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DLP(t.Context(), day().Add(-time.Hour), day()); code(err) != connectors.NotFound || !strings.Contains(err.Error(), "start the subscription") {
		t.Error(err)
	}
	if err := c.Stop(t.Context(), change("e2"), activity.DLP); code(err) != connectors.NotFound {
		t.Error(err)
	}
	if _, err := c.Start(t.Context(), change("e3"), "Audit.Everything"); code(err) != connectors.Invalid || !strings.Contains(err.Error(), "AF20020") {
		t.Error(err)
	}
	// What happened while nobody was subscribed is not served.
	if _, err := c.Start(t.Context(), change("e4"), activity.DLP); err != nil {
		t.Fatal(err)
	}
	if got, err := c.DLP(t.Context(), activity.Available(day()), day()); err != nil || len(got.Records) != 0 {
		t.Errorf("%d records, %v", len(got.Records), err)
	}
	for _, span := range [][2]time.Duration{{-8 * 24 * time.Hour, 0}, {0, -time.Hour}} {
		if _, err := c.DLP(t.Context(), day().Add(span[0]), day().Add(span[1])); code(err) != connectors.Invalid {
			t.Errorf("%v: %v", span, err)
		}
	}
}

func TestThrottledWhateverTheStatus(t *testing.T) {
	x := start(t, practice.Options{Throttle: 0.001})
	c := x.client(practice.FullApp())
	var err error
	for range 3 {
		_, err = c.Subscriptions(t.Context())
	}
	if e, is := errors.AsType[*connectors.Error](err); !is || e.Code != connectors.Throttled || e.Status != http.StatusForbidden || e.ServiceCode != "AF429" || e.Permission != "" {
		t.Errorf("%v; want AF429 with 403 to be throttled", err)
	}
	x.control("faults", `[{"path":"`+feed+`subscriptions/list","times":1,"status":500,"body":{"error":{"code":"AF50000","message":"An internal error occurred. Retry the request."}}},
		{"path":"`+feed+`subscriptions/list","status":429,"headers":{"Retry-After":"11"}}]`)
	if _, err = c.Subscriptions(t.Context()); code(err) != connectors.Unavailable {
		t.Error(err)
	}
	_, err = c.Subscriptions(t.Context())
	if e, is := errors.AsType[*connectors.Error](err); !is || e.Code != connectors.Throttled || e.Wait != 11*time.Second {
		t.Error(err)
	}
}

// The clouds of the page; China has none.
func TestEachCloudHasItsOwnAddress(t *testing.T) {
	for name, host := range map[string]string{
		"global": "manage.office.com", "gcc": "manage-gcc.office.com", "usgov": "manage.office365.us", "dod": "manage.protection.apps.mil", "china": "",
	} {
		cloud, err := connectors.CloudNamed(name)
		if err != nil {
			t.Fatal(err)
		}
		want := connectors.API{}
		if host != "" {
			want = connectors.API{Name: "activity", Base: "https://" + host + "/api/v1.0", Scope: "https://" + host + "/.default"}
		}
		if cloud.Activity != want {
			t.Errorf("%s: %+v, want %+v", name, cloud.Activity, want)
		}
	}
}

func TestNoRecordHoldsWhatItsPolicyMatched(t *testing.T) {
	x := start(t, practice.Options{})
	got, err := x.client(practice.FullApp()).DLP(t.Context(), day().Add(-4*24*time.Hour), day())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"4111 1111", "5018 0000", "SE45 5000", "078-05-1120", "19811228", "E-004711", "please keep it"} {
		if strings.Contains(string(raw), value) {
			t.Errorf("a record holds %q, which a policy matched", value)
		}
	}
}
