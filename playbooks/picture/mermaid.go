package picture

import (
	"fmt"
	"strings"
	"unicode"
)

// mostText is how long a line is that Mermaid and Graphviz are given.
const mostText = 72

// Mermaid is the picture as a Mermaid flowchart.
func (p Picture) Mermaid() string {
	f := newFlow(p)
	var b strings.Builder
	b.WriteString("flowchart TD\n")
	mermaidCluster(&b, f.root, 1)
	for _, e := range f.edges {
		arrow := "-->"
		if e.dashed {
			arrow = "-.->"
		}
		if e.label != "" {
			arrow += "|\"" + mermaidText(short(e.label, mostText)) + "\"|"
		}
		fmt.Fprintf(&b, "  %s %s %s\n", e.from, arrow, e.to)
	}
	b.WriteString("  classDef reads fill:#e3effd,stroke:#1f5fa8,color:#10233c\n")
	b.WriteString("  classDef writes fill:#fff1d6,stroke:#9a5b00,color:#3a2500,stroke-width:2px\n")
	b.WriteString("  classDef destroys fill:#fde4e1,stroke:#b3261e,color:#410e0b,stroke-width:4px\n")
	b.WriteString("  classDef fail stroke:#b3261e\n")
	return b.String()
}

func mermaidCluster(b *strings.Builder, c *cluster, depth int) {
	indent := strings.Repeat("  ", depth)
	for _, part := range c.inner {
		switch part := part.(type) {
		case *box:
			fmt.Fprintf(b, "%s%s\n", indent, mermaidBox(part))
		case *cluster:
			if len(part.inner) == 0 {
				continue
			}
			fmt.Fprintf(b, "%ssubgraph %s[\"%s\"]\n", indent, part.id, mermaidText(short(part.label, mostText)))
			mermaidCluster(b, part, depth+1)
			fmt.Fprintf(b, "%send\n", indent)
		}
	}
}

func mermaidBox(x *box) string {
	lines := make([]string, len(x.lines))
	for i, line := range x.lines {
		lines[i] = mermaidText(short(line, mostText))
	}
	open, shut := "[", "]"
	switch x.shape {
	case "round":
		open, shut = "([", "])"
	case "choice":
		open, shut = "{", "}"
	case "loop":
		open, shut = "{{", "}}"
	case "person":
		open, shut = "[[", "]]"
	case "end":
		open, shut = "(", ")"
	}
	text := x.id + open + "\"" + strings.Join(lines, "<br/>") + "\"" + shut
	if x.class == "reads" || x.class == "writes" || x.class == "destroys" || x.class == "fail" {
		text += ":::" + x.class
	}
	return text
}

// mermaidText writes everything that could be syntax as a character code.
func mermaidText(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r == ' ' || strings.ContainsRune(".,:_", r) || r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r)) || r >= 0x80 && unicode.IsLetter(r) {
			b.WriteRune(r)
			continue
		}
		fmt.Fprintf(&b, "#%d;", r)
	}
	return b.String()
}

// DOT is the picture as a Graphviz graph.
func (p Picture) DOT() string {
	f := newFlow(p)
	var b strings.Builder
	b.WriteString("digraph playbook {\n")
	fmt.Fprintf(&b, "  graph [label=%s, labelloc=t, fontname=\"Helvetica\", compound=true, rankdir=TB];\n", dotText([]string{p.Title}))
	b.WriteString("  node [fontname=\"Helvetica\", fontsize=11, shape=box, style=\"rounded,filled\", fillcolor=\"#f6f7f9\"];\n")
	b.WriteString("  edge [fontname=\"Helvetica\", fontsize=10];\n")
	dotCluster(&b, f.root, 1)
	for _, e := range f.edges {
		fmt.Fprintf(&b, "  %s -> %s", e.from, e.to)
		settings := []string{}
		if e.label != "" {
			settings = append(settings, "label="+dotText([]string{e.label}))
		}
		if e.dashed {
			settings = append(settings, "style=dashed")
		}
		if len(settings) > 0 {
			fmt.Fprintf(&b, " [%s]", strings.Join(settings, ", "))
		}
		b.WriteString(";\n")
	}
	b.WriteString("}\n")
	return b.String()
}

func dotCluster(b *strings.Builder, c *cluster, depth int) {
	indent := strings.Repeat("  ", depth)
	for _, part := range c.inner {
		switch part := part.(type) {
		case *box:
			fmt.Fprintf(b, "%s%s [label=%s%s];\n", indent, part.id, dotText(part.lines), dotStyle(part))
		case *cluster:
			if len(part.inner) == 0 {
				continue
			}
			fmt.Fprintf(b, "%ssubgraph cluster_%s {\n%s  label=%s; style=rounded; color=\"#8a93a0\"; fontsize=11;\n", indent, part.id, indent, dotText([]string{part.label}))
			dotCluster(b, part, depth+1)
			fmt.Fprintf(b, "%s}\n", indent)
		}
	}
}

func dotStyle(x *box) string {
	style := map[string]string{
		"round": ", shape=box, style=\"rounded,filled,bold\"", "choice": ", shape=diamond", "loop": ", shape=hexagon",
		"person": ", shape=box, peripheries=2", "end": ", shape=ellipse",
	}[x.shape]
	return style + map[string]string{
		"reads":    ", fillcolor=\"#e3effd\", color=\"#1f5fa8\"",
		"writes":   ", fillcolor=\"#fff1d6\", color=\"#9a5b00\", penwidth=2",
		"destroys": ", fillcolor=\"#fde4e1\", color=\"#b3261e\", penwidth=4",
		"fail":     ", color=\"#b3261e\"",
	}[x.class]
}

// dotText is a quoted label, one line of the box after the other.
func dotText(lines []string) string {
	var b strings.Builder
	for i, line := range lines {
		if i > 0 {
			b.WriteString(`\n`)
		}
		b.WriteString(strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(short(line, mostText)))
	}
	return `"` + b.String() + `"`
}
