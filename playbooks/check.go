package playbooks

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"stanch/actions"
)

// World is what a playbook is checked against.
type World struct {
	Catalog    *actions.Catalog
	Groups     map[string][]string // people by group; nil: not known here
	OwnDomains []string
	Labels     []string          // sensitivity labels, the least protected first; nil: not known here
	Calls      map[string]Source // playbooks that may be called, by id
	Lists      map[string]List   // reference data, by name; nil: not known here
	// Lacks reports whether the app has not been granted a permission; nil: not
	// known here.
	Lacks func(actions.Permission) bool
	// Hunts answers what the service says is wrong with the query of a playbook
	// that is checked but for that, and what to do about it; nil: not asked here.
	Hunts func(*Playbook) (wrong, hint string)
}

// LoadAndCheck loads a playbook and checks it, with all findings of both but
// those that its comments suppress.
func LoadAndCheck(file string, text []byte, w World) (*Playbook, []Finding) {
	p, findings := Load(file, text)
	if p == nil {
		return nil, findings
	}
	findings, p.Suppressed = p.suppress(sortFindings(append(findings, Check(p, w)...)), false)
	return p, findings
}

// Check resolves names and types in the order in which steps run and answers
// every finding at once. It fills in the actions, expressions, templates and
// called playbooks of p; without errors among the findings of Load and Check p
// can be run. A playbook is checked once.
func Check(p *Playbook, w World) []Finding {
	all := newCallees(w)
	all.path = []string{p.ID}
	findings, _ := check(p, all)
	return findings
}

// check is Check among playbooks that call each other. It answers also how deep
// p calls.
func check(p *Playbook, all *callees) ([]Finding, int) {
	c := &linter{
		report: &report{src: p.source}, p: p, w: all.world, all: all, used: map[string]bool{}, named: map[string]bool{},
		entities: entities(), guarded: map[*Step]bool{}, width: 1,
		before: map[*Step]facts{}, facts: map[*Step]facts{},
		ids: map[string]*Step{}, names: map[string]int{}, lastSet: map[string]field{},
	}
	c.places()
	c.permissions()
	base := c.base()
	p.scope = base
	c.head(base)
	p.reads = nil // what triggers ask is not asked of a call
	top := c.list(p.Steps, base)
	c.outputs(top)
	c.failure(base, top)
	p.Calls = p.calls()
	p.Lists = c.lists()
	c.approvals(p.Steps, nil)
	c.approvals(p.OnFailure, nil)
	c.approvals(p.Finally, nil)
	p.open = c.openEffects()
	c.habits()
	c.huntable()
	c.tooMuch()
	return sortFindings(c.findings), c.depth
}

// tooMuch says that not all was looked at. It is an error whatever else there
// is: what was not looked at must not run.
func (c *linter) tooMuch() {
	at := span{0, 0}
	if x, ok := c.p.written.get("steps"); ok {
		at = c.src.node(x.key)
	}
	told := c.findings
	c.findings = nil
	switch {
	case c.compiled > MaxExpressions:
		c.add(at, "E107", "split the playbook", "more than %d expressions: those in loops of repeat count again", MaxExpressions)
	case len(told) >= maxFindings:
		c.add(at, "E107", "mend some of them first", "more than %d findings: the rest was not looked at", maxFindings)
	}
	c.findings = append(told, c.findings...)
}

// MaxExpressions is how many expressions a playbook may hold.
const MaxExpressions = 5000

// linter walks a playbook in the order of its scopes.
type linter struct {
	*report
	p        *Playbook
	w        World
	all      *callees
	depth    int             // of calls
	used     map[string]bool // params.x, vars.x, steps.x that something reads
	named    map[string]bool // lists that something reads
	before   map[*Step]facts // what is known before the step's condition
	facts    map[*Step]facts // what is known where an action runs
	loops    []string        // names of the loops around
	inLoop   []map[string]bool
	entities map[string]Type
	guarded  map[*Step]bool // after a gate, in its reach
	sets     []field
	ids      map[string]*Step
	names    map[string]int // lines that set vars first
	lastSet  map[string]field
	compiled int    // expressions
	blind    bool   // an approval is broken: what it covers is not known
	asked    string // the trigger whose condition is compiled, or ""
	width    int    // items that loops around run at the same time
}

// listed is what the walk found out about a step that later looks need.
type listed struct {
	entity *Template // the parameter that names what the action acts upon
	kind   string    // the kind of that entity
}

// base is the scope that every expression of the playbook has.
func (c *linter) base() Scope {
	run := RecordOf(
		"run",
		TypeField{"id", StringType(), "id of the run"},
		TypeField{"mode", EnumOf("", "plan", "shadow", "live"), "whether effects happen"},
		TypeField{"playbook", StringType(), "id of the playbook"},
		TypeField{"digest", StringType(), "digest of the playbook"},
		TypeField{"started_at", TimeType(), "when the run was started"},
		TypeField{"started_by", StringType(), "who or what started it"},
		TypeField{"url", OptionalOf(StringType()), "page of the run in the console"},
	)
	c.p.given = c.p.eventTypes()
	names := maps.Clone(c.p.given)
	names["params"], names["lists"], names["run"] = c.p.paramsType(), c.listsType(), run
	names["vars"], names["steps"] = RecordOf(""), RecordOf("")
	return NewScope(names).WithLabels(c.w.Labels)
}

// head checks what stands before the steps.
func (c *linter) head(base Scope) {
	w := c.p.written
	c.triggers()
	if x, ok := w.get("timeout"); ok {
		c.p.Timeout = c.timeout(x.value, base, "timeout")
	}
	if x, ok := c.p.Concurrency.written.get("key"); ok {
		c.p.Concurrency.Key = c.prose(x.value, base, "concurrency.key")
	}
}

// timeout compiles a duration that may be ${{ }}.
func (c *linter) timeout(n *yaml.Node, s Scope, what string) *Template {
	t := c.data(n, s, DurationType(), what)
	if t == nil || t.expr != nil {
		return t
	}
	(&loader{report: c.report}).literalDuration(n, what)
	return t
}

// outputs compiles what the run answers.
func (c *linter) outputs(top reach) {
	x, ok := c.p.written.get("outputs")
	if !ok {
		return
	}
	l := &loader{report: c.report}
	for _, b := range l.bindings(x.value, "outputs", "an output") {
		c.p.Outputs = append(c.p.Outputs, Binding{b.name, c.question(b, top.scope, Type{})})
	}
}

// failure checks on_failure and finally, where every step may be absent. What
// on_failure brings may be absent in finally too.
func (c *linter) failure(base Scope, top reach) {
	half := c.anyOf(base, []reach{top})
	s := half.scope.With("error", errorType()).WithField("run", "failed_step", StringType())
	failed := c.list(c.p.OnFailure, s)
	half = c.anyOf(base, []reach{top, failed})
	s = half.scope.With("error", OptionalOf(errorType())).WithField("run", "failed_step", OptionalOf(StringType()))
	c.list(c.p.Finally, s)
}

// places notes the lines on which steps and vars get their names.
func (c *linter) places() {
	visit := func(_ string, s *Step) {
		if s.ID != "" {
			c.ids[s.ID] = s
		}
		if s.Kind != Set {
			return
		}
		for _, x := range s.assigns {
			if _, known := c.names[x.name]; !known {
				c.names[x.name] = x.key.Line
			}
		}
	}
	c.p.Walk(visit)
}

// use notes what an expression reads.
func (c *linter) use(e *Expression) {
	for _, name := range e.Uses() {
		root, rest, _ := strings.Cut(name, ".")
		field, _, _ := strings.Cut(rest, ".")
		field, _, _ = strings.Cut(field, "[")
		if root == "vars" || root == "params" || root == "steps" {
			c.used[root+"."+field] = true
		}
		if root == "lists" {
			c.named[field] = true
		}
		if ofEvent(name) && !slices.Contains(c.p.reads, name) {
			c.p.reads = append(c.p.reads, name)
		}
	}
}

// typeOf is the type of an expression, unknown after a finding.
func typeOf(e *Expression) Type {
	if e == nil {
		return Type{kind: kindBroken}
	}
	return e.Type().widen()
}

// at places a finding at a step.
func (c *linter) at(s *Step, key string) span {
	if x, ok := s.written.get(key); ok {
		return c.src.node(x.key)
	}
	return c.src.node(s.written.node)
}

// called is how messages name a step.
func called(s *Step) string {
	switch {
	case s.ID != "":
		return "step " + s.ID
	case s.Uses != "":
		return s.Uses
	case s.Kind == Call:
		return "the call of " + s.Call.Playbook
	}
	return fmt.Sprintf("the step on line %d", s.Line)
}
