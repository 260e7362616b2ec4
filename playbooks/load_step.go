package playbooks

import (
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
	ends := []string{"on_error", "finally"}
	bounded := append([]string{"timeout"}, ends...)
	return []shape{
		{"uses", Action, []string{"with", "for"}, append([]string{"retry"}, bounded...)},
		{"set", Set, nil, ends},
		{"for_each", ForEach, []string{"as", "index", "batch", "max_parallel", "collect", "steps"}, bounded},
		{"parallel", Parallel, nil, bounded},
		{"approve", Approve, nil, ends},
		{"wait", Wait, nil, ends},
		{"repeat", Repeat, nil, bounded},
		{"call", Call, []string{"with"}, bounded},
		{"stop", Stop, nil, nil},
		{"fail", Fail, nil, nil},
		{"steps", Block, []string{"else"}, bounded}, // last: for_each has steps too
	}
}

func commonKeys() []string {
	return []string{"id", "title", "if", "timeout", "retry", "on_error", "finally"}
}

// stepKeys are all keys that a step of any kind may have.
func stepKeys() []string {
	keys := commonKeys()
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
		if slices.Contains(pathWords(), s.ID) {
			l.add(l.src.node(x.value), "E205", "add a word to it", "a step cannot be called %s: paths of steps use that word", s.ID)
		}
	}
	sh, ok := l.shapeOf(f)
	if !ok {
		return nil
	}
	s.Kind = sh.kind
	l.judgeKeys(s, sh)
	l.retry(s)
	l.content(s)
	l.onError(s)
	l.finally(s)
	return s
}

// kindKey is the key that makes the step what it is.
func (f fields) kindKey() string {
	for _, sh := range shapes() {
		if f.has(sh.key) {
			return sh.key
		}
	}
	return ""
}

// shapeOf tells the kind of a step by its keys.
func (l *loader) shapeOf(f fields) (shape, bool) {
	var found []shape
	for _, sh := range shapes() {
		if f.has(sh.key) && !(sh.kind == Block && len(found) > 0 && found[0].kind == ForEach) {
			found = append(found, sh)
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
		case slices.Contains(commonKeys(), x.name) || l.ofAnotherKind(x.name):
			l.add(l.src.node(x.key), "E210", insteadOfKey(x.name, sh), "%s does not belong to a step with %s", x.name, sh.key)
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

// insteadOfKey says what to write where a common key has no meaning.
func insteadOfKey(key string, sh shape) string {
	switch {
	case key == "retry" && len(sh.also) > 0:
		return "retry is for one action (uses); `repeat` runs steps again until a condition holds"
	case key == "timeout" && (sh.kind == Approve || sh.kind == Wait):
		return "write it inside: " + sh.key + ": {…, timeout: 4h}"
	case key == "for" && sh.kind == Block:
		return "for belongs to the step with uses whose effect is taken back"
	}
	return ""
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
		f, _ := l.mapping(x.value, place{name: "on_error", keys: []string{"steps"}, required: []string{"steps"}})
		if y, ok := f.get("steps"); ok {
			s.OnError, s.Rescue = "steps", l.list1(y.value, "steps", false)
		}
		return
	}
	if x.value.Kind == yaml.SequenceNode {
		l.add(l.src.node(x.value), "E203", "write the list below on_error: {steps: …}", "on_error is fail, continue, rollback or a mapping with steps, not a list")
		return
	}
	s.OnError = l.oneOf(s.written, "on_error", "fail", "continue", "rollback")
	if s.OnError == "rollback" && !slices.Contains([]Kind{Block, ForEach, Parallel, Repeat, Call}, s.Kind) {
		l.add(l.src.node(x.value), "E210", "put it into a step with steps: that has effects to undo", "on_error: rollback undoes the effects of the steps inside; a step with %s has none inside", s.written.kindKey())
	}
}

// finally reads the steps that run however the step has ended.
func (l *loader) finally(s *Step) {
	if x, ok := s.written.get("finally"); ok {
		s.Finally = l.list1(x.value, "finally", false)
	}
}

// retry reads how often and when a failed attempt is made again.
func (l *loader) retry(s *Step) {
	x, ok := s.written.get("retry")
	if !ok || s.Kind != Action {
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
		Backoff:  l.oneOf(f, "backoff", "exponential", "constant", "fibonacci"),
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
