package practice

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

type machine struct {
	Device
	isolated   string // "", Full or Selective
	restricted bool
	scans      []string // those that have ended, oldest first: Quick or Full
	packages   int      // investigation packages that Defender has
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
