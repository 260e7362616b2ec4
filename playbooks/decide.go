package playbooks

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
)

// How much a verdict says of values: it is kept for every playbook of every
// revision of an incident.
const (
	mostRead  = 3
	longRead  = 48
	longWords = 160
)

// Decide decides as Matches does. Where a condition is false its verdict says
// which of the parts that `and` joins was, and what that part read.
func (o *Offer) Decide(p *Playbook, own []string, now time.Time) (Verdict, error) {
	return o.decide(p, p.defaults, own, now)
}

// DecideWith is Decide with other params than the defaults, as BindParams gives
// them.
func (o *Offer) DecideWith(p *Playbook, params map[string]any, own []string, now time.Time) (Verdict, error) {
	return o.decide(p, func() (map[string]any, error) { return params, nil }, own, now)
}

func (o *Offer) decide(p *Playbook, params func() (map[string]any, error), own []string, now time.Time) (Verdict, error) {
	v, condition := p.listens(o.event)
	if condition == nil {
		return v, nil
	}
	what := "on." + o.event.Trigger + ".if"
	names, err := o.Names(p)
	if err == nil {
		names["params"], err = params()
	}
	if err != nil {
		return Verdict{Because: err.Error()}, err
	}
	env := Env{Names: names, Now: now, OwnDomains: own}
	for _, part := range condition.conjuncts() {
		a := o.ask(part, env)
		if a.failed {
			break // the whole says it, with its place
		}
		if a.value == false {
			return Verdict{false, what + ": " + a.because}, nil
		}
	}
	return p.asks(what, condition, env)
}

// answer is what a part of a condition came to.
type answer struct {
	value   any
	failed  bool
	because string // where value is false
}

// ask evaluates a part of a condition. Playbooks have many in common: what reads
// nothing but the event is asked once of each offer, as long as the time is the
// same.
func (o *Offer) ask(part *Expression, env Env) answer {
	if !part.ofEvent {
		return part.ask(env)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.at.Equal(env.Now) || o.answers == nil {
		o.at, o.answers = env.Now, map[string]answer{}
	}
	a, known := o.answers[part.brief]
	if !known {
		a = part.ask(env)
		o.answers[part.brief] = a
	}
	return a
}

func (e *Expression) ask(env Env) answer {
	v, err := e.Eval(env)
	a := answer{value: v, failed: err != nil}
	if err == nil && v == false {
		a.because = cutText(strings.Join(strings.Fields(e.brief), " "), longWords) + " is false" + e.wasRead(env)
	}
	return a
}

// defaults are the params of a run that nobody gives any.
func (p *Playbook) defaults() (map[string]any, error) {
	if len(p.Params) == 0 {
		return map[string]any{}, nil
	}
	return p.BindParams(nil)
}

// brief is the text of the part at the root.
func (c *checker) brief() string {
	from, to := c.span(c.root)
	return strings.TrimSpace(string(c.runes[from:to]))
}

// conjuncts are the parts that `and` joins, each an expression of its own; none
// where nothing is joined so that it could be asked alone.
func (e *Expression) conjuncts() []*Expression {
	e.split.Do(func() {
		if e.read == nil {
			return
		}
		for _, n := range conjoined(e.read.root) {
			at := *e.read.source
			at.root = n
			c := *e.read
			c.source, c.uses = &at, pathsOf(n, c.scope)
			part := &Expression{source: e.source, typ: BooleanType(), root: n, uses: c.uses}
			if part.build(&c) != nil {
				e.parts = nil
				return
			}
			part.brief = c.brief()
			part.ofEvent = !slices.ContainsFunc(part.names, func(name string) bool { return name == "params" || name == "lists" }) &&
				!strings.Contains(part.brief, "external") // which asks what the caller's own domains are
			e.parts = append(e.parts, part)
		}
	})
	return e.parts
}

func conjoined(n ast.Node) []ast.Node {
	if both, is := n.(*ast.BinaryNode); is && isAnd(both) {
		return append(conjoined(both.Left), conjoined(both.Right)...)
	}
	return []ast.Node{n}
}

// pathsOf are the paths from a name of the scope that are read below a node, in
// the order of the text, each once.
func pathsOf(n ast.Node, s Scope) []string {
	if path := pathOf(n, pathOfName); path != "" && !strings.Contains(path, "[") {
		if root, _, _ := strings.Cut(path, "."); s.has(root) {
			return []string{path}
		}
	}
	var all []string
	for _, child := range children(n) {
		for _, path := range pathsOf(child, s) {
			if !slices.Contains(all, path) {
				all = append(all, path)
			}
		}
	}
	return all
}

// wasRead tells the values that an expression read.
func (e *Expression) wasRead(env Env) string {
	var b strings.Builder
	for i, path := range e.uses {
		if i == mostRead {
			fmt.Fprintf(&b, ", and %d more", len(e.uses)-mostRead)
			break
		}
		b.WriteString([]string{" (", ", "}[min(i, 1)])
		b.WriteString(path + " is " + shownValue(path, valueAt(env.Names, path)))
	}
	if b.Len() > 0 {
		b.WriteString(")")
	}
	return b.String()
}

// valueAt follows a path of fields; nil where it ends early.
func valueAt(names map[string]any, path string) any {
	var v any = names
	for field := range strings.SplitSeq(path, ".") {
		record, is := v.(map[string]any)
		if !is {
			return nil
		}
		v = record[field]
	}
	return v
}

// shownValue is a value on one short line: of a list its length too, of a record
// nothing but that it is one, and of what may be a secret nothing at all.
func shownValue(path string, v any) string {
	last := path[strings.LastIndexByte(path, '.')+1:]
	switch v := v.(type) {
	case nil:
		return "absent"
	case string:
		if secretName.MatchString(last) || mayHoldSecret(v) && secretForm.MatchString(v) {
			return "[secret]"
		}
		return quoteText(v)
	case []any:
		words := make([]string, 0, len(v))
		for _, item := range v {
			s, is := item.(string)
			if !is || secretName.MatchString(last) || mayHoldSecret(s) && secretForm.MatchString(s) {
				return fmt.Sprintf("a list of %d", len(v))
			}
			words = append(words, quoteText(s))
		}
		return cutText("["+strings.Join(words, ", ")+"]", longRead)
	case map[string]any:
		return "there"
	case bool:
		return strconv.FormatBool(v)
	case time.Time:
		return v.UTC().Format(time.RFC3339)
	}
	return cutText(fmt.Sprint(v), longRead)
}

func quoteText(s string) string { return strconv.Quote(cutText(s, longRead)) }

// cutText cuts a text to so many bytes, at a rune, with a mark.
func cutText(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "…"
}
