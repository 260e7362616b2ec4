package playbooks

import (
	"strconv"

	"gopkg.in/yaml.v3"
)

// params reads the playbook's inputs.
func (l *loader) params(p *Playbook, f fields) {
	x, ok := f.get("params")
	if !ok {
		return
	}
	all, _ := l.raw(x.value, "params")
	for _, x := range all.all {
		if l.goodName(x.key, "a param") {
			p.Params = append(p.Params, l.param(x))
		}
	}
}

func (l *loader) param(x field) Param {
	q := Param{Name: x.name, Type: Type{kind: kindBroken}, key: x.key}
	f, ok := l.mapping(x.value, place{
		name: "the param " + x.name, keys: []string{"type", "default", "description", "minimum", "maximum", "enum"},
		required: []string{"type"},
	})
	if !ok {
		return q
	}
	q.Description = l.optionalText(f, "description")
	if y, ok := f.get("type"); ok {
		q.Type = l.paramType(y.value)
	}
	q.Minimum, q.Maximum = l.limit(f, "minimum", q.Type), l.limit(f, "maximum", q.Type)
	if y, ok := f.get("maximum"); ok && q.Minimum != nil && q.Maximum != nil && *q.Minimum > *q.Maximum {
		l.add(l.src.node(y.value), "E204", "", "maximum is less than minimum")
	}
	if y, ok := f.get("enum"); ok {
		for _, n := range l.list(y.value, "enum") {
			if v, good := l.constant(n, q.Type, "an entry of enum"); good {
				q.Enum = append(q.Enum, v)
			}
		}
		if y.value.Kind == yaml.SequenceNode && len(y.value.Content) == 0 {
			l.add(l.src.node(y.value), "E204", "", "enum is empty")
		}
	}
	q.Required = true
	if y, ok := f.get("default"); ok {
		q.Required = false
		if v, good := l.constant(y.value, q.Type, "default"); good {
			q.Default = v
			if err := q.fault(v); err != nil {
				l.add(l.src.node(y.value), "E402", "", "default %v", err)
			}
		}
	}
	q.Type = q.enumerated()
	return q
}

// paramType reads a type: a name, or a list of one name.
func (l *loader) paramType(n *yaml.Node) Type {
	broken := Type{kind: kindBroken}
	if n.Kind == yaml.SequenceNode {
		if len(n.Content) != 1 {
			l.add(l.src.node(n), "E204", "such as [string]", "the type of a list names the type of its items")
			return broken
		}
		return ListOf(l.paramType(n.Content[0]))
	}
	known := []string{"string", "integer", "number", "boolean", "duration", "time", "size"}
	name := l.text(n, "type")
	t, ok := NamedType(name)
	if name != "" && (!ok || t.IsAny()) {
		hint := suggest(name, known)
		if hint == "" {
			hint = "string, integer, number, boolean, duration, time or size; [string] for a list"
		}
		l.add(l.src.node(n), "E204", hint, "there is no type %s", quoted(name))
	}
	if !ok || t.IsAny() {
		return broken
	}
	return t
}

// limit reads minimum or maximum: of a number, or of the length of a text or
// list.
func (l *loader) limit(f fields, key string, t Type) *float64 {
	x, ok := f.get(key)
	if !ok {
		return nil
	}
	at := l.src.node(x.value)
	switch {
	case t.kind == kindBroken:
		return nil
	case !t.numeric():
		l.add(l.src.node(x.key), "E210", "", "%s belongs to numbers, not to %s", key, t)
		return nil
	}
	v, err := strconv.ParseFloat(x.value.Value, 64)
	if x.value.Kind != yaml.ScalarNode || x.value.Tag != "!!int" && x.value.Tag != "!!float" || err != nil || !plainNumber.MatchString(x.value.Value) {
		l.add(at, "E203", "", "%s is a number, not %s", key, kindOf(x.value))
		return nil
	}
	return &v
}
