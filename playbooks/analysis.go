package playbooks

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Position is a place in a text: line and column from 1, the column in runes.
type Position struct{ Line, Column int }

// Range is a part of a text; its end is the first position behind it.
type Range struct{ Start, End Position }

// spot is an expression of a playbook, and what is known where it stands.
type spot struct {
	node  *yaml.Node // the scalar that it stands in
	text  string
	base  int // rune of the scalar's value where it begins
	scope Scope
	want  Type
}

// Analysis is what an editor asks of one playbook file while it is written. It
// is made anew for every version of the text, and asked by one goroutine at a
// time.
type Analysis struct {
	file     string
	src      *fileText
	world    World
	findings []Finding
	tree     *twig
	book     *Playbook // of the text, or of what can be read of it; nil
	read     *fileText // what book was read from: offsets are the same
	spots    []spot
	symbols  []occurrence
}

// Analyse reads a playbook file of any state. What cannot be read as YAML is
// left out, line by line, until the rest can: so steps, names and types are
// known while a line is being typed.
func Analyse(file string, text []byte, w World) *Analysis {
	a := newAnalysis(file, text, w)
	p, findings := Load(file, text)
	if p == nil && len(text) <= MaxFileSize {
		if whole, ok := readableRest(a.src, a.tree); ok {
			p, _ = Load(file, []byte(whole))
		}
	}
	if p == nil {
		a.findings = findings
		return a
	}
	broken := string(p.Text) != string(text)
	p.watch = func(s spot) { a.spots = append(a.spots, s) }
	more := Check(p, w)
	p.watch = nil
	if !broken {
		findings, p.Suppressed = p.suppress(sortFindings(append(findings, more...)), false)
	}
	a.book, a.read, a.findings = p, p.source, findings
	a.symbols = a.findSymbols()
	return a
}

// newAnalysis reads the text's outline; of a text that is too long for a
// playbook, none.
func newAnalysis(file string, text []byte, w World) *Analysis {
	a := &Analysis{file: file, src: newFileText(file, text), world: w, tree: &twig{indent: -1}}
	if len(text) <= MaxFileSize {
		a.tree = outlineOf(a.src)
	}
	return a
}

// Findings are those of LoadAndCheck.
func (a *Analysis) Findings() []Finding { return a.findings }

// readableRest blanks lines that YAML cannot read until the rest can be read as
// a mapping. Offsets stay the same.
func readableRest(src *fileText, tree *twig) (string, bool) {
	text := []byte(src.text)
	for _, at := range openValues(tree) { // they would swallow what follows
		line, _ := src.position(at.from)
		blank(text, span{src.starts[line-1], max(at.to, src.lineEnd(at.from))})
	}
	for range 40 {
		rep := &report{src: newFileText(src.file, text)}
		root := parseYAML(rep)
		if root != nil && root.Kind == yaml.MappingNode {
			return string(text), true
		}
		if len(rep.findings) == 0 {
			return "", false
		}
		line := rep.findings[0].Line
		for line > 1 && strings.TrimSpace(rep.src.line(line)) == "" {
			line--
		}
		if strings.TrimSpace(rep.src.line(line)) == "" {
			return "", false
		}
		from := rep.src.starts[line-1]
		blank(text, span{from, rep.src.lineEnd(from)})
	}
	return "", false
}

func blank(text []byte, at span) {
	for i := at.from; i < at.to; i++ {
		if text[i] != '\n' {
			text[i] = ' '
		}
	}
}

// openValues are brackets and quotes that nobody closed.
func openValues(t *twig) []span {
	if t.open && !t.flow {
		return []span{t.value}
	}
	var all []span
	for _, c := range t.children {
		all = append(all, openValues(c)...)
	}
	return all
}

// offset answers the byte offset of a position; one behind the end of its line
// is the end of the line.
func (a *Analysis) offset(at Position) int {
	if at.Line > len(a.src.starts) {
		return len(a.src.text)
	}
	line := max(1, at.Line)
	return min(a.src.offset(line, at.Column), a.src.lineEnd(a.src.starts[line-1]))
}

func (a *Analysis) rangeOf(at span) Range {
	var r Range
	r.Start.Line, r.Start.Column = a.src.position(at.from)
	r.End.Line, r.End.Column = a.src.position(at.to)
	return r
}

// spotAt answers the expression at an offset and the rune in its text.
func (a *Analysis) spotAt(offset int) (spot, int, bool) {
	for _, s := range a.spots {
		at := a.read.node(s.node)
		if offset < at.from || offset > at.to {
			continue
		}
		m := a.read.scalar(s.node)
		if m == nil {
			continue
		}
		n := len([]rune(s.text))
		for i := range n + 1 {
			r := s.base + i
			if r < len(m) && m[r] == offset || r+1 < len(m) && m[r] < offset && offset < m[r+1] {
				return s, i, true
			}
		}
	}
	return spot{}, 0, false
}

// spanIn answers where runes of an expression stand; not ok where that cannot
// be told.
func (a *Analysis) spanIn(s spot, from, to int) (span, bool) {
	if m := a.read.scalar(s.node); m == nil || s.base+to >= len(m) {
		return span{}, false
	}
	return a.read.inScalar(s.node, s.base+from, s.base+to), true
}

// meaning is what the grammar and the types say of a place in the structure.
type meaning struct {
	form form
	typ  Type // of data
	twig *twig
}

// meaningOf answers what stands below a twig: its value.
func (a *Analysis) meaningOf(t *twig) meaning {
	if t.parent == nil {
		return meaning{form: placeForm(string(PlaybookFile)), twig: t}
	}
	m := a.meaningOf(t.parent)
	out := meaning{twig: t, form: form{kind: formData}}
	if t.item {
		out.form = m.form.item()
		if elem, ok := m.typ.Present().Elem(); ok && m.typ.Present().IsList() {
			out.typ = elem
		}
		if m.form.kind == formStepIDs || m.form.kind == formWords {
			out.form = form{kind: formWord, words: m.form.words}
			if m.form.kind == formStepIDs {
				out.form = form{kind: formStepIDs}
			}
		}
		return out
	}
	out.form = m.form.behind(t.name)
	switch {
	case m.form.forMapping().kind == formWith:
		out.typ, _ = a.withType(t.parent.parent).Field(t.name)
	case m.typ.Present().IsRecord():
		out.typ, _ = m.typ.Present().Field(t.name)
	case m.typ.Present().IsReference():
		inner, _ := m.typ.Present().Elem()
		out.typ, _ = inner.Field(t.name)
	case m.typ.Present().IsMap():
		out.typ, _ = m.typ.Present().Elem()
	}
	return out
}

// withType is the type of what a step's `with` takes.
func (a *Analysis) withType(step *twig) Type {
	if step == nil {
		return Type{}
	}
	if uses := step.child("uses"); uses != nil && a.world.Catalog != nil {
		if action, ok := a.world.Catalog.Lookup(a.plain(uses.value)); ok {
			return TypeOf(action.Params)
		}
	}
	if call := step.child("call"); call != nil {
		if source, ok := a.world.Calls[a.plain(call.value)]; ok {
			if p, _ := Load(source.File, source.Text); p != nil {
				return p.paramsType()
			}
		}
	}
	return Type{}
}

// plain is a scalar without its quotes.
func (a *Analysis) plain(at span) string {
	return strings.Trim(a.src.text[at.from:at.to], `"' `)
}

// stepOf answers the step that a twig is in.
func (a *Analysis) stepOf(t *twig) *twig {
	for ; t != nil && t.parent != nil; t = t.parent {
		if t.item && a.meaningOf(t).form.place == "step" {
			return t
		}
	}
	return nil
}

// kindOfStep answers the shape of a step by the keys that it has.
func kindOfStep(step *twig) (shape, bool) {
	i := slices.IndexFunc(shapes(), func(sh shape) bool { return step.child(sh.key) != nil })
	if i < 0 {
		return shape{}, false
	}
	return shapes()[i], true
}

// ID is the playbook's id, "" while it has none.
func (a *Analysis) ID() string {
	if a.book == nil {
		return ""
	}
	return a.book.ID
}
