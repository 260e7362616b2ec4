package notify

import (
	"context"
	"encoding/json"
	"regexp"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/web"
)

type webhookParams struct {
	Channel string          `json:"channel" doc:"channel of the operator's file"`
	Event   string          `json:"event" doc:"what it is about, in words with dots between, such as share.contained"`
	Data    json.RawMessage `json:"data" doc:"value that is sent as JSON"`
}

var eventName = regexp.MustCompile(`^[a-z0-9_]+(\.[a-z0-9_]+)*$`)

// maxEvent bounds the data of an event, in bytes.
const maxEvent = 256 << 10

// Webhook tells another system.
func (s Shelf) Webhook() actions.Action {
	return actions.Spec[webhookParams, told]{
		Doc:   "Tell another system by a webhook: JSON of type, timestamp and data, signed with the channel's key as Standard Webhooks says.",
		Class: actions.Writes, Throttle: "notify.webhook",
		Repeat:  actions.RepeatHarmless, // webhook-id is the same again: the receiver can tell
		NoUndo:  noUndo,
		Source:  "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
		Example: "channel: siem\nevent: share.contained\ndata: {incident: \"${{ incident.id }}\"}",
		Plan: func(_ context.Context, c actions.Call, p webhookParams) ([]actions.Effect, told, error) {
			if err := p.valid(); err != nil {
				return nil, told{}, err
			}
			return s.plan(c, request{Kind: web.Webhook, Channel: p.Channel, Event: &web.Event{Type: p.Event, At: c.Now.UTC(), Data: p.Data}})
		},
		Do: s.do, Check: s.check, Settle: settle,
	}.Action()
}

func (p webhookParams) valid() error {
	fault := func(message, hint string) error {
		return &connectors.Error{Op: "notify", Code: connectors.Invalid, Message: message, Hint: hint}
	}
	switch {
	case !eventName.MatchString(p.Event) || len(p.Event) > 128:
		return fault("event: "+connectors.Plain(p.Event)+" is no name of an event", "expected small letters, digits, _ and dots, such as share.contained")
	case len(p.Data) == 0:
		return fault("data is missing", "give the value that is to be sent")
	case len(p.Data) > maxEvent:
		return fault("data is larger than 256 KiB", "send ids, and let the other system ask for the rest")
	}
	return nil
}
