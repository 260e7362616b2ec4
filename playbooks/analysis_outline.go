package playbooks

import (
	"slices"
	"strings"
)

// twig is an entry of the text's structure as lines and brackets show it: a key
// with its value, or an item of a list. Unlike nodes it is there while a text is
// being typed and cannot be read as YAML.
type twig struct {
	name     string // the key; "" of an item
	item     bool
	key      span // of an item: its dash
	value    span // the scalar as written, or the flow collection; empty if there is none
	indent   int  // bytes before the key or dash on its line
	flow     bool // inside { } or [ ]
	colon    bool // a key has its colon
	open     bool // the value is a bracket or quote that nobody closed
	end      int  // offset behind what belongs to it
	parent   *twig
	children []*twig
}

// outlineOf reads the structure of a text, whatever state it is in.
func outlineOf(src *fileText) *twig {
	root := &twig{indent: -1, end: len(src.text)}
	o := &outliner{src: src, at: root, root: root}
	for n := 1; n <= len(src.starts); n++ {
		n = o.line(n)
	}
	return root
}

type outliner struct {
	src  *fileText
	root *twig
	at   *twig // the last twig read
}

// line reads the entries that begin on a line and answers the last line that
// they take.
func (o *outliner) line(n int) int {
	line, start := o.src.line(n), o.src.starts[n-1]
	text := strings.TrimLeft(line, " ")
	if text == "" || text[0] == '#' {
		return n
	}
	indent := len(line) - len(text)
	for text != "" {
		if text == "-" || strings.HasPrefix(text, "- ") {
			item := &twig{item: true, indent: indent, key: span{start + indent, start + indent + 1}}
			o.under(item)
			rest := strings.TrimLeft(text[1:], " ")
			indent, text = indent+len(text)-len(rest), rest
			continue
		}
		break
	}
	if text == "" || text[0] == '#' {
		return n
	}
	if k := keyEnd(text); k > 0 {
		t := &twig{name: unquotedKey(text[:k]), colon: true, indent: indent, key: span{start + indent, start + indent + k}}
		o.under(t)
		rest := text[k:]
		from := k + strings.IndexByte(rest, ':') + 1
		o.grow(t, start+indent+from)
		return o.value(t, n, start+indent+from)
	}
	return o.bare(n, start+indent, indent, text)
}

// bare reads a line without a key: the rest of a value, the value of an item, or
// a key that is being typed.
func (o *outliner) bare(n, at, indent int, text string) int {
	if o.at.item && o.at.value.to == 0 && len(o.at.children) == 0 && o.at.key.from >= o.src.starts[n-1] {
		return o.value(o.at, n, at)
	}
	if o.at != o.root && indent > o.at.indent && o.at.value.to > 0 {
		o.at.value.to = at + len(strings.TrimRight(text, " "))
		o.grow(o.at, o.at.value.to)
		return n
	}
	word := strings.TrimRight(text, " ")
	t := &twig{name: word, indent: indent, key: span{at, at + len(word)}}
	o.under(t)
	return n
}

// under hangs a twig below the one that it belongs to by its indentation.
func (o *outliner) under(t *twig) {
	p := o.at
	for p != o.root && (p.indent > t.indent || p.indent == t.indent && (p.item || !t.item) || p.flow) {
		p = p.parent
	}
	t.parent = p
	p.children = append(p.children, t)
	o.at = t
	o.grow(t, t.key.to)
}

// grow makes a twig, and those around it, reach to an offset.
func (o *outliner) grow(t *twig, end int) {
	for ; t != nil; t = t.parent {
		t.end = max(t.end, end)
	}
}

// value reads what stands behind a key or dash and answers its last line.
func (o *outliner) value(t *twig, n, at int) int {
	text, lineEnd := o.src.text, o.src.lineEnd(at)
	for at < lineEnd && (text[at] == ' ' || text[at] == '\t' || text[at] == '\r') {
		at++
	}
	if at >= lineEnd || text[at] == '#' {
		return n
	}
	limit := o.limit(n, t.indent)
	switch text[at] {
	case '|', '>':
		end := limit
		t.value = span{at, end}
		o.grow(t, end)
		line, _ := o.src.position(max(at, end-1))
		return max(n, line)
	case '{', '[', '"', '\'':
		f := &flowReader{o: o, limit: limit}
		end := f.read(t, at)
		if t.open && end > lineEnd {
			f = &flowReader{o: o, limit: lineEnd}
			t.children = nil
			end = f.read(t, at)
		}
		t.value = span{at, end}
		o.grow(t, end)
		o.at = t
		line, _ := o.src.position(max(at, end-1))
		return line
	}
	t.value = span{at, plainEnd(text, at, lineEnd)}
	o.grow(t, t.value.to)
	return n
}

// limit is the offset behind the lines that may belong to a value: those that
// are blank or indented deeper.
func (o *outliner) limit(n, indent int) int {
	end := o.src.lineEnd(o.src.starts[n-1])
	for m := n + 1; m <= len(o.src.starts); m++ {
		line := o.src.line(m)
		text := strings.TrimLeft(line, " ")
		if text != "" && len(line)-len(text) <= indent {
			break
		}
		if text != "" {
			end = o.src.starts[m-1] + len(line)
		}
	}
	return end
}

func plainEnd(text string, at, lineEnd int) int {
	end := lineEnd
	if i := strings.Index(text[at:lineEnd], " #"); i >= 0 {
		end = at + i
	}
	for end > at && (text[end-1] == ' ' || text[end-1] == '\r' || text[end-1] == '\t') {
		end--
	}
	return end
}

// keyEnd is the length of the key at the beginning of a text, 0 if there is none.
func keyEnd(text string) int {
	if text[0] == '"' || text[0] == '\'' {
		end := closing(text)
		if rest := strings.TrimLeft(text[min(end, len(text)):], " "); strings.HasPrefix(rest, ":") {
			return end
		}
		return 0
	}
	if strings.IndexByte("{[|>&*!%@`", text[0]) >= 0 {
		return 0
	}
	for i := 0; i < len(text); i++ {
		if text[i] == ':' && (i+1 == len(text) || text[i+1] == ' ' || text[i+1] == '\r' || text[i+1] == '\t') {
			return len(strings.TrimRight(text[:i], " "))
		}
		if text[i] == '#' && i > 0 && text[i-1] == ' ' {
			return 0
		}
	}
	return 0
}

func unquotedKey(s string) string { return strings.Trim(s, `"'`) }

// flowReader reads flow collections and quoted texts up to a limit.
type flowReader struct {
	o     *outliner
	limit int
}

// read reads a value that begins with a bracket or quote and answers the offset
// behind it.
func (f *flowReader) read(t *twig, at int) int {
	text := f.o.src.text
	switch c := text[at]; c {
	case '"', '\'':
		n := closing(text[at:f.limit])
		t.open = n < 2 || text[at+n-1] != c
		return at + n
	case '{', '[':
		return f.entries(t, at+1, c)
	}
	end := at
	for end < f.limit && strings.IndexByte(",]}\n", text[end]) < 0 && !strings.HasPrefix(text[end:f.limit], " #") {
		end++
	}
	return at + len(strings.TrimRight(text[at:end], " \r\t"))
}

// entries reads the entries of a flow collection up to its closing bracket.
func (f *flowReader) entries(t *twig, at int, opening byte) int {
	text, closer := f.o.src.text, byte('}')
	if opening == '[' {
		closer = ']'
	}
	for {
		for at < f.limit && strings.IndexByte(" \t\r\n,", text[at]) >= 0 {
			at++
		}
		switch {
		case at >= f.limit:
			t.open = true
			return f.limit
		case text[at] == closer:
			return at + 1
		case text[at] == '#' || text[at] == ']' || text[at] == '}':
			at = max(at+1, min(f.limit, f.o.src.lineEnd(at)))
			continue
		}
		e := &twig{flow: true, indent: t.indent + 2, parent: t, item: opening == '['}
		t.children = append(t.children, e)
		if opening == '{' {
			at = f.key(e, at)
		} else {
			e.key = span{at, at}
		}
		at = f.entryValue(e, at)
		e.end = at
		t.open = t.open || e.open
	}
}

// key reads the key of a flow mapping's entry and answers where its value may
// begin.
func (f *flowReader) key(e *twig, at int) int {
	text, end := f.o.src.text, at
	if text[at] == '"' || text[at] == '\'' {
		end = at + closing(text[at:f.limit])
	} else {
		for end < f.limit && strings.IndexByte(",]}{[\n", text[end]) < 0 && (text[end] != ':' || end+1 < f.limit && text[end+1] != ' ' && text[end+1] != '\n') {
			end++
		}
	}
	e.key = span{at, at + len(strings.TrimRight(text[at:end], " \r\t"))}
	e.name = unquotedKey(text[e.key.from:e.key.to])
	if end < f.limit && text[end] == ':' {
		e.colon = true
		end++
	} else if end == at { // a bracket where a key should be
		end++
	}
	return end
}

func (f *flowReader) entryValue(e *twig, at int) int {
	text := f.o.src.text
	if !e.item && !e.colon {
		return at
	}
	for at < f.limit && strings.IndexByte(" \t\r\n", text[at]) >= 0 {
		at++
	}
	if at >= f.limit || strings.IndexByte(",]}", text[at]) >= 0 {
		return at
	}
	end := f.read(e, at)
	e.value = span{at, end}
	return max(end, at+1)
}

// find answers the innermost twig that an offset is in, or behind with nothing
// but blanks between them.
func (a *Analysis) find(offset int) *twig { return a.findBelow(a.tree, offset) }

func (a *Analysis) findBelow(t *twig, offset int) *twig {
	for _, c := range slices.Backward(t.children) {
		end := max(c.end, c.key.to, c.value.to)
		if c.key.from > offset || end < offset && strings.Trim(a.src.text[end:offset], " ") != "" {
			continue
		}
		if inner := a.findBelow(c, offset); inner != nil {
			return inner
		}
		return c
	}
	return nil
}

// child answers the entry with a name.
func (t *twig) child(name string) *twig {
	for _, c := range t.children {
		if c.name == name && !c.item {
			return c
		}
	}
	return nil
}
