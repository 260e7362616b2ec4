package users

import (
	"context"
	"time"

	"stanch/actions"
)

// Enable lets a user sign in again.
func (s Shelf) Enable() actions.Action {
	return actions.Spec[accountParams, accountResult]{
		Doc: "Let a user sign in again. " +
			"Who holds an administrator's role is protected by Microsoft from apps that hold none.",
		Class: actions.Writes, Throttle: throttle, Permissions: permissions("User.EnableDisableAccount.All"),
		Repeat: actions.RepeatSame, Settling: time.Minute, // enabled twice is enabled
		Source:  "https://learn.microsoft.com/graph/api/user-update",
		Example: "user: \"${{ user }}\"",
		Plan: func(ctx context.Context, _ actions.Call, p accountParams) ([]actions.Effect, accountResult, error) {
			return s.planAccount(ctx, p, true)
		},
		State: s.stateAccount, Do: s.doAccount, Check: s.checkAccount, Undo: s.undoAccount, Settle: settleAccount,
	}.Action()
}
