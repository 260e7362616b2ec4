package main

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"stanch/cmd/stanch/internal/config"
	"stanch/connectors"
)

// resourceApp is the application id by which every tenant knows an API; false
// for Azure, whose roles are assigned on resources.
//
// Source: learn.microsoft.com/troubleshoot/entra/entra-id/governance/verify-first-party-apps-sign-in,
// learn.microsoft.com/defender-endpoint/api/exposed-apis-create-app-webapp.
func resourceApp(api string) (id string, is bool) {
	switch api {
	case "graph":
		return "00000003-0000-0000-c000-000000000000", true
	case "defender":
		return "fc780465-2017-40d4-a0c5-307022471b92", true
	case "activity":
		return "c5393580-f805-4401-95e8-94b7a6ef2fc2", true
	case "sharepoint":
		return "00000003-0000-0ff1-ce00-000000000000", true
	}
	return "", false
}

// What stands where the configuration does not tell.
const (
	clientUnknown = "CLIENT_ID"
	tenantUnknown = "TENANT_ID"
)

// consent tells how an administrator grants what is missing, or, where no token
// told, what is needed.
func (p permissionSheet) consent(t config.Tenant) []string {
	names := map[string][]string{} // by API
	for _, n := range p.Needed {
		if n.Held != heldYes && (n.Held != heldUnknown || t.Cloud != config.Practice) {
			names[n.API] = append(names[n.API], n.Permission)
		}
	}
	lines := []string{}
	if len(names) == 0 {
		return lines
	}
	if t.Cloud == config.Practice {
		return append(lines, "the practice tenant grants nothing: sign in as another of its apps, or name the roles in a company file")
	}
	switch t.Cloud {
	case "usgov", "dod":
		lines = append(lines, "az cloud set --name AzureUSGovernment")
	case "china":
		lines = append(lines, "az cloud set --name AzureChinaCloud")
	}
	lines = append(lines, "az login --tenant "+cmp.Or(t.ID, tenantUnknown))
	apps := []string{} // registrations that are consented to
	for _, api := range p.apis() {
		if len(names[api]) == 0 {
			continue
		}
		auth, _ := t.Of(api)
		lines = append(lines, grantLines(api, names[api], auth)...)
		client := cmp.Or(auth.Client, clientUnknown)
		if _, is := resourceApp(api); is && auth.Kind != string(connectors.Managed) && !slices.Contains(apps, client) {
			apps = append(apps, client)
		}
	}
	for _, client := range apps {
		lines = append(lines, "az ad app permission admin-consent --id "+client)
		if login := loginOf(t); login != "" {
			lines = append(lines, fmt.Sprintf("# or, in place of the last, in a browser: %s/%s/adminconsent?client_id=%s", login, url.PathEscape(cmp.Or(t.ID, tenantUnknown)), client))
		}
	}
	return lines
}

// grantLines are the commands that give an app permissions of one API. Roles are
// looked up by name in the tenant.
func grantLines(api string, names []string, auth config.Auth) []string {
	client := cmp.Or(auth.Client, clientUnknown)
	resource, is := resourceApp(api)
	switch {
	case !is:
		lines := []string{}
		for _, role := range names {
			lines = append(lines, fmt.Sprintf("az role assignment create --assignee %s --role %q --scope RESOURCE_ID", client, role))
		}
		return lines
	case auth.Kind == string(connectors.Managed): // there is no registration to consent to
		return []string{
			"graph=$(az cloud show --query endpoints.microsoftGraphResourceId --output tsv); graph=${graph%/}",
			fmt.Sprintf("identity=$(az ad sp show --id %s --query id --output tsv); api=$(az ad sp show --id %s --query id --output tsv)", client, resource),
			fmt.Sprintf("for role in %s; do", strings.Join(names, " ")),
			fmt.Sprintf(`  id=$(az ad sp show --id %s --query "appRoles[?value=='$role'].id" --output tsv)`, resource),
			`  az rest --method POST --url "$graph/v1.0/servicePrincipals/$identity/appRoleAssignments" --body "{\"principalId\":\"$identity\",\"resourceId\":\"$api\",\"appRoleId\":\"$id\"}"`,
			"done",
		}
	}
	return []string{fmt.Sprintf(
		`az ad app permission add --id %s --api %s --api-permissions $(az ad sp show --id %s --query "appRoles[?contains(['%s'], value)].join('=', [id, 'Role'])" --output tsv)`,
		client, resource, resource, strings.Join(names, "','"),
	)}
}

// loginOf is the address of the tenant's sign-in service.
func loginOf(t config.Tenant) string {
	cloud, err := connectors.CloudNamed(cmp.Or(t.Cloud, "global"))
	if err != nil && t.Authority == "" {
		return ""
	}
	return strings.TrimRight(cmp.Or(t.Authority, cloud.Login), "/")
}
