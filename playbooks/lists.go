package playbooks

// List is reference data that playbooks and rules name as lists.<name>.
type List struct {
	Name   string
	Title  string
	Type   Type   // of one item
	Items  []any  // as Decode of Type gives them
	Source Source // as loaded; what an edition keeps
}

// ListValues is what `lists` is when the playbook runs: the items of the lists that
// it names.
func (p *Playbook) ListValues() map[string]any {
	values := make(map[string]any, len(p.Lists))
	for _, l := range p.Lists {
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
		fields = append(fields, TypeField{Name: name, Type: ListOf(c.w.Lists[name].Type), Doc: "reference data"})
	}
	return RecordOf("", fields...)
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
