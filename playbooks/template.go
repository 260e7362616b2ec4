package playbooks

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Template is data that may hold ${{ }}: a text, list or mapping of a playbook.
// It may be evaluated from many goroutines.
type Template struct {
	typ     Type
	literal any         // a value without ${{ }}
	expr    *Expression // one ${{ }} alone
	texts   []textPart  // text with ${{ }} in it
	list    []*Template
	isList  bool
	names   []string // of a mapping, in the order of the file
	fields  []*Template
	isMap   bool
}

// textPart is a piece of text: as it is, or the value of an expression.
type textPart struct {
	text string
	expr *Expression
}

// The bounds of what a template makes, in bytes: of one text, and of all in it.
const (
	maxTemplate = 1 << 20
	maxData     = 8 << 20
)

// Type is the type of what Eval answers.
func (t *Template) Type() Type { return t.typ }

// Eval answers the value: one ${{ }} alone keeps its type, text otherwise, maps
// and lists hold what their entries give. Fields whose value is absent are left
// out. What an expression answers is never read again as a template. Errors are
// *EvalError.
func (t *Template) Eval(env Env) (any, error) {
	left := maxData
	return t.eval(env, &left)
}

// eval is Eval, as long as what is made fits into what is left.
func (t *Template) eval(env Env, left *int) (any, error) {
	v, err := t.value(env, left)
	if err != nil || t.isList || t.isMap {
		return v, err
	}
	if *left -= sizeOf(v, *left); *left < 0 {
		return nil, &EvalError{Code: codeLimit, Message: fmt.Sprintf("the data would be larger than %d bytes", maxData)}
	}
	return v, nil
}

// sizeOf is about how much memory a plain value takes; more than most is as bad
// as any more.
func sizeOf(v any, most int) int {
	size := 16
	switch x := v.(type) {
	case string:
		size += len(x)
	case []any:
		for _, item := range x {
			if size += sizeOf(item, most-size); size > most {
				return size
			}
		}
	case map[string]any:
		for name, item := range x {
			if size += len(name) + sizeOf(item, most-size); size > most {
				return size
			}
		}
	}
	return size
}

func (t *Template) value(env Env, left *int) (any, error) {
	switch {
	case t.expr != nil:
		return t.expr.Eval(env)
	case t.texts != nil:
		return t.text(env)
	case t.isList:
		list := make([]any, 0, len(t.list))
		for _, item := range t.list {
			v, err := item.eval(env, left)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case t.isMap:
		m := make(map[string]any, len(t.fields))
		for i, f := range t.fields {
			v, err := f.eval(env, left)
			if err != nil {
				return nil, err
			}
			if v != nil {
				m[t.names[i]] = v
			}
		}
		return m, nil
	}
	return t.literal, nil
}

func (t *Template) text(env Env) (any, error) {
	var b strings.Builder
	for _, p := range t.texts {
		if p.expr == nil {
			b.WriteString(p.text)
			continue
		}
		v, err := p.expr.Eval(env)
		if err != nil {
			return nil, err
		}
		s, ok := printed(v)
		if !ok {
			return nil, &EvalError{Code: "invalid", Message: fmt.Sprintf("${{ %s }} is %s and cannot stand in text", p.expr.Source(), describe(v))}
		}
		if b.Len()+len(s) > maxTemplate {
			return nil, &EvalError{Code: "limit", Message: fmt.Sprintf("the text would be longer than %d bytes", maxTemplate)}
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

// printed is how a value stands in text: only text, numbers, booleans, times
// and durations do.
func printed(v any) (string, bool) {
	switch x := v.(type) {
	case string:
		return x, true
	case bool:
		return strconv.FormatBool(x), true
	case int:
		return strconv.Itoa(x), true
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64), true
	case time.Time:
		return x.UTC().Format(time.RFC3339), true
	case time.Duration:
		return shortDuration(x), true
	}
	return "", false
}

// expressions are all that the template evaluates.
func (t *Template) expressions() []*Expression {
	if t == nil {
		return nil
	}
	var all []*Expression
	if t.expr != nil {
		all = append(all, t.expr)
	}
	for _, p := range t.texts {
		if p.expr != nil {
			all = append(all, p.expr)
		}
	}
	for _, part := range [][]*Template{t.list, t.fields} {
		for _, item := range part {
			all = append(all, item.expressions()...)
		}
	}
	return all
}

// field is the template of a key of a mapping.
func (t *Template) field(name string) *Template {
	if t == nil {
		return nil
	}
	for i, n := range t.names {
		if n == name {
			return t.fields[i]
		}
	}
	return nil
}

// textPiece is what the scanner found: text, or the inside of a ${{ }}. From and
// to are rune offsets in the text, of the inside for an expression.
type textPiece struct {
	text     string
	isExpr   bool
	from, to int
}

// errUnclosed says that a ${{ has no }}.
var errUnclosed = errors.New("${{ is not closed")

// splitTemplate takes a text apart at ${{ }}. `$${{` stands for a literal `${{`.
// With errUnclosed the last piece is the one that is not closed.
func splitTemplate(text string) ([]textPiece, error) {
	var pieces []textPiece
	var plain strings.Builder
	flush := func() {
		if plain.Len() > 0 {
			pieces = append(pieces, textPiece{text: plain.String()})
			plain.Reset()
		}
	}
	runes := 0
	for i := 0; i < len(text); {
		switch rest := text[i:]; {
		case strings.HasPrefix(rest, "$${{"):
			plain.WriteString("${{")
			i, runes = i+4, runes+4
		case strings.HasPrefix(rest, "${{"):
			flush()
			inside := rest[3:]
			end, closed := closeBraces(inside)
			n := utf8.RuneCountInString(inside[:end])
			pieces = append(pieces, textPiece{text: inside[:end], isExpr: true, from: runes + 3, to: runes + 3 + n})
			if !closed {
				return pieces, errUnclosed
			}
			i, runes = i+3+end+2, runes+3+n+2
		default:
			_, size := utf8.DecodeRuneInString(rest)
			plain.WriteString(rest[:size])
			i, runes = i+size, runes+1
		}
	}
	flush()
	return pieces, nil
}

// closeBraces answers where the }} of an expression stands: outside texts and
// comments, and no part of a brace opened inside.
func closeBraces(s string) (end int, closed bool) {
	var open []byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '\'', '"', '`':
			n := textEnd(s[i:])
			if n < 0 {
				return len(s), false
			}
			i += n - 1
		case '/':
			i += max(commentEnd(s[i:]), 1) - 1
		case '(', '[', '{':
			open = append(open, c)
		case ')', ']':
			if n := len(open); n > 0 && open[n-1] != '{' {
				open = open[:n-1]
			}
		case '}':
			if n := len(open); n > 0 && open[n-1] == '{' {
				open = open[:n-1]
			} else if strings.HasPrefix(s[i:], "}}") {
				return i, true
			}
		}
	}
	return len(s), false
}

// textEnd answers how long the text is that begins with a quote, or -1.
func textEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && s[0] != '`':
			i++
		case s[i] == s[0]:
			return i + 1
		}
	}
	return -1
}

// commentEnd answers how long the comment is that begins here, 0 if none does.
func commentEnd(s string) int {
	var end, skip int
	switch {
	case strings.HasPrefix(s, "//"):
		end, skip = strings.IndexByte(s, '\n'), 1
	case strings.HasPrefix(s, "/*"):
		if end = strings.Index(s[2:], "*/"); end >= 0 {
			end += 2
		}
		skip = 2
	default:
		return 0
	}
	if end < 0 {
		return len(s)
	}
	return end + skip
}
