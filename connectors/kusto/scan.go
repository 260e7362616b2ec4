package kusto

import (
	"fmt"
	"strings"
)

// Fault is a place in a query, in bytes, and what is wrong there.
type Fault struct {
	From, To int
	Message  string
	Hint     string
}

// Scan finds what is wrong with a query by its form alone: a text or bracket that
// is not closed, one that closes nothing, a bar with nothing behind it. It knows no
// tables and no operators, so that it refuses nothing that the service takes; the
// rest only the service can tell. It answers nil where it finds nothing.
//
// Source: learn.microsoft.com/kusto/query/scalar-data-types/string (texts, verbatim
// texts, those over several lines), learn.microsoft.com/kusto/query/comment.
func Scan(query string) *Fault {
	s := scanner{query: query, bar: -1}
	for s.at < len(query) {
		if f := s.next(); f != nil {
			return f
		}
	}
	if n := len(s.open); n > 0 {
		at := s.open[n-1]
		return &Fault{at, at + 1, fmt.Sprintf("%c is never closed", query[at]), fmt.Sprintf("close it with %c", closer(query[at]))}
	}
	if s.bar >= 0 {
		return &Fault{s.bar, s.bar + 1, "there is nothing behind the last |", "write an operator behind it, or delete it"}
	}
	return nil
}

// scanner walks through a query.
type scanner struct {
	query string
	at    int
	open  []int // brackets
	bar   int   // where a bar stands that has nothing behind it so far; -1: none
}

// next reads a text, a comment or one byte.
func (s *scanner) next() *Fault {
	rest := s.query[s.at:]
	c := rest[0]
	switch {
	case strings.HasPrefix(rest, "//"):
		s.at += lineEnd(rest)
		return nil
	case c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ';':
		s.at++
		return nil
	case c == '|':
		if s.bar >= 0 {
			return &Fault{s.at, s.at + 1, "there is nothing between this | and the one before", "write an operator there, or delete one"}
		}
		s.bar = s.at
		s.at++
		return nil
	}
	s.bar = -1
	switch {
	case strings.HasPrefix(rest, "```") || strings.HasPrefix(rest, "~~~"):
		return s.to(rest[:3])
	case c == '@' && len(rest) > 1 && (rest[1] == '"' || rest[1] == '\''):
		return s.verbatim(rest[1])
	case c == '"' || c == '\'':
		return s.text(c)
	case strings.IndexByte("([{", c) >= 0:
		s.open = append(s.open, s.at)
	case strings.IndexByte(")]}", c) >= 0:
		n := len(s.open)
		if n == 0 {
			return &Fault{s.at, s.at + 1, fmt.Sprintf("%c closes nothing", c), "delete it, or open it before"}
		}
		if want := closer(s.query[s.open[n-1]]); want != c {
			return &Fault{s.at, s.at + 1, fmt.Sprintf("%c stands where %c is to close the %c before", c, want, s.query[s.open[n-1]]), ""}
		}
		s.open = s.open[:n-1]
	}
	s.at++
	return nil
}

// text reads a text of one line, in which \ takes the next for what it is.
func (s *scanner) text(quote byte) *Fault {
	for i := s.at + 1; i < len(s.query) && s.query[i] != '\n'; i++ {
		switch s.query[i] {
		case '\\':
			i++
		case quote:
			s.at = i + 1
			return nil
		}
	}
	end := s.at + lineEnd(s.query[s.at:])
	return &Fault{s.at, end, fmt.Sprintf("the text that %c begins does not end on this line", quote), fmt.Sprintf("close it with %c; in it %c is written \\%c, and \\ as \\\\", quote, quote, quote)}
}

// verbatim reads a text in which only a doubled quote is not itself.
func (s *scanner) verbatim(quote byte) *Fault {
	for i := s.at + 2; i < len(s.query) && s.query[i] != '\n'; i++ {
		if s.query[i] != quote {
			continue
		}
		if i+1 < len(s.query) && s.query[i+1] == quote {
			i++
			continue
		}
		s.at = i + 1
		return nil
	}
	end := s.at + lineEnd(s.query[s.at:])
	return &Fault{s.at, end, fmt.Sprintf("the text that @%c begins does not end on this line", quote), fmt.Sprintf("close it with %c; in it %c is written twice", quote, quote)}
}

// to reads a text of several lines.
func (s *scanner) to(mark string) *Fault {
	i := strings.Index(s.query[s.at+len(mark):], mark)
	if i < 0 {
		return &Fault{s.at, s.at + len(mark), "the text that " + mark + " begins is never closed", "close it with " + mark}
	}
	s.at += i + 2*len(mark)
	return nil
}

func lineEnd(s string) int {
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		return i
	}
	return len(s)
}

func closer(opener byte) byte { return map[byte]byte{'(': ')', '[': ']', '{': '}'}[opener] }
