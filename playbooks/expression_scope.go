package playbooks

import "maps"

// Scope is what an expression may name, with what is known of it. It is
// immutable.
type Scope struct {
	names map[string]Type
	facts facts
}

type facts map[string]fact

// fact is what a test has told about the value at a path.
type fact struct {
	present bool
	atLeast int // items of the list
}

// NewScope is a scope with these names.
func NewScope(names map[string]Type) Scope { return Scope{names: maps.Clone(names)} }

// With is the scope with a name added or hidden by a new value.
func (s Scope) With(name string, t Type) Scope {
	names := maps.Clone(s.names)
	if names == nil {
		names = map[string]Type{}
	}
	names[name] = t
	return Scope{names: names, facts: s.facts}
}

// WithField is the scope in which the record called name has one more field, or
// another value for one; what is known of its other fields stays.
func (s Scope) WithField(name, field string, t Type) Scope { return s }

// Lookup is the type of a name.
func (s Scope) Lookup(name string) (Type, bool) {
	t, ok := s.names[name]
	return t, ok
}

// Narrow is the scope where e is known to have answered truth: behind an `if`.
func (s Scope) Narrow(e *Expression, truth bool) Scope { return s }
