package playbooks

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"gopkg.in/yaml.v3"

	"stanch/connectors/incident"
)

// Rule decides over every revision of an incident before playbooks do. Rules are
// asked strictly in their order. Its expressions are filled in by CheckRules.
type Rule struct {
	File    string
	Text    []byte
	Digest  string // sha256:<hex> over Text
	Name    string
	Title   string
	Order   int
	Enabled bool
	Expires time.Time // the first instant at which it no longer holds; zero: never
	On      []string  // created, updated
	If      *Expression
	Then    []RuleAction
	Lists   []List // the reference data that it names

	source  *fileText
	written fields
	faulty  bool
}

// RuleAction is one thing that a rule does. Exactly one of its fields is set.
type RuleAction struct {
	Update   map[string]string // status, classification, determination
	Tag      []string
	Assign   *Template
	Comment  *Template
	Suppress *Suppress
	Run      *Runs

	kind  string
	value *yaml.Node
	key   *yaml.Node
}

// Runs are playbooks that a rule runs.
type Runs struct {
	Playbooks []string // ids
	// InOrder lets each begin when the one before has ended, however it ended,
	// and what follows when the last has. Without it all begin at once, and
	// nothing waits for them.
	InOrder bool
}

// Suppress says that no playbook starts for this revision of the incident, and
// none for later ones until its end.
type Suppress struct {
	Reason string
	For    time.Duration // how long; 0: Until says
	Until  time.Time     // the first instant at which it no longer holds; zero, too: this revision only
}

// End is when a suppression that begins now is over; false: with this revision.
func (s Suppress) End(now time.Time) (time.Time, bool) {
	if s.For > 0 {
		return now.Add(s.For), true
	}
	return s.Until, !s.Until.IsZero()
}

// LoadRule reads a rule's structure with all findings. It answers nil where the
// text is no YAML mapping. What it answers is not yet checked: see CheckRules.
func LoadRule(file string, text []byte) (*Rule, []Finding) {
	l := &loader{report: &report{src: newFileText(file, text)}, ids: map[string]*yaml.Node{}}
	root := parseYAML(l.report)
	if root == nil {
		return nil, sortFindings(l.findings)
	}
	f, ok := l.mapping(root, place{
		name:     "a rule",
		keys:     []string{"rule", "title", "order", "enabled", "expires", "on", "if", "then"},
		required: []string{"rule", "order", "then"},
	})
	if !ok {
		return nil, sortFindings(l.findings)
	}
	sum := sha256.Sum256(text)
	r := &Rule{
		File: file, Text: text, Digest: "sha256:" + hex.EncodeToString(sum[:]), Enabled: true, On: incidentEvents(),
		source: l.src, written: f, Title: l.optionalText(f, "title"),
	}
	if x, ok := f.get("rule"); ok {
		r.Name = l.text(x.value, "rule")
		l.kebab(x.value, "a rule")
	}
	r.Order = l.number(f, "order", numberRange{0, 1_000_000, 0})
	if x, ok := f.get("enabled"); ok {
		r.Enabled = l.boolean(x.value, "enabled")
	}
	if x, ok := f.get("expires"); ok {
		r.Expires = l.expiry(x.value, "expires")
	}
	if x, ok := f.get("on"); ok {
		r.On = l.words(x.value, "on", incidentEvents())
	}
	if x, ok := f.get("then"); ok {
		nodes := l.list(x.value, "then")
		if x.value.Kind == yaml.SequenceNode && len(nodes) == 0 {
			l.add(l.src.node(x.value), "E204", "", "then is empty: the rule does nothing")
		}
		for _, n := range nodes {
			if a, ok := l.ruleAction(n); ok {
				r.Then = append(r.Then, a)
			}
		}
	}
	r.faulty = l.errors() > 0
	return r, sortFindings(l.findings)
}

// expiry reads a day, whose end is meant, or a time.
func (l *loader) expiry(n *yaml.Node, what string) time.Time {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!timestamp" {
		l.add(l.src.node(n), "E203", "quote it: \""+n.Value+"\"", "%s is a text; without quotes YAML reads a date", what)
		return time.Time{}
	}
	text := l.text(n, what)
	if text == "" {
		return time.Time{}
	}
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day.AddDate(0, 0, 1)
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		l.add(l.src.node(n), "E204", `such as "2027-03-31" or "2027-03-31T09:00:00Z"`, "%s %s is neither a day nor a time", what, quoted(text))
	}
	return at.UTC()
}

// ruleAction reads one entry of then: a mapping with one key.
func (l *loader) ruleAction(n *yaml.Node) (RuleAction, bool) {
	kinds := []string{"update", "tag", "assign", "comment", "suppress", "run"}
	f, ok := l.mapping(n, place{name: "an entry of then", keys: kinds})
	if !ok {
		return RuleAction{}, false
	}
	if len(f.all) != 1 {
		if len(f.all) > 1 {
			l.add(l.src.node(f.all[1].key), "E208", "make two entries of it, so that their order is plain", "an entry of then does one thing: this one has %s and %s", f.all[0].name, f.all[1].name)
		} else if len(n.Content) == 0 {
			l.add(l.src.node(n), "E204", "one of update, tag, assign, comment, suppress and run", "an entry of then is empty")
		}
		return RuleAction{}, false
	}
	x := f.all[0]
	a := RuleAction{kind: x.name, value: x.value, key: x.key}
	switch x.name {
	case "update":
		a.Update = l.ruleUpdate(x.value)
	case "tag":
		a.Tag = l.texts(x.value, "tag")
		if x.value.Kind == yaml.SequenceNode && len(x.value.Content) == 0 {
			l.add(l.src.node(x.value), "E204", "", "tag is empty")
		}
	case "suppress":
		a.Suppress = l.suppress(x.value)
	case "run":
		a.Run = l.runs(x.value)
	}
	return a, true
}

// runs reads which playbooks run: one, some in order as a list, or some at once
// below parallel.
func (l *loader) runs(n *yaml.Node) *Runs {
	switch n.Kind {
	case yaml.SequenceNode:
		return &Runs{Playbooks: l.runsOf(n, "run"), InOrder: true}
	case yaml.MappingNode:
		f, _ := l.mapping(n, place{name: "run", keys: []string{"parallel"}, required: []string{"parallel"}})
		r := &Runs{}
		if x, ok := f.get("parallel"); ok {
			r.Playbooks = l.runsOf(x.value, "parallel")
		}
		return r
	}
	id := l.text(n, "run")
	l.kebab(n, "a playbook")
	return &Runs{Playbooks: []string{id}}
}

func (l *loader) runsOf(n *yaml.Node, what string) []string {
	all := l.texts(n, what)
	if n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
		l.add(l.src.node(n), "E204", "", "%s names no playbook", what)
	}
	for i, id := range n.Content {
		l.kebab(id, "a playbook")
		if slices.ContainsFunc(n.Content[:i], func(before *yaml.Node) bool { return before.Value == id.Value }) {
			l.add(l.src.node(id), "E206", "", "%s names %s twice", what, quoted(id.Value))
		}
	}
	return all
}

// suppress reads whether, why and how long no playbook starts.
func (l *loader) suppress(n *yaml.Node) *Suppress {
	if n.Kind != yaml.MappingNode {
		if on := l.boolean(n, "suppress"); !on && n.Tag == "!!bool" {
			l.add(l.src.node(n), "E204", "delete the entry", "suppress is true, a mapping with its reason, or not there")
		}
		return &Suppress{}
	}
	f, _ := l.mapping(n, place{name: "suppress", keys: []string{"reason", "for", "until"}, required: []string{"reason"}})
	s := &Suppress{Reason: l.optionalText(f, "reason"), For: l.duration(f, "for", 0)}
	if x, ok := f.get("until"); ok {
		if s.Until = l.expiry(x.value, "until"); f.has("for") {
			l.add(l.src.node(x.key), "E208", "keep one of them", "suppress has both for and until")
		}
	}
	return s
}

// ruleUpdate reads which fields of the incident are written, and with what.
func (l *loader) ruleUpdate(n *yaml.Node) map[string]string {
	values := map[string][]string{
		"status": {"active", "inProgress", "resolved"}, "classification": settable(incident.Classification("").Values()),
		"determination": settable(incident.Determination("").Values()),
	}
	f, ok := l.mapping(n, place{name: "update", keys: keysOf(values)})
	if ok && len(n.Content) == 0 {
		l.add(l.src.node(n), "E204", "such as {status: resolved}", "update changes nothing")
	}
	update := map[string]string{}
	for _, x := range f.all {
		v := l.text(x.value, x.name)
		if v == "" {
			continue
		}
		update[x.name] = l.oneOf(f, x.name, values[x.name]...)
	}
	return update
}

// settable are the values that may be written: not those that say that a value
// is not known.
func settable(values []string) []string {
	var all []string
	for _, v := range values {
		if v != "unknown" && v != "unknownFutureValue" {
			all = append(all, v)
		}
	}
	return all
}
