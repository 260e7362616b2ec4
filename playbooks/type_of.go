package playbooks

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
	"time"
	"unicode"
)

// TypeOf is the type of a Go type's JSON form. Structs are records by their
// `json` and `doc` tags; a pointer, `omitempty` or `omitzero` makes a field
// optional, but for lists and maps, which then are empty; `Values() []string`
// or an `enum:"a,b"` tag makes an enum; `Referent() reflect.Type` makes a
// reference that takes text or that record; json.RawMessage and interfaces are
// any.
func TypeOf(t reflect.Type) Type {
	return typeReader{}.read(t)
}

type typeReader map[reflect.Type]Type

func (r typeReader) read(t reflect.Type) Type {
	if special, ok := r.special(t); ok {
		return special
	}
	switch t.Kind() {
	case reflect.Pointer:
		return OptionalOf(r.read(t.Elem()))
	case reflect.String:
		return StringType()
	case reflect.Bool:
		return BooleanType()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return IntegerType()
	case reflect.Float32, reflect.Float64:
		return NumberType()
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return StringType()
		}
		return ListOf(r.read(t.Elem()))
	case reflect.Map:
		return MapOf(r.read(t.Elem()))
	case reflect.Struct:
		return r.record(t)
	}
	return AnyType()
}

// special reads the types that are not what their Go kind says.
func (r typeReader) special(t reflect.Type) (Type, bool) {
	switch t {
	case reflect.TypeFor[time.Time]():
		return TimeType(), true
	case reflect.TypeFor[time.Duration]():
		return DurationType(), true
	case reflect.TypeFor[json.RawMessage]():
		return AnyType(), true
	}
	if t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface {
		return Type{}, false
	}
	zero := reflect.New(t).Elem().Interface()
	if e, ok := zero.(interface{ Values() []string }); ok {
		return EnumOf(snakeCase(t.Name()), e.Values()...), true
	}
	if ref, ok := zero.(interface{ Referent() reflect.Type }); ok {
		return Type{kindRef, &typeDef{elem: r.read(ref.Referent())}}, true
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		if t.Kind() == reflect.Int64 && t.ConvertibleTo(reflect.TypeFor[time.Duration]()) {
			return DurationType(), true
		}
		return StringType(), true
	}
	return Type{}, false
}

func (r typeReader) record(t reflect.Type) Type {
	if known, ok := r[t]; ok {
		return known
	}
	def := &typeDef{name: snakeCase(t.Name()), source: t}
	r[t] = Type{kindRecord, def}
	def.fields = r.fields(t)
	return r[t]
}

func (r typeReader) fields(t reflect.Type) []TypeField {
	var fields []TypeField
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			inner := f.Type
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			if inner.Kind() == reflect.Struct {
				fields = append(fields, r.fields(inner)...)
				continue
			}
		}
		if !f.IsExported() || name == "-" && options == "" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		fields = append(fields, TypeField{Name: name, Type: r.field(f, options), Doc: f.Tag.Get("doc")})
	}
	return fields
}

func (r typeReader) field(f reflect.StructField, options string) Type {
	ft := r.read(f.Type)
	if values := f.Tag.Get("enum"); values != "" {
		enum := EnumOf("", strings.Split(values, ",")...)
		if ft.kind == kindList {
			ft = ListOf(enum)
		} else {
			ft = enum
		}
	}
	for o := range strings.SplitSeq(options, ",") {
		if (o == "omitempty" || o == "omitzero") && ft.kind != kindList && ft.kind != kindMap {
			return OptionalOf(ft)
		}
	}
	return ft
}

func snakeCase(name string) string {
	if i := strings.IndexByte(name, '['); i >= 0 {
		name = name[:i]
	}
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		if unicode.IsUpper(r) && i > 0 &&
			(unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
