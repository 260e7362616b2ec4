package devices

import (
	"cmp"
	"context"
	"strings"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/incident"
)

type isolateParams struct {
	Device  actions.Ref[incident.Device] `json:"device" entity:"device" doc:"device of the evidence, its Defender id, entra:<device id>, or its DNS name"`
	Type    string                       `json:"type,omitempty" enum:"full,selective" default:"full" doc:"full cuts all connections but Defender's; selective leaves Outlook and Teams"`
	Comment string                       `json:"comment,omitempty" doc:"shown in Defender; a mark of the effect is added"`
}

// Isolate cuts a device off from the network.
func (s Shelf) Isolate() actions.Action {
	return actions.Spec[isolateParams, result]{
		Doc:   "Cut a device off from the network, all but its connection to Defender.",
		Class: actions.Writes, Throttle: throttle, Permissions: permissions("Machine.Isolate"),
		// Not told whether it happened, a second request could cut off a device
		// that somebody has released meanwhile.
		Repeat: actions.RepeatNever, Settling: settles, Within: within,
		Source:  "https://learn.microsoft.com/defender-endpoint/api/isolate-machine",
		Example: "device: \"${{ device }}\"\ncomment: Mass download to a USB stick",
		Plan:    s.planIsolate, State: s.stateIsolate, Do: s.do, Check: s.check, Undo: s.undo, Settle: settle,
	}.Action()
}

func (s Shelf) planIsolate(ctx context.Context, c actions.Call, p isolateParams) ([]actions.Effect, result, error) {
	kind := cmp.Or(strings.ToLower(p.Type), full)
	if kind != full && kind != selective {
		return nil, result{}, problem(connectors.Invalid, "expected full or selective", "type is %q", connectors.Plain(p.Type))
	}
	m, e, err := s.find(ctx, p.Device)
	if err != nil {
		return nil, result{}, err
	}
	comment := cmp.Or(strings.TrimSpace(p.Comment), "Isolated by Stanch, run "+c.Run)
	effects, before, err := s.plan(ctx, m, e, request{Machine: m.ID, Isolation: kind, Comment: comment})
	return effects, result{Device: m.ID, Name: m.Name, Isolation: kind, Before: before.Isolation, Changed: len(effects) > 0}, err
}

func (s Shelf) stateIsolate(ctx context.Context, _ actions.Call, p isolateParams) (any, error) {
	m, _, err := s.find(ctx, p.Device)
	if err != nil {
		return nil, err
	}
	return s.shown(ctx, m)
}
