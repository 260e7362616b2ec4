package devices

import (
	"cmp"
	"context"
	"strings"

	"stanch/actions"
)

// UnrestrictApps lets a device run every program again.
func (s Shelf) UnrestrictApps() actions.Action {
	return actions.Spec[restrictParams, restrictResult]{
		Doc:   "Let a device run every program again.",
		Class: actions.Writes, Throttle: throttle, Permissions: permissions("Machine.RestrictExecution"),
		// Not told whether it happened, a second request could let go a device
		// that somebody has restricted again meanwhile.
		Repeat: actions.RepeatNever, Settling: settles, Within: within,
		Source:  "https://learn.microsoft.com/defender-endpoint/api/unrestrict-code-execution",
		Example: "device: \"${{ device }}\"\ncomment: Checked by the help desk",
		Plan: func(ctx context.Context, c actions.Call, p restrictParams) ([]actions.Effect, restrictResult, error) {
			return s.planRestriction(ctx, p, false, cmp.Or(strings.TrimSpace(p.Comment), "Let go by Stanch, run "+c.Run))
		},
		State: s.stateRestriction, Do: s.doRestriction, Check: s.checkRestriction, Undo: s.undoRestriction, Settle: settleRestriction,
	}.Action()
}
