package incident

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// sightings are what the alerts of one incident named, before duplicates are
// joined.
type sightings struct {
	files     []sighting[File]
	users     []sighting[User]
	devices   []sighting[Device]
	mailboxes []sighting[Mailbox]
	messages  []sighting[Message]
	apps      []sighting[App]
	ips       []sighting[IP]
	urls      []sighting[URL]
	processes []sighting[Process]
	other     []sighting[Other]
	logons    map[int][]int // users seen on a device, as indexes of users by index of devices
}

// add maps one piece of evidence of an alert. What has no list of its own, or
// nothing that names it, is kept as other.
func (f *sightings) add(e *object, s seen) {
	kind := kindOf(e)
	if !f.typed(kind, e, s) {
		f.addOther(kind, e, s)
	}
	f.nested(kind, e, s)
}

// kindOf is the type of evidence without its namespace.
func kindOf(e *object) string {
	kind := strings.TrimPrefix(e.word("@odata.type"), "#")
	kind = strings.TrimPrefix(kind, "microsoft.graph.security.")
	if kind == "" {
		return "unknown"
	}
	return kind
}

// typed adds e to the list of its kind, and reports whether it has one.
func (f *sightings) typed(kind string, e *object, s seen) bool {
	switch kind {
	case "fileEvidence":
		return f.addFile(e.object("fileDetails"), e.text("mdeDeviceId"), s)
	case "userEvidence":
		return f.addUser(e.object("userAccount"), s) >= 0
	case "deviceEvidence":
		return f.addDevice(e, s)
	case "mailboxEvidence":
		return f.addMailbox(e.text("primaryAddress"), e.text("upn"), e.text("displayName"), s)
	case "analyzedMessageEvidence", "submissionMailEvidence":
		return f.addMail(kind, e, s)
	case "teamsMessageEvidence":
		return f.addTeamsMessage(e, s)
	case "cloudApplicationEvidence":
		return f.addCloudApp(e, s)
	case "oauthApplicationEvidence":
		return f.addOAuthApp(e, s)
	case "ipEvidence":
		return f.addIP(e, s)
	case "urlEvidence":
		return f.addURL(e, s)
	case "processEvidence":
		return f.addProcess(e, s)
	}
	return false
}

// nested adds the typed evidence inside e. It says what e is about, not what
// part e played: verdict and roles are its own, which the source seldom gives.
// The executable of a process is no file here: actions take files for data,
// and where the executable is what the alert is about, Defender sends it as
// fileEvidence, too.
func (f *sightings) nested(kind string, e *object, s seen) {
	inner := seen{alert: s.alert, at: s.at}
	switch kind {
	case "processEvidence":
		f.addUser(e.object("userAccount"), inner)
	case "mailboxEvidence":
		f.addUser(e.object("userAccount"), inner)
	case "mailboxConfigurationEvidence":
		f.addMailbox(e.text("mailboxPrimaryAddress"), e.text("upn"), nil, inner)
	}
	for property, kind := range innerKinds(kind) {
		var list []*object
		if _, many := e.value(property).([]any); many {
			list = e.objects(property)
		} else if one := e.object(property); one != nil {
			list = []*object{one}
		}
		for _, o := range list {
			s := inner
			s.verdict, s.roles = choiceOf[Verdict](o, "verdict"), choices[Role](o, "roles")
			if at := o.when("createdDateTime"); at != nil {
				s.at = *at
			}
			f.typed(kind, o, s)
			f.nested(kind, o, s)
		}
	}
}

// innerKinds are the properties that hold evidence, by kind, as far as typed
// evidence can be met below them.
//
// Source: the v1.0 metadata of the namespace microsoft.graph.security.
func innerKinds(kind string) map[string]string {
	const ip, file, user = "ipEvidence", "fileEvidence", "userEvidence"
	switch kind {
	case "teamsMessageEvidence":
		return map[string]string{"files": file, "urls": "urlEvidence"}
	case "malwareEvidence":
		return map[string]string{"files": file, "processes": "processEvidence"}
	case "cloudLogonSessionEvidence":
		return map[string]string{"account": user}
	case "hostLogonSessionEvidence":
		return map[string]string{"account": user, "host": "deviceEvidence"}
	case "networkConnectionEvidence":
		return map[string]string{"sourceAddress": ip, "destinationAddress": ip}
	case "dnsEvidence":
		return map[string]string{"dnsServerIp": ip, "hostIpAddress": ip, "ipAddresses": ip}
	case "ioTDeviceEvidence":
		return map[string]string{"ipAddress": ip, "nics": "nicEvidence", "sourceRef": "urlEvidence"}
	case "nicEvidence":
		return map[string]string{"ipAddress": ip}
	case "containerEvidence":
		return map[string]string{"pod": "kubernetesPodEvidence"}
	case "kubernetesPodEvidence":
		return map[string]string{"podIp": ip, "containers": "containerEvidence"}
	case "kubernetesServiceEvidence":
		return map[string]string{"clusterIP": ip, "externalIPs": ip}
	}
	return nil
}

func (f *sightings) addOther(kind string, e *object, s seen) {
	raw := newRaw(e.fields)
	// What changes from alert to alert and poll to poll does not name it.
	name := newRaw(e.fields, "createdDateTime", "verdict", "roles", "detailedRoles", "tags",
		"remediationStatus", "remediationStatusDetails").digest()
	k := key{text: shorten(kind) + "/" + name[:32]}
	f.other = append(f.other, sighting[Other]{seen: s, item: Other{Kind: kind, Raw: raw}, keys: []key{k}})
}

// evidence joins the duplicates.
func (f *sightings) evidence() (Evidence, []Conflict) {
	users := unite("user", f.users)
	for device, logons := range f.logons {
		for _, user := range logons {
			f.devices[device].item.Users = append(f.devices[device].item.Users, users.of[user])
		}
		f.devices[device].item.Users = unique(f.devices[device].item.Users)
	}
	devices := unite("device", f.devices)
	device := func(id **string) {
		if *id != nil {
			if found, ok := devices.ids[key{text: **id}]; ok {
				*id = &found
			}
		}
	}
	for i := range f.files {
		device(&f.files[i].item.DeviceID)
	}
	for i := range f.processes {
		device(&f.processes[i].item.DeviceID)
	}
	files, mailboxes, messages := unite("file", f.files), unite("mailbox", f.mailboxes), unite("message", f.messages)
	apps, ips, urls := unite("app", f.apps), unite("ip", f.ips), unite("url", f.urls)
	processes, other := unite("process", f.processes), unite("other", f.other)
	conflicts := slices.Concat(users.conflicts, devices.conflicts, files.conflicts, mailboxes.conflicts,
		messages.conflicts, apps.conflicts, ips.conflicts, urls.conflicts, processes.conflicts, other.conflicts)
	return Evidence{
		Files: files.items, Users: users.items, Devices: devices.items, Mailboxes: mailboxes.items,
		Messages: messages.items, Apps: apps.items, IPs: ips.items, URLs: urls.items,
		Processes: processes.items, Other: other.items,
	}, conflicts
}

func (f *sightings) addCloudApp(e *object, s seen) bool {
	appID, instance := e.digits("appId"), e.digits("instanceId")
	name, ofInstance := e.text("displayName"), e.text("instanceName")
	if saas := e.digits("saasAppId"); appID == nil {
		appID = saas
	}
	return f.addApp(App{AppID: appID, Name: name}, ofInstance, instance, s)
}

func (f *sightings) addOAuthApp(e *object, s seen) bool {
	return f.addApp(App{AppID: guid(e.text("appId")), Name: e.text("displayName")}, nil, guid(e.text("objectId")), s)
}

func (f *sightings) addApp(a App, second, instance *string, s seen) bool {
	k := key{}
	switch {
	case a.AppID != nil && instance != nil:
		k.text = *a.AppID + "/" + *instance
	case a.AppID != nil:
		k.text = *a.AppID
	case instance != nil:
		k.text = "/" + *instance
	case cmp.Or(a.Name, second) != nil:
		k.text = "name:" + Fold(*cmp.Or(a.Name, second))
	default:
		return false
	}
	f.apps = append(f.apps, sighting[App]{seen: s, item: a, spare: App{Name: second}, keys: []key{k}})
	return true
}

func (f *sightings) addIP(e *object, s seen) bool {
	address := e.text("ipAddress")
	country, inLocation := e.text("countryLetterCode"), e.object("location").text("countryName")
	if address == nil {
		return false
	}
	*address = strings.TrimSpace(*address)
	if ip, err := netip.ParseAddr(*address); err == nil {
		*address = ip.Unmap().String()
	}
	k := key{text: Fold(*address)}
	f.ips = append(f.ips, sighting[IP]{
		seen: s, item: IP{Address: address, Country: country}, spare: IP{Country: inLocation}, keys: []key{k},
	})
	return true
}

func (f *sightings) addURL(e *object, s seen) bool {
	address := e.text("url")
	if address == nil {
		return false
	}
	id := strings.TrimSpace(*address)
	if scheme, rest, cut := strings.Cut(id, "://"); cut {
		host, path, slash := strings.Cut(rest, "/")
		if id = strings.ToLower(scheme) + "://" + strings.ToLower(host); slash {
			id += "/" + path
		}
	}
	f.urls = append(f.urls, sighting[URL]{seen: s, item: URL{URL: address}, keys: []key{{text: id}}})
	return true
}

func (f *sightings) addProcess(e *object, s seen) bool {
	p := Process{
		PID: e.whole("processId"), CommandLine: e.text("processCommandLine"),
		DeviceID: machine(e.text("mdeDeviceId")),
	}
	image := e.object("imageFile")
	if l := locateLocal(image.word("filePath"), image.word("fileName")); l.path != "" {
		p.Image = &l.path
	} else if l.name != "" {
		p.Image = &l.name
	}
	started := e.when("processCreationDateTime")
	if p.PID == nil {
		return false
	}
	where, start := "alert:"+s.alert, "-"
	if p.DeviceID != nil {
		where = *p.DeviceID
	}
	if started != nil {
		start = started.Format("2006-01-02T15:04:05.999999999Z")
	}
	k := key{text: where + "/" + strconv.FormatInt(*p.PID, 10) + "/" + start}
	f.processes = append(f.processes, sighting[Process]{seen: s, item: p, keys: []key{k}})
	return true
}
