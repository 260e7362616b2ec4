package devices

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/defender"
	"stanch/connectors/incident"
)

// handle is a machine action that was accepted.
type handle struct {
	Action string    `json:"machine_action"`
	At     time.Time `json:"at"`
}

// again is when to look at a machine action that is so old: a device that is
// on takes seconds, one that is off is waited for.
func again(age time.Duration) time.Duration {
	return min(max(age/2, 2*time.Second), 30*time.Second)
}

// mark ends the comment of a machine action, so that it is known as that of
// the effect.
func mark(effect string) string { return "[stanch " + effect + "]" }

// marked is the comment of the machine action that an effect asks for.
func marked(comment string, c actions.Call) string { return comment + " " + mark(c.Sending.ID) }

// accepted is the outcome of a machine action that was asked for: it goes on
// until check sees its end.
func accepted(a defender.MachineAction, c actions.Call) actions.Outcome {
	return actions.Outcome{Pending: true, Again: again(0), Handle: actions.JSON(handle{a.ID, c.Now})}
}

// look asks for the machine action of an effect by its id, or where no answer
// told it, by the mark in its comment. after is the state once it has
// succeeded.
func (s Shelf) look(ctx context.Context, c actions.Call, e actions.Effect, machine, kind string, after func(defender.MachineAction) json.RawMessage) (actions.Finding, error) {
	if e.Handle != nil {
		h, err := actions.Kept[handle](e.Handle, "handle")
		if err != nil {
			return actions.Finding{}, err
		}
		a, err := s.Defender.MachineAction(ctx, h.Action)
		if notFound(err) {
			return actions.Finding{Answer: actions.CannotTell, Why: "Defender no longer knows machine action " + h.Action}, nil
		}
		if err != nil {
			return actions.Finding{}, err
		}
		return finding(a, after, c.Now.Sub(h.At)), nil
	}
	list, err := s.Defender.MachineActions(ctx, machine, kind)
	if err != nil {
		return actions.Finding{}, err
	}
	at := slices.IndexFunc(list, func(a defender.MachineAction) bool { return strings.HasSuffix(a.Comment, mark(e.ID)) })
	if at < 0 {
		return actions.Finding{Answer: actions.DidNot, Why: "Defender has no machine action of this effect"}, nil
	}
	return finding(list[at], after, c.Now.Sub(list[at].CreatedAt)), nil
}

func finding(a defender.MachineAction, after func(defender.MachineAction) json.RawMessage, age time.Duration) actions.Finding {
	why := "machine action " + connectors.Plain(a.ID) + " is " + connectors.Plain(a.Status)
	switch {
	case a.Succeeded():
		return actions.Finding{Answer: actions.Happened, After: after(a), Why: why}
	case !a.Ended():
		return actions.Finding{Answer: actions.Pending, Again: again(age), Why: why}
	}
	if a.CancelledBy != "" {
		why += " by " + connectors.Plain(a.CancelledBy)
	}
	if a.CancelledWhy != "" {
		why += ": " + connectors.Plain(a.CancelledWhy)
	}
	return actions.Finding{Answer: actions.Failed, Why: why}
}

// latest answers the newest machine action of the kinds that succeeded, nil if
// none did, and which one is under way since, "" if none is. The list is newest
// first.
func latest(list []defender.MachineAction, kinds ...string) (done *defender.MachineAction, underWay string) {
	for i, a := range list {
		if !slices.ContainsFunc(kinds, func(k string) bool { return strings.EqualFold(k, a.Type) }) {
			continue
		}
		if !a.Ended() && underWay == "" {
			underWay = fmt.Sprintf("%s by %s (machine action %s)", connectors.Plain(a.Type), connectors.Plain(a.Requestor), connectors.Plain(a.ID))
		}
		if a.Succeeded() {
			return &list[i], underWay
		}
	}
	return nil, underWay
}

// busy is the conflict with a machine action under way: nothing is asked for
// until it has ended.
func busy(m defender.Machine, what, underWay string) error {
	return &connectors.Error{
		Op: "devices", Code: connectors.Conflict, Running: true, Wait: again(time.Minute),
		Message: what + " of " + connectors.Plain(m.Name) + " is under way: " + underWay, Hint: "that must end first",
	}
}

// reached answers an error unless machine actions reach the device.
func reached(m defender.Machine) error {
	if onboarded(m) {
		return nil
	}
	return problem(connectors.Invalid, "onboard it, or contain it in the portal",
		"device %s is not onboarded to Defender (%s)", connectors.Plain(m.Name), connectors.Plain(m.Onboarding))
}

// seen is what approvers see of a device whose state the action does not
// change.
type seen struct {
	Device string   `json:"device"`
	ID     string   `json:"id"`
	Health string   `json:"health"`
	Tags   []string `json:"tags"`
}

func (s Shelf) seen(ctx context.Context, device actions.Ref[incident.Device]) (any, error) {
	m, _, err := s.find(ctx, device)
	if err != nil {
		return nil, err
	}
	return seen{Device: m.Name, ID: m.ID, Health: m.Health, Tags: append([]string{}, m.Tags...)}, nil
}

// doneBy answers the machine action that has done what was asked for, by the
// state that it left; "" where nothing was done.
func doneBy(effects []actions.Effect) (machineAction string) {
	for _, e := range effects {
		after, err := actions.Kept[struct {
			MachineAction string `json:"machine_action"`
		}](e.After, "state")
		if e.Status == actions.Done && err == nil {
			machineAction = after.MachineAction
		}
	}
	return machineAction
}

// forgotten is that nothing can be taken back of a device that is no more.
func forgotten() actions.Inverse {
	return actions.Inverse{Changed: true, Present: actions.JSON(nil), Why: "Defender no longer knows the device"}
}
