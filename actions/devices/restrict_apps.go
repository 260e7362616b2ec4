package devices

import (
	"cmp"
	"context"
	"strings"

	"stanch/actions"
)

// RestrictApps lets a device run programs signed by Microsoft only.
func (s Shelf) RestrictApps() actions.Action {
	return actions.Spec[restrictParams, restrictResult]{
		Doc:   "Let a device run only programs that Microsoft has signed; what runs stays reachable over the network.",
		Class: actions.Writes, Throttle: throttle, Permissions: permissions("Machine.RestrictExecution"),
		// Not told whether it happened, a second request could restrict a device
		// that somebody has let go meanwhile.
		Repeat: actions.RepeatNever, Settling: settles, Within: within,
		Source:  "https://learn.microsoft.com/defender-endpoint/api/restrict-code-execution",
		Example: "device: \"${{ device }}\"\ncomment: Unknown program copies files",
		Plan: func(ctx context.Context, c actions.Call, p restrictParams) ([]actions.Effect, restrictResult, error) {
			return s.planRestriction(ctx, p, true, cmp.Or(strings.TrimSpace(p.Comment), "Restricted by Stanch, run "+c.Run))
		},
		State: s.stateRestriction, Do: s.doRestriction, Check: s.checkRestriction, Undo: s.undoRestriction, Settle: settleRestriction,
	}.Action()
}
