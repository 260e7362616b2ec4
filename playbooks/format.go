package playbooks

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// FileKind says what a YAML file of the language is.
type FileKind string

// The kinds of files, by their top-level keys.
const (
	PlaybookFile FileKind = "playbook"
	TestFile     FileKind = "test"
	RuleFile     FileKind = "rule"
	ListFile     FileKind = "list"
	OtherFile    FileKind = "" // nothing of ours
)

// SchemaURL is the address by which a modeline names the JSON Schema of a kind
// of file.
func (k FileKind) SchemaURL() string { return "https://stanch.invalid/" + string(k) + ".v1.json" }

// Format answers the text in the one form in which files of the language are
// written: keys in their order, two blanks of indentation, expressions quoted
// where a flow mapping could cut them, `set`, `collect`, `outputs` and steps in
// block style, `if: ${{ x }}` as `if: x`, a modeline that names the schema, blank
// lines between top-level keys and steps. Comments stay, and so do the line
// breaks of folded text. What the file means stays the same, which is looked at
// before anything is answered. A text that is no YAML, or holds what the language
// has not, is answered with findings and is not formatted.
func Format(file string, text []byte) ([]byte, []Finding) {
	rep := &report{src: newFileText(file, text)}
	root := parseYAML(rep)
	if root == nil || len(rep.findings) > 0 {
		return nil, sortFindings(rep.findings)
	}
	if root.Kind != yaml.MappingNode {
		rep.add(rep.src.node(root), "E203", "", "a file is a mapping of keys to values, not %s", kindOf(root))
		return nil, rep.findings
	}
	r := newArrangement(rep.src, root)
	if r.lost != nil {
		rep.add(rep.src.node(r.lost), "E102", "write it as plain or quoted text on one line", "this value is written in a way that cannot be formatted")
		return nil, rep.findings
	}
	kind := kindOfFile(root)
	p := &printer{src: rep.src, arrangement: r}
	out := p.file(kind, root)
	if at, what := changed(rep.src, r, root, out); what != "" {
		rep.add(rep.src.node(at), "E102", "write this part more simply; nothing was changed", "formatting would change %s", what)
		return nil, rep.findings
	}
	return out, nil
}

// KindOfFile tells what a text is by its top-level keys; OtherFile if it is
// nothing of ours or no YAML.
func KindOfFile(text []byte) FileKind {
	doc, err := decodeDocument(strings.NewReader(strings.TrimPrefix(string(text), "\ufeff")))
	if err != nil || len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
		return OtherFile
	}
	return kindOfFile(doc.Content[0])
}

func kindOfFile(root *yaml.Node) FileKind {
	has := func(names ...string) bool {
		for i := 0; i < len(root.Content); i += 2 {
			if slices.Contains(names, root.Content[i].Value) {
				return true
			}
		}
		return false
	}
	switch {
	case has("cases"):
		return TestFile
	case has("playbook", "steps", "on_failure"):
		return PlaybookFile
	case has("rule"):
		return RuleFile
	case has("list") || has("items") && has("name"):
		return ListFile
	}
	return OtherFile
}

// changed looks whether the formatted text still says the same and holds every
// comment; otherwise it answers what differs, and near which node.
func changed(src *fileText, r *arrangement, root *yaml.Node, out []byte) (at *yaml.Node, what string) {
	again := &report{src: newFileText(src.file, out)}
	now := parseYAML(again)
	if now == nil || len(again.findings) > 0 {
		return root, "the file into one that cannot be read"
	}
	if n := differs(root, now, placeForm(string(kindOfFile(root)))); n != nil {
		return n, fmt.Sprintf("what stands at line %d", n.Line)
	}
	after := newArrangement(again.src, now)
	if after.lost != nil || !slices.Equal(sortedComments(r), sortedComments(after)) {
		return root, "the comments"
	}
	return nil, ""
}

// differs answers the first node that means something else in the other tree.
// The order of keys is free, and ${{ }} around a whole expression.
func differs(a, b *yaml.Node, f form) *yaml.Node {
	if a.Kind != b.Kind || len(a.Content) != len(b.Content) {
		return a
	}
	switch a.Kind {
	case yaml.ScalarNode:
		if a.Value == b.Value && a.Tag == b.Tag {
			return nil
		}
		if inner, ok := wrapped(a); ok && f.kind == formQuestion && sameWords(inner, b.Value) {
			return nil
		}
		return a
	case yaml.MappingNode:
		values := map[string]*yaml.Node{}
		for i := 0; i+1 < len(b.Content); i += 2 {
			values[b.Content[i].Value] = b.Content[i+1]
		}
		for i := 0; i+1 < len(a.Content); i += 2 {
			value, ok := values[a.Content[i].Value]
			if !ok {
				return a.Content[i]
			}
			if n := differs(a.Content[i+1], value, f.behind(a.Content[i].Value)); n != nil {
				return n
			}
		}
	default:
		for i := range a.Content {
			if n := differs(a.Content[i], b.Content[i], f.item()); n != nil {
				return n
			}
		}
	}
	return nil
}

func sameWords(a, b string) bool {
	return a == b || slices.Equal(strings.Fields(a), strings.Fields(b))
}

// wrapped answers the inside of a scalar that is one ${{ }} and nothing else.
func wrapped(n *yaml.Node) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" || !strings.HasPrefix(n.Value, "${{") {
		return "", false
	}
	pieces, err := splitTemplate(n.Value)
	if err != nil || len(pieces) != 1 || !pieces[0].isExpr {
		return "", false
	}
	inner := strings.TrimSpace(pieces[0].text)
	return inner, inner != ""
}

// behind is the form of a key's value in a mapping of this form.
func (f form) behind(key string) form {
	f = f.forMapping()
	switch f.kind {
	case formPlace:
		if k, ok := grammar()[f.place].key(key); ok {
			return k.form
		}
	case formNamed:
		return placeForm(f.place)
	case formQuestions:
		return questionForm()
	case formTypes, formType:
		return form{kind: formType}
	}
	return form{kind: formData}
}

// item is the form of an item in a list of this form.
func (f form) item() form {
	if f.kind == formSteps {
		return placeForm("step")
	}
	if f.kind == formType {
		return f
	}
	return form{kind: formData}
}

// forMapping is the alternative of a form that is a mapping.
func (f form) forMapping() form {
	switch f.kind {
	case formPlace, formNamed, formQuestions:
		return f
	}
	if f.other != nil {
		return f.other.forMapping()
	}
	return f
}

// sortedComments are the comments of a file in the order of their text.
func sortedComments(r *arrangement) []string {
	all := slices.DeleteFunc(slices.Clone(r.comments), func(c string) bool { return modeline.MatchString(c) })
	slices.Sort(all)
	return all
}
