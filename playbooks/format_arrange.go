package playbooks

import (
	"cmp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// arrangement says which comments and blank lines belong to which entry of a
// file. Comments are read from the text, not from the nodes: the YAML library
// moves them about.
type arrangement struct {
	src      *fileText
	spans    map[*yaml.Node]span // of scalars and of flow collections
	anchors  []anchor            // where entries begin, in the order of the text
	around   map[*yaml.Node]*around
	feet     map[*yaml.Node][]string // comments behind the last entry of a collection
	comments []string
	lost     *yaml.Node // a scalar whose text cannot be followed
}

// around is what stands around an entry: by its key in mappings, by its node in
// lists.
type around struct {
	head []string // lines above; "" is a blank one
	line []string // comments behind
	gap  int      // blanks before the last of them
}

// anchor is the beginning of an entry.
type anchor struct {
	at     int
	column int
	entry  *yaml.Node   // the key, or the item
	value  *yaml.Node   // what the entry holds
	path   []*yaml.Node // collections around, outermost first
}

// remark is a comment or a blank line in the text.
type remark struct {
	at     int
	text   string // "" of a blank line
	column int
	gap    int  // blanks before it
	own    bool // nothing but blanks before it on its line
}

func newArrangement(src *fileText, root *yaml.Node) *arrangement {
	r := &arrangement{
		src: src, spans: map[*yaml.Node]span{},
		around: map[*yaml.Node]*around{}, feet: map[*yaml.Node][]string{},
	}
	r.measure(root, 0)
	if r.lost != nil {
		return r
	}
	r.find(root, nil)
	slices.SortStableFunc(r.anchors, func(a, b anchor) int { return cmp.Compare(a.at, b.at) })
	r.attach(r.remarks())
	return r
}

func (r *arrangement) of(entry *yaml.Node) *around {
	a := r.around[entry]
	if a == nil {
		a = &around{}
		r.around[entry] = a
	}
	return a
}

// measure finds where nodes end, from the offset behind the last one on; it
// answers the offset behind n.
func (r *arrangement) measure(n *yaml.Node, from int) int {
	if n.Kind == yaml.ScalarNode {
		if n.Tag == "!!null" && n.Value == "" {
			return from
		}
		m := r.src.scalar(n)
		if m == nil {
			r.lost = n
			return from
		}
		at := span{r.src.start(n), min(m[len(m)-1], len(r.src.text))}
		if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
			at.to = max(at.to, r.src.lineEnd(at.from))
		}
		r.spans[n] = at
		return at.to
	}
	at := r.src.start(n)
	end := max(from, at)
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && child.Tag == "!!null" && child.Value == "" {
			r.lost = n
		}
		if end = max(end, r.measure(child, end)); r.lost != nil {
			return end
		}
	}
	if n.Style&yaml.FlowStyle != 0 {
		closing := byte(']')
		if n.Kind == yaml.MappingNode {
			closing = '}'
		}
		for end < len(r.src.text) && r.src.text[end] != closing {
			if r.src.text[end] == '#' && end > 0 && strings.IndexByte(" \t\n", r.src.text[end-1]) >= 0 {
				end = r.src.lineEnd(end)
				continue
			}
			end++
		}
		end = min(end+1, len(r.src.text))
		r.spans[n] = span{at, end}
	}
	return end
}

// find notes where entries begin.
func (r *arrangement) find(n *yaml.Node, path []*yaml.Node) {
	inside := append(slices.Clone(path), n)
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			r.anchors = append(r.anchors, anchor{r.src.start(key), key.Column, key, value, inside})
			r.find(value, inside)
		}
	case yaml.SequenceNode:
		for _, item := range n.Content {
			column := item.Column
			if n.Style&yaml.FlowStyle == 0 {
				column = n.Column
			}
			r.anchors = append(r.anchors, anchor{r.src.start(item), column, item, item, inside})
			r.find(item, inside)
		}
	}
}

// remarks are the comments and blank lines outside of scalars.
func (r *arrangement) remarks() []remark {
	var covered []span
	for n, at := range r.spans {
		if n.Kind == yaml.ScalarNode {
			covered = append(covered, at)
		}
	}
	slices.SortFunc(covered, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	var all []remark
	text, at := r.src.text, 0
	for at < len(text) {
		if len(covered) > 0 && at >= covered[0].from {
			if c, ok := r.header(covered[0]); ok {
				all = append(all, c)
			}
			at = max(at, covered[0].to)
			covered = covered[1:]
			continue
		}
		line, column := r.src.position(at)
		begin := r.src.starts[line-1]
		switch c := text[at]; {
		case c == '#':
			end := r.src.lineEnd(at)
			own := strings.Trim(text[begin:at], " \t") == ""
			all = append(all, remark{at, strings.TrimRight(text[at:end], " \t\r"), column, r.blanksBefore(at), own})
			at = end
		case c == '\n' && strings.Trim(text[begin:at], " \t\r") == "":
			all = append(all, remark{at: at, own: true})
			at++
		default:
			at++
		}
	}
	for _, c := range all {
		if c.text != "" {
			r.comments = append(r.comments, c.text)
		}
	}
	return all
}

// header is the comment behind the | or > of a block scalar.
func (r *arrangement) header(at span) (remark, bool) {
	if c := r.src.text[at.from]; c != '|' && c != '>' {
		return remark{}, false
	}
	end := r.src.lineEnd(at.from)
	i := strings.IndexByte(r.src.text[at.from:end], '#')
	if i < 0 {
		return remark{}, false
	}
	_, column := r.src.position(at.from + i)
	return remark{at.from + i, strings.TrimRight(r.src.text[at.from+i:end], " \t\r"), column, r.blanksBefore(at.from + i), false}, true
}

// blanksBefore is how many blanks stand before a comment.
func (r *arrangement) blanksBefore(at int) int {
	return at - len(strings.TrimRight(r.src.text[:at], " \t"))
}

// attach gives every remark to an entry or to the end of a collection.
func (r *arrangement) attach(all []remark) {
	var waiting []string // blank lines whose comment or entry is to come
	next, headed := 0, false
	for _, c := range all {
		for next < len(r.anchors) && r.anchors[next].at < c.at {
			if len(waiting) > 0 {
				r.of(r.anchors[next].entry).above(waiting...)
				waiting = nil
			}
			next++
			headed = false
		}
		switch {
		case c.text == "":
			waiting = append(waiting, "")
			continue
		case !c.own && r.behind(c, next):
			continue
		}
		lines := append(waiting, c.text)
		waiting = nil
		if foot := r.footOf(c, next); foot != nil && !headed {
			r.feet[foot] = append(r.feet[foot], lines...)
			continue
		}
		entry := r.inside(c, next)
		if entry == nil {
			entry = r.anchors[next].entry
			headed = true
		}
		r.of(entry).above(lines...)
	}
	if next < len(r.anchors) && len(waiting) > 0 {
		r.of(r.anchors[next].entry).above(waiting...)
	}
}

// above adds lines to the head; blank lines do not follow each other.
func (a *around) above(lines ...string) {
	for _, line := range lines {
		if line == "" && len(a.head) > 0 && a.head[len(a.head)-1] == "" {
			continue
		}
		a.head = append(a.head, line)
	}
}

// behind gives a comment to the entry that ends, or begins, on its line.
func (r *arrangement) behind(c remark, next int) bool {
	if next == 0 {
		return false
	}
	line, _ := r.src.position(c.at)
	begin := r.src.starts[line-1]
	owner := r.anchors[next-1]
	for _, a := range r.anchors[:next] { // the closing bracket of a flow collection
		if at, ok := r.spans[a.value]; ok && a.value.Kind != yaml.ScalarNode && at.to <= c.at && at.to > begin &&
			at.to > r.end(owner) {
			owner = a
		}
	}
	if owner.at < begin && r.end(owner) <= begin {
		return false
	}
	a := r.of(owner.entry)
	a.line = append(a.line, c.text)
	a.gap = c.gap
	return true
}

func (r *arrangement) end(a anchor) int {
	if at, ok := r.spans[a.value]; ok {
		return at.to
	}
	return a.at
}

// inside answers the entry between whose key and value a comment stands.
func (r *arrangement) inside(c remark, next int) *yaml.Node {
	if next == 0 {
		return nil
	}
	last := r.anchors[next-1]
	if at, ok := r.spans[last.value]; ok && at.from > c.at || next >= len(r.anchors) {
		return last.entry
	}
	return nil
}

// footOf answers the collection behind whose last entry a comment stands, nil
// if it stands above an entry.
func (r *arrangement) footOf(c remark, next int) *yaml.Node {
	if next == 0 {
		return nil
	}
	last := r.anchors[next-1]
	if at, ok := r.spans[last.value]; ok && at.from > c.at {
		return nil
	}
	for _, n := range slices.Backward(last.path) { // within the brackets of a flow collection
		if at, ok := r.spans[n]; ok && at.from < c.at && c.at < at.to {
			if next < len(r.anchors) && r.anchors[next].at < at.to {
				return nil
			}
			return n
		}
	}
	least := 0
	if next < len(r.anchors) {
		least = r.anchors[next].column
	}
	path := last.path
	if last.value.Kind != yaml.ScalarNode && last.value.Style&yaml.FlowStyle == 0 {
		path = append(slices.Clone(path), last.value)
	}
	for _, n := range slices.Backward(path) {
		if n.Style&yaml.FlowStyle == 0 && n.Column <= c.column && n.Column > least {
			return n
		}
	}
	if next < len(r.anchors) {
		return nil
	}
	return r.anchors[0].path[0] // behind everything
}
