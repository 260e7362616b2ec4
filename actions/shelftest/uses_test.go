package shelftest_test

import (
	"strings"
	"time"

	"stanch/connectors/practice"
)

// onSentinel are params about the first incident as Sentinel has it.
func onSentinel(more map[string]any) func(*wire) any {
	return func(w *wire) any {
		list := get[struct{ Value []struct{ Name string } }](w, insights+sentinelVersion)
		more["incident"] = "sentinel/" + practice.ContosoWorkspace + "/" + list.Value[0].Name
		return more
	}
}

// resolved are params about the first incident, which is resolved and tagged.
func resolved(more map[string]any) func(*wire) any {
	return func(w *wire) any {
		w.Call("PATCH", "/v1.0/security/incidents/"+firstOf(w, "/v1.0/security/incidents"), `{"status":"resolved","classification":"falsePositive","customTags":["a"]}`)
		return onIncident(more)(w)
	}
}

// buried are params about a file that lies in the recycle bin.
func buried(w *wire) any {
	drive, id := item(w, payroll)
	w.Call("DELETE", "/v1.0/drives/"+drive+"/items/"+id, "")
	return map[string]any{"file": payroll}
}

func restricted(w *wire) any {
	w.Call("POST", "/api/machines/"+firstOf(w, "/api/machines?$filter=computerDnsName%20eq%20'"+laptop+"'")+"/restrictCodeExecution", `{"Comment":"before"}`)
	w.Advance(time.Minute)
	return map[string]any{"device": laptop}
}

// unsubscribed are no params: the app gets no events of the audit log.
func unsubscribed(w *wire) any {
	w.Call("POST", "/api/v1.0/"+practice.ContosoTenantID+"/activity/feed/subscriptions/stop?contentType=DLP.All", "")
	return map[string]any{}
}

// uses are those of actions that no documented request stands for, and more of some.
func uses() []use {
	const alert = "dl53f12236-e5ec-43b3-9d9e-1bae9f3ff8bf"
	const dana, former, ivan = "dana.officer@contoso.example", "former.employee@contoso.example", "ivan.petrov@contoso.example"
	people := []string{"sam.ortiz@contoso.example", "kim.abercrombie@fabrikam.example"}
	expires := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	user := func(name string) func(*wire) any { return with(map[string]any{"user": name}) }
	return []use{
		{"devices.get", with(map[string]any{"device": laptop})},
		{"devices.unrestrict_apps", restricted},
		{"files.download", onPayroll("", nil)},
		{"files.find", with(map[string]any{"site": host + "/sites/payroll", "name": "Payroll November 2026.xlsx"})},
		{"files.get", with(map[string]any{"file": payroll})},
		{"files.quarantine", with(map[string]any{"file": payroll})},
		{"files.remove_sensitivity_label", onPayroll("", map[string]any{"justification": "It is published."})},
		{"files.restore", buried},
		{"files.share", onPayroll("", map[string]any{"role": "read", "recipients": people, "expires_at": expires})},
		{"files.share", onPayroll("", map[string]any{"role": "write", "recipients": people, "link": "users"})},
		{"files.unlock_record", onPayroll("Board record", nil)},
		{"hunting.alert_activity", with(map[string]any{"alert": alert})},
		{"hunting.query_logs", with(map[string]any{"query": "CloudAppEvents | take 1", "workspace": practice.LogWorkspaceID(practice.ContosoTenantID)})},
		{"hunting.start_dlp_feed", unsubscribed},
		{"hunting.stop_dlp_feed", with(map[string]any{})},
		{"incidents.assign", onIncident(map[string]any{"to": dana})},
		{"incidents.assign", onSentinel(map[string]any{"to": dana})},
		{"incidents.dlp_details", onIncident(map[string]any{})},
		{"incidents.dlp_details", onSentinel(map[string]any{})},
		{"incidents.get", onIncident(map[string]any{})},
		{"incidents.get", onSentinel(map[string]any{})},
		{"incidents.list", with(map[string]any{"status": "active"})},
		{"incidents.list", with(map[string]any{"source": "sentinel", "status": "active"})},
		{"incidents.reopen", resolved(map[string]any{})},
		{"incidents.resolve", onIncident(map[string]any{"classification": "truePositive", "determination": "confirmedActivity", "comment": "Seen."})},
		{"incidents.tag", onSentinel(map[string]any{"add": []string{"seen"}})},
		{"incidents.untag", resolved(map[string]any{"remove": []string{"a"}})},
		{"mail.get", onMail(map[string]any{})},
		{"mail.send", with(map[string]any{"from": dana, "to": []string{strings.ToUpper(sam)}, "cc": []string{ivan}, "subject": "A file of yours", "text": "was shared."})},
		{"users.dismiss_risk", user(ivan)},
		{"users.enable", user(former)},
		{"users.get", user(sam)},
		{"users.groups", user(sam)},
		{"users.manager", user(sam)},
	}
}
