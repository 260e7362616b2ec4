package playbooks

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// caseNode keeps the node of a value until it can be checked.
type caseNode struct{ field field }

// LoadCases reads a test file, with every finding at once; nil where the text
// is no YAML mapping. What depends on the playbook is CheckCases's.
func LoadCases(file string, text []byte) (*CaseFile, []Finding) {
	l := &loader{report: &report{src: newFileText(file, text)}, ids: map[string]*yaml.Node{}}
	root := parseYAML(l.report)
	if root == nil {
		return nil, sortFindings(l.findings)
	}
	f := &CaseFile{File: file, source: l.src, keys: map[string][]*yaml.Node{}}
	l.spoken = f.keys
	if !l.record(root, reflect.ValueOf(f).Elem(), "a test file") {
		return nil, sortFindings(l.findings)
	}
	names := map[string]bool{}
	for i := range f.Cases {
		l.judgeCase(&f.Cases[i], names)
	}
	if len(f.Cases) == 0 {
		l.add(l.src.node(root), "E204", "", "cases is empty: there is nothing to try")
	}
	return f, sortFindings(l.findings)
}

// judgeCase looks at what the types of a case do not say.
func (l *loader) judgeCase(c *Case, names map[string]bool) {
	at := span{}
	if c.Line > 0 {
		at = l.src.lineSpan(c.Line)
	}
	if names[c.Name] {
		l.add(at, "E206", "every case has a name of its own", "two cases are called %s", quoted(c.Name))
	}
	names[c.Name] = true
	if given := c.Event.given(); len(given) > 1 {
		l.add(at, "E603", "", "the event of case %s is several at once: %s", quoted(c.Name), strings.Join(given, ", "))
	}
	for _, p := range c.Events {
		if !p.At.IsZero() && p.After > 0 {
			l.add(at, "E204", "give one of them", "event %s of case %s has both at and after", p.Name, quoted(c.Name))
		}
	}
}

// given are the keys that say what the event is.
func (e CaseEvent) given() []string {
	var given []string
	for name, is := range map[string]bool{
		"incident": e.Incident != nil, "alert": e.Alert != nil, "scheduled_at": !e.ScheduledAt.IsZero(),
		"row": e.Row != nil, "rows": e.Rows != nil, "body": e.Body != nil, "subject": e.Subject != nil,
	} {
		if is {
			given = append(given, name)
		}
	}
	slices.Sort(given)
	return given
}

// record reads a mapping into a struct by its tags.
func (l *loader) record(n *yaml.Node, into reflect.Value, what string) bool {
	t := into.Type()
	p := place{name: what}
	at := map[string]int{}
	for i := range t.NumField() {
		name := t.Field(i).Tag.Get("json")
		if name == "" || name == "-" {
			continue
		}
		at[name] = i
		p.keys = append(p.keys, name)
		if t.Field(i).Tag.Get("required") == "true" {
			p.required = append(p.required, name)
		}
	}
	f, ok := l.mapping(n, p)
	if !ok {
		return false
	}
	for _, x := range f.all {
		field := t.Field(at[x.name])
		l.value(x, into.Field(at[x.name]), field.Tag.Get("enum"))
		if x.name == "name" && t == reflect.TypeFor[Case]() {
			into.FieldByName("Line").SetInt(int64(x.key.Line))
		}
	}
	return true
}

// value reads what stands under a key into a field of a struct.
func (l *loader) value(x field, into reflect.Value, enum string) {
	n := x.value
	switch v := into.Addr().Interface().(type) {
	case *time.Time:
		if t, ok := l.constant(n, TimeType(), x.name); ok {
			*v = t.(time.Time)
		}
		return
	case *time.Duration:
		if d, ok := l.literalDuration(n, x.name); ok {
			*v = d
		}
		return
	case *any:
		*v, _ = l.plain(n, x.name, 0)
		return
	case *string:
		*v = l.caseText(n, x.name, enum)
		return
	case *CaseAction:
		*v = l.caseAction(x)
		return
	case *CaseAnswer:
		*v = l.caseAnswer(x)
		return
	case *ExpectEffects:
		l.expectEffects(x, v)
		return
	case *[]CaseCheck:
		*v = l.checks(x)
		return
	}
	l.nested(x, into, enum)
}

func (l *loader) nested(x field, into reflect.Value, enum string) {
	n := x.value
	switch into.Kind() {
	case reflect.Bool:
		if v, ok := l.constant(n, BooleanType(), x.name); ok {
			into.SetBool(v.(bool))
		}
	case reflect.Int:
		into.SetInt(int64(l.whole(n, x.name, numberRange{0, 1_000_000, 0})))
	case reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		l.value(x, into.Elem(), enum)
	case reflect.Struct:
		l.record(n, into, x.name)
	case reflect.Slice:
		list := l.list(n, x.name)
		into.Set(reflect.MakeSlice(into.Type(), len(list), len(list)))
		for i, item := range list {
			l.value(field{name: fmt.Sprintf("an entry of %s", x.name), key: item, value: item}, into.Index(i), "")
		}
	case reflect.Map:
		into.Set(reflect.MakeMap(into.Type()))
		f, _ := l.raw(n, x.name)
		for _, y := range f.all {
			l.spoken[y.name] = append(l.spoken[y.name], y.key)
			v := reflect.New(into.Type().Elem()).Elem()
			l.value(y, v, "")
			into.SetMapIndex(reflect.ValueOf(y.name), v)
		}
	default:
		panic("playbooks: the test file's types hold a " + into.Type().String())
	}
}

// caseText reads a text; ${{ }} in it is no finding, since a name may tell of it.
func (l *loader) caseText(n *yaml.Node, what, enum string) string {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		hint := ""
		if n.Kind == yaml.ScalarNode {
			hint = fmt.Sprintf("quote it: %q", n.Value)
		}
		l.add(l.src.node(n), "E203", hint, "%s is a text, not %s", what, kindOf(n))
		return ""
	}
	l.eaten(n)
	l.spoken[n.Value] = append(l.spoken[n.Value], n)
	if words := strings.Split(enum, ","); enum != "" && !slices.Contains(words, n.Value) {
		l.add(l.src.node(n), "E204", suggest(n.Value, words), "%s is one of %s, not %s", what, strings.Join(words, ", "), quoted(n.Value))
		return ""
	}
	return n.Value
}

// plain reads a value as it is; null is a value here.
func (l *loader) plain(n *yaml.Node, what string, depth int) (any, bool) {
	switch {
	case depth > MaxDepth:
		l.add(l.src.node(n), "E107", "", "%s is nested deeper than %d", what, MaxDepth)
		return nil, false
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		return nil, true
	case n.Kind == yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, item := range n.Content {
			v, _ := l.plain(item, "an entry of "+what, depth+1)
			list = append(list, v)
		}
		return list, true
	case n.Kind == yaml.MappingNode:
		m := map[string]any{}
		f, _ := l.raw(n, what)
		for _, x := range f.all {
			m[x.name], _ = l.plain(x.value, what+"."+x.name, depth+1)
		}
		return m, true
	}
	return l.constant(n, AnyType(), what)
}
