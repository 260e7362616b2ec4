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

// shortDuration prints a duration without the units that are nought: 4h, 90s
// as 1m30s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// plainNumber is a number as playbooks write it. YAML also knows octal, hex,
// 1_000 and .inf, which readers take for something else.
var plainNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// constant reads a value without ${{ }} as a t. It makes a finding and answers
// false when it is none; what names the place in messages.
func (r *report) constant(n *yaml.Node, t Type, what string) (any, bool) {
	t = t.Present()
	at := r.src.node(n)
	wrong := func(hint string) (any, bool) {
		r.add(at, "E402", hint, "%s is %s; expected %s", what, kindOf(n), t)
		return nil, false
	}
	if n.Kind != yaml.ScalarNode {
		return r.collection(n, t, what)
	}
	switch n.Tag {
	case "!!str":
		return r.textConstant(n, t, what)
	case "!!int", "!!float":
		return r.numberConstant(n, t, what)
	case "!!bool":
		if t.kind == kindBoolean || t.IsAny() || t.IsZero() {
			return n.Value == "true" || n.Value == "True" || n.Value == "TRUE", true
		}
		return wrong(quoteHint(n, t))
	case "!!timestamp":
		if t.kind == kindTime {
			return wrong(`quote it and give the time: "2026-03-02T09:00:00Z"`)
		}
		return wrong("quote it: without quotes YAML reads a date")
	}
	return wrong("leave the key out, or give it a value")
}

func quoteHint(n *yaml.Node, t Type) string {
	if n.Tag == "!!null" {
		return "give it a value, or leave the key out"
	}
	if n.Kind == yaml.ScalarNode && (t.textual() || t.IsReference()) {
		return fmt.Sprintf("quote it: %q", n.Value)
	}
	return ""
}

func (r *report) numberConstant(n *yaml.Node, t Type, what string) (any, bool) {
	at := r.src.node(n)
	if !plainNumber.MatchString(n.Value) && (t.numeric() || t.IsAny() || t.IsZero()) {
		r.add(at, "E402", "write digits only, or quote a text", "%s is written %s, which readers and programs take for different numbers", what, n.Value)
		return nil, false
	}
	if i, err := strconv.Atoi(n.Value); err == nil && (t.numeric() || t.IsAny() || t.IsZero()) {
		if t.kind == kindNumber {
			return float64(i), true
		}
		return i, true
	}
	if f, err := strconv.ParseFloat(n.Value, 64); err == nil && (t.kind == kindNumber || t.IsAny() || t.IsZero()) {
		return f, true
	}
	hint := quoteHint(n, t)
	if t.kind == kindDuration {
		hint = fmt.Sprintf("write %ss, %sm, %sh or %sd", n.Value, n.Value, n.Value, n.Value)
		r.add(at, "E209", hint, "%s has no unit: %s", what, n.Value)
		return nil, false
	}
	r.add(at, "E402", hint, "%s is %s; expected %s", what, kindOf(n), t)
	return nil, false
}

// textConstant reads a text as a t.
func (r *report) textConstant(n *yaml.Node, t Type, what string) (any, bool) {
	at, v := r.src.node(n), n.Value
	var err error
	switch t.kind {
	case kindString, kindRef, kindAny, kindNone, kindBroken:
		return v, !r.ambiguous(n, what)
	case kindEnum:
		if values := t.Values(); !slices.Contains(values, v) {
			r.add(at, "E403", suggest(v, values), "%s is one of %s, not %s", what, strings.Join(values, ", "), quoted(v))
			return nil, false
		}
		return v, true
	case kindDuration:
		var d time.Duration
		if d, err = ParseDuration(v); err == nil {
			return d, true
		}
		r.add(at, "E209", "", "%s: %v", what, err)
		return nil, false
	case kindSize:
		var size int
		if size, err = ParseSize(v); err == nil {
			return size, true
		}
	case kindTime:
		var moment time.Time
		if moment, err = time.Parse(time.RFC3339, v); err == nil {
			return moment.UTC(), true
		}
		err = fmt.Errorf("%q is no time: write it as 2026-03-02T09:00:00Z", shorten(v))
	}
	if err != nil {
		r.add(at, "E402", "", "%s: %v", what, err)
		return nil, false
	}
	hint := ""
	switch {
	case t.kind == kindBoolean && slices.Contains([]string{"yes", "on", "y", "no", "off", "n"}, strings.ToLower(v)):
		hint = "write true or false"
	case t.numeric() && plainNumber.MatchString(v), t.kind == kindBoolean && (v == "true" || v == "false"):
		hint = "write it without quotes"
	case t.IsList():
		hint = fmt.Sprintf("write a list: [%s]", v)
	}
	r.add(at, "E402", hint, "%s is %s; expected %s", what, kindOf(n), t)
	return nil, false
}

// collection reads a list or mapping of constants.
func (r *report) collection(n *yaml.Node, t Type, what string) (any, bool) {
	elem := AnyType()
	free := t.IsAny() || t.IsZero()
	switch {
	case n.Kind == yaml.SequenceNode && (t.IsList() || free):
		if t.IsList() {
			elem, _ = t.Elem()
		}
		list, ok := make([]any, 0, len(n.Content)), true
		for _, item := range n.Content {
			v, good := r.constant(item, elem, "an entry of "+what)
			list, ok = append(list, v), ok && good
		}
		return list, ok
	case n.Kind == yaml.MappingNode && (t.IsMap() || free):
		if t.IsMap() {
			elem, _ = t.Elem()
		}
		m, ok := map[string]any{}, true
		for i := 0; i+1 < len(n.Content); i += 2 {
			v, good := r.constant(n.Content[i+1], elem, what+"."+n.Content[i].Value)
			m[n.Content[i].Value], ok = v, ok && good
		}
		return m, ok
	}
	r.add(r.src.node(n), "E402", "", "%s is %s; expected %s", what, kindOf(n), t)
	return nil, false
}

// otherwise is plain text that some YAML readers take for a boolean or number.
var otherwise = regexp.MustCompile(`^(?:[yYnN]|[yY]es|YES|[nN]o|NO|[oO]n|ON|[oO]ff|OFF|[0-9]+(?::[0-5]?[0-9])+)$`)

// ambiguous makes a finding of plain text that YAML readers read differently.
func (r *report) ambiguous(n *yaml.Node, what string) bool {
	const written = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	if n.Style&written != 0 || !otherwise.MatchString(n.Value) {
		return false
	}
	r.add(r.src.node(n), "E114", fmt.Sprintf("quote it: %q", n.Value), "%s is %s, which some YAML readers take for a boolean or a number", what, n.Value)
	return true
}

// suggest is the hint that names the nearest known word.
func suggest(word string, known []string) string {
	if near := Nearest(word, known); near != "" {
		return "did you mean " + near + "?"
	}
	return ""
}

// eaten looks whether a comment has cut a plain scalar: ` #` begins one.
func (r *report) eaten(n *yaml.Node) bool {
	if n.Kind != yaml.ScalarNode || n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return false
	}
	m := r.src.scalar(n)
	if m == nil {
		return false
	}
	end := m[len(m)-1]
	rest := r.src.text[end:r.src.lineEnd(end)]
	comment := strings.TrimLeft(rest, " \t")
	if !strings.HasPrefix(comment, "#") {
		return false
	}
	at := end + len(rest) - len(comment)
	if openEnded(n.Value) {
		r.add(span{at, at + len(strings.TrimRight(comment, " \t\r"))}, "E111", "quote the value or write it behind >-", "YAML took the rest of this value for a comment: %s", quoted(comment))
		return true
	}
	if len(comment) > 1 && comment[1] != ' ' && comment[1] != '#' && comment[1] != '-' && comment[1] != '=' {
		r.add(span{at, at + len(strings.TrimRight(comment, " \t\r"))}, "W506", "quote the value if this belongs to it, or put a blank behind #", "YAML takes %s for a comment", quoted(comment))
	}
	return false
}

// openEnded reports whether a value ends inside brackets or quotes.
func openEnded(value string) bool {
	open := 0
	for i := 0; i < len(value); i++ {
		switch c := value[i]; c {
		case '(', '[', '{':
			open++
		case ')', ']', '}':
			open--
		case '"', '`':
			n := textEnd(value[i:])
			if n < 0 {
				return true
			}
			i += n - 1
		case '\'':
			if n := textEnd(value[i:]); n > 0 { // an apostrophe is no quote
				i += n - 1
			}
		}
	}
	return open > 0
}
