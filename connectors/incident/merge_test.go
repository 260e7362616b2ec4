package incident

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// evidenceOf makes one piece of evidence of a kind.
func evidenceOf(kind string, fields map[string]any) map[string]any {
	e := map[string]any{"@odata.type": "#microsoft.graph.security." + kind}
	for k, v := range fields {
		e[k] = v
	}
	return e
}

func account(fields map[string]any) map[string]any {
	return evidenceOf("userEvidence", map[string]any{"userAccount": fields})
}

type fields = map[string]any

// incidentOf makes an incident of alerts a, b, … that hold the evidence given.
func incidentOf(t testing.TB, alerts ...[]map[string]any) Incident {
	t.Helper()
	var list []any
	for i, evidence := range alerts {
		list = append(list, fields{"id": string(rune('a' + i)), "evidence": evidence})
	}
	return mustMap(t, marshal(t, fields{"id": "1", "alerts": list}))
}

// One user is one item, by whatever name the alerts call them.
func TestUsersAreJoined(t *testing.T) {
	const oid = "8e0f2e7a-0000-4000-8000-1c2d3e4f5a6b"
	i := incidentOf(t,
		[]map[string]any{account(fields{"userPrincipalName": "Jo.Mu\u0308ller@contoso.example", "azureAdUserId": oid})},
		[]map[string]any{account(fields{"azureAdUserId": oid, "userSid": "S-1-5-21-1", "accountName": "jo", "domainName": "CONTOSO"})},
		[]map[string]any{
			account(fields{"userPrincipalName": "jo.m\u00fcller@CONTOSO.example", "displayName": "Jo Müller"}),
			evidenceOf("deviceEvidence", fields{"mdeDeviceId": "M1", "loggedOnUsers": []any{fields{"accountName": "Jo", "domainName": "contoso"}}}),
		},
	)
	if len(i.Evidence.Users) != 1 {
		t.Fatalf("%d users: %s", len(i.Evidence.Users), encode(i.Evidence.Users))
	}
	u := i.Evidence.Users[0]
	if u.ID != "jo.müller@contoso.example" || *u.EntraID != oid || *u.SID != "S-1-5-21-1" || *u.Domain != "contoso.example" {
		t.Errorf("%s", encode(u))
	}
	if !slices.Equal(u.Alerts, []string{"a", "b", "c"}) || !slices.Equal(i.Evidence.Devices[0].Users, []string{u.ID}) {
		t.Errorf("%s\n%s", encode(u), encode(i.Evidence.Devices))
	}
	if *u.Name != "Jo Müller" || len(i.Conflicts) != 0 { // not the account name, which is the second choice
		t.Errorf("conflicts %s", encode(i.Conflicts))
	}
}

// Two people are never made one: not by an account name that both have, not by
// an id of zeros, not by a name alone.
func TestStrangersAreNotJoined(t *testing.T) {
	const none = "00000000-0000-0000-0000-000000000000"
	i := incidentOf(t, []map[string]any{
		account(fields{"userPrincipalName": "jo@contoso.example", "azureAdUserId": none, "accountName": "jo", "domainName": "AzureAD"}),
		account(fields{"userPrincipalName": "jo@fabrikam.example", "azureAdUserId": none, "accountName": "jo", "domainName": "AzureAD"}),
		account(fields{"accountName": "jo", "domainName": "AzureAD"}),
		account(fields{"displayName": "Jo"}),
	})
	var ids []string
	for _, u := range i.Evidence.Users {
		ids = append(ids, u.ID)
	}
	if want := []string{`account:azuread\jo`, "jo@contoso.example", "jo@fabrikam.example"}; !slices.Equal(ids, want) {
		t.Errorf("have %q, want %q", ids, want)
	}
	if len(i.Evidence.Other) != 1 {
		t.Errorf("the account without a name that counts is not kept: %s", encode(i.Evidence.Other))
	}
}

// Local files on different devices, and on devices not known, are different.
func TestLocalFilesBelongToTheirDevice(t *testing.T) {
	file := func(device any) map[string]any {
		return evidenceOf("fileEvidence", fields{"mdeDeviceId": device, "fileDetails": fields{"fileName": "a.txt", "filePath": `C:\tmp`}})
	}
	i := incidentOf(t, []map[string]any{file("M1"), file("m1"), file("m2"), file(nil)}, []map[string]any{file(nil), file("M2")})
	var ids []string
	for _, f := range i.Evidence.Files {
		ids = append(ids, f.ID)
	}
	want := []string{`alert:a/c:\tmp\a.txt`, `alert:b/c:\tmp\a.txt`, `m1/c:\tmp\a.txt`, `m2/c:\tmp\a.txt`}
	if !slices.Equal(ids, want) {
		t.Errorf("have %q, want %q", ids, want)
	}
}

// The newest sighting says what is; the worst verdict and all roles stand.
func TestNewestSightingStands(t *testing.T) {
	device := func(at, risk, verdict, role string) map[string]any {
		return evidenceOf("deviceEvidence", fields{
			"mdeDeviceId": "m1", "createdDateTime": at, "riskScore": risk, "verdict": verdict, "roles": []any{role},
		})
	}
	i := incidentOf(t, []map[string]any{
		device("2026-01-02T00:00:00Z", "high", "unknown", "source"),
		device("2026-01-01T00:00:00Z", "low", "malicious", "attacked"),
		device("2026-01-02T00:00:00Z", "medium", "noThreatsFound", "source"),
	})
	d := i.Evidence.Devices[0]
	if *d.Risk != "high" || *d.Verdict != "malicious" || !slices.Equal(d.Roles, []Role{"attacked", "source"}) {
		t.Errorf("%s", encode(d))
	}
	want := Conflict{Kind: "device", ID: "m1", Field: "risk", Kept: "high", Dropped: "medium"}
	if len(i.Conflicts) != 1 || i.Conflicts[0] != want {
		t.Errorf("conflicts %s", encode(i.Conflicts))
	}
}

// An alert that stands twice counts once, with the evidence of both.
func TestAlertTwice(t *testing.T) {
	alert := func(at, status, ip string) fields {
		return fields{
			"id": "a", "lastUpdateDateTime": at, "createdDateTime": "2026-01-01T00:00:00Z", "status": status,
			"evidence": []any{evidenceOf("ipEvidence", fields{"ipAddress": ip})},
		}
	}
	i := mustMap(t, marshal(t, fields{"id": "1", "alerts": []any{
		alert("2026-01-02T00:00:00Z", "resolved", "10.0.0.1"),
		alert("2026-01-01T00:00:00Z", "new", "10.0.0.2"),
		alert("2026-01-02T00:00:00Z", "inProgress", "::ffff:10.0.0.2"),
	}}))
	if len(i.Alerts) != 1 || i.Alerts[0].Status != "inProgress" || len(i.Evidence.IPs) != 2 {
		t.Errorf("%s", encode(i))
	}
	want := Conflict{Kind: "alert", ID: "a", Field: "status", Kept: `"inProgress"`, Dropped: `"resolved"`}
	if len(i.Conflicts) != 1 || i.Conflicts[0] != want {
		t.Errorf("conflicts %s", encode(i.Conflicts))
	}
}

// A mail to three people is three targets, and its mailbox is the own one.
func TestMailPerRecipient(t *testing.T) {
	mail := func(direction, to string) map[string]any {
		return evidenceOf("analyzedMessageEvidence", fields{
			"internetMessageId": "<A@contoso.example>", "networkMessageId": "8E0F", "antiSpamDirection": direction,
			"recipientEmailAddress": to, "p2Sender": fields{"emailAddress": "jo@contoso.example"},
		})
	}
	i := incidentOf(t, []map[string]any{
		mail("Outbound", "x@evil.example"), mail("outbound", "y@evil.example"), mail("Intraorg", "mo@contoso.example"),
		mail("", "z@evil.example"),
	}, []map[string]any{mail("outbound", "X@evil.example")})
	var have []string
	for _, m := range i.Evidence.Messages {
		have = append(have, m.ID+" "+deref(m.Mailbox))
	}
	want := []string{
		"<A@contoso.example>/mo@contoso.example mo@contoso.example", "<A@contoso.example>/x@evil.example jo@contoso.example",
		"<A@contoso.example>/y@evil.example jo@contoso.example", "<A@contoso.example>/z@evil.example ",
	}
	if !slices.Equal(have, want) {
		t.Errorf("have %q, want %q", have, want)
	}
}

// The name of the policy is the administrator's, whatever the attacker calls
// the file; only DLP's own titles are read.
func TestPolicyName(t *testing.T) {
	for _, c := range []struct{ source, title, want string }{
		{"dataLossPrevention", "DLP policy (Payroll) matched for document (pay.xlsx) in OneDrive", "Payroll"},
		{"microsoftDataLossPrevention", "DLP policy (Payroll) matched for document (pay.xlsx) in a device", "Payroll"},
		{"dataLossPrevention", "DLP policy (U.S. Health Insurance Act (HIPAA) Enhanced) matched for email with subject (hi)", "U.S. Health Insurance Act (HIPAA) Enhanced"},
		{"dataLossPrevention", "DLP policy (Payroll) matched for document (x) matched for document (harmless) in OneDrive", "Payroll"},
		{"dataLossPrevention", "DLP policy (Payroll) matched for email with subject (a\nb)", "Payroll"},
		{"dataLossPrevention", "Payroll left the house", ""},
		{"microsoftDefenderForEndpoint", "DLP policy (Payroll) matched for document (pay.xlsx) in OneDrive", ""},
	} {
		i := mustMap(t, marshal(t, fields{"id": "1", "alerts": []any{fields{
			"id": "a", "serviceSource": c.source, "title": c.title, "alertPolicyId": "p7",
		}}}))
		if have := deref(i.Alerts[0].Policy.Name); have != c.want || *i.Alerts[0].Policy.ID != "p7" {
			t.Errorf("%s, %q: have %q, want %q", c.source, c.title, have, c.want)
		}
		if c.want != "" && (!slices.Equal(i.Policies, []string{c.want}) || i.ServiceSources[0] != DataLossPrevention) {
			t.Errorf("incident: %q, %q", i.Policies, i.ServiceSources)
		}
	}
}

// Numbers that name something are exact beyond the range of any integer.
func TestLongNumbersAreExact(t *testing.T) {
	i := incidentOf(t, []map[string]any{evidenceOf("cloudApplicationEvidence", fields{
		"appId": json.Number("12345678901234567890"), "instanceId": json.Number("0"), "displayName": "Dropbox",
	})})
	if a := i.Evidence.Apps[0]; *a.AppID != "12345678901234567890" || a.ID != "12345678901234567890/0" {
		t.Errorf("%s", encode(a))
	}
}

// Whatever order Graph sends alerts and evidence in, the model is the same.
func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		alerts := rapid.SliceOfN(rapid.Custom(drawAlert), 0, 5).Draw(t, "alerts")
		body := func(alerts []fields) []byte {
			b, err := json.Marshal(fields{"id": "1", "alerts": alerts})
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		want, err := FromGraph(body(alerts))
		if err != nil {
			t.Fatal(err)
		}
		shuffled := make([]fields, len(alerts))
		for i, a := range rapid.Permutation(alerts).Draw(t, "order") {
			shuffled[i] = fields{}
			for k, v := range a {
				shuffled[i][k] = v
			}
			shuffled[i]["evidence"] = rapid.Permutation(a["evidence"].([]fields)).Draw(t, "order of evidence")
		}
		have, err := FromGraph(body(shuffled))
		if err != nil {
			t.Fatal(err)
		}
		if string(encode(have)) != string(encode(want)) {
			t.Fatalf("\n have %s\n want %s", encode(have), encode(want))
		}
		if changes := Diff(want, have, nil); len(changes) > 0 {
			t.Fatalf("differs by order: %+v", changes)
		}
	})
}

// drawAlert draws from few values, so that duplicates and contradictions meet.
func drawAlert(t *rapid.T) fields {
	return fields{
		"id": draw(t, "alert", "a", "b", "c"), "createdDateTime": drawDate(t), "lastUpdateDateTime": drawDate(t),
		"status":        draw(t, "status", "new", "resolved"),
		"serviceSource": draw(t, "source", "dataLossPrevention", "microsoftSentinel"),
		"evidence":      rapid.SliceOfN(rapid.Custom(drawEvidence), 0, 6).Draw(t, "evidence"),
	}
}

func draw(t *rapid.T, name string, values ...any) any {
	return rapid.SampledFrom(values).Draw(t, name)
}

func drawDate(t *rapid.T) any {
	return draw(t, "date", nil, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
}

func drawUser(t *rapid.T) fields {
	return fields{
		"userPrincipalName": draw(t, "upn", nil, nil, "jo@contoso.example", "Jo@Contoso.example", "mo@contoso.example"),
		"azureAdUserId":     draw(t, "oid", nil, nil, "1", "2"),
		"userSid":           draw(t, "sid", nil, nil, "S-1", "S-2"),
		"accountName":       draw(t, "account", nil, "jo", "mo"), "domainName": draw(t, "domain", nil, "C"),
		"displayName": draw(t, "name", nil, "Jo", "Mo"),
	}
}

func drawEvidence(t *rapid.T) fields {
	e := fields{"createdDateTime": drawDate(t), "verdict": draw(t, "verdict", nil, "malicious", "unknown", "new")}
	kind := draw(t, "kind", "userEvidence", "fileEvidence", "deviceEvidence", "processEvidence", "mailboxEvidence",
		"analyzedMessageEvidence", "registryKeyEvidence")
	e["@odata.type"] = fmt.Sprint("#microsoft.graph.security.", kind)
	e["mdeDeviceId"] = draw(t, "device", nil, "m1", "M1", "m2")
	switch kind {
	case "userEvidence":
		e["userAccount"] = drawUser(t)
	case "fileEvidence":
		e["fileDetails"] = fields{
			"fileName": draw(t, "file", nil, "a", "A"), "sha256": draw(t, "hash", nil, "00", "11"),
			"filePath": draw(t, "folder", nil, `C:\x`, "https://h/sites/s/D", "https://H/sites/S/D/"),
		}
	case "deviceEvidence":
		e["azureAdDeviceId"] = draw(t, "entra", nil, "e1", "e2")
		e["deviceDnsName"] = draw(t, "dns", nil, "pc1", "pc2")
		e["loggedOnUsers"] = rapid.SliceOfN(rapid.Custom(drawUser), 0, 2).Draw(t, "logged on")
	case "processEvidence":
		e["processId"] = draw(t, "pid", nil, 4, 5)
		e["userAccount"] = drawUser(t)
	case "mailboxEvidence":
		e["primaryAddress"] = draw(t, "address", nil, "jo@contoso.example", "JO@contoso.example")
		e["upn"] = draw(t, "upn", nil, "jo@contoso.example", "mo@contoso.example")
	case "analyzedMessageEvidence":
		e["internetMessageId"] = draw(t, "message", nil, "<1>", "<2>")
		e["networkMessageId"] = draw(t, "network", nil, "n1", "n2")
		e["subject"] = draw(t, "subject", nil, "x", "y")
	case "registryKeyEvidence":
		e["registryKey"] = draw(t, "key", "k1", "k2")
	}
	return e
}

func BenchmarkFromGraph(b *testing.B) {
	var evidence []map[string]any
	for n := range 100 {
		evidence = append(evidence, evidenceOf("fileEvidence", fields{
			"createdDateTime": "2026-03-01T09:30:00.1234567Z", "verdict": "unknown", "roles": []any{"policyViolator"},
			"fileDetails": fields{
				"fileName": fmt.Sprintf("pay-%d.xlsx", n), "fileSize": 10_000 + n,
				"filePath": "https://contoso.sharepoint.com/sites/payroll/Shared Documents/2026",
			},
		}))
	}
	body := withEvidence(b, evidence...)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if i, err := FromGraph(body); err != nil || len(i.Evidence.Files) != 100 {
			b.Fatalf("%d files, %v", len(i.Evidence.Files), err)
		}
	}
}

// Spellings of one address or application are one item.
func TestSpellingsAreOne(t *testing.T) {
	url := func(s string) map[string]any { return evidenceOf("urlEvidence", fields{"url": s}) }
	ip := func(s string) map[string]any { return evidenceOf("ipEvidence", fields{"ipAddress": s}) }
	app := func(f fields) map[string]any { return evidenceOf("oauthApplicationEvidence", f) }
	i := incidentOf(t, []map[string]any{
		url("HTTPS://Drop.Example/Up?Id=A"), url("https://drop.example/Up?Id=A"), url("https://drop.example/up?Id=A"), url("drop.example"),
		ip("2001:DB8:0:0::1"), ip("2001:db8::1"), ip("::ffff:192.0.2.1"), ip("192.0.2.1 "), ip("not an address"),
		app(fields{"appId": "8E0F2E7A"}), app(fields{"appId": "8e0f2e7a"}), app(fields{"objectId": "77"}), app(fields{"displayName": "Übel"}),
		app(fields{"displayName": "U\u0308BEL"}),
	})
	var have []string
	for _, u := range i.Evidence.URLs {
		have = append(have, u.ID)
	}
	for _, a := range i.Evidence.IPs {
		have = append(have, a.ID)
	}
	for _, a := range i.Evidence.Apps {
		have = append(have, a.ID)
	}
	want := []string{
		"drop.example", "https://drop.example/Up?Id=A", "https://drop.example/up?Id=A",
		"192.0.2.1", "2001:db8::1", "not an address", "/77", "8e0f2e7a", "name:übel",
	}
	if !slices.Equal(have, want) {
		t.Errorf("have %q\nwant %q", have, want)
	}
}

// Evidence of a known kind that names nothing is kept, not dropped.
func TestNamelessEvidenceIsKept(t *testing.T) {
	kinds := []string{
		"fileEvidence", "userEvidence", "deviceEvidence", "mailboxEvidence", "analyzedMessageEvidence", "submissionMailEvidence",
		"teamsMessageEvidence", "cloudApplicationEvidence", "oauthApplicationEvidence", "ipEvidence", "urlEvidence", "processEvidence",
	}
	var evidence []map[string]any
	for _, kind := range kinds {
		evidence = append(evidence, evidenceOf(kind, fields{"fileDetails": nil, "userAccount": fields{}}))
	}
	evidence = append(evidence, fields{}) // not even a kind
	i := incidentOf(t, evidence)
	var have []string
	for _, o := range i.Evidence.Other {
		have = append(have, o.Kind)
	}
	slices.Sort(have)
	if want := slices.Sorted(slices.Values(append(kinds, "unknown"))); !slices.Equal(have, want) {
		t.Errorf("have %q\nwant %q", have, want)
	}
}

// The worst verdict stands; one that nobody knows yet may be bad.
func TestWorstVerdictStands(t *testing.T) {
	order := []Verdict{"unknownFutureValue", "unknown", "noThreatsFound", "entangled", "suspicious", "malicious"}
	for n := range len(order) - 1 {
		if !worse(order[n+1], order[n]) || worse(order[n], order[n+1]) {
			t.Errorf("%s must weigh more than %s", order[n+1], order[n])
		}
	}
}

// The file of an older version, without lists that came later, reads whole.
func TestOlderModelReadsWhole(t *testing.T) {
	var i Incident
	if err := json.Unmarshal([]byte(`{"id":"defender/1","alerts":[{"id":"a"}],"evidence":{"other":[{"id":"o"}]}}`), &i); err != nil {
		t.Fatal(err)
	}
	lists(t, i)
	if err := json.Unmarshal([]byte(`{"id":1}`), &i); err == nil {
		t.Error("a number was read as id")
	}
}
