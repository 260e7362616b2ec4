package kql

import (
	"slices"
	"strings"
)

// Bounds of what is parsed.
const (
	maxDepth  = 100
	maxTokens = 50_000
)

type parser struct {
	lexer
	tok   token
	ready bool
	count int
	depth int
	err   error
}

// peek is the token that stands next; after an error it is the end.
func (p *parser) peek() token {
	if !p.ready {
		p.ready = true
		t, err := p.next()
		if err != nil && p.err == nil {
			p.err = err
		}
		if p.count++; p.count > maxTokens && p.err == nil {
			p.err = &Error{Kind: Limit, Message: "The query is too complex: it has too many tokens."}
		}
		p.tok = t
	}
	if p.err != nil {
		return token{place: p.tok.place}
	}
	return p.tok
}

func (p *parser) take() token {
	t := p.peek()
	p.ready = p.err != nil
	return t
}

// mark is a place to come back to.
func (p *parser) mark() parser { p.peek(); return *p }

func (p *parser) back(to parser) {
	count := p.count
	*p = to
	p.count = count
}

func (p *parser) is(raw string) bool {
	t := p.peek()
	return (t.kind == mark || t.kind == ident) && t.raw == raw
}

func (p *parser) accept(raw string) bool {
	if p.is(raw) {
		p.take()
		return true
	}
	return false
}

// wrong keeps the first error: what stands next is not what should.
func (p *parser) wrong(format string, args ...any) {
	t := p.peek()
	if p.err == nil {
		p.err = p.fail(t.place, format, args...)
	}
}

func (p *parser) expect(raw string) {
	if !p.accept(raw) {
		p.wrong("expected %s", raw)
	}
}

// identifier reads a name.
func (p *parser) identifier() string {
	switch t := p.peek(); t.kind {
	case ident:
		if t.raw == "in~" || strings.HasPrefix(t.raw, "$") {
			break
		}
		return p.take().raw
	case quotedIdent:
		return p.take().value
	}
	p.wrong("expected a name")
	return ""
}

// word reads an operator's name, in which hyphens join.
func (p *parser) word() string {
	t := p.peek()
	if t.kind != ident {
		p.wrong("expected an operator")
		return ""
	}
	w := p.take().raw
	for _, joined := range []string{"project-away", "project-rename", "project-keep", "project-reorder", "mv-expand"} {
		head, tail, _ := strings.Cut(joined, "-")
		if w == head && strings.HasPrefix(p.text[p.at:], "-"+tail) && !p.ready {
			p.advance(1 + len(tail))
			return joined
		}
	}
	return w
}

func (p *parser) deeper() bool {
	p.depth++
	if p.depth > maxDepth && p.err == nil {
		p.err = &Error{Kind: Limit, Message: "The query is too complex: it is nested too deep."}
	}
	return p.err == nil
}

// query reads all statements.
func (p *parser) query() ([]statement, error) {
	var all []statement
	for p.err == nil && p.peek().kind != end {
		if p.accept(";") {
			continue
		}
		all = append(all, p.statement())
		if p.peek().kind != end && !p.is(";") {
			p.wrong("")
		}
	}
	p.peek()
	if p.err == nil && len(all) == 0 {
		p.wrong("there is no query")
	}
	return all, p.err
}

func (p *parser) statement() statement {
	if !p.is("let") {
		return statement{pipe: p.pipeline()}
	}
	p.take()
	s := statement{name: p.identifier()}
	p.expect("=")
	if p.is("(") {
		before := p.mark()
		p.take()
		if p.accept(")") && p.accept("{") {
			s = p.body(s)
			p.expect("}")
			return s
		}
		p.back(before)
	}
	return p.body(s)
}

// body reads what a let gives its name to.
func (p *parser) body(s statement) statement {
	before := p.mark()
	if p.tabular() {
		p.back(before)
		s.pipe = p.pipeline()
		return s
	}
	p.back(before)
	s.scalar = p.expression()
	if n, is := s.scalar.(*name); is {
		s.pipe = &pipeline{source: source{place: n.place, table: n.text}}
	}
	return s
}

// tabular looks ahead whether a pipeline follows rather than an expression. It
// leaves the parser somewhere behind.
func (p *parser) tabular() bool {
	first := p.peek()
	if first.kind == ident && slices.Contains([]string{"union", "print", "range", "datatable", "materialize"}, first.raw) {
		return true
	}
	depth, grouped := 0, p.is("(")
	for p.err == nil {
		t := p.peek()
		switch {
		case t.kind == end, t.kind == mark && t.raw == ";" && depth <= 0:
			return false
		case t.kind != mark:
		case t.raw == "|":
			if depth <= 0 || grouped {
				return true
			}
		case strings.Contains("([{", t.raw):
			depth++
		case strings.Contains(")]}", t.raw):
			if depth--; depth < 0 {
				return false
			}
		}
		p.take()
	}
	return false
}

func (p *parser) pipeline() *pipeline {
	defer func() { p.depth-- }()
	if !p.deeper() {
		return &pipeline{}
	}
	out := &pipeline{source: p.source()}
	for p.accept("|") {
		out.ops = append(out.ops, p.operator())
	}
	return out
}

func (p *parser) source() source {
	t := p.peek()
	s := source{place: t.place}
	switch {
	case p.accept("("):
		s.group = p.pipeline()
		p.expect(")")
	case t.kind == ident && t.raw == "union":
		p.take()
		s.union = p.union(t)
	case t.kind == ident && t.raw == "print":
		p.take()
		s.print = p.namedList()
	case t.kind == ident && t.raw == "range":
		p.take()
		s.sequence = p.sequence()
	case t.kind == ident && t.raw == "datatable":
		p.take()
		s.inline = p.inline()
	case t.kind == ident && t.raw == "materialize":
		p.take()
		p.expect("(")
		s.group = p.pipeline()
		p.expect(")")
	default:
		if t.kind == ident && reserved(t.raw) {
			p.wrong("")
		}
		s.table = p.identifier()
		if p.accept("(") {
			p.expect(")")
			s.function, s.table = s.table, ""
		}
	}
	return s
}

// reserved are words that begin no expression.
func reserved(w string) bool {
	return slices.Contains([]string{"and", "or", "by", "on", "where", "project", "extend", "summarize", "join", "let", "asc", "desc"}, w)
}

func (p *parser) sequence() *sequence {
	s := &sequence{name: p.identifier()}
	p.expect("from")
	s.from = p.expression()
	p.expect("to")
	s.to = p.expression()
	p.expect("step")
	s.step = p.expression()
	return s
}

func (p *parser) inline() *inline {
	t := &inline{}
	p.expect("(")
	for p.err == nil && !p.is(")") {
		c := Column{Name: p.identifier()}
		p.expect(":")
		c.Type = p.typeName()
		t.columns = append(t.columns, c)
		if !p.accept(",") {
			break
		}
	}
	p.expect(")")
	if c := p.peek(); c.kind == quotedIdent { // ["a"], which elsewhere is a name
		p.take()
		t.cells = append(t.cells, &literal{c.place, constant{String, c.value}})
		return t
	}
	p.expect("[")
	for p.err == nil && !p.is("]") {
		t.cells = append(t.cells, p.expression())
		if !p.accept(",") {
			break
		}
	}
	p.expect("]")
	if p.err == nil && (len(t.columns) == 0 || len(t.cells)%len(t.columns) != 0) {
		p.wrong("the values do not fill the columns")
	}
	return t
}

func (p *parser) typeName() Type {
	at := p.mark()
	t, known := typeNamed(p.identifier())
	if !known && p.err == nil {
		p.back(at)
		p.wrong("expected a type")
	}
	return t
}

func typeNamed(n string) (Type, bool) {
	switch n {
	case "bool", "boolean":
		return Bool, true
	case "int":
		return Int, true
	case "long":
		return Long, true
	case "real", "double":
		return Real, true
	case "string":
		return String, true
	case "datetime", "date":
		return DateTime, true
	case "timespan", "time":
		return TimeSpan, true
	case "guid", "uuid":
		return GUID, true
	case "dynamic":
		return Dynamic, true
	}
	return "", false
}
