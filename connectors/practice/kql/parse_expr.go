package kql

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// expression reads an expression, the loosest operator first: or, and,
// comparison, sum, product, sign, member.
func (p *parser) expression() expr {
	defer func() { p.depth-- }()
	if !p.deeper() {
		return &literal{}
	}
	return p.left([]string{"or"}, func() expr {
		return p.left([]string{"and"}, p.comparison)
	})
}

// left reads operands between operators that group from the left.
func (p *parser) left(ops []string, operand func() expr) expr {
	x := operand()
	for p.err == nil {
		t := p.peek()
		if t.kind != ident && t.kind != mark || !slices.Contains(ops, t.raw) {
			break
		}
		p.take()
		x = &binary{t.place, t.raw, x, operand()}
	}
	return x
}

func (p *parser) sum() expr { return p.left([]string{"+", "-"}, p.product) }

func (p *parser) product() expr { return p.left([]string{"*", "/", "%"}, p.sign) }

func (p *parser) sign() expr {
	t := p.peek()
	if !p.is("-") && !p.is("+") {
		return p.postfix()
	}
	defer func() { p.depth-- }()
	if !p.deeper() {
		return &literal{}
	}
	p.take()
	return &unary{t.place, t.raw, p.sign()}
}

func textWords() []string {
	return []string{
		"has", "has_cs", "hasprefix", "hasprefix_cs", "hassuffix", "hassuffix_cs", "contains", "contains_cs",
		"startswith", "startswith_cs", "endswith", "endswith_cs", "like",
	}
}

func (p *parser) comparison() expr {
	x := p.sum()
	for p.err == nil {
		t := p.peek()
		if t.kind != mark && t.kind != ident {
			return x
		}
		switch t.raw {
		case "==", "!=", "<>", "<", ">", "<=", ">=", "=~", "!~":
			p.take()
			op := t.raw
			if op == "<>" {
				op = "!="
			}
			x = &binary{t.place, op, x, p.sum()}
			continue
		}
		not := false
		before := p.mark()
		if t.raw == "!" {
			p.take()
			not = true
		}
		w := p.peek()
		y, is := p.wordComparison(x, w, not)
		if !is {
			p.back(before)
			return x
		}
		x = y
	}
	return x
}

// wordComparison reads a comparison by a word, such as has or between.
func (p *parser) wordComparison(x expr, w token, not bool) (expr, bool) {
	if w.kind != ident {
		return nil, false
	}
	sign := ""
	if not {
		sign = "!"
	}
	switch {
	case slices.Contains(textWords(), w.raw) && w.raw != "like":
		p.take()
		return &binary{w.place, sign + w.raw, x, p.sum()}, true
	case w.raw == "matches" && !not:
		p.take()
		p.expect("regex")
		return &binary{w.place, "matches", x, p.sum()}, true
	case w.raw == "in" || w.raw == "in~" || (w.raw == "has_any" || w.raw == "has_all") && !not:
		p.take()
		a := &among{place: w.place, op: sign + w.raw, x: x}
		p.members(a)
		return a, true
	case w.raw == "between":
		p.take()
		b := &between{place: w.place, x: x, not: not}
		p.expect("(")
		b.low = p.sum()
		p.expect("..")
		b.high = p.sum()
		p.expect(")")
		return b, true
	}
	return nil, false
}

// members reads the values behind in: a list, or a query of one column.
func (p *parser) members(a *among) {
	p.expect("(")
	before := p.mark()
	if p.tabular() {
		p.back(before)
		a.query = p.pipeline()
		p.expect(")")
		return
	}
	p.back(before)
	for p.err == nil && !p.is(")") {
		a.items = append(a.items, p.expression())
		if !p.accept(",") {
			break
		}
	}
	p.expect(")")
	if len(a.items) == 1 {
		if n, is := a.items[0].(*name); is { // a value, or a table by its name
			a.query = &pipeline{source: source{place: n.place, table: n.text}}
		}
	}
}

func (p *parser) postfix() expr {
	x := p.primary()
	for p.err == nil {
		t := p.peek()
		switch {
		case p.accept("."):
			x = &member{t.place, x, p.identifier()}
		case t.kind == quotedIdent: // x["a name"]
			p.take()
			x = &member{t.place, x, t.value}
		case p.accept("["):
			x = &index{t.place, x, p.expression()}
			p.expect("]")
		default:
			return x
		}
	}
	return x
}

func (p *parser) primary() expr {
	t := p.peek()
	switch t.kind {
	case text:
		p.take()
		var b strings.Builder // texts that stand side by side are one
		b.WriteString(t.value)
		for p.peek().kind == text {
			b.WriteString(p.take().value)
		}
		return &literal{t.place, constant{String, b.String()}}
	case number:
		p.take()
		return &literal{t.place, constant{Long, t.num}}
	case fraction:
		p.take()
		return &literal{t.place, constant{Real, t.float}}
	case span:
		p.take()
		return &literal{t.place, constant{TimeSpan, spanOf(t.num)}}
	case quotedIdent:
		p.take()
		return &name{t.place, t.value}
	case ident:
		return p.word0(t)
	}
	if p.accept("(") {
		x := p.expression()
		p.expect(")")
		return x
	}
	if p.is("*") {
		p.take()
		return &star{t.place}
	}
	p.wrong("")
	return &literal{}
}

// word0 reads what begins with a word: a literal, a call, a name.
func (p *parser) word0(t token) expr {
	switch t.raw {
	case "true", "false":
		p.take()
		return &literal{t.place, constant{Bool, t.raw == "true"}}
	case "toscalar":
		p.take()
		p.expect("(")
		s := &scalarOf{t.place, p.pipeline()}
		p.expect(")")
		return s
	}
	if reserved(t.raw) || t.raw == "in~" || strings.HasPrefix(t.raw, "$") {
		p.wrong("")
		return &literal{}
	}
	p.take()
	typ, isType := typeNamed(t.raw)
	if isType && p.atBracket() {
		return p.typed(t, typ)
	}
	if !p.accept("(") {
		return &name{t.place, t.raw}
	}
	c := &call{place: t.place, fn: t.raw}
	for p.err == nil && !p.is(")") {
		c.args = append(c.args, p.expression())
		if !p.accept(",") {
			break
		}
	}
	p.expect(")")
	return c
}

// atBracket reports whether an opening bracket follows, without reading on.
func (p *parser) atBracket() bool {
	p.space()
	return p.at < len(p.text) && p.text[p.at] == '('
}

// typed reads a literal like datetime(2026-11-20), whose inside has rules of
// its own. The parser stands behind the word.
func (p *parser) typed(t token, typ Type) expr {
	p.advance(1)
	p.space()
	start := p.place()
	if typ == Dynamic {
		return p.dynamic(t, start)
	}
	p.ready = false
	if p.at < len(p.text) && (p.text[p.at] == '"' || p.text[p.at] == '\'' || p.text[p.at] == '@') {
		s := p.take()
		p.expect(")")
		v, ok := parseLiteral(typ, s.value)
		if !ok && p.err == nil {
			p.err = p.fail(start, "the text is no %s", typ)
		}
		return &literal{t.place, constant{typ, v}}
	}
	n := strings.IndexByte(p.text[p.at:], ')')
	if n < 0 {
		p.err = p.fail(start, "expected )")
		return &literal{}
	}
	inside := strings.TrimSpace(p.text[p.at : p.at+n])
	v, ok := parseLiteral(typ, inside)
	if !ok {
		p.err = p.fail(start, "this is no %s", typ)
		return &literal{}
	}
	p.advance(n + 1)
	return &literal{t.place, constant{typ, v}}
}

// dynamic reads the JSON of dynamic(…).
func (p *parser) dynamic(t token, start place) expr {
	rest := p.text[p.at:]
	d := json.NewDecoder(bytes.NewReader([]byte(rest)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		p.err = p.fail(start, "expected JSON")
		return &literal{}
	}
	p.advance(int(d.InputOffset()))
	p.ready = false
	p.expect(")")
	return &literal{t.place, constant{Dynamic, plain(v)}}
}
