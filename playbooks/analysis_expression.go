package playbooks

import (
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// marker is the name that stands at the cursor while an expression is read.
const marker = "zz_cursor"

// expressionAt answers the expression around the cursor up to the cursor; not
// ok where the cursor stands in literal text.
func (c *completer) expressionAt(t *twig, f form) (string, bool) {
	from, to := t.value.from, min(c.at, max(t.value.to, c.at))
	if t.value.to == 0 {
		from, to = c.at, c.at
	}
	text := c.src.text[from:to]
	quote := byte(0)
	if text != "" && isQuote(rune(text[0])) {
		quote, text = text[0], text[1:]
	}
	if text != "" && (text[0] == '>' || text[0] == '|') {
		_, text, _ = strings.Cut(text, "\n")
	}
	switch quote {
	case '"':
		text = strings.ReplaceAll(strings.ReplaceAll(text, `\"`, `"`), `\\`, `\`)
	case '\'':
		text = strings.ReplaceAll(text, "''", "'")
	}
	if f.kind == formQuestion {
		if inner, ok := strings.CutPrefix(strings.TrimSpace(text), "${{"); ok {
			text = inner
		}
		return text, true
	}
	switch f.kind {
	case formProse, formData, formDuration, formTime, formWith, formTemplates:
	default:
		return "", false
	}
	pieces, err := splitTemplate(text)
	if err == nil || len(pieces) == 0 {
		return "", false
	}
	return pieces[len(pieces)-1].text, true
}

// expression completes an expression that was typed up to the cursor.
func (c *completer) expression(t *twig, text string) {
	scope, want, ok := c.scopeAt(t)
	if !ok {
		return
	}
	word := ""
	for i := len(text); i > 0 && (isWordByte(text[i-1]) && text[i-1] != '.' && text[i-1] != '-'); i-- {
		word = text[i-1:]
	}
	at := span{c.at - len(word), c.at}
	for at.to < len(c.src.text) && isWordByte(c.src.text[at.to]) && c.src.text[at.to] != '.' && c.src.text[at.to] != '-' {
		at.to++
	}
	before := text[:len(text)-len(word)]
	e := &expressionCursor{completer: c, scope: scope, want: want, at: at}
	if inside, open := openText(before); open {
		e.inText(before[:len(before)-len(inside)-1], inside+word)
		return
	}
	e.inCode(before)
}

// scopeAt answers what is known where a value stands: the text is read with a
// plain name in the value's place, so that nothing being typed there is in the
// way.
func (c *completer) scopeAt(t *twig) (Scope, Type, bool) {
	m := c.meaningOf(t)
	name := "zz"
	if m.form.kind != formQuestion {
		name = `"${{ zz }}"`
	}
	from, to := t.value.from, t.value.to
	if t.value.to == 0 || c.at > t.value.to {
		to = c.at
	}
	if t.value.to == 0 {
		from = c.at
	}
	closers := ""
	for p := t.parent; p != nil && t.flow; p = p.parent {
		if p.value.to == 0 {
			break
		}
		if p.open || t.open {
			closers += map[byte]string{'{': "}", '[': "]"}[c.src.text[p.value.from]]
			to = max(to, min(c.src.lineEnd(c.at), p.value.to))
		}
		if !p.flow {
			break
		}
	}
	if t.open && !t.flow {
		to = max(to, c.src.lineEnd(c.at))
	}
	to = max(to, from)
	rest := c.src.lineEnd(to)
	text := c.src.text[:from] + " " + name + closers + c.src.text[to:rest] + c.afterStep(t) + c.src.text[rest:]
	a := Analyse(c.file, []byte(text), c.world)
	for _, s := range a.spots {
		if at := a.read.node(s.node); at.from == from+1 && strings.TrimSpace(s.text) == "zz" {
			return s.scope, s.want, true
		}
	}
	return Scope{}, Type{}, false
}

// afterStep is what makes a step whole that does nothing yet, on a line of its
// own.
func (c *completer) afterStep(t *twig) string {
	step := c.stepOf(t)
	if step == nil || step.flow || len(step.children) == 0 {
		return ""
	}
	if _, ok := kindOfStep(step); ok {
		return ""
	}
	does := "stop: zz"
	if step.child("with") != nil {
		does = "uses: zz"
	}
	return "\n" + strings.Repeat(" ", step.children[0].indent) + does
}

// openText answers the text that is open at the end of an expression.
func openText(s string) (inside string, open bool) {
	for i := 0; i < len(s); i++ {
		if s[i] != '"' && s[i] != '\'' && s[i] != '`' {
			continue
		}
		n := textEnd(s[i:])
		if n < 0 {
			return s[i+1:], true
		}
		i += n - 1
	}
	return "", false
}

// expressionCursor completes inside one expression.
type expressionCursor struct {
	*completer
	scope Scope
	want  Type
	at    span
}

// read reads an expression with the marker in it; brackets that are open are
// closed.
func (e *expressionCursor) read(text string) (*checker, bool) {
	for _, tail := range []string{"", ", zz_cursor", " == 1", " : 1", " and true"} {
		src := text + tail + closersOf(text)
		s, problems := parse(src)
		if len(problems) > 0 {
			continue
		}
		c := &checker{source: s, scope: e.scope, functions: library(), types: map[ast.Node]Type{}}
		c.infer(s.root, flow{facts: e.scope.facts})
		return c, true
	}
	return nil, false
}

// closersOf are the brackets that close those that a text leaves open.
func closersOf(text string) string {
	var open []byte
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '"', '\'', '`':
			if n := textEnd(text[i:]); n > 0 {
				i += n - 1
			}
		case '(':
			open = append(open, ')')
		case '[':
			open = append(open, ']')
		case '{':
			open = append(open, '}')
		case ')', ']', '}':
			if len(open) > 0 {
				open = open[:len(open)-1]
			}
		}
	}
	slices.Reverse(open)
	return string(open)
}

// inCode completes a name, or a field behind a dot.
func (e *expressionCursor) inCode(before string) {
	c, ok := e.read(before + marker)
	if !ok && !strings.HasSuffix(before, ".") {
		e.names(nil, nil)
		return
	}
	if !ok {
		return
	}
	path := pathTo(c.root, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.IdentifierNode:
			return n.Value == marker
		case *ast.MemberNode:
			property, isText := n.Property.(*ast.StringNode)
			return isText && property.Value == marker
		}
		return false
	})
	if len(path) == 0 {
		return
	}
	switch n := path[len(path)-1].(type) {
	case *ast.MemberNode:
		e.fields(c.types[n.Node])
	case *ast.IdentifierNode:
		e.names(c, path)
	}
}

// pathTo answers the nodes from the root to the one that is looked for.
func pathTo(n ast.Node, is func(ast.Node) bool) []ast.Node {
	for _, child := range children(n) {
		if path := pathTo(child, is); path != nil {
			return append([]ast.Node{n}, path...)
		}
	}
	if is(n) {
		return []ast.Node{n}
	}
	return nil
}

// fields offers the fields of a value.
func (e *expressionCursor) fields(t Type) {
	for _, f := range t.Present().Fields() {
		e.offer(CompleteField, f.Name, f.Type.String(), f.Doc)
	}
}

func (e *expressionCursor) offer(kind CompletionKind, label, detail, doc string) {
	e.out = append(e.out, Completion{Label: label, Kind: kind, Detail: detail, Doc: doc, Insert: label, Range: e.rangeOf(e.at)})
}

// names offers what an expression may begin with: texts of an enum that it is
// compared with, fields of the item, names, functions, words.
func (e *expressionCursor) names(c *checker, path []ast.Node) {
	if c != nil {
		for _, v := range e.valuesAt(c, path) {
			e.offer(CompleteValue, `"`+v+`"`, "", "")
		}
		for _, n := range slices.Backward(path) {
			let, ok := n.(*ast.VariableDeclaratorNode)
			if ok && let.Name != marker {
				e.offer(CompleteName, let.Name, c.types[let.Value].String(), "")
			}
		}
	}
	for _, name := range e.scope.Names() {
		t, _ := e.scope.Lookup(name)
		e.offer(CompleteName, name, t.String(), nameDoc(name))
	}
	for _, f := range Library() {
		e.offer(CompleteFunction, f.Name, f.Signature, libraryDoc(f))
	}
	for _, w := range []string{"and", "or", "not", "in", "true", "false", "nil", "let", "contains", "startsWith", "endsWith", "matches"} {
		e.offer(CompleteWord, w, "", "")
	}
}

// valuesAt are the values of the enum that the cursor is compared with.
func (e *expressionCursor) valuesAt(c *checker, path []ast.Node) []string {
	for i := len(path) - 2; i >= 0; i-- {
		switch n := path[i].(type) {
		case *ast.ArrayNode:
			continue
		case *ast.BinaryNode:
			other := n.Left
			if other == path[i+1] {
				other = n.Right
			}
			t := c.types[other].Present()
			if elem, ok := t.Elem(); ok && (t.IsList() || t.IsReference()) {
				t = elem.Present()
			}
			switch n.Operator {
			case "==", "!=", "in", "not in":
				return t.Values()
			}
		}
		return nil
	}
	if len(path) == 1 {
		return e.want.Present().Values()
	}
	return nil
}

// inText completes a text that is open: a value of an enum.
func (e *expressionCursor) inText(before, inside string) {
	c, ok := e.read(before + marker)
	if !ok {
		return
	}
	path := pathTo(c.root, func(n ast.Node) bool {
		name, is := n.(*ast.IdentifierNode)
		return is && name.Value == marker
	})
	e.at = span{e.completer.at - len(inside), e.completer.at}
	for _, v := range e.valuesAt(c, path) {
		e.offer(CompleteValue, v, "", "")
	}
}
