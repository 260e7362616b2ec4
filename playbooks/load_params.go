package playbooks

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

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

// The most that the constraints of a param may allow.
const (
	maxParamText  = 65_536
	maxParamItems = 10_000
	maxPattern    = 1_000 // instructions of its program
)

// ParamFormats are the kinds of texts that a param's format names.
func ParamFormats() []string { return []string{"email", "upn", "guid", "domain", "url", "kebab"} }

func (l *loader) param(x field) Param {
	q := Param{Name: x.name, Type: Type{kind: kindBroken}, key: x.key}
	f, ok := l.mapping(x.value, place{
		name: "the param " + x.name,
		keys: []string{
			"type", "default", "required", "minimum", "maximum", "enum", "min_length", "max_length", "pattern", "format",
			"min_items", "max_items", "unique", "description",
		},
		required: []string{"type"},
	})
	if !ok {
		return q
	}
	q.Description = l.optionalText(f, "description")
	if y, ok := f.get("type"); ok {
		q.Type = l.paramType(y.value)
	}
	l.constraints(&q, f)
	l.enum(&q, f)
	q.Required = true
	if y, ok := f.get("required"); ok {
		q.Required = l.boolean(y.value, "required")
		if q.Required && f.has("default") {
			l.add(l.src.node(y.key), "E210", "delete one of them", "a param that is required has no use for a default")
		}
	}
	if y, ok := f.get("default"); ok {
		q.Required = false
		l.defaultOf(&q, y)
	}
	q.Type = q.enumerated()
	if !q.Required && q.Default == nil && !f.has("default") {
		q.Type = OptionalOf(q.Type)
	}
	return q
}

func (l *loader) defaultOf(q *Param, y field) {
	if q.item().IsRecord() {
		l.add(l.src.node(y.key), "E623", "leave it out, or write required: false", "%s comes from outside: it has no default", q.Type)
		return
	}
	v, good := l.constant(y.value, q.Type, "default")
	if !good {
		return
	}
	q.Default = v
	if err := q.fault(v); err != nil {
		l.add(l.src.node(y.value), "E402", "", "default %v", err)
	}
}

// enum reads the only values that a param, or an item of its list, may have.
func (l *loader) enum(q *Param, f fields) {
	y, ok := f.get("enum")
	if !ok {
		return
	}
	others := *q
	others.Type = q.item()
	for _, n := range l.list(y.value, "enum") {
		v, good := l.constant(n, others.Type, "an entry of enum")
		if !good {
			continue
		}
		if slices.Contains(q.Enum, v) {
			l.add(l.src.node(n), "E206", "", "enum names %s twice", n.Value)
			continue
		}
		if err := others.fault(v); err != nil {
			l.add(l.src.node(n), "E622", "", "this entry of enum can never be given: it %v", err)
		}
		q.Enum = append(q.Enum, v)
	}
	if y.value.Kind == yaml.SequenceNode && len(y.value.Content) == 0 {
		l.add(l.src.node(y.value), "E204", "", "enum is empty")
	}
	if q.item().IsRecord() {
		l.add(l.src.node(y.key), "E210", "", "enum belongs to texts, numbers and the like, not to %s", q.Type)
	}
}

// item is the type that constraints of single values judge: of a list, its
// items'.
func (p Param) item() Type {
	t := p.Type.Present()
	if t.IsList() {
		t, _ = t.Elem()
	}
	return t
}

// constraints reads the bounds of a param's value.
func (l *loader) constraints(q *Param, f fields) {
	t := q.item()
	q.Minimum, q.Maximum = l.limit(f, "minimum", t), l.limit(f, "maximum", t)
	if y, ok := f.get("maximum"); ok && q.Minimum != nil && q.Maximum != nil && *q.Minimum > *q.Maximum {
		l.add(l.src.node(y.value), "E204", "", "maximum is less than minimum")
	}
	belongs := func(key, what string, is bool) bool {
		x, ok := f.get(key)
		if ok && !is && t.kind != kindBroken {
			l.add(l.src.node(x.key), "E210", "", "%s belongs to %s, not to %s", key, what, q.Type)
		}
		return ok && is
	}
	bound := func(key, what string, is bool, b numberRange) *int {
		if !belongs(key, what, is) {
			return nil
		}
		n := l.number(f, key, b)
		return &n
	}
	isText, isList := t.kind == kindString, q.Type.IsList()
	q.MinLength = bound("min_length", "texts", isText, numberRange{0, maxParamText, 0})
	q.MaxLength = bound("max_length", "texts", isText, numberRange{1, maxParamText, maxParamText})
	q.MinItems = bound("min_items", "lists", isList, numberRange{0, maxParamItems, 0})
	q.MaxItems = bound("max_items", "lists", isList, numberRange{1, maxParamItems, maxParamItems})
	for _, pair := range [][3]any{{"length", q.MinLength, q.MaxLength}, {"items", q.MinItems, q.MaxItems}} {
		least, most := pair[1].(*int), pair[2].(*int)
		if y, ok := f.get(fmt.Sprintf("max_%s", pair[0])); ok && least != nil && most != nil && *least > *most {
			l.add(l.src.node(y.value), "E204", "", "max_%s is less than min_%s", pair[0], pair[0])
		}
	}
	if belongs("format", "texts", isText) {
		q.Format = l.oneOf(f, "format", ParamFormats()...)
	}
	if belongs("pattern", "texts", isText) {
		y, _ := f.get("pattern")
		q.Pattern = l.pattern(y.value)
	}
	if belongs("unique", "lists", isList && t.IsScalar()) {
		y, _ := f.get("unique")
		q.Unique = l.boolean(y.value, "unique")
	}
}

// pattern reads a regular expression that is cheap enough to be asked of every
// value.
func (l *loader) pattern(n *yaml.Node) *regexp.Regexp {
	text := l.text(n, "pattern")
	if text == "" {
		return nil
	}
	wrong := func(why string) *regexp.Regexp {
		l.add(l.src.node(n), "E621", "RE2 knows neither look-around nor references; see https://github.com/google/re2/wiki/Syntax", "pattern %s: %s", quoted(text), why)
		return nil
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return wrong(strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil || len(prog.Inst) > maxPattern {
		return wrong("it is too large: write fewer or smaller repetitions")
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return wrong(err.Error())
	}
	return re
}

// paramType reads a type: a name, or a list of one name.
func (l *loader) paramType(n *yaml.Node) Type {
	broken := Type{kind: kindBroken}
	if n.Kind == yaml.SequenceNode {
		if len(n.Content) != 1 || n.Content[0].Kind != yaml.ScalarNode {
			l.add(l.src.node(n), "E204", "such as [string]", "the type of a list names the type of its items")
			return broken
		}
		return ListOf(l.paramType(n.Content[0]))
	}
	name := l.text(n, "type")
	if slices.Contains(entityParams(), name) {
		if name == "permission" {
			return RecordOf(name) // its fields are the catalog's: Check fills them in
		}
		return entityType(name)
	}
	known := append([]string{"string", "integer", "number", "boolean", "duration", "time", "size"}, entityParams()...)
	t, ok := NamedType(name)
	if name != "" && (!ok || t.IsAny()) {
		hint := suggest(name, known)
		if hint == "" {
			hint = "string, integer, number, boolean, duration, time or size, or an entity such as user or file; [string] for a list"
		}
		l.add(l.src.node(n), "E204", hint, "there is no type %s", quoted(name))
	}
	if !ok || t.IsAny() {
		return broken
	}
	return t
}

// entityParams are the kinds of entities that a param may be.
func entityParams() []string {
	return []string{"incident", "alert", "file", "user", "device", "mailbox", "message", "permission"}
}

// limit reads minimum or maximum.
func (l *loader) limit(f fields, key string, t Type) *float64 {
	x, ok := f.get(key)
	if !ok || t.kind == kindBroken {
		return nil
	}
	if !t.numeric() && t.kind != kindDuration {
		l.add(l.src.node(x.key), "E210", "", "%s belongs to numbers, sizes and durations, not to %s", key, t)
		return nil
	}
	if t.kind == kindInteger {
		t = NumberType()
	}
	v, good := l.constant(x.value, t, key)
	if !good {
		return nil
	}
	n, _ := asNumber(v)
	return &n
}
