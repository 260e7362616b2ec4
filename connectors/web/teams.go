package web

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"stanch/connectors"
)

// maxCard bounds a message to Teams: it takes about 28 KB, and the workflow
// wraps it once more.
//
// Source: learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook.
const maxCard = 24 << 10

// Teams posts a message as an adaptive card to a workflow that begins with
// "When a Teams webhook request is received".
//
// Every text that may be somebody else's is a TextRun, in which Markdown means
// nothing, and never a TextBlock or a fact, in which it does.
//
// Source: learn.microsoft.com/power-automate/teams/overview and
// adaptivecards.io/explorer/TextRun.html.
func (c *Client) Teams(ctx context.Context, change connectors.Change, channel string, m Message) error {
	to, err := c.channel(Teams, channel)
	if err != nil {
		return err
	}
	body, err := teamsBody(m)
	if err != nil {
		return err
	}
	return c.post(ctx, change, channel, to, http.Header{}, body, func(r connectors.HTTPReply) bool { return !page(r) })
}

// element is a part of an adaptive card, version 1.4.
type element struct {
	Type      string    `json:"type"`
	Inlines   []textRun `json:"inlines,omitempty"`
	Spacing   string    `json:"spacing,omitempty"`
	Separator bool      `json:"separator,omitempty"`
}

type textRun struct {
	Type   string `json:"type"`
	Text   string `json:"text"`
	Weight string `json:"weight,omitempty"`
	Size   string `json:"size,omitempty"`
	Subtle bool   `json:"isSubtle,omitempty"`
}

type openURL struct {
	Type  string `json:"type"`
	Title string `json:"title"`
	URL   string `json:"url"`
}

type card struct {
	Schema   string            `json:"$schema"`
	Type     string            `json:"type"`
	Version  string            `json:"version"`
	Fallback string            `json:"fallbackText"`
	Body     []element         `json:"body"`
	Actions  []openURL         `json:"actions,omitempty"`
	Teams    map[string]string `json:"msteams"`
}

type attachment struct {
	ContentType string  `json:"contentType"`
	ContentURL  *string `json:"contentUrl"`
	Content     card    `json:"content"`
}

type activity struct {
	Type        string       `json:"type"`
	Attachments []attachment `json:"attachments"`
}

// teamsBody is the request of a message. Texts are cut until it is small enough.
func teamsBody(m Message) ([]byte, error) {
	for most := maxText; ; most /= 2 {
		body, err := json.Marshal(activity{Type: "message", Attachments: []attachment{{
			ContentType: "application/vnd.microsoft.card.adaptive", Content: cardOf(m, most),
		}}})
		if err != nil || len(body) <= maxCard || most < 50 {
			return body, err
		}
	}
}

func cardOf(m Message, most int) card {
	out := card{
		Schema: "http://adaptivecards.io/schemas/adaptive-card.json", Type: "AdaptiveCard", Version: "1.4",
		Fallback: "This message needs a newer version of Teams.", Teams: map[string]string{"width": "Full"}, Body: []element{},
	}
	rich := func(runs ...textRun) { out.Body = append(out.Body, element{Type: "RichTextBlock", Inlines: runs}) }
	if title := inert(cut(m.Title, maxTitle, oneLine)); title != "" {
		rich(textRun{Type: "TextRun", Text: title, Weight: "Bolder", Size: "Medium"})
	}
	const maxLines = 60
	lines := strings.Split(cut(m.Text, most, clean), "\n")
	if len(lines) > maxLines { // a line is an element of its own: the rest stays together
		lines = append(lines[:maxLines-1], strings.Join(lines[maxLines-1:], " "))
	}
	for _, line := range lines {
		if line = inert(strings.TrimSpace(line)); line != "" {
			rich(textRun{Type: "TextRun", Text: line})
		}
	}
	for i, f := range m.Facts {
		rich(textRun{Type: "TextRun", Text: inert(cut(f.Name, maxName, oneLine)) + ": ", Weight: "Bolder"},
			textRun{Type: "TextRun", Text: inert(cut(f.Value, max(most/8, 40), oneLine))})
		last := &out.Body[len(out.Body)-1]
		if last.Spacing = "None"; i == 0 {
			last.Spacing, last.Separator = "Medium", true
		}
	}
	if u, err := link(m.Link); err == nil {
		out.Actions = []openURL{{Type: "Action.OpenUrl", Title: "Open " + u.Host, URL: u.String()}}
	}
	return out
}

// inert breaks what clients or templates of cards take for more than text,
// wherever it stands: {{DATE(…)}}, ${…}, @{…} and <at>. The character that
// stands between is not seen.
func inert(s string) string {
	for _, pair := range []string{"{{", "${", "@{", "<a"} {
		// Twice: of three braces the second pair begins in the first.
		for range 2 {
			s = strings.ReplaceAll(s, pair, pair[:1]+"\u200b"+pair[1:])
		}
	}
	return s
}
