package playbooks

import (
	"fmt"
	"reflect"
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
	Calls      map[string]Source // playbooks that may be called, by id
	Lists      map[string]List   // reference data, by name; nil: not known here
}

// List is reference data that playbooks and rules name as lists.<name>.
type List struct {
	Name  string
	Type  Type  // of one item
	Items []any // as Decode of Type gives them
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
// every finding at once. It fills in the actions, expressions and templates of p;
// without errors among the findings of Load and Check p can be run. A playbook is
// checked once.
func Check(p *Playbook, w World) []Finding {
	c := &linter{
		report: &report{src: p.source}, p: p, w: w, used: map[string]bool{},
		entities: entityTypes(), known: map[*Step]listed{}, width: 1,
		ids: map[string]*Step{}, names: map[string]int{}, lastSet: map[string]field{},
		types: map[reflect.Type]Type{},
	}
	c.places()
	base := c.base()
	c.head(base)
	top := c.list(p.Steps, base)
	c.outputs(top)
	c.failure(base, top)
	c.approvals(p.Steps, nil)
	c.approvals(p.OnFailure, nil)
	c.habits()
	return sortFindings(c.findings)
}

// MaxExpressions is how many expressions a playbook may hold.
const MaxExpressions = 5000

// linter walks a playbook in the order of its scopes.
type linter struct {
	*report
	p        *Playbook
	w        World
	used     map[string]bool // params.x, vars.x that something reads
	loops    []string        // names of the loops around
	inLoop   []map[string]bool
	entities map[string]Type
	known    map[*Step]listed
	covered  map[*Step]bool
	guarded  map[*Step]bool // after a gate, in its reach
	sets     []field
	ids      map[string]*Step
	names    map[string]int // lines that set vars first
	lastSet  map[string]field
	types    map[reflect.Type]Type
	compiled int  // expressions
	blind    bool // an approval is broken: what it covers is not known
	width    int  // items that loops around run at the same time
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
	return NewScope(map[string]Type{
		"event": eventType(), "incident": incidentType(), "evidence": evidenceType(),
		"params": c.p.paramsType(), "vars": RecordOf(""), "steps": RecordOf(""), "run": run,
	})
}

// head checks what stands before the steps.
func (c *linter) head(base Scope) {
	w := c.p.written
	if t := c.p.On.Incident; t != nil {
		if x, ok := t.written.get("if"); ok {
			t.If = c.question(x, base, BooleanType())
		}
		for _, q := range c.p.Params {
			if q.Required {
				c.add(c.src.node(q.key), "E213", "give it a default, or leave on.incident out", "nobody gives the param %s when an incident starts the playbook", q.Name)
			}
		}
	}
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

// failure checks on_failure, where every step may be absent.
func (c *linter) failure(base Scope, top reach) {
	s := base
	for _, name := range keysOf(top.steps) {
		s = s.WithField("steps", name, OptionalOf(top.steps[name]))
	}
	for _, name := range keysOf(top.vars) {
		s = s.WithField("vars", name, OptionalOf(top.vars[name]))
	}
	s = s.With("error", RecordOf(
		"error",
		TypeField{"step", StringType(), "path of the step that failed"},
		TypeField{"code", EnumOf("", ErrorCodes()...), "what kind of error"},
		TypeField{"message", StringType(), "what it said"},
	))
	s = s.WithField("run", "failed_step", StringType())
	c.list(c.p.OnFailure, s)
}

// question compiles a bare expression: a text is one, a number or boolean is
// itself. It answers nil after a finding.
func (c *linter) question(x field, s Scope, want Type) *Expression {
	n := x.value
	switch {
	case x.cut:
		return nil
	case n.Kind != yaml.ScalarNode:
		hint := "write an expression, in quotes"
		if n.Kind == yaml.SequenceNode {
			hint = "quote it: a list inside an expression is written '[a, b]'"
		}
		c.add(c.src.node(n), "E212", hint, "%s is an expression, not %s", x.name, kindOf(n))
		return nil
	case n.Tag == "!!null":
		c.add(c.src.node(x.key), "E212", "", "%s is an expression, and empty", x.name)
		return nil
	case n.Tag == "!!timestamp":
		c.add(c.src.node(n), "E212", "compare with a time or a duration: now() - incident.created_at > duration(\"30d\")", "YAML reads %s as a date, an expression as a subtraction", n.Value)
		return nil
	case n.Tag == "!!str" && c.eaten(n):
		return nil
	}
	text, base, ok := c.bare(n, x.name)
	if !ok {
		return nil
	}
	return c.compile(n, text, base, s, want)
}

// bare answers the expression of a scalar and where it begins in its value.
// ${{ }} around the whole is taken off.
func (c *linter) bare(n *yaml.Node, what string) (text string, base int, ok bool) {
	text = n.Value
	switch n.Tag {
	case "!!bool":
		return strings.ToLower(text), 0, true
	case "!!int", "!!float":
		if !plainNumber.MatchString(text) {
			c.add(c.src.node(n), "E212", "write digits only, or quote a text", "%s is written %s, which readers and programs take for different numbers", what, text)
			return "", 0, false
		}
		return text, 0, true
	}
	if slices.Contains([]string{"yes", "no", "on", "off"}, strings.ToLower(text)) {
		c.add(c.src.node(n), "E212", "write true or false", "%s is %s, which is no boolean", what, text)
		return "", 0, false
	}
	if !strings.Contains(text, "${{") {
		return text, 0, true
	}
	pieces, err := splitTemplate(text)
	if err == nil && len(pieces) == 1 && pieces[0].isExpr {
		return pieces[0].text, pieces[0].from, true
	}
	if err != nil {
		c.add(c.src.node(n), "E415", "add }} at the end, or leave ${{ out: this is an expression anyway", "${{ is not closed")
		return "", 0, false
	}
	c.add(c.src.node(n), "E212", "leave ${{ }} out: the whole value is an expression", "%s is one expression; here something stands outside ${{ }}", what)
	return "", 0, false
}

// compile compiles an expression that stands at a rune of a scalar and places
// its problems in the file.
func (c *linter) compile(n *yaml.Node, text string, base int, s Scope, want Type) *Expression {
	if c.compiled++; c.compiled > MaxExpressions || c.full() {
		if c.compiled == MaxExpressions+1 {
			c.add(c.src.node(n), "E107", "split the playbook", "more than %d expressions", MaxExpressions)
		}
		return nil
	}
	e, problems := Compile(text, s, want)
	failed := e == nil
	for _, p := range problems {
		at := c.src.node(n)
		if n.Tag == "!!str" {
			at = c.src.inScalar(n, base+p.From, base+p.To)
		}
		c.elsewhere(&p, text)
		c.add(at, p.Code, p.Hint, "%s", p.Message)
		failed = failed || p.IsError()
	}
	if failed {
		return nil
	}
	c.use(e)
	return e
}

// elsewhere says of an unknown step or var where the playbook has it.
func (c *linter) elsewhere(p *Problem, text string) {
	runes := []rune(text)
	if p.Code != "E304" && p.Code != "E303" || p.To > len(runes) || p.From > p.To {
		return
	}
	name, before := string(runes[p.From:p.To]), strings.TrimRight(string(runes[:p.From]), " ?.")
	if p.Code == "E303" && slices.Contains([]string{"subject", "lists", "alert"}, name) ||
		strings.HasSuffix(before, "event") && slices.Contains([]string{"row", "rows", "scheduled_at", "body"}, name) {
		p.Code, p.Hint = "E207", ""
		p.Message = name + " is part of the language but not of this version of stanch"
		return
	}
	if p.Code == "E303" {
		return
	}
	hint := "a step sees what stands before it, in its own list and in the lists around it"
	switch {
	case strings.HasSuffix(before, "steps"):
		switch s, ok := c.ids[name]; {
		case !ok:
			p.Message, p.Hint = fmt.Sprintf("there is no step %s", name), suggest(name, keysOf(c.ids))
		case slices.Contains([]Kind{Block, Parallel, Set, Stop, Fail}, s.Kind):
			p.Message, p.Hint = fmt.Sprintf("step %s (line %d) has no output", name, s.Line), "actions, for_each and approve have one"
		default:
			p.Message, p.Hint = fmt.Sprintf("step %s (line %d) is not known here", name, s.Line), hint
		}
	case strings.HasSuffix(before, "vars"):
		if line, ok := c.names[name]; ok {
			p.Message, p.Hint = fmt.Sprintf("vars.%s (set on line %d) is not known here", name, line), hint+"; values of one set do not see each other, and collect takes them out of for_each"
		} else {
			p.Message, p.Hint = fmt.Sprintf("nothing sets vars.%s", name), suggest(name, keysOf(c.names))
		}
	case strings.HasSuffix(before, "params"):
		names := []string{}
		for _, q := range c.p.Params {
			names = append(names, q.Name)
		}
		p.Message, p.Hint = fmt.Sprintf("the playbook has no param %s", name), suggest(name, names)
	}
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
	Walk(c.p.Steps, visit)
	Walk(c.p.OnFailure, visit)
}

// use notes what an expression reads.
func (c *linter) use(e *Expression) {
	for _, name := range e.Uses() {
		root, rest, _ := strings.Cut(name, ".")
		field, _, _ := strings.Cut(rest, ".")
		field, _, _ = strings.Cut(field, "[")
		if root == "vars" || root == "params" {
			c.used[root+"."+field] = true
		}
	}
}

// goType is TypeOf, kept for the next step that uses the same action.
func (c *linter) goType(t reflect.Type) Type {
	known, ok := c.types[t]
	if !ok {
		known = TypeOf(t)
		c.types[t] = known
	}
	return known
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
	}
	return fmt.Sprintf("the step on line %d", s.Line)
}
