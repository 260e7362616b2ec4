package practice

import (
	"maps"
	"slices"
	"strings"
)

// sourceName is how the tables call what Graph has as a word of an enum.
func sourceName(v string) string {
	names := map[string]string{
		"dataLossPrevention": "Microsoft Data Loss Prevention", "microsoftDataLossPrevention": "Microsoft Data Loss Prevention",
		"microsoftDefenderForEndpoint": "Microsoft Defender for Endpoint", "microsoftDefenderForIdentity": "Microsoft Defender for Identity",
		"microsoftDefenderForCloudApps": "Microsoft Defender for Cloud Apps", "microsoftDefenderForOffice365": "Microsoft Defender for Office 365",
		"microsoft365Defender": "Microsoft Defender XDR", "azureAdIdentityProtection": "AAD Identity Protection",
	}
	if n := names[v]; n != "" {
		return n
	}
	return v
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// head is what both tables of alerts say of one.
func (a *alert) head() object {
	techniques := []any{}
	if list, is := a.body["mitreTechniques"].([]any); is {
		techniques = list
	}
	o := object{
		"Timestamp": a.created(), "AlertId": a.id(), "Title": textOf(a.body["title"]), "Severity": capital(textOf(a.body["severity"])),
		"ServiceSource": sourceName(textOf(a.body["serviceSource"])), "DetectionSource": sourceName(textOf(a.body["detectionSource"])),
		"Category": textOf(a.body["category"]), "Categories": jsonText([]any{textOf(a.body["category"])}),
	}
	if len(techniques) > 0 {
		o["AttackTechniques"] = jsonText(techniques)
	}
	return o
}

func alertInfo(h *hunted) []object {
	var out []object
	for _, a := range h.alertsInOrder() {
		out = append(out, a.head())
	}
	return out
}

func alertEvidence(h *hunted) []object {
	var out []object
	for _, a := range h.alertsInOrder() {
		for _, e := range a.evidence() {
			row := a.head()
			row["EvidenceRole"] = "Related"
			if roles, is := e["roles"].([]any); is && len(roles) > 0 {
				row["EvidenceRole"] = "Impacted"
			}
			h.entity(row, e)
			out = append(out, row)
		}
	}
	return out
}

// entity fills the columns of one item of evidence.
func (h *hunted) entity(row, e object) {
	switch evidenceKind(e) {
	case "fileEvidence":
		f := inner(e, "fileDetails")
		maps.Copy(row, object{
			"EntityType": "File", "FileName": f["fileName"], "FolderPath": f["filePath"], "SHA1": f["sha1"], "SHA256": f["sha256"],
			"FileSize": f["fileSize"], "DeviceId": e["mdeDeviceId"],
			"AdditionalFields": jsonText(object{"Type": "file", "Name": f["fileName"], "Directory": f["filePath"], "SizeInBytes": f["fileSize"]}),
		})
		if m := h.w.machines[textOf(e["mdeDeviceId"])]; m != nil {
			row["DeviceName"] = m.Name
		}
	case "userEvidence":
		u := inner(e, "userAccount")
		maps.Copy(row, object{
			"EntityType": "User", "AccountName": u["accountName"], "AccountDomain": u["domainName"], "AccountSid": u["userSid"],
			"AccountObjectId": u["azureAdUserId"], "AccountUpn": u["userPrincipalName"],
			"AdditionalFields": jsonText(object{"Type": "account", "Name": u["accountName"], "AadUserId": u["azureAdUserId"]}),
		})
	case "deviceEvidence":
		maps.Copy(row, object{
			"EntityType": "Machine", "DeviceId": e["mdeDeviceId"], "DeviceName": e["deviceDnsName"], "LocalIP": e["lastIpAddress"],
			"AdditionalFields": jsonText(object{"Type": "host", "HostName": e["hostName"], "AadDeviceId": e["azureAdDeviceId"]}),
		})
	case "ipEvidence":
		maps.Copy(row, object{"EntityType": "Ip", "RemoteIP": e["ipAddress"], "AdditionalFields": jsonText(object{"Type": "ip", "Address": e["ipAddress"]})})
	case "urlEvidence":
		maps.Copy(row, object{"EntityType": "Url", "RemoteUrl": e["url"], "AdditionalFields": jsonText(object{"Type": "url", "Url": e["url"]})})
	case "cloudApplicationEvidence":
		maps.Copy(row, object{
			"EntityType": "CloudApplication", "Application": e["displayName"], "ApplicationId": e["appId"],
			"AdditionalFields": jsonText(object{"Type": "cloud-application", "AppId": e["appId"], "Name": e["displayName"]}),
		})
	case "analyzedMessageEvidence":
		maps.Copy(row, object{
			"EntityType": "MailMessage", "NetworkMessageId": e["networkMessageId"], "EmailSubject": e["subject"],
			"AdditionalFields": jsonText(object{"Type": "mailMessage", "InternetMessageId": e["internetMessageId"], "Recipient": e["recipientEmailAddress"]}),
		})
	case "processEvidence":
		maps.Copy(row, object{
			"EntityType": "Process", "ProcessCommandLine": e["processCommandLine"], "DeviceId": e["mdeDeviceId"],
			"FileName": inner(e, "imageFile")["fileName"], "FolderPath": inner(e, "imageFile")["filePath"],
			"AdditionalFields": jsonText(object{"Type": "process", "ProcessId": e["processId"]}),
		})
	default:
		row["EntityType"] = capital(strings.TrimSuffix(evidenceKind(e), "Evidence"))
	}
}

// securityAlerts is Sentinel's table of the alerts that the connector of
// Defender XDR brings.
func securityAlerts(h *hunted) []object {
	tenant := h.w.company.TenantID
	var out []object
	for _, a := range h.alertsInOrder() {
		from, to := a.span()
		who := ""
		if users := a.evidenceOf("userEvidence"); len(users) > 0 {
			who = textOf(inner(users[0], "userAccount")["userPrincipalName"])
		}
		var entities []object
		for _, e := range a.evidence() {
			row := object{}
			h.entity(row, e)
			entities = append(entities, object{"$id": itoa(len(entities) + 2), "Type": row["EntityType"], "Details": row["AdditionalFields"]})
		}
		product := textOf(a.body["productName"])
		if product == "" {
			product = sourceName(textOf(a.body["serviceSource"]))
		}
		out = append(out, object{
			"TimeGenerated": a.created(), "DisplayName": textOf(a.body["title"]), "AlertName": textOf(a.body["title"]),
			"AlertSeverity": capital(textOf(a.body["severity"])), "Description": textOf(a.body["description"]), "ProviderName": product,
			"VendorName": "Microsoft", "VendorOriginalId": a.id(), "SystemAlertId": a.systemID(tenant), "AlertType": a.kind(tenant),
			"IsIncident": false, "StartTime": from, "EndTime": to, "ProcessingEndTime": at(a.body, "lastUpdateDateTime", "createdDateTime"),
			"RemediationSteps": jsonText([]any{textOf(a.body["recommendedActions"])}), "Entities": jsonText(entities), "SourceSystem": "Detection",
			"ProductName": "Microsoft Defender XDR", "ProductComponentName": product, "AlertLink": textOf(a.body["alertWebUrl"]),
			"Status": capital(textOf(a.body["status"])), "CompromisedEntity": who, "Tactics": textOf(a.body["category"]),
			"ExtendedProperties": jsonText(object{"IncidentId": textOf(a.body["incidentId"]), "MicrosoftDefenderAtpAlertId": a.id()}),
		})
	}
	return out
}

func securityIncidents(h *hunted) []object {
	tenant := h.w.company.TenantID
	var out []object
	for _, id := range slices.Sorted(maps.Keys(h.w.incidents)) {
		in := h.w.incidents[id]
		var alerts []string
		for _, a := range in.alerts {
			alerts = append(alerts, h.w.alerts[a].systemID(tenant))
		}
		status := map[string]string{"active": "New", "inProgress": "Active", "awaitingAction": "Active", "resolved": "Closed", "redirected": "Closed"}[textOf(in.body["status"])]
		labels := []any{}
		if tags, is := in.body["customTags"].([]any); is {
			for _, t := range tags {
				labels = append(labels, object{"labelName": t, "labelType": "User"})
			}
		}
		out = append(out, object{
			"TimeGenerated": at(in.body, "lastUpdateDateTime"), "IncidentName": guid(tenant, "sentinel incident", id), "Title": textOf(in.body["displayName"]),
			"Severity": capital(textOf(in.body["severity"])), "Status": status, "Owner": object{"userPrincipalName": in.body["assignedTo"]},
			"ProviderName": "Microsoft XDR", "ProviderIncidentId": id, "CreatedTime": at(in.body, "createdDateTime"),
			"LastModifiedTime": at(in.body, "lastUpdateDateTime"), "FirstModifiedTime": at(in.body, "createdDateTime"), "IncidentNumber": number(id),
			"RelatedAnalyticRuleIds": []any{}, "AlertIds": alerts, "BookmarkIds": []any{}, "Comments": []any{}, "Labels": labels,
			"IncidentUrl": textOf(in.body["incidentWebUrl"]), "AdditionalData": object{"alertsCount": len(alerts)}, "SourceSystem": "Azure",
		})
	}
	return out
}
