package practice

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

type machine struct {
	Device
	isolated   string // "", Full or Selective
	restricted bool
}

func (m *machine) target() string { return "/machines/" + m.ID }

func (b *builder) addDevices(c Company) {
	for i, d := range c.Devices {
		if d.Name == "" || d.OS == "" {
			b.fail("devices[%d] needs name and os", i)
		}
		if d.ID == "" {
			d.ID = hexID(c.TenantID, "device", d.Name)
		}
		if d.EntraID == "" {
			d.EntraID = guid(c.TenantID, "entra device", d.Name)
		}
		d.Health, d.Risk = cmp.Or(d.Health, "Active"), cmp.Or(d.Risk, "None")
		d.Onboarding = cmp.Or(d.Onboarding, "Onboarded")
		if b.w.machines[d.ID] != nil {
			b.fail("devices[%d] %q stands twice", i, d.Name)
		}
		b.w.machines[d.ID] = &machine{Device: d}
	}
}

func (m *machine) wire() object {
	tags := slices.Clone(m.Tags)
	if tags == nil {
		tags = []string{}
	}
	return object{
		"id": m.ID, "computerDnsName": m.Name, "osPlatform": m.OS, "version": m.Version, "osBuild": m.Build, "osProcessor": "x64",
		"osArchitecture": "64-bit", "firstSeen": stamp(m.FirstSeen), "lastSeen": stamp(m.LastSeen), "healthStatus": m.Health,
		"onboardingStatus": m.Onboarding, "riskScore": m.Risk, "exposureLevel": "Medium", "deviceValue": "Normal",
		"lastIpAddress": m.IP, "lastExternalIpAddress": m.ExternalIP, "rbacGroupId": 1, "rbacGroupName": "Workstations",
		"isAadJoined": true, "aadDeviceId": m.EntraID, "machineTags": tags,
		"ipAddresses": []object{{"ipAddress": m.IP, "macAddress": nil, "type": "Ethernet", "operationalStatus": "Up"}},
	}
}

func listMachines(c *call) (reply, error) {
	keep, err := c.filter(fields{
		"computerDnsName": nil, "id": nil, "version": nil, "deviceValue": nil, "aadDeviceId": bareField(), "machineTags": nil,
		"lastSeen": timeField(), "exposureLevel": nil, "onboardingStatus": nil, "lastIpAddress": nil, "healthStatus": nil,
		"osPlatform": nil, "riskScore": nil, "rbacGroupId": bareField(),
	})
	if err != nil {
		return reply{}, err
	}
	list := []*machine{}
	for _, id := range slices.Sorted(maps.Keys(c.w.machines)) {
		m := c.w.machines[id]
		m = seen(c, m.target(), m)
		o := m.wire()
		if keep(func(p string) any { return o[p] }) {
			list = append(list, m)
		}
	}
	return page(c, list, paging{size: 10_000, max: 10_000, total: true}, func(m *machine) object { return m.wire() })
}

func (c *call) machine() (*machine, error) {
	id := strings.ToLower(c.args["id"])
	if m := c.w.machines[id]; m != nil {
		return m, nil
	}
	for _, m := range c.w.machines {
		if strings.EqualFold(m.Name, id) {
			return m, nil
		}
	}
	return nil, fail(http.StatusNotFound, "ResourceNotFound", "Machine %s was not found", c.args["id"])
}

func getMachine(c *call) (reply, error) {
	m, err := c.machine()
	if err != nil {
		return reply{}, err
	}
	return c.entity(seen(c, m.target(), m).wire())
}

// exact decodes a body whose keys are case-sensitive, as Defender's are.
func (c *call) exact(allowed ...string) (map[string]string, error) {
	wrong := fail(http.StatusBadRequest, "InvalidRequestBody", "Request body is incorrect")
	var in map[string]any
	if len(c.body) == 0 || json.Unmarshal(c.body, &in) != nil {
		return nil, wrong
	}
	out := map[string]string{}
	for key, v := range in {
		s, is := v.(string)
		if !is || !slices.Contains(allowed, key) {
			wrong.message += fmt.Sprintf(": unexpected %q", key)
			return nil, wrong
		}
		out[key] = s
	}
	return out, nil
}

func missing(name string) *failure {
	return fail(http.StatusBadRequest, "MissingRequiredParameter", "The parameter '%s' is missing", name)
}

func tagMachine(c *call) (reply, error) {
	m, err := c.machine()
	if err != nil {
		return reply{}, err
	}
	in, err := c.exact("Value", "Action")
	if err != nil {
		return reply{}, err
	}
	tag, act := in["Value"], in["Action"]
	if tag == "" {
		return reply{}, missing("Value")
	}
	if act != "Add" && act != "Remove" {
		return reply{}, fail(http.StatusBadRequest, "InvalidInput", "Action is '%s'; expected Add or Remove", act)
	}
	before := slices.Clone(m.Tags)
	tags := slices.DeleteFunc(slices.Clone(m.Tags), func(t string) bool { return t == tag })
	if act == "Add" {
		tags = append(tags, tag)
	}
	c.keep(m.target(), new(*m))
	m.Tags = tags
	c.record(Change{Operation: "machine.tag", Target: m.target(), Before: before, After: tags, Status: http.StatusOK})
	return c.entity(m.wire())
}

type machineAction struct {
	id, kind, scope, by, comment string
	machine                      *machine
	created, cancelled           time.Time
	cancelledBy, cancelComment   string
	life                         time.Duration
}

func (a *machineAction) target() string { return "/machineactions/" + a.id }

// status follows from the time: a third of its life an action is Pending, then
// InProgress, then Succeeded.
func (a *machineAction) status(now time.Time) string {
	age := now.Sub(a.created)
	switch {
	case !a.cancelled.IsZero():
		return "Cancelled"
	case age >= a.life:
		return "Succeeded"
	case age >= a.life/3:
		return "InProgress"
	}
	return "Pending"
}

func (a *machineAction) wire(now time.Time) object {
	updated := a.created
	switch s := a.status(now); s {
	case "Succeeded":
		updated = a.created.Add(a.life)
	case "InProgress":
		updated = a.created.Add(a.life / 3)
	case "Cancelled":
		updated = a.cancelled
	}
	o := object{
		"id": a.id, "type": a.kind, "scope": text(a.scope), "requestor": a.by, "requestorComment": a.comment, "title": nil,
		"status": a.status(now), "machineId": a.machine.ID, "computerDnsName": a.machine.Name, "requestSource": "PublicApi",
		"creationDateTimeUtc": stamp(a.created), "lastUpdateDateTimeUtc": stamp(updated), "relatedFileInfo": nil,
		"externalID": nil, "commands": []any{}, "cancellationRequestor": text(a.cancelledBy),
		"cancellationComment": text(a.cancelComment), "cancellationDateTimeUtc": nil,
	}
	if !a.cancelled.IsZero() {
		o["cancellationDateTimeUtc"] = stamp(a.cancelled)
	}
	return o
}

// settle applies what the action does once it has succeeded; true means that
// it has come to its end.
func (a *machineAction) settle(now time.Time) bool {
	switch a.status(now) {
	case "Pending", "InProgress":
		return false
	case "Cancelled":
		return true
	}
	switch a.kind {
	case "Isolate":
		a.machine.isolated = a.scope
	case "Unisolate":
		a.machine.isolated = ""
	case "RestrictCodeExecution":
		a.machine.restricted = true
	case "UnrestrictCodeExecution":
		a.machine.restricted = false
	}
	return true
}

// family names the actions that exclude each other on one machine.
func family(kind string) string {
	return strings.TrimPrefix(strings.ToLower(kind), "un")
}

// startAction answers a handler that starts a machine action: 201 with the
// action, or 400 while one of its family is on its way.
func startAction(kind string) func(*call) (reply, error) {
	extra := map[string]string{"Isolate": "IsolationType", "RunAntiVirusScan": "ScanType"}[kind]
	scopes := map[string][]string{"Isolate": {"Full", "Selective"}, "RunAntiVirusScan": {"Quick", "Full"}}[kind]
	return func(c *call) (reply, error) {
		m, err := c.machine()
		if err != nil {
			return reply{}, err
		}
		in, err := c.exact("Comment", extra)
		if err != nil {
			return reply{}, err
		}
		if strings.TrimSpace(in["Comment"]) == "" {
			return reply{}, missing("Comment")
		}
		scope := in[extra]
		if extra != "" && scope == "" {
			return reply{}, missing(extra)
		}
		if extra != "" && !slices.Contains(scopes, scope) {
			return reply{}, fail(http.StatusBadRequest, "InvalidInput", "%s is '%s'; expected one of %s", extra, scope, strings.Join(scopes, ", "))
		}
		if m.Onboarding != "Onboarded" {
			return reply{}, fail(http.StatusBadRequest, "InvalidInput", "Machine %s is not onboarded", m.ID)
		}
		for _, a := range c.w.running {
			if a.machine == m && family(a.kind) == family(kind) && a.cancelled.IsZero() {
				return reply{}, fail(http.StatusBadRequest, "ActiveRequestAlreadyInProgress", "Action is already in progress")
			}
		}
		return c.start(m, kind, scope, in["Comment"]), nil
	}
}

func (c *call) start(m *machine, kind, scope, comment string) reply {
	operation := "machine." + strings.ToLower(kind[:1]) + kind[1:]
	c.t.serial++
	a := &machineAction{
		id: guid("machine action", m.ID, itoa(c.t.serial)), kind: kind, scope: scope, by: c.app.Name, comment: comment,
		machine: m, created: c.now, life: c.t.o.MachineActionTime,
	}
	c.w.actions, c.w.running = append(c.w.actions, a), append(c.w.running, a)
	before := object{"isolated": m.isolated, "restricted": m.restricted}
	c.record(Change{Operation: operation, Target: m.target(), Before: before, After: object{"action": a.id, "scope": scope, "comment": comment}, Status: http.StatusCreated})
	o := a.wire(c.now)
	o["@odata.context"] = c.origin() + "/api/$metadata#MachineActions/$entity"
	return created(o)
}

func listActions(c *call) (reply, error) {
	keep, err := c.filter(fields{
		"id": bareField(), "machineId": nil, "requestor": nil, "creationDateTimeUtc": timeField(), "type": nil,
		"status": {"Pending", "InProgress", "Succeeded", "Failed", "TimeOut", "Cancelled"},
	})
	if err != nil {
		return reply{}, err
	}
	list := []*machineAction{}
	for _, a := range slices.Backward(c.w.actions) {
		o := a.wire(c.now)
		if keep(func(p string) any { return o[p] }) {
			list = append(list, a)
		}
	}
	return page(c, list, paging{size: 10_000, max: 10_000, total: true}, func(a *machineAction) object { return a.wire(c.now) })
}

func (c *call) action() (*machineAction, error) {
	for _, a := range c.w.actions {
		if strings.EqualFold(a.id, c.args["id"]) {
			return a, nil
		}
	}
	return nil, fail(http.StatusNotFound, "ResourceNotFound", "Machine action %s was not found", c.args["id"])
}

func getAction(c *call) (reply, error) {
	a, err := c.action()
	if err != nil {
		return reply{}, err
	}
	return c.entity(a.wire(c.now))
}

func cancelAction(c *call) (reply, error) {
	a, err := c.action()
	if err != nil {
		return reply{}, err
	}
	in, err := c.exact("Comment")
	if err != nil {
		return reply{}, err
	}
	if a.status(c.now) != "Pending" {
		return reply{}, fail(http.StatusBadRequest, "BadRequest", "The action is %s and can't be cancelled", a.status(c.now))
	}
	a.cancelled, a.cancelledBy, a.cancelComment = c.now, c.app.Name, in["Comment"]
	c.record(Change{Operation: "machineAction.cancel", Target: a.target(), Before: "Pending", After: "Cancelled", Status: http.StatusOK})
	return c.entity(a.wire(c.now))
}
