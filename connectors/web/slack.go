package web

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"unicode/utf8"

	"stanch/connectors"
)

// Slack posts a message to an incoming webhook. Its texts are plain_text
// objects with &, < and > escaped, so that no text is a link, a mention
// (<!channel>, <@U…>) or a format; names are not looked up and links not
// unfurled.
//
// Source: docs.slack.dev/messaging/sending-messages-using-incoming-webhooks,
// docs.slack.dev/messaging/formatting-message-text.
func (c *Client) Slack(ctx context.Context, change connectors.Change, channel string, m Message) error {
	to, err := c.channel(Slack, channel)
	if err != nil {
		return err
	}
	body, err := json.Marshal(slackOf(m))
	if err != nil {
		return err
	}
	return c.post(ctx, change, channel, to, http.Header{}, body, func(r connectors.HTTPReply) bool {
		return string(bytes.TrimSpace(r.Body)) == "ok"
	})
}

type slackText struct {
	Type  string `json:"type"`
	Text  string `json:"text"`
	Emoji *bool  `json:"emoji,omitempty"` // of plain_text: whether :names: are
}

type slackBlock struct {
	Type   string      `json:"type"`
	Text   *slackText  `json:"text,omitempty"`
	Fields []slackText `json:"fields,omitempty"`
}

type slackMessage struct {
	Text      string       `json:"text"` // of the notification
	Markdown  bool         `json:"mrkdwn"`
	Parse     string       `json:"parse"`
	LinkNames bool         `json:"link_names"`
	Unfurl    bool         `json:"unfurl_links"`
	Media     bool         `json:"unfurl_media"`
	Blocks    []slackBlock `json:"blocks"`
}

// Bounds of Slack, in characters (docs.slack.dev/reference/block-kit/blocks).
const (
	slackHeader  = 150
	slackSection = 3000
	slackField   = 2000
	slackFields  = 10
	slackNotice  = 300
)

func slackOf(m Message) slackMessage {
	out := slackMessage{Parse: "none", Blocks: []slackBlock{}}
	title, text := cut(m.Title, maxTitle-40, oneLine), cut(m.Text, maxText, clean) // with room for what says how much is missing
	notice := title
	if notice == "" {
		notice = strings.Join(strings.Fields(text), " ")
	}
	out.Text = escaped(notice, slackNotice)[0]
	if title != "" {
		out.Blocks = append(out.Blocks, slackBlock{Type: "header", Text: plain(escaped(title, slackHeader)[0])})
	}
	for _, part := range escaped(text, slackSection) {
		if strings.TrimSpace(part) != "" {
			out.Blocks = append(out.Blocks, slackBlock{Type: "section", Text: plain(part)})
		}
	}
	for i, f := range m.Facts {
		if i%slackFields == 0 {
			out.Blocks = append(out.Blocks, slackBlock{Type: "section"})
		}
		last := &out.Blocks[len(out.Blocks)-1]
		last.Fields = append(last.Fields, *plain(escaped(cut(f.Name, maxName, oneLine)+": "+cut(f.Value, 1000, oneLine), slackField)[0]))
	}
	if u, err := link(m.Link); err == nil {
		at := strings.ReplaceAll(u.String(), "&", "&amp;") // link has refused what else could end it
		out.Blocks = append(out.Blocks, slackBlock{Type: "section", Text: &slackText{Type: "mrkdwn", Text: "<" + at + "|Open " + u.Host + ">"}})
	}
	return out
}

func plain(s string) *slackText { return &slackText{Type: "plain_text", Text: s, Emoji: new(false)} }

// escaped writes text in parts of at most limit characters, none of which ends
// in an escape.
func escaped(text string, limit int) []string {
	parts := []string{""}
	var b strings.Builder
	n := 0
	for _, r := range text {
		piece := string(r)
		switch r {
		case '&':
			piece = "&amp;"
		case '<':
			piece = "&lt;"
		case '>':
			piece = "&gt;"
		}
		if size := utf8.RuneCountInString(piece); n+size > limit {
			parts[len(parts)-1] = b.String()
			parts = append(parts, "")
			b.Reset()
			n = 0
		}
		b.WriteString(piece)
		n += utf8.RuneCountInString(piece)
	}
	parts[len(parts)-1] = b.String()
	return parts
}
