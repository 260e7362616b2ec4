package users

import (
	"context"
	"time"

	"stanch/actions"
	"stanch/connectors"
)

// ConfirmCompromised tells Identity Protection that an account is in other
// hands.
func (s Shelf) ConfirmCompromised() actions.Action {
	return actions.Spec[accountParams, riskResult]{
		Doc: "Tell Identity Protection that a user's account is in other hands: the risk is high from then on, and conditional access acts on it. " +
			"It needs Microsoft Entra ID P2.",
		Class: actions.Writes, Throttle: throttleRisk, Permissions: riskPermissions(),
		Repeat: actions.RepeatSame, Settling: 2 * time.Minute, // confirmed twice is confirmed
		Source:  "https://learn.microsoft.com/graph/api/riskyuser-confirmcompromised",
		Example: "user: \"${{ user }}\"",
		Plan: func(ctx context.Context, _ actions.Call, p accountParams) ([]actions.Effect, riskResult, error) {
			return s.planRisk(ctx, p, compromised)
		},
		State: s.stateRisk, Do: s.doRisk, Check: s.checkRisk, Undo: s.undoConfirm, Settle: settleRisk,
	}.Action()
}

// undoConfirm dismisses the risk, which is all that Identity Protection offers,
// but not of a user whom it had found at risk itself: that would take away more
// than we gave.
func (s Shelf) undoConfirm(ctx context.Context, _ actions.Call, e actions.Effect) (actions.Inverse, error) {
	r, err := keptRisk(e)
	if err != nil {
		return actions.Inverse{}, err
	}
	before, err := actions.Kept[risk](e.Before, "state before")
	if err != nil {
		return actions.Inverse{}, err
	}
	if r.State != compromised || before.State == "" {
		return actions.Inverse{}, problem("nothing was sent", "the effect did not confirm a compromise")
	}
	now, err := s.riskOf(ctx, r.User)
	switch {
	case err != nil:
		return actions.Inverse{}, err
	case now.State != r.State:
		return actions.Inverse{Changed: true, Present: actions.JSON(now), Why: "the risk state is " + connectors.Plain(now.State) + " now"}, nil
	case before.State == atRisk:
		return actions.Inverse{Present: actions.JSON(now), Why: "the user was at risk before (level " + connectors.Plain(before.Level) +
			"), and a dismissal would clear that, too: decide in Entra > Identity Protection > Risky users"}, nil
	}
	return actions.Inverse{Present: actions.JSON(now), Widens: true, Effect: &actions.Effect{
		Action: "users.dismiss_risk", Class: actions.Destroys, Target: e.Target,
		Before: actions.JSON(now), After: actions.JSON(riskAfter(dismissed)), Request: actions.JSON(riskRequest{r.User, dismissed}),
	}}, nil
}
