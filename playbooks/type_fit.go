package playbooks

import "slices"

// Fits reports whether every value of t may stand where a u is wanted. What has
// no schema fits everywhere and is looked at when it is there.
func (t Type) Fits(u Type) bool {
	switch {
	case u.kind == kindNone, u.kind == kindAny, u.kind == kindBroken,
		t.kind == kindAny, t.kind == kindBroken, t.kind == kindNever, t == u:
		return true
	case u.kind == kindOptional:
		return t.kind == kindNil || t.Present().Fits(u.def.elem)
	case t.kind == kindOptional:
		return false
	case u.kind == kindRef:
		if t.kind == kindRef {
			return t.def.elem.Fits(u.def.elem)
		}
		return t.textual() || t.Fits(u.def.elem)
	case u.kind == kindString:
		return t.textual()
	case u.kind == kindNumber:
		return t.numeric()
	case u.kind == kindInteger, u.kind == kindSize:
		return t.kind == kindInteger || t.kind == kindSize
	case u.kind == kindEnum:
		return t.kind == kindEnum && (t.def.name == u.def.name && t.def.name != "" || subset(t.def.values, u.def.values))
	case u.kind == kindList:
		return t.kind == kindList && t.def.atLeast >= u.def.atLeast && t.def.elem.Fits(u.def.elem)
	case u.kind == kindMap:
		return t.fitsMap(u)
	case u.kind == kindRecord:
		return t.fitsRecord(u)
	}
	return t.kind == u.kind
}

func (t Type) fitsMap(u Type) bool {
	if t.kind == kindRecord {
		return !slices.ContainsFunc(t.def.fields, func(f TypeField) bool { return !f.Type.Fits(u.def.elem) })
	}
	return t.kind == kindMap && t.def.elem.Fits(u.def.elem)
}

func (t Type) fitsRecord(u Type) bool {
	if t.kind != kindRecord {
		return false
	}
	if t.def.source != nil && t.def.source == u.def.source && u.def.whole == nil {
		return true
	}
	for _, f := range t.def.fields {
		if g, known := u.Field(f.Name); !known || !f.Type.Fits(g) {
			return false
		}
	}
	for _, g := range u.def.fields {
		if _, given := t.Field(g.Name); !given && g.Type.needed() {
			return false
		}
	}
	return true
}

// needed reports whether a field of type t must be given.
func (t Type) needed() bool {
	return t.kind != kindOptional && t.kind != kindList && t.kind != kindMap && t.kind != kindAny
}

func (t Type) textual() bool { return t.kind == kindString || t.kind == kindEnum }

func (t Type) numeric() bool {
	return t.kind == kindInteger || t.kind == kindNumber || t.kind == kindSize
}

// Unify is the type of a value that is a t or a u, and whether there is one.
func Unify(t, u Type) (Type, bool) {
	switch {
	case t.kind == kindBroken || u.kind == kindBroken:
		return Type{kind: kindBroken}, true
	case t.kind == kindAny || u.kind == kindAny:
		return AnyType(), true
	case t.kind == kindNever:
		return u, true
	case u.kind == kindNever || t.Equal(u):
		return t, true
	case t.kind == kindNil:
		return OptionalOf(u), true
	case u.kind == kindNil:
		return OptionalOf(t), true
	case t.kind == kindOptional || u.kind == kindOptional:
		v, ok := Unify(t.Present(), u.Present())
		return OptionalOf(v), ok
	case t.textual() && u.textual():
		return unifyText(t, u), true
	case t.numeric() && u.numeric():
		if t.kind == kindNumber || u.kind == kindNumber {
			return NumberType(), true
		}
		return IntegerType(), true
	case t.kind == kindList && u.kind == kindList:
		e, ok := Unify(t.def.elem, u.def.elem)
		return listAtLeast(e, min(t.def.atLeast, u.def.atLeast)), ok
	case t.kind == kindMap && u.kind == kindMap:
		e, ok := Unify(t.def.elem, u.def.elem)
		return MapOf(e), ok
	case t.kind == kindRecord && u.kind == kindRecord && t.def.source != nil && t.def.source == u.def.source:
		return Type{kindRecord, t.unrefined()}, true
	case t.kind == kindRecord && u.kind == kindRecord:
		return unifyRecord(t, u)
	}
	return Type{}, false
}

func unifyText(t, u Type) Type {
	if t.kind != kindEnum || u.kind != kindEnum {
		return StringType()
	}
	switch {
	case t.def.literal && u.def.literal:
		values := slices.Clone(t.def.values)
		for _, v := range u.def.values {
			if !slices.Contains(values, v) {
				values = append(values, v)
			}
		}
		return literalType(values...)
	case subset(t.def.values, u.def.values) && !u.def.literal:
		return u
	case subset(u.def.values, t.def.values) && !t.def.literal:
		return t
	}
	return StringType()
}

func unifyRecord(t, u Type) (Type, bool) {
	if len(t.def.fields) != len(u.def.fields) || t.def.name != u.def.name {
		return Type{}, false
	}
	fields := slices.Clone(t.def.fields)
	for i, f := range fields {
		g, ok := u.Field(f.Name)
		if !ok {
			return Type{}, false
		}
		if fields[i].Type, ok = Unify(f.Type, g); !ok {
			return Type{}, false
		}
	}
	return RecordOf(t.def.name, fields...), true
}

// literalType is the type of texts written in an expression: it fits an enum
// that has them, and widens to string.
func literalType(values ...string) Type {
	return Type{kindEnum, &typeDef{values: values, literal: true}}
}

// widen forgets what only the writing of an expression told: which texts, how
// many items.
func (t Type) widen() Type {
	switch t.kind {
	case kindEnum:
		if t.def.literal {
			return StringType()
		}
	case kindNever:
		return AnyType()
	case kindList:
		return ListOf(t.def.elem.widen())
	case kindMap:
		return MapOf(t.def.elem.widen())
	case kindOptional:
		return OptionalOf(t.def.elem.widen())
	case kindRecord:
		if t.def.source != nil || t.def.name != "" {
			return t
		}
		fields := slices.Clone(t.def.fields)
		for i := range fields {
			fields[i].Type = fields[i].Type.widen()
		}
		return RecordOf("", fields...)
	}
	return t
}

func subset(some, all []string) bool {
	return !slices.ContainsFunc(some, func(v string) bool { return !slices.Contains(all, v) })
}

// Nearest is the candidate that name most likely is a slip of, or "".
func Nearest(name string, candidates []string) string {
	best, limit := "", max(1, len([]rune(name))/3)
	for _, c := range slices.Sorted(slices.Values(candidates)) {
		if d := distance(fold(name), fold(c)); d <= limit {
			best, limit = c, d-1
		}
	}
	return best
}

func fold(s string) []rune {
	out := make([]rune, 0, len(s))
	for _, r := range s {
		switch {
		case r == '_' || r == '-':
		case r >= 'A' && r <= 'Z':
			out = append(out, r+('a'-'A'))
		default:
			out = append(out, r)
		}
	}
	return out
}

// distance counts the insertions, deletions, changes and swaps of neighbours
// between two words.
func distance(a, b []rune) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}
