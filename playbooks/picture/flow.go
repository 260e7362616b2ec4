package picture

import (
	"fmt"
	"slices"
	"strings"

	"stanch/playbooks"
)

// flow is a picture as boxes and arrows, for programs that lay them out.
type flow struct {
	root  *cluster
	edges []edge
	count int
}

// cluster is a frame around boxes.
type cluster struct {
	id    string
	label string
	inner []any // boxes and clusters in the order of the playbook
}

type box struct {
	id    string
	lines []string
	shape string // card | round | choice | loop | person | end
	class string
}

type edge struct {
	from, to string
	label    string
	dashed   bool
}

// exit is where an arrow to what comes next begins.
type exit struct {
	from  string
	label string
}

// newFlow takes a picture apart.
func newFlow(p Picture) *flow {
	f := &flow{root: &cluster{}}
	start := f.box(f.root, "round", "", append([]string{p.Title}, p.Starts...))
	exits := f.list(f.root, p.Steps, []exit{{from: start.id}})
	end := f.box(f.root, "end", "", []string{"end"})
	f.join(exits, end.id, false)
	for _, g := range p.Ends {
		c := f.cluster(f.root, g.Name)
		head := f.box(c, "round", "", []string{g.Name})
		f.edges = append(f.edges, edge{end.id, head.id, "", true})
		f.list(c, g.Steps, []exit{{from: head.id}})
	}
	return f
}

func (f *flow) id() string {
	f.count++
	return fmt.Sprintf("n%d", f.count)
}

func (f *flow) box(c *cluster, shape, class string, lines []string) *box {
	b := &box{id: f.id(), lines: lines, shape: shape, class: class}
	c.inner = append(c.inner, b)
	return b
}

func (f *flow) cluster(c *cluster, label string) *cluster {
	in := &cluster{id: "c" + f.id(), label: label}
	c.inner = append(c.inner, in)
	return in
}

func (f *flow) join(exits []exit, to string, dashed bool) {
	for _, x := range exits {
		e := edge{x.from, to, x.label, dashed}
		if !slices.Contains(f.edges, e) {
			f.edges = append(f.edges, e)
		}
	}
}

func (f *flow) list(c *cluster, nodes []Node, exits []exit) []exit {
	for _, n := range nodes {
		exits = f.node(c, n, exits)
	}
	return exits
}

// node adds a step with its condition and what runs when it fails.
func (f *flow) node(c *cluster, n Node, exits []exit) []exit {
	var past []exit
	if n.If != "" {
		choice := f.box(c, "choice", "", []string{"if"})
		f.join(exits, choice.id, false)
		exits = []exit{{choice.id, n.If + marked(n.Yes)}}
		past = []exit{{choice.id, "otherwise" + marked(n.No)}}
	}
	first := f.count + 1
	out := f.body(c, n, exits, past)
	if n.If != "" && n.Kind != playbooks.Block {
		out = append(out, past...)
	}
	for _, g := range n.Rescue {
		in := f.cluster(c, g.Name)
		out = append(out, f.list(in, g.Steps, []exit{{fmt.Sprintf("n%d", f.entry(first)), "fails"}})...)
	}
	for _, g := range n.Finally {
		out = f.list(f.cluster(c, g.Name), g.Steps, out)
	}
	return out
}

// entry is the number of the first box made from a number on; numbers of
// clusters are skipped.
func (f *flow) entry(from int) int {
	for ; from < f.count; from++ {
		if f.root.has(fmt.Sprintf("n%d", from)) {
			return from
		}
	}
	return from
}

func (c *cluster) has(id string) bool {
	return slices.ContainsFunc(c.inner, func(part any) bool {
		switch part := part.(type) {
		case *box:
			return part.id == id
		case *cluster:
			return part.has(id)
		}
		return false
	})
}

func marked(m Mark) string {
	if m == Missed {
		return " (no test)"
	}
	return ""
}

func (n Node) lines() []string {
	head := n.Caption()
	if n.Class != "" {
		head += " (" + n.Class + ")"
	}
	return append([]string{head + marked(n.Tested)}, n.Lines...)
}

// body adds a step of any kind. Past is where its condition leads otherwise.
func (f *flow) body(c *cluster, n Node, exits, past []exit) []exit {
	switch n.Kind {
	case playbooks.Block:
		in := f.cluster(c, n.Caption())
		out := f.list(in, n.Groups[0].Steps, exits)
		if len(n.Groups) > 1 {
			out = append(out, f.list(in, n.Groups[1].Steps, past)...)
		}
		return out
	case playbooks.ForEach, playbooks.Repeat:
		in := f.cluster(c, n.Caption())
		head := f.box(in, "loop", "", n.lines())
		f.join(exits, head.id, false)
		back := f.list(in, n.Groups[0].Steps, []exit{{head.id, "next"}})
		for _, x := range back {
			f.edges = append(f.edges, edge{x.from, head.id, x.label, true})
		}
		return []exit{{head.id, "done"}}
	case playbooks.Parallel:
		in := f.cluster(c, n.Caption())
		head := f.box(in, "round", "", n.lines())
		f.join(exits, head.id, false)
		var all []exit
		for _, g := range n.Groups {
			all = append(all, f.list(in, g.Steps, []exit{{from: head.id}})...)
		}
		return all
	case playbooks.Stop, playbooks.Fail:
		b := f.box(c, "end", string(n.Kind), n.lines())
		f.join(exits, b.id, false)
		return nil
	case playbooks.Approve:
		b := f.box(c, "person", "", n.lines())
		f.join(exits, b.id, false)
		if slices.Contains(n.Lines, "if rejected: goes on") {
			return []exit{{from: b.id}}
		}
		no := f.box(c, "end", "", []string{"ends here"})
		f.edges = append(f.edges, edge{b.id, no.id, "rejected", true})
		return []exit{{b.id, "approved"}}
	}
	b := f.box(c, "card", n.Class, n.lines())
	f.join(exits, b.id, false)
	return []exit{{from: b.id}}
}

// short cuts a text for programs that do not wrap.
func short(s string, most int) string {
	s = visible(oneLine(s))
	if r := []rune(s); len(r) > most {
		return strings.TrimSpace(string(r[:most-1])) + "…"
	}
	return s
}
