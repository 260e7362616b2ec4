package playbooks

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// scalar answers for each rune of a scalar's value the byte offset that it is
// written at, and as a last entry the offset behind the scalar. It rebuilds the
// value from the raw text and answers nil if that differs from what the parser
// read: then only the scalar's start is known.
func (s *fileText) scalar(n *yaml.Node) []int {
	if s.last != n {
		s.last, s.places = n, s.rebuild(n)
	}
	return s.places
}

func (s *fileText) rebuild(n *yaml.Node) []int {
	at := s.start(n)
	if at >= len(s.text) {
		return nil
	}
	r := &rebuild{text: s.text, at: at}
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		r.quoted('"')
	case n.Style&yaml.SingleQuotedStyle != 0:
		r.quoted('\'')
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return rebuildBlock(s.text, at, n)
	default:
		r.plain(n.Value)
	}
	return r.result(n.Value)
}

// rebuild reads a scalar again, keeping where each rune stands.
type rebuild struct {
	text    string
	at      int
	value   strings.Builder
	offsets []int
	bad     bool
}

func (r *rebuild) put(c rune, at int) {
	r.value.WriteRune(c)
	r.offsets = append(r.offsets, at)
}

func (r *rebuild) result(want string) []int {
	if r.bad || r.value.String() != want {
		return nil
	}
	return append(r.offsets, r.at)
}

func (r *rebuild) peek() byte {
	if r.at < len(r.text) {
		return r.text[r.at]
	}
	return 0
}

// plain follows the value through the text: a line break with the blanks around
// it stands for a space, each further break for itself.
func (r *rebuild) plain(value string) {
	for i := 0; i < len(value) && !r.bad; {
		c, size := utf8.DecodeRuneInString(value[i:])
		if (c == ' ' || c == '\n') && r.foldHere() {
			i += r.fold()
			continue
		}
		got, n := utf8.DecodeRuneInString(r.text[min(r.at, len(r.text)):])
		if got != c || n == 0 {
			r.bad = true
			return
		}
		r.put(c, r.at)
		r.at += n
		i += size
	}
}

// foldHere reports whether only blanks stand before the line's end.
func (r *rebuild) foldHere() bool {
	i := r.at
	for i < len(r.text) && (r.text[i] == ' ' || r.text[i] == '\t') {
		i++
	}
	return i < len(r.text) && (r.text[i] == '\n' || r.text[i] == '\r')
}

// fold reads blanks, breaks and the blanks that begin the next line, puts what
// they stand for and answers how many bytes of value that is.
func (r *rebuild) fold() int {
	from, breaks := r.at, []int{}
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case '\n':
			breaks = append(breaks, r.at)
		case ' ', '\t', '\r':
		default:
			goto put
		}
		r.at++
	}
put:
	if len(breaks) == 1 {
		r.put(' ', from)
		return 1
	}
	for _, at := range breaks[1:] {
		r.put('\n', at)
	}
	return len(breaks) - 1
}

// quoted reads a quoted scalar.
func (r *rebuild) quoted(quote byte) {
	if r.peek() != quote {
		r.bad = true
		return
	}
	r.at++
	for r.at < len(r.text) && !r.bad {
		c, n := utf8.DecodeRuneInString(r.text[r.at:])
		switch {
		case c == rune(quote) && quote == '\'' && r.at+1 < len(r.text) && r.text[r.at+1] == '\'':
			r.put(c, r.at)
			r.at += 2
		case c == rune(quote):
			r.at++
			return
		case c == '\\' && quote == '"':
			r.escape()
		case (c == ' ' || c == '\t' || c == '\n' || c == '\r') && r.foldHere():
			r.fold()
		default:
			r.put(c, r.at)
			r.at += n
		}
	}
	r.bad = true
}

// escape reads one escape of a double-quoted scalar.
func (r *rebuild) escape() {
	at := r.at
	r.at += 2
	if r.at > len(r.text) {
		r.bad = true
		return
	}
	var digits int
	switch c := r.text[at+1]; c {
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	case '\n', '\r': // a continued line
		for r.at < len(r.text) && strings.IndexByte(" \t\n\r", r.text[r.at]) >= 0 {
			if r.text[r.at] == '\n' && r.text[r.at-1] != '\r' && r.at > at+2 {
				r.put('\n', r.at)
			}
			r.at++
		}
		return
	default:
		to, ok := escapes(c)
		if !ok {
			r.bad = true
			return
		}
		r.put(to, at)
		return
	}
	if r.at+digits > len(r.text) {
		r.bad = true
		return
	}
	code, err := strconv.ParseUint(r.text[r.at:r.at+digits], 16, 32)
	if err != nil {
		r.bad = true
		return
	}
	r.put(rune(code), at)
	r.at += digits
}

func escapes(c byte) (rune, bool) {
	const from, to = `0abtnvfre "'\/NL_P` + "\t", "\x00\a\b\t\n\v\f\r\x1b \"'\\/\u0085\u2028\u00a0\u2029\t"
	i := strings.IndexByte(from, c)
	if i < 0 {
		return 0, false
	}
	return []rune(to)[i], true
}

// rebuildBlock reads a literal or folded scalar. The indentation of its lines is
// not told by the node, so every one that the first line allows is tried when
// the header states one.
func rebuildBlock(text string, at int, n *yaml.Node) []int {
	head := at
	for at < len(text) && text[at] != '\n' {
		at++
	}
	header, _, _ := strings.Cut(text[head:at], " ")
	first := at + 1
	for first < len(text) { // the first line that holds anything
		end := first
		for end < len(text) && (text[end] == ' ' || text[end] == '\r') {
			end++
		}
		if end >= len(text) || text[end] != '\n' {
			break
		}
		first = end + 1
	}
	most := 0
	for first+most < len(text) && text[first+most] == ' ' {
		most++
	}
	least := most
	if strings.ContainsAny(header, "123456789") {
		least = 1
	}
	for indent := most; indent >= max(least, 0); indent-- {
		b := &block{rebuild: rebuild{text: text, at: at + 1}, indent: indent, folded: n.Style&yaml.FoldedStyle != 0}
		b.lines()
		if m := b.truncated(n.Value); m != nil {
			return m
		}
	}
	return nil
}

// block reads the lines of a block scalar as the parser does.
type block struct {
	rebuild
	indent  int
	folded  bool
	breaks  []int // offsets of breaks not yet put; the first is the last line's own
	hasLine bool
}

func (b *block) lines() {
	wasBlank := false
	for {
		b.eatBreaks()
		if !b.indented() {
			break
		}
		b.at += b.indent
		isBlank := b.peek() == ' ' || b.peek() == '\t'
		b.putBreaks(b.folded && b.hasLine && !wasBlank && !isBlank)
		wasBlank, b.hasLine = isBlank, true
		for b.at < len(b.text) && b.text[b.at] != '\n' {
			c, n := utf8.DecodeRuneInString(b.text[b.at:])
			if c != '\r' || b.at+1 >= len(b.text) || b.text[b.at+1] != '\n' {
				b.put(c, b.at)
			}
			b.at += n
		}
		if b.at < len(b.text) {
			b.breaks = append(b.breaks, b.at)
			b.at++
		}
	}
	b.putBreaks(false)
}

// eatBreaks takes lines that hold no more than indentation.
func (b *block) eatBreaks() {
	for {
		i := b.at
		for i < len(b.text) && i-b.at < b.indent && b.text[i] == ' ' {
			i++
		}
		if i < len(b.text) && b.text[i] == '\r' {
			i++
		}
		if i >= len(b.text) || b.text[i] != '\n' {
			return
		}
		b.breaks = append(b.breaks, i)
		b.at = i + 1
	}
}

func (b *block) indented() bool {
	if b.at >= len(b.text) {
		return false
	}
	for i := range b.indent {
		if b.at+i >= len(b.text) || b.text[b.at+i] != ' ' {
			return false
		}
	}
	return true
}

func (b *block) putBreaks(fold bool) {
	breaks := b.breaks
	b.breaks = nil
	if fold && len(breaks) > 0 {
		if len(breaks) == 1 {
			b.put(' ', breaks[0])
			return
		}
		breaks = breaks[1:]
	}
	for _, at := range breaks {
		b.put('\n', at)
	}
}

// truncated drops the breaks at the end that the header's chomping drops.
func (b *block) truncated(want string) []int {
	got := b.value.String()
	rest, ok := strings.CutPrefix(got, want)
	if !ok || strings.Trim(rest, "\n") != "" {
		return nil
	}
	count := utf8.RuneCountInString(want)
	end := b.at
	if count > 0 {
		last := b.offsets[count-1]
		_, size := utf8.DecodeRuneInString(b.text[last:])
		end = last + size
	}
	return append(b.offsets[:count:count], end)
}
