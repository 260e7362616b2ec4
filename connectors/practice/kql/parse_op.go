package kql

import (
	"slices"
	"strings"
)

// operator reads what stands behind a bar.
func (p *parser) operator() operator {
	op := operator{place: p.peek().place}
	before := p.mark()
	op.word = p.word()
	switch op.word {
	case "where", "filter":
		op.word = "where"
		op.cond = p.expression()
	case "project", "extend":
		op.items = p.namedList()
	case "distinct":
		op.items = p.distinct()
	case "project-away", "project-keep", "project-reorder":
		op.globs = p.globs()
	case "project-rename":
		op.items = p.namedList()
	case "summarize":
		p.summarize(&op)
	case "count", "serialize", "as":
		if op.word == "as" {
			p.identifier()
		}
	case "take", "limit":
		op.word = "take"
		op.count = p.expression()
	case "top":
		op.count = p.expression()
		p.expect("by")
		op.order = p.orderings()
	case "order", "sort":
		op.word = "order"
		p.expect("by")
		op.order = p.orderings()
	case "join", "lookup":
		op.join = p.join(op.word)
	case "union":
		op = *p.union(token{place: op.place})
	case "mv-expand", "mvexpand":
		op.word = "mv-expand"
		p.expand(&op)
	case "render":
		p.render()
	case "getschema":
	default:
		if p.err == nil {
			p.back(before)
			p.wrong("there is no operator of this name here")
		}
	}
	return op
}

func (p *parser) namedList() []named {
	var all []named
	for p.err == nil {
		all = append(all, p.named())
		if !p.accept(",") {
			break
		}
	}
	return all
}

// named reads `x` or `name = x`.
func (p *parser) named() named {
	t := p.peek()
	n := named{place: t.place}
	if t.kind == ident || t.kind == quotedIdent {
		before := p.mark()
		p.take()
		if p.accept("=") {
			n.name = t.raw
			if t.kind == quotedIdent {
				n.name = t.value
			}
			n.x = p.expression()
			return n
		}
		p.back(before)
	}
	n.x = p.expression()
	return n
}

func (p *parser) distinct() []named {
	if t := p.peek(); p.is("*") {
		p.take()
		return []named{{place: t.place, x: &star{t.place}}}
	}
	return p.namedList()
}

// globs reads names with stars in them.
func (p *parser) globs() []glob {
	var all []glob
	for p.err == nil {
		g := glob{place: p.peek().place}
		for p.err == nil {
			t := p.peek()
			if g.pattern != "" && t.offset != g.offset+len(g.pattern) {
				break
			}
			if t.kind == quotedIdent && g.pattern == "" {
				g.pattern = p.take().value
				break
			}
			if !p.is("*") && t.kind != ident && (t.kind != number || g.pattern == "") {
				break
			}
			g.pattern += p.take().raw
		}
		if g.pattern == "" {
			p.wrong("expected a name")
		}
		all = append(all, g)
		if !p.accept(",") {
			break
		}
	}
	return all
}

func (p *parser) summarize(op *operator) {
	p.hints()
	if !p.is("by") {
		op.items = p.namedList()
	}
	if p.accept("by") {
		op.by = p.namedList()
	}
}

// hints passes over what only says how to run: hint.strategy=shuffle.
func (p *parser) hints() {
	for p.is("hint") {
		p.take()
		p.expect(".")
		p.identifier()
		p.expect("=")
		p.take()
	}
}

func (p *parser) orderings() []ordering {
	var all []ordering
	for p.err == nil {
		o := ordering{x: p.expression()}
		switch {
		case p.accept("asc"):
			o.asc = true
		default:
			p.accept("desc")
		}
		o.nullsFirst = o.asc
		if p.accept("nulls") {
			o.nullsFirst = p.accept("first")
			if !o.nullsFirst {
				p.expect("last")
			}
		}
		all = append(all, o)
		if !p.accept(",") {
			break
		}
	}
	return all
}

func (p *parser) join(word string) *join {
	j := &join{kind: "innerunique"}
	if word == "lookup" {
		j.kind = "leftouter"
	}
	for p.err == nil {
		p.hints()
		if !p.is("kind") {
			break
		}
		before := p.mark()
		p.take()
		if !p.accept("=") {
			p.back(before)
			break
		}
		t := p.mark()
		j.kind = p.identifier()
		if alias, is := map[string]string{"anti": "leftanti", "leftantisemi": "leftanti", "rightantisemi": "rightanti", "outer": "fullouter"}[j.kind]; is {
			j.kind = alias
		}
		if p.err == nil && !slices.Contains([]string{"inner", "innerunique", "leftouter", "rightouter", "fullouter", "leftsemi", "leftanti", "rightsemi", "rightanti"}, j.kind) {
			p.back(t)
			p.wrong("expected a kind of join")
		}
	}
	j.right = p.source()
	p.expect("on")
	for p.err == nil {
		j.on = append(j.on, p.joinKey())
		if !p.accept(",") && !p.accept("and") {
			break
		}
	}
	return j
}

// joinKey reads a column that both sides have, or $left.a == $right.b.
func (p *parser) joinKey() joinKey {
	k := joinKey{place: p.peek().place}
	side := func() (string, string) {
		t := p.take()
		p.expect(".")
		return t.raw, p.identifier()
	}
	if t := p.peek(); t.kind != ident || !strings.HasPrefix(t.raw, "$") {
		k.left = p.identifier()
		k.right = k.left
		return k
	}
	a, x := side()
	p.expect("==")
	b, y := side()
	switch {
	case a == "$left" && b == "$right":
		k.left, k.right = x, y
	case a == "$right" && b == "$left":
		k.left, k.right = y, x
	default:
		if p.err == nil {
			p.err = p.fail(k.place, "expected $left.column == $right.column")
		}
	}
	return k
}

func (p *parser) union(at token) *operator {
	op := &operator{place: at.place, word: "union", flags: map[string]string{}}
	for p.err == nil {
		p.hints()
		t := p.peek()
		if t.kind != ident || !slices.Contains([]string{"kind", "withsource", "isfuzzy"}, t.raw) {
			break
		}
		before := p.mark()
		p.take()
		if !p.accept("=") {
			p.back(before)
			break
		}
		op.flags[t.raw] = p.identifier()
	}
	for p.err == nil {
		op.legs = append(op.legs, p.source())
		if !p.accept(",") {
			break
		}
	}
	return op
}

func (p *parser) expand(op *operator) {
	for p.err == nil {
		n := p.named()
		if p.accept("to") {
			p.expect("typeof")
			p.expect("(")
			n.to = p.typeName()
			p.expect(")")
		}
		op.items = append(op.items, n)
		if !p.accept(",") {
			break
		}
	}
	if p.accept("limit") {
		op.limit = p.expression()
	}
}

// render says how to draw the rows, which nobody does here.
func (p *parser) render() {
	for p.err == nil && p.peek().kind != end && !p.is(";") && !p.is("|") {
		p.take()
	}
}
