package devices

import (
	"cmp"
	"context"
	"strings"

	"stanch/actions"
	"stanch/connectors/incident"
)

type releaseParams struct {
	Device  actions.Ref[incident.Device] `json:"device" entity:"device" doc:"device of the evidence, its Defender id, entra:<device id>, or its DNS name"`
	Comment string                       `json:"comment,omitempty" doc:"shown in Defender; a mark of the effect is added"`
}

// Release lets a device back into the network.
func (s Shelf) Release() actions.Action {
	return actions.Spec[releaseParams, result]{
		Doc:   "Let an isolated device back into the network.",
		Class: actions.Writes, Throttle: throttle, Permissions: permissions("Machine.Isolate"),
		// Not told whether it happened, a second request could release a device
		// that somebody has isolated again meanwhile.
		Repeat: actions.RepeatNever, Settling: settles, Within: within,
		Source:  "https://learn.microsoft.com/defender-endpoint/api/unisolate-machine",
		Example: "device: \"${{ device }}\"\ncomment: Checked by the help desk",
		Plan:    s.planRelease, State: s.stateRelease, Do: s.do, Check: s.check, Undo: s.undo, Settle: settle,
	}.Action()
}

func (s Shelf) planRelease(ctx context.Context, c actions.Call, p releaseParams) ([]actions.Effect, result, error) {
	m, e, err := s.find(ctx, p.Device)
	if err != nil {
		return nil, result{}, err
	}
	comment := cmp.Or(strings.TrimSpace(p.Comment), "Released by Stanch, run "+c.Run)
	effects, before, err := s.plan(ctx, m, e, request{Machine: m.ID, Isolation: none, Comment: comment})
	return effects, result{Device: m.ID, Name: m.Name, Isolation: none, Before: before.Isolation, Changed: len(effects) > 0}, err
}

func (s Shelf) stateRelease(ctx context.Context, _ actions.Call, p releaseParams) (any, error) {
	m, _, err := s.find(ctx, p.Device)
	if err != nil {
		return nil, err
	}
	return s.shown(ctx, m)
}
