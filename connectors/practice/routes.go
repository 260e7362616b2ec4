package practice

import (
	"net/http"
	"slices"
)

// graphRoutes is every Graph call served, with the application roles of the
// permissions reference of Microsoft Graph (devx-content
// permissions/new/permissions.json), of which a token needs one.
func graphRoutes() []route {
	return slices.Concat(securityRoutes(), fileRoutes(), labelRoutes(), directoryRoutes(), riskRoutes(), mailRoutes(), huntingRoutes(), subscriptionRoutes())
}

func securityRoutes() []route {
	incidentRead := []string{"SecurityIncident.Read.All", "SecurityIncident.ReadWrite.All"}
	incidentWrite := []string{"SecurityIncident.ReadWrite.All"}
	alertRead := []string{"SecurityAlert.Read.All", "SecurityAlert.ReadWrite.All"}
	alertWrite := []string{"SecurityAlert.ReadWrite.All"}
	list := []string{"$count", "$filter", "$skip", "$top", "$skiptoken"}
	return []route{
		{security, http.MethodGet, "security/incidents", incidentRead, append(slices.Clone(list), "$expand"), cost{}, listIncidents},
		{security, http.MethodGet, "security/incidents/{id}", incidentRead, []string{"$expand"}, cost{}, getIncident},
		{security, http.MethodPatch, "security/incidents/{id}", incidentWrite, nil, cost{}, patchIncident},
		{security, http.MethodPost, "security/incidents/{id}/comments", incidentWrite, nil, cost{}, commentIncident},
		{security, http.MethodGet, "security/alerts_v2", alertRead, list, cost{}, listAlerts},
		{security, http.MethodGet, "security/alerts_v2/{id}", alertRead, nil, cost{}, getAlert},
		{security, http.MethodPatch, "security/alerts_v2/{id}", alertWrite, nil, cost{}, patchAlert},
		{security, http.MethodPost, "security/alerts_v2/{id}/comments", alertWrite, nil, cost{}, commentAlert},
	}
}

func filesRead() []string {
	return []string{"Files.Read.All", "Files.ReadWrite.All", "Sites.Read.All", "Sites.ReadWrite.All"}
}

func filesWrite() []string { return []string{"Files.ReadWrite.All", "Sites.ReadWrite.All"} }

func fileRoutes() []route {
	const it = "drives/{drive}/items/{item}"
	read, write := filesRead(), filesWrite()
	siteRead := []string{"Sites.Read.All", "Sites.ReadWrite.All"}
	selects, one := []string{"$select"}, []string{"$select", "$expand"}
	list := []string{"$select", "$expand", "$top", "$skiptoken", "$orderby"}
	share := cost{units: 5, sharing: true}
	return []route{
		// shares-get.md and the permissions reference list no role that only reads.
		{files, http.MethodGet, "shares/{share}/driveItem", write, one, cost{units: 1}, getShared},
		{files, http.MethodGet, "sites/{site}", siteRead, selects, cost{units: 1}, getSite},
		{files, http.MethodGet, "sites/{site}/drives", read, selects, cost{units: 2}, listDrives},
		{files, http.MethodGet, "drives/{drive}", read, selects, cost{units: 1}, getDrive},
		{files, http.MethodGet, it, read, one, cost{units: 1}, getItem},
		{files, http.MethodPatch, it, write, nil, cost{units: 2}, patchItem},
		{files, http.MethodDelete, it, write, nil, cost{units: 2}, deleteItem},
		{files, http.MethodPost, it + "/permanentDelete", write, nil, cost{units: 2}, purgeItem},
		{files, http.MethodPost, it + "/restore", write, nil, cost{units: 2}, restoreItem},
		{files, http.MethodGet, it + "/content", read, nil, cost{units: 1}, contentOf},
		{files, http.MethodGet, it + "/children", read, list, cost{units: 2}, listChildren},
		{files, http.MethodGet, it + "/search(q='{q}')", read, []string{"$select", "$top", "$skiptoken"}, cost{units: 2}, searchItems},
		{files, http.MethodGet, it + "/permissions", read, selects, cost{units: 5}, listPermissions},
		{files, http.MethodGet, it + "/permissions/{permission}", read, selects, cost{units: 5}, getPermission},
		{files, http.MethodPatch, it + "/permissions/{permission}", write, nil, share, patchPermission},
		{files, http.MethodDelete, it + "/permissions/{permission}", write, nil, share, deletePermission},
		{files, http.MethodPost, it + "/createLink", write, nil, share, createLink},
		{files, http.MethodPost, it + "/invite", write, nil, share, invite},
	}
}

func labelRoutes() []route {
	const it = "drives/{drive}/items/{item}"
	read, write := filesRead(), filesWrite()
	labels := []string{"SensitivityLabel.Read", "SensitivityLabels.Read.All"}
	return []route{
		{files, http.MethodPost, it + "/assignSensitivityLabel", write, nil, cost{units: 2, label: true}, assignLabel},
		{files, http.MethodPost, it + "/extractSensitivityLabels", read, nil, cost{units: 2}, extractLabels},
		{files, http.MethodGet, it + "/retentionLabel", read, []string{"$select"}, cost{units: 2}, getRetention},
		{files, http.MethodPatch, it + "/retentionLabel", write, nil, cost{units: 2}, patchRetention},
		{files, http.MethodDelete, it + "/retentionLabel", write, nil, cost{units: 2}, deleteRetention},
		{security, http.MethodGet, "security/dataSecurityAndGovernance/sensitivityLabels", labels, []string{"$select", "$top", "$skiptoken"}, cost{}, listLabels},
		{security, http.MethodGet, "security/dataSecurityAndGovernance/sensitivityLabels/{id}", labels, []string{"$select"}, cost{}, getLabel},
		{security, http.MethodGet, "users/{user}/security/dataSecurityAndGovernance/sensitivityLabels", labels[1:], []string{"$select", "$top", "$skiptoken"}, cost{}, listLabels},
	}
}

func directoryRoutes() []route {
	userRead := []string{"User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}
	groupRead := groupReaders()
	orgRead := []string{"Organization.Read.All", "Directory.Read.All", "Directory.ReadWrite.All"}
	list := []string{"$select", "$filter", "$top", "$skiptoken", "$count"}
	return []route{
		{directory, http.MethodGet, "users", userRead, list, cost{}, listUsers},
		{directory, http.MethodGet, "users/{user}", userRead, []string{"$select", "$expand"}, cost{}, getUser},
		{directory, http.MethodPatch, "users/{user}", []string{"User.EnableDisableAccount.All", "User.ReadWrite.All", "Directory.ReadWrite.All"}, nil, cost{}, patchUser},
		{directory, http.MethodGet, "users/{user}/manager", userRead, []string{"$select"}, cost{}, getManager},
		{directory, http.MethodPost, "users/{user}/revokeSignInSessions", []string{"User.RevokeSessions.All", "User.ReadWrite.All", "Directory.ReadWrite.All"}, nil, cost{}, revokeSessions},
		// user-list-transitivememberof.md; the permissions reference copy lacks it.
		{directory, http.MethodGet, "users/{user}/transitiveMemberOf/microsoft.graph.group", append([]string{"User.Read.All"}, groupRead...), []string{"$select", "$top", "$skiptoken", "$count"}, cost{}, listTransitive},
		{directory, http.MethodGet, "groups", groupRead, list, cost{}, listGroups},
		{directory, http.MethodGet, "groups/{group}", groupRead, []string{"$select"}, cost{}, getGroup},
		{directory, http.MethodGet, "groups/{group}/members", groupRead, []string{"$select", "$top", "$skiptoken"}, cost{}, listMembers},
		{directory, http.MethodGet, "organization", append(orgRead, "User.Read.All"), []string{"$select"}, cost{}, listOrganization},
	}
}

func mailRoutes() []route {
	read := []string{"Mail.Read", "Mail.ReadWrite"}
	write := []string{"Mail.ReadWrite"}
	list := []string{"$select", "$filter", "$top", "$skip", "$skiptoken", "$count"}
	const one = "users/{user}/messages/{message}"
	return []route{
		{mailbox, http.MethodGet, "users/{user}/messages", read, list, cost{}, listMessages},
		{mailbox, http.MethodGet, one, read, []string{"$select"}, cost{}, getMessage},
		{mailbox, http.MethodGet, one + "/$value", read, nil, cost{}, getMIME},
		{mailbox, http.MethodPost, one + "/move", write, nil, cost{}, moveMessage},
		{mailbox, http.MethodDelete, one, write, nil, cost{}, deleteMessage},
		{mailbox, http.MethodGet, "users/{user}/mailFolders", read, append(list, "includeHiddenFolders"), cost{}, listMailFolders},
		{mailbox, http.MethodPost, "users/{user}/mailFolders", write, nil, cost{}, makeMailFolder},
		{mailbox, http.MethodGet, "users/{user}/mailFolders/{folder}", read, []string{"$select"}, cost{}, getMailFolder},
		{mailbox, http.MethodGet, "users/{user}/mailFolders/{folder}/messages", read, list, cost{}, listFolderMessages},
		{mailbox, http.MethodPost, "users/{user}/sendMail", []string{"Mail.Send"}, nil, cost{}, sendMail},
	}
}

// defenderRoutes is every Defender for Endpoint call served
// [defender-docs defender-endpoint/api/].
func defenderRoutes() []route {
	read := []string{"Machine.Read.All", "Machine.ReadWrite.All"}
	list := []string{"$filter", "$top", "$skip", "$count"}
	act := func(name, role string, do func(*call) (reply, error)) route {
		return route{defender, http.MethodPost, "machines/{id}/" + name, []string{role}, nil, cost{}, do}
	}
	return []route{
		{defender, http.MethodGet, "machines", read, list, cost{}, listMachines},
		{defender, http.MethodGet, "machines/{id}", read, nil, cost{}, getMachine},
		{defender, http.MethodPost, "machines/{id}/tags", []string{"Machine.ReadWrite.All"}, nil, cost{}, tagMachine},
		act("isolate", "Machine.Isolate", startAction("Isolate")),
		act("unisolate", "Machine.Isolate", startAction("Unisolate")),
		act("restrictCodeExecution", "Machine.RestrictExecution", startAction("RestrictCodeExecution")),
		act("unrestrictCodeExecution", "Machine.RestrictExecution", startAction("UnrestrictCodeExecution")),
		act("runAntiVirusScan", "Machine.Scan", startAction("RunAntiVirusScan")),
		act("collectInvestigationPackage", "Machine.CollectForensics", startAction("CollectInvestigationPackage")),
		{defender, http.MethodGet, "machineactions", read, list, cost{}, listActions},
		{defender, http.MethodGet, "machineactions/{id}", read, nil, cost{}, getAction},
		{defender, http.MethodPost, "machineactions/{id}/cancel", []string{"Machine.Isolate", "Machine.RestrictExecution", "Machine.Scan", "Machine.CollectForensics"}, nil, cost{}, cancelAction},
	}
}
