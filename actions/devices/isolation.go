package devices

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/defender"
)

// How far a device is cut off.
const (
	none      = "none"
	full      = "full"
	selective = "selective"
)

// isolation is the state of a device. Defender does not tell it: it follows
// from the last machine action that succeeded.
type isolation struct {
	Isolation string `json:"isolation"`
	UnderWay  string `json:"under_way,omitempty"` // a machine action that will change it
}

// request asks for an isolation, or with none for the release.
type request struct {
	Machine   string `json:"machine"`
	Isolation string `json:"isolation"`
	Comment   string `json:"comment"`
}

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

func (r request) kind() string {
	if r.Isolation == none {
		return "Unisolate"
	}
	return "Isolate"
}

func (s Shelf) isolation(ctx context.Context, machine string) (isolation, error) {
	list, err := s.Defender.MachineActions(ctx, machine, "")
	if err != nil {
		return isolation{}, err
	}
	now := isolation{Isolation: none}
	for _, a := range list { // newest first
		isolates := strings.EqualFold(a.Type, "Isolate")
		if !isolates && !strings.EqualFold(a.Type, "Unisolate") {
			continue
		}
		if !a.Ended() && now.UnderWay == "" {
			now.UnderWay = fmt.Sprintf("%s by %s (machine action %s)", a.Type, connectors.Plain(a.Requestor), connectors.Plain(a.ID))
		}
		if !a.Succeeded() {
			continue
		}
		if isolates {
			now.Isolation = strings.ToLower(a.Scope)
			if now.Isolation != selective {
				now.Isolation = full
			}
		}
		break
	}
	return now, nil
}

// plan answers the effect that brings a device to an isolation, none if it is
// so, and the state before.
func (s Shelf) plan(ctx context.Context, m defender.Machine, e actions.Entity, r request) ([]actions.Effect, isolation, error) {
	if !onboarded(m) {
		return nil, isolation{}, problem(connectors.Invalid, "onboard it, or contain it in the portal",
			"device %s is not onboarded to Defender (%s)", connectors.Plain(m.Name), connectors.Plain(m.Onboarding))
	}
	now, err := s.isolation(ctx, m.ID)
	if err != nil {
		return nil, isolation{}, err
	}
	if now.UnderWay != "" {
		return nil, now, &connectors.Error{
			Op: "devices", Code: connectors.Conflict, Running: true, Wait: again(time.Minute),
			Message: "the isolation of " + connectors.Plain(m.Name) + " is being changed: " + now.UnderWay, Hint: "that must end first",
		}
	}
	if now.Isolation == r.Isolation {
		return nil, now, nil
	}
	return []actions.Effect{{
		Target: actions.Target{Kind: "isolation", ID: m.ID + "/isolation", Name: "isolation of " + m.Name, Entities: []actions.Entity{e}},
		Before: actions.JSON(now), After: actions.JSON(isolation{Isolation: r.Isolation}), Request: actions.JSON(r),
	}}, now, nil
}

// mark ends the comment of a machine action, so that it is known as that of
// the effect.
func mark(effect string) string { return "[stanch " + effect + "]" }

func (s Shelf) do(ctx context.Context, c actions.Call, e actions.Effect) (actions.Outcome, error) {
	r, err := actions.Kept[request](e.Request, "request")
	if err != nil {
		return actions.Outcome{}, err
	}
	comment, change := r.Comment+" "+mark(c.Sending.ID), connectors.Change(c.Sending)
	var a defender.MachineAction
	switch r.Isolation {
	case none:
		a, err = s.Defender.Unisolate(ctx, change, r.Machine, comment)
	case selective:
		a, err = s.Defender.Isolate(ctx, change, r.Machine, comment, defender.Selective)
	default:
		a, err = s.Defender.Isolate(ctx, change, r.Machine, comment, defender.Full)
	}
	if err != nil {
		return actions.Outcome{}, err
	}
	return actions.Outcome{Pending: true, Again: again(0), Handle: actions.JSON(handle{a.ID, c.Now})}, nil
}

// check asks for the machine action by its id, or where no answer told it, by
// the mark in its comment.
func (s Shelf) check(ctx context.Context, c actions.Call, e actions.Effect) (actions.Finding, error) {
	r, err := actions.Kept[request](e.Request, "request")
	if err != nil {
		return actions.Finding{}, err
	}
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
		return finding(a, r, c.Now.Sub(h.At)), nil
	}
	list, err := s.Defender.MachineActions(ctx, r.Machine, r.kind())
	if err != nil {
		return actions.Finding{}, err
	}
	at := slices.IndexFunc(list, func(a defender.MachineAction) bool { return strings.HasSuffix(a.Comment, mark(e.ID)) })
	if at < 0 {
		return actions.Finding{Answer: actions.DidNot, Why: "Defender has no machine action of this effect"}, nil
	}
	return finding(list[at], r, c.Now.Sub(list[at].CreatedAt)), nil
}

func finding(a defender.MachineAction, r request, age time.Duration) actions.Finding {
	why := "machine action " + connectors.Plain(a.ID) + " is " + connectors.Plain(a.Status)
	switch {
	case a.Succeeded():
		return actions.Finding{Answer: actions.Happened, After: actions.JSON(isolation{Isolation: r.Isolation}), Why: why}
	case !a.Ended():
		return actions.Finding{Answer: actions.Pending, Again: again(age), Why: why}
	}
	return actions.Finding{Answer: actions.Failed, Why: why}
}

func (s Shelf) undo(ctx context.Context, c actions.Call, e actions.Effect) (actions.Inverse, error) {
	r, err := actions.Kept[request](e.Request, "request")
	if err != nil {
		return actions.Inverse{}, err
	}
	before, err := actions.Kept[isolation](e.Before, "state before")
	if err != nil {
		return actions.Inverse{}, err
	}
	if _, err := s.Defender.Machine(ctx, r.Machine); notFound(err) {
		return actions.Inverse{Changed: true, Present: actions.JSON(nil), Why: "Defender no longer knows the device"}, nil
	} else if err != nil {
		return actions.Inverse{}, err
	}
	now, err := s.isolation(ctx, r.Machine)
	switch {
	case err != nil:
		return actions.Inverse{}, err
	case now.UnderWay != "":
		return actions.Inverse{Changed: true, Present: actions.JSON(now), Why: "its isolation is being changed: " + now.UnderWay}, nil
	case now.Isolation != r.Isolation:
		return actions.Inverse{Changed: true, Present: actions.JSON(now), Why: "its isolation is " + now.Isolation + " now"}, nil
	}
	inverse := request{Machine: r.Machine, Isolation: before.Isolation, Comment: "Taken back by Stanch, run " + c.Run}
	name := "devices.isolate"
	if before.Isolation == none {
		name = "devices.release"
	}
	return actions.Inverse{Present: actions.JSON(now), Widens: before.Isolation == none || r.Isolation == full, Effect: &actions.Effect{
		Action: name, Class: actions.Writes, Target: e.Target,
		Before: actions.JSON(now), After: actions.JSON(isolation{Isolation: before.Isolation}), Request: actions.JSON(inverse),
	}}, nil
}

// shown is what approvers see of a device.
type shown struct {
	Device string `json:"device"`
	ID     string `json:"id"`
	isolation
}

func (s Shelf) shown(ctx context.Context, m defender.Machine) (any, error) {
	now, err := s.isolation(ctx, m.ID)
	return shown{Device: m.Name, ID: m.ID, isolation: now}, err
}

type result struct {
	Device    string `json:"device" doc:"Defender's id of the device"`
	Name      string `json:"name" doc:"DNS name of the device"`
	Isolation string `json:"isolation" enum:"none,full,selective" doc:"how far it is cut off now"`
	Before    string `json:"before" enum:"none,full,selective" doc:"how far it was cut off before"`
	Changed   bool   `json:"changed" doc:"whether that was changed now; false when it was so before"`
}

// settle tells what became of the device.
func settle(out result, effects []actions.Effect) result {
	for _, e := range effects {
		if e.Status != actions.Done {
			out.Isolation, out.Changed = out.Before, false
		}
	}
	return out
}
