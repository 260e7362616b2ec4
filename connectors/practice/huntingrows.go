package practice

import (
	"maps"
	"slices"
	"strings"
	"time"
)

func cloudAppEvents(h *hunted) []object {
	var out []object
	for _, x := range h.activities() {
		if x.file != nil && x.action != "FileCopiedToRemovableMedia" {
			continue // a device's own log has it
		}
		account := "Regular"
		if x.user.Guest {
			account = "Guest"
		}
		if x.raw["UserType"] == 5 {
			account = "Application"
		}
		out = append(out, object{
			"Timestamp": x.at, "ActionType": x.action, "Application": x.app.name, "ApplicationId": x.app.id, "AppInstanceId": 0,
			"AccountObjectId": x.user.ID, "AccountId": x.user.UPN, "AccountDisplayName": x.user.Name, "IsAdminOperation": false,
			"DeviceType": "Desktop", "OSPlatform": "Windows 11", "IPAddress": x.ip, "IsAnonymousProxy": false, "CountryCode": x.country,
			"ActivityType": activityType(x.action), "ObjectName": x.object, "ObjectType": x.kind, "ObjectId": x.object,
			"ActivityObjects": []object{{"Type": x.kind, "Role": "Target object", "Name": x.object}, {"Type": "User", "Role": "Actor", "Name": x.user.Name}},
			"ReportId":        guid("report", x.at.Format(time.RFC3339Nano), x.user.UPN, x.action, x.object), "AccountType": account,
			"IsExternalUser": x.user.Guest, "IsImpersonated": false, "RawEventData": x.raw, "AdditionalFields": object{}, "AuditSource": "Defender for Cloud Apps app connector",
			"IPTags": []any{}, "UserAgentTags": []any{}, "LastSeenForUser": object{"ActionType": 0}, "UncommonForUser": []any{}, "SessionData": nil,
		})
	}
	return out
}

// activityType is the kind of an action that Defender for Cloud Apps names.
func activityType(action string) string {
	switch action {
	case "FileDownloaded":
		return "Download"
	case "FileUploaded":
		return "Upload"
	case "FileModified":
		return "Edit"
	case "SharingSet":
		return "Share"
	case "UserLoggedIn":
		return "Log on"
	case "Send":
		return "Send"
	case "FileAccessed":
		return "View"
	}
	return "Basic"
}

func deviceFileEvents(h *hunted) []object {
	var out []object
	for n, x := range h.activities() {
		if x.file == nil || x.device == nil {
			continue
		}
		action := x.action
		if action == "FileCopiedToRemovableMedia" {
			action = "FileCreated"
		}
		out = append(out, object{
			"Timestamp": x.at, "DeviceId": x.device.ID, "DeviceName": x.device.Name, "ActionType": action, "FileName": x.file.name,
			"FolderPath": x.file.folder + `\` + x.file.name, "SHA256": x.file.sha256, "PreviousFolderPath": x.file.from, "FileSize": x.file.size,
			"InitiatingProcessAccountDomain": strings.ToLower(strings.Split(h.w.company.Domain, ".")[0]), "InitiatingProcessAccountName": accountName(x.user.UPN),
			"InitiatingProcessAccountUpn": x.user.UPN, "InitiatingProcessAccountObjectId": x.user.ID, "InitiatingProcessFileName": x.file.process,
			"InitiatingProcessCommandLine": x.file.command, "IsAzureInfoProtectionApplied": false, "ReportId": n + 1, "AdditionalFields": "{}",
		})
	}
	return out
}

// deviceProcessEvents has the start of each process that then did something to
// files, in the same second for all of its files.
func deviceProcessEvents(h *hunted) []object {
	var out []object
	seen := map[string]bool{}
	for n, x := range h.activities() {
		if x.file == nil || x.device == nil || seen[x.device.ID+x.file.command+x.at.Format(time.DateOnly)] {
			continue
		}
		seen[x.device.ID+x.file.command+x.at.Format(time.DateOnly)] = true
		parent := "explorer.exe"
		if x.file.process == parent {
			parent = "userinit.exe"
		}
		started := x.at.Add(-time.Second)
		out = append(out, object{
			"Timestamp": started, "ProcessCreationTime": started, "DeviceId": x.device.ID, "DeviceName": x.device.Name, "ActionType": "ProcessCreated",
			"FileName": x.file.process, "FolderPath": `C:\Windows\System32\` + x.file.process, "ProcessId": 4000 + n, "ProcessCommandLine": x.file.command,
			"AccountDomain": strings.ToLower(strings.Split(h.w.company.Domain, ".")[0]), "AccountName": accountName(x.user.UPN), "AccountUpn": x.user.UPN,
			"AccountObjectId": x.user.ID, "InitiatingProcessAccountName": accountName(x.user.UPN), "InitiatingProcessFileName": parent,
			"InitiatingProcessId": 1200, "InitiatingProcessCommandLine": parent, "ReportId": n + 1, "AdditionalFields": "{}",
		})
	}
	return out
}

func deviceInfo(h *hunted) []object {
	var out []object
	for _, id := range slices.Sorted(maps.Keys(h.w.machines)) {
		m := h.w.machines[id]
		seen := m.LastSeen
		if seen.After(h.to) {
			seen = h.to
		}
		var users []object
		for _, u := range m.Users {
			users = append(users, object{"UserName": accountName(u)})
		}
		out = append(out, object{
			"Timestamp": seen, "DeviceId": m.ID, "DeviceName": m.Name, "PublicIP": m.ExternalIP, "OSArchitecture": "64-bit", "OSPlatform": m.OS,
			"OSBuild": m.Build, "OSVersion": m.Version, "IsAzureADJoined": true, "JoinType": "AAD Joined", "AadDeviceId": m.EntraID,
			"LoggedOnUsers": jsonText(users), "MachineGroup": "Workstations", "ReportId": 1, "OnboardingStatus": m.Onboarding,
			"SensorHealthState": m.Health, "ExposureLevel": "Medium", "DeviceManualTags": jsonText(m.Tags),
		})
	}
	return out
}

func emailEvents(h *hunted) []object {
	var out []object
	for _, m := range h.w.company.Mail {
		from := h.person(m.From)
		for _, to := range m.To {
			direction := "Intra-org"
			if !strings.HasSuffix(strings.ToLower(to), "@"+strings.ToLower(h.w.company.Domain)) {
				direction = "Outbound"
			}
			network := guid("network message", m.InternetID)
			out = append(out, object{
				"Timestamp": m.SentAt, "NetworkMessageId": network, "InternetMessageId": m.InternetID, "SenderFromAddress": m.From,
				"SenderMailFromAddress": m.From, "SenderDisplayName": from.Name, "SenderObjectId": from.ID, "SenderFromDomain": domainOf(m.From),
				"SenderMailFromDomain": domainOf(m.From), "RecipientEmailAddress": to, "RecipientObjectId": h.person(to).ID, "Subject": m.Subject,
				"EmailDirection": direction, "DeliveryAction": "Delivered", "DeliveryLocation": "Inbox/folder", "AttachmentCount": 1, "UrlCount": 0,
				"EmailLanguage": "en", "ReportId": guid("report", m.InternetID, to),
			})
		}
	}
	return out
}

func domainOf(address string) string {
	_, domain, _ := strings.Cut(address, "@")
	return domain
}

// identityInfo has a row for each user, as of the start of the day.
func identityInfo(h *hunted) []object {
	var out []object
	for _, id := range slices.Sorted(maps.Keys(h.w.users)) {
		u := h.w.users[id]
		given, surname, _ := strings.Cut(u.Name, " ")
		out = append(out, object{
			"Timestamp": h.to.Truncate(24 * time.Hour), "ReportId": guid("identity", id), "AccountObjectId": id, "AccountUpn": u.UPN,
			"AccountDisplayName": u.Name, "AccountName": accountName(u.UPN), "AccountDomain": h.w.company.Domain, "Type": "User", "GivenName": given,
			"Surname": surname, "Department": u.Department, "JobTitle": u.Title, "EmailAddress": u.Mail, "IsAccountEnabled": !u.Disabled,
			"Manager": h.person(u.Manager).Name, "CreatedDateTime": founded(), "SourceProvider": "AzureActiveDirectory",
		})
	}
	return out
}
