package users

import (
	"context"
	"time"

	"stanch/actions"
)

// DismissRisk tells Identity Protection that there is no risk.
func (s Shelf) DismissRisk() actions.Action {
	return actions.Spec[accountParams, riskResult]{
		Doc: "Tell Identity Protection that a user is not at risk, whatever it had seen; conditional access lets the user in again. " +
			"It needs Microsoft Entra ID P2.",
		Class: actions.Destroys, Throttle: throttleRisk, Permissions: riskPermissions(),
		Settling: 2 * time.Minute, // Repeat: never, it may have found a new risk meanwhile
		NoUndo:   "what Identity Protection had found is taken for false from then on; users.confirm_compromised is another judgement, not the old one",
		Source:   "https://learn.microsoft.com/graph/api/riskyuser-dismiss",
		Example:  "user: \"${{ user }}\"",
		Plan:     s.planDismiss, State: s.stateRisk, Do: s.doRisk, Check: s.checkRisk, Settle: settleRisk,
	}.Action()
}

// planDismiss has nothing to do for a user without risk: Identity Protection
// has nobody to dismiss.
func (s Shelf) planDismiss(ctx context.Context, _ actions.Call, p accountParams) ([]actions.Effect, riskResult, error) {
	effects, out, err := s.planRisk(ctx, p, dismissed)
	if err == nil && out.Before != atRisk && out.Before != compromised {
		out.State, out.Changed, effects = out.Before, false, nil
	}
	return effects, out, err
}
