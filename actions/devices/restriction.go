package devices

import (
	"context"
	"encoding/json"
	"strings"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/defender"
	"stanch/connectors/incident"
)

type restrictParams struct {
	Device  actions.Ref[incident.Device] `json:"device" entity:"device" doc:"device of the evidence, its Defender id, entra:<device id>, or its DNS name"`
	Comment string                       `json:"comment,omitempty" doc:"shown in Defender; a mark of the effect is added"`
}

// restriction is the state of a device. Defender does not tell it: it follows
// from the last machine action that succeeded.
type restriction struct {
	Restricted bool   `json:"restricted"`
	UnderWay   string `json:"under_way,omitempty"` // a machine action that will change it
}

// restrictRequest asks for the restriction, or without for its end.
type restrictRequest struct {
	Machine  string `json:"machine"`
	Restrict *bool  `json:"restrict"`
	Comment  string `json:"comment"`
}

type restrictResult struct {
	Device     string `json:"device" doc:"Defender's id of the device"`
	Name       string `json:"name" doc:"DNS name of the device"`
	Restricted bool   `json:"restricted" doc:"whether it runs programs signed by Microsoft only, now"`
	Before     bool   `json:"before" doc:"whether it did so before"`
	Changed    bool   `json:"changed" doc:"whether that was changed now; false when it was so before"`
}

const (
	restrictKind   = "RestrictCodeExecution"
	unrestrictKind = "UnrestrictCodeExecution"
)

func (r restrictRequest) kind() string {
	if *r.Restrict {
		return restrictKind
	}
	return unrestrictKind
}

// keptRestriction reads the request of an effect; one that does not say what it
// asks for is an error, never a lifted restriction.
func keptRestriction(e actions.Effect) (restrictRequest, error) {
	r, err := actions.Kept[restrictRequest](e.Request, "request")
	if err == nil && r.Restrict == nil {
		err = problem(connectors.Invalid, "nothing was sent", "the request of the effect does not say whether to restrict")
	}
	return r, err
}

func (s Shelf) restriction(ctx context.Context, machine string) (restriction, error) {
	list, err := s.Defender.MachineActions(ctx, machine, "")
	if err != nil {
		return restriction{}, err
	}
	return restrictionOf(list), nil
}

func restrictionOf(list []defender.MachineAction) restriction {
	done, underWay := latest(list, restrictKind, unrestrictKind)
	return restriction{Restricted: done != nil && strings.EqualFold(done.Type, restrictKind), UnderWay: underWay}
}

func (s Shelf) planRestriction(ctx context.Context, p restrictParams, restrict bool, comment string) ([]actions.Effect, restrictResult, error) {
	m, e, err := s.find(ctx, p.Device)
	if err != nil {
		return nil, restrictResult{}, err
	}
	if err := reached(m); err != nil {
		return nil, restrictResult{}, err
	}
	now, err := s.restriction(ctx, m.ID)
	if err != nil {
		return nil, restrictResult{}, err
	}
	if now.UnderWay != "" {
		return nil, restrictResult{}, busy(m, "a change of what may run", now.UnderWay)
	}
	out := restrictResult{Device: m.ID, Name: m.Name, Restricted: restrict, Before: now.Restricted, Changed: now.Restricted != restrict}
	if !out.Changed {
		return nil, out, nil
	}
	return []actions.Effect{{
		Target: actions.Target{Kind: "app_restriction", ID: m.ID + "/restriction", Name: "app restriction of " + m.Name, Entities: []actions.Entity{e}},
		Before: actions.JSON(now), After: actions.JSON(restriction{Restricted: restrict}),
		Request: actions.JSON(restrictRequest{Machine: m.ID, Restrict: &restrict, Comment: comment}),
	}}, out, nil
}

func (s Shelf) stateRestriction(ctx context.Context, _ actions.Call, p restrictParams) (any, error) {
	m, _, err := s.find(ctx, p.Device)
	if err != nil {
		return nil, err
	}
	now, err := s.restriction(ctx, m.ID)
	return struct {
		Device string `json:"device"`
		ID     string `json:"id"`
		restriction
	}{m.Name, m.ID, now}, err
}

func (s Shelf) doRestriction(ctx context.Context, c actions.Call, e actions.Effect) (actions.Outcome, error) {
	r, err := keptRestriction(e)
	if err != nil {
		return actions.Outcome{}, err
	}
	ask := s.Defender.UnrestrictApps
	if *r.Restrict {
		ask = s.Defender.RestrictApps
	}
	a, err := ask(ctx, connectors.Change(c.Sending), r.Machine, marked(r.Comment, c))
	if err != nil {
		return actions.Outcome{}, err
	}
	return accepted(a, c), nil
}

func (s Shelf) checkRestriction(ctx context.Context, c actions.Call, e actions.Effect) (actions.Finding, error) {
	r, err := keptRestriction(e)
	if err != nil {
		return actions.Finding{}, err
	}
	return s.look(ctx, c, e, r.Machine, r.kind(), func(defender.MachineAction) json.RawMessage {
		return actions.JSON(restriction{Restricted: *r.Restrict})
	})
}

func (s Shelf) undoRestriction(ctx context.Context, c actions.Call, e actions.Effect) (actions.Inverse, error) {
	r, err := keptRestriction(e)
	if err != nil {
		return actions.Inverse{}, err
	}
	if _, err := s.Defender.Machine(ctx, r.Machine); notFound(err) {
		return forgotten(), nil
	} else if err != nil {
		return actions.Inverse{}, err
	}
	now, err := s.restriction(ctx, r.Machine)
	switch {
	case err != nil:
		return actions.Inverse{}, err
	case now.UnderWay != "":
		return actions.Inverse{Changed: true, Present: actions.JSON(now), Why: "what may run on it is being changed: " + now.UnderWay}, nil
	case now.Restricted != *r.Restrict:
		return actions.Inverse{Changed: true, Present: actions.JSON(now), Why: "somebody has changed since what may run on it"}, nil
	}
	name := "devices.restrict_apps"
	if *r.Restrict {
		name = "devices.unrestrict_apps"
	}
	back := restrictRequest{Machine: r.Machine, Restrict: new(!*r.Restrict), Comment: "Taken back by Stanch, run " + c.Run}
	return actions.Inverse{Present: actions.JSON(now), Widens: *r.Restrict, Effect: &actions.Effect{
		Action: name, Class: actions.Writes, Target: e.Target,
		Before: actions.JSON(now), After: actions.JSON(restriction{Restricted: !*r.Restrict}), Request: actions.JSON(back),
	}}, nil
}

// settleRestriction tells what became of the device.
func settleRestriction(out restrictResult, effects []actions.Effect) restrictResult {
	for _, e := range effects {
		if e.Status != actions.Done {
			out.Restricted, out.Changed = out.Before, false
		}
	}
	return out
}
