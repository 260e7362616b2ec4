package playbooks

import (
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// data compiles literal data with ${{ }} in it. It answers nil after a finding.
func (c *linter) data(n *yaml.Node, s Scope, want Type, what string) *Template {
	if n.Kind == yaml.ScalarNode {
		return c.scalarData(n, s, want, what)
	}
	want = want.Present()
	if want.IsReference() {
		want, _ = want.Elem()
	}
	switch free := want.IsAny() || want.IsZero() || want.kind == kindBroken; {
	case n.Kind == yaml.SequenceNode && (want.IsList() || free):
		return c.listData(n, s, want, what)
	case n.Kind == yaml.MappingNode && (want.IsRecord() || want.IsMap() || free):
		return c.mappingData(n, s, want, what)
	}
	hint := ""
	if n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle != 0 && strings.HasPrefix(c.src.text[c.src.start(n):], "{{") {
		hint = `write "${{ … }}"`
	}
	c.add(c.src.node(n), "E402", hint, "%s is %s; expected %s", what, kindOf(n), want)
	return nil
}

func (c *linter) listData(n *yaml.Node, s Scope, want Type, what string) *Template {
	elem := AnyType()
	if want.IsList() {
		elem, _ = want.Elem()
	}
	t := &Template{isList: true, typ: ListOf(elem), list: make([]*Template, 0, len(n.Content))}
	ok := true
	for _, item := range n.Content {
		if n.Style&yaml.FlowStyle != 0 && item.Kind == yaml.ScalarNode && item.Style == 0 && strings.Count(item.Value, "(") != strings.Count(item.Value, ")") {
			c.add(c.src.node(item), "E110", "quote the whole, or put it on a line of its own behind -", "a comma cut this value in two: %s", quoted(item.Value))
			return nil
		}
		e := c.data(item, s, elem, "an entry of "+what)
		ok = ok && e != nil
		t.list = append(t.list, e)
	}
	if !ok {
		return nil
	}
	return t
}

func (c *linter) mappingData(n *yaml.Node, s Scope, want Type, what string) *Template {
	l := &loader{report: c.report}
	names := []string{}
	for _, field := range want.Fields() {
		names = append(names, field.Name)
	}
	f, ok := l.raw(n, what, names...)
	t := &Template{isMap: true, typ: want}
	for _, field := range want.Fields() {
		if !f.has(field.Name) && field.Type.needed() {
			c.add(c.src.node(n), "E404", "", "%s needs %s (%s)", what, field.Name, field.Type)
			ok = false
		}
	}
	for _, x := range f.all {
		elem := AnyType()
		switch {
		case want.IsMap():
			elem, _ = want.Elem()
		case want.IsRecord():
			var known bool
			if elem, known = want.Field(x.name); !known {
				c.add(c.src.node(x.key), "E405", suggest(x.name, names), "%s has no %s%s", what, quoted(x.name), knownNames(names))
				ok = false
				elem = AnyType()
			}
		}
		if x.cut {
			ok = false
			continue
		}
		e := c.data(x.value, s, elem, x.name)
		ok = ok && e != nil
		t.names, t.fields = append(t.names, x.name), append(t.fields, e)
	}
	if !ok {
		return nil
	}
	return t
}

func knownNames(names []string) string {
	if len(names) == 0 {
		return ": it takes nothing"
	}
	return ": it has " + strings.Join(names, ", ")
}

// scalarData compiles a scalar: a constant, one ${{ }} that keeps its type, or
// text.
func (c *linter) scalarData(n *yaml.Node, s Scope, want Type, what string) *Template {
	if n.Tag != "!!str" || !strings.Contains(n.Value, "${{") {
		if n.Tag == "!!null" && n.Value == "" {
			c.add(c.src.node(n), "E402", "give it a value, or leave the key out", "%s is empty; expected %s", what, want)
			return nil
		}
		if n.Tag == "!!str" && c.eaten(n) {
			return nil
		}
		c.bracesWithoutDollar(n)
		v, ok := c.constant(n, want, what)
		if !ok {
			return nil
		}
		c.expressionAsText(n, s)
		return &Template{literal: v, typ: want.Present()}
	}
	if c.eaten(n) {
		return nil
	}
	pieces, ok := c.pieces(n)
	if !ok {
		return nil
	}
	if len(pieces) == 1 && pieces[0].isExpr {
		e := c.compile(n, pieces[0].text, pieces[0].from, s, want)
		if e == nil {
			return nil
		}
		return &Template{expr: e, typ: e.Type()}
	}
	if present := want.Present(); !want.IsZero() && !StringType().Fits(present) && present.kind != kindEnum {
		c.add(c.src.node(n), "E402", "write one ${{ }} and nothing else", "%s is text with ${{ }} in it; expected %s", what, want)
		return nil
	}
	return c.textData(n, pieces, s)
}

// prose compiles a text with ${{ }} in it; one ${{ }} alone is text too.
func (c *linter) prose(n *yaml.Node, s Scope, what string) *Template {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		c.add(c.src.node(n), "E203", quoteHint(n, StringType()), "%s is a text, not %s", what, kindOf(n))
		return nil
	}
	if c.eaten(n) {
		return nil
	}
	c.bracesWithoutDollar(n)
	pieces, ok := c.pieces(n)
	if !ok {
		return nil
	}
	return c.textData(n, pieces, s)
}

// textData compiles the pieces of a text. Only what prints may stand in it.
func (c *linter) textData(n *yaml.Node, pieces []textPiece, s Scope) *Template {
	t := &Template{typ: StringType(), texts: []textPart{}}
	ok := true
	for _, p := range pieces {
		if !p.isExpr {
			t.texts = append(t.texts, textPart{text: p.text})
			continue
		}
		e := c.compile(n, p.text, p.from, s, Type{})
		if e == nil {
			ok = false
			continue
		}
		if !c.prints(n, p, e.Type()) {
			ok = false
		}
		t.texts = append(t.texts, textPart{expr: e})
	}
	if !ok {
		return nil
	}
	return t
}

// prints reports whether a value of a type may stand in text.
func (c *linter) prints(n *yaml.Node, p textPiece, t Type) bool {
	if t.IsScalar() || t.IsAny() || t.kind == kindBroken {
		return true
	}
	hint := "only text, numbers, booleans and times print"
	switch {
	case t.Optional():
		hint = `say what stands there if it is absent: ?? "none"`
	case t.IsList():
		hint = `take its length, or join(…, ", ")`
	}
	lead := utf8.RuneCountInString(p.text) - utf8.RuneCountInString(strings.TrimLeft(p.text, " \t\n"))
	tail := utf8.RuneCountInString(p.text) - utf8.RuneCountInString(strings.TrimRight(p.text, " \t\n"))
	c.add(c.src.inScalar(n, p.from+lead, max(p.to-tail, p.from+lead)), "E416", hint, "%s cannot stand in text", withArticle(t))
	return false
}

func withArticle(t Type) string {
	switch {
	case t.Optional():
		return "a value that may be absent (" + t.String() + ")"
	case t.IsList():
		return "a list (" + t.String() + ")"
	}
	return "a record (" + t.String() + ")"
}

// pieces takes a text apart, with a finding where ${{ is not closed.
func (c *linter) pieces(n *yaml.Node) ([]textPiece, bool) {
	pieces, err := splitTemplate(n.Value)
	if err != nil {
		last := pieces[len(pieces)-1]
		c.add(c.src.inScalar(n, last.from-3, last.from), "E415", "close it with }}; write $${{ for a literal ${{", "%v", err)
		return nil, false
	}
	return pieces, true
}

// bracesWithoutDollar warns of {{ }}, which is text here.
func (c *linter) bracesWithoutDollar(n *yaml.Node) {
	if n.Tag != "!!str" {
		return
	}
	rest, base := n.Value, 0
	for {
		i := strings.Index(rest, "{{")
		if i < 0 {
			return
		}
		j := strings.Index(rest[i:], "}}")
		if j < 0 {
			return
		}
		if i == 0 || rest[i-1] != '$' {
			from := utf8.RuneCountInString(n.Value[:base+i])
			c.add(c.src.inScalar(n, from, from+2), "W508", "write ${{ }} for a value", "{{ }} without $ is text")
			return
		}
		base, rest = base+i+j, rest[i+j:]
	}
}
