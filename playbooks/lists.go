package playbooks

import "gopkg.in/yaml.v3"

// List is reference data that playbooks and rules name as lists.<name>.
type List struct {
	Name   string
	Title  string
	Type   Type   // of one item
	Items  []any  // as Decode of Type gives them
	Source Source // as loaded; what an edition keeps
}

// MaxItems is how many items a list may have.
const MaxItems = 10_000

// LoadList reads a file of reference data, with all findings. With errors among
// them the list is not to be used.
func LoadList(file string, text []byte) (List, []Finding) {
	l := &loader{report: &report{src: newFileText(file, text)}, ids: map[string]*yaml.Node{}}
	list := List{Source: Source{File: file, Text: text}, Type: Type{kind: kindBroken}}
	root := parseYAML(l.report)
	if root == nil {
		return list, sortFindings(l.findings)
	}
	f, ok := l.mapping(root, place{name: "a list", keys: []string{"name", "title", "type", "items"}, required: []string{"name", "type", "items"}})
	if !ok {
		return list, sortFindings(l.findings)
	}
	list.Title = l.optionalText(f, "title")
	if x, ok := f.get("name"); ok && l.goodName(x.value, "a list") {
		list.Name = l.text(x.value, "name")
	}
	if x, ok := f.get("type"); ok {
		list.Type = l.shapeOfData(x.value, "type")
		l.listType(x.value, list.Type)
	}
	if x, ok := f.get("items"); ok {
		list.Items = l.items(x.value, list.Type)
	}
	return list, sortFindings(l.findings)
}

// listType judges the type of the items: it says what they are, and entities and
// lists in lists are none.
func (l *loader) listType(n *yaml.Node, t Type) {
	if t.IsAny() || t.IsList() || t.Optional() {
		l.add(l.src.node(n), "E641", "name a type such as string, or the fields of a record: {upn: string, site: string}", "the items of a list cannot be %s", t)
	}
}

// items reads the items of a list, each once.
func (l *loader) items(n *yaml.Node, t Type) []any {
	nodes := l.list(n, "items")
	if len(nodes) > MaxItems {
		l.add(l.src.node(n), "E204", "keep it where it can be asked for, and read it with an action", "the list has %d items; the most is %d", len(nodes), MaxItems)
		return nil
	}
	all, seen := []any{}, map[string]int{}
	for _, item := range nodes {
		if t.kind == kindBroken {
			return nil
		}
		v, ok := l.item(item, t)
		if !ok {
			continue
		}
		raw, err := Encode(v)
		if err != nil {
			l.add(l.src.node(item), "E402", "", "an item %v", err)
			continue
		}
		if line, again := seen[string(raw)]; again {
			l.add(l.src.node(item), "W641", "delete it", "the same item stands on line %d", line)
		} else {
			seen[string(raw)] = item.Line
		}
		all = append(all, v)
	}
	if n.Kind == yaml.SequenceNode && len(nodes) == 0 {
		l.add(l.src.node(n), "W642", "fill it, or delete it with what reads it", "the list is empty: what asks whether something is in it is always answered no")
	}
	return all
}

// item reads one constant of a type, a record by its fields.
func (l *loader) item(n *yaml.Node, t Type) (any, bool) {
	t = t.Present()
	if !t.IsRecord() {
		return l.constant(n, t, "an item")
	}
	fields := t.Fields()
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	if n.Kind != yaml.MappingNode {
		return l.constant(n, t, "an item")
	}
	f, ok := l.raw(n, "an item", names...)
	record := map[string]any{}
	for _, field := range fields {
		x, given := f.get(field.Name)
		if !given {
			if field.Type.needed() {
				l.add(l.src.node(n), "E404", "", "an item needs %s (%s)", field.Name, field.Type)
				ok = false
			}
			record[field.Name], _ = field.Type.absent(&where{name: field.Name})
			continue
		}
		v, good := l.item(x.value, field.Type)
		record[field.Name], ok = v, ok && good
	}
	for _, x := range f.all {
		if _, known := t.Field(x.name); !known {
			l.add(l.src.node(x.key), "E405", suggest(x.name, names), "an item has no %s%s", quoted(x.name), knownNames(names))
			ok = false
		}
	}
	return record, ok
}

// LoadLists reads lists that stand together: by name, with all findings. A name
// that two files have is a finding in the second.
func LoadLists(files []Source) (map[string]List, []Finding) {
	lists, findings := map[string]List{}, []Finding{}
	for _, src := range files {
		l, found := LoadList(src.File, src.Text)
		if first, taken := lists[l.Name]; taken && l.Name != "" {
			r := &report{src: newFileText(src.File, src.Text)}
			r.add(r.src.lineSpan(1), "E206", "every list has a name of its own: rename one of them", "the list %s is also in %s", l.Name, first.Source.File)
			found = append(found, r.findings...)
		}
		if l.Name != "" && !HasErrors(found) {
			lists[l.Name] = l
		}
		findings = append(findings, found...)
	}
	return lists, sortFindings(findings)
}

// ListValues is what `lists` is when the playbook runs: the items of the lists that
// it names.
func (p *Playbook) ListValues() map[string]any { return listValues(p.Lists) }

func listValues(all []List) map[string]any {
	values := make(map[string]any, len(all))
	for _, l := range all {
		values[l.Name] = l.Items
	}
	return values
}

// listsType is what `lists` is: the reference data of the world by name.
func (c *linter) listsType() Type {
	if c.w.Lists == nil {
		return AnyType()
	}
	fields := []TypeField{}
	for _, name := range keysOf(c.w.Lists) {
		l := c.w.Lists[name]
		fields = append(fields, TypeField{Name: name, Type: ListOf(l.Type), Doc: "reference data: " + l.Title})
	}
	return RecordOf("lists", fields...)
}

// lists are those that the playbook names, in the order of their names.
func (c *linter) lists() []List {
	var all []List
	for _, name := range keysOf(c.named) {
		if l, ok := c.w.Lists[name]; ok {
			all = append(all, l)
		}
	}
	return all
}
