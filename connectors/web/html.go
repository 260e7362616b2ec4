package web

import (
	"html"
	"strings"
)

// HTML is a message as subject and body of a mail. No text of it is markup, an
// entity or a header; clients that make links of what looks like an address find
// none but Link.
//
// Source: html.spec.whatwg.org, 13.1.2 (elements and character references).
func (m Message) HTML() (subject, body string) {
	text := func(s string) string { return html.EscapeString(unlinked(s)) }
	var b strings.Builder
	b.WriteString(`<html><head><meta charset="utf-8"></head><body>`)
	for part := range strings.SplitSeq(cut(m.Text, maxText, clean), "\n\n") {
		if part = strings.TrimSpace(part); part != "" {
			b.WriteString("<p>" + strings.ReplaceAll(text(part), "\n", "<br>") + "</p>")
		}
	}
	if len(m.Facts) > 0 {
		b.WriteString("<table>")
		for _, f := range m.Facts {
			b.WriteString("<tr><td><b>" + text(cut(f.Name, maxName, oneLine)) + "</b></td><td>" + text(cut(f.Value, maxText/8, oneLine)) + "</td></tr>")
		}
		b.WriteString("</table>")
	}
	if u, err := link(m.Link); err == nil {
		b.WriteString(`<p><a href="` + html.EscapeString(u.String()) + `">Open ` + html.EscapeString(u.Host) + "</a></p>")
	}
	b.WriteString("</body></html>")
	return cut(m.Title, maxTitle, oneLine), b.String()
}

// unlinked breaks what clients of mail take for an address: the character that
// stands between is not seen.
func unlinked(s string) string {
	for _, pair := range []string{"://", "www.", "WWW.", "mailto:"} {
		s = strings.ReplaceAll(s, pair, pair[:1]+"\u200b"+pair[1:])
	}
	return s
}
