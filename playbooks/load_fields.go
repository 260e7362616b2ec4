package playbooks

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// field is one key of a mapping with its value.
type field struct {
	name  string
	key   *yaml.Node
	value *yaml.Node
	cut   bool // a comma in a flow mapping cut the value
}

// fields are the keys of a mapping as written.
type fields struct {
	node *yaml.Node
	all  []field
}

func (f fields) get(name string) (field, bool) {
	for _, x := range f.all {
		if x.name == name {
			return x, true
		}
	}
	return field{}, false
}

func (f fields) has(name string) bool { _, ok := f.get(name); return ok }

// place says which keys a mapping may hold.
type place struct {
	name     string   // as messages call it
	keys     []string // what this version takes
	later    []string // part of the language, not of this version
	required []string
}

// loader turns nodes into a playbook.
type loader struct {
	*report
	steps  int
	ids    map[string]*yaml.Node
	spoken map[string][]*yaml.Node // of a test file: where names stand
}

// name is what steps, vars, params, loops and fields of collects are called.
var (
	namePattern  = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	kebabPattern = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
)

// raw reads the keys of a mapping without judging them, apart from those that a
// comma made. Known are keys that may stand there.
func (l *loader) raw(n *yaml.Node, what string, known ...string) (fields, bool) {
	f := fields{node: n}
	if n.Kind != yaml.MappingNode {
		hint := ""
		if n.Tag == "!!null" {
			hint = "write {} behind the colon, or its keys on the lines below"
		}
		l.add(l.src.node(n), "E203", hint, "%s is a mapping of keys to values, not %s", what, kindOf(n))
		return f, false
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Tag == "!!merge" || seen[key.Value] {
			continue // a finding already
		}
		seen[key.Value] = true
		if len(f.all) > 0 && n.Style&yaml.FlowStyle != 0 && !slices.Contains(known, key.Value) && isCut(key, value) {
			f.all[len(f.all)-1].cut = true
			l.add(l.src.node(key), "E110", "quote the expression or put it on a line of its own", "a comma cut this value in two: quote it or put it on its own line")
			continue
		}
		f.all = append(f.all, field{name: key.Value, key: key, value: value})
	}
	return f, true
}

// isCut reports a key of a flow mapping that is the rest of a value with a
// comma: no name, or without a value.
func isCut(key, value *yaml.Node) bool {
	if key.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
		return false
	}
	return value.Kind == yaml.ScalarNode && value.Tag == "!!null" && value.Value == "" ||
		strings.ContainsAny(key.Value, "()[]#\"'<>=?&|")
}

// mapping reads the keys of a mapping of a place.
func (l *loader) mapping(n *yaml.Node, p place) (fields, bool) {
	f, ok := l.raw(n, p.name, p.keys...)
	if !ok {
		return f, false
	}
	kept := f.all[:0]
	for _, x := range f.all {
		switch {
		case slices.Contains(p.keys, x.name):
			kept = append(kept, x)
		case slices.Contains(p.later, x.name):
			l.later(x.key, x.name)
		default:
			l.add(l.src.node(x.key), "E201", suggest(x.name, p.keys), "%s has no key %s", p.name, quoted(x.name))
		}
	}
	f.all = kept
	for _, name := range p.required {
		if !f.has(name) {
			l.add(l.src.node(n), "E202", "", "%s needs the key %s", p.name, name)
		}
	}
	return f, true
}

// later notes a word of the language that this version does not know yet.
func (l *loader) later(n *yaml.Node, word string) {
	l.add(l.src.node(n), "E207", "", "%s is part of the language but not of this version of stanch", word)
}

// list reads a list.
func (l *loader) list(n *yaml.Node, what string) []*yaml.Node {
	if n.Kind != yaml.SequenceNode {
		l.add(l.src.node(n), "E203", "", "%s is a list, not %s", what, kindOf(n))
		return nil
	}
	return n.Content
}

// text reads a literal text.
func (l *loader) text(n *yaml.Node, what string) string {
	if n.Kind != yaml.ScalarNode {
		l.add(l.src.node(n), "E203", "", "%s is a text, not %s", what, kindOf(n))
		return ""
	}
	if n.Tag != "!!str" {
		l.add(l.src.node(n), "E203", fmt.Sprintf("quote it: %q", n.Value), "%s is a text; without quotes YAML reads %s", what, kindOf(n))
		return ""
	}
	if i := strings.Index(n.Value, "${{"); i >= 0 {
		l.add(l.src.node(n), "E211", "", "%s is literal: ${{ }} is not read here", what)
	}
	l.eaten(n)
	l.ambiguous(n, what)
	return n.Value
}

// optionalText reads the literal text of a key, if it is there.
func (l *loader) optionalText(f fields, key string) string {
	if x, ok := f.get(key); ok {
		return l.text(x.value, key)
	}
	return ""
}

// texts reads a list of literal texts.
func (l *loader) texts(n *yaml.Node, what string) []string {
	var all []string
	for _, item := range l.list(n, what) {
		if t := l.text(item, "an entry of "+what); t != "" {
			all = append(all, t)
		}
	}
	return all
}

// oneOf reads one of a few words; absent is the first of them.
func (l *loader) oneOf(f fields, key string, words ...string) string {
	x, ok := f.get(key)
	if !ok {
		return words[0]
	}
	t := l.text(x.value, key)
	if t != "" && !slices.Contains(words, t) {
		l.add(l.src.node(x.value), "E204", suggest(t, words), "%s is one of %s, not %s", key, strings.Join(words, ", "), quoted(t))
		return words[0]
	}
	return t
}

// numberRange is the least and the most that a number may be.
type numberRange struct{ least, most, absent int }

// number reads a whole number.
func (l *loader) number(f fields, key string, b numberRange) int {
	x, ok := f.get(key)
	if !ok {
		return b.absent
	}
	return l.whole(x.value, key, b)
}

func (l *loader) whole(n *yaml.Node, what string, b numberRange) int {
	v, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" || err != nil {
		l.add(l.src.node(n), "E203", "", "%s is a whole number written in digits, not %s", what, kindOf(n))
		return b.absent
	}
	if !plainNumber.MatchString(n.Value) {
		l.add(l.src.node(n), "E203", "write digits only", "%s is written %s, which readers and programs take for different numbers", what, n.Value)
		return b.absent
	}
	if v < b.least || v > b.most {
		l.add(l.src.node(n), "E204", "", "%s is between %d and %d, not %d", what, b.least, b.most, v)
		return b.absent
	}
	return v
}

// boolean reads true or false.
func (l *loader) boolean(n *yaml.Node, what string) bool {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
		l.add(l.src.node(n), "E203", "write true or false", "%s is true or false, not %s", what, kindOf(n))
		return false
	}
	return strings.EqualFold(n.Value, "true")
}

// duration reads a literal duration.
func (l *loader) duration(f fields, key string, absent time.Duration) time.Duration {
	x, ok := f.get(key)
	if !ok {
		return absent
	}
	d, ok := l.literalDuration(x.value, key)
	if !ok {
		return absent
	}
	return d
}

// literalDuration reads a duration above nothing.
func (l *loader) literalDuration(n *yaml.Node, what string) (time.Duration, bool) {
	at := l.src.node(n)
	if n.Kind != yaml.ScalarNode {
		l.add(at, "E203", "such as 30s, 5m, 4h or 2d", "%s is a duration, not %s", what, kindOf(n))
		return 0, false
	}
	if n.Tag == "!!int" || n.Tag == "!!float" {
		l.add(at, "E209", fmt.Sprintf("write %ss, %sm, %sh or %sd", n.Value, n.Value, n.Value, n.Value), "%s has no unit: %s", what, n.Value)
		return 0, false
	}
	d, err := ParseDuration(n.Value)
	switch {
	case err != nil:
		l.add(at, "E209", "", "%s: %v", what, err)
		return 0, false
	case d <= 0:
		l.add(at, "E209", "such as 30s, 5m, 4h or 2d", "%s is more than nothing, not %s", what, n.Value)
		return 0, false
	}
	return d, true
}

// goodName judges the name of a step, var, param, loop or field.
func (l *loader) goodName(n *yaml.Node, what string) bool {
	if n.Kind != yaml.ScalarNode {
		l.add(l.src.node(n), "E203", "", "%s is a name, not %s", what, kindOf(n))
		return false
	}
	if !namePattern.MatchString(n.Value) || len(n.Value) > 64 {
		l.add(l.src.node(n), "E205", "lower case letters, digits and _, beginning with a letter, at most 64", "%s cannot be called %s%s", what, quoted(n.Value), foreign(n.Value))
		return false
	}
	return true
}

// foreign names the first character that looks like another one or is unusual.
func foreign(s string) string {
	for _, r := range s {
		if r > 0x7e {
			return fmt.Sprintf(": it holds %q (U+%04X)", r, r)
		}
	}
	return ""
}

// kindOf says in words what a node is.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case "!!null":
		return "nothing"
	case "!!int", "!!float":
		return "the number " + n.Value
	case "!!bool":
		return "the boolean " + n.Value
	case "!!timestamp":
		return "the date " + n.Value
	}
	return "the text " + quoted(n.Value)
}
