package devices

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/defender"
	"stanch/connectors/incident"
)

type collectParams struct {
	Device  actions.Ref[incident.Device] `json:"device" entity:"device" doc:"device of the evidence, its Defender id, entra:<device id>, or its DNS name"`
	Comment string                       `json:"comment,omitempty" doc:"shown in Defender; a mark of the effect is added"`
}

type collected struct {
	Device        string `json:"device" doc:"Defender's id of the device"`
	Name          string `json:"name" doc:"DNS name of the device"`
	MachineAction string `json:"machine_action" doc:"Defender's id of the collection, by which the package is downloaded from the action center; empty when it was not done"`
}

const (
	collectKind = "CollectInvestigationPackage"
	// collectsWithin is how long a device is given to gather and upload.
	collectsWithin = 3 * time.Hour
)

type collectRequest struct {
	Machine string `json:"machine"`
	Comment string `json:"comment"`
}

// packages is the last package that Defender has, empty where it has none.
type packages struct {
	MachineAction string `json:"machine_action"`
	Collected     bool   `json:"collected"`
}

// CollectPackage has Defender gather the investigation package of a device.
func (s Shelf) CollectPackage() actions.Action {
	return actions.Spec[collectParams, collected]{
		Doc:   "Collect the investigation package of a device (processes, connections, events, tasks), and wait until Defender has it.",
		Class: actions.Writes, Throttle: throttle, Permissions: permissions("Machine.CollectForensics"),
		// Not told whether it happened, a second collection would burden the device.
		Repeat: actions.RepeatNever, Settling: settles, Within: collectsWithin,
		NoUndo:  "a package that Defender has stays there until its retention ends",
		Source:  "https://learn.microsoft.com/defender-endpoint/api/collect-investigation-package",
		Example: "device: \"${{ device }}\"\ncomment: Evidence for the incident",
		Plan:    s.planCollect, State: s.stateCollect, Do: s.doCollect, Check: s.checkCollect, Settle: settleCollect,
	}.Action()
}

func (s Shelf) planCollect(ctx context.Context, c actions.Call, p collectParams) ([]actions.Effect, collected, error) {
	m, e, err := s.find(ctx, p.Device)
	if err != nil {
		return nil, collected{}, err
	}
	if err := reached(m); err != nil {
		return nil, collected{}, err
	}
	list, err := s.Defender.MachineActions(ctx, m.ID, collectKind)
	if err != nil {
		return nil, collected{}, err
	}
	done, underWay := latest(list, collectKind)
	if underWay != "" {
		return nil, collected{}, busy(m, "a collection", underWay)
	}
	before := packages{}
	if done != nil {
		before = packages{done.ID, true}
	}
	r := collectRequest{Machine: m.ID, Comment: cmp.Or(strings.TrimSpace(p.Comment), "Collected by Stanch, run "+c.Run)}
	return []actions.Effect{{
		Target: actions.Target{Kind: "package", ID: m.ID + "/package", Name: "investigation package of " + m.Name, Entities: []actions.Entity{e}},
		Before: actions.JSON(before), After: actions.JSON(packages{Collected: true}), Request: actions.JSON(r),
	}}, collected{Device: m.ID, Name: m.Name}, nil
}

func (s Shelf) stateCollect(ctx context.Context, _ actions.Call, p collectParams) (any, error) {
	return s.seen(ctx, p.Device)
}

func (s Shelf) doCollect(ctx context.Context, c actions.Call, e actions.Effect) (actions.Outcome, error) {
	r, err := actions.Kept[collectRequest](e.Request, "request")
	if err != nil {
		return actions.Outcome{}, err
	}
	a, err := s.Defender.CollectPackage(ctx, connectors.Change(c.Sending), r.Machine, marked(r.Comment, c))
	if err != nil {
		return actions.Outcome{}, err
	}
	return accepted(a, c), nil
}

func (s Shelf) checkCollect(ctx context.Context, c actions.Call, e actions.Effect) (actions.Finding, error) {
	r, err := actions.Kept[collectRequest](e.Request, "request")
	if err != nil {
		return actions.Finding{}, err
	}
	return s.look(ctx, c, e, r.Machine, collectKind, func(a defender.MachineAction) json.RawMessage {
		return actions.JSON(packages{a.ID, true})
	})
}

func settleCollect(out collected, effects []actions.Effect) collected {
	out.MachineAction = doneBy(effects)
	return out
}
