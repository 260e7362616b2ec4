package playbooks

import (
	"slices"
	"strconv"
	"strings"
)

// Type is what the checker knows of a value: ours, not Go's. The zero Type is
// no type, which as a wish means "whatever it is". A Type is immutable and may
// be compared with Equal.
type Type struct {
	kind typeKind
	def  *typeDef
}

type typeKind uint8

const (
	kindNone typeKind = iota
	kindBroken
	kindNever
	kindNil
	kindAny
	kindString
	kindInteger
	kindNumber
	kindBoolean
	kindTime
	kindDuration
	kindSize
	kindEnum
	kindList
	kindMap
	kindRecord
	kindOptional
	kindRef
)

type typeDef struct {
	name    string
	elem    Type
	fields  []TypeField
	values  []string
	literal bool     // an enum that is nothing but texts written in an expression
	atLeast int      // a list known to have that many items
	source  any      // the reflect.Type it comes from
	whole   *typeDef // of a record some of whose fields are known to be there: without that
}

// TypeField is a field of a record.
type TypeField struct {
	Name string
	Type Type
	Doc  string
}

// StringType is text.
func StringType() Type { return Type{kind: kindString} }

// IntegerType is a whole number; a value is an int.
func IntegerType() Type { return Type{kind: kindInteger} }

// NumberType is any number; a value is a float64, or an int where an
// expression gave a whole one.
func NumberType() Type { return Type{kind: kindNumber} }

// BooleanType is true or false.
func BooleanType() Type { return Type{kind: kindBoolean} }

// TimeType is an instant; a value is a time.Time.
func TimeType() Type { return Type{kind: kindTime} }

// DurationType is a length of time; a value is a time.Duration.
func DurationType() Type { return Type{kind: kindDuration} }

// SizeType is a number of bytes, which may be written 10MiB; a value is an int.
func SizeType() Type { return Type{kind: kindSize} }

// AnyType is a value that has no schema.
func AnyType() Type { return Type{kind: kindAny} }

// ListOf is a list of t, which may be empty.
func ListOf(t Type) Type { return Type{kindList, &typeDef{elem: t}} }

// NonEmptyListOf is a list that holds at least one t, such as a batch.
func NonEmptyListOf(t Type) Type { return listAtLeast(t, 1) }

func listAtLeast(t Type, n int) Type { return Type{kindList, &typeDef{elem: t, atLeast: n}} }

// MapOf is a mapping from text to t.
func MapOf(t Type) Type { return Type{kindMap, &typeDef{elem: t}} }

// OptionalOf is a t that may be absent (nil).
func OptionalOf(t Type) Type {
	switch t.kind {
	case kindOptional, kindAny, kindNil, kindBroken, kindNone:
		return t
	}
	return Type{kindOptional, &typeDef{elem: t}}
}

// EnumOf is text out of a set of values. The world may know newer values, so
// Decode takes others too; what an author writes must be of the set.
func EnumOf(name string, values ...string) Type {
	return Type{kindEnum, &typeDef{name: name, values: slices.Clone(values)}}
}

// RecordOf is a value with named fields. The name, if any, is what people are
// told instead of the fields.
func RecordOf(name string, fields ...TypeField) Type {
	return Type{kindRecord, &typeDef{name: name, fields: slices.Clone(fields)}}
}

// NamedType is the type that a playbook calls by name: string, integer, number,
// boolean, time, duration, size or any.
func NamedType(name string) (Type, bool) {
	for _, k := range []typeKind{
		kindString, kindInteger, kindNumber, kindBoolean, kindTime, kindDuration, kindSize, kindAny,
	} {
		if k.String() == name {
			return Type{kind: k}, true
		}
	}
	return Type{}, false
}

func (k typeKind) String() string {
	return [...]string{
		"", "unknown", "nothing", "nil", "any", "string", "integer", "number", "boolean", "time",
		"duration", "size", "enum", "list", "map", "record", "optional", "reference",
	}[k]
}

// String is the type as findings and documentation print it: string, file,
// [file], {string: integer}, string?.
func (t Type) String() string { return t.text(0) }

func (t Type) text(depth int) string {
	switch t.kind {
	case kindList:
		return "[" + t.def.elem.text(depth+1) + "]"
	case kindMap:
		return "{string: " + t.def.elem.text(depth+1) + "}"
	case kindOptional:
		return t.def.elem.text(depth+1) + "?"
	case kindRef:
		return t.def.elem.text(depth+1) + " or string"
	case kindEnum:
		if t.def.name != "" {
			return t.def.name
		}
		quoted := make([]string, len(t.def.values))
		for i, v := range t.def.values {
			quoted[i] = strconv.Quote(v)
		}
		return strings.Join(quoted, " | ")
	case kindRecord:
		if t.def.name != "" {
			return t.def.name
		}
		if depth > 3 {
			return "{…}"
		}
		parts := make([]string, len(t.def.fields))
		for i, f := range t.def.fields {
			parts[i] = f.Name + ": " + f.Type.text(depth+1)
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return t.kind.String()
}

// IsZero reports whether t is no type.
func (t Type) IsZero() bool { return t.kind == kindNone }

// IsAny reports whether nothing is known of the value.
func (t Type) IsAny() bool { return t.kind == kindAny }

// IsScalar reports whether a value can stand inside text: text, numbers,
// booleans, times, durations, sizes.
func (t Type) IsScalar() bool {
	switch t.kind {
	case kindString, kindInteger, kindNumber, kindBoolean, kindTime, kindDuration, kindSize, kindEnum:
		return true
	}
	return false
}

// Elem is what a list or map holds, what an optional is when it is there, and
// the record that a reference takes.
func (t Type) Elem() (Type, bool) {
	switch t.kind {
	case kindList, kindMap, kindOptional, kindRef:
		return t.def.elem, true
	}
	return Type{}, false
}

// IsList reports whether t is a list.
func (t Type) IsList() bool { return t.kind == kindList }

// IsMap reports whether t maps text to values.
func (t Type) IsMap() bool { return t.kind == kindMap }

// IsRecord reports whether t has named fields.
func (t Type) IsRecord() bool { return t.kind == kindRecord }

// IsReference reports whether t takes text or a record, see Elem.
func (t Type) IsReference() bool { return t.kind == kindRef }

// Optional reports whether the value may be absent.
func (t Type) Optional() bool { return t.kind == kindOptional || t.kind == kindNil }

// Present is t when it is known to be there.
func (t Type) Present() Type {
	if t.kind == kindOptional {
		return t.def.elem
	}
	return t
}

// Name is the name of a record or an enum, or "".
func (t Type) Name() string {
	if t.def == nil {
		return ""
	}
	return t.def.name
}

// Values are the values of an enum.
func (t Type) Values() []string {
	if t.kind != kindEnum {
		return nil
	}
	return slices.Clone(t.def.values)
}

// Fields are the fields of a record.
func (t Type) Fields() []TypeField {
	if t.kind != kindRecord {
		return nil
	}
	return slices.Clone(t.def.fields)
}

// Field is the type of a record's field.
func (t Type) Field(name string) (Type, bool) {
	if t.kind == kindRecord {
		for _, f := range t.def.fields {
			if f.Name == name {
				return f.Type, true
			}
		}
	}
	return Type{}, false
}

// Suggest is the record's field nearest to a name that it has not, or "".
func (t Type) Suggest(name string) string {
	if t.kind != kindRecord {
		return ""
	}
	names := make([]string, len(t.def.fields))
	for i, f := range t.def.fields {
		names[i] = f.Name
	}
	return Nearest(name, names)
}

// WithField is the record with one field added or replaced.
func (t Type) WithField(name string, ft Type) Type {
	fields := t.Fields()
	for i := range fields {
		if fields[i].Name == name {
			fields[i].Type = ft
			return RecordOf(t.Name(), fields...)
		}
	}
	return RecordOf(t.Name(), append(fields, TypeField{Name: name, Type: ft})...)
}

// refine is the record in which those of its fields that may be absent are known
// to be there.
func (t Type) refine(known func(field string) bool) Type {
	if t.kind != kindRecord || !slices.ContainsFunc(t.def.fields, func(f TypeField) bool { return f.Type.Optional() && known(f.Name) }) {
		return t
	}
	def := *t.def
	if def.whole == nil {
		def.whole = t.def
	}
	def.fields = slices.Clone(def.fields)
	for i, f := range def.fields {
		if known(f.Name) {
			def.fields[i].Type = f.Type.Present()
		}
	}
	return Type{kindRecord, &def}
}

// unrefined is the record without what is known of its fields.
func (t Type) unrefined() *typeDef {
	if t.def.whole != nil {
		return t.def.whole
	}
	return t.def
}

// Equal reports whether both are the same type.
func (t Type) Equal(u Type) bool {
	if t == u {
		return true
	}
	if t.kind != u.kind || t.def == nil || u.def == nil {
		return false
	}
	a, b := t.def, u.def
	if a.source != nil && a.source == b.source && a.whole == nil && b.whole == nil {
		return true
	}
	if a.name != b.name || a.literal != b.literal || a.atLeast != b.atLeast ||
		!slices.Equal(a.values, b.values) || len(a.fields) != len(b.fields) || !a.elem.Equal(b.elem) {
		return false
	}
	for _, f := range a.fields {
		if g, ok := u.Field(f.Name); !ok || !f.Type.Equal(g) {
			return false
		}
	}
	return true
}
