package kql

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// kind of a token.
type kind int

const (
	end kind = iota
	ident
	quotedIdent // ['a name']
	number      // long
	fraction    // real
	span        // timespan
	text
	mark // operators and brackets
)

// place is where a token stands: offset in bytes, line from 1, pos from 0 in
// characters.
type place struct{ offset, line, pos int }

type token struct {
	place
	kind  kind
	raw   string // as written
	value string // of a text or quoted name
	num   int64  // of a number, or of a span in nanoseconds
	float float64
}

// lexer cuts the query into tokens on demand, since some literals are read by
// rules of their own.
type lexer struct {
	text  string
	at    int
	line  int // 0-based
	begin int // where the line begins
}

func (l *lexer) place() place {
	return place{l.at, l.line + 1, utf8.RuneCountInString(l.text[l.begin:l.at])}
}

func (l *lexer) advance(n int) {
	for range n {
		if l.text[l.at] == '\n' {
			l.line++
			l.begin = l.at + 1
		}
		l.at++
	}
}

func (l *lexer) space() {
	for l.at < len(l.text) {
		switch c := l.text[l.at]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			l.advance(1)
		case strings.HasPrefix(l.text[l.at:], "\u00a0"):
			l.advance(2)
		case strings.HasPrefix(l.text[l.at:], "//"):
			n := strings.IndexByte(l.text[l.at:], '\n')
			if n < 0 {
				n = len(l.text) - l.at
			}
			l.advance(n)
		default:
			return
		}
	}
}

func letter(c byte) bool {
	return c == '_' || c == '$' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func (l *lexer) fail(at place, format string, args ...any) error {
	rest := l.text[at.offset:]
	n := 0
	for n < len(rest) && n < 40 && (letter(rest[n]) || digit(rest[n])) {
		n++
	}
	if n == 0 && rest != "" {
		_, n = utf8.DecodeRuneInString(rest)
	}
	tok := rest[:n]
	message := fmt.Sprintf("Query could not be parsed at '%s' on line [%d,%d]", tok, at.line, at.pos)
	if format != "" {
		message += ": " + fmt.Sprintf(format, args...)
	}
	return &Error{Kind: Syntax, Line: at.line, Pos: at.pos, Token: tok, Message: message}
}

// marks, longest first.
func marks() []string {
	return []string{"==", "!=", "=~", "!~", "<=", ">=", "<>", "..", "|", "(", ")", "[", "]", "{", "}", ",", ";", ":", "=", "<", ">", "+", "-", "*", "/", "%", ".", "!", "?"}
}

// next reads one token.
func (l *lexer) next() (token, error) {
	l.space()
	t := token{place: l.place()}
	if l.at == len(l.text) {
		return t, nil
	}
	rest := l.text[l.at:]
	switch c := rest[0]; {
	case (c == 'h' || c == 'H') && len(rest) > 1 && (rest[1] == '"' || rest[1] == '\'' || rest[1] == '@'):
		l.advance(1) // an obfuscated text, which is one all the same
		return l.string(t)
	case c == '"' || c == '\'' || c == '@', strings.HasPrefix(rest, "```"), strings.HasPrefix(rest, "~~~"):
		return l.string(t)
	case strings.HasPrefix(rest, "['"), strings.HasPrefix(rest, "[\""):
		return l.bracketed(t)
	case letter(c):
		n := 1
		for n < len(rest) && (letter(rest[n]) || digit(rest[n])) {
			n++
		}
		if rest[:n] == "in" && n < len(rest) && rest[n] == '~' {
			n++
		}
		t.kind, t.raw = ident, rest[:n]
		l.advance(n)
		return t, nil
	case digit(c):
		return l.number(t)
	}
	for _, m := range marks() {
		if strings.HasPrefix(rest, m) {
			t.kind, t.raw = mark, m
			l.advance(len(m))
			return t, nil
		}
	}
	return t, l.fail(t.place, "")
}

// bracketed reads ['a name'], or gives back the bracket where it indexes.
func (l *lexer) bracketed(t token) (token, error) {
	before := *l
	l.advance(1)
	s, err := l.string(token{place: l.place()})
	if err != nil {
		return t, err
	}
	l.space()
	if l.at < len(l.text) && l.text[l.at] == ']' {
		l.advance(1)
		t.kind, t.value, t.raw = quotedIdent, s.value, l.text[t.offset:l.at]
		return t, nil
	}
	*l = before
	t.kind, t.raw = mark, "["
	l.advance(1)
	return t, nil
}

// string reads a text: quoted with escapes, verbatim after @, or over several
// lines between three back-ticks or tildes.
//
// Source: learn.microsoft.com/kusto/query/scalar-data-types/string.
func (l *lexer) string(t token) (token, error) {
	t.kind = text
	rest := l.text[l.at:]
	for _, fence := range []string{"```", "~~~"} {
		if strings.HasPrefix(rest, fence) {
			n := strings.Index(rest[3:], fence)
			if n < 0 {
				return t, l.fail(t.place, "the text has no end")
			}
			t.value = rest[3 : 3+n]
			l.advance(n + 6)
			t.raw = l.text[t.offset:l.at]
			return t, nil
		}
	}
	if rest[0] == '@' {
		if len(rest) < 2 || rest[1] != '"' && rest[1] != '\'' {
			return t, l.fail(t.place, "")
		}
		return l.verbatim(t)
	}
	quote := rest[0]
	var b strings.Builder
	for i := 1; i < len(rest); {
		switch c := rest[i]; c {
		case quote:
			l.advance(i + 1)
			t.value, t.raw = b.String(), l.text[t.offset:l.at]
			return t, nil
		case '\n', '\r':
			return t, l.fail(t.place, "the text has no end on its line")
		case '\\':
			r, n := escape(rest[i:])
			if n == 0 {
				return t, l.fail(t.place, "the text has an escape that is not known")
			}
			b.WriteString(r)
			i += n
		default:
			b.WriteByte(c)
			i++
		}
	}
	return t, l.fail(t.place, "the text has no end")
}

// verbatim reads @"…", in which a doubled quote is one.
func (l *lexer) verbatim(t token) (token, error) {
	rest := l.text[l.at:]
	quote := rest[1]
	var b strings.Builder
	for i := 2; i < len(rest); i++ {
		if rest[i] == '\n' || rest[i] == '\r' {
			break
		}
		if rest[i] != quote {
			b.WriteByte(rest[i])
			continue
		}
		if i+1 < len(rest) && rest[i+1] == quote {
			b.WriteByte(quote)
			i++
			continue
		}
		l.advance(i + 1)
		t.value, t.raw = b.String(), l.text[t.offset:l.at]
		return t, nil
	}
	return t, l.fail(t.place, "the text has no end on its line")
}

// escape reads one escape at the start of s, answering its text and length.
func escape(s string) (string, int) {
	if len(s) < 2 {
		return "", 0
	}
	switch s[1] {
	case '\\', '"', '\'':
		return s[1:2], 2
	case 'n':
		return "\n", 2
	case 'r':
		return "\r", 2
	case 't':
		return "\t", 2
	case 'a':
		return "\a", 2
	case 'b':
		return "\b", 2
	case 'f':
		return "\f", 2
	case 'v':
		return "\v", 2
	case '0':
		return "\x00", 2
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[1]]
	if digits == 0 || len(s) < 2+digits {
		return "", 0
	}
	n, err := strconv.ParseUint(s[2:2+digits], 16, 32)
	if err != nil || n > utf8.MaxRune {
		return "", 0
	}
	if s[1] == 'u' && n >= 0xD800 && n < 0xDC00 && len(s) >= 12 && s[6] == '\\' && s[7] == 'u' {
		if low, err := strconv.ParseUint(s[8:12], 16, 32); err == nil && low >= 0xDC00 && low < 0xE000 {
			return string(rune(0x10000 + (n-0xD800)<<10 + (low - 0xDC00))), 12
		}
	}
	return string(rune(n)), 2 + digits
}

// number reads a long, a real, or a timespan such as 1.5h.
func (l *lexer) number(t token) (token, error) {
	rest := l.text[l.at:]
	if len(rest) > 2 && rest[0] == '0' && (rest[1] == 'x' || rest[1] == 'X') {
		n := 2
		for n < len(rest) && strings.IndexByte("0123456789abcdefABCDEF", rest[n]) >= 0 {
			n++
		}
		v, err := strconv.ParseUint(rest[2:n], 16, 64)
		if err != nil {
			return t, l.fail(t.place, "the number is no long")
		}
		t.kind, t.raw, t.num = number, rest[:n], int64(v)
		l.advance(n)
		return t, nil
	}
	n, broken := digits(rest)
	unit := n
	for unit < len(rest) && letter(rest[unit]) {
		unit++
	}
	var err error
	switch {
	case unit > n:
		per, known := units()[rest[n:unit]]
		if !known {
			return t, l.fail(t.place, "the number has a unit that is not known")
		}
		t.float, err = strconv.ParseFloat(rest[:n], 64)
		d := t.float * per
		if err != nil || d > 9.2e18 {
			return t, l.fail(t.place, "the timespan is out of range")
		}
		t.kind, t.num, n = span, int64(d), unit
	case broken:
		t.kind = fraction
		t.float, err = strconv.ParseFloat(rest[:n], 64)
	default:
		t.kind = number
		t.num, err = strconv.ParseInt(rest[:n], 10, 64)
	}
	if err != nil {
		return t, l.fail(t.place, "the number is out of range")
	}
	t.raw = rest[:n]
	l.advance(n)
	return t, nil
}

// digits measures a number: how long it is, and whether it has a fraction.
func digits(s string) (n int, broken bool) {
	for n < len(s) && digit(s[n]) {
		n++
	}
	if n+1 < len(s) && s[n] == '.' && digit(s[n+1]) {
		broken = true
		for n++; n < len(s) && digit(s[n]); {
			n++
		}
	}
	if n+1 < len(s) && (s[n] == 'e' || s[n] == 'E') {
		m := n + 1
		if s[m] == '+' || s[m] == '-' {
			m++
		}
		if m < len(s) && digit(s[m]) {
			for m < len(s) && digit(s[m]) {
				m++
			}
			return m, true
		}
	}
	return n, broken
}

// units are the units of timespan literals, in nanoseconds
// (learn.microsoft.com/kusto/query/scalar-data-types/timespan).
func units() map[string]float64 {
	out := map[string]float64{}
	for _, u := range []struct {
		ns    float64
		names string
	}{
		{86400e9, "d day days"},
		{3600e9, "h hr hrs hour hours"},
		{60e9, "m min minute minutes"},
		{1e9, "s sec second seconds"},
		{1e6, "ms milli millis millisec millisecond milliseconds"},
		{1e3, "micro micros microsec microsecond microseconds"},
		{100, "tick ticks"},
	} {
		for n := range strings.FieldsSeq(u.names) {
			out[n] = u.ns
		}
	}
	return out
}
