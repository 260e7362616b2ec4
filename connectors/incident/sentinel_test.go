package incident

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// sample reads a body of the API's documentation; with key the list under it.
func sentinelSample(t *testing.T, file, key string) []json.RawMessage {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	if key == "" {
		return []json.RawMessage{raw}
	}
	var body map[string]json.RawMessage
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &body); err != nil || json.Unmarshal(body[key], &list) != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return list
}

func TestSentinelSample(t *testing.T) {
	i, err := FromSentinel(SentinelBody{
		Workspace: "myWorkspace", Incident: sentinelSample(t, "sentinel_incidents_list.json", "value")[0],
		Alerts: sentinelSample(t, "sentinel_incident_alerts.json", "value"), Entities: sentinelSample(t, "sentinel_incident_entities.json", "entities"),
		Comments: sentinelSample(t, "sentinel_incident_comment_put_response.json", ""),
	})
	if err != nil {
		t.Fatal(err)
	}
	if i.ID != "sentinel/myWorkspace/73e01a99-5cd7-4139-a149-9f2736ff2ab5" || i.Source != Sentinel || i.Title != "My incident" ||
		i.Severity != "high" || i.Status != "resolved" || i.Classification != "falsePositive" || i.Determination != "incorrectAlertLogic" ||
		*i.AssignedTo != "john@contoso.com" || i.CreatedAt.IsZero() || i.URL == nil {
		t.Errorf("incident: %+v", i)
	}
	if source, native, err := ParseID(i.ID); err != nil || source != Sentinel || native != "myWorkspace/73e01a99-5cd7-4139-a149-9f2736ff2ab5" {
		t.Errorf("its id is read as %s %s, %v", source, native, err)
	}
	a := i.Alerts[0]
	if a.ID != "baa8a239-6fde-4ab7-a093-d09f7b75c58c" || a.Title != "myAlert" || a.Status != "new" || a.Severity != "low" || a.ServiceSource != "microsoftDefenderForCloud" {
		t.Errorf("alert: %+v", a)
	}
	if u := i.Evidence.Users; len(u) != 1 || *u[0].Name != "administrator" || !slices.Equal(u[0].Alerts, []string{a.ID}) {
		t.Errorf("users: %+v", u)
	}
	if c := i.Comments; len(c) != 1 || c[0].Text != "Some message" || *c[0].Author != "john@contoso.com" {
		t.Errorf("comments: %+v", c)
	}
}

const sentinelHead = `{"name":"ABC","etag":"x","properties":{"title":"t","severity":"Medium","status":"Active","createdTimeUtc":"2026-11-20T07:42:13.4166667Z"%s}}`

func fromSentinelText(head string, alerts, entities []string) (Incident, error) {
	b := SentinelBody{Workspace: "w", Incident: json.RawMessage(strings.Replace(sentinelHead, "%s", head, 1))}
	for _, a := range alerts {
		b.Alerts = append(b.Alerts, json.RawMessage(a))
	}
	for _, e := range entities {
		b.Entities = append(b.Entities, json.RawMessage(e))
	}
	return FromSentinel(b)
}

func TestSentinelWords(t *testing.T) {
	i, err := fromSentinelText(`,"classification":"BenignPositive","classificationReason":"SuspiciousButExpected",
		"labels":[{"labelName":"a","labelType":"User"},{"labelName":"auto","labelType":"AutoAssigned"},{"labelName":"a"},{"labelName":"b"}],
		"owner":{"objectId":null,"email":null,"assignedTo":null,"userPrincipalName":null},
		"additionalData":{"alertProductNames":["Microsoft Data Loss Prevention","Fabrikam Guard"],"secret":"4111 1111 1111 1111"}`, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if i.ID != "sentinel/w/abc" || i.Status != "inProgress" || i.Classification != "informationalExpectedActivity" || i.Determination != "suspiciousButExpected" ||
		i.AssignedTo != nil || !slices.Equal(i.Tags, []string{"a", "b"}) || !slices.Equal(i.SystemTags, []string{"auto"}) ||
		!slices.Equal(i.ServiceSources, []ServiceSource{"Fabrikam Guard", DataLossPrevention}) {
		t.Errorf("%+v", i)
	}
	if raw, _ := json.Marshal(i); strings.Contains(string(raw), "4111") || strings.Contains(string(raw), "null") {
		t.Errorf("%s", raw)
	}
	for word, want := range map[string]Status{"New": "active", "closed": "resolved", "Parked": "Parked"} {
		body := strings.Replace(strings.Replace(sentinelHead, "%s", "", 1), `"Active"`, `"`+word+`"`, 1)
		if i, err := FromSentinel(SentinelBody{Workspace: "w", Incident: json.RawMessage(body)}); err != nil || i.Status != want {
			t.Errorf("%s: %s, %v", word, i.Status, err)
		}
	}
}

func TestSentinelEntities(t *testing.T) {
	entities := []string{
		`{"id":"/e/1","kind":"Account","properties":{"accountName":"sam.ortiz","upnSuffix":"Contoso.example","aadUserId":"00000000-0000-0000-0000-000000000000","displayName":"Sam Ortiz"}}`,
		`{"id":"/e/2","kind":"Host","properties":{"hostName":"WKS-1","dnsDomain":"contoso.example","osFamily":"Windows"}}`,
		`{"id":"/e/3","kind":"FileHash","properties":{"algorithm":"SHA256","hashValue":"ABCD"}}`,
		`{"id":"/e/4","kind":"File","properties":{"directory":"https://contoso.sharepoint.com/sites/payroll/Shared Documents","fileName":"p.xlsx","fileHashEntityIds":["/E/3"]}}`,
		`{"id":"/e/5","kind":"File","properties":{"directory":"C:\\x","fileName":"a.exe","hostEntityId":"/e/2"}}`,
		`{"id":"/e/6","kind":"Process","properties":{"processId":"42","commandLine":"a.exe /y","imageFileEntityId":"/e/5","hostEntityId":"/e/2"}}`,
		`{"id":"/e/7","kind":"Process","properties":{"processId":"0x1f","commandLine":"b"}}`,
		`{"id":"/e/8","kind":"Ip","properties":{"address":"::ffff:10.0.0.1","location":{"countryCode":"DE"}}}`,
		`{"id":"/e/9","kind":"Url","properties":{"url":"HTTPS://X.example/a"}}`,
		`{"id":"/e/10","kind":"Mailbox","properties":{"mailboxPrimaryAddress":"a@contoso.example"}}`,
		`{"id":"/e/11","kind":"MailMessage","properties":{"internetMessageId":"<1@x>","recipient":"b@x.example","p2Sender":"a@contoso.example","antispamDirection":"Outbound"}}`,
		`{"id":"/e/12","kind":"CloudApplication","properties":{"appId":20892,"appName":"SharePoint"}}`,
		`{"id":"/e/13","kind":"Hologram","properties":{"beams":3,"additionalData":{"x":"secret"}}}`,
		`{"id":"/e/14","kind":"FileHash","properties":{"algorithm":"MD5","hashValue":"FF"}}`,
		`{"id":"/e/16","kind":"File","properties":{"directory":"E:\\","fileName":"p.xlsx","hostEntityId":"/e/2"}}`,
		`{"id":"/e/15","kind":"SecurityAlert","properties":{"systemAlertId":"x"}}`,
	}
	one := `{"name":"a1","properties":{"systemAlertId":"a1","alertDisplayName":"DLP policy (Payroll (EU)) matched for document (p.xlsx) in SharePoint","productName":"Microsoft Data Loss Prevention","severity":"High","status":"Dismissed","tactics":["Exfiltration"],"timeGenerated":"2026-11-20T07:42:13Z","additionalData":{"match":"4111"}}}`
	i, err := fromSentinelText("", []string{one}, entities)
	if err != nil {
		t.Fatal(err)
	}
	e := i.Evidence
	var other []string
	for _, o := range e.Other {
		other = append(other, o.Kind)
	}
	slices.Sort(other)
	if len(e.Users) != 1 || *e.Users[0].UPN != "sam.ortiz@Contoso.example" || e.Users[0].EntraID != nil || *e.Users[0].Domain != "contoso.example" {
		t.Errorf("users: %+v", e.Users)
	}
	if len(e.Devices) != 1 || e.Devices[0].ID != "name:wks-1.contoso.example" || *e.Devices[0].OS != "Windows" {
		t.Errorf("devices: %+v", e.Devices)
	}
	if len(e.Files) != 2 || *e.Files[0].URL != "https://contoso.sharepoint.com/sites/payroll/Shared%20Documents/p.xlsx" || *e.Files[0].SHA256 != "abcd" || *e.Files[1].DeviceID != e.Devices[0].ID {
		t.Errorf("files: %+v", e.Files)
	}
	if len(e.Processes) != 1 || *e.Processes[0].PID != 42 || *e.Processes[0].Image != `C:\x\a.exe` || *e.Processes[0].DeviceID != e.Devices[0].ID {
		t.Errorf("processes: %+v", e.Processes)
	}
	if len(e.IPs) != 1 || *e.IPs[0].Address != "10.0.0.1" || *e.IPs[0].Country != "DE" || len(e.URLs) != 1 || len(e.Mailboxes) != 1 ||
		len(e.Messages) != 1 || *e.Messages[0].Mailbox != "a@contoso.example" || len(e.Apps) != 1 || *e.Apps[0].AppID != "20892" {
		t.Errorf("evidence: %+v", e)
	}
	if !slices.Equal(other, []string{"File", "FileHash", "Hologram", "Process"}) {
		t.Errorf("other: %q", other)
	}
	if a := i.Alerts[0]; *a.Policy.Name != "Payroll (EU)" || a.Status != "Dismissed" || a.DetectionSource != "microsoftDataLossPrevention" || !slices.Equal(i.Policies, []string{"Payroll (EU)"}) {
		t.Errorf("alert: %+v", a)
	}
	raw, _ := json.Marshal(i)
	if strings.Contains(string(raw), "secret") || strings.Contains(string(raw), "4111") {
		t.Errorf("a bag is kept: %s", raw)
	}
	two := strings.ReplaceAll(one, "a1", "a2")
	if i, err = fromSentinelText("", []string{one, two}, entities); err != nil || len(i.Alerts) != 2 || i.Evidence.Users[0].Alerts == nil || len(i.Evidence.Users[0].Alerts) != 0 {
		t.Errorf("with two alerts: %v, %+v", err, i.Evidence.Users)
	}
}

func TestRefusedSentinelBodies(t *testing.T) {
	for body, want := range map[string]string{
		"":                        "the body is empty",
		"<html>":                  "HTML",
		"[]":                      "want one incident",
		"null":                    "want one incident",
		`{"name":"a"`:             "cut off",
		`{"name":"a","name":"b"}`: "stands twice",
		`{"error":{"code":"AuthorizationFailed","message":"x"}}`: "AuthorizationFailed",
		`{"value":[]}`:                              "list answer",
		`{"displayName":"x","id":"1"}`:              "Graph security API",
		`{"name":"a"}`:                              "has properties",
		`{"properties":{"title":"x"}}`:              "has a name",
		`{"name":"a/b","properties":{"title":"x"}}`: "has a name",
		`{"name":"a","properties":{"title":7,"labels":"x","owner":[1]}}`:           "incident.properties.title: want a text, got the number 7",
		`{"name":"a","properties":{"title":"x","createdTimeUtc":"yesterday"}}`:     "createdTimeUtc: want a date",
		`{"name":"a","properties":{"title":"x","labels":[{"labelName":{"a":1}}]}}`: "labels[0].labelName: want a text",
		`{"name":"a","properties":{"title":"x"}} trailing`:                         "after the end",
		strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100):              "nested deeper",
	} {
		if _, err := FromSentinel(SentinelBody{Workspace: "w", Incident: json.RawMessage(body)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v; want %q", body, err, want)
		}
	}
	for entity, want := range map[string]string{
		`{"kind":"Account","properties":{"accountName":7}}`:           "entities[0].properties.accountName: want a text",
		`{"kind":"Ip","properties":{"address":["x"]}}`:                "entities[0].properties.address",
		`{"kind":"CloudApplication","properties":{"appId":"twenty"}}`: "entities[0].properties.appId",
		`[1]`: "entities[0]: want an object",
		`{`:   "not JSON",
	} {
		if _, err := fromSentinelText("", nil, []string{entity}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", entity, err, want)
		}
	}
	if _, err := fromSentinelText("", []string{`{"properties":{}}`}, nil); err == nil || !strings.Contains(err.Error(), "alerts[0].name") {
		t.Errorf("an alert without id: %v", err)
	}
	if _, err := FromSentinel(SentinelBody{Incident: json.RawMessage(`{}`)}); err == nil || !strings.Contains(err.Error(), "workspace") {
		t.Errorf("no workspace: %v", err)
	}
}

// The page names every property that Sentinel's types have.
func TestMappingNamesSentinelsProperties(t *testing.T) {
	_, page, found := strings.Cut(mappingPage(t), "\n## Sentinel\n")
	if !found {
		t.Fatal("no section about Sentinel")
	}
	raw, err := os.ReadFile("testdata/sentinel_types.txt")
	if err != nil {
		t.Fatal(err)
	}
	of, n := "", 0
	for line := range strings.Lines(string(raw)) {
		name := strings.TrimSpace(line)
		if kind, is := strings.CutPrefix(name, "TYPE "); is {
			of = kind
			continue
		}
		n++
		if !strings.Contains(page, "`"+name+"`") && !strings.Contains(page, "."+name+"`") && !strings.Contains(page, "`"+name+".") {
			t.Errorf("MAPPING.md does not name %s of %s", name, of)
		}
	}
	if n < 100 {
		t.Errorf("only %d properties", n)
	}
}

func FuzzFromSentinel(f *testing.F) {
	f.Add(`{"name":"a","properties":{"title":"x"}}`, `{"name":"b","properties":{"systemAlertId":"s"}}`, `{"id":"1","kind":"File","properties":{"fileName":"x"}}`)
	f.Fuzz(func(t *testing.T, head, alert, entity string) {
		i, err := FromSentinel(SentinelBody{
			Workspace: "w", Incident: json.RawMessage(head), Alerts: []json.RawMessage{json.RawMessage(alert)}, Entities: []json.RawMessage{json.RawMessage(entity)},
		})
		if err != nil {
			return
		}
		raw, err := json.Marshal(i)
		if err != nil {
			t.Fatal(err)
		}
		var back Incident
		if err := json.Unmarshal(raw, &back); err != nil || back.ID != i.ID || back.Evidence.Files == nil {
			t.Errorf("%v: %s", err, raw)
		}
	})
}
