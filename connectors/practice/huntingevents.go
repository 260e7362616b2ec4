package practice

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"path"
	"regexp"
	"strings"
	"time"
)

// activity is one thing that somebody did, as the audit logs keep it.
type activity struct {
	at      time.Time
	user    User
	action  string
	app     app
	object  string // what it was done to, by URL, path or subject
	kind    string // File, Message, Account
	ip      string
	country string
	raw     object // the audit record
	device  *machine
	file    *deviceFile
}

// deviceFile is what happened to a file on a device.
type deviceFile struct {
	name, folder, from, sha256 string
	size                       int64
	process, command           string
}

// app is a cloud app by the number that Defender for Cloud Apps gives it.
type app struct {
	name, workload string
	id             int
}

func sharePoint() app { return app{"Microsoft SharePoint Online", "SharePoint", 20892} }
func exchange() app   { return app{"Microsoft Exchange Online", "Exchange", 20893} }
func office() app     { return app{"Office 365", "AzureActiveDirectory", 11161} }

func cloudApp(address string) app {
	if strings.Contains(address, "-my.sharepoint.") {
		return app{"Microsoft OneDrive for Business", "OneDrive", 15600}
	}
	return sharePoint()
}

// activities are what people did: the ordinary work of each day and what the
// alerts are about.
func (h *hunted) activities() []activity {
	if h.did != nil {
		return h.did
	}
	for _, a := range h.alertsInOrder() {
		if a.dlp() {
			h.did = append(h.did, h.planted(a)...)
		}
	}
	for day := h.from.Truncate(24 * time.Hour); !day.After(h.to); day = day.Add(24 * time.Hour) {
		h.did = append(h.did, h.ordinary(day)...)
	}
	for _, x := range h.done {
		if a, is := h.ofApp(x); is {
			h.did = append(h.did, a)
		}
	}
	return h.did
}

// ofApp is a change that an app made to a file, as the audit log has it: the
// tenant's own work is hunted, too.
func (h *hunted) ofApp(x Change) (activity, bool) {
	action := map[string]string{
		"permission.delete": "SharingRevoked", "permission.update": "SharingSet", "permission.invite": "SharingSet", "permission.createLink": "SharingSet",
		"permission.breakInheritance": "SharingInheritanceBroken", "label.assign": "FileSensitivityLabelApplied", "retention.set": "TagApplied",
		"retention.remove": "TagApplied", "item.delete": "FileRecycled", "item.permanentDelete": "FileDeleted", "item.restore": "FileRestored", "item.rename": "FileRenamed", "item.move": "FileMoved",
	}[x.Operation]
	parts := strings.Split(x.Target, "/") // /drives/{drive}/items/{item}[/permissions/{permission}]
	if action == "" || len(parts) < 5 || h.w.items[parts[2]+"/"+parts[4]] == nil {
		return activity{}, false
	}
	i := h.w.items[parts[2]+"/"+parts[4]]
	address := i.drive.site.url() + "/" + i.drive.library + "/" + i.path()
	a := activity{at: x.At, user: User{UPN: "app@sharepoint", Name: x.By}, action: action, app: cloudApp(address), object: address, kind: "File", ip: "203.0.113.80", country: "SE"}
	a.raw = h.record(a)
	a.raw["UserType"] = 5 // application
	return a, true
}

// ordinary is one day's work: who did what follows from the seed and the day.
func (h *hunted) ordinary(day time.Time) []activity {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], h.seed)
	binary.LittleEndian.PutUint64(seed[8:], uint64(day.Unix()))
	copy(seed[16:], h.w.company.TenantID)
	dice := rand.New(rand.NewChaCha8(seed))
	people := h.workers()
	files := h.libraryFiles()
	if len(people) == 0 || len(files) == 0 {
		return nil
	}
	n := 36
	if d := day.Weekday(); d == time.Saturday || d == time.Sunday {
		n = 6
	}
	var out []activity
	for range n {
		x := activity{
			at:   day.Add(time.Duration(6*3600+dice.IntN(13*3600))*time.Second + time.Duration(dice.IntN(10_000))*100*time.Microsecond),
			user: people[dice.IntN(len(people))], kind: "File", ip: "203.0.113.24", country: "SE",
		}
		file := files[dice.IntN(len(files))]
		x.action = []string{"FileAccessed", "FileAccessed", "FileAccessed", "FileModified", "FileDownloaded", "FileUploaded", "SharingSet", "UserLoggedIn", "Send"}[dice.IntN(9)]
		x.app, x.object = cloudApp(file), file
		switch x.action {
		case "UserLoggedIn":
			x.app, x.object, x.kind = office(), x.user.UPN, "Account"
		case "Send":
			x.app, x.object, x.kind = exchange(), "Weekly numbers", "Message"
		}
		x.raw = h.record(x)
		out = append(out, x)
		if dice.IntN(4) == 0 {
			out = append(out, h.onDevice(dice, x))
		}
	}
	return out
}

// onDevice is ordinary work with a file on the person's own device.
func (h *hunted) onDevice(dice *rand.Rand, x activity) activity {
	x.action = []string{"FileCreated", "FileModified", "FileRenamed", "FileDeleted"}[dice.IntN(4)]
	x.device = h.deviceOf(x.user.UPN)
	name := path.Base(x.object)
	x.file = &deviceFile{
		name: name, folder: `C:\Users\` + accountName(x.user.UPN) + `\Documents`, size: int64(4096 + dice.IntN(2_000_000)),
		sha256: hexID("sha", name) + hexID("sum", name)[:24], process: "explorer.exe", command: `C:\Windows\explorer.exe`,
	}
	return x
}

func accountName(upn string) string { name, _, _ := strings.Cut(upn, "@"); return name }

// workers are the people who work with files.
func (h *hunted) workers() []User {
	var out []User
	for _, u := range h.w.company.Users {
		if !u.Guest && !u.Disabled && u.Title != "" {
			out = append(out, *h.person(u.UPN))
		}
	}
	return out
}

// person is a user by upn with its id; one that nobody knows has no more.
func (h *hunted) person(upn string) *User {
	if u := h.w.userByName(upn); u != nil {
		return &u.User
	}
	return &User{UPN: upn, Name: accountName(upn)}
}

// libraryFiles are the addresses of the files that the company began with.
func (h *hunted) libraryFiles() []string {
	var out []string
	for _, s := range h.w.company.Sites {
		for _, f := range s.Files {
			out = append(out, "https://"+h.w.company.SharePoint+s.Path+"/Shared Documents/"+f.Path)
		}
	}
	return out
}

func (h *hunted) deviceOf(upn string) *machine {
	for _, d := range h.w.company.Devices {
		for _, u := range d.Users {
			if strings.EqualFold(u, upn) {
				for _, m := range h.w.machines {
					if m.Name == d.Name {
						return m
					}
				}
			}
		}
	}
	return nil
}

// record is the audit record of an activity in the common schema
// [office-365-management-activity-api-schema.md].
func (h *hunted) record(x activity) object {
	return object{
		"Id": guid("audit", x.at.Format(time.RFC3339Nano), x.user.UPN, x.action, x.object), "CreationTime": x.at.Format("2006-01-02T15:04:05"),
		"Operation": x.action, "OrganizationId": h.w.company.TenantID, "RecordType": 6, "UserType": 0, "UserKey": x.user.ID,
		"UserId": x.user.UPN, "Workload": x.app.workload, "ObjectId": x.object, "ClientIP": x.ip, "ResultStatus": "Succeeded",
	}
}

// planted is what an alert of data loss prevention is about: for each file or
// message that it names what its user did, the policy's match, and what the
// alert was told of it under the policy's id (cid), all between the alert's
// first and last activity; then the alert itself. Beside them stand things that
// look alike and do not belong: the same policy a day before, and another
// policy at the same time.
func (h *hunted) planted(a *alert) []activity {
	from, to := a.span()
	who := h.person(a.user())
	var out []activity
	things := h.things(a)
	for n, thing := range things {
		// Strictly inside, in whole seconds where there is room for them: audit
		// records have no finer time.
		at := from.Add(to.Sub(from) * time.Duration(2*n+1) / time.Duration(2*len(things)))
		if s := at.Truncate(time.Second); s.After(from) && s.Before(to) {
			at = s
		}
		out = append(out, h.about(a, *who, thing, at)...)
	}
	if len(things) > 0 {
		first := things[0]
		out = append(out,
			h.entityRecord(a.kind(h.w.company.TenantID), a, *h.person(h.w.company.Users[0].UPN), first, from.Add(-24*time.Hour)),
			h.entityRecord(guid("another policy", a.id()), a, *who, first, from.Add(to.Sub(from)/2)))
	}
	return append(out, h.alertRecord(a, *who, to))
}

// thing is a file or message that an alert names.
type thing struct {
	action, object, name, folder string
	kind                         string
	app                          app
	size                         any
	device                       string
	sha256                       string
	to                           []string // of a message
}

func (a *alert) user() string {
	for _, e := range a.evidenceOf("userEvidence") {
		if upn := textOf(inner(e, "userAccount")["userPrincipalName"]); upn != "" {
			return upn
		}
	}
	for _, e := range a.evidenceOf("analyzedMessageEvidence") {
		if from := textOf(inner(e, "p2Sender")["emailAddress"]); from != "" {
			return from
		}
	}
	return ""
}

// things are what the evidence names. Where the alert tells of more files than
// its evidence lists, the others of the same folder are among them: whoever
// wants all has to hunt.
func (h *hunted) things(a *alert) []thing {
	out := a.things()
	told := filesTold.FindStringSubmatch(textOf(a.body["description"]))
	if told == nil || len(out) == 0 || out[0].device != "" || out[0].kind != "File" {
		return out
	}
	most, known := number(told[1]), map[string]bool{}
	for _, t := range out {
		known[t.object] = true
	}
	for _, address := range h.libraryFiles() {
		folder, name := path.Split(address)
		if folder = strings.TrimSuffix(folder, "/"); len(out) < most && folder == out[0].folder && !known[address] {
			more := out[0]
			more.name, more.object, more.sha256, more.size = name, address, "", nil
			out = append(out, more)
		}
	}
	return out
}

var filesTold = regexp.MustCompile(`^(\d{1,4}) files`)

func (a *alert) things() []thing {
	verb := "FileAccessed"
	switch said := strings.ToLower(textOf(a.body["title"]) + " " + textOf(a.body["description"])); {
	case strings.Contains(said, "download"):
		verb = "FileDownloaded"
	case strings.Contains(said, "share"), strings.Contains(said, "open to"):
		verb = "SharingSet"
	}
	var out []thing
	for _, e := range a.evidenceOf("fileEvidence") {
		f := inner(e, "fileDetails")
		t := thing{
			action: verb, kind: "File", name: textOf(f["fileName"]), folder: textOf(f["filePath"]), size: f["fileSize"],
			device: textOf(e["mdeDeviceId"]), sha256: textOf(f["sha256"]),
		}
		t.object, t.app = strings.TrimSuffix(t.folder, "/")+"/"+t.name, cloudApp(t.folder)
		if t.device != "" {
			t.action, t.object = "FileCopiedToRemovableMedia", strings.TrimSuffix(t.folder, `\`)+`\`+t.name
			t.app = app{"Microsoft 365", "Endpoint", 11161}
		}
		out = append(out, t)
	}
	for _, e := range a.evidenceOf("analyzedMessageEvidence") {
		out = append(out, thing{action: "Send", kind: "Message", name: textOf(e["subject"]), object: textOf(e["internetMessageId"]), app: exchange(), to: []string{textOf(e["recipientEmailAddress"])}})
	}
	return out
}

// about is one thing as three logs have it.
func (h *hunted) about(a *alert, who User, t thing, at time.Time) []activity {
	x := activity{at: at, user: who, action: t.action, app: t.app, object: t.object, kind: t.kind, ip: a.address(), country: "SE"}
	x.raw = h.record(x)
	if m := h.w.machines[t.device]; m != nil {
		size, _ := cell("long", t.size).(int64)
		x.device = m
		x.file = &deviceFile{name: t.name, folder: t.folder, from: `C:\Users\` + accountName(who.UPN) + `\Downloads`, sha256: t.sha256, size: size, process: "robocopy.exe"}
		for _, p := range a.evidenceOf("processEvidence") {
			x.file.command = textOf(p["processCommandLine"])
		}
	}
	match := x
	match.action, match.raw, match.device, match.file = "DlpRuleMatch", h.match(a, x, t), nil, nil
	return []activity{x, match, h.entityRecord(a.kind(h.w.company.TenantID), a, who, t, at)}
}

// address is where the alert's user came from.
func (a *alert) address() string {
	for _, e := range a.evidenceOf("ipEvidence") {
		if ip := textOf(e["ipAddress"]); ip != "" {
			return ip
		}
	}
	return "203.0.113.24"
}

// match is the record of a rule that matched, without what it matched
// [office-365-management-activity-api-schema.md, DLP schema].
func (h *hunted) match(a *alert, x activity, t thing) object {
	o := h.record(x)
	policy := a.kind(h.w.company.TenantID)
	o["Id"], o["Operation"], o["RecordType"], o["UserKey"] = guid(textOf(o["Id"]), policy), "DlpRuleMatch", 11, "DlpAgent"
	o["IncidentId"] = textOf(a.body["providerAlertId"])
	o["PolicyDetails"] = []object{{"PolicyId": policy, "PolicyName": a.policy(), "Rules": []object{{
		"RuleId": guid("dlp rule", policy), "RuleName": a.policy() + ": high volume", "Severity": capital(textOf(a.body["severity"])), "RuleMode": "Enable",
		"Actions":           []any{"GenerateAlert"},
		"ConditionsMatched": object{"SensitiveInformation": sensitiveIn(policy, t.object)},
	}}}}
	switch t.app.workload {
	case "Exchange":
		o["RecordType"], o["ExchangeMetaData"] = 13, object{
			"MessageID": t.object, "From": x.user.UPN, "To": t.to, "CC": []string{}, "BCC": []string{}, "Subject": t.name,
			"Sent": x.at.Format("2006-01-02T15:04:05"), "RecipientCount": len(t.to),
		}
	case "Endpoint":
		o["RecordType"], o["EndpointMetaData"] = 63, h.endpointData(t)
	default:
		o["SharePointMetaData"] = h.sharePointData(x, t)
	}
	return o
}

// entityRecord is what the alert was told of one match: the record whose Data,
// JSON in a text, has the policy's id as cid.
func (h *hunted) entityRecord(policy string, a *alert, who User, t thing, at time.Time) activity {
	x := activity{at: at, user: who, action: "AlertEntityGenerated", app: app{"Microsoft 365", "SecurityComplianceCenter", 11161}, object: t.object, kind: t.kind, ip: a.address(), country: "SE"}
	x.raw = h.record(x)
	x.raw["RecordType"], x.raw["EntityType"], x.raw["AlertEntityId"] = 40, "DlpRuleMatch", t.object
	x.raw["AlertId"], x.raw["Category"], x.raw["Source"] = textOf(a.body["providerAlertId"]), "DataLossPrevention", "Office 365 Security & Compliance"
	x.raw["Data"] = jsonText(object{
		"etype": "DlpRuleMatch", "at": at.Format(time.RFC3339), "cid": policy, "dpid": policy, "dpn": a.policy(), "drid": guid("dlp rule", policy),
		"drn": a.policy() + ": high volume", "enmd": "Enforce", "dact": "GenerateAlert", "von": t.object, "eop": t.action, "app": t.app.workload,
		"ofph": t.folder, "efs": sizeText(t.size), "f3u": who.UPN, "sev": capital(textOf(a.body["severity"])),
	})
	return x
}

func sizeText(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// alertRecord is the record that the alert was raised.
func (h *hunted) alertRecord(a *alert, who User, last time.Time) activity {
	created := a.created()
	if created.IsZero() {
		created = last
	}
	x := activity{at: created, user: who, action: "AlertTriggered", app: app{"Microsoft 365", "SecurityComplianceCenter", 11161}, object: a.policy(), kind: "Alert"}
	x.raw = h.record(x)
	x.raw["RecordType"], x.raw["AlertId"], x.raw["Name"] = 40, textOf(a.body["providerAlertId"]), textOf(a.body["title"])
	x.raw["Category"], x.raw["Source"], x.raw["Severity"] = "DataLossPrevention", "Office 365 Security & Compliance", capital(textOf(a.body["severity"]))
	x.raw["Data"] = jsonText(object{"f3u": who.UPN, "sev": capital(textOf(a.body["severity"])), "wl": "DLP", "cid": a.kind(h.w.company.TenantID), "an": textOf(a.body["title"])})
	return x
}
