package practice

import (
	"path"
	"slices"
	"strings"
)

// alertEntity is an alert as Sentinel shows it
// [azure-rest-api-specs common/EntityTypes.json, SecurityAlert].
func (c *call) alertEntity(a *alert) object {
	b := a.body
	id := a.systemID(c.w.company.TenantID)
	product := textOf(b["productName"])
	if product == "" {
		product = "Microsoft Defender XDR"
	}
	tactics := []string{}
	if t := textOf(b["category"]); slices.Contains(killChain(), t) {
		tactics = append(tactics, t)
	}
	status := map[string]string{"new": "New", "inProgress": "InProgress", "resolved": "Resolved"}[textOf(b["status"])]
	if status == "" {
		status = "Unknown"
	}
	p := object{
		"systemAlertId": id, "alertDisplayName": textOf(b["title"]), "friendlyName": textOf(b["title"]), "alertType": a.kind(c.w.company.TenantID),
		"providerAlertId": a.id(), "productName": product, "vendorName": "Microsoft", "severity": sentinelSeverity(textOf(b["severity"])),
		"status": status, "tactics": tactics, "confidenceLevel": "Unknown", "alertLink": textOf(b["alertWebUrl"]),
		"timeGenerated": b["createdDateTime"], "processingEndTime": b["createdDateTime"],
		"startTimeUtc": b["createdDateTime"], "endTimeUtc": b["createdDateTime"],
	}
	for field, from := range map[string]string{
		"startTimeUtc": "firstActivityDateTime", "endTimeUtc": "lastActivityDateTime", "description": "description",
	} {
		if text := textOf(b[from]); text != "" {
			p[field] = text
		}
	}
	return c.entityResource("SecurityAlert", id, p)
}

// killChain are the tactics that Sentinel knows.
func killChain() []string {
	return []string{
		"Reconnaissance", "ResourceDevelopment", "InitialAccess", "Execution", "Persistence", "PrivilegeEscalation", "DefenseEvasion",
		"CredentialAccess", "Discovery", "LateralMovement", "Collection", "Exfiltration", "CommandAndControl", "Impact", "PreAttack",
	}
}

func (c *call) entityResource(kind, name string, p object) object {
	return object{
		"id": c.w.company.Sentinel.id("Entities/" + name), "name": name, "type": "Microsoft.SecurityInsights/Entities", "kind": kind, "properties": p,
	}
}

func listSentinelAlerts(c *call) (reply, error) {
	i, err := c.sentinelIncident()
	if err != nil {
		return reply{}, err
	}
	i = seen(c, i.target(), i)
	value := []object{}
	for _, id := range i.alerts {
		a := c.w.alerts[id]
		value = append(value, c.alertEntity(seen(c, a.target(), a)))
	}
	return ok(object{"value": value}), nil
}

// listSentinelBookmarks answers none: nobody hunts in this company.
func listSentinelBookmarks(c *call) (reply, error) {
	if _, err := c.sentinelIncident(); err != nil {
		return reply{}, err
	}
	return ok(object{"value": []object{}}), nil
}

func listSentinelEntities(c *call) (reply, error) {
	i, err := c.sentinelIncident()
	if err != nil {
		return reply{}, err
	}
	i = seen(c, i.target(), i)
	e := &entities{c: c, list: []object{}, ids: map[string]string{}, hosts: map[string]string{}}
	evidence := []object{}
	for _, id := range i.alerts {
		for _, v := range listOf(c.w.alerts[id].body["evidence"]) {
			if body, is := v.(object); is {
				evidence = append(evidence, body)
			}
		}
	}
	for _, b := range evidence { // the others name them
		if evidenceKind(b) == "deviceEvidence" {
			e.hosts[textOf(b["mdeDeviceId"])] = e.host(b)
		}
	}
	for _, b := range evidence {
		e.add(b)
	}
	counts, kinds := map[string]int{}, []string{}
	for _, o := range e.list {
		kind := o["kind"].(string)
		if counts[kind]++; counts[kind] == 1 {
			kinds = append(kinds, kind)
		}
	}
	meta := []object{}
	for _, kind := range kinds {
		meta = append(meta, object{"entityKind": kind, "count": counts[kind]})
	}
	return ok(object{"entities": e.list, "metaData": meta}), nil
}

// entities are those of one incident, each once, made of Graph's evidence.
type entities struct {
	c    *call
	list []object
	ids  map[string]string // whole ids by kind and properties
	// hosts are whole ids by the machine's id in Defender.
	hosts map[string]string
}

// put adds an entity of the properties that are there and answers its id.
func (e *entities) put(kind, friendly string, p object) string {
	for k, v := range p {
		if v == nil || v == "" {
			delete(p, k)
		}
	}
	if len(p) == 0 {
		return ""
	}
	key := kind + canonical(p)
	if id, is := e.ids[key]; is {
		return id
	}
	if friendly != "" {
		p["friendlyName"] = friendly
	}
	o := e.c.entityResource(kind, guid(e.c.w.company.TenantID, key), p)
	e.ids[key] = o["id"].(string)
	e.list = append(e.list, o)
	return e.ids[key]
}

// add makes entities of one piece of evidence, as far as Sentinel has its kind.
func (e *entities) add(b object) {
	switch evidenceKind(b) {
	case "userEvidence":
		e.account(inner(b, "userAccount"))
	case "fileEvidence":
		e.file(inner(b, "fileDetails"), e.hosts[textOf(b["mdeDeviceId"])])
	case "processEvidence":
		host := e.hosts[textOf(b["mdeDeviceId"])]
		image := e.file(inner(b, "imageFile"), host)
		pid := ""
		if v := b["processId"]; v != nil {
			pid = canonical(v)
		}
		e.put("Process", textOf(b["processCommandLine"]), object{
			"processId": pid, "commandLine": textOf(b["processCommandLine"]), "creationTimeUtc": b["processCreationDateTime"],
			"imageFileEntityId": image, "hostEntityId": host, "accountEntityId": e.account(inner(b, "userAccount")),
		})
	case "ipEvidence":
		p := object{"address": textOf(b["ipAddress"])}
		if code := textOf(b["countryLetterCode"]); code != "" {
			p["location"] = object{"countryCode": code}
		}
		e.put("Ip", textOf(b["ipAddress"]), p)
	case "urlEvidence":
		e.put("Url", textOf(b["url"]), object{"url": textOf(b["url"])})
	case "mailboxEvidence":
		e.put("Mailbox", textOf(b["primaryAddress"]), object{
			"mailboxPrimaryAddress": textOf(b["primaryAddress"]), "displayName": textOf(b["displayName"]), "upn": textOf(b["upn"]),
		})
	case "analyzedMessageEvidence":
		e.mail(b)
	case "cloudApplicationEvidence":
		e.put("CloudApplication", textOf(b["displayName"]), object{
			"appId": b["appId"], "appName": textOf(b["displayName"]), "instanceName": textOf(b["instanceName"]),
		})
	}
}

func (e *entities) account(u object) string {
	name, suffix, _ := strings.Cut(textOf(u["userPrincipalName"]), "@")
	if name == "" {
		name = textOf(u["accountName"])
	}
	return e.put("Account", name, object{
		"accountName": name, "upnSuffix": suffix, "displayName": textOf(u["displayName"]), "aadUserId": textOf(u["azureAdUserId"]),
		"sid": textOf(u["userSid"]), "ntDomain": textOf(u["domainName"]),
	})
}

func (e *entities) host(b object) string {
	name, domain, _ := strings.Cut(textOf(b["deviceDnsName"]), ".")
	if name == "" {
		name = textOf(b["hostName"])
	}
	family := "Unknown"
	for _, f := range []string{"Windows", "Linux", "Android", "iOS"} {
		if strings.HasPrefix(textOf(b["osPlatform"]), f) {
			family = map[string]string{"iOS": "IOS"}[f]
			if family == "" {
				family = f
			}
		}
	}
	return e.put("Host", name, object{"hostName": name, "dnsDomain": domain, "osFamily": family, "osVersion": textOf(b["osPlatform"])})
}

func (e *entities) file(f object, host string) string {
	p := object{"directory": textOf(f["filePath"]), "fileName": textOf(f["fileName"]), "hostEntityId": host}
	if p["directory"] == "" && p["fileName"] == "" {
		return ""
	}
	if sum := textOf(f["sha256"]); sum != "" {
		hash := e.put("FileHash", sum+"(SHA256)", object{"algorithm": "SHA256", "hashValue": sum})
		p["fileHashEntityIds"] = []any{hash}
	}
	return e.put("File", path.Base("/"+textOf(f["fileName"])), p)
}

func (e *entities) mail(b object) {
	sender := func(key, part string) string { return textOf(inner(b, key)[part]) }
	direction := textOf(b["antiSpamDirection"])
	if direction != "" {
		direction = strings.ToUpper(direction[:1]) + strings.ToLower(direction[1:])
	}
	e.put("MailMessage", textOf(b["subject"]), object{
		"recipient": textOf(b["recipientEmailAddress"]), "subject": textOf(b["subject"]), "internetMessageId": textOf(b["internetMessageId"]),
		"networkMessageId": textOf(b["networkMessageId"]), "receiveDate": b["receivedDateTime"], "senderIP": textOf(b["senderIp"]),
		"p1Sender": sender("p1Sender", "emailAddress"), "p1SenderDisplayName": sender("p1Sender", "displayName"), "p1SenderDomain": sender("p1Sender", "domainName"),
		"p2Sender": sender("p2Sender", "emailAddress"), "p2SenderDisplayName": sender("p2Sender", "displayName"), "p2SenderDomain": sender("p2Sender", "domainName"),
		"antispamDirection": direction, "language": textOf(b["language"]),
	})
}
