package engine

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// object is a JSON object that is written field by field, empty ones left out.
// Facts and audit records are written so: with their many fields that are mostly
// empty, finding out what to write by reflection costs more than the step that
// they tell of. What comes out is what encoding/json writes.
type object []byte

func newObject() object { return append(make(object, 0, 384), '{') }

func (o object) end() []byte { return append(o, '}') }

func (o object) name(name string) object {
	if len(o) > 1 {
		o = append(o, ',')
	}
	o = append(o, '"')
	o = append(o, name...)
	return append(o, '"', ':')
}

func (o object) text(name, v string) object {
	if v == "" {
		return o
	}
	return o.name(name).quoted(v)
}

func (o object) quoted(v string) object {
	for i := range len(v) {
		if c := v[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return o.json(v)
		}
	}
	o = append(o, '"')
	o = append(o, v...)
	return append(o, '"')
}

func (o object) number(name string, v int64) object {
	if v == 0 {
		return o
	}
	return strconv.AppendInt(o.name(name), v, 10)
}

func (o object) yes(name string, v bool) object {
	if !v {
		return o
	}
	return append(o.name(name), "true"...)
}

func (o object) time(name string, v time.Time) object {
	if v.IsZero() {
		return o
	}
	o = append(o.name(name), '"')
	return append(v.AppendFormat(o, time.RFC3339Nano), '"')
}

// raw writes what is JSON already.
func (o object) raw(name string, v json.RawMessage) object {
	if len(v) == 0 {
		return o
	}
	if !json.Valid(v) { // every field is ours and valid
		panic(fmt.Sprintf("engine: %s is not JSON: %.100s", name, v))
	}
	return append(o.name(name), v...)
}

// list writes values of any type unless there are none.
func list[T any](o object, name string, v []T) object {
	if len(v) == 0 {
		return o
	}
	return o.name(name).json(v)
}

// part writes a value of any type unless it is nil.
func part[T any](o object, name string, v *T) object {
	if v == nil {
		return o
	}
	return o.name(name).json(v)
}

func (o object) json(v any) object {
	b, err := json.Marshal(v)
	if err != nil { // every field is ours and marshals
		panic(fmt.Sprintf("engine: %T: %v", v, err))
	}
	return append(o, b...)
}
