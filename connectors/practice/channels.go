package practice

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Beside the company there are three channels for messages, of any name, and a
// desk for tickets (see tickets.go). Their addresses hold a secret, as the real
// ones do; here everybody knows it.

// TeamsPath is the path and query of a workflow of Teams that posts into the
// channel of that name.
func TeamsPath(channel string) string {
	return "/workflows/" + url.PathEscape(channel) + "/triggers/manual/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=" + channelSecret("teams", channel)
}

// SlackPath is the path of an incoming webhook of Slack.
func SlackPath(channel string) string {
	return "/services/T0PRACTICE/" + url.PathEscape(channel) + "/" + channelSecret("slack", channel)[:24]
}

// WebhookPath is the path of a receiver of webhooks, signed with WebhookKey.
func WebhookPath(channel string) string { return "/webhooks/" + url.PathEscape(channel) }

// WebhookKey is the key of every receiver of webhooks, as Standard Webhooks
// writes one.
const WebhookKey = "whsec_cHJhY3RpY2UtdGVuYW50LXdlYmhvb2sta2V5"

func channelSecret(kind, channel string) string {
	sum := sha256.Sum256([]byte("practice " + kind + " " + channel))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// post is a message that came to a channel.
type post struct {
	Kind    string `json:"kind"`
	Channel string `json:"channel"`
	ID      string `json:"id,omitempty"` // of a webhook
	Body    any    `json:"body"`
}

// beside answers what is none of Microsoft's APIs.
func (c *call) beside(path string) (reply, bool, error) {
	s := strings.Split(strings.Trim(path, "/"), "/")
	var out reply
	switch {
	case len(s) == 6 && s[0] == "workflows" && strings.HasSuffix(path, "/triggers/manual/paths/invoke"):
		out = c.teams(s[1])
	case len(s) == 4 && s[0] == "services":
		out = c.slack(s[2], s[3])
	case len(s) == 2 && s[0] == "webhooks":
		out = c.webhook(s[1])
	case s[0] == "desk":
		out = c.desk(s[1:])
	default:
		return reply{}, false, nil
	}
	return out, true, nil
}

func (c *call) posted(p post, status int) {
	c.w.posts = append(c.w.posts, p)
	c.app = App{Name: "who knows the address"}
	c.record(Change{Operation: p.Kind + ".post", Target: "/channels/" + p.Kind + "/" + p.Channel, After: p.Body, Status: status})
}

// teams answers as the trigger "When a Teams webhook request is received": 202,
// and the card is posted later; 401 with another signature; 400 for a body that
// does not fit the trigger's schema. Of a message beyond 28 KB the real one
// answers 202, too, and its flow fails; here it is 413, so that it is seen.
//
// Source: learn.microsoft.com/power-automate/teams/overview; the texts of its
// errors are as observed, not documented.
func (c *call) teams(channel string) reply {
	fault := func(status int, code, message string) reply {
		return reply{status: status, body: object{"error": object{"code": code, "message": message}}}
	}
	if c.r.Method != http.MethodPost {
		return fault(http.StatusNotFound, "TriggerNotFound", "The trigger takes POST only.")
	}
	if c.r.URL.Query().Get("sig") != channelSecret("teams", channel) {
		return fault(http.StatusUnauthorized, "DirectApiAuthorizationRequired", "The request must be authenticated only by Shared Access scheme.")
	}
	if len(c.body) > 28<<10 {
		return fault(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "The message is larger than 28 KB.")
	}
	var in struct {
		Type        string
		Attachments []struct {
			ContentType string
			Content     struct {
				Type, Version string
				Body          []any
			}
		}
	}
	var body any
	if err := json.Unmarshal(c.body, &in); err != nil || json.Unmarshal(c.body, &body) != nil {
		return fault(http.StatusBadRequest, "InvalidRequestContent", "The request content is not valid and could not be deserialized.")
	}
	if in.Type != "message" || len(in.Attachments) == 0 || in.Attachments[0].ContentType != "application/vnd.microsoft.card.adaptive" ||
		in.Attachments[0].Content.Type != "AdaptiveCard" || len(in.Attachments[0].Content.Body) == 0 {
		return fault(http.StatusBadRequest, "TriggerInputSchemaMismatch", "The input body for trigger 'manual' of type 'Request' did not match its schema definition.")
	}
	c.posted(post{Kind: "teams", Channel: channel, Body: body}, http.StatusAccepted)
	return reply{status: http.StatusAccepted}.with("X-Ms-Workflow-Run-Id", hexID(c.id)[:32])
}

// slack answers as an incoming webhook: "ok", or a word that names the fault.
//
// Source: docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
// (handling errors), docs.slack.dev/reference/block-kit/blocks (limits).
func (c *call) slack(channel, token string) reply {
	say := func(status int, word string) reply {
		return reply{status: status, body: []byte(word)}.with("Content-Type", "text/html")
	}
	if token != channelSecret("slack", channel)[:24] {
		return say(http.StatusForbidden, "invalid_token")
	}
	var in slackIn
	var body any
	if c.r.Method != http.MethodPost || json.Unmarshal(c.body, &in) != nil || json.Unmarshal(c.body, &body) != nil {
		return say(http.StatusBadRequest, "invalid_payload")
	}
	if in.Text == "" && len(in.Blocks) == 0 {
		return say(http.StatusBadRequest, "no_text")
	}
	if !in.fits() {
		return say(http.StatusBadRequest, "invalid_blocks")
	}
	c.posted(post{Kind: "slack", Channel: channel, Body: body}, http.StatusOK)
	return say(http.StatusOK, "ok")
}

type slackIn struct {
	Text   string
	Blocks []struct {
		Type   string
		Text   *struct{ Type, Text string }
		Fields []struct{ Type, Text string }
	}
}

// fits holds the blocks against Slack's limits.
func (in slackIn) fits() bool {
	limits := map[string]int{"header": 150, "section": 3000}
	for _, b := range in.Blocks {
		most, known := limits[b.Type]
		if !known || b.Text == nil && len(b.Fields) == 0 || len(b.Fields) > 10 {
			return false
		}
		if b.Text != nil && (b.Text.Text == "" || utf8.RuneCountInString(b.Text.Text) > most || b.Type == "header" && b.Text.Type != "plain_text") {
			return false
		}
		for _, f := range b.Fields {
			if f.Text == "" || utf8.RuneCountInString(f.Text) > 2000 {
				return false
			}
		}
	}
	return len(in.Blocks) <= 50
}

// webhook answers as a receiver that takes what is signed with its key, and the
// same id only once. How old a signature is it does not ask: the tenant's clock
// may be ahead of who signed.
//
// Source: github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md.
func (c *call) webhook(channel string) reply {
	id, at := c.r.Header.Get("Webhook-Id"), c.r.Header.Get("Webhook-Timestamp")
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(WebhookKey, "whsec_"))
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + at + "." + string(c.body)))
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if _, err := strconv.ParseInt(at, 10, 64); err != nil || id == "" ||
		!slices.ContainsFunc(strings.Fields(c.r.Header.Get("Webhook-Signature")), func(s string) bool { return hmac.Equal([]byte(s), []byte(want)) }) {
		return reply{status: http.StatusUnauthorized, body: object{"message": "the signature does not fit"}}
	}
	var body any
	if c.r.Method != http.MethodPost || json.Unmarshal(c.body, &body) != nil {
		return reply{status: http.StatusBadRequest, body: object{"message": "the body is no JSON"}}
	}
	same := func(p post) bool { return p.Kind == "webhook" && p.Channel == channel && p.ID == id }
	if !slices.ContainsFunc(c.w.posts, same) {
		c.posted(post{Kind: "webhook", Channel: channel, ID: id, Body: body}, http.StatusNoContent)
	}
	return noContent()
}
