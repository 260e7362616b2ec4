package kql

import (
	"maps"
	"strings"
	"time"
)

// function is a scalar function: what it takes and how it is computed.
type function struct {
	// takes has a letter for each argument: s text, n number, t datetime,
	// d timespan, j dynamic, b bool, a anything; behind a point stand those
	// that may be left out, and a star repeats the last.
	takes  string
	result Type
	f      func(r *run, args []any) any
}

// accepts reports whether a value of the type may stand for the letter.
func accepts(letter byte, t Type) bool {
	switch letter {
	case 's':
		return t == String || t == Dynamic || t == GUID
	case 'n':
		return numeric(t) || t == Dynamic
	case 't':
		return t == DateTime || t == Dynamic
	case 'd':
		return t == TimeSpan
	case 'j':
		return t == Dynamic
	case 'b':
		return t == Bool || t == Dynamic
	}
	return true
}

// prepared is v as the function behind the letter wants it.
func prepared(letter byte, v any) any {
	switch letter {
	case 's':
		return asText(v)
	case 't':
		return asTime(v)
	case 'b':
		return asBool(v)
	}
	return v
}

// spread says which letter each of n arguments has; false if so many do not
// fit.
func spread(takes string, n int) (string, bool) {
	need, more, _ := strings.Cut(takes, ".")
	need, repeat := strings.CutSuffix(need, "*")
	all := need + more
	if n < len(need) || n > len(all) && !repeat {
		return "", false
	}
	for len(all) < n {
		all += all[len(all)-1:]
	}
	return all[:n], true
}

func (b *binder) call(x *call) (node, error) {
	if len(x.args) == 1 {
		if _, is := x.args[0].(*star); is {
			return node{}, semantic(x.place, "%s%s(*) makes no sense here", b.where(), x.fn)
		}
	}
	args := make([]node, len(x.args))
	for i, a := range x.args {
		n, err := b.bind(a)
		if err != nil {
			return node{}, err
		}
		args[i] = n
	}
	if out, is, err := b.shaped(x, args); is || err != nil {
		return folded(out, args...), err
	}
	f, known := b.run.functions()[x.fn]
	if !known {
		if aggregates(x.fn) {
			return node{}, semantic(x.place, "%sFunction '%s' cannot be invoked in the current context: it is an aggregation function", b.where(), x.fn)
		}
		return node{}, semantic(x.place, "%sUnknown function: '%s'", b.where(), x.fn)
	}
	letters, fits := spread(f.takes, len(args))
	if !fits {
		return node{}, semantic(x.place, "%s%s(): function does not expect %d argument(s)", b.where(), x.fn, len(args))
	}
	for i := range args {
		if !accepts(letters[i], args[i].typ) {
			return node{}, semantic(x.args[i].at(), "%s%s(): argument #%d has the wrong type %s", b.where(), x.fn, i+1, args[i].typ)
		}
	}
	run := b.run
	out := node{f.result, func(row []any) any {
		if !run.spend(1) {
			return nil
		}
		values := make([]any, len(args))
		for i := range args {
			values[i] = prepared(letters[i], args[i].eval(row))
		}
		v := f.f(run, values)
		if s, is := v.(string); is && !run.built(len(s)) {
			return ""
		}
		return v
	}, false}
	return folded(out, args...), nil
}

// shaped binds the functions whose result's type follows from their arguments.
func (b *binder) shaped(x *call, args []node) (node, bool, error) {
	count := func(least, most int) error {
		if len(args) < least || len(args) > most {
			return semantic(x.place, "%s%s(): function does not expect %d argument(s)", b.where(), x.fn, len(args))
		}
		return nil
	}
	switch x.fn {
	case "iff", "iif":
		if err := count(3, 3); err != nil {
			return node{}, true, err
		}
		out, err := b.choice(x, args)
		return out, true, err
	case "case":
		if err := count(3, 65); err != nil || len(args)%2 == 0 {
			return node{}, true, semantic(x.place, "%scase(): function does not expect %d argument(s)", b.where(), len(args))
		}
		out, err := b.choice(x, args)
		return out, true, err
	case "coalesce", "min_of", "max_of":
		if err := count(2, 64); err != nil {
			return node{}, true, err
		}
		out, err := b.firstOf(x, args)
		return out, true, err
	case "bin", "floor":
		if err := count(2, 2); err != nil {
			return node{}, true, err
		}
		out, err := b.bin(x, args[0], args[1])
		return out, true, err
	case "abs":
		if err := count(1, 1); err != nil {
			return node{}, true, err
		}
		out, err := b.abs(x, args[0])
		return out, true, err
	case "extract":
		out, err := b.extract(x, args)
		return out, true, err
	case "replace_regex":
		out, err := b.replaceRegex(x, args)
		return out, true, err
	}
	return node{}, false, nil
}

// choice binds iff and case: conditions, each before its value, and a last
// value.
func (b *binder) choice(x *call, args []node) (node, error) {
	var values []node
	for i := range args {
		if i%2 == 1 || i == len(args)-1 {
			values = append(values, args[i])
			continue
		}
		n, err := b.truth(x.args[i].at(), args[i])
		if err != nil {
			return node{}, err
		}
		args[i] = n
	}
	typ, err := b.oneType(x, values)
	if err != nil {
		return node{}, err
	}
	return node{typ, func(row []any) any {
		at := len(args) - 1
		for i := 0; i+1 < len(args); i += 2 {
			if args[i].eval(row) == true {
				at = i + 1
				break
			}
		}
		return converted(args[at].eval(row), typ)
	}, false}, nil
}

// oneType is the type that values of all these types can have.
func (b *binder) oneType(x *call, values []node) (Type, error) {
	typ := values[0].typ
	for _, v := range values[1:] {
		t, fits := common(typ, v.typ)
		if typ != v.typ && (typ == Dynamic || v.typ == Dynamic) {
			t = Dynamic
		}
		if !fits {
			return "", semantic(x.place, "%s%s(): the values have different types: %s and %s", b.where(), x.fn, typ, v.typ)
		}
		typ = t
	}
	return typ, nil
}

func (b *binder) firstOf(x *call, args []node) (node, error) {
	typ, err := b.oneType(x, args)
	if err != nil {
		return node{}, err
	}
	return node{typ, func(row []any) any {
		var best any
		for _, a := range args {
			v := converted(a.eval(row), typ)
			switch {
			case v == nil:
			case x.fn == "coalesce" && (typ != String || v != ""):
				return v
			case best == nil:
				best = v
			default:
				if c, is := compared(v, best); is && c != 0 && (c < 0) == (x.fn == "min_of") {
					best = v
				}
			}
		}
		if best == nil && typ == String {
			return ""
		}
		return best
	}, false}, nil
}

// bin rounds down to a multiple.
func (b *binder) bin(x *call, v, size node) (node, error) {
	typ := v.typ
	switch {
	case v.typ == DateTime && size.typ == TimeSpan, v.typ == TimeSpan && size.typ == TimeSpan:
	case numeric(v.typ) && numeric(size.typ):
		typ, _ = common(v.typ, size.typ)
	default:
		return node{}, semantic(x.place, "%s%s(): cannot round %s to %s", b.where(), x.fn, v.typ, size.typ)
	}
	return node{typ, func(row []any) any {
		switch to := size.eval(row).(type) {
		case time.Duration:
			if to <= 0 {
				return nil
			}
			switch at := v.eval(row).(type) {
			case time.Time:
				return inRange(at.UTC().Truncate(to))
			case time.Duration:
				m := at % to
				if m < 0 {
					m += to
				}
				return at - m
			}
		default:
			return binNumber(v.eval(row), to, typ)
		}
		return nil
	}, false}, nil
}

func binNumber(v, size any, typ Type) any {
	if typ == Real {
		x, is := asReal(v).(float64)
		y, too := asReal(size).(float64)
		if !is || !too || y <= 0 {
			return nil
		}
		return floorOf(x/y) * y
	}
	x, is := v.(int64)
	y, too := size.(int64)
	if !is || !too || y <= 0 {
		return nil
	}
	m := x % y
	if m < 0 {
		m += y
	}
	return x - m
}

func (b *binder) abs(x *call, v node) (node, error) {
	if !numeric(v.typ) && v.typ != TimeSpan {
		return node{}, semantic(x.place, "%sabs(): argument #1 has the wrong type %s", b.where(), v.typ)
	}
	return node{v.typ, func(row []any) any {
		switch n := v.eval(row).(type) {
		case int64:
			return max(n, -n)
		case float64:
			return max(n, -n)
		case time.Duration:
			return max(n, -n)
		}
		return nil
	}, false}, nil
}

// extract binds extract(regex, group, text).
func (b *binder) extract(x *call, args []node) (node, error) {
	if len(args) != 3 || args[1].typ != Long || !args[1].fixed {
		return node{}, semantic(x.place, "%sextract(): expected a constant regular expression, the number of a group, and a text", b.where())
	}
	re, err := b.regex(x.args[0], args[0])
	if err != nil {
		return node{}, err
	}
	group, _ := args[1].eval(nil).(int64)
	if group < 0 || int(group) > re.NumSubexp() {
		return node{}, semantic(x.args[1].at(), "%sextract(): the regular expression has no group %d", b.where(), group)
	}
	run := b.run
	return node{String, func(row []any) any {
		s := asText(args[2].eval(row))
		if !run.spend(1 + len(s)) {
			return ""
		}
		if m := re.FindStringSubmatch(s); m != nil {
			return m[group]
		}
		return ""
	}, false}, nil
}

func (b *binder) replaceRegex(x *call, args []node) (node, error) {
	if len(args) != 3 {
		return node{}, semantic(x.place, "%sreplace_regex(): expected a text, a constant regular expression and a text", b.where())
	}
	re, err := b.regex(x.args[1], args[1])
	if err != nil {
		return node{}, err
	}
	run := b.run
	return node{String, func(row []any) any {
		s, by := asText(args[0].eval(row)), strings.NewReplacer(`\0`, "${0}", `\1`, "${1}", `\2`, "${2}", "$", "$$").Replace(asText(args[2].eval(row)))
		if !run.built(len(s) * (1 + len(by))) {
			return ""
		}
		return re.ReplaceAllString(s, by)
	}, false}, nil
}

// functions are the functions by name, those of texts and of times too.
func (r *run) functions() map[string]function {
	if r.known == nil {
		r.known = conversions()
		maps.Copy(r.known, textFunctions())
		maps.Copy(r.known, timeFunctions())
		maps.Copy(r.known, dynamicFunctions())
	}
	return r.known
}
