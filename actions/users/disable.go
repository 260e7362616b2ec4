package users

import (
	"context"
	"time"

	"stanch/actions"
)

// Disable keeps a user from signing in.
func (s Shelf) Disable() actions.Action {
	return actions.Spec[accountParams, accountResult]{
		Doc: "Keep a user from signing in. What is open stays so for up to an hour: users.revoke_sessions ends it. " +
			"Who holds an administrator's role is protected by Microsoft from apps that hold none.",
		Class: actions.Writes, Throttle: throttle, Permissions: permissions("User.EnableDisableAccount.All"),
		Repeat: actions.RepeatSame, Settling: time.Minute, // disabled twice is disabled
		Source:  "https://learn.microsoft.com/graph/api/user-update",
		Example: "user: \"${{ user }}\"",
		Plan: func(ctx context.Context, _ actions.Call, p accountParams) ([]actions.Effect, accountResult, error) {
			return s.planAccount(ctx, p, false)
		},
		State: s.stateAccount, Do: s.doAccount, Check: s.checkAccount, Undo: s.undoAccount, Settle: settleAccount,
	}.Action()
}
