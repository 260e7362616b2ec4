package web

import (
	"encoding/json"
	"html"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// judge is a test, of rapid or not.
type judge interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// hostile draws text as an attacker would write it.
func hostile() *rapid.Generator[string] {
	piece := rapid.OneOf(
		rapid.SampledFrom([]string{
			"<!channel>", "<!here>", "<@U024BE7LH>", "<https://evil.example|Sign in>", "&lt;!channel&gt;", "&amp;lt;", "&", "<", ">", "*bold*", "`x`", ":smile:",
			"[Sign in](https://evil.example)", "**b**", "{{DATE(2017-02-14T06:08:00Z)}}", "{{{{", "{{{", "${title}", "@{triggerBody()}", "<at>Everyone</at>", "<AT>", "$${x}",
			"\u202efdp.exe", "\u200b", "\u2066", "\ufeff", "\u00ad", "\U000E0041", "\u2028", "\x00", "\x1b[31m", "\r\n", "\n", "\t", "\xff\xfe", "\"", "\\", "'", "👩‍💻", "é",
			"https://evil.example/a?b=c&d", "mailto:x@evil.example", "|", "~", "_", "#", "1. ", "- ", "![i](https://evil.example/p.png)",
		}),
		rapid.StringN(0, 12, 48),
	)
	return rapid.Map(rapid.SliceOfN(piece, 0, 8), func(parts []string) string { return strings.Join(parts, "") })
}

func drawn(t *rapid.T) Message {
	m := Message{Title: hostile().Draw(t, "title"), Text: hostile().Draw(t, "text"), Link: rapid.SampledFrom([]string{"", "https://security.microsoft.com/incidents/7?tid=1&x=2"}).Draw(t, "link")}
	for range rapid.IntRange(0, 3).Draw(t, "facts") {
		m.Facts = append(m.Facts, Fact{hostile().Draw(t, "name"), hostile().Draw(t, "value")})
	}
	return m
}

// sameText holds a text as people see it against what was said.
func sameText(t judge, said, shown string) {
	t.Helper()
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	if squeeze(clean(said)) != squeeze(shown) {
		t.Fatalf("said %q, shown %q", clean(said), shown)
	}
}

// Whatever a message says, the card holds it in text runs, in which nothing is
// a format, a function or a mention, and shows it whole.
func TestNoTextOfACardIsMoreThanText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkCard(t, drawn(t)) })
}

func checkCard(t judge, m Message) {
	t.Helper()
	body, err := teamsBody(m)
	if err != nil {
		t.Fatal(err)
	}
	if len(body) > maxCard {
		t.Fatalf("%d bytes", len(body))
	}
	var in struct {
		Type        string
		Attachments []struct{ Content map[string]any }
	}
	if err := json.Unmarshal(body, &in); err != nil {
		t.Fatal(err)
	}
	content := in.Attachments[0].Content
	var runs []string
	for _, e := range content["body"].([]any) {
		e := e.(map[string]any)
		if e["type"] != "RichTextBlock" {
			t.Fatalf("an element of type %v", e["type"])
		}
		for _, r := range e["inlines"].([]any) {
			r := r.(map[string]any)
			if r["type"] != "TextRun" || r["selectAction"] != nil {
				t.Fatalf("a run %v", r)
			}
			runs = append(runs, r["text"].(string))
		}
	}
	for _, text := range runs {
		for _, bad := range []string{"{{", "${", "@{", "<at", "\n", "\u202e", "\x00", "\x1b"} {
			if strings.Contains(text, bad) {
				t.Fatalf("a run holds %q: %q", bad, text)
			}
		}
	}
	if entities := content["msteams"].(map[string]any)["entities"]; entities != nil {
		t.Fatalf("mentions %v", entities)
	}
	if actions, is := content["actions"].([]any); is != (m.Link != "") || is && (len(actions) != 1 || actions[0].(map[string]any)["url"] != m.Link) {
		t.Fatalf("actions %v for %q", content["actions"], m.Link)
	}
	if len(m.Text) < 1000 && len(m.Title) < maxTitle && utf8.RuneCountInString(oneLine(m.Title)) <= maxTitle && len(m.Facts) == 0 {
		sameText(t, m.Title+"\n"+m.Text, strings.ReplaceAll(strings.Join(runs, " "), "\u200b", ""))
	}
}

// Whatever a message says, what Slack gets has no character in it that is its
// markup, and unescaped it is what was said.
func TestNoTextForSlackIsMoreThanText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkSlack(t, drawn(t)) })
}

func checkSlack(t judge, m Message) {
	t.Helper()
	out := slackOf(m)
	if out.Markdown || out.Parse != "none" || out.LinkNames || out.Unfurl || out.Media || len(out.Blocks) > 50 {
		t.Fatalf("%+v", out)
	}
	inertText := func(s string, most int) {
		if strings.ContainsAny(s, "<>\x00\x1b\u202e") || utf8.RuneCountInString(s) > most {
			t.Fatalf("text %q", s)
		}
		for rest := s; ; {
			_, after, more := strings.Cut(rest, "&")
			if !more {
				break
			}
			if !strings.HasPrefix(after, "amp;") && !strings.HasPrefix(after, "lt;") && !strings.HasPrefix(after, "gt;") {
				t.Fatalf("a bare & in %q", s)
			}
			rest = after
		}
	}
	inertText(out.Text, slackNotice)
	var said []string
	for i, b := range out.Blocks {
		for _, f := range b.Fields {
			inertText(f.Text, slackField)
			if f.Type != "plain_text" || f.Text == "" {
				t.Fatalf("a field %+v", f)
			}
		}
		if b.Text == nil {
			continue
		}
		if b.Text.Type == "mrkdwn" {
			if i != len(out.Blocks)-1 || html.UnescapeString(b.Text.Text) != "<"+m.Link+"|Open security.microsoft.com>" {
				t.Fatalf("markup %q", b.Text.Text)
			}
			continue
		}
		inertText(b.Text.Text, slackSection)
		if b.Text.Type != "plain_text" || *b.Text.Emoji || b.Text.Text == "" {
			t.Fatalf("a text %+v", b.Text)
		}
		said = append(said, b.Text.Text)
	}
	if len(m.Text) < 400 && len(m.Title) < slackHeader/6 {
		unescape := strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&")
		sameText(t, m.Title+"\n"+m.Text, unescape.Replace(strings.Join(said, " ")))
	}
}

// Cleaned text has no character that cannot be seen but line ends and the
// joiner of emoji.
func FuzzMessage(f *testing.F) {
	for _, s := range []string{"<!channel>", "{{DATE(x)}}", "\u202ea", "{{{{", "a\r\nb", "&lt;", "\U000E0041", "<a<at>"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, title, text string) {
		for _, r := range clean(text) {
			if r != '\n' && r != 0x200D && (!unicode.IsGraphic(r) || unicode.Is(unicode.Cf, r)) {
				t.Errorf("%q keeps %U", text, r)
			}
		}
		m := Message{Title: title, Text: text, Facts: []Fact{{title, text}}}
		checkCard(t, m)
		checkSlack(t, m)
	})
}

func TestALongMessageIsCutAndSaysSo(t *testing.T) {
	long := strings.Repeat("<&界\n", 20000)
	m := Message{Title: long, Text: long}
	for range maxFacts {
		m.Facts = append(m.Facts, Fact{long, long})
	}
	checkCard(t, m)
	checkSlack(t, m)
	body, _ := teamsBody(m)
	if !strings.Contains(string(body), "more characters)") {
		t.Error("the card does not say that it was cut")
	}
	if err := m.Valid("x"); err != nil {
		t.Error(err)
	}
	if m.Facts = append(m.Facts, Fact{"a", "b"}); m.Valid("x") == nil {
		t.Error("too many facts are taken")
	}
}

func TestLinks(t *testing.T) {
	for at, sound := range map[string]bool{
		"https://security.microsoft.com/incidents/7?tid=a&b=c#d": true, "http://a.example": false, "javascript:alert(1)": false, "https://": false,
		"https://u:p@a.example": false, "https://a.example/<x>": false, "https://a.example/a|b": false, "https://a.example/a b": false, "https://exämple.com": false,
		"https://a.example/\n": false, "https://a.example/{{x}}": false, "data:text/html,x": false, "//a.example": false,
	} {
		if _, err := link(at); (err == nil) != sound {
			t.Errorf("%q: %v", at, err)
		}
	}
}
