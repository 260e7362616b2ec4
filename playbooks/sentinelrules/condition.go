package sentinelrules

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// expr is an expression of the language.
type expr struct {
	text  string
	loose string // its loosest operator outside brackets: or, and; "" for one that stands anywhere
}

func (e expr) inside(loosest string) string {
	if e.loose == "or" && loosest == "and" || e.loose != "" && loosest == "" {
		return "(" + e.text + ")"
	}
	return e.text
}

func joined(op string, parts []expr) expr {
	if len(parts) == 1 {
		return parts[0]
	}
	texts := make([]string, len(parts))
	for i, p := range parts {
		texts[i] = p.inside(op)
	}
	return expr{strings.Join(texts, " "+op+" "), op}
}

func not(e expr) expr { return expr{"not " + e.inside(""), "and"} }

// deepest is how many conditions may stand in one another.
const deepest = 8

// conditions carries over conditions that must all hold. It answers those that
// it can, and false if there is one that it cannot; that is noted.
func (t *translation) conditions(list []condition, depth int) ([]expr, bool) {
	var parts []expr
	whole := true
	for _, c := range list {
		part, why := t.condition(c, depth)
		if why != nil {
			t.note(*why)
			whole = false
			continue
		}
		parts = append(parts, part)
	}
	return parts, whole
}

// condition carries over one condition, or says why it cannot.
func (t *translation) condition(c condition, depth int) (expr, *Note) {
	switch {
	case depth > deepest:
		return expr{}, off("condition "+c.Type, fmt.Sprintf("conditions stand in one another more than %d deep", deepest), "write it with fewer brackets")
	case c.Type == "Property":
		return t.property(c.Parts)
	case c.Type == "PropertyArray":
		return t.array(c.Parts, depth)
	case c.Type == "PropertyChanged":
		return t.changed(c.Parts)
	case c.Type == "PropertyArrayChanged":
		return t.added(c.Parts)
	case c.Type == "Boolean":
		return t.boolean(c.Parts, depth)
	}
	return expr{}, off("condition "+c.Type, "this kind of condition is not known", "write the rule's `if` by hand")
}

// strictly decodes the parts of a condition. One that says more than is known
// here may hold for fewer incidents than what would be made of it.
func strictly(raw json.RawMessage, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

func unread(kind string, err error) *Note {
	return off("condition "+kind, "it cannot be read: "+strings.TrimPrefix(err.Error(), "json: "), "write the rule's `if` by hand")
}

func (t *translation) boolean(raw json.RawMessage, depth int) (expr, *Note) {
	var b struct {
		Op    string      `json:"operator"`
		Inner []condition `json:"innerConditions"`
	}
	if err := strictly(raw, &b); err != nil {
		return expr{}, unread("Boolean", err)
	}
	op := strings.ToLower(b.Op)
	if op != "and" && op != "or" || len(b.Inner) == 0 {
		return expr{}, off("condition Boolean", fmt.Sprintf("it is %q of %d conditions", b.Op, len(b.Inner)), "write the rule's `if` by hand")
	}
	parts, whole := t.conditions(b.Inner, depth+1)
	if !whole {
		return expr{}, off("condition Boolean "+b.Op, "not all of its conditions can be carried over", "see there")
	}
	return joined(op, parts), nil
}

// comparison is an operator with its values.
type comparison struct {
	Op     string   `json:"operator"`
	Values []string `json:"propertyValues"`
}

// check reads the operator: its positive form, and whether it is the negative.
func (c comparison) check(part string) (op string, negative bool, why *Note) {
	op, negative = strings.CutPrefix(c.Op, "Not")
	switch {
	case !slices.Contains([]string{"Equals", "Contains", "StartsWith", "EndsWith"}, op):
		return op, negative, off(part, fmt.Sprintf("the operator %q is not known", c.Op), "write the rule's `if` by hand")
	case len(c.Values) == 0 || slices.Contains(c.Values, ""):
		return op, negative, off(part, "it has no value, or an empty one: what Sentinel does then is not documented", "say what it is to be compared with")
	}
	return op, negative, nil
}

// holds is the question whether a text, which is in small letters, compares so
// with one of the values.
func (c comparison) holds(op, text string) expr {
	var values []string
	for _, v := range c.Values {
		if v = quote(strings.ToLower(v)); !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	word := map[string]string{"Equals": "==", "Contains": "contains", "StartsWith": "startsWith", "EndsWith": "endsWith"}[op]
	if op == "Equals" && len(values) > 1 {
		return expr{text + " in [" + strings.Join(values, ", ") + "]", "and"}
	}
	var parts []expr
	for _, v := range values {
		parts = append(parts, expr{text + " " + word + " " + v, "and"})
	}
	return joined("or", parts)
}

// fits reports whether a word compares so with one of the values.
func (c comparison) fits(op, word string) bool {
	word = strings.ToLower(word)
	return slices.ContainsFunc(c.Values, func(v string) bool {
		v = strings.ToLower(v)
		switch op {
		case "Equals":
			return word == v
		case "Contains":
			return strings.Contains(word, v)
		case "StartsWith":
			return strings.HasPrefix(word, v)
		}
		return strings.HasSuffix(word, v)
	})
}

// property carries over a condition about the incident as it is.
func (t *translation) property(raw json.RawMessage) (expr, *Note) {
	var p struct {
		Name string `json:"propertyName"`
		comparison
	}
	if err := strictly(raw, &p); err != nil {
		return expr{}, unread("Property", err)
	}
	part := "condition " + p.Name + " " + p.Op
	op, negative, why := p.check(part)
	if why != nil {
		return expr{}, why
	}
	if words, is := wordsOf(p.Name); is {
		return p.choice(part, words, op, negative)
	}
	if p.Name == "AlertProductNames" {
		return p.products(op, negative), nil
	}
	f, known := fieldOf(p.Name)
	switch {
	case !known:
		return expr{}, unsupported(part, p.Name)
	case negative && f.fewer != "":
		return expr{}, off(part, "the model does not have all that Sentinel compares: "+f.fewer, "say by a positive condition when the rule is to hold")
	case f.fewer != "":
		t.note(Note{Part: part, Effect: Differs, Why: "the model does not have all that Sentinel compares: " + f.fewer, Do: "nothing, if that is enough"})
	}
	if p.Name == "IPAddress" && op == "Equals" {
		p.Values = canonical(p.Values)
	}
	q := p.holds(op, f.text)
	if f.list == "" {
		if negative {
			return not(q), nil
		}
		return q, nil
	}
	if negative {
		return expr{"none(" + f.list + ", " + q.text + ")", ""}, nil
	}
	return expr{"any(" + f.list + ", " + q.text + ")", ""}, nil
}

// choice asks for one of the words that a property can have.
func (c comparison) choice(part string, words choices, op string, negative bool) (expr, *Note) {
	for _, v := range c.Values {
		one := comparison{Values: []string{v}}
		if !slices.ContainsFunc(words.words, func(w word) bool { return one.fits(op, w.sentinel) }) {
			return expr{}, off(part, fmt.Sprintf("%s fits none of the words that Sentinel has for it", quote(v)), "take one of "+strings.Join(words.names(), ", "))
		}
	}
	var ours []string
	for _, w := range words.words {
		if c.fits(op, w.sentinel) {
			ours = append(ours, quote(w.ours))
		}
	}
	if len(ours) == 1 {
		is := map[bool]string{false: " == ", true: " != "}[negative]
		return expr{words.text + is + ours[0], "and"}, nil
	}
	in := map[bool]string{false: " in [", true: " not in ["}[negative]
	return expr{words.text + in + strings.Join(ours, ", ") + "]", "and"}, nil
}
