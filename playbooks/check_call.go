package playbooks

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"gopkg.in/yaml.v3"
)

// MaxCalls is how deep playbooks may call each other.
const MaxCalls = 8

// callees are playbooks that call each other, each checked once.
type callees struct {
	world  World
	loaded map[string]loaded // by id: read already, as part of a set of files
	known  map[string]*callee
	path   []string // ids of those being checked, the caller first

	types   *goTypes
	steps   map[*Step]listed // what the walks found out
	covered map[*Step]bool   // by an approval of their own playbook
}

// goTypes is TypeOf, kept for the next step that uses the same action.
type goTypes struct {
	mu    sync.Mutex
	known map[reflect.Type]Type
}

func (g *goTypes) of(t reflect.Type) Type {
	g.mu.Lock()
	defer g.mu.Unlock()
	known, ok := g.known[t]
	if !ok {
		known = TypeOf(t)
		g.known[t] = known
	}
	return known
}

func (c *linter) goType(t reflect.Type) Type { return c.all.types.of(t) }

type callee struct {
	book     *Playbook // nil: cannot be read
	findings []Finding
	busy     bool
	depth    int // calls below it, the longest way
}

func newCallees(w World) *callees {
	return &callees{world: w, known: map[string]*callee{}, types: &goTypes{known: map[reflect.Type]Type{}}, steps: map[*Step]listed{}, covered: map[*Step]bool{}}
}

// resolve answers a playbook of the world by its id, checked; false if there is
// none.
func (all *callees) resolve(id string) (*callee, bool) {
	if known, ok := all.known[id]; ok {
		return known, true
	}
	if l, ok := all.loaded[id]; ok {
		return all.check(id, l.book, l.findings), true
	}
	src, ok := all.world.Calls[id]
	if !ok {
		return nil, false
	}
	book, findings := Load(src.File, src.Text)
	return all.check(id, book, findings), true
}

// check checks a loaded playbook and keeps what comes of it.
func (all *callees) check(id string, book *Playbook, findings []Finding) *callee {
	k := &callee{book: book, findings: findings, busy: true}
	all.known[id] = k
	if book != nil {
		all.path = append(all.path, id)
		more, depth := check(book, all)
		all.path = all.path[:len(all.path)-1]
		k.findings, k.depth = sortFindings(append(findings, more...)), depth
	}
	k.busy = false
	return k
}

// call checks a step that calls another playbook.
func (c *linter) call(s *Step, f *reach) {
	x, _ := s.written.get("call")
	k := c.callee(s, x)
	params := Type{kind: kindBroken}
	output := Type{kind: kindBroken}
	if k != nil {
		s.Call.Book = k.book
		params, output = k.book.takes(), k.book.gives()
		c.callDepth(s, x, k)
		c.eventGiven(s, x)
	}
	c.callWith(s, params, f.scope)
	c.bring(s, f, output)
}

// callee finds the playbook that a step calls; nil after a finding.
func (c *linter) callee(s *Step, x field) *callee {
	id, at := s.Call.Playbook, c.src.node(x.value)
	if id == "" {
		return nil
	}
	if i := slices.Index(c.all.path, id); i >= 0 {
		ring := append(slices.Clone(c.all.path[i:]), id)
		c.add(at, "E421", "use repeat to run steps again", "playbooks call each other in a ring: %s", chain(ring...))
		return nil
	}
	if len(c.all.path) > 4*MaxCalls {
		c.add(at, "E422", "put what they do into one of them", "more than %d calls in each other: %s", MaxCalls, chain(append(slices.Clone(c.all.path), id)...))
		return nil
	}
	k, ok := c.all.resolve(id)
	if !ok {
		hint := suggest(id, keysOf(c.w.Calls))
		if hint == "" {
			hint = "name its file or its folder too, so that it is read"
		}
		c.add(at, "E420", hint, "there is no playbook %s", quoted(id))
		return nil
	}
	if first := slices.IndexFunc(k.findings, func(f Finding) bool { return f.Severity == SeverityError }); first >= 0 || k.book == nil {
		wrong := "it cannot be read"
		if first >= 0 {
			f := k.findings[first]
			wrong = fmt.Sprintf("%s:%d:%d %s", f.File, f.Line, f.Column, f.Message)
		}
		c.add(at, "E423", "", "the playbook %s has errors: %s", id, wrong)
		return nil
	}
	return k
}

// callDepth looks that calls do not go too deep.
func (c *linter) callDepth(s *Step, x field, k *callee) {
	c.depth = max(c.depth, k.depth+1)
	if k.depth+1 <= MaxCalls {
		return
	}
	ids := []string{c.p.ID}
	for b := s.Call.Book; b != nil; {
		ids = append(ids, b.ID)
		b = c.all.deepest(b)
	}
	c.add(c.src.node(x.value), "E422", "put what they do into one of them", "more than %d calls in each other: %s", MaxCalls, chain(ids...))
}

// deepest answers the playbook that b calls which itself calls deepest.
func (all *callees) deepest(b *Playbook) *Playbook {
	var next *Playbook
	depth := -1
	b.Walk(func(_ string, s *Step) {
		if s.Kind != Call || s.Call.Book == nil {
			return
		}
		if k := all.known[s.Call.Playbook]; k != nil && k.depth > depth {
			next, depth = s.Call.Book, k.depth
		}
	})
	return next
}

// takes is the type of what the playbook is called with.
func (p *Playbook) takes() Type {
	fields := make([]TypeField, len(p.Params))
	for i, q := range p.Params {
		t := q.Type
		if !q.Required {
			t = OptionalOf(t)
		}
		fields[i] = TypeField{Name: q.Name, Type: t, Doc: q.Description}
	}
	return RecordOf("", fields...)
}

// gives is the type of what the playbook answers to its caller. Where it may end
// early, nothing is sure to be there.
func (p *Playbook) gives() Type {
	early := false
	p.Walk(func(_ string, s *Step) {
		early = early || s.Kind == Stop || s.Kind == Approve && s.Approve.OnTimeout == "stop" ||
			s.Kind == Wait && s.Wait.OnTimeout == "stop"
	})
	fields := make([]TypeField, len(p.Outputs))
	for i, b := range p.Outputs {
		t := typeOf(b.Expr)
		if early {
			t = OptionalOf(t)
		}
		fields[i] = TypeField{Name: b.Name, Type: t}
	}
	return RecordOf("", fields...)
}

// callWith checks the params of a call.
func (c *linter) callWith(s *Step, params Type, scope Scope) {
	x, given := s.written.get("with")
	if !given {
		s.Call.With = &Template{isMap: true, typ: params}
		for _, q := range params.Fields() {
			if !q.Type.Optional() {
				c.add(c.at(s, "call"), "E404", fmt.Sprintf("add with: {%s: …}", q.Name), "%s needs %s (%s)", s.Call.Playbook, q.Name, q.Type)
			}
		}
		return
	}
	if x.value.Kind != yaml.MappingNode {
		c.add(c.src.node(x.value), "E203", "", "with is a mapping of params to values, not %s", kindOf(x.value))
		return
	}
	s.Call.With = c.data(x.value, scope, params, s.Call.Playbook)
	c.constantParams(s, x)
	for _, q := range params.Fields() { // lists, too, must be given: data lets them out
		if !q.Type.Optional() && !q.Type.needed() && !c.gives(x, q.Name) {
			c.add(c.src.node(x.value), "E404", fmt.Sprintf("write %s: [] if there is none", q.Name), "%s needs %s (%s)", s.Call.Playbook, q.Name, q.Type)
		}
	}
}

// constantParams looks that values written out keep to what the called playbook
// says of its params; others are looked at when they are given.
func (c *linter) constantParams(s *Step, x field) {
	if s.Call.Book == nil || s.Call.With == nil {
		return
	}
	for _, q := range s.Call.Book.Params {
		given := s.Call.With.field(q.Name)
		if given == nil || given.literal == nil {
			continue
		}
		if err := q.fault(given.literal); err != nil {
			n, _ := child(x.value, q.Name)
			c.add(c.src.node(n.value), "E402", "", "%s %v", q.Name, err)
		}
	}
}

// eventGiven looks that what the called playbook reads of its event is there in the
// caller always, and of the same type.
func (c *linter) eventGiven(s *Step, x field) {
	at := c.src.node(x.value)
	for _, path := range s.Call.Book.reads {
		root, rest, _ := strings.Cut(path, ".")
		want := pathType(s.Call.Book.scope, root, rest)
		got := pathType(c.p.scope, root, rest)
		switch {
		case got.IsZero():
			c.add(at, "E424", "give it as a param instead", "%s reads %s, which the triggers of this playbook do not give", s.Call.Playbook, path)
		case !got.Fits(want):
			c.add(at, "E424", "give it as a param instead", "%s reads %s as %s; here it is %s", s.Call.Playbook, path, want, got)
		}
	}
}

// pathType is the type of a name and, where it is a record, of its first field.
func pathType(s Scope, root, rest string) Type {
	t, ok := s.Lookup(root)
	if !ok || root != "event" || rest == "" {
		return t
	}
	field, _, _ := strings.Cut(rest, ".")
	field, _, _ = strings.Cut(field, "[")
	t, _ = t.Present().Field(strings.TrimSuffix(field, "?"))
	return t
}

// ofEvent reports whether a dotted name is of what the event gives.
func ofEvent(path string) bool {
	root, _, _ := strings.Cut(path, ".")
	return slices.Contains([]string{"incident", "evidence", "alert", "subject", "event"}, strings.TrimSuffix(root, "?"))
}

// calls collects what the playbook may come to call, each once.
func (p *Playbook) calls() []*Playbook {
	seen := map[string]*Playbook{}
	var visit func(*Playbook)
	visit = func(b *Playbook) {
		b.Walk(func(_ string, s *Step) {
			if s.Kind == Call && s.Call.Book != nil && seen[s.Call.Book.ID] == nil {
				seen[s.Call.Book.ID] = s.Call.Book
				visit(s.Call.Book)
			}
		})
	}
	visit(p)
	var all []*Playbook
	for _, id := range keysOf(seen) {
		all = append(all, seen[id])
	}
	return all
}

// OnlyCalled reports whether nothing starts the playbook but a call: it has no
// trigger.
func (p *Playbook) OnlyCalled() bool { return p.On == (On{}) }
