package practice

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// fields are the properties a collection can be filtered by, each with the
// members of its enum, or nil for text, or timeField or bareField.
type fields map[string][]string

// timeField is a time, written without quotes.
func timeField() []string { return []string{"time"} }

// bareField is a number, GUID or boolean, written with or without quotes.
func bareField() []string { return []string{"bare"} }

// partField is text of which contains() may ask, too.
func partField() []string { return []string{"part"} }

// test is a parsed $filter; get answers a property's value.
type test func(get func(string) any) bool

// filter parses $filter of the request over what may be filtered.
func (c *call) filter(allowed fields) (test, error) {
	text := c.query.Get("$filter")
	if text == "" {
		return func(func(string) any) bool { return true }, nil
	}
	if len(text) > 4096 {
		return nil, badRequest("Invalid filter clause: longer than 4096 characters.")
	}
	words, err := filterWords(text)
	if err != nil {
		return nil, err
	}
	p := &filterParser{words: words, fields: allowed}
	out, err := p.or(0)
	if err == nil && len(p.words) > 0 {
		err = fmt.Errorf("syntax error at '%s'", p.words[0].text)
	}
	if err != nil {
		code := "BadRequest"
		if c.api == defender {
			code = "ODataError"
		}
		return nil, fail(400, code, "Invalid filter clause: %v.", err)
	}
	return out, nil
}

type filterWord struct {
	text   string
	quoted bool
}

func filterWords(s string) ([]filterWord, error) {
	var out []filterWord
	for i := 0; i < len(s); {
		switch ch := s[i]; {
		case ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r':
			i++
		case ch == '(' || ch == ')' || ch == ',':
			out = append(out, filterWord{text: string(ch)})
			i++
		case ch == '\'':
			text, next, closed := quotedText(s, i+1)
			if !closed {
				return nil, badRequest("Invalid filter clause: There is an unterminated literal at position %d in '%s'.", i, s)
			}
			out = append(out, filterWord{text, true})
			i = next
		default:
			end := i
			for end < len(s) && !strings.ContainsRune(" \t\r\n(),'", rune(s[end])) {
				end++
			}
			out = append(out, filterWord{text: s[i:end]})
			i = end
		}
	}
	return out, nil
}

// quotedText reads a literal whose quotes are doubled inside.
func quotedText(s string, at int) (text string, next int, closed bool) {
	var b strings.Builder
	for ; at < len(s); at++ {
		if s[at] != '\'' {
			b.WriteByte(s[at])
			continue
		}
		if at+1 < len(s) && s[at+1] == '\'' {
			b.WriteByte('\'')
			at++
			continue
		}
		return b.String(), at + 1, true
	}
	return "", at, false
}

type filterParser struct {
	words  []filterWord
	fields fields
}

func (p *filterParser) peek(word string) bool {
	return len(p.words) > 0 && !p.words[0].quoted && p.words[0].text == word
}

func (p *filterParser) next() (filterWord, error) {
	if len(p.words) == 0 {
		return filterWord{}, fmt.Errorf("the expression ends too early")
	}
	w := p.words[0]
	p.words = p.words[1:]
	return w, nil
}

func (p *filterParser) expect(word string) error {
	w, err := p.next()
	if err == nil && (w.quoted || w.text != word) {
		err = fmt.Errorf("'%s' expected at '%s'", word, w.text)
	}
	return err
}

func (p *filterParser) or(depth int) (test, error) {
	if depth > 32 {
		return nil, fmt.Errorf("the expression is nested too deeply")
	}
	left, err := p.and(depth)
	for err == nil && p.peek("or") {
		p.words = p.words[1:]
		a := left
		var b test
		if b, err = p.and(depth); err == nil {
			left = func(get func(string) any) bool { return a(get) || b(get) }
		}
	}
	return left, err
}

func (p *filterParser) and(depth int) (test, error) {
	left, err := p.term(depth)
	for err == nil && p.peek("and") {
		p.words = p.words[1:]
		a := left
		var b test
		if b, err = p.term(depth); err == nil {
			left = func(get func(string) any) bool { return a(get) && b(get) }
		}
	}
	return left, err
}

func (p *filterParser) term(depth int) (test, error) {
	switch {
	case p.peek("not"):
		p.words = p.words[1:]
		if depth > 32 {
			return nil, fmt.Errorf("the expression is nested too deeply")
		}
		in, err := p.term(depth + 1)
		return func(get func(string) any) bool { return !in(get) }, err
	case p.peek("("):
		p.words = p.words[1:]
		in, err := p.or(depth + 1)
		if err != nil {
			return nil, err
		}
		return in, p.expect(")")
	}
	return p.comparison()
}

func (p *filterParser) comparison() (test, error) {
	name, err := p.next()
	if err != nil {
		return nil, err
	}
	if !name.quoted && strings.EqualFold(name.text, "contains") && p.peek("(") {
		return p.contains()
	}
	members, known := p.fields[name.text]
	if name.quoted || !known {
		return nil, fmt.Errorf("property '%s' can't be filtered by", name.text)
	}
	op, err := p.next()
	if err != nil {
		return nil, err
	}
	if op.text == "in" && !op.quoted {
		return p.in(name.text, members)
	}
	if !slices.Contains([]string{"eq", "ne", "gt", "ge", "lt", "le"}, op.text) || op.quoted {
		return nil, fmt.Errorf("operator '%s' is not supported", op.text)
	}
	w, err := p.next()
	if err != nil {
		return nil, err
	}
	return comparison(name.text, op.text, members, w)
}

// contains is contains(property,'text').
func (p *filterParser) contains() (test, error) {
	var words [5]filterWord
	for i := range words {
		var err error
		if words[i], err = p.next(); err != nil {
			return nil, err
		}
	}
	name, part := words[1], words[3]
	switch {
	case name.quoted || !slices.Equal(p.fields[name.text], partField()):
		return nil, fmt.Errorf("property '%s' can't be searched with contains", name.text)
	case words[2].text != "," || !part.quoted || words[4].text != ")":
		return nil, fmt.Errorf("contains(property,'text') expected")
	}
	return func(get func(string) any) bool {
		text, _ := get(name.text).(string)
		return strings.Contains(strings.ToLower(text), strings.ToLower(part.text))
	}, nil
}

func (p *filterParser) in(name string, members []string) (test, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	var values []test
	for {
		w, err := p.next()
		if err != nil {
			return nil, err
		}
		one, err := comparison(name, "eq", members, w)
		if err != nil {
			return nil, err
		}
		values = append(values, one)
		if !p.peek(",") {
			break
		}
		p.words = p.words[1:]
	}
	return func(get func(string) any) bool {
		return slices.ContainsFunc(values, func(t test) bool { return t(get) })
	}, p.expect(")")
}

func comparison(name, op string, members []string, w filterWord) (test, error) {
	isTime := slices.Equal(members, timeField())
	isBare := slices.Equal(members, bareField())
	if slices.Equal(members, partField()) {
		members = nil
	}
	if w.text == "null" && !w.quoted {
		if op != "eq" && op != "ne" {
			return nil, fmt.Errorf("operator '%s' can't be used with null", op)
		}
		return func(get func(string) any) bool { return (get(name) == nil) == (op == "eq") }, nil
	}
	if isTime {
		at, err := time.Parse(time.RFC3339, w.text)
		if err != nil || w.quoted {
			return nil, fmt.Errorf("'%s' is no time; expected one like 2026-01-02T03:04:05Z without quotes", w.text)
		}
		return func(get func(string) any) bool {
			text, _ := get(name).(string)
			v, err := time.Parse(time.RFC3339, text)
			return err == nil && holds(op, v.Compare(at))
		}, nil
	}
	if !w.quoted && !isBare {
		return nil, fmt.Errorf("'%s' must be quoted", w.text)
	}
	if members != nil && !isBare && !slices.ContainsFunc(members, func(m string) bool { return strings.EqualFold(m, w.text) }) {
		return nil, fmt.Errorf("the string '%s' is not a valid enumeration type constant", w.text)
	}
	return func(get func(string) any) bool {
		switch v := get(name).(type) {
		case []string: // a tag list holds the value
			return slices.Contains(v, w.text) == (op == "eq")
		case nil:
			return op == "ne"
		default:
			return holds(op, strings.Compare(strings.ToLower(fmt.Sprint(v)), strings.ToLower(w.text)))
		}
	}, nil
}

func holds(op string, cmp int) bool {
	switch op {
	case "eq":
		return cmp == 0
	case "ne":
		return cmp != 0
	case "gt":
		return cmp > 0
	case "ge":
		return cmp >= 0
	case "lt":
		return cmp < 0
	}
	return cmp <= 0
}
