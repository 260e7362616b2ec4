package playbooks

import (
	"maps"
	"slices"
	"strings"

	"github.com/expr-lang/expr/builtin"
)

// maxWidth is how many items loops in loops may run at the same time.
const maxWidth = 1024

// forEach checks a loop.
func (c *linter) forEach(s *Step, f *reach) {
	inner := f.scope
	x, _ := s.written.get("for_each")
	s.Each.List = c.question(x, inner, Type{})
	s.Each.Filled = inner.filled(s.Each.List)
	if e := s.Each.List; e != nil && e.exact.kind == kindList && e.exact.def.atLeast > 0 {
		s.Each.Filled = true // such as a batch
	}
	elem := c.element(x, typeOf(s.Each.List))
	c.loopNames(s)
	scope := inner
	if s.Each.Batch > 0 {
		elem = NonEmptyListOf(elem)
	}
	scope = scope.With(s.Each.As, elem)
	if s.Each.Index != "" {
		scope = scope.With(s.Each.Index, IntegerType())
	}
	outside, _ := inner.Lookup("vars")
	names := map[string]bool{}
	for _, v := range outside.Fields() {
		names[v.Name] = true
	}
	loops := len(c.loops)
	c.loops = append(c.loops, s.Each.As, s.Each.Index)
	c.inLoop = append(c.inLoop, names)
	around := c.width
	if c.width *= s.Each.MaxParallel; c.width > maxWidth && around <= maxWidth {
		c.add(c.at(s, "max_parallel"), "E418", "lower max_parallel here or around", "loops in loops would run %d items at the same time; at most %d", c.width, maxWidth)
	}
	body := c.list(s.Steps, scope)
	c.width = around
	c.loops, c.inLoop = c.loops[:loops], c.inLoop[:len(c.inLoop)-1]

	out := []TypeField{}
	for _, name := range []string{"total", "succeeded", "failed", "skipped", "rejected"} {
		out = append(out, TypeField{Name: name, Type: IntegerType(), Doc: "items"})
	}
	s.Each.Collect = nil
	if len(s.assigns) > 0 {
		fields := []TypeField{}
		for _, x := range s.assigns {
			e := c.question(x, body.scope, Type{})
			s.Each.Collect = append(s.Each.Collect, Binding{x.name, e})
			fields = append(fields, TypeField{Name: x.name, Type: typeOf(e)})
		}
		out = append(out, TypeField{"items", ListOf(RecordOf("", fields...)), "one of each item that succeeded, in order"})
	}
	c.bring(s, f, RecordOf("", out...))
}

// element is what a loop over a value of type t takes one by one.
func (c *linter) element(x field, t Type) Type {
	broken := Type{kind: kindBroken}
	switch {
	case t.kind == kindBroken:
		return broken
	case t.IsAny():
		return AnyType()
	case t.IsMap():
		value, _ := t.Elem()
		return RecordOf("", TypeField{"key", StringType(), ""}, TypeField{"value", value, ""})
	case t.IsList():
		elem, _ := t.Elem()
		return elem
	case t.Optional():
		c.add(c.src.node(x.value), "E407", "write ?? [] behind it, or ask before: if: … != nil", "for_each needs a list; this may be absent (%s)", t)
		return broken
	}
	c.add(c.src.node(x.value), "E407", "", "for_each needs a list or a mapping; this is %s", t)
	return broken
}

// loopNames judges as and index.
func (c *linter) loopNames(s *Step) {
	as, given := s.written.get("as")
	at := c.at(s, "for_each")
	if given {
		at = c.src.node(as.value)
	}
	c.loopName(at, s.Each.As, given)
	if x, ok := s.written.get("index"); ok && s.Each.Index != "" {
		c.loopName(c.src.node(x.value), s.Each.Index, true)
		if s.Each.Index == s.Each.As {
			c.add(c.src.node(x.value), "E408", "", "as and index are the same name: %s", s.Each.As)
		}
	}
}

func (c *linter) loopName(at span, name string, given bool) {
	switch {
	case slices.Contains(c.loops, name) && !given:
		c.add(at, "E408", "add as: NAME", "a for_each inside a for_each must say as: the outer one is called %s too", name)
	case slices.Contains(c.loops, name):
		c.add(at, "E408", "choose another name", "the name %s belongs to a for_each around this one", name)
	case isReserved(name):
		c.add(at, "E408", "choose another name", "a loop cannot be called %s: the language uses that name", name)
	}
}

// isReserved reports names of the environment, of the language and of its
// library, which a loop name would hide.
func isReserved(name string) bool {
	words := strings.Fields(`event incident evidence alert params vars steps run lists error subject now
		and or not in let if else true false nil matches contains startsWith endsWith`)
	_, ours := library()[name]
	return ours || slices.Contains(words, name) || slices.Contains(builtin.Names, name)
}

// parallel checks branches that run at the same time.
func (c *linter) parallel(s *Step, f *reach) {
	inner := f.scope
	setBy := map[string]*Step{}
	for _, b := range s.Branches {
		bf := c.list([]*Step{b}, inner)
		for _, name := range slices.Sorted(maps.Keys(bf.vars)) {
			if first, taken := setBy[name]; taken {
				c.add(c.at(b, ""), "E409", "give each branch its own var", "two branches set vars.%s: %s and %s", name, called(first), called(b))
				continue
			}
			setBy[name] = b
			f.addVar(name, bf.vars[name])
		}
		for _, name := range slices.Sorted(maps.Keys(bf.steps)) {
			f.addStep(name, bf.steps[name])
		}
	}
}
