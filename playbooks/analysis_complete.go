package playbooks

import (
	"maps"
	"slices"
	"strings"
)

// CompletionKind says what a completion is, for its picture in the editor.
type CompletionKind string

// The kinds of completions.
const (
	CompleteKey      CompletionKind = "key"
	CompleteValue    CompletionKind = "value"
	CompleteAction   CompletionKind = "action"
	CompleteField    CompletionKind = "field"
	CompleteName     CompletionKind = "name"
	CompleteFunction CompletionKind = "function"
	CompleteWord     CompletionKind = "word"
)

// Completion is one thing that may stand at a position.
type Completion struct {
	Label  string
	Kind   CompletionKind
	Detail string // its type, or what it is
	Doc    string // Markdown
	Insert string
	Range  Range // what Insert takes the place of
	Must   bool  // a required key
}

// Complete answers what may stand at a position, in the order in which the
// language has it: keys, values, names of actions, and inside expressions
// names, fields and functions. It works while the text is broken.
func Complete(file string, text []byte, at Position, w World) []Completion {
	if len(text) > MaxFileSize {
		return nil
	}
	a := newAnalysis(file, text, w)
	c := &completer{Analysis: a, at: a.offset(at)}
	return c.all()
}

type completer struct {
	*Analysis
	at  int
	out []Completion
}

func (c *completer) all() []Completion {
	if c.inComment() {
		return nil
	}
	t := c.find(c.at)
	if t != nil && c.inValue(t) {
		c.value(t)
		return c.out
	}
	c.keyAt(t)
	return c.out
}

// inComment reports whether a comment stands before the position on its line.
func (c *completer) inComment() bool {
	line, _ := c.src.position(c.at)
	text := c.src.text[c.src.starts[line-1]:c.at]
	t := c.find(c.at)
	inText := t != nil && t.value.from < c.at && c.at <= t.value.to
	return !inText && (strings.HasPrefix(strings.TrimSpace(text), "#") || strings.Contains(text, " #"))
}

// inValue reports whether the position is behind a colon or a dash of a twig, on
// its line, or in its value.
func (c *completer) inValue(t *twig) bool {
	if t.value.to > 0 && t.value.from <= c.at && (c.at <= t.value.to || c.sameLine(t.value.to, c.at)) {
		bracket := strings.IndexByte("{", c.src.text[t.value.from]) >= 0
		return !bracket
	}
	if !t.colon || t.value.to > 0 {
		return false
	}
	return c.at > t.key.to && c.sameLine(t.key.to, c.at)
}

func (c *completer) sameLine(a, b int) bool {
	return !strings.Contains(c.src.text[min(a, b):max(a, b)], "\n")
}

// keyAt completes a key: in the mapping that the indentation says, or in the
// flow mapping around.
func (c *completer) keyAt(t *twig) {
	word := span{c.at, c.at}
	for word.from > 0 && isWordByte(c.src.text[word.from-1]) {
		word.from--
	}
	for word.to < len(c.src.text) && isWordByte(c.src.text[word.to]) {
		word.to++
	}
	parent := c.flowAround(t)
	if parent == nil {
		parent = c.blockAround(word.from)
	}
	if parent == nil {
		return
	}
	m := c.meaningOf(parent)
	has := map[string]bool{}
	for _, sibling := range parent.children {
		if sibling.key.from != word.from {
			has[sibling.name] = true
		}
	}
	if m.form.kind == formSteps || !parent.item && m.form.kind == formPlace && m.form.place == "step" && parent.parent == nil {
		return
	}
	c.keys(m, parent, has, word)
	if len(parent.children) == 0 || parent.item && len(has) == 0 {
		if !parent.item || m.form.kind != formPlace {
			c.words(m, word)
		}
	}
}

func isWordByte(b byte) bool {
	return b == '_' || b == '-' || b == '.' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

// flowAround answers the flow mapping that the position is in.
func (c *completer) flowAround(t *twig) *twig {
	for ; t != nil && t.parent != nil; t = t.parent {
		if t.value.to > 0 && c.src.text[t.value.from] == '{' && t.value.from < c.at && (c.at < t.value.to || t.open) {
			return t
		}
	}
	return nil
}

// blockAround answers the twig under which a key that begins at an offset would
// hang.
func (c *completer) blockAround(from int) *twig {
	line, _ := c.src.position(from)
	start := c.src.starts[line-1]
	lead := c.src.text[start:from]
	indent := len(lead)
	if rest := strings.TrimLeft(lead, " "); rest != "" {
		if strings.Trim(rest, "- ") != "" {
			return nil // something else stands before it
		}
	}
	before := c.src.text[:start] + strings.Repeat(" ", 0)
	tree := outlineOf(newFileText(c.file, []byte(before+lead+"zz:\n")))
	at := tree
	for len(at.children) > 0 {
		at = at.children[len(at.children)-1]
	}
	if at.name != "zz" || at.indent != indent {
		return nil
	}
	// The same twig in the whole text knows what comes below too.
	want := at.parent
	if want == tree {
		return c.tree
	}
	if found := c.tree.at(want.key, want.item); found != nil {
		return found
	}
	return want
}

// at finds the twig whose key or dash stands at a place.
func (t *twig) at(key span, item bool) *twig {
	for _, child := range t.children {
		if child.key.from == key.from && child.item == item {
			return child
		}
		if found := child.at(key, item); found != nil {
			return found
		}
	}
	return nil
}

// keys offers the keys that a mapping does not have yet.
func (c *completer) keys(m meaning, parent *twig, has map[string]bool, word span) {
	f := m.form.forMapping()
	add := func(k keyword) {
		if has[k.name] {
			return
		}
		insert := k.name + ": "
		switch k.form.kind {
		case formSteps, formPlace, formNamed, formQuestions, formTemplates, formTypes, formNumbers, formTextLists, formWith:
			insert = k.name + ":"
		}
		if parent.flow || c.flowAround(c.find(c.at)) != nil {
			insert = k.name + ": "
		}
		c.out = append(c.out, Completion{
			Label: k.name, Kind: CompleteKey, Detail: k.form.String(), Doc: k.doc,
			Insert: insert, Range: c.rangeOf(word), Must: k.must,
		})
	}
	switch f.kind {
	case formPlace:
		for _, k := range grammar()[f.place].keys {
			if f.place != "step" || mayHave(parent, k.name) {
				add(k)
			}
		}
	case formNumbers, formTextLists:
		for _, name := range f.names {
			add(keyword{name: name, doc: "by kind"})
		}
	case formWith:
		for _, x := range c.withType(parent.parent).Fields() {
			add(keyword{name: x.Name, form: form{kind: formData}, doc: x.Doc, must: x.Type.needed()})
			if n := len(c.out); n > 0 && c.out[n-1].Label == x.Name {
				c.out[n-1].Detail = x.Type.String()
			}
		}
	case formData:
		record := m.typ.Present()
		if inner, ok := record.Elem(); ok && record.IsReference() {
			record = inner
		}
		for _, x := range record.Fields() {
			add(keyword{name: x.Name, form: form{kind: formData}, doc: x.Doc})
		}
	}
}

// mayHave reports whether a step may have a key besides those that it has.
func mayHave(step *twig, key string) bool {
	sh, ok := kindOfStep(step)
	if !ok {
		return true
	}
	common := []string{"id", "title", "if"}
	return key == sh.key || slices.Contains(common, key) || slices.Contains(sh.own, key) || slices.Contains(sh.also, key)
}

// value completes what stands behind a key or dash.
func (c *completer) value(t *twig) {
	m := c.meaningOf(t)
	if text, ok := c.expressionAt(t, m.form); ok {
		c.expression(t, text)
		return
	}
	word := span{c.at, c.at}
	if t.value.to > 0 && c.at <= t.value.to && c.src.text[t.value.from] != '[' {
		word = t.value
		for word.from < word.to && isQuote(rune(c.src.text[word.from])) {
			word.from++
		}
		for word.to > word.from && isQuote(rune(c.src.text[word.to-1])) {
			word.to--
		}
	}
	if t.value.to > 0 && c.src.text[t.value.from] == '[' {
		item := &twig{item: true, parent: t, key: word, flow: true}
		m = c.meaningOf(item)
		for word.from > t.value.from+1 && isWordByte(c.src.text[word.from-1]) {
			word.from--
		}
	}
	c.words(m, word)
}

// words offers the values that a form or type names.
func (c *completer) words(m meaning, word span) {
	add := func(kind CompletionKind, label, detail, doc string) {
		c.out = append(c.out, Completion{Label: label, Kind: kind, Detail: detail, Doc: doc, Insert: label, Range: c.rangeOf(word)})
	}
	for _, w := range m.form.words {
		add(CompleteValue, w, "", "")
	}
	switch m.form.kind {
	case formBoolean:
		add(CompleteValue, "true", "", "")
		add(CompleteValue, "false", "", "")
	case formAction:
		if c.world.Catalog == nil {
			return
		}
		for _, name := range c.world.Catalog.Names() {
			action, _ := c.world.Catalog.Lookup(name)
			add(CompleteAction, name, string(action.Class), actionDoc(action))
		}
	case formPlaybook:
		for _, id := range slices.Sorted(maps.Keys(c.world.Calls)) {
			add(CompleteValue, id, c.world.Calls[id].File, "")
		}
	case formStepIDs:
		a := Analyse(c.file, []byte(c.src.text), c.world)
		for _, o := range a.symbols {
			if o.kind == StepName && o.defines {
				add(CompleteName, o.name, "step", "")
			}
		}
	case formType:
		for _, name := range typeNames() {
			add(CompleteValue, name, "type", "")
		}
	case formData:
		t := m.typ.Present()
		if elem, ok := t.Elem(); ok && t.IsList() {
			t = elem.Present()
		}
		for _, v := range t.Values() {
			add(CompleteValue, v, t.Name(), "")
		}
		if t.kind == kindBoolean {
			add(CompleteValue, "true", "", "")
			add(CompleteValue, "false", "", "")
		}
	}
}

// typeNames are the types that params and columns may have.
func typeNames() []string {
	names := []string{"string", "integer", "number", "boolean", "duration", "time", "size"}
	return append(names, slices.Sorted(maps.Keys(entityTypes()))...)
}
