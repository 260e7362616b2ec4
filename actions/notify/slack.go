package notify

import (
	"context"

	"stanch/actions"
	"stanch/connectors/web"
)

// Slack tells a channel of Slack.
func (s Shelf) Slack() actions.Action {
	return actions.Spec[messageParams, told]{
		Doc:   "Tell a channel of Slack, by an incoming webhook. All text is shown as it is: no formats, no links, no mentions.",
		Class: actions.Writes, Throttle: "notify.slack",
		Repeat:  actions.RepeatHarmless, // a second message says the same again
		NoUndo:  noUndo,
		Source:  "https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks",
		Example: "channel: soc\ntext: \"${{ incident.title }}\"\nfacts: {Severity: \"${{ incident.severity }}\"}",
		Plan: func(_ context.Context, c actions.Call, p messageParams) ([]actions.Effect, told, error) {
			return s.planMessage(c, web.Slack, p)
		},
		Do: s.do, Check: s.check, Settle: settle,
	}.Action()
}
