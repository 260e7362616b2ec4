package web

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"stanch/connectors"
)

// Message is what people are told. Its texts may be an attacker's.
type Message struct {
	Title string
	Text  string
	Facts []Fact
	Link  string // https; shown with its host
}

// Fact is one line of a name and a value.
type Fact struct{ Name, Value string }

// Bounds of a message, in characters.
const (
	maxTitle = 150
	maxFacts = 20
	maxName  = 80
	maxText  = 8000
)

// Valid judges a message before it is sent.
func (m Message) Valid(op string) error {
	switch {
	case strings.TrimSpace(m.Text) == "" && strings.TrimSpace(m.Title) == "":
		return invalid(op, "write something", "text is empty")
	case len(m.Facts) > maxFacts:
		return invalid(op, "leave some out, or put them into the text", "facts: there are %d; expected at most %d", len(m.Facts), maxFacts)
	}
	if m.Link == "" {
		return nil
	}
	if _, err := link(m.Link); err != nil {
		return invalid(op, "such as ${{ incident.url }}", "link: %v", err)
	}
	return nil
}

// link reads an address that is to be opened by people.
func link(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("<>|\"'`\\{}", r) }) {
		return nil, fmt.Errorf("%q is no https address in plain ASCII", connectors.Plain(text))
	}
	return u, nil
}

// clean is text as people see it: lines without control characters, and what
// nobody sees (direction marks, zero-width characters) as its code point. No
// character of it is invisible but the joiner of emoji.
func clean(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\r\n", "\n")
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n' || r == '\r' || r == 0x2028 || r == 0x2029:
			b.WriteByte('\n')
		case r == '\t':
			b.WriteByte(' ')
		case r == 0x200D:
			b.WriteRune(r)
		case !unicode.IsGraphic(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r):
			fmt.Fprintf(&b, "[U+%04X]", r)
		default:
			b.WriteRune(r)
		}
	}
	return strings.TrimSpace(b.String())
}

// oneLine is a cleaned text without line ends.
func oneLine(s string) string { return strings.Join(strings.Fields(clean(s)), " ") }

// cut is a text that tidy has made fit to be shown, at most n characters of it,
// and how many are missing. Only those are looked at: whoever wrote it may have
// written a megabyte.
func cut(s string, n int, tidy func(string) string) string {
	head := first(s, n)
	missing := utf8.RuneCountInString(s[len(head):])
	shown := tidy(head)
	if less := first(shown, n); len(less) < len(shown) {
		missing += utf8.RuneCountInString(shown[len(less):])
		shown = less
	}
	if missing == 0 {
		return shown
	}
	return shown + fmt.Sprintf("… (%d more characters)", missing)
}

// first answers the first n characters of s.
func first(s string, n int) string {
	for at := range s {
		if n--; n < 0 {
			return s[:at]
		}
	}
	return s
}

// FactsOf makes facts of a map, in order of their names.
func FactsOf(m map[string]string) []Fact {
	var out []Fact
	for name, value := range m {
		out = append(out, Fact{name, value})
	}
	slices.SortFunc(out, func(a, b Fact) int { return strings.Compare(a.Name, b.Name) })
	return out
}
