package playbooks

import (
	"sort"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// fileText is the text of a file with its lines, for places.
type fileText struct {
	file   string
	text   string // without byte order mark
	starts []int  // byte offset of each line
	runes  []int  // index of the first rune of each line
	marks  []int  // byte offset of every stride-th rune

	last   *yaml.Node // the scalar looked at last, with its places
	places []int
}

// stride is how many runes lie between two marks.
const stride = 64

// span is a place in a file: byte offsets, the end behind it.
type span struct{ from, to int }

func newFileText(file string, text []byte) *fileText {
	s := &fileText{file: file, text: strings.TrimPrefix(string(text), "\ufeff"), starts: []int{0}, runes: []int{0}}
	n := 0
	for i, c := range s.text {
		if n%stride == 0 {
			s.marks = append(s.marks, i)
		}
		n++
		if c == '\n' {
			s.starts = append(s.starts, i+1)
			s.runes = append(s.runes, n)
		}
	}
	s.marks = append(s.marks, len(s.text))
	return s
}

// position answers the line and the column, in runes, both from 1.
func (s *fileText) position(offset int) (line, column int) {
	offset = max(0, min(offset, len(s.text)))
	line = sort.SearchInts(s.starts, offset+1)
	mark := max(0, sort.SearchInts(s.marks, offset+1)-1)
	if s.marks[mark] == len(s.text) && mark > 0 {
		mark--
	}
	n := mark*stride + utf8.RuneCountInString(s.text[s.marks[mark]:offset])
	return line, n - s.runes[line-1] + 1
}

// line answers the text of a line without its end.
func (s *fileText) line(n int) string {
	if n < 1 || n > len(s.starts) {
		return ""
	}
	return strings.TrimRight(s.text[s.starts[n-1]:s.lineEnd(s.starts[n-1])], "\r")
}

// lineEnd answers the offset of the line's end at or behind an offset.
func (s *fileText) lineEnd(offset int) int {
	if i := strings.IndexByte(s.text[offset:], '\n'); i >= 0 {
		return offset + i
	}
	return len(s.text)
}

// lineSpan is a whole line from its first character that is not blank.
func (s *fileText) lineSpan(n int) span {
	n = max(1, min(n, len(s.starts)))
	from := s.starts[n-1]
	to := s.lineEnd(from)
	for from < to && (s.text[from] == ' ' || s.text[from] == '\t') {
		from++
	}
	return span{from, to}
}

// offset answers the byte offset of a line and a column of the parser.
func (s *fileText) offset(line, column int) int {
	if line < 1 {
		return 0
	}
	if line > len(s.starts) {
		return len(s.text)
	}
	n := s.runes[line-1] + max(column, 1) - 1
	if n/stride >= len(s.marks) {
		return len(s.text)
	}
	at := s.marks[n/stride]
	for range n % stride {
		_, size := utf8.DecodeRuneInString(s.text[at:])
		at += size
	}
	return at
}

// start answers where a node begins.
func (s *fileText) start(n *yaml.Node) int { return s.offset(n.Line, n.Column) }

// node answers the place of a node: a scalar whole, anything else its first
// line.
func (s *fileText) node(n *yaml.Node) span {
	from := s.start(n)
	if n.Kind == yaml.ScalarNode {
		least := min(from+1, s.lineEnd(min(from, len(s.text))))
		if m := s.scalar(n); m != nil {
			return span{from, max(m[len(m)-1], least)}
		}
		return span{from, max(s.trimmedLineEnd(from), least)}
	}
	for len(n.Content) > 0 && n.Style&yaml.FlowStyle == 0 { // a block begins with its first key
		first := s.node(n.Content[0])
		return span{from, max(first.to, from+1)}
	}
	return span{from, from + 1}
}

func (s *fileText) trimmedLineEnd(from int) int {
	if from >= len(s.text) {
		return from
	}
	return from + len(strings.TrimRight(s.text[from:s.lineEnd(from)], " \t\r"))
}

// inScalar answers the place of some runes of a scalar's value; its whole place
// where they cannot be told.
func (s *fileText) inScalar(n *yaml.Node, from, to int) span {
	m := s.scalar(n)
	if m == nil || from < 0 || from > to || to >= len(m) {
		return s.node(n)
	}
	at := span{m[from], m[to]}
	if to > from { // behind the last rune, not before the next, which a fold may have moved
		last := m[to-1]
		_, size := utf8.DecodeRuneInString(s.text[last:])
		at.to = max(last+size, at.from+1)
	}
	return at
}
