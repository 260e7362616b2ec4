package incident

import (
	"cmp"
	"slices"
	"strings"
)

// Ranks of the keys of a thing with several names: the least names its id.
const (
	byName = iota // user principal name, machine id, address
	byEntraID
	bySID
	byAccount
)

// addUser maps an account and returns its index, or -1 when nothing names it.
func (f *sightings) addUser(a *object, s seen) int {
	u := User{
		UPN: a.text("userPrincipalName"), EntraID: guid(a.text("azureAdUserId")),
		SID: a.text("userSid"), Name: a.text("displayName"),
	}
	account, domain := a.text("accountName"), a.text("domainName")
	keys := u.name()
	if account != nil {
		name := Fold(*account)
		if domain != nil {
			name = Fold(*domain) + `\` + name
		}
		keys = append(keys, key{rank: byAccount, text: "account:" + name, weak: true})
	}
	if len(keys) == 0 {
		return -1
	}
	f.users = append(f.users, sighting[User]{seen: s, item: u, spare: User{Name: account, Domain: domain}, keys: keys})
	return len(f.users) - 1
}

func (f *sightings) addDevice(e *object, s seen) bool {
	d := Device{
		EntraID: guid(e.text("azureAdDeviceId")), Name: e.text("deviceDnsName"),
		OS: e.text("osPlatform"), Health: choiceOf[DeviceHealth](e, "healthStatus"),
		Risk: choiceOf[DeviceRisk](e, "riskScore"), Users: []string{},
	}
	host, logons := e.text("hostName"), e.objects("loggedOnUsers")
	keys := d.names(machine(e.text("mdeDeviceId")), cmp.Or(d.Name, host))
	if len(keys) == 0 {
		return false
	}
	for _, logon := range logons {
		if user := f.addUser(logon, seen{alert: s.alert, at: s.at}); user >= 0 {
			if f.logons == nil {
				f.logons = map[int][]int{}
			}
			f.logons[len(f.devices)] = append(f.logons[len(f.devices)], user)
		}
	}
	f.devices = append(f.devices, sighting[Device]{seen: s, item: d, spare: Device{Name: host}, keys: keys})
	return true
}

// addFile maps a file. A local file is another one on another device; where
// the device is not known, each alert has its own.
func (f *sightings) addFile(details *object, device *string, s seen) bool {
	file := File{Size: details.whole("fileSize"), SHA256: lower(details.text("sha256")), DeviceID: machine(device)}
	l := locate(details.word("filePath"), details.word("fileName"))
	file.Name, file.Path, file.URL, file.Site = optional(l.name), optional(l.path), optional(l.url), optional(l.site)
	where := "alert:" + s.alert
	if file.DeviceID != nil {
		where = *file.DeviceID
	}
	var id string
	switch {
	case l.url != "":
		id = l.key
	case l.key != "":
		id = where + "/" + l.key
	case file.SHA256 != nil:
		id = where + "/sha256:" + *file.SHA256 + "/" + Fold(l.name)
	case l.name != "":
		id = where + "/name:" + Fold(l.name)
	default:
		return false
	}
	f.files = append(f.files, sighting[File]{seen: s, item: file, keys: []key{{text: id}}})
	return true
}

func (f *sightings) addMailbox(address, upn, name *string, s seen) bool {
	m := Mailbox{Address: address, UPN: upn, Name: name}
	keys := m.names()
	if len(keys) == 0 {
		return false
	}
	f.mailboxes = append(f.mailboxes, sighting[Mailbox]{seen: s, item: m, keys: keys})
	return true
}

// addMail maps a mail. Defender names it once per recipient.
func (f *sightings) addMail(kind string, e *object, s seen) bool {
	m := Message{
		InternetMessageID: e.text("internetMessageId"), NetworkMessageID: lower(e.text("networkMessageId")),
		Subject: e.text("subject"), ReceivedAt: e.when("receivedDateTime"), Recipients: []string{},
	}
	recipient := e.text("recipientEmailAddress")
	shown, envelope := e.object("p2Sender").text("emailAddress"), e.object("p1Sender").text("emailAddress")
	if m.Sender = shown; m.Sender == nil {
		m.Sender = envelope
	}
	if kind == "submissionMailEvidence" {
		recipient, m.Sender = e.text("recipient"), e.text("sender")
	}
	to := ""
	if recipient != nil {
		m.Recipients, to = []string{*recipient}, Fold(*recipient)
	}
	switch strings.ToLower(e.word("antiSpamDirection")) {
	case "inbound", "intraorg":
		m.Mailbox = recipient
	case "outbound":
		m.Mailbox = m.Sender
	}
	var keys []key
	if m.InternetMessageID != nil {
		keys = append(keys, key{rank: byName, text: *m.InternetMessageID + "/" + to})
	}
	if m.NetworkMessageID != nil {
		keys = append(keys, key{rank: byEntraID, text: *m.NetworkMessageID + "/" + to})
	}
	if len(keys) == 0 {
		return false
	}
	f.messages = append(f.messages, sighting[Message]{seen: s, item: m, keys: keys})
	return true
}

func (f *sightings) addTeamsMessage(e *object, s seen) bool {
	m := Message{
		Sender: e.text("senderFromAddress"), Recipients: e.texts("recipients"),
		Subject: e.text("subject"), ReceivedAt: e.when("receivedDateTime"),
	}
	id, thread := e.text("messageId"), e.word("threadId")
	if id == nil {
		return false
	}
	slices.Sort(m.Recipients)
	k := key{text: "teams:" + thread + "/" + *id}
	f.messages = append(f.messages, sighting[Message]{seen: s, item: m, keys: []key{k}})
	return true
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func lower(s *string) *string {
	if s == nil {
		return nil
	}
	return new(strings.ToLower(strings.TrimSpace(*s)))
}

// machine is a Defender machine id as text to compare.
func machine(s *string) *string { return lower(s) }

// guid reads an id that .NET writes as zeros when there is none.
func guid(s *string) *string {
	s = lower(s)
	if s == nil || strings.Trim(*s, "0-{}") == "" {
		return nil
	}
	return s
}
