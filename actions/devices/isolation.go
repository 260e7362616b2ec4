package devices

import (
	"context"
	"encoding/json"
	"strings"

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
	return isolationOf(list), nil
}

func isolationOf(list []defender.MachineAction) isolation {
	done, underWay := latest(list, "Isolate", "Unisolate")
	now := isolation{Isolation: none, UnderWay: underWay}
	if done != nil && strings.EqualFold(done.Type, "Isolate") {
		now.Isolation = strings.ToLower(done.Scope)
		if now.Isolation != selective {
			now.Isolation = full
		}
	}
	return now
}

// plan answers the effect that brings a device to an isolation, none if it is
// so, and the state before.
func (s Shelf) plan(ctx context.Context, m defender.Machine, e actions.Entity, r request) ([]actions.Effect, isolation, error) {
	if err := reached(m); err != nil {
		return nil, isolation{}, err
	}
	now, err := s.isolation(ctx, m.ID)
	if err != nil {
		return nil, isolation{}, err
	}
	if now.UnderWay != "" {
		return nil, now, busy(m, "a change of the isolation", now.UnderWay)
	}
	if now.Isolation == r.Isolation {
		return nil, now, nil
	}
	return []actions.Effect{{
		Target: actions.Target{Kind: "isolation", ID: m.ID + "/isolation", Name: "isolation of " + m.Name, Entities: []actions.Entity{e}},
		Before: actions.JSON(now), After: actions.JSON(isolation{Isolation: r.Isolation}), Request: actions.JSON(r),
	}}, now, nil
}

func (s Shelf) do(ctx context.Context, c actions.Call, e actions.Effect) (actions.Outcome, error) {
	r, err := actions.Kept[request](e.Request, "request")
	if err != nil {
		return actions.Outcome{}, err
	}
	comment, change := marked(r.Comment, c), connectors.Change(c.Sending)
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
	return accepted(a, c), nil
}

func (s Shelf) check(ctx context.Context, c actions.Call, e actions.Effect) (actions.Finding, error) {
	r, err := actions.Kept[request](e.Request, "request")
	if err != nil {
		return actions.Finding{}, err
	}
	return s.look(ctx, c, e, r.Machine, r.kind(), func(defender.MachineAction) json.RawMessage {
		return actions.JSON(isolation{Isolation: r.Isolation})
	})
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
		return forgotten(), nil
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
