package incidents_test

import (
	"strings"
	"testing"
	"time"

	"stanch/actions/shelftest"
	"stanch/connectors/practice"
)

// auditedDesk is one of a tenant whose clock stands three days after the
// incidents of the company.
func auditedDesk(t *testing.T) *shelftest.Desk { return deskAt(t, 23) }

func deskAt(t *testing.T, day int) *shelftest.Desk {
	t.Helper()
	x := shelftest.Start(t, practice.Options{Now: func() time.Time { return time.Date(2026, 11, day, 9, 0, 0, 0, time.UTC) }})
	return x.Open(shelf(x.Full)...)
}

type details struct {
	Complete bool
	Alerts   []struct {
		ID      string
		FoundBy string `json:"found_by"`
		Events  int
		Policy  struct{ ID, Name, Rule string }
		Rules   []struct {
			Policy, Name, Severity string
			Actions                []string
		}
		SensitiveTypes []struct {
			ID, Name    string
			Count       int64
			UniqueCount int64 `json:"unique_count"`
			Confidence  int64
		} `json:"sensitive_types"`
		Activities []struct {
			At                                            time.Time
			Operation, Workload, User, Object, IP, Device string
		}
		Overrides []struct {
			User, Reason, Justification string
			FalsePositive               bool `json:"false_positive"`
			Rules                       []string
		}
	}
}

func detailsOf(t *testing.T, d *shelftest.Desk, params any) details {
	t.Helper()
	raw, err := d.Read("incidents.dlp_details", params)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"4111 1111", "5018 0000", "SE45 5000", "078-05-1120", "19811228", "E-004711", "please keep it"} {
		if strings.Contains(string(raw), value) {
			t.Errorf("the output holds %q, which a policy matched", value)
		}
	}
	return shelftest.Into[details](t, raw)
}

const (
	payrollAlert = "dl53f12236-e5ec-43b3-9d9e-1bae9f3ff8bf"
	payrollFile  = "https://contoso.sharepoint.com/sites/payroll/Shared Documents/2026/Payroll November 2026.xlsx"
)

func TestDetailsTellWhatTheAlertDoesNot(t *testing.T) {
	d := auditedDesk(t)
	got := detailsOf(t, d, map[string]any{"incident": "defender/40211"})
	if !got.Complete || len(got.Alerts) != 1 {
		t.Fatalf("%+v", got)
	}
	a := got.Alerts[0]
	if a.ID != payrollAlert || a.FoundBy != "id" || a.Events != 1 || a.Policy.ID == "" || a.Policy.Name != "Payroll data shared outside" || a.Policy.Rule != "Payroll data shared outside: high volume" {
		t.Errorf("%+v", a)
	}
	if len(a.Rules) != 1 || a.Rules[0].Severity != "High" || strings.Join(a.Rules[0].Actions, "") != "GenerateAlert" || len(a.Overrides) != 0 {
		t.Errorf("%+v", a.Rules)
	}
	if len(a.SensitiveTypes) == 0 || a.SensitiveTypes[0].Count < 1 || a.SensitiveTypes[0].UniqueCount < 1 || a.SensitiveTypes[0].Confidence < 75 || a.SensitiveTypes[0].Name == "" {
		t.Errorf("%+v", a.SensitiveTypes)
	}
	if act := a.Activities[0]; act.Operation != "DlpRuleMatch" || act.User != "petra.novak@contoso.example" || act.Object != payrollFile || act.IP != "203.0.113.24" || act.At.Format(time.DateOnly) != "2026-11-20" {
		t.Errorf("%+v", act)
	}
	// One alert of several, by any of its ids; and the types of many files summed.
	all := detailsOf(t, d, map[string]any{"incident": "defender/40213"})
	if len(all.Alerts) < 2 {
		t.Fatalf("%d alerts", len(all.Alerts))
	}
	one := detailsOf(t, d, map[string]any{"incident": "defender/40213", "alert": strings.ToUpper(all.Alerts[1].ID[2:])})
	if len(one.Alerts) != 1 || one.Alerts[0].ID != all.Alerts[1].ID || one.Alerts[0].Events != all.Alerts[1].Events || one.Alerts[0].Events < 2 {
		t.Errorf("%+v", one)
	}
	if _, err := d.Read("incidents.dlp_details", map[string]any{"incident": "defender/40213", "alert": payrollAlert}); shelftest.Code(err) != "invalid" || !strings.Contains(err.Error(), "has no alert") {
		t.Error(err)
	}
}

// Where the log's incident id is another than the alert's, the events are told by
// what the alert is about, its time and its policy; those that look alike are
// left out.
func TestDetailsByWhatTheAlertIsAbout(t *testing.T) {
	d := auditedDesk(t)
	file := func(id, at, policy, name string) string {
		return `{"displayName":"n","createdDateTime":"` + at + `","lastUpdateDateTime":"` + at + `","alerts":[{"id":"` + id + `","providerAlertId":"p-` + id + `","serviceSource":"dataLossPrevention",
			"title":"DLP policy (` + policy + `) matched for document (` + name + `) in SharePoint","description":"overrode the policy: the auditor waits",
			"firstActivityDateTime":"` + at + `","lastActivityDateTime":"` + at + `","evidence":[{"@odata.type":"#microsoft.graph.security.fileEvidence","fileDetails":{"fileName":"` + name + `","filePath":"https://contoso.sharepoint.com/sites/sales/Shared%20Documents"}},
			{"@odata.type":"#microsoft.graph.security.userEvidence","userAccount":{"userPrincipalName":"sam.ortiz@contoso.example"}}]}]}`
	}
	// The tenant's own alerts: one that shares nothing but the file with the other.
	for _, body := range []string{
		file("dl-early", "2026-11-22T06:00:00Z", "Pay", "100% pay.xlsx"), file("dl-other", "2026-11-22T10:00:00Z", "Other", "100% pay.xlsx"), file("dl-else", "2026-11-22T10:00:00Z", "Pay", "else.xlsx"),
		file("dl-it", "2026-11-22T10:00:00Z", "Pay", "100% pay.xlsx"),
	} {
		d.Tenant.Inject(body)
	}
	// The same alert, as an incident that names it otherwise.
	id := d.Tenant.Inject(strings.ReplaceAll(file("dl-renamed", "2026-11-22T10:00:00Z", "Pay", "100% pay.xlsx"), "2026-11-22T10:00:00Z", "2026-11-22T10:00:01Z"))
	got := detailsOf(t, d, map[string]any{"incident": "defender/" + id})
	a := got.Alerts[0]
	if a.FoundBy != "id" || a.Policy.Name != "Pay" {
		t.Fatalf("%+v", a)
	}
	for _, act := range a.Activities {
		if act.At.Format(time.TimeOnly) < "10:00:00" || !strings.HasSuffix(act.Object, "100%25 pay.xlsx") && !strings.HasSuffix(act.Object, "100% pay.xlsx") {
			t.Errorf("%+v", act)
		}
	}
	// That of dl-it and its own: matched, and taken back by their user.
	if a.Events != 4 || len(a.Overrides) != 2 || a.Overrides[0].Justification != "the auditor waits" || a.Overrides[0].Reason != "Override" || a.Overrides[0].User != "sam.ortiz@contoso.example" || len(a.Overrides[0].Rules) != 1 {
		t.Errorf("%d events, %+v", a.Events, a.Overrides)
	}
}

func TestDetailsOfMailAndDevices(t *testing.T) {
	d := auditedDesk(t)
	machines := shelftest.Into[struct {
		Value []struct{ ID string }
	}](t, d.Tenant.Call("GET", "/api/machines?$filter=computerDnsName%20eq%20'wks-sortiz.contoso.example'", ""))
	const at = "2026-11-22T10:00:00Z"
	id := d.Tenant.Inject(`{"displayName":"n","createdDateTime":"` + at + `","lastUpdateDateTime":"` + at + `","alerts":[
		{"id":"dl-mail","serviceSource":"dataLossPrevention","title":"DLP policy (Mail) matched for email with subject (Hi)","firstActivityDateTime":"` + at + `","lastActivityDateTime":"` + at + `",
			"evidence":[{"@odata.type":"#microsoft.graph.security.analyzedMessageEvidence","internetMessageId":"<M1@contoso.example>","subject":"Hi","recipientEmailAddress":"kim@fabrikam.example","p2Sender":{"emailAddress":"sam.ortiz@contoso.example"}}]},
		{"id":"dl-device","serviceSource":"dataLossPrevention","title":"DLP policy (Sticks) matched for document (plan.pdf) in a device","firstActivityDateTime":"` + at + `","lastActivityDateTime":"` + at + `",
			"evidence":[{"@odata.type":"#microsoft.graph.security.deviceEvidence","mdeDeviceId":"` + machines.Value[0].ID + `","deviceDnsName":"wks-sortiz.contoso.example"},
				{"@odata.type":"#microsoft.graph.security.fileEvidence","mdeDeviceId":"` + machines.Value[0].ID + `","fileDetails":{"fileName":"plan.pdf","filePath":"E:\\out"}},
				{"@odata.type":"#microsoft.graph.security.userEvidence","userAccount":{"userPrincipalName":"sam.ortiz@contoso.example"}}]},
		{"id":"mc-other","serviceSource":"microsoftDefenderForCloudApps","title":"Impossible travel"}]}`)
	got := detailsOf(t, d, map[string]any{"incident": "defender/" + id})
	if len(got.Alerts) != 2 {
		t.Fatalf("%+v", got)
	}
	for _, a := range got.Alerts {
		act := a.Activities[0]
		want := map[string][3]string{"dl-mail": {"Exchange", "<M1@contoso.example>", ""}, "dl-device": {"Endpoint", `E:\out\plan.pdf`, "wks-sortiz.contoso.example"}}[a.ID]
		// Neither has the product's id: they are told by what they are about.
		if a.FoundBy != "object" || a.Events != 1 || [3]string{act.Workload, act.Object, act.Device} != want || act.User != "sam.ortiz@contoso.example" || len(a.SensitiveTypes) == 0 {
			t.Errorf("%+v", a)
		}
	}
}

func TestDetailsThatAreNotThere(t *testing.T) {
	d := auditedDesk(t)
	got := detailsOf(t, d, map[string]any{"incident": "defender/" + d.Tenant.Inject(`{"displayName":"n","alerts":[{"serviceSource":"microsoftDefenderForEndpoint","title":"x"}]}`)})
	if !got.Complete || len(got.Alerts) != 0 {
		t.Errorf("without an alert of DLP: %+v", got)
	}
	// Just now: nothing can be there yet.
	got = detailsOf(t, d, map[string]any{"incident": "defender/" + d.Tenant.Inject(`{"displayName":"n","alerts":[{"serviceSource":"dataLossPrevention","title":"DLP policy (P) matched for document (a.docx) in SharePoint"}]}`)})
	if !got.Complete || got.Alerts[0].FoundBy != "nothing" || got.Alerts[0].Policy.Name != "P" || got.Alerts[0].Events != 0 {
		t.Errorf("just now: %+v", got)
	}
	if got = detailsOf(t, deskAt(t, 28), map[string]any{"incident": "defender/40211"}); got.Complete || got.Alerts[0].FoundBy != "nothing" {
		t.Errorf("after eight days: %+v", got)
	}
	if _, err := d.Read("incidents.dlp_details", map[string]any{"incident": "defender/424242"}); shelftest.Code(err) != "not_found" || strings.Contains(err.Error(), "start_dlp_feed") {
		t.Error(err)
	}
	d.Tenant.Call("POST", "/api/v1.0/"+practice.ContosoTenantID+"/activity/feed/subscriptions/stop?contentType=DLP.All", "")
	if _, err := d.Read("incidents.dlp_details", map[string]any{"incident": "defender/40211"}); shelftest.Code(err) != "not_found" || !strings.Contains(err.Error(), "run hunting.start_dlp_feed once") {
		t.Error(err)
	}
	reader := d.Tenant.Open(shelf(d.Tenant.Reader)...)
	if _, err := reader.Read("incidents.dlp_details", map[string]any{"incident": "defender/40211"}); shelftest.Code(err) != "forbidden" || !strings.Contains(err.Error(), "ActivityFeed.Read") {
		t.Error(err)
	}
	clients := d.Tenant.Full
	clients.Activity = nil
	if _, err := d.Tenant.Open(shelf(clients)...).Read("incidents.dlp_details", map[string]any{"incident": "defender/40211"}); shelftest.Code(err) != "invalid" || !strings.Contains(err.Error(), "has no Office 365 Management Activity API") {
		t.Error(err)
	}
}

// Incidents of Sentinel are told the same.
func TestDetailsOfAnIncidentOfSentinel(t *testing.T) {
	d := auditedDesk(t)
	list := shelftest.Into[struct {
		Incidents []struct{ ID, Title string }
	}](t, must(d.Read("incidents.list", map[string]any{"source": "sentinel"})))
	for _, in := range list.Incidents {
		if !strings.Contains(in.Title, "Payroll") {
			continue
		}
		if got := detailsOf(t, d, map[string]any{"incident": in.ID}); len(got.Alerts) != 1 || got.Alerts[0].FoundBy != "id" || got.Alerts[0].Events != 1 {
			t.Errorf("%+v", got)
		}
		return
	}
	t.Errorf("no incident of Sentinel: %+v", list)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
