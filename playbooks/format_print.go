package playbooks

import (
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// modeline names the JSON Schema of a file to editors.
var modeline = regexp.MustCompile(`^# *yaml-language-server: *\$schema=`)

// lineWidth is how long a flow collection that stood on several lines may be to
// be written on one.
const lineWidth = 100

// printer writes a file again.
type printer struct {
	*arrangement
	src *fileText
}

// file writes the whole file.
func (p *printer) file(kind FileKind, root *yaml.Node) []byte {
	var lead, head []string
	if len(root.Content) > 0 {
		first := p.of(root.Content[0])
		head, first.head = first.head, nil
		if i := lastBlank(head); i >= 0 {
			lead, first.head = head[:i], head[i+1:]
		} else {
			first.head = head
		}
		first.head = slices.DeleteFunc(slices.Clone(first.head), func(c string) bool {
			if modeline.MatchString(c) {
				lead = slices.Insert(slices.Clone(lead), 0, c)
				return true
			}
			return false
		})
	}
	mode := slices.IndexFunc(lead, modeline.MatchString)
	var out []string
	switch {
	case mode >= 0:
		out = append(out, lead[mode])
		lead = slices.Delete(slices.Clone(lead), mode, mode+1)
	case kind != OtherFile:
		out = append(out, "# yaml-language-server: $schema="+kind.SchemaURL())
	}
	if lead = trimBlank(lead); len(lead) > 0 {
		out = append(append(out, lead...), "")
	}
	f := placeForm(string(kind))
	var body []string
	if len(root.Content) == 0 {
		body = []string{"{}"}
	} else {
		body = p.top(root, f)
	}
	out = append(out, body...)
	out = append(out, p.foot(root, 0)...)
	return []byte(strings.Join(out, "\n") + "\n")
}

func lastBlank(lines []string) int {
	for i, line := range slices.Backward(lines) {
		if line == "" {
			return i
		}
	}
	return -1
}

func trimBlank(lines []string) []string {
	for len(lines) > 0 && lines[0] == "" {
		lines = lines[1:]
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// top writes the keys of the file. What takes several lines stands apart.
func (p *printer) top(root *yaml.Node, f form) []string {
	var out []string
	wasLong := false
	for i, e := range p.ordered(root, f) {
		lines := p.entry(e, 0)
		head := p.headOf(e.key, 0, i == 0)
		long := len(lines) > 1
		if i > 0 && (long || wasLong) && (len(head) == 0 || head[0] != "") {
			out = append(out, "")
		}
		out = append(append(out, head...), lines...)
		wasLong = long
	}
	return out
}

// pair is an entry of a mapping that is to be written.
type pair struct {
	key, value *yaml.Node
	form       form
}

// ordered are the entries of a mapping in the order in which they are written.
func (p *printer) ordered(n *yaml.Node, f form) []pair {
	var all []pair
	for i := 0; i+1 < len(n.Content); i += 2 {
		all = append(all, pair{n.Content[i], n.Content[i+1], f.behind(n.Content[i].Value)})
	}
	f = f.forMapping()
	if f.kind != formPlace || cutSomewhere(n) {
		return all
	}
	names := grammar()[f.place].names()
	rank := func(e pair) int {
		if i := slices.Index(names, e.key.Value); i >= 0 {
			return i
		}
		return len(names)
	}
	slices.SortStableFunc(all, func(a, b pair) int { return rank(a) - rank(b) })
	return all
}

// cutSomewhere reports a flow mapping in which a comma has cut a value in two:
// what is the rest of what, only its order tells.
func cutSomewhere(n *yaml.Node) bool {
	for i := 0; n.Style&yaml.FlowStyle != 0 && i+1 < len(n.Content); i += 2 {
		if isCut(n.Content[i], n.Content[i+1]) {
			return true
		}
	}
	return false
}

// headOf are the lines above an entry; what stood behind it and has no place
// there any more is among them.
func (p *printer) headOf(entry *yaml.Node, indent int, first bool) []string {
	a := p.around[entry]
	if a == nil {
		return nil
	}
	head := slices.Clone(a.head)
	if len(a.line) > 1 {
		head = append(head, a.line[:len(a.line)-1]...)
	}
	if first && len(head) > 0 && head[0] == "" {
		head = head[1:]
	}
	return indented(head, indent)
}

// foot are the lines behind the last entry of a collection.
func (p *printer) foot(n *yaml.Node, indent int) []string { return indented(p.feet[n], indent) }

func indented(lines []string, indent int) []string {
	out := make([]string, len(lines))
	for i, line := range lines {
		if line != "" {
			out[i] = strings.Repeat(" ", indent) + line
		}
	}
	return out
}

// withLine puts the comment of an entry behind a line, as far behind as it was.
func (p *printer) withLine(line string, entry *yaml.Node) string {
	a := p.around[entry]
	if a == nil || len(a.line) == 0 {
		return line
	}
	return line + strings.Repeat(" ", max(1, a.gap)) + a.line[len(a.line)-1]
}

// entry writes a key with its value, without what stands above.
func (p *printer) entry(e pair, indent int) []string {
	lead := strings.Repeat(" ", indent) + p.key(e.key) + ":"
	switch {
	case e.value.Kind == yaml.ScalarNode:
		return p.scalarLines(lead, e, indent)
	case len(e.value.Content) == 0 && len(p.feet[e.value]) == 0:
		return []string{p.withLine(lead+" "+emptyOf(e.value), e.key)}
	}
	if flow, ok := p.flowLines(e.value, e.form, len(lead)+1); ok {
		flow[0] = lead + " " + flow[0]
		for i := range flow[1:] {
			flow[i+1] = strings.Repeat(" ", indent+2) + flow[i+1]
		}
		flow[len(flow)-1] = p.withLine(flow[len(flow)-1], e.key)
		return flow
	}
	if len(e.value.Content) == 0 { // nothing but comments
		return append([]string{p.withLine(lead+" "+emptyOf(e.value), e.key)}, p.foot(e.value, indent+2)...)
	}
	return append([]string{p.withLine(lead, e.key)}, p.collection(e.value, e.form, indent+2)...)
}

func emptyOf(n *yaml.Node) string {
	if n.Kind == yaml.MappingNode {
		return "{}"
	}
	return "[]"
}

// collection writes a mapping or list in block style.
func (p *printer) collection(n *yaml.Node, f form, indent int) []string {
	var out []string
	if n.Kind == yaml.MappingNode {
		for i, e := range p.ordered(n, f) {
			out = append(append(out, p.headOf(e.key, indent, i == 0)...), p.entry(e, indent)...)
		}
		return append(out, p.foot(n, indent)...)
	}
	apart := f.kind == formSteps && indent == 2
	wasLong := false
	for i, item := range n.Content {
		lines := p.listItem(item, f.item(), indent)
		head := p.itemHead(item, f.item(), indent, i == 0)
		long := len(lines) > 1
		if apart && i > 0 && (long || wasLong) && (len(head) == 0 || head[0] != "") {
			out = append(out, "")
		}
		out = append(append(out, head...), lines...)
		wasLong = long
	}
	return append(out, p.foot(n, indent)...)
}

// itemHead are the lines above an item: those above its first key too, which
// stands on the line of the dash.
func (p *printer) itemHead(item *yaml.Node, f form, indent int, first bool) []string {
	head := p.headOf(item, indent, first)
	for p.asBlock(item, f, indent+2) && len(item.Content) > 0 {
		entry := item.Content[0]
		if item.Kind == yaml.MappingNode {
			e := p.ordered(item, f)[0]
			entry, item = e.key, &yaml.Node{}
		} else {
			item, f = entry, f.item()
		}
		head = append(head, p.headOf(entry, indent, true)...)
		if item.Kind == 0 {
			break
		}
	}
	return head
}

// listItem writes an item behind its dash, without what stands above.
func (p *printer) listItem(item *yaml.Node, f form, indent int) []string {
	dash := strings.Repeat(" ", indent) + "-"
	if !p.asBlock(item, f, indent+2) {
		if item.Kind == yaml.ScalarNode {
			return p.scalarLines(dash, pair{item, item, f}, indent)
		}
		flow, _ := p.flowLines(item, f, indent+2)
		for i := range flow[1:] {
			flow[i+1] = strings.Repeat(" ", indent+2) + flow[i+1]
		}
		flow[0] = dash + " " + flow[0]
		flow[len(flow)-1] = p.withLine(flow[len(flow)-1], item)
		return flow
	}
	lines := p.collection(item, f, indent+2)
	// The comments above the first entry have gone above the dash.
	lines = lines[p.headLines(item, f, indent+2):]
	lines[0] = dash + lines[0][indent+1:]
	if a := p.around[item]; a != nil && len(a.line) > 0 {
		lines = slices.Insert(lines, 0, indented(a.line, indent)...)
	}
	return lines
}

// headLines is how many lines stand above the first entry of a block.
func (p *printer) headLines(n *yaml.Node, f form, indent int) int {
	if n.Kind == yaml.MappingNode {
		return len(p.headOf(p.ordered(n, f)[0].key, indent, true))
	}
	return len(p.itemHead(n.Content[0], f.item(), indent, true))
}

// asBlock reports whether a node is written in block style.
func (p *printer) asBlock(n *yaml.Node, f form, column int) bool {
	if n.Kind == yaml.ScalarNode || len(n.Content) == 0 {
		return false
	}
	_, flow := p.flowLines(n, f, column)
	return !flow
}
