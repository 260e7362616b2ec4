package playbooks

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
)

// Limits of the text of an expression. They are looked at before the parser,
// which descends by recursion: a million brackets would end the process.
const (
	maxSource  = 4 << 10 // bytes
	maxNesting = 64
	maxNodes   = 1000
)

// parse reads an expression within the limits.
func parse(src string) (*source, []Problem) {
	if p := scan(src); p != nil {
		return nil, []Problem{*p}
	}
	s := &source{text: src, runes: []rune(src)}
	tree, err := safeParse(s.aliased())
	if err != nil {
		return nil, []Problem{s.syntaxProblem(err)}
	}
	s.root = tree.Node
	if problems := s.shape(); len(problems) > 0 {
		return nil, problems
	}
	return s, nil
}

func safeParse(src string) (tree *parser.Tree, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	return parser.Parse(src)
}

// source is an expression that was read.
type source struct {
	text  string
	runes []rune
	root  ast.Node
}

// scan goes through the text once, before the parser.
func scan(src string) *Problem {
	if len(src) > maxSource {
		return &Problem{
			0, 1, "E302", fmt.Sprintf("the expression has %d bytes; at most %d are read", len(src), maxSource),
			"split it with `set` steps",
		}
	}
	if !utf8.ValidString(src) {
		return &Problem{0, 1, "E301", "the expression is not valid UTF-8", ""}
	}
	if strings.TrimSpace(src) == "" {
		return &Problem{0, 1, "E301", "the expression is empty", ""}
	}
	depth, unary, last := 0, 0, 0
	for at, part := range lexemes([]rune(src)) {
		r := part[0]
		switch {
		case hidden(r):
			return &Problem{at, at + 1, "E301", fmt.Sprintf("the character %U cannot be seen", r), "remove it"}
		case len(part) == 1 && strings.ContainsRune("([{", r):
			depth++
		case len(part) == 1 && strings.ContainsRune(")]}", r):
			depth--
		}
		if isUnary(part) {
			unary++
		} else if !unicode.IsSpace(r) {
			unary = 0
		}
		last = max(depth, unary)
		if last > maxNesting {
			return &Problem{
				at, at + 1, "E302", fmt.Sprintf("the expression is nested deeper than %d", maxNesting),
				"split it with `set` steps",
			}
		}
	}
	return nil
}

func isUnary(part []rune) bool {
	return len(part) == 1 && strings.ContainsRune("!-+", part[0]) || string(part) == "not"
}

// hidden reports whether a character is made to deceive the reader.
func hidden(r rune) bool {
	switch {
	case r == '\t' || r == '\n' || r == '\r':
		return false
	case unicode.IsControl(r), r >= 0x200B && r <= 0x200F, r >= 0x202A && r <= 0x202E,
		r >= 0x2060 && r <= 0x2069, r == 0xFEFF:
		return true
	}
	return false
}

// lexemes yields the words and single characters of an expression with their
// positions. Of a text it yields what must be looked at, characters that cannot
// be seen, and comments not at all.
func lexemes(runes []rune) func(yield func(int, []rune) bool) {
	return func(yield func(int, []rune) bool) {
		for i := 0; i < len(runes); {
			end := lexemeEnd(runes, i)
			part := runes[i:end]
			switch {
			case isQuote(part[0]) || len(part) > 1 && part[0] == '/':
				for j, r := range part {
					if hidden(r) && !yield(i+j, part[j:j+1]) {
						return
					}
				}
				if isQuote(part[0]) && !yield(i, []rune{'"', '"'}) {
					return
				}
			case !yield(i, part):
				return
			}
			i = end
		}
	}
}

func isQuote(r rune) bool { return r == '\'' || r == '"' || r == '`' }

func isWord(r rune) bool {
	return r == '_' || r == '$' || unicode.IsLetter(r) || unicode.IsDigit(r)
}

func lexemeEnd(runes []rune, i int) int {
	j := i + 1
	switch {
	case isQuote(runes[i]):
		for j < len(runes) && runes[j] != runes[i] {
			if runes[j] == '\\' && runes[i] != '`' {
				j++
			}
			j++
		}
		return min(j+1, len(runes))
	case isWord(runes[i]):
		for j < len(runes) && isWord(runes[j]) {
			j++
		}
	case runes[i] == '/' && j < len(runes) && runes[j] == '/':
		for j < len(runes) && runes[j] != '\n' {
			j++
		}
	case runes[i] == '/' && j < len(runes) && runes[j] == '*':
		for j++; j < len(runes) && (runes[j-1] != '*' || runes[j] != '/' || j == i+2); j++ {
		}
		return min(j+1, len(runes))
	}
	return j
}

// aliased is the text for the parser. It allows `.field` only in functions of
// its own, so unique_by goes as groupBy, padded so that positions stay; see
// functionName.
func (s *source) aliased() string {
	var b strings.Builder
	done := 0
	for at, part := range lexemes(s.runes) {
		if string(part) == "unique_by" && s.next(at+len(part)) == '(' && s.previous(at) != '.' {
			b.WriteString(string(s.runes[done:at]))
			b.WriteString("groupBy  ")
			done = at + len(part)
		}
	}
	b.WriteString(string(s.runes[done:]))
	return b.String()
}

// functionName is the name that a call has in the text.
func (s *source) functionName(name string, loc file.Location) string {
	const alias = "unique_by"
	if name == "groupBy" && strings.HasPrefix(string(s.runes[loc.From:]), alias) {
		return alias
	}
	return name
}

// next is the first visible character from a position on, or 0.
func (s *source) next(at int) rune {
	for ; at < len(s.runes); at++ {
		if !unicode.IsSpace(s.runes[at]) {
			return s.runes[at]
		}
	}
	return 0
}

// previous is the last visible character before a position, or 0.
func (s *source) previous(at int) rune {
	for at--; at >= 0; at-- {
		if !unicode.IsSpace(s.runes[at]) {
			return s.runes[at]
		}
	}
	return 0
}

// syntaxProblem says in our words what the parser said.
func (s *source) syntaxProblem(err error) Problem {
	p := Problem{0, min(1, len(s.runes)), "E301", err.Error(), ""}
	fe, ok := errors.AsType[*file.Error](err)
	if !ok {
		return p
	}
	p.From, p.To, p.Message = fe.From, max(fe.To, fe.From+1), fe.Message
	_, token, unexpected := strings.Cut(fe.Message, "unexpected token ")
	if !unexpected {
		return p
	}
	if _, inside, ok := strings.Cut(token, `("`); ok {
		token = strings.TrimSuffix(strings.TrimSuffix(inside, ")"), `"`)
	}
	p.Message = fmt.Sprintf("unexpected `%s`", token)
	before := string(s.runes[:min(p.From, len(s.runes))])
	switch {
	case token == "EOF":
		p.Message = "the expression ends too early"
	case token == ":" && strings.Contains(before, "{"):
		p.Hint = "a record as the answer of a question needs two braces: map(xs, {{name: .a}})"
	case token == "=":
		p.Hint = "compare with =="
	case token == "." || token == "#":
		p.Hint = "`.field` and `#` stand only inside any(), all(), filter(), map() and the like"
	case token == "&" || token == "|" || token == "AND" || token == "OR":
		p.Hint = "write `and`, `or`"
	case token == "NOT":
		p.Hint = "write `not`"
	case token == "is" || token == "IS":
		p.Hint = "compare with == and !=; what is absent is nil"
	}
	return p
}
