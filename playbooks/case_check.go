package playbooks

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// caseIndex is the part of a step path that tells items and rounds apart.
var caseIndex = regexp.MustCompile(`\[[0-9]+\]|#[0-9]+`)

// CheckCases resolves what the cases name in their playbook, which has been
// checked without errors, and answers every finding at once.
func CheckCases(f *CaseFile, book *Playbook, w World) []Finding {
	c := &caseChecker{linter: &linter{
		report: &report{src: f.source}, p: book, w: w, all: newCallees(w), used: map[string]bool{}, ids: map[string]*Step{}, names: map[string]int{},
	}, file: f, paths: map[string]*Step{}}
	c.places()
	c.scope = book.checkScope(c.base())
	book.Walk(func(path string, s *Step) { c.paths[path] = s })
	for i := range f.Cases {
		c.one(&f.Cases[i])
	}
	return sortFindings(c.findings)
}

type caseChecker struct {
	*linter
	file  *CaseFile
	from  int // line of the case that is looked at
	paths map[string]*Step
	scope Scope
}

// checkScope is what `check` may name: the end of the run, with every step and
// var as if it were there.
func (p *Playbook) checkScope(s Scope) Scope {
	outputs := make([]TypeField, 0, len(p.Outputs))
	for _, b := range p.Outputs {
		outputs = append(outputs, TypeField{Name: b.Name, Type: typeOf(b.Expr)})
	}
	s = s.With("outputs", RecordOf("outputs", outputs...))
	for _, b := range rootSteps(p) {
		if b.Kind == Set {
			for _, v := range b.Set {
				s = s.WithField("vars", v.Name, AnyType())
			}
		}
		if b.ID != "" && !b.output.IsZero() {
			s = s.WithField("steps", b.ID, b.output)
		}
	}
	s = s.WithField("run", "status", StringType())
	s = s.WithField("run", "reason", StringType())
	return s.With("error", RecordOf("error",
		TypeField{Name: "step", Type: StringType()}, TypeField{Name: "code", Type: StringType()}, TypeField{Name: "message", Type: StringType()}))
}

// rootSteps are the steps that run once in a run: not those of loops and of
// playbooks that are called.
func rootSteps(p *Playbook) []*Step {
	var all []*Step
	var visit func(list []*Step)
	visit = func(list []*Step) {
		for _, s := range list {
			all = append(all, s)
			if s.Kind == ForEach || s.Kind == Repeat {
				continue
			}
			visit(s.Steps)
			visit(s.Else)
			visit(s.Branches)
		}
	}
	visit(p.Steps)
	return all
}

// LineOf is the line of a key of the step, that of the step where it has none.
func (s *Step) LineOf(key string) int {
	if x, ok := s.written.get(key); ok {
		return x.key.Line
	}
	return s.Line
}

// LineOf is the line of a key such as on_failure or on.incident, or 1.
func (p *Playbook) LineOf(key string) int {
	f := p.written
	top, below, nested := strings.Cut(key, ".")
	x, ok := f.get(top)
	if !ok {
		return 1
	}
	if nested && x.value.Kind == yaml.MappingNode {
		for i := 0; i < len(x.value.Content); i += 2 {
			if x.value.Content[i].Value == below {
				return x.value.Content[i].Line
			}
		}
	}
	return x.key.Line
}

// RootSteps are the steps whose outputs and vars a check of a case may name.
func (p *Playbook) RootSteps() []*Step { return rootSteps(p) }

func (c *caseChecker) one(k *Case) {
	c.from = k.Line
	for _, name := range slices.Sorted(maps.Keys(k.Actions)) {
		c.action(k, name)
	}
	for _, path := range slices.Sorted(maps.Keys(k.Approvals)) {
		if c.asks(path) == nil && !c.calls(caseIndex.ReplaceAllString(path, "")) {
			c.add(c.word(path), "E601", suggest(path, c.askers()), "case %s answers at %s, and the playbook has no step of that path that asks", quoted(k.Name), quoted(path))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(k.Params)) {
		if !slices.ContainsFunc(c.p.Params, func(q Param) bool { return q.Name == name }) {
			c.add(c.word(name), "E601", "", "case %s gives the param %s, which the playbook has not", quoted(k.Name), name)
		}
	}
	c.event(k)
	e := &k.Expect
	for _, steps := range []map[string]string{e.Steps, e.AllSteps} {
		for _, path := range slices.Sorted(maps.Keys(steps)) {
			c.path(path)
			c.status(steps[path])
		}
	}
	for _, path := range e.Path {
		c.path(path)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Outputs)) {
		if !slices.ContainsFunc(c.p.Outputs, func(b Binding) bool { return b.Name == name }) {
			c.add(c.word(name), "E601", "", "case %s expects the output %s, which the playbook has not", quoted(k.Name), name)
		}
	}
	if e.Effects != nil {
		for _, want := range e.Effects.List {
			c.effect(k, want)
		}
	}
	for i := range e.Check {
		e.Check[i].Expr = c.question(e.Check[i].node.field, c.scope, BooleanType())
	}
}

// event looks whether a case says what starts the run. A playbook that is only
// called needs its params; an incident is then there for its actions.
func (c *caseChecker) event(k *Case) {
	given := k.Event.given()
	switch {
	case !c.p.OnlyCalled() && len(given) == 0 && k.Event.Kind != "manual":
		c.add(c.src.lineSpan(k.Line), "E603", "such as `event: {incident: fixtures/share.json}`", "the event of case %s says nothing: it needs one of incident, alert, scheduled_at, row, rows, body, subject, or kind: manual", quoted(k.Name))
	case c.p.OnlyCalled() && (k.Event.Kind != "" || len(given) > 0 && given[0] != "incident"):
		c.add(c.src.lineSpan(k.Line), "E603", "leave event out and give params; event: {incident: …} only says that there is this incident", "case %s starts %s by an event, and it is only called", quoted(k.Name), c.p.ID)
	}
}

// action looks at the answers that a case gives for an action.
func (c *caseChecker) action(k *Case, name string) {
	a, ok := c.w.Catalog.Lookup(name)
	if !ok {
		c.add(c.word(name), "E601", suggest(name, c.w.Catalog.Names()), "case %s answers the action %s, which there is not", quoted(k.Name), quoted(name))
		return
	}
	out := c.goType(a.Result)
	for _, r := range k.Actions[name] {
		at := c.src.lineSpan(r.line)
		if r.Error != nil && !slices.Contains(ErrorCodes(), r.Error.Code) {
			c.add(at, "E204", suggest(r.Error.Code, ErrorCodes()), "%s fails with the code %s; codes are %s", name, quoted(r.Error.Code), strings.Join(ErrorCodes(), ", "))
		}
		if r.Effects != nil && a.Class == "reads" {
			c.add(at, "E204", "leave effects out", "%s only reads: it has no effects", name)
		}
		if r.Output != nil {
			c.fits(r.Output, out, name, at)
		}
	}
}

// fits looks whether an output has the type of the action's.
func (c *caseChecker) fits(v any, t Type, what string, at span) {
	if _, err := t.Answer(v, nil); err != nil {
		c.add(at, "E602", "", "the output of %s: %v", what, err)
	}
	c.unknown(v, t, what, at)
}

// unknown warns of fields that an output has not: expressions would not see them.
func (c *caseChecker) unknown(v any, t Type, what string, at span) {
	t = t.Present()
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			ft, ok := t.Field(name)
			switch {
			case t.IsRecord() && !ok:
				c.add(at, "W601", t.Suggest(name), "%s has no field %s: expressions will not see it", what, quoted(name))
			case t.IsRecord():
				c.unknown(v[name], ft, what+"."+name, at)
			}
		}
	case []any:
		elem, ok := t.Elem()
		for i, item := range v {
			if ok {
				c.unknown(item, elem, fmt.Sprintf("%s[%d]", what, i), at)
			}
		}
	}
}

// word answers where a name stands in the case, or the case.
func (c *caseChecker) word(name string) span {
	for _, n := range c.file.keys[name] {
		if n.Line >= c.from {
			return c.src.node(n)
		}
	}
	return c.src.lineSpan(c.from)
}

// asks answers the step at a path if it may ask people: an approval, or an
// effect that a guardrail stops.
func (c *caseChecker) asks(path string) *Step {
	s := c.find(path)
	if s == nil || s.Kind != Approve && s.Kind != Action {
		return nil
	}
	return s
}

func (c *caseChecker) askers() []string {
	var all []string
	for path, s := range c.paths {
		if s.Kind == Approve {
			all = append(all, path)
		}
	}
	slices.Sort(all)
	return all
}

// find answers the step of a path, or of an id that stands for its path.
func (c *caseChecker) find(path string) *Step {
	static := caseIndex.ReplaceAllString(path, "")
	if s := c.paths[static]; s != nil {
		return s
	}
	return c.ids[static]
}

func (c *caseChecker) path(path string) {
	static := caseIndex.ReplaceAllString(path, "")
	if c.paths[static] != nil || strings.Contains(static, "/rollback/") || c.calls(static) {
		return
	}
	c.add(c.word(path), "E601", suggest(static, slices.Sorted(maps.Keys(c.paths))), "the playbook has no step at %s", quoted(path))
}

// calls reports a path inside a playbook that is called: its own test knows it.
func (c *caseChecker) calls(path string) bool {
	for i := range len(path) {
		if s := c.paths[path[:i]]; s != nil && s.Kind == Call && path[i] == '/' {
			return true
		}
	}
	return false
}

func (c *caseChecker) status(status string) {
	known := []string{"succeeded", "failed", "skipped", "rejected", "cancelled", "waiting", "unknown", "not_reached"}
	if !slices.Contains(known, status) {
		c.add(c.word(status), "E204", suggest(status, known), "a step's status is one of %s, not %s", strings.Join(known, ", "), quoted(status))
	}
}

func (c *caseChecker) effect(k *Case, want ExpectEffect) {
	a, ok := c.w.Catalog.Lookup(want.Action)
	switch {
	case !ok:
		c.add(c.word(want.Action), "E601", suggest(want.Action, c.w.Catalog.Names()), "case %s expects effects of %s, which there is not", quoted(k.Name), quoted(want.Action))
	case a.Class == "reads":
		c.add(c.word(want.Action), "E601", "", "case %s expects effects of %s, which only reads", quoted(k.Name), want.Action)
	}
	if want.Step != "" {
		c.path(want.Step)
	}
}
