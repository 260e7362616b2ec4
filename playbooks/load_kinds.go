package playbooks

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// content reads what only one kind of step has.
func (l *loader) content(s *Step) {
	w := s.written
	switch s.Kind {
	case Action:
		x, _ := w.get("uses")
		s.Uses = l.text(x.value, "uses")
	case Set:
		x, _ := w.get("set")
		s.assigns = l.bindings(x.value, "set", "a var")
	case Block:
		x, _ := w.get("steps")
		s.Steps = l.list1(x.value, "steps", false)
		if x, ok := w.get("else"); ok {
			s.Else = l.list1(x.value, "else", false)
		}
	case ForEach:
		l.each(s)
	case Parallel:
		x, _ := w.get("parallel")
		s.Branches = l.list1(x.value, "parallel", false)
	case Approve:
		l.approval(s)
	case Wait:
		l.waiting(s)
	case Repeat:
		l.turns(s)
	case Call:
		l.call(s)
	}
}

// bindings reads a mapping of names to expressions.
func (l *loader) bindings(n *yaml.Node, what, name string) []field {
	f, ok := l.raw(n, what)
	if !ok {
		return nil
	}
	if len(n.Content) == 0 {
		l.add(l.src.node(n), "E204", "", "%s names nothing", what)
	}
	kept := f.all[:0:0]
	for _, x := range f.all {
		if l.goodName(x.key, name) {
			kept = append(kept, x)
		}
	}
	return kept
}

func (l *loader) each(s *Step) {
	w := s.written
	s.Each = &Each{
		As:          "item",
		Batch:       l.number(w, "batch", numberRange{1, 1000, 0}),
		MaxParallel: l.number(w, "max_parallel", numberRange{1, 256, 8}),
	}
	if x, ok := w.get("as"); ok && l.goodName(x.value, "a loop") {
		s.Each.As = x.value.Value
	}
	if x, ok := w.get("index"); ok && l.goodName(x.value, "an index") {
		s.Each.Index = x.value.Value
	}
	if x, ok := w.get("collect"); ok {
		s.assigns = l.bindings(x.value, "collect", "a field of collect")
	}
	if x, ok := w.get("steps"); ok {
		s.Steps = l.list1(x.value, "steps", false)
	}
}

func (l *loader) approval(s *Step) {
	x, _ := s.written.get("approve")
	f, ok := l.mapping(x.value, place{
		name: "approve",
		keys: []string{
			"ask", "targets", "covers", "approvers", "quorum", "timeout", "remind", "on_timeout", "on_reject", "form",
		},
		required: []string{"ask", "approvers"},
	})
	s.Approve = &Approval{written: f, Quorum: 1, OnTimeout: "reject"}
	if !ok {
		return
	}
	s.Approve.Quorum = l.number(f, "quorum", numberRange{1, 20, 1})
	s.Approve.OnTimeout = l.oneOf(f, "on_timeout", "reject", "stop", "approve")
	if y, ok := f.get("on_reject"); ok {
		if l.text(y.value, "on_reject") != "continue" {
			l.add(l.src.node(y.value), "E204", "leave it out: a rejection then ends the item or the run", "on_reject is continue, not %s", quoted(y.value.Value))
		}
		s.Approve.OnReject = "continue"
	}
	if y, ok := f.get("covers"); ok {
		l.texts(y.value, "covers")
	}
	if y, ok := f.get("form"); ok {
		s.Approve.Form = l.form(y.value)
	}
}

// form reads the fields that whoever approves fills in.
func (l *loader) form(n *yaml.Node) []Param {
	all, ok := l.raw(n, "form")
	if ok && len(n.Content) == 0 {
		l.add(l.src.node(n), "E204", "leave it out, or name a field: reason: {type: string}", "form asks for nothing")
	}
	var form []Param
	for _, x := range all.all {
		if !l.goodName(x.key, "a field of form") {
			continue
		}
		if slices.Contains([]string{"outcome", "by", "at"}, x.name) {
			l.add(l.src.node(x.key), "E206", "choose another name", "an approval has %s of its own", x.name)
			continue
		}
		form = append(form, l.formField(x))
	}
	return form
}

// formField reads one field: a param that must be filled in only where
// `required: true` says so.
func (l *loader) formField(x field) Param {
	required := false
	if x.value.Kind == yaml.MappingNode {
		rest := *x.value
		rest.Content = nil
		for i := 0; i+1 < len(x.value.Content); i += 2 {
			key, value := x.value.Content[i], x.value.Content[i+1]
			if key.Value != "required" {
				rest.Content = append(rest.Content, key, value)
				continue
			}
			required = l.boolean(value, "required")
		}
		x.value = &rest
	}
	q := l.param(x)
	if q.Type.kind >= kindList {
		l.add(l.src.node(x.value), "E204", "ask for a text, a number, a boolean, a time, a duration or a size", "a person cannot fill in %s", q.Type)
	}
	q.Required = required && q.Default == nil
	return q
}

// waiting reads what a wait is for: a duration, a time or an event.
func (l *loader) waiting(s *Step) {
	x, _ := s.written.get("wait")
	s.Wait = &Waiting{OnTimeout: "fail", Data: AnyType()}
	if x.value.Kind != yaml.MappingNode {
		return // a duration: checked with its ${{ }}
	}
	w := s.Wait
	w.written, _ = l.mapping(x.value, place{
		name: "wait", keys: []string{"until", "event", "key", "timeout", "on_timeout", "since", "data"},
	})
	event, hasEvent := w.written.get("event")
	until, hasUntil := w.written.get("until")
	switch {
	case hasEvent && hasUntil:
		l.add(l.src.node(until.key), "E208", "make two steps of it; an event has a timeout", "a wait is for one thing: this one has event and until")
	case !hasEvent && !hasUntil:
		l.add(l.src.node(x.value), "E202", "write wait: 30m, wait: {until: TIME} or wait: {event: NAME}", "nobody can tell what this waits for")
	}
	if hasEvent {
		w.Event = l.text(event.value, "event")
		l.kebab(event.value, "an event")
		if !w.written.has("key") {
			l.add(l.src.node(event.value), "E202", "such as key: \"${{ incident.id }}\"", "a wait for an event needs the key that tells whose event it is")
		}
	}
	w.OnTimeout = l.oneOf(w.written, "on_timeout", "fail", "continue", "stop")
	for _, key := range []string{"key", "timeout", "on_timeout", "since", "data"} {
		if y, ok := w.written.get(key); ok && !hasEvent {
			l.add(l.src.node(y.key), "E210", "", "%s belongs to a wait for an event", key)
		}
	}
	if y, ok := w.written.get("on_timeout"); ok && hasEvent && !w.written.has("timeout") {
		l.add(l.src.node(y.key), "E210", "add timeout: 24h", "on_timeout without timeout: the wait lasts as long as the run")
	}
	if y, ok := w.written.get("data"); ok {
		w.Data = l.shapeOfData(y.value, "data")
	}
}

// shapeOfData reads the type of what comes from outside: a type by its name,
// a list of one, or a mapping of fields to types. A name with ? behind it may be
// absent.
func (l *loader) shapeOfData(n *yaml.Node, what string) Type {
	if n.Kind != yaml.MappingNode {
		return l.shapeOfValue(n, what)
	}
	all, _ := l.raw(n, what)
	fields := []TypeField{}
	for _, x := range all.all {
		fields = append(fields, TypeField{Name: x.name, Type: l.shapeOfData(x.value, what+"."+x.name)})
	}
	if len(fields) == 0 {
		l.add(l.src.node(n), "E204", "such as {reply: string}, or leave it out", "%s names no field", what)
		return AnyType()
	}
	return RecordOf("", fields...)
}

func (l *loader) shapeOfValue(n *yaml.Node, what string) Type {
	if n.Kind == yaml.SequenceNode && len(n.Content) == 1 {
		return ListOf(l.shapeOfData(n.Content[0], what))
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" {
		name, optional := strings.CutSuffix(n.Value, "?")
		t, ok := NamedType(name)
		switch {
		case ok && optional:
			return OptionalOf(t)
		case ok:
			return t
		}
		known := []string{"string", "integer", "number", "boolean", "duration", "time", "size", "any"}
		hint := suggest(name, known)
		if hint == "" {
			hint = strings.Join(known, ", ") + "; [string] for a list, string? for what may be absent"
		}
		l.add(l.src.node(n), "E204", hint, "%s: there is no type %s", what, quoted(n.Value))
		return Type{kind: kindBroken}
	}
	l.add(l.src.node(n), "E203", "such as {reply: string, files: [string]}", "%s is a type, not %s", what, kindOf(n))
	return Type{kind: kindBroken}
}

// MaxTurns is how often a repeat may run its steps.
const MaxTurns = 10_000

// turns reads the head of a repeat and its steps.
func (l *loader) turns(s *Step) {
	x, _ := s.written.get("repeat")
	s.Repeat = &Turns{}
	f, ok := l.mapping(x.value, place{
		name: "repeat", keys: []string{"steps", "until", "every", "times"}, required: []string{"steps", "times"},
	})
	s.Repeat.written = f
	if !ok {
		return
	}
	s.Repeat.Times = l.number(f, "times", numberRange{1, MaxTurns, 1})
	if y, ok := f.get("steps"); ok {
		s.Steps = l.list1(y.value, "steps", false)
	}
}

// call reads which playbook is called.
func (l *loader) call(s *Step) {
	x, _ := s.written.get("call")
	s.Call = &Called{Playbook: l.text(x.value, "call"), written: s.written}
	if strings.Contains(s.Call.Playbook, "${{") {
		s.Call.Playbook = "" // a finding already
	} else if s.Call.Playbook != "" {
		l.kebab(x.value, "a playbook")
	}
}
