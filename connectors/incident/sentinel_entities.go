package incident

import (
	"encoding/json"
	"strings"
)

// entities are those of one Sentinel incident, which name each other by id.
//
// Source: azure-rest-api-specs, Microsoft.SecurityInsights 2024-09-01,
// EntityTypes.json.
type entities struct {
	*mapper
	seen   seen
	byID   map[string]*object // properties by whole id, folded
	joined map[string]bool    // ids of hashes that are told with their file
	images map[string]bool    // ids of files that are executables of processes
}

// addEntities maps the entities as sightings of the incident's alert.
func (m *mapper) addEntities(list []*object) {
	e := &entities{mapper: m, byID: map[string]*object{}, joined: map[string]bool{}, images: map[string]bool{}}
	e.seen.alert, e.seen.at = m.onlyAlert()
	for _, o := range list {
		p := o.object("properties")
		if id := o.text("id"); id != nil && p != nil {
			e.byID[Fold(*id)] = p
		}
		for _, hash := range p.texts("fileHashEntityIds") {
			e.joined[Fold(hash)] = true
		}
		if image := p.text("imageFileEntityId"); image != nil {
			e.images[Fold(*image)] = true
		}
	}
	for _, o := range list {
		kind, p := o.word("kind"), o.object("properties")
		switch {
		case p == nil, kind == "SecurityAlert", kind == "Bookmark":
		case kind == "FileHash" && e.joined[Fold(o.word("id"))]:
		case kind == "File" && e.images[Fold(o.word("id"))]: // an executable is no data file to act on
			e.addOther(kind, p, e.seen)
		case !e.add(kind, p):
			if kind == "" {
				kind = "unknown"
			}
			e.addOther(kind, p, e.seen)
		}
	}
}

// of answers the properties of the entity that a property names.
func (e *entities) of(p *object, key string) *object {
	if id := p.text(key); id != nil {
		return e.byID[Fold(*id)]
	}
	return nil
}

// made is an object of the names that Graph's evidence has.
func (e *entities) made(p *object, values map[string]*string) *object {
	fields := map[string]any{}
	for name, v := range values {
		if v != nil {
			fields[name] = *v
		}
	}
	return &object{report: p.report, fields: fields, up: p.up, key: p.key, index: p.index}
}

// add maps an entity and reports whether its kind has a list and something
// names it.
func (e *entities) add(kind string, p *object) bool {
	switch kind {
	case "Account":
		return e.account(p)
	case "Host":
		return e.addDevice(e.made(p, map[string]*string{
			"deviceDnsName": hostName(p), "osPlatform": firstOf(p.text("osVersion"), p.text("osFamily")),
		}), e.seen)
	case "File":
		return e.file(p)
	case "Process":
		return e.process(p)
	case "Ip":
		place := p.object("location")
		return e.addIP(e.made(p, map[string]*string{
			"ipAddress": p.text("address"), "countryLetterCode": firstOf(place.text("countryCode"), place.text("countryName")),
		}), e.seen)
	case "Url":
		return e.addURL(p, e.seen)
	case "Mailbox":
		return e.addMailbox(p.text("mailboxPrimaryAddress"), p.text("upn"), p.text("displayName"), e.seen)
	case "MailMessage":
		return e.mail(p)
	case "CloudApplication":
		return e.addApp(App{AppID: p.digits("appId"), Name: p.text("appName")}, p.text("instanceName"), nil, e.seen)
	}
	return false
}

func firstOf(all ...*string) *string {
	for _, s := range all {
		if s != nil {
			return s
		}
	}
	return nil
}

func (e *entities) account(p *object) bool {
	name, suffix := p.text("accountName"), p.text("upnSuffix")
	user := map[string]*string{
		"azureAdUserId": p.text("aadUserId"), "userSid": p.text("sid"), "displayName": p.text("displayName"),
		"accountName": name, "domainName": firstOf(p.text("ntDomain"), p.text("dnsDomain")),
	}
	switch {
	case name != nil && strings.Contains(*name, "@"): // the whole of it stands in the name
		user["userPrincipalName"] = name
	case name != nil && suffix != nil:
		user["userPrincipalName"] = new(*name + "@" + *suffix)
	}
	return e.addUser(e.made(p, user), e.seen) >= 0
}

// hostName is the name of a host with its domain.
func hostName(p *object) *string {
	name, domain := firstOf(p.text("hostName"), p.text("netBiosName")), p.text("dnsDomain")
	if name != nil && domain != nil && !strings.HasSuffix(Fold(*name), "."+Fold(*domain)) {
		return new(*name + "." + *domain)
	}
	return name
}

// onHost is the id that the device of an entity has in the model.
func (e *entities) onHost(p *object) *string {
	if name := hostName(e.of(p, "hostEntityId")); name != nil {
		return new("name:" + Fold(*name))
	}
	return nil
}

func (e *entities) file(p *object) bool {
	file := map[string]*string{"filePath": p.text("directory"), "fileName": p.text("fileName")}
	for _, id := range p.texts("fileHashEntityIds") {
		if hash := e.byID[Fold(id)]; strings.EqualFold(hash.word("algorithm"), "SHA256") {
			file["sha256"] = hash.text("hashValue")
		}
	}
	return e.addFile(e.made(p, file), e.onHost(p), e.seen)
}

func (e *entities) process(p *object) bool {
	image := e.of(p, "imageFileEntityId")
	o := e.made(p, map[string]*string{
		"processCommandLine": p.text("commandLine"), "processCreationDateTime": p.text("creationTimeUtc"), "mdeDeviceId": e.onHost(p),
	})
	pid := p.text("processId")
	if pid == nil || !whole(*pid) { // some products write it in other bases
		return false
	}
	o.fields["processId"] = json.Number(strings.TrimSpace(*pid))
	if image != nil {
		o.fields["imageFile"] = map[string]any{"filePath": image.word("directory"), "fileName": image.word("fileName")}
	}
	return e.addProcess(o, e.seen)
}

// whole reports whether a text is a whole number of 64 bits.
func whole(s string) bool {
	s = strings.TrimSpace(s)
	return s != "" && len(s) <= 18 && strings.Trim(s, "0123456789") == ""
}

func (e *entities) mail(p *object) bool {
	o := e.made(p, map[string]*string{
		"internetMessageId": p.text("internetMessageId"), "networkMessageId": p.text("networkMessageId"), "subject": p.text("subject"),
		"receivedDateTime": p.text("receiveDate"), "recipientEmailAddress": p.text("recipient"), "antiSpamDirection": p.text("antispamDirection"),
	})
	if sender := firstOf(p.text("p2Sender"), p.text("p1Sender")); sender != nil {
		o.fields["p2Sender"] = map[string]any{"emailAddress": *sender}
	}
	return e.addMail("analyzedMessageEvidence", o, e.seen)
}
