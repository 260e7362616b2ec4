// Package devices holds the actions on devices that Microsoft Defender for
// Endpoint looks after.
//
// It reaches them through connectors/defender alone and knows nothing of
// playbooks, runs or the engine. Defender accepts work and does it later: an
// action is done when the machine action has succeeded.
package devices

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/defender"
	"stanch/connectors/incident"
)

// Shelf is the actions on devices.
type Shelf struct{ Defender *defender.Client }

const (
	throttle = "defender"
	// settles is how long Defender's lists may lack a machine action that it
	// has accepted.
	settles = time.Minute
	// within is how long a device is given for a machine action: one that is
	// off gets it when it comes back.
	within = 15 * time.Minute
)

// permissions are those to look at devices and the one that the action needs.
func permissions(more ...string) []actions.Permission {
	out := []actions.Permission{{API: "defender", Name: "Machine.Read.All"}}
	for _, name := range more {
		out = append(out, actions.Permission{API: "defender", Name: name})
	}
	return out
}

// problem is an error of this side: nothing was sent.
func problem(code connectors.Code, hint, format string, args ...any) error {
	return &connectors.Error{Op: "devices", Code: code, Message: fmt.Sprintf(format, args...), Hint: hint}
}

func notFound(err error) bool {
	e, is := errors.AsType[*connectors.Error](err)
	return is && e.Code == connectors.NotFound
}

// find looks up what a parameter names: a record of the evidence, a Defender
// machine id, entra:<device id>, or a DNS name.
func (s Shelf) find(ctx context.Context, ref actions.Ref[incident.Device]) (defender.Machine, actions.Entity, error) {
	names := []string{ref.Text}
	if ref.Value != nil {
		names = []string{ref.Value.ID}
		if ref.Value.EntraID != nil {
			names = append(names, "entra:"+*ref.Value.EntraID)
		}
		if ref.Value.Name != nil {
			names = append(names, "name:"+*ref.Value.Name)
		}
	}
	first := strings.TrimSpace(names[0])
	if first == "" {
		return defender.Machine{}, actions.Entity{}, problem(connectors.Invalid,
			"expected a device of the evidence, a Defender machine id, entra:<device id> or a DNS name", "no device is named")
	}
	m, err := s.machine(ctx, first)
	if err != nil {
		return defender.Machine{}, actions.Entity{}, err
	}
	return m, entity(m, names), nil
}

func (s Shelf) machine(ctx context.Context, name string) (defender.Machine, error) {
	if isMachineID(name) {
		return s.Defender.Machine(ctx, strings.ToLower(name))
	}
	var found []defender.Machine
	var err error
	if id, is := strings.CutPrefix(name, "entra:"); is {
		found, err = s.Defender.MachinesOfEntra(ctx, id)
	} else {
		found, err = s.Defender.MachinesNamed(ctx, strings.ToLower(strings.TrimPrefix(name, "name:")))
	}
	if err != nil {
		return defender.Machine{}, err
	}
	if len(found) > 1 { // one that was installed again: the records before are no longer onboarded
		onboard := slices.DeleteFunc(slices.Clone(found), func(m defender.Machine) bool { return !onboarded(m) })
		if len(onboard) == 1 {
			found = onboard
		}
	}
	switch len(found) {
	case 0:
		return defender.Machine{}, problem(connectors.NotFound, "Defender lists devices that were seen in the last 30 days", "Defender knows no device %s", connectors.Plain(name))
	case 1:
		return found[0], nil
	}
	var ids []string
	for _, m := range found {
		ids = append(ids, m.ID+" (seen "+m.LastSeen.UTC().Format(time.DateOnly)+")")
	}
	return defender.Machine{}, problem(connectors.Invalid, "name one by its id", "Defender knows %d devices %s: %s",
		len(found), connectors.Plain(name), strings.Join(ids, ", "))
}

// isMachineID reports whether s is an id of Defender: 40 hex digits.
func isMachineID(s string) bool {
	return len(s) == 40 && strings.Trim(strings.ToLower(s), "0123456789abcdef") == ""
}

func onboarded(m defender.Machine) bool { return strings.EqualFold(m.Onboarding, "Onboarded") }

// entity is the device with every name that a guardrail may use.
func entity(m defender.Machine, given []string) actions.Entity {
	e := actions.Entity{Kind: "device", ID: m.ID, Name: m.Name}
	host, _, _ := strings.Cut(m.Name, ".")
	names := append([]string{host, m.EntraID}, given...)
	if m.EntraID != "" {
		names = append(names, "entra:"+m.EntraID)
	}
	for _, n := range names {
		if n != "" && n != m.ID && n != m.Name && !slices.Contains(e.Aliases, n) {
			e.Aliases = append(e.Aliases, n)
		}
	}
	return e
}

// Look answers a device as evidence would have one, by its Defender machine id,
// entra:<device id> or its DNS name. Its errors are those of the connectors;
// invalid is a name that several devices have.
func (s Shelf) Look(ctx context.Context, name string) (incident.Device, error) {
	if s.Defender == nil {
		return incident.Device{}, problem(connectors.Invalid, "the tenant's cloud has none", "Defender for Endpoint is not there to ask")
	}
	m, _, err := s.find(ctx, actions.Ref[incident.Device]{Text: name})
	if err != nil {
		return incident.Device{}, err
	}
	out := incident.Device{ID: m.ID, EntraID: &m.EntraID, Name: &m.Name, OS: &m.OS}
	if m.Health != "" {
		out.Health = new(incident.DeviceHealthOf(m.Health))
	}
	if m.Risk != "" {
		out.Risk = new(incident.DeviceRiskOf(m.Risk))
	}
	return out.AsEvidence()
}
