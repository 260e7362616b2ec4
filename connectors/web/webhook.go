package web

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"stanch/connectors"
)

// Event is what a webhook is told.
type Event struct {
	Type string          `json:"type"`
	At   time.Time       `json:"timestamp"`
	Data json.RawMessage `json:"data"`
}

// Webhook posts an event, signed: webhook-signature is "v1," and the base64 of
// HMAC-SHA256 over "webhook-id.webhook-timestamp.body". webhook-id is the id of
// the effect, the same when it is sent again, so that who gets it twice can
// tell.
//
// Source: github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md.
func (c *Client) Webhook(ctx context.Context, change connectors.Change, channel string, e Event) error {
	to, err := c.channel(Webhook, channel)
	if err != nil {
		return err
	}
	body, err := json.Marshal(e)
	if err != nil {
		return invalid("notify webhook", "", "data: %v", err)
	}
	head, at := http.Header{}, strconv.FormatInt(time.Now().Unix(), 10)
	head.Set("Webhook-Id", change.ID)
	head.Set("Webhook-Timestamp", at)
	signature := connectors.WebhookSignature(connectors.WebhookKey(to.Key), change.ID, at, body)
	head.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(signature))
	return c.post(ctx, change, channel, to, head, body, func(r connectors.HTTPReply) bool { return !page(r) })
}
