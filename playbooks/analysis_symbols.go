package playbooks

import (
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"gopkg.in/yaml.v3"
)

// SymbolKind says what a name stands for.
type SymbolKind string

// The kinds of names.
const (
	StepName     SymbolKind = "step"
	VarName      SymbolKind = "var"
	ParamName    SymbolKind = "param"
	LoopName     SymbolKind = "loop"
	PlaybookName SymbolKind = "playbook"
)

// occurrence is one place at which a name stands.
type occurrence struct {
	kind    SymbolKind
	name    string
	loop    *Step // of a LoopName: the for_each that gives it
	at      span
	defines bool
	lost    bool // its place cannot be told to the rune
}

func (o occurrence) same(p occurrence) bool {
	return o.kind == p.kind && o.name == p.name && o.loop == p.loop
}

// Place is a range in a file.
type Place struct {
	File  string
	Range Range
}

// findSymbols finds every place at which names of the playbook stand.
func (a *Analysis) findSymbols() []occurrence {
	f := &symbolFinder{a: a}
	for _, q := range a.book.Params {
		f.node(ParamName, q.Name, q.key, true)
	}
	a.book.Walk(func(_ string, s *Step) { f.step(s) })
	for _, s := range a.spots {
		f.spot(s)
	}
	slices.SortStableFunc(f.all, func(x, y occurrence) int { return x.at.from - y.at.from })
	return slices.CompactFunc(f.all, func(x, y occurrence) bool { return x.same(y) && x.at == y.at })
}

type symbolFinder struct {
	a     *Analysis
	all   []occurrence
	loops []*Step
}

func (f *symbolFinder) node(kind SymbolKind, name string, n *yaml.Node, defines bool) {
	at := f.a.read.node(n)
	m := f.a.read.scalar(n)
	if m != nil && len(m) == len([]rune(name))+1 {
		at = f.a.read.inScalar(n, 0, len([]rune(name)))
	}
	f.all = append(f.all, occurrence{kind: kind, name: name, at: at, defines: defines, lost: m == nil})
}

// step notes the names that a step gives, and those that it names outside of
// expressions.
func (f *symbolFinder) step(s *Step) {
	if x, ok := s.written.get("id"); ok && s.ID != "" {
		f.node(StepName, s.ID, x.value, true)
	}
	switch s.Kind {
	case Set:
		for _, x := range s.assigns {
			f.node(VarName, x.name, x.key, true)
		}
	case ForEach:
		f.loops = append(f.loops, s)
		for key, name := range map[string]string{"as": s.Each.As, "index": s.Each.Index} {
			x, ok := s.written.get(key)
			if !ok && key == "as" {
				x, _ = s.written.get("for_each")
				f.all = append(f.all, occurrence{kind: LoopName, name: name, loop: s, at: f.a.read.node(x.key), defines: true, lost: true})
				continue
			}
			if ok && name != "" {
				f.node(LoopName, name, x.value, true)
				f.all[len(f.all)-1].loop = s
			}
		}
	case Approve:
		if x, ok := s.Approve.written.get("covers"); ok && x.value.Kind == yaml.SequenceNode {
			for _, n := range x.value.Content {
				f.node(StepName, n.Value, n, false)
			}
		}
	case Call:
		if x, ok := s.written.get("call"); ok {
			f.node(PlaybookName, x.value.Value, x.value, false)
		}
	}
}

// spot notes the names that an expression reads.
func (f *symbolFinder) spot(s spot) {
	read, problems := parse(s.text)
	if len(problems) > 0 {
		return
	}
	walkExpression(read.root, func(n ast.Node) {
		switch n := n.(type) {
		case *ast.MemberNode:
			root, isName := n.Node.(*ast.IdentifierNode)
			property, isText := n.Property.(*ast.StringNode)
			kind, known := map[string]SymbolKind{"steps": StepName, "vars": VarName, "params": ParamName}[rootName(root, isName)]
			if known && isText {
				f.name(s, kind, property.Value, property.Location().From)
			}
		case *ast.IdentifierNode:
			if loop := f.loopOf(s, n.Value); loop != nil {
				f.name(s, LoopName, n.Value, n.Location().From)
				f.all[len(f.all)-1].loop = loop
			}
		}
	})
}

func rootName(n *ast.IdentifierNode, ok bool) string {
	if !ok {
		return ""
	}
	return n.Value
}

// name notes a name at a rune of an expression, or behind a quote there.
func (f *symbolFinder) name(s spot, kind SymbolKind, name string, from int) {
	runes := []rune(s.text)
	if from < len(runes) && isQuote(runes[from]) {
		from++
	}
	to := from + len([]rune(name))
	at, ok := f.a.spanIn(s, from, to)
	ok = ok && to <= len(runes) && string(runes[from:to]) == name
	if !ok {
		at = f.a.read.node(s.node)
	}
	f.all = append(f.all, occurrence{kind: kind, name: name, at: at, lost: !ok})
}

// loopOf answers the for_each that gives a name where an expression stands.
func (f *symbolFinder) loopOf(s spot, name string) *Step {
	at := f.a.read.start(s.node)
	for _, loop := range slices.Backward(f.loops) { // inner ones come later
		if loop.Each.As != name && loop.Each.Index != name {
			continue
		}
		list, _ := loop.written.get("for_each")
		if list.value == s.node {
			continue
		}
		n := loop.written.node
		if f.a.read.start(n) <= at && at < f.a.endOf(n) {
			return loop
		}
	}
	return nil
}

// endOf answers the offset behind the last scalar below a node.
func (a *Analysis) endOf(n *yaml.Node) int {
	for len(n.Content) > 0 {
		n = n.Content[len(n.Content)-1]
	}
	return a.read.node(n).to
}

func walkExpression(n ast.Node, visit func(ast.Node)) {
	visit(n)
	for _, child := range children(n) {
		walkExpression(child, visit)
	}
}

// symbolAt answers the name at a position.
func (a *Analysis) symbolAt(at Position) (occurrence, bool) {
	offset := a.offset(at)
	for _, o := range a.symbols {
		if !(o.lost && o.defines) && o.at.from <= offset && offset <= o.at.to {
			return o, true
		}
	}
	return occurrence{}, false
}

// Definition answers where the name at a position is given: the id of a step,
// the first `set` of a var, a param, the head of a loop, the playbook called.
func (a *Analysis) Definition(at Position) (Place, bool) {
	o, ok := a.symbolAt(at)
	if !ok {
		return Place{}, false
	}
	if o.kind == PlaybookName {
		source, ok := a.world.Calls[o.name]
		if !ok {
			return Place{}, false
		}
		top := Position{1, 1}
		return Place{source.File, Range{top, top}}, true
	}
	for _, p := range a.symbols {
		if p.defines && p.same(o) {
			return Place{a.file, a.rangeOf(p.at)}, true
		}
	}
	return Place{}, false
}

// References are all places at which the name at a position stands, its
// definition only if it is asked for.
func (a *Analysis) References(at Position, withDefinition bool) []Range {
	o, ok := a.symbolAt(at)
	if !ok {
		return nil
	}
	var all []Range
	for _, p := range a.symbols {
		if p.same(o) && (!p.defines || withDefinition && !p.lost) {
			all = append(all, a.rangeOf(p.at))
		}
	}
	return all
}

// Renamable answers the name at a position and where it stands, or why it
// cannot be renamed.
func (a *Analysis) Renamable(at Position) (string, Range, error) {
	o, ok := a.symbolAt(at)
	switch {
	case !ok:
		return "", Range{}, fmt.Errorf("there is no name of a step, var, param or loop here")
	case o.kind == PlaybookName:
		return "", Range{}, fmt.Errorf("a playbook is renamed in its own file, and where it is called")
	}
	return o.name, a.rangeOf(o.at), nil
}

// Edit is a change of a range of the text.
type Edit struct {
	Range Range
	Text  string
}

// Rename answers the edits that give the name at a position another one,
// everywhere in the file, or why that cannot be done.
func (a *Analysis) Rename(at Position, name string) ([]Edit, error) {
	if _, _, err := a.Renamable(at); err != nil {
		return nil, err
	}
	o, _ := a.symbolAt(at)
	switch {
	case !namePattern.MatchString(name) || len(name) > 64:
		return nil, fmt.Errorf("%s is no name: lower case letters, digits and _, beginning with a letter, at most 64", quoted(name))
	case o.name == name:
		return nil, nil
	case slices.Contains(ReservedNames(), name):
		return nil, fmt.Errorf("%s is a word of the language", name)
	}
	if strings.TrimPrefix(string(a.book.Text), "\ufeff") != a.src.text {
		return nil, fmt.Errorf("the file cannot be read as YAML yet: names in the lines that cannot be read would be missed")
	}
	var edits []Edit
	for _, p := range a.symbols {
		if p.kind == o.kind && p.name == name && (o.kind != LoopName || p.defines) {
			line, _ := a.src.position(p.at.from)
			return nil, fmt.Errorf("the %s %s is there already, on line %d", o.kind, name, line)
		}
		if !p.same(o) {
			continue
		}
		if p.lost && p.defines {
			return nil, fmt.Errorf("this for_each has no `as` to rename: add as: %s", name)
		}
		if p.lost {
			line, _ := a.src.position(p.at.from)
			return nil, fmt.Errorf("the name on line %d is written in a way that cannot be changed: write it plainly first", line)
		}
		edits = append(edits, Edit{a.rangeOf(p.at), name})
	}
	return edits, nil
}
