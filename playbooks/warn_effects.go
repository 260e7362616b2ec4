package playbooks

import (
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"

	"stanch/actions"
)

// effectHabits warns of effects that are likely not what was meant, one by one.
func (c *linter) effectHabits() {
	c.p.Walk(func(_ string, s *Step) {
		c.deprecated(s)
		c.unpermitted(s)
		c.silentFailure(s)
		c.sameForEach(s)
		if s.Kind == Action && s.Action.Name != "" {
			c.otherLanguage(s)
			c.withoutInverse(s)
			c.hearsItself(s)
			c.weakens(s)
		}
	})
	for _, steps := range [][]*Step{c.p.Steps, c.p.OnFailure, c.p.Finally} {
		c.stale(steps, false)
	}
}

func hasEffects(a actions.Action) bool {
	return a.Class == actions.Writes || a.Class == actions.Destroys
}

// startsByItself reports whether the playbook runs without a person starting it.
func (p *Playbook) startsByItself() bool {
	on := p.On
	return on.Incident != nil || on.Alert != nil || on.Schedule != nil || on.Hunting != nil || on.Webhook != nil
}

// withoutInverse warns of an effect that nobody can take back and nobody was
// asked about. What destroys without a limit has a finding of its own.
func (c *linter) withoutInverse(s *Step) {
	a := s.Action
	if !hasEffects(a) || a.Undoable() || a.Repeat == actions.RepeatHarmless || c.blind || !c.p.startsByItself() || c.all.covered[s] ||
		a.Class == actions.Destroys && (c.guarded[s] || !c.capped(s)) {
		return
	}
	c.add(c.at(s, "uses"), "W513", "add an approve step before it that covers it", "%s cannot be undone (%s), and nobody is asked before it runs", called(s), a.NoUndo)
}

// hearsItself warns of a playbook that writes what it listens to.
func (c *linter) hearsItself(s *Step) {
	t := c.p.On.Incident
	if t == nil || !slices.Contains(t.Events, "updated") {
		return
	}
	optional := c.optionalParams(s)
	for _, field := range s.Action.Writes {
		given, is := optional[field]
		if !is {
			given, is = optional[strings.TrimSuffix(field, "s")]
		}
		if slices.Contains(t.Changes, field) && (!is || given) {
			c.add(c.at(s, "uses"), "W514", "leave "+field+" out of changes, or ask in the trigger's if what tells others' changes from this one",
				"%s writes %s of the incident, and a change of %s starts this playbook", called(s), field, field)
			return
		}
	}
}

// optionalParams are the params that the step's action can do without, and
// whether the step gives them.
func (c *linter) optionalParams(s *Step) map[string]bool {
	optional := map[string]bool{}
	x, _ := s.written.get("with")
	for f := range s.Action.Params.Fields() {
		if name, options, _ := strings.Cut(f.Tag.Get("json"), ","); strings.Contains(options, "omit") {
			optional[name] = c.gives(x, name)
		}
	}
	return optional
}

// weakens warns of a step that may take protection away without anybody asked,
// and of a label that is known to be lowered.
func (c *linter) weakens(s *Step) {
	if c.all.covered[s] || c.blind {
		return
	}
	x, _ := s.written.get("with")
	for _, param := range keysOf(s.Action.ParamTag("weakens")) {
		if c.gives(x, param) {
			c.add(c.at(s, "uses"), "W524", "add an approve step before it that covers it", "with %s given, %s: nobody is asked before", param, s.Action.ParamTag("weakens")[param])
			return
		}
	}
	label, file := s.With.field("label"), s.With.field("file")
	if label == nil || file == nil || file.expr == nil {
		return
	}
	to, _ := label.literal.(string)
	path := pathOf(file.expr.root, pathOfName)
	rank := func(name string) (int, bool) {
		i := slices.IndexFunc(c.w.Labels, func(l string) bool { return strings.EqualFold(l, name) })
		return i, i >= 0
	}
	after, known := rank(to)
	if path == "" || !known {
		return
	}
	for _, x := range c.facts[s].valuesOf(path + ".label").in {
		from, isText := x.(string)
		if before, known := rank(from); isText && known && before > after {
			c.add(c.at(s, "uses"), "W524", "set a label that protects as much, or add an approve step before it that covers it", "the file has the label %s here, and %s protects it less: nobody is asked before", quoted(from), quoted(to))
			return
		}
	}
}

// otherLanguage refuses values in text of another language that could say
// something there.
func (c *linter) otherLanguage(s *Step) {
	for param, language := range s.Action.ParamTag("lang") {
		t := s.With.field(param)
		if t == nil {
			continue
		}
		escape := escapeOf(language)
		for _, e := range t.expressions() {
			if isPlain(e.typ) || onlyOperators(e) || escape != "" && isCallOf(e.root, escape) {
				continue
			}
			x, _ := s.written.get("with")
			at := c.src.node(x.key)
			if y, ok := child(x.value, param); ok {
				at = c.src.node(y.value)
			}
			hint := "give the value in a param of its own"
			if escape != "" {
				hint += ", or write " + escape + "(" + shorten(strings.TrimSpace(e.source)) + ")"
			}
			c.add(at, "E430", hint, "%s of %s is %s: ${{ %s }} could say something there that its author never wrote", param, s.Uses, languageName(language), shorten(strings.TrimSpace(e.source)))
		}
	}
}

func languageName(language string) string {
	return map[string]string{"html": "HTML", "kql": "KQL", "odata": "an OData filter", "url": "a URL", "json": "JSON"}[language]
}

// isPlain reports types whose values are no text that somebody chose.
func isPlain(t Type) bool {
	switch t.kind {
	case kindInteger, kindNumber, kindBoolean, kindTime, kindDuration, kindSize:
		return true
	}
	return false
}

// onlyOperators reports whether an expression reads nothing but what the
// playbook's people write.
func onlyOperators(e *Expression) bool {
	return !slices.ContainsFunc(e.uses, func(path string) bool {
		root, _, _ := strings.Cut(path, ".")
		return root != "params" && root != "lists" && root != "run"
	})
}

func isCallOf(n ast.Node, name string) bool {
	switch n := n.(type) {
	case *ast.CallNode:
		id, ok := n.Callee.(*ast.IdentifierNode)
		return ok && id.Value == name
	case *ast.BuiltinNode:
		return n.Name == name
	}
	return false
}

// deprecated warns of what its owners want used no more.
func (c *linter) deprecated(s *Step) {
	switch {
	case s.Kind == Action && s.Action.Deprecated != "":
		c.add(c.at(s, "uses"), "W518", s.Action.Deprecated, "%s is deprecated", s.Uses)
	case s.Kind == Call && s.Call.Book != nil && s.Call.Book.Status == "deprecated" && c.p.Status != "deprecated":
		c.add(c.at(s, "call"), "W518", "call what has taken its place", "the playbook %s is deprecated", s.Call.Playbook)
	}
}

// unpermitted warns of what the app may not do in the tenant.
func (c *linter) unpermitted(s *Step) {
	if c.w.Lacks == nil || s.Kind != Action {
		return
	}
	for _, p := range s.Action.Permissions {
		if c.w.Lacks(p) {
			c.add(c.at(s, "uses"), "W528", "`stanch permissions` tells how to grant it", "the app lacks the permission %s (%s), which %s needs", p.Name, p.API, s.Uses)
		}
	}
}

// huntable asks the service what it says of a query, if it may be asked.
func (c *linter) huntable() {
	t := c.p.On.Hunting
	if t == nil || HasErrors(c.findings) {
		return
	}
	x, ok := t.written.get("query")
	if !ok {
		return
	}
	needs := actions.Permission{API: "graph", Name: "ThreatHunting.Read.All"}
	if t.Source == "defender" && c.w.Lacks != nil && c.w.Lacks(needs) {
		c.add(c.src.node(x.key), "W528", "`stanch permissions` tells how to grant it", "the app lacks the permission %s (%s), which on.hunting needs", needs.Name, needs.API)
		return
	}
	if c.w.Hunts == nil {
		return
	}
	if wrong, hint := c.w.Hunts(c.p); wrong != "" {
		c.add(c.src.node(x.value), "E619", hint, "%s", wrong)
	}
}

// silentFailure warns of failures that nobody would see.
func (c *linter) silentFailure(s *Step) {
	x, ok := s.written.get("on_error")
	if !ok {
		return
	}
	switch s.OnError {
	case "continue":
		i := slices.IndexFunc(effectSteps([]*Step{s}), destroys)
		if i >= 0 && (s.ID == "" || !c.used["steps."+s.ID]) {
			c.add(c.src.node(x.key), "W521", "give the step an id and read how it went, or let it fail", "%s destroys, and with on_error: continue nothing tells whether it did", called(effectSteps([]*Step{s})[i]))
		}
	case "steps":
		acts := len(s.Rescue) == 0 // a finding already
		Walk(s.Rescue, func(_ string, r *Step) {
			looks := r.Kind == Action && !hasEffects(r.Action) && (r.ID == "" || !c.used["steps."+r.ID])
			acts = acts || !looks && r.Kind != Set && r.Kind != Block
			for _, b := range r.Set {
				acts = acts || c.used["vars."+b.Name]
			}
		})
		if !acts {
			c.add(c.src.node(x.key), "W522", "write on_error: continue if that is meant, or do something about it", "these steps do nothing about the failure: it is swallowed")
		}
	}
}

// sameForEach warns of a loop whose effects have nothing to do with its items.
func (c *linter) sameForEach(s *Step) {
	if s.Kind != ForEach || c.errors() > 0 {
		return
	}
	effects := effectSteps(s.Steps)
	if len(effects) == 0 || c.reads(s.Steps, s.Each.As) || s.Each.Index != "" && c.reads(s.Steps, s.Each.Index) {
		return
	}
	c.add(c.at(s, "for_each"), "W526", "use "+s.Each.As+" in it, or take it out of the loop", "%s has the same effects for each item: nothing in the loop reads %s", called(effects[0]), s.Each.As)
}

// reads reports whether an expression in steps reads a name.
func (c *linter) reads(steps []*Step, name string) bool {
	found := false
	Walk(steps, func(_ string, s *Step) {
		for _, e := range s.questions() {
			found = found || slices.ContainsFunc(e.Uses(), func(path string) bool {
				return path == name || strings.HasPrefix(path, name+".") || strings.HasPrefix(path, name+"?") || strings.HasPrefix(path, name+"[")
			})
		}
	})
	return found
}

// questions are the expressions that stand directly in a step.
func (s *Step) questions() []*Expression {
	var all []*Expression
	take := func(e *Expression) {
		if e != nil {
			all = append(all, e)
		}
	}
	data := func(t *Template) {
		if t != nil {
			all = append(all, t.expressions()...)
		}
	}
	take(s.If)
	for _, b := range s.Set {
		take(b.Expr)
	}
	if s.Each != nil {
		take(s.Each.List)
		for _, b := range s.Each.Collect {
			take(b.Expr)
		}
	}
	if s.Approve != nil {
		take(s.Approve.Targets)
		data(s.Approve.Ask)
		data(s.Approve.Approvers)
	}
	if s.Wait != nil {
		for _, t := range []*Template{s.Wait.For, s.Wait.Until, s.Wait.Key, s.Wait.Since} {
			data(t)
		}
	}
	if s.Repeat != nil {
		take(s.Repeat.Until)
	}
	if s.Call != nil {
		data(s.Call.With)
	}
	for _, t := range []*Template{s.With, s.Text, s.Title, s.Timeout, s.For} {
		data(t)
	}
	return all
}
