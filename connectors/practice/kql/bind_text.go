package kql

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// textual binds the comparisons of texts: has, contains, =~, matches regex, …
//
// Source: learn.microsoft.com/kusto/query/datatypes-string-operators.
func (b *binder) textual(x *binary, l, r node) (node, error) {
	for _, side := range []node{l, r} {
		if side.typ != String && side.typ != Dynamic && side.typ != GUID {
			return node{}, semantic(x.place, "%sOperator '%s' cannot be applied to %s; use tostring()", b.where(), x.op, side.typ)
		}
	}
	if x.op == "matches" {
		return b.matches(x, l, r)
	}
	op, not := strings.CutPrefix(x.op, "!")
	test := textTest(op)
	if test == nil {
		return node{}, semantic(x.place, "%sUnknown operator '%s'", b.where(), x.op)
	}
	run := b.run
	return node{Bool, func(row []any) any {
		s, part := asText(l.eval(row)), asText(r.eval(row))
		if !run.spend(1 + len(s)/16) {
			return nil
		}
		return test(s, part) != not
	}, false}, nil
}

func (b *binder) matches(x *binary, l, r node) (node, error) {
	re, err := b.regex(x.y, r)
	if err != nil {
		return node{}, err
	}
	run := b.run
	return node{Bool, func(row []any) any {
		s := asText(l.eval(row))
		if !run.spend(1 + len(s)) {
			return nil
		}
		return re.MatchString(s)
	}, false}, nil
}

// regex compiles a pattern, which no row may change.
func (b *binder) regex(at expr, n node) (*regexp.Regexp, error) {
	if !n.fixed || n.typ != String {
		return nil, semantic(at.at(), "%sthe regular expression must be a constant text", b.where())
	}
	re, err := regexp.Compile(n.eval(nil).(string))
	if err != nil {
		return nil, semantic(at.at(), "%sthe regular expression is not valid: %v", b.where(), err)
	}
	return re, nil
}

func textTest(op string) func(s, part string) bool {
	folding := func(f func(s, part string) bool) func(string, string) bool {
		return func(s, part string) bool { return f(strings.ToLower(s), strings.ToLower(part)) }
	}
	plainOp, cs := strings.CutSuffix(op, "_cs")
	var f func(s, part string) bool
	switch plainOp {
	case "=~":
		return strings.EqualFold
	case "~": // what is left of !~
		return strings.EqualFold
	case "has":
		f = func(s, part string) bool { return term(s, part, true, true) }
	case "hasprefix":
		f = func(s, part string) bool { return term(s, part, true, false) }
	case "hassuffix":
		f = func(s, part string) bool { return term(s, part, false, true) }
	case "contains":
		f = strings.Contains
	case "startswith":
		f = strings.HasPrefix
	case "endswith":
		f = strings.HasSuffix
	default:
		return nil
	}
	if cs {
		return f
	}
	return folding(f)
}

// term reports whether part stands in s with no letter or digit right before
// it, right behind it, or both.
func term(s, part string, before, behind bool) bool {
	if part == "" {
		return true
	}
	for from := 0; ; {
		i := strings.Index(s[from:], part)
		if i < 0 {
			return false
		}
		i += from
		first, _ := utf8.DecodeLastRuneInString(s[:i])
		last, _ := utf8.DecodeRuneInString(s[i+len(part):])
		if (!before || i == 0 || !wordRune(first)) && (!behind || i+len(part) == len(s) || !wordRune(last)) {
			return true
		}
		_, n := utf8.DecodeRuneInString(s[i:])
		from = i + n
	}
}

func wordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// among binds in, has_any and has_all.
func (b *binder) among(x *among) (node, error) {
	v, err := b.bind(x.x)
	if err != nil {
		return node{}, err
	}
	op, not := strings.CutPrefix(x.op, "!")
	list, err := b.list(x)
	if err != nil {
		return node{}, err
	}
	run := b.run
	if op == "has_any" || op == "has_all" {
		has := textTest("has")
		return folded(node{Bool, func(row []any) any {
			s := asText(v.eval(row))
			hit := func(part any) bool { return run.spend(1+len(s)/16) && has(s, asText(part)) }
			if op == "has_any" {
				return slices.ContainsFunc(list, hit)
			}
			return !slices.ContainsFunc(list, func(part any) bool { return !hit(part) })
		}, false}, v), nil
	}
	fold := func(v any) string {
		if s, is := v.(string); is && op == "in~" {
			v = strings.ToLower(s)
		}
		return run.key(v)
	}
	set := map[string]bool{}
	for _, item := range list {
		if v.typ != Dynamic {
			item = converted(item, v.typ)
		}
		set[fold(item)] = true
	}
	return folded(node{Bool, func(row []any) any {
		if !run.spend(1) {
			return nil
		}
		value := v.eval(row)
		if value == nil {
			return not
		}
		return set[fold(value)] != not
	}, false}, v), nil
}

// list computes the values behind in; lists among them are laid open.
func (b *binder) list(x *among) ([]any, error) {
	if q := x.query; q != nil && (len(x.items) == 0 || b.isTable(q.source.table)) {
		t, err := b.run.pipeline(q, b.names)
		if err != nil {
			return nil, err
		}
		if len(t.Columns) != 1 {
			return nil, semantic(x.place, "%sthe query behind '%s' must have one column, and has %d", b.where(), x.op, len(t.Columns))
		}
		out := make([]any, 0, len(t.Rows))
		for _, r := range t.Rows {
			out = append(out, r[0])
		}
		return out, nil
	}
	var out []any
	for _, item := range x.items {
		n, err := b.bind(item)
		if err != nil {
			return nil, err
		}
		if !n.fixed {
			return nil, semantic(item.at(), "%sthe values behind '%s' must be constants", b.where(), x.op)
		}
		if l, is := n.eval(nil).([]any); is {
			out = append(out, l...)
		} else {
			out = append(out, n.eval(nil))
		}
	}
	return out, nil
}

func (b *binder) isTable(name string) bool {
	if b.column(name) >= 0 {
		return false
	}
	if in := b.names.find(name); in != nil {
		return in.isTable
	}
	_, is := b.run.o.Table(name)
	return is
}
