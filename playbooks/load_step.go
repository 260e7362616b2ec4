package playbooks

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// shape says how a step kind is written: the key that makes it, and the keys
// that belong to it.
type shape struct {
	key  string
	kind Kind
	own  []string // keys of this kind alone
	also []string // common keys that it takes besides id, title and if
}

func shapes() []shape {
	return []shape{
		{"uses", Action, []string{"with"}, []string{"timeout", "retry", "on_error"}},
		{"set", Set, nil, []string{"on_error"}},
		{"for_each", ForEach, []string{"as", "index", "batch", "max_parallel", "collect", "steps"}, []string{"on_error"}},
		{"parallel", Parallel, nil, []string{"on_error"}},
		{"approve", Approve, nil, []string{"on_error"}},
		{"stop", Stop, nil, nil},
		{"fail", Fail, nil, nil},
		{"steps", Block, []string{"else"}, []string{"on_error"}}, // last: for_each has steps too
	}
}

// laterKinds are the keys of step kinds, and of steps, that are part of the
// language but not of this version.
func laterKinds() []string { return []string{"wait", "repeat", "call"} }
func laterKeys() []string  { return []string{"finally", "for"} }

func commonKeys() []string { return []string{"id", "title", "if", "timeout", "retry", "on_error"} }

// stepKeys are all keys that a step of any kind may have.
func stepKeys() []string {
	keys := slices.Concat(commonKeys(), laterKinds(), laterKeys())
	for _, sh := range shapes() {
		keys = append(append(keys, sh.key), sh.own...)
	}
	return keys
}

// stepList reads steps that follow each other.
func (l *loader) stepList(nodes []*yaml.Node) []*Step {
	steps := make([]*Step, 0, len(nodes))
	for i, n := range nodes {
		l.steps++
		if l.steps > MaxSteps {
			if l.steps == MaxSteps+1 {
				l.add(l.src.node(n), "E107", "split the playbook", "more than %d steps", MaxSteps)
			}
			break
		}
		if s := l.step(n, i); s != nil {
			steps = append(steps, s)
		}
	}
	return steps
}

// step reads one step; nil if nobody can tell what it is.
func (l *loader) step(n *yaml.Node, position int) *Step {
	f, ok := l.raw(n, "a step", stepKeys()...)
	if !ok {
		return nil
	}
	s := &Step{Name: stepName("", position), Line: n.Line, OnError: "fail", written: f}
	if x, ok := f.get("id"); ok && l.goodName(x.value, "a step") {
		s.ID, s.Name = x.value.Value, x.value.Value
		if first, dup := l.ids[s.ID]; dup {
			l.add(l.src.node(x.value), "E206", "ids are unique in a whole playbook", "the step id %s is taken by the step on line %d", s.ID, first.Line)
		} else {
			l.ids[s.ID] = x.value
		}
	}
	sh, ok := l.shapeOf(f)
	if !ok {
		return nil
	}
	s.Kind = sh.kind
	l.judgeKeys(s, sh)
	l.onError(s)
	l.retry(s)
	l.content(s)
	return s
}

// shapeOf tells the kind of a step by its keys.
func (l *loader) shapeOf(f fields) (shape, bool) {
	var found []shape
	for _, sh := range shapes() {
		if f.has(sh.key) && !(sh.kind == Block && len(found) > 0 && found[0].kind == ForEach) {
			found = append(found, sh)
		}
	}
	for _, word := range laterKinds() {
		if x, ok := f.get(word); ok {
			l.later(x.key, word)
			return shape{}, false
		}
	}
	switch len(found) {
	case 1:
		return found[0], true
	case 0:
		l.noKind(f)
		return shape{}, false
	}
	second, _ := f.get(found[1].key)
	hint := "make two steps of it"
	if found[1].kind == Block {
		hint = "put the steps into a step of their own, or write `if` with steps"
	}
	l.add(l.src.node(second.key), "E208", hint, "a step is one thing: this one has %s and %s", found[0].key, found[1].key)
	return shape{}, false
}

// noKind finds out what a step without a kind was meant to be.
func (l *loader) noKind(f fields) {
	kinds := []string{}
	for _, sh := range shapes() {
		kinds = append(kinds, sh.key)
	}
	for _, x := range f.all {
		if near := Nearest(x.name, kinds); near != "" && !slices.Contains(commonKeys(), x.name) {
			l.add(l.src.node(x.key), "E201", "did you mean "+near+"?", "a step has no key %s", quoted(x.name))
			return
		}
	}
	for _, x := range f.all {
		switch x.name {
		case "if":
			l.add(l.src.node(f.node), "E208", "add what to do: uses, set, stop, fail, or steps", "this step only asks: it has if, but nothing to do")
			return
		case "with":
			l.add(l.src.node(f.node), "E208", "add uses: ACTION", "this step has with, but not which action it uses")
			return
		}
	}
	l.add(l.src.node(f.node), "E208", "a step has one of "+strings.Join(kinds, ", "), "nobody can tell what this step does")
}

// judgeKeys refuses keys that do not belong to the kind of the step.
func (l *loader) judgeKeys(s *Step, sh shape) {
	takes := append([]string{sh.key, "id", "title", "if"}, append(slices.Clone(sh.own), sh.also...)...)
	kept := s.written.all[:0:0]
	for _, x := range s.written.all {
		switch {
		case slices.Contains(takes, x.name):
			kept = append(kept, x)
		case slices.Contains(laterKeys(), x.name), slices.Contains(commonKeys(), x.name) && len(sh.also) > 0:
			l.later(x.key, laterName(x.name, sh))
		case slices.Contains(commonKeys(), x.name) || l.ofAnotherKind(x.name):
			l.add(l.src.node(x.key), "E210", "", "%s does not belong to a step with %s", x.name, sh.key)
		default:
			s.faulty = true
			l.add(l.src.node(x.key), "E201", suggest(x.name, takes), "a step with %s has no key %s", sh.key, quoted(x.name))
		}
	}
	s.written.all = kept
	if x, ok := s.written.get("else"); ok && !s.written.has("if") {
		l.add(l.src.node(x.key), "E210", "add if, or move the steps", "else without if")
	}
	if sh.kind == ForEach && !s.written.has("steps") {
		l.add(l.src.node(s.written.node), "E202", "", "for_each needs the key steps")
	}
}

func laterName(key string, sh shape) string {
	if slices.Contains(laterKeys(), key) {
		return key
	}
	return fmt.Sprintf("%s on a step with %s", key, sh.key)
}

func (l *loader) ofAnotherKind(key string) bool {
	return slices.ContainsFunc(shapes(), func(sh shape) bool { return sh.key == key || slices.Contains(sh.own, key) })
}

// onError reads what becomes of the list when the step fails.
func (l *loader) onError(s *Step) {
	x, ok := s.written.get("on_error")
	if !ok {
		return
	}
	if x.value.Kind == yaml.MappingNode {
		l.later(x.key, "on_error with steps")
		return
	}
	if x.value.Value == "rollback" {
		l.later(x.value, "on_error: rollback")
		return
	}
	s.OnError = l.oneOf(s.written, "on_error", "fail", "continue")
}

// retry reads how often and when a failed attempt is made again.
func (l *loader) retry(s *Step) {
	x, ok := s.written.get("retry")
	if !ok {
		return
	}
	f, ok := l.mapping(x.value, place{
		name: "retry", keys: []string{"attempts", "backoff", "initial", "cap", "jitter", "on"}, required: []string{"attempts"},
	})
	if !ok {
		return
	}
	r := &Retry{
		Attempts: l.number(f, "attempts", numberRange{1, 100, 1}),
		Backoff:  l.oneOf(f, "backoff", "exponential", "constant"),
		Initial:  l.duration(f, "initial", 2*time.Second),
		Cap:      l.duration(f, "cap", 5*time.Minute),
		Jitter:   l.oneOf(f, "jitter", "full", "none"),
		On:       []string{"throttled", "unavailable", "locked", "timeout"},
	}
	if !f.has("cap") {
		r.Cap = max(r.Cap, r.Initial)
	}
	if y, ok := f.get("on"); ok {
		r.On = l.words(y.value, "retry.on", ErrorCodes())
	}
	if y, ok := f.get("cap"); ok && r.Cap < r.Initial {
		l.add(l.src.node(y.value), "E204", "", "cap (%s) is shorter than initial (%s)", y.value.Value, shortDuration(r.Initial))
	}
	if y, ok := f.get("attempts"); ok && r.Attempts == 1 && y.value.Value == "1" {
		l.add(l.src.node(y.value), "W507", "attempts counts the first: write 2 or more", "one attempt is no retry")
	}
	s.Retry = r
}

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
			"ask", "targets", "covers", "approvers", "quorum", "timeout", "on_timeout", "on_reject",
		},
		later:    []string{"form", "remind"},
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
}
