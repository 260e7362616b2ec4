package playbooks

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"stanch/connectors/kusto"
)

// given is what one trigger gives to expressions: names, and fields of `event`.
// An optional type is one that it does not always give.
type given struct {
	trigger string
	names   map[string]Type
	event   []TypeField
	kinds   []string
}

// gives answers what each trigger gives, in the order of triggerNames.
func (on On) gives() []given {
	var all []given
	changes := []TypeField{
		{"changes", ListOf(StringType()), "fields of the incident that an update changed"},
		{"new_alerts", ListOf(StringType()), "ids of the alerts that are new with it"},
	}
	if on.Incident != nil {
		all = append(all, given{"incident", entityNames("incident"), changes, incidentEvents()})
	}
	if on.Alert != nil {
		all = append(all, given{"alert", entityNames("alert"), nil, alertEvents()})
	}
	if on.Schedule != nil {
		all = append(all, given{"schedule", nil, []TypeField{{"scheduled_at", TimeType(), "the time that the schedule names"}}, []string{"tick"}})
	}
	if on.Hunting != nil {
		all = append(all, given{"hunting", nil, []TypeField{on.Hunting.found()}, []string{"rows"}})
	}
	if on.Webhook != nil {
		all = append(all, given{"webhook", nil, []TypeField{{"body", on.Webhook.Body, "what the request says"}}, []string{"call"}})
	}
	if on.Manual != nil {
		fields := []TypeField{
			{"by", OptionalOf(StringType()), "who started the run by hand"},
			{"reason", OptionalOf(StringType()), "why, in their words"},
		}
		if on.Incident != nil && on.Manual.Subject == "incident" {
			fields = append(fields, changes...)
		}
		all = append(all, given{"manual", entityNames(on.Manual.Subject), fields, []string{"manual"}})
	}
	return all
}

// found is the field of `event` with what a query found.
func (t *HuntingTrigger) found() TypeField {
	row := t.Row()
	if t.Start == "batch" {
		return TypeField{"rows", ListOf(row), "what the query found"}
	}
	return TypeField{"row", row, "the row that the query found"}
}

// Row is the type of one row of what the query answers: anything where no columns
// are declared.
func (t *HuntingTrigger) Row() Type {
	if len(t.Columns) == 0 {
		return AnyType()
	}
	fields := make([]TypeField, len(t.Columns))
	for i, c := range t.Columns {
		fields[i] = TypeField{Name: c.Name, Type: c.Type}
	}
	return RecordOf("row", fields...)
}

// entityNames are the names that expressions have of what a run is about.
func entityNames(subject string) map[string]Type {
	switch subject {
	case "incident":
		return map[string]Type{"incident": incidentType(), "evidence": evidenceType()}
	case "alert":
		return map[string]Type{"alert": entityType("alert"), "evidence": evidenceType(), "incident": OptionalOf(incidentType())}
	case "none", "":
		return nil
	}
	return map[string]Type{"subject": entityType(subject)}
}

// eventTypes are the names that the triggers give to the whole playbook, `event`
// among them. What only some of them give may be absent.
func (p *Playbook) eventTypes() map[string]Type { return typesOf(p.On.gives()) }

func typesOf(all []given) map[string]Type {
	names := map[string]Type{}
	for _, g := range all {
		for name, t := range g.names {
			if _, known := names[name]; !known {
				names[name] = t
			}
		}
	}
	for name, t := range names {
		for _, g := range all {
			if own, gives := g.names[name]; !gives || own.Optional() {
				names[name] = OptionalOf(t)
			}
		}
	}
	names["event"] = eventOf(all)
	return names
}

// eventOf is what `event` is when these triggers may have given it.
func eventOf(all []given) Type {
	kinds, fields := []string{}, []TypeField{}
	for _, g := range all {
		for _, k := range g.kinds {
			if !slices.Contains(kinds, k) {
				kinds = append(kinds, k)
			}
		}
		for _, f := range g.event {
			if !hasField(fields, f.Name) {
				fields = append(fields, f)
			}
		}
	}
	if len(all) == 0 { // only called: the event is the caller's
		kinds = []string{"created", "updated", "tick", "rows", "call", "manual"}
	}
	for i, f := range fields {
		for _, g := range all {
			if !hasField(g.event, f.Name) {
				fields[i].Type = OptionalOf(f.Type)
			}
		}
	}
	return RecordOf("event", append([]TypeField{
		{"id", StringType(), "the key by which the event is known"},
		{"at", TimeType(), "when it happened"},
		{"kind", EnumOf("", kinds...), "what happened"},
	}, fields...)...)
}

func hasField(fields []TypeField, name string) bool {
	return slices.ContainsFunc(fields, func(f TypeField) bool { return f.Name == name })
}

// triggers checks what starts the playbook.
func (c *linter) triggers() {
	on, all := &c.p.On, c.p.On.gives()
	c.nobodyGives(all)
	scope := func(trigger string) Scope {
		i := slices.IndexFunc(all, func(g given) bool { return g.trigger == trigger })
		names := typesOf(all[i : i+1])
		names["params"], names["lists"] = c.p.paramsType(), c.listsType()
		return NewScope(names).WithLabels(c.w.Labels)
	}
	condition := func(trigger string, f fields) *Expression {
		x, ok := f.get("if")
		if !ok {
			return nil
		}
		c.asked = trigger
		defer func() { c.asked = "" }()
		return c.question(x, scope(trigger), BooleanType())
	}
	if t := on.Incident; t != nil {
		t.If = condition("incident", t.written)
	}
	if t := on.Alert; t != nil {
		t.If = condition("alert", t.written)
	}
	if t := on.Schedule; t != nil {
		t.If = condition("schedule", t.written)
	}
	if t := on.Hunting; t != nil {
		c.hunting(t)
		t.If = condition("hunting", t.written)
	}
	if t := on.Webhook; t != nil {
		c.hook(t)
		t.If = condition("webhook", t.written)
	}
}

// hook finds a request that nobody could send: without a secret in the
// operator's file serve does not take it.
func (c *linter) hook(t *WebhookTrigger) {
	x, given := t.written.get("path")
	if c.w.Hooks == nil || !given || !hookPath.MatchString(t.Path) || slices.Contains(c.w.Hooks, t.Path) {
		return
	}
	hint := suggest(t.Path, c.w.Hooks)
	if hint == "" {
		hint = "add hooks: {" + t.Path + ": {secret: {env: NAME}}} there"
	}
	c.add(c.src.node(x.value), "W614", hint, "the config has no secret for /hooks/%s: nobody could prove a request, so none is taken", t.Path)
}

// nobodyGives finds params without a default in a playbook that starts by
// itself.
func (c *linter) nobodyGives(all []given) {
	what := map[string]string{
		"incident": "an incident", "alert": "an alert", "schedule": "a schedule", "hunting": "a query", "webhook": "a request",
	}
	for _, g := range all {
		if g.trigger == "manual" {
			continue
		}
		for _, q := range c.p.Params {
			if q.Required {
				c.add(c.src.node(q.key), "E213", "give it a default, or leave on."+g.trigger+" out", "nobody gives the param %s when %s starts the playbook", q.Name, what[g.trigger])
			}
		}
	}
}

// hunting compiles the values of a query's names.
func (c *linter) hunting(t *HuntingTrigger) {
	x, ok := t.written.get("let")
	if !ok {
		return
	}
	l := &loader{report: c.report}
	all, _ := l.raw(x.value, "let")
	s := NewScope(map[string]Type{"params": c.p.paramsType(), "lists": c.listsType()})
	c.asked = "hunting"
	defer func() { c.asked = "" }()
	for _, x := range all.all {
		if !kusto.IsName(x.name) {
			c.add(c.src.node(x.key), "E205", "letters, digits and _, as the query calls it, and no word of KQL", "a name of a query cannot be called %s%s", quoted(x.name), foreign(x.name))
			continue
		}
		if !kusto.Mentions(t.Query, x.name) {
			c.add(c.src.node(x.key), "W613", "write "+x.name+" in the query, or delete it here", "the query does not name %s", x.name)
		}
		if e := c.let(x, s); e != nil {
			t.Let = append(t.Let, Binding{x.name, e})
		}
	}
}

// let compiles the value of a name of a query: a constant, or one ${{ }}.
func (c *linter) let(x field, s Scope) *Expression {
	n := x.value
	var e *Expression
	switch {
	case x.cut:
		return nil
	case n.Kind == yaml.ScalarNode && n.Tag == "!!str" && !strings.Contains(n.Value, "${{"):
		if !c.eaten(n) && !c.ambiguous(n, x.name) {
			c.bracesWithoutDollar(n)
			e, _ = Compile(exprText(n.Value), s, StringType())
		}
	case n.Kind == yaml.ScalarNode && n.Tag != "!!null":
		e = c.question(x, s, Type{})
	default:
		c.add(c.src.node(n), "E402", "write a constant, or one ${{ }}", "%s is %s; expected a text, a number, a boolean, a time or a list of them", x.name, kindOf(n))
	}
	if e == nil {
		return nil
	}
	t := typeOf(e)
	elem := t
	if t.IsList() {
		elem, _ = t.Elem()
	}
	if !elem.IsScalar() && elem.kind != kindBroken {
		c.add(c.src.node(n), "E402", "", "%s is %s; expected a text, a number, a boolean, a time or a list of them", x.name, t)
	}
	return e
}

// exprText writes a text as a constant of an expression.
func exprText(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(s) + `"`
}

// notGiven says of a name that is not there that no trigger gives it, and which
// would. It reports whether it is such a name.
func (c *linter) notGiven(p *Problem, name string, ofEvent bool) bool {
	givers := map[string]string{
		"incident": "on.incident gives it, and on.manual with subject: incident",
		"evidence": "on.incident and on.alert give it, and on.manual with subject: incident",
		"alert":    "on.alert gives it, and on.manual with subject: alert",
		"subject":  "on.manual gives it, with subject: user, file, device or mailbox",
	}
	if ofEvent {
		givers = map[string]string{
			"changes": "on.incident gives it", "new_alerts": "on.incident gives it", "by": "on.manual gives it",
			"reason": "on.manual gives it", "scheduled_at": "on.schedule gives it", "body": "on.webhook gives it",
			"row": "on.hunting gives it, with start: each_row", "rows": "on.hunting gives it, with start: batch",
		}
	}
	if c.asked != "" && !ofEvent && slices.Contains([]string{"run", "steps", "vars"}, name) {
		p.Code, p.Hint = "E614", "a trigger is judged before there is a run: it knows event, params, lists and what the trigger gives"
		p.Message = fmt.Sprintf("%s is not there in on.%s", name, c.asked)
		return true
	}
	hint, known := givers[name]
	if !known || ofEvent != (p.Code == "E304") {
		return false
	}
	if ofEvent {
		name = "event." + name
	}
	p.Code, p.Hint = "E614", hint
	p.Message = "no trigger of this playbook gives " + name
	switch {
	case c.asked != "":
		p.Message = fmt.Sprintf("on.%s gives no %s", c.asked, name)
	case c.p.OnlyCalled():
		p.Message, p.Hint = name+" is not known: nothing starts this playbook but a call", "give it as a param"
	}
	return true
}
