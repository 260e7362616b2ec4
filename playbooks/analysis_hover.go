package playbooks

import (
	"fmt"
	"strings"

	"github.com/expr-lang/expr/ast"

	"stanch/actions"
)

// Hover is what is known of the thing at a position, as Markdown.
type Hover struct {
	Markdown string
	Range    Range
}

// Hover answers type and documentation of what stands at a position: a name, a
// field or a function of an expression, a key of the language, an action, a
// param, a step's id.
func (a *Analysis) Hover(at Position) (Hover, bool) {
	offset := a.offset(at)
	if s, nth, ok := a.spotAt(offset); ok {
		if h, ok := a.hoverExpression(s, nth); ok {
			return h, true
		}
	}
	if o, ok := a.symbolAt(at); ok && o.kind != PlaybookName {
		if doc := a.symbolDoc(o); doc != "" {
			return Hover{doc, a.rangeOf(o.at)}, true
		}
	}
	t := a.find(offset)
	if t == nil || t.item {
		return Hover{}, false
	}
	m := a.meaningOf(t)
	if t.value.from <= offset && offset <= t.value.to {
		return a.hoverValue(t, m)
	}
	if offset > t.key.to {
		return Hover{}, false
	}
	return a.hoverKey(t, m)
}

func (a *Analysis) hoverKey(t *twig, m meaning) (Hover, bool) {
	around := a.meaningOf(t.parent).form.forMapping()
	if around.kind == formWith {
		for _, f := range a.withType(t.parent.parent).Fields() {
			if f.Name == t.name {
				return Hover{titled(f.Name, f.Type.String(), f.Doc), a.rangeOf(t.key)}, true
			}
		}
	}
	if around.kind != formPlace {
		return Hover{}, false
	}
	k, ok := grammar()[around.place].key(t.name)
	if !ok {
		return Hover{}, false
	}
	return Hover{titled(k.name, m.form.String(), k.doc), a.rangeOf(t.key)}, true
}

func (a *Analysis) hoverValue(t *twig, m meaning) (Hover, bool) {
	value := a.plain(t.value)
	switch m.form.kind {
	case formAction:
		if a.world.Catalog == nil {
			return Hover{}, false
		}
		if action, ok := a.world.Catalog.Lookup(value); ok {
			return Hover{titled(value, string(action.Class), actionDoc(action)), a.rangeOf(t.value)}, true
		}
	case formPlaybook:
		source, ok := a.world.Calls[value]
		if !ok {
			return Hover{}, false
		}
		if p, _ := Load(source.File, source.Text); p != nil {
			return Hover{titled(value, "playbook", calledDoc(p)), a.rangeOf(t.value)}, true
		}
	}
	return Hover{}, false
}

func titled(name, what, doc string) string {
	head := "**" + name + "**"
	if what != "" {
		head += " — `" + what + "`"
	}
	if doc != "" {
		head += "\n\n" + doc
	}
	return head
}

// actionDoc is what an editor shows of an action.
func actionDoc(a actions.Action) string {
	var b strings.Builder
	b.WriteString(a.Doc)
	for _, f := range TypeOf(a.Params).Fields() {
		fmt.Fprintf(&b, "\n- `%s`: %s", f.Name, f.Type)
		if f.Doc != "" {
			fmt.Fprintf(&b, " — %s", f.Doc)
		}
	}
	if result := TypeOf(a.Result); len(result.Fields()) > 0 {
		b.WriteString("\n\nAnswers:")
		for _, f := range result.Fields() {
			fmt.Fprintf(&b, "\n- `%s`: %s", f.Name, f.Type)
		}
	}
	if a.NoUndo != "" {
		fmt.Fprintf(&b, "\n\nCannot be undone: %s", a.NoUndo)
	}
	return b.String()
}

func calledDoc(p *Playbook) string {
	var b strings.Builder
	b.WriteString(strings.TrimSpace(p.Title + "\n\n" + p.Description))
	for _, q := range p.Params {
		fmt.Fprintf(&b, "\n- `%s`: %s", q.Name, q.Type)
		if q.Description != "" {
			fmt.Fprintf(&b, " — %s", q.Description)
		}
	}
	return b.String()
}

// symbolDoc says what a name stands for.
func (a *Analysis) symbolDoc(o occurrence) string {
	if a.book == nil {
		return ""
	}
	doc := ""
	switch o.kind {
	case StepName:
		a.book.Walk(func(_ string, s *Step) {
			if s.ID == o.name && doc == "" {
				what := string(s.Kind)
				if s.Uses != "" {
					what = s.Uses
				}
				doc = fmt.Sprintf("The step on line %d: %s.", s.Line, what)
				if t := s.OutputType(); !t.IsZero() && t.kind != kindBroken {
					doc += fmt.Sprintf("\n\n`steps.%s`: %s", s.ID, fieldList(t))
				}
			}
		})
	case ParamName:
		for _, q := range a.book.Params {
			if q.Name == o.name {
				doc = titled("params."+q.Name, q.Type.String(), q.Description)
			}
		}
	}
	return doc
}

func fieldList(t Type) string {
	fields := t.Present().Fields()
	if len(fields) == 0 {
		return "`" + t.String() + "`"
	}
	var b strings.Builder
	for _, f := range fields {
		fmt.Fprintf(&b, "\n- `%s`: %s", f.Name, f.Type)
		if f.Doc != "" {
			fmt.Fprintf(&b, " — %s", f.Doc)
		}
	}
	return b.String()
}

// hoverExpression answers the type of the smallest part of an expression at a
// rune, and what its name means.
func (a *Analysis) hoverExpression(s spot, at int) (Hover, bool) {
	read, problems := parse(s.text)
	if len(problems) > 0 {
		return Hover{}, false
	}
	c := &checker{source: read, scope: s.scope, functions: library(), types: map[ast.Node]Type{}}
	c.infer(read.root, flow{facts: s.scope.facts})
	path := pathTo(read.root, func(n ast.Node) bool {
		from, to := nameSpan(c, n)
		return from <= at && at <= to && from < to
	})
	if len(path) == 0 {
		return Hover{}, false
	}
	n := path[len(path)-1]
	from, to := nameSpan(c, n)
	text := a.nodeDoc(c, path)
	place, ok := a.spanIn(s, from, to)
	if text == "" || !ok {
		return Hover{}, false
	}
	return Hover{text, a.rangeOf(place)}, true
}

// nameSpan is where the name of a node stands: of a field the part behind the
// dot, of a call its function; nothing for nodes without one.
func nameSpan(c *checker, n ast.Node) (from, to int) {
	at := n.Location()
	switch n := n.(type) {
	case *ast.IdentifierNode:
		return at.From, at.From + len([]rune(n.Value))
	case *ast.MemberNode:
		if property, ok := n.Property.(*ast.StringNode); ok {
			l := property.Location()
			return l.From, l.To
		}
	case *ast.BuiltinNode:
		return at.From, at.From + len([]rune(n.Name))
	case *ast.PointerNode:
		return at.From, at.From + 1 + len([]rune(n.Name))
	}
	return 0, 0
}

// nodeDoc says what the last node of a path is.
func (a *Analysis) nodeDoc(c *checker, path []ast.Node) string {
	switch n := path[len(path)-1].(type) {
	case *ast.IdentifierNode:
		if len(path) > 1 {
			if k, ok := path[len(path)-2].(*ast.CallNode); ok && k.Callee == n {
				return functionDoc(n.Value)
			}
		}
		return titled(n.Value, c.types[n].String(), nameDoc(n.Value))
	case *ast.BuiltinNode:
		return functionDoc(c.functionName(n.Name, n.Location()))
	case *ast.PointerNode:
		return titled("#"+n.Name, c.types[n].String(), "The item of the list.")
	case *ast.MemberNode:
		property := n.Property.(*ast.StringNode)
		doc := ""
		for _, f := range c.types[n.Node].Present().Fields() {
			if f.Name == property.Value {
				doc = f.Doc
			}
		}
		if root, ok := n.Node.(*ast.IdentifierNode); ok {
			kind := map[string]SymbolKind{"steps": StepName, "params": ParamName}[root.Value]
			if more := a.symbolDoc(occurrence{kind: kind, name: property.Value}); kind == StepName && more != "" {
				doc = more
			}
		}
		return titled(c.textOf(n), c.types[n].String(), doc)
	}
	return ""
}

func functionDoc(name string) string {
	for _, f := range Library() {
		if f.Name == name {
			return titled(f.Name, f.Signature, libraryDoc(f))
		}
	}
	return ""
}

func libraryDoc(f Function) string {
	doc := f.Doc + "\n\n`" + f.Example + "`"
	if f.Result != "" {
		doc += " → `" + f.Result + "`"
	}
	return doc
}

// nameDoc says what a name that every playbook may use stands for.
func nameDoc(name string) string {
	switch name {
	case "incident":
		return "The incident as the event gave it: a snapshot. `incidents.get` reads it afresh."
	case "evidence":
		return "Files, users, devices and the rest that the alerts name, each once."
	case "alert":
		return "The alert that started the run."
	case "event":
		return "What started the run: when, what kind, what has changed."
	case "params":
		return "The inputs of the playbook."
	case "vars":
		return "What `set` steps before this one have kept."
	case "steps":
		return "Outputs of the steps before this one, by id."
	case "run":
		return "This run: id, mode, playbook, when it began."
	case "lists":
		return "Reference data, by name."
	case "error":
		return "What failed: step, code, message."
	case "subject":
		return "What the playbook was started on."
	}
	return ""
}
