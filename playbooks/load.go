package playbooks

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Load reads a playbook's structure. It answers every finding at once, in the
// order of the text, and nil where the text is no YAML mapping. What it answers
// is not yet checked: see Check.
func Load(file string, text []byte) (*Playbook, []Finding) {
	l := &loader{report: &report{src: newFileText(file, text)}, ids: map[string]*yaml.Node{}}
	root := parseYAML(l.report)
	if root == nil {
		return nil, sortFindings(l.findings)
	}
	sum := sha256.Sum256(text)
	p := &Playbook{
		File: file, Text: text, Digest: "sha256:" + hex.EncodeToString(sum[:]), source: l.src,
		Status: "draft", Timeout: nil,
	}
	if l.foreign(root) {
		return nil, sortFindings(l.findings)
	}
	f, ok := l.mapping(root, playbookPlace())
	if !ok {
		return nil, sortFindings(l.findings)
	}
	p.written = f
	l.head(p, f)
	l.triggers(p, f)
	l.params(p, f)
	l.limits(p, f)
	if x, ok := f.get("steps"); ok {
		p.Steps = l.list1(x.value, "steps", false)
	}
	if x, ok := f.get("on_failure"); ok {
		p.OnFailure = l.list1(x.value, "on_failure", true)
	}
	if x, ok := f.get("finally"); ok {
		p.Finally = l.list1(x.value, "finally", true)
	}
	p.faulty = l.errors() > 0
	return p, sortFindings(l.findings)
}

// foreign says of a file that has nothing of a playbook that it is none.
func (l *loader) foreign(root *yaml.Node) bool {
	if root.Kind != yaml.MappingNode {
		return false
	}
	place, own := playbookPlace(), []string{"playbook", "on", "steps"}
	for i := 0; i < len(root.Content); i += 2 {
		if key := root.Content[i].Value; slices.Contains(place.keys, key) || Nearest(key, own) != "" && key != "playbooks" {
			return false
		}
	}
	l.add(l.src.node(root), "E202", "a playbook begins with `playbook: some-name`", "this file is no playbook: it has none of %s", strings.Join(own, ", "))
	return true
}

func playbookPlace() place {
	return place{
		name: "a playbook",
		keys: []string{
			"language", "playbook", "title", "description", "status", "owner", "tags", "on", "params",
			"guardrails", "concurrency", "timeout", "steps", "on_failure", "finally", "outputs",
		},
		required: []string{"playbook", "steps"}, // without `on` it is only called
	}
}

// head reads what names and describes the playbook.
func (l *loader) head(p *Playbook, f fields) {
	if x, ok := f.get("language"); ok {
		if x.value.Tag == "!!int" && x.value.Value != "1" {
			l.add(l.src.node(x.value), "E207", "this version reads language 1", "language %s is not one of this version of stanch", x.value.Value)
		} else {
			l.whole(x.value, "language", numberRange{1, 1, 1})
		}
	}
	if x, ok := f.get("playbook"); ok {
		p.ID = l.text(x.value, "playbook")
		l.kebab(x.value, "a playbook")
	}
	p.Title = l.optionalText(f, "title")
	p.Description = l.optionalText(f, "description")
	p.Owner = l.optionalText(f, "owner")
	p.Status = l.oneOf(f, "status", "draft", "test", "stable", "deprecated")
	if x, ok := f.get("tags"); ok {
		p.Tags = l.texts(x.value, "tags")
		seen := map[string]bool{}
		for _, n := range x.value.Content {
			l.kebab(n, "a tag")
			if n.Kind == yaml.ScalarNode && seen[n.Value] {
				l.add(l.src.node(n), "E206", "", "tags names %s twice", n.Value)
			}
			seen[n.Value] = true
		}
	}
}

// kebab judges an id of a playbook or a tag. Names that Windows keeps for
// devices are refused, since playbooks are files too.
func (l *loader) kebab(n *yaml.Node, what string) {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		return
	}
	if !kebabPattern.MatchString(n.Value) || len(n.Value) > 64 {
		l.add(l.src.node(n), "E205", "lower case letters and digits in words joined by -, at most 64", "%s cannot be called %s%s", what, quoted(n.Value), foreign(n.Value))
		return
	}
	device := strings.TrimRight(n.Value, "0123456789")
	reserved := slices.Contains([]string{"con", "prn", "aux", "nul"}, n.Value) ||
		(device == "com" || device == "lpt") && len(n.Value) == len(device)+1
	if reserved {
		l.add(l.src.node(n), "E205", "add a word to it", "%s cannot be called %s: Windows keeps that name for a device", what, n.Value)
	}
}

// limits reads guardrails and concurrency.
func (l *loader) limits(p *Playbook, f fields) {
	if x, ok := f.get("guardrails"); ok {
		g, _ := l.mapping(x.value, place{name: "guardrails", keys: []string{"max_targets", "protect"}})
		if x, ok := g.get("max_targets"); ok {
			p.Guardrails.MaxTargets = map[string]int{}
			m, _ := l.mapping(x.value, place{name: "max_targets", keys: []string{"files", "users", "devices", "sites", "mailboxes", "labels", "incidents"}})
			for _, x := range m.all {
				p.Guardrails.MaxTargets[x.name] = l.whole(x.value, x.name, numberRange{0, 1_000_000, 0})
			}
		}
		if x, ok := g.get("protect"); ok {
			p.Guardrails.Protect = map[string][]string{}
			m, _ := l.mapping(x.value, place{name: "protect", keys: []string{"users", "sites", "devices", "files", "labels", "mailboxes"}})
			for _, x := range m.all {
				p.Guardrails.Protect[x.name] = l.texts(x.value, x.name)
			}
		}
	}
	p.Concurrency.WhenBusy = "queue"
	if x, ok := f.get("concurrency"); ok {
		c, _ := l.mapping(x.value, place{name: "concurrency", keys: []string{"key", "when_busy"}})
		p.Concurrency.written = c
		p.Concurrency.WhenBusy = l.oneOf(c, "when_busy", "queue", "skip", "replace")
	}
}

// list1 reads a list of steps that holds at least one, or may be empty.
func (l *loader) list1(n *yaml.Node, what string, mayBeEmpty bool) []*Step {
	nodes := l.list(n, what)
	if n.Kind == yaml.SequenceNode && len(nodes) == 0 && !mayBeEmpty {
		l.add(l.src.node(n), "E204", "", "%s is empty: it needs at least one step", what)
	}
	return l.stepList(nodes)
}
