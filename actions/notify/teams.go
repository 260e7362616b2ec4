package notify

import (
	"context"

	"stanch/actions"
	"stanch/connectors/web"
)

// Teams tells a channel of Microsoft Teams.
func (s Shelf) Teams() actions.Action {
	return actions.Spec[messageParams, told]{
		Doc:   "Tell a channel of Microsoft Teams, by a workflow that waits for a webhook request. All text is shown as it is: no Markdown, no mentions.",
		Class: actions.Writes, Throttle: "notify.teams",
		Repeat:  actions.RepeatHarmless, // a second message says the same again
		NoUndo:  noUndo,
		Source:  "https://learn.microsoft.com/power-automate/teams/overview",
		Example: "channel: soc\ntitle: A file was shared with everybody\ntext: \"${{ incident.title }}\"\nlink: \"${{ incident.url }}\"",
		Plan: func(_ context.Context, c actions.Call, p messageParams) ([]actions.Effect, told, error) {
			return s.planMessage(c, web.Teams, p)
		},
		Do: s.do, Check: s.check, Settle: settle,
	}.Action()
}
