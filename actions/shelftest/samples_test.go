package shelftest_test

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"stanch/connectors/practice"
)

const (
	host    = "https://contoso.sharepoint.com"
	payroll = host + "/sites/payroll/Shared Documents/2026/Payroll November 2026.xlsx"
	sam     = "sam.ortiz@contoso.example"
	laptop  = "wks-sortiz.contoso.example"

	insights = "/subscriptions/" + practice.ContosoSubscription + "/resourceGroups/" + practice.ContosoResourceGroup +
		"/providers/Microsoft.OperationalInsights/workspaces/" + practice.ContosoWorkspace + "/providers/Microsoft.SecurityInsights/incidents"
	sentinelVersion = "?api-version=2024-09-01"
)

// company is Contoso with the labels that the pages name.
func company(t *testing.T) []byte {
	t.Helper()
	c := practice.Contoso(0)
	c.RetentionLabels = append(c.RetentionLabels, practice.RetentionLabel{Name: "Retention label for Contracts", Behavior: "retainAsRecord"})
	c.Labels = append(c.Labels, practice.Label{ID: "5feba255-812e-446a-ac59-a7044ef827b5", Name: "Contract"})
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// get reads an object of the tenant.
func get[T any](w *wire, path string) T {
	var v T
	if err := json.Unmarshal(w.Call("GET", path, ""), &v); err != nil {
		panic(err)
	}
	return v
}

// item is a file by its ids.
func item(w *wire, file string) (drive, id string) {
	u, err := url.Parse(file)
	if err != nil {
		panic(err)
	}
	site, path, _ := strings.Cut(u.Path, "/Shared Documents/")
	got := get[struct {
		ID              string
		ParentReference struct{ DriveID string }
	}](w, "/v1.0/sites/contoso.sharepoint.com:"+site+":/drive/root:/"+(&url.URL{Path: path}).EscapedPath())
	return got.ParentReference.DriveID, got.ID
}

// firstOf is the id of the first of a list.
func firstOf(w *wire, path string) string {
	return get[struct{ Value []struct{ ID string } }](w, path).Value[0].ID
}

// with are params that need nothing of the tenant.
func with(params map[string]any) func(*wire) any { return func(*wire) any { return params } }

// onPayroll are params about the payroll file, retained first by a label if one is
// named.
func onPayroll(label string, more map[string]any) func(*wire) any {
	return func(w *wire) any {
		drive, id := item(w, payroll)
		at := "/v1.0/drives/" + drive + "/items/" + id + "/retentionLabel"
		if label != "" {
			w.Call("PATCH", at, `{"name":"`+label+`"}`)
		}
		if more["unlocked"] != nil {
			w.Call("PATCH", at, `{"retentionSettings":{"isRecordLocked":false}}`)
		}
		p := map[string]any{"file": drive + "/" + id}
		for k, v := range more {
			if k != "unlocked" {
				p[k] = v
			}
		}
		return p
	}
}

// itemIDs are the ids of the payroll file and of the permission that is taken away.
func itemIDs(w *wire) map[string]string {
	drive, id := item(w, payroll)
	return map[string]string{"{drive-id}": drive, "{item-id}": id, "{perm-id}": anonymous(w)}
}

// anonymous is the permission of the payroll file that is a link for anybody.
func anonymous(w *wire) string {
	drive, id := item(w, payroll)
	list := get[struct {
		Value []struct {
			ID   string
			Link struct{ Scope string }
		}
	}](w, "/v1.0/drives/"+drive+"/items/"+id+"/permissions")
	for _, p := range list.Value {
		if p.Link.Scope == "anonymous" {
			return p.ID
		}
	}
	panic("there is no such link")
}

func samUser(w *wire) map[string]string {
	id := get[struct{ ID string }](w, "/v1.0/users/"+sam).ID
	return map[string]string{
		"{id}": id,
		// The page names two people, an action is about one.
		"29f270bb-4d23-4f68-8a57-dc73dc0d4caf": id, "20f91ec9-d140-4d90-9cd9-f618587a1471": "",
	}
}

// onLaptop is the device, and each comment with the mark that we end it with.
func onLaptop(w *wire) map[string]string {
	put := map[string]string{"1e5bc9d7e413ddd7902c2932e418702b84d0cc07": firstOf(w, "/api/machines?$filter=computerDnsName%20eq%20'"+laptop+"'")}
	for _, text := range []string{
		"Isolate machine due to alert 1234", "Unisolate machine since it was clean and validated", "Restrict code execution due to alert 1234",
		"Check machine for viruses due to alert 3212", "Collect forensics due to alert 1234",
	} {
		put[text] = text + " [stanch {effect}]"
	}
	return put
}

func isolated(w *wire) any {
	w.Call("POST", "/api/machines/"+firstOf(w, "/api/machines?$filter=computerDnsName%20eq%20'"+laptop+"'")+"/isolate", `{"Comment":"before","IsolationType":"Full"}`)
	w.Advance(60e9)
	return map[string]any{"device": laptop, "comment": "Unisolate machine since it was clean and validated"}
}

// incidentID is the first incident; the values of its enumerations are written as
// the metadata of Graph spells them, not as the page does.
func incidentID(w *wire) map[string]string {
	return map[string]string{
		"{incidentId}": firstOf(w, "/v1.0/security/incidents"), "TruePositive": "truePositive", "MultiStagedAttack": "multiStagedAttack",
	}
}

func onIncident(more map[string]any) func(*wire) any {
	return func(w *wire) any {
		more["incident"] = "defender/" + firstOf(w, "/v1.0/security/incidents")
		return more
	}
}

// documentedIncident is the incident of Sentinel's page.
const documentedIncident = "73e01a99-5cd7-4139-a149-9f2736ff2ab5"

// onDocumented makes the incident of Sentinel's page, still open.
func onDocumented(more map[string]any) func(*wire) any {
	return func(w *wire) any {
		w.Call("PUT", insights+"/"+documentedIncident+sentinelVersion, `{"properties":{"lastActivityTimeUtc":"2019-01-01T13:05:30Z","firstActivityTimeUtc":"2019-01-01T13:00:30Z",`+
			`"description":"This is a demo incident","title":"My incident","owner":{"objectId":"`+samUser(w)["{id}"]+`"},"severity":"High","classificationComment":"Not a malicious activity","status":"New"}}`)
		more["incident"] = "sentinel/" + practice.ContosoWorkspace + "/" + documentedIncident
		return more
	}
}

func inSentinel(w *wire) map[string]string {
	return map[string]string{
		"d0cfe6b2-9ac0-4464-9919-dccaee2e48c0": practice.ContosoSubscription, "myRg": practice.ContosoResourceGroup, "myWorkspace": practice.ContosoWorkspace,
		"2046feea-040d-4a46-9e2b-91c2941bfa70":     samUser(w)["{id}"],
		"4bb36b7b-26ff-4d1c-9cbe-0d8ab3da0014":     "{guid}", // who writes a comment picks its name
		"\"0300bf09-0000-0000-0000-5c37296e0000\"": get[struct{ ETag string }](w, insights+"/"+documentedIncident+sentinelVersion).ETag,
	}
}

// owner is what Sentinel tells of the incident's owner.
func owner(*wire) map[string]string {
	return map[string]string{"properties.owner.assignedTo": "Sam Ortiz", "properties.owner.email": sam, "properties.owner.userPrincipalName": sam}
}

func theMail() practice.Mail { return practice.Contoso(0).Mail[0] }

func onMail(more map[string]any) func(*wire) any {
	m := theMail()
	more["message"] = map[string]any{"id": "m1", "internet_message_id": m.InternetID, "sender": m.From, "recipients": m.To, "alerts": []string{}}
	return with(more)
}

func inMailbox(w *wire) map[string]string {
	m := theMail()
	copies, err := w.Full.Graph.MessagesNamed(context.Background(), m.Mailbox, m.InternetID) // by ids that stay
	if err != nil {
		panic(err)
	}
	return map[string]string{
		"{id | userPrincipalName}": m.Mailbox,
		"{id}":                     copies[0].ID,
		"deleteditems":             get[struct{ ID string }](w, "/v1.0/users/"+m.Mailbox+"/mailFolders/deleteditems").ID,
	}
}

func samples() []sample {
	const query = `DeviceProcessEvents | where InitiatingProcessFileName =~ "powershell.exe" | project Timestamp, FileName, InitiatingProcessFileName | order by Timestamp desc | limit 2`
	workspace := practice.LogWorkspaceID(practice.ContosoTenantID)
	return []sample{
		{file: "delete-permission", action: "files.unshare", put: itemIDs, params: func(w *wire) any {
			return map[string]any{"file": payroll, "permissions": []string{anonymous(w)}}
		}},
		{file: "delete-item", action: "files.delete", params: onPayroll("", nil), put: itemIDs},
		{file: "list-permissions", action: "files.list_permissions", params: onPayroll("", nil), put: itemIDs},
		{file: "set-retention-label", action: "files.set_retention_label", params: onPayroll("", map[string]any{"label": "Retention label for Contracts"}), put: itemIDs},
		{file: "lock-record", action: "files.lock_record", params: onPayroll("Retention label for Contracts", map[string]any{"unlocked": true}), put: itemIDs},
		{file: "remove-retention-label", action: "files.remove_retention_label", params: onPayroll("Keep 7 years", nil), put: itemIDs},
		{file: "assign-sensitivity-label", action: "files.set_sensitivity_label", params: onPayroll("", map[string]any{"label": "Contract", "justification": "test_justification"}), put: func(w *wire) map[string]string {
			put := itemIDs(w)
			put["standard"] = "privileged" // the page's value that replaces what a user has set
			return put
		}},
		{file: "revoke-sessions", action: "users.revoke_sessions", params: with(map[string]any{"user": sam}), put: samUser},
		{file: "disable-user", action: "users.disable", params: with(map[string]any{"user": sam}), put: samUser},
		{file: "confirm-compromised", action: "users.confirm_compromised", params: with(map[string]any{"user": sam}), put: samUser},
		{file: "isolate", action: "devices.isolate", params: with(map[string]any{"device": laptop, "comment": "Isolate machine due to alert 1234"}), put: onLaptop},
		{file: "unisolate", action: "devices.release", params: isolated, put: onLaptop},
		{file: "restrict-code-execution", action: "devices.restrict_apps", params: with(map[string]any{"device": laptop, "comment": "Restrict code execution due to alert 1234"}), put: onLaptop},
		{file: "run-antivirus-scan", action: "devices.scan", params: with(map[string]any{"device": laptop, "type": "full", "comment": "Check machine for viruses due to alert 3212"}), put: onLaptop},
		{file: "collect-package", action: "devices.collect_package", params: with(map[string]any{"device": laptop, "comment": "Collect forensics due to alert 1234"}), put: onLaptop},
		{file: "tag-machine", action: "devices.tag", params: with(map[string]any{"device": laptop, "add": []string{"test Tag 2"}}), put: onLaptop},
		{file: "update-incident", action: "incidents.update", params: onIncident(map[string]any{"classification": "truePositive", "determination": "multiStagedAttack"}), put: incidentID, part: []string{"classification", "determination"}},
		{file: "update-incident", action: "incidents.tag", params: onIncident(map[string]any{"add": []string{"Demo"}}), put: incidentID, part: []string{"customTags"}},
		{file: "comment-incident", action: "incidents.comment", params: onIncident(map[string]any{"text": "Demo for docs"}), put: incidentID},
		{file: "put-sentinel-incident", action: "incidents.resolve", params: onDocumented(map[string]any{"classification": "falsePositive", "determination": "incorrectAlertLogic"}), put: inSentinel, more: owner},
		{file: "put-sentinel-comment", action: "incidents.comment", params: onDocumented(map[string]any{"text": "Some message"}), put: inSentinel},
		{file: "hunting-query", action: "hunting.query", params: with(map[string]any{"query": query})},
		{file: "hunting-query-timespan", action: "hunting.query", params: with(map[string]any{"query": "DeviceProcessEvents", "timespan": "P90D"})},
		{file: "log-query", action: "hunting.query_logs", params: with(map[string]any{"query": "AzureActivity | summarize count() by Category", "workspace": workspace}), refused: "invalid", put: func(*wire) map[string]string {
			return map[string]string{"{workspaceId}": workspace} // which has no table of Azure's activities
		}},
		{file: "move-message", action: "mail.delete", params: onMail(map[string]any{}), put: inMailbox},
		{file: "get-mime", action: "mail.download", params: onMail(map[string]any{}), put: inMailbox},
		{file: "make-mail-folder", action: "mail.move", params: onMail(map[string]any{"folder": "Clutter", "create": "hidden"}), put: inMailbox},
	}
}
