package playbooks

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"gopkg.in/yaml.v3"
)

// Bounds of a playbook file.
const (
	MaxFileSize = 1 << 20 // bytes
	MaxDepth    = 64      // mappings and lists in each other
	MaxKeys     = 1000    // of one mapping
	MaxLines    = 50_000
	MaxCommas   = 50_000 // what separates entries in [ ] and { }, and in texts
	MaxSteps    = 2000
)

// parseYAML reads the one document of a file into nodes that hold neither anchors,
// aliases, tags nor duplicate keys. It answers nil where nothing can be read.
func parseYAML(rep *report) *yaml.Node {
	if !readable(rep) {
		return nil
	}
	if at, ok := directive(rep.src); ok {
		rep.add(at, "E104", "delete the line", "directives are not part of the language")
		return nil
	}
	doc, err := decodeDocument(strings.NewReader(rep.src.text))
	switch {
	case errors.Is(err, io.EOF) || err == nil && isEmptyDocument(doc):
		rep.add(span{0, 0}, "E103", "begin with `playbook: some-name`", "the file is empty")
		return nil
	case err != nil:
		diagnose(rep, err)
		return nil
	}
	n := &nodeCheck{rep: rep}
	n.check(doc.Content[0], 1)
	if n.broken {
		return nil
	}
	return doc.Content[0]
}

// directive finds a line such as %YAML before the document.
func directive(src *fileText) (span, bool) {
	for n := range src.starts {
		line := src.line(n + 1)
		switch {
		case strings.HasPrefix(line, "%"):
			return src.lineSpan(n + 1), true
		case strings.TrimSpace(line) != "" && !strings.HasPrefix(line, "#"):
			return span{}, false
		}
	}
	return span{}, false
}

func isEmptyDocument(doc *yaml.Node) bool {
	if len(doc.Content) == 0 {
		return true
	}
	root := doc.Content[0]
	return root.Kind == yaml.ScalarNode && root.Tag == "!!null" && root.Value == ""
}

// errSecondDocument says that a file holds more than one document.
var errSecondDocument = errors.New("a second document")

// decodeDocument reads one document and looks that no other follows. Whatever
// the YAML library throws is an error.
func decodeDocument(r io.Reader) (doc *yaml.Node, err error) {
	defer func() {
		if thrown := recover(); thrown != nil {
			err = fmt.Errorf("yaml: cannot be read: %v", thrown)
		}
	}()
	d := yaml.NewDecoder(r)
	doc = &yaml.Node{}
	if err := d.Decode(doc); err != nil {
		return nil, err
	}
	var second yaml.Node
	switch err := d.Decode(&second); {
	case errors.Is(err, io.EOF):
		return doc, nil
	case err != nil:
		return nil, err
	}
	return nil, errSecondDocument
}

// readable looks at what is text before YAML: size, encoding, characters that a
// reader does not see, line ends.
func readable(rep *report) bool {
	text := rep.src.text
	if len(text) > MaxFileSize {
		rep.add(span{0, 0}, "E101", "split the playbook", "the file has %d bytes; a playbook has at most %d", len(text), MaxFileSize)
		return false
	}
	if lines := len(rep.src.starts); lines > MaxLines {
		rep.add(span{0, 0}, "E101", "split the playbook", "the file has %d lines; a playbook has at most %d", lines, MaxLines)
		return false
	}
	if commas := strings.Count(text, ","); commas > MaxCommas {
		rep.add(span{0, 0}, "E101", "split the playbook", "the file has %d commas; a playbook has at most %d", commas, MaxCommas)
		return false
	}
	if encoding := otherEncoding(text); encoding != "" {
		rep.add(span{0, 0}, "E101", "save the file as UTF-8", "the file is %s; a playbook is UTF-8", encoding)
		return false
	}
	ok := true
	for i, r := range text {
		message, hint := unreadable(text, i, r)
		if message == "" {
			continue
		}
		ok = false
		rep.add(span{i, i + 1}, "E101", hint, "%s", message)
		if len(rep.findings) >= 20 {
			break
		}
	}
	return ok
}

func otherEncoding(text string) string {
	head := []byte(text[:min(4, len(text))])
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xfe\x00\x00")), bytes.HasPrefix(head, []byte("\x00\x00\xfe\xff")):
		return "UTF-32"
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return "UTF-16"
	case len(head) == 4 && (head[0] == 0 && head[2] == 0 || head[1] == 0 && head[3] == 0):
		return "UTF-16 or UTF-32"
	}
	return ""
}

func unreadable(text string, i int, r rune) (message, hint string) {
	switch {
	case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd"):
		return fmt.Sprintf("byte 0x%02x is not UTF-8", text[i]), "save the file as UTF-8"
	case r == '\r' && !strings.HasPrefix(text[i:], "\r\n"):
		return "a carriage return without a line feed", "end lines with a line feed"
	case r == '\n' || r == '\t' || r == '\r':
		return "", ""
	case r < ' ' || r >= 0x7f && r < 0xa0:
		return fmt.Sprintf("control character U+%04X", r), fmt.Sprintf(`delete it, or write it as an escape in double quotes: "\u%04x"`, r)
	case r == '\u2028' || r == '\u2029':
		return fmt.Sprintf("line separator U+%04X", r), "end lines with a line feed"
	case isInvisible(r):
		return fmt.Sprintf("invisible character U+%04X", r), "delete it: a reader would see other text than the program"
	}
	return "", ""
}

// isInvisible reports characters that hide or turn round what a reader sees.
func isInvisible(r rune) bool {
	switch {
	case r == 0xad, r == 0x61c, r == 0x180e, r == 0xfeff,
		r >= 0x200b && r <= 0x200f && r != 0x200c && r != 0x200d,
		r >= 0x202a && r <= 0x202e, r >= 0x2060 && r <= 0x206f, r >= 0xe0000 && r <= 0xe007f:
		return true
	}
	return false
}

// nodeCheck refuses what YAML has and playbooks do not.
type nodeCheck struct {
	rep    *report
	broken bool // so deep or so twisted that nothing more is looked at
}

func (c *nodeCheck) check(n *yaml.Node, depth int) {
	at := c.rep.src.start(n)
	if depth > MaxDepth {
		if !c.broken {
			c.rep.add(span{at, at + 1}, "E107", "split the playbook", "nested deeper than %d", MaxDepth)
		}
		c.broken = true
		return
	}
	if n.Anchor != "" {
		c.rep.add(span{at, at + 1 + len(n.Anchor)}, "E104", "write the value out where it is used; params and vars share values", "anchors are not part of the language: &%s", n.Anchor)
	}
	if n.Kind == yaml.AliasNode {
		c.broken = true
		c.rep.add(span{at, at + 1 + len(n.Value)}, "E104", "write the value out; a text that begins with * is quoted", "aliases are not part of the language: *%s", n.Value)
		return
	}
	c.tag(n, at)
	if n.Kind == yaml.MappingNode {
		c.keys(n)
	}
	for _, child := range n.Content {
		c.check(child, depth+1)
	}
}

// tag refuses tags; a bare ! leaves none in the node, so the text is looked at.
func (c *nodeCheck) tag(n *yaml.Node, at int) {
	text := c.rep.src.text
	bare := at < len(text) && text[at] == '!'
	if n.Style&yaml.TaggedStyle == 0 && !bare {
		return
	}
	end := at
	for end < len(text) && strings.IndexByte(" \t\r\n,]}", text[end]) < 0 {
		end++
	}
	if at < len(text) && text[at] != '!' {
		end = at + 1
	}
	hint, tag := "delete the tag", strings.TrimLeft(text[at:end], "!")
	expression := strings.ContainsAny(tag, "(.[")
	if ((tag == "") != (n.Value == "") || expression) && !strings.HasPrefix(text[at:end], "!!") {
		hint = fmt.Sprintf("YAML takes ! for a tag and the negation is lost: write `not %s` or quote the value", strings.TrimSpace(tag+" "+n.Value))
	}
	c.broken = true
	c.rep.add(span{at, max(end, at+1)}, "E105", hint, "a YAML tag: %s", quoted(text[at:max(end, at+1)]))
}

// keys looks at the keys of a mapping: plain names, each once.
func (c *nodeCheck) keys(n *yaml.Node) {
	if len(n.Content) > 2*MaxKeys {
		at := c.rep.src.start(n)
		c.broken = true
		c.rep.add(span{at, at + 1}, "E107", "split the mapping", "a mapping of %d keys; at most %d", len(n.Content)/2, MaxKeys)
		return
	}
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		at := c.rep.src.node(key)
		switch {
		case key.Kind == yaml.AliasNode:
			continue
		case key.Kind != yaml.ScalarNode:
			c.broken = true
			hint := "a key is a name"
			if n.Style&yaml.FlowStyle != 0 && key.Style&yaml.FlowStyle != 0 {
				hint = "write ${{ }}, in quotes inside { } and [ ]"
			}
			c.rep.add(at, "E113", hint, "a mapping or list as a key")
			continue
		case key.Tag == "!!merge":
			c.rep.add(at, "E104", "write the keys out", "merge keys are not part of the language")
			continue
		}
		name := norm.NFC.String(key.Value)
		if first, dup := seen[name]; dup {
			c.rep.add(at, "E106", "delete or rename one of them", "%s stands twice in this mapping; first on line %d", key.Value, first.Line)
			continue
		}
		seen[name] = key
	}
}
