// Package picture draws a playbook: as SVG of its own layout, and as text for
// Mermaid and Graphviz. The same playbook gives the same bytes.
//
// Titles and expressions are data of whoever wrote them: nothing of them becomes
// syntax, script or address in a picture. It reads checked playbooks and knows
// nothing of runs.
package picture

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"stanch/actions"
	"stanch/playbooks"
)

// Picture is a playbook as people look at it.
type Picture struct {
	ID     string
	Title  string
	About  []string // status, owner
	Starts []string // sentences
	Steps  []Node
	Ends   []Group // on_failure and finally of the playbook
	Tested bool    // coverage is known
}

// Node is a step.
type Node struct {
	Path    string
	Kind    playbooks.Kind
	Class   string   // reads | writes | destroys; "" for steps that leave the world as it is
	Head    string   // what it is: uses files.unshare
	Lines   []string // details
	Code    []bool   // which of Lines are expressions
	If      string   // condition before it
	Groups  []Group  // the lists of steps in it
	Rescue  []Group  // on_error with steps
	Finally []Group
	Ends    bool // nothing comes behind it in its list
	Tested  Mark // whether a test ran it
	Yes, No Mark // whether a test saw its condition hold, and not hold
}

// Group is a list of steps within a step.
type Group struct {
	Name  string // yes, no, branch 1, on error…
	Steps []Node
}

// Mark says what tests saw of something.
type Mark int

// The marks.
const (
	Unknown Mark = iota // nothing is known of tests
	Covered
	Missed
)

// Coverage is what tests of a playbook saw.
type Coverage struct {
	Steps    map[string]bool // by path: whether it ran
	Branches map[string]bool // by path and way, such as gate/if=false: whether it was taken
}

// New makes the picture of a checked playbook. Coverage may be nil.
func New(p *playbooks.Playbook, starts []string, c *Coverage) Picture {
	b := builder{c}
	out := Picture{ID: p.ID, Title: p.Title, Starts: starts, Tested: c != nil}
	if out.Title == "" {
		out.Title = p.ID
	}
	out.About = append(out.About, "status "+p.Status)
	if p.Owner != "" {
		out.About = append(out.About, p.Owner)
	}
	out.Steps = b.list(p.Steps, "")
	if len(p.OnFailure) > 0 {
		out.Ends = append(out.Ends, Group{"if the run fails", b.list(p.OnFailure, "on_failure/")})
	}
	if len(p.Finally) > 0 {
		out.Ends = append(out.Ends, Group{"always, at the end", b.list(p.Finally, "finally/")})
	}
	return out
}

type builder struct{ coverage *Coverage }

func (b builder) list(steps []*playbooks.Step, prefix string) []Node {
	nodes := make([]Node, len(steps))
	for i, s := range steps {
		nodes[i] = b.node(s, prefix+s.Name)
	}
	return nodes
}

func (b builder) node(s *playbooks.Step, path string) Node {
	n := Node{Path: path, Kind: s.Kind}
	if s.If != nil {
		n.If = oneLine(s.If.Source())
	}
	b.mark(&n)
	switch s.Kind {
	case playbooks.Action:
		n.action(s)
	case playbooks.Set:
		n.Head = "set"
		for _, v := range s.Set {
			n.code(v.Name + " = " + source(v.Expr))
		}
	case playbooks.Block:
		n.Head = "block"
		b.block(&n, s)
	case playbooks.ForEach:
		n.each(s)
		n.Groups = []Group{{"", b.list(s.Steps, path+"/")}}
	case playbooks.Parallel:
		n.Head = "at the same time"
		for _, branch := range s.Branches {
			n.Groups = append(n.Groups, Group{"", b.list([]*playbooks.Step{branch}, path+"/")})
		}
	case playbooks.Approve:
		n.approve(s)
	case playbooks.Wait:
		n.wait(s)
	case playbooks.Repeat:
		n.repeat(s)
		n.Groups = []Group{{"", b.list(s.Steps, path+"/")}}
	case playbooks.Call:
		n.call(s)
	case playbooks.Stop, playbooks.Fail:
		n.Head, n.Ends = string(s.Kind), true
		n.text(s.Text.Source())
	}
	n.common(s)
	b.missed(&n)
	b.around(&n, s)
	return n
}

func (b builder) block(n *Node, s *playbooks.Step) {
	n.Groups = []Group{{"", b.list(s.Steps, n.Path+"/")}}
	if s.If != nil {
		n.Groups[0].Name = "yes"
		n.Groups = append(n.Groups, Group{"no", b.list(s.Else, n.Path+"/else/")})
	}
	n.Ends = ends(n.Groups[0].Steps) && (s.If == nil || ends(n.Groups[1].Steps))
}

func ends(nodes []Node) bool {
	return slices.ContainsFunc(nodes, func(n Node) bool { return n.Ends && (n.If == "" || n.Kind == playbooks.Block) })
}

// around adds what runs when the step fails, and always.
func (b builder) around(n *Node, s *playbooks.Step) {
	if len(s.Rescue) > 0 {
		n.Rescue = []Group{{"if it fails", b.list(s.Rescue, n.Path+"/on_error/")}}
	}
	if len(s.Finally) > 0 {
		n.Finally = []Group{{"in any case", b.list(s.Finally, n.Path+"/finally/")}}
	}
}

// mark notes what tests saw.
func (b builder) mark(n *Node) {
	if b.coverage == nil {
		return
	}
	n.Tested = markOf(b.coverage.Steps[n.Path])
	if n.If != "" {
		n.Yes, n.No = markOf(b.coverage.Branches[n.Path+"/if=true"]), markOf(b.coverage.Branches[n.Path+"/if=false"])
	}
}

// missed adds which ways out of a step no test took, but those of its condition.
func (b builder) missed(n *Node) {
	if b.coverage == nil {
		return
	}
	for _, way := range []struct{ key, told string }{
		{"for_each=some", "no test has an item"},
		{"for_each=none", "no test has an empty list"},
		{"on_error=taken", "no test lets it fail"},
		{"approve=approved", "no test approves"},
		{"approve=rejected", "no test rejects"},
		{"approve=timed_out", "no test lets it time out"},
		{"wait=received", "no test sends the event"},
		{"wait=timed_out", "no test waits in vain"},
		{"repeat=until", "no test comes to its end"},
		{"repeat=times", "no test uses up its times"},
	} {
		if taken, known := b.coverage.Branches[n.Path+"/"+way.key]; known && !taken {
			n.text(way.told)
		}
	}
}

func markOf(seen bool) Mark {
	if seen {
		return Covered
	}
	return Missed
}

func (n *Node) text(s string) { n.Lines, n.Code = append(n.Lines, s), append(n.Code, false) }
func (n *Node) code(s string) { n.Lines, n.Code = append(n.Lines, s), append(n.Code, true) }

func (n *Node) action(s *playbooks.Step) {
	n.Head, n.Class = s.Uses, string(s.Action.Class)
	if n.Class == "" {
		n.Class = string(actions.Reads)
	}
	for _, name := range s.With.Parts() {
		n.code(name + ": " + oneLine(s.With.Part(name).Source()))
	}
	if s.For != nil {
		n.text("taken back after " + s.For.Source())
	}
	if s.Retry != nil {
		n.text(fmt.Sprintf("up to %d attempts", s.Retry.Attempts))
	}
}

func (n *Node) each(s *playbooks.Step) {
	n.Head = "for each"
	if s.Each == nil {
		return
	}
	what := s.Each.As
	if s.Each.Batch > 0 {
		what += fmt.Sprintf(" (%d at once)", s.Each.Batch)
	}
	n.Head = "for each " + what
	n.code("of " + source(s.Each.List))
	if s.Each.MaxParallel > 1 {
		n.text(fmt.Sprintf("up to %d at the same time", s.Each.MaxParallel))
	}
	if len(s.Each.Collect) > 0 {
		names := []string{}
		for _, b := range s.Each.Collect {
			names = append(names, b.Name)
		}
		n.text("collects " + strings.Join(names, ", "))
	}
}

func (n *Node) repeat(s *playbooks.Step) {
	n.Head = "repeat"
	if t := s.Repeat; t != nil {
		if t.Until != nil {
			n.code("until " + source(t.Until))
		}
		text := fmt.Sprintf("at most %d times", t.Times)
		if t.Every != nil {
			text += ", every " + t.Every.Source()
		}
		n.text(text)
	}
}

func (n *Node) approve(s *playbooks.Step) {
	n.Head = "approve"
	a := s.Approve
	if a == nil {
		return
	}
	n.text(oneLine(a.Ask.Source()))
	n.text(fmt.Sprintf("%d of %s", a.Quorum, strings.Trim(a.Approvers.Source(), "[]")))
	if a.Targets != nil {
		n.code("shows " + source(a.Targets))
	}
	covers := []string{}
	for _, c := range a.Covers {
		if !slices.Contains(covers, c.Uses) {
			covers = append(covers, c.Uses)
		}
	}
	if len(covers) > 0 {
		n.text("covers " + strings.Join(covers, ", "))
	}
	if a.Timeout != nil {
		n.text(fmt.Sprintf("no answer in %s: %s", a.Timeout.Source(), a.OnTimeout))
	}
	if a.OnReject == "continue" {
		n.text("if rejected: goes on")
	} else {
		n.text("if rejected: ends here")
	}
}

func (n *Node) wait(s *playbooks.Step) {
	n.Head = "wait"
	switch w := s.Wait; {
	case w == nil:
	case w.For != nil:
		n.text("for " + w.For.Source())
	case w.Until != nil:
		n.code("until " + w.Until.Source())
	default:
		n.text("for the event " + w.Event)
		n.code("key " + w.Key.Source())
		if w.Timeout != nil {
			n.text(fmt.Sprintf("not there in %s: %s", w.Timeout.Source(), w.OnTimeout))
		}
	}
}

func (n *Node) call(s *playbooks.Step) {
	n.Head = "call"
	if s.Call == nil {
		return
	}
	n.Head = "call " + s.Call.Playbook
	for _, name := range s.Call.With.Parts() {
		n.code(name + ": " + oneLine(s.Call.With.Part(name).Source()))
	}
	n.Class = worst(s.Call.Book)
}

// worst is the class of the worst effect in a called playbook.
func worst(p *playbooks.Playbook) string {
	class := ""
	if p == nil {
		return class
	}
	rank := []string{"", string(actions.Reads), string(actions.Writes), string(actions.Destroys)}
	for _, book := range append([]*playbooks.Playbook{p}, p.Calls...) {
		for _, list := range [][]*playbooks.Step{book.Steps, book.OnFailure, book.Finally} {
			playbooks.Walk(list, func(_ string, s *playbooks.Step) {
				if slices.Index(rank, string(s.Action.Class)) > slices.Index(rank, class) {
					class = string(s.Action.Class)
				}
			})
		}
	}
	return class
}

// common adds what steps of any kind may have.
func (n *Node) common(s *playbooks.Step) {
	if s.Title != nil {
		n.Lines, n.Code = append([]string{oneLine(s.Title.Source())}, n.Lines...), append([]bool{false}, n.Code...)
	}
	if s.Timeout != nil {
		n.text("timeout " + s.Timeout.Source())
	}
	switch s.OnError {
	case "continue":
		n.text("if it fails: goes on")
	case "rollback":
		n.text("if it fails: its effects are undone")
	}
}

func source(e *playbooks.Expression) string {
	if e == nil {
		return ""
	}
	return oneLine(e.Source())
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// Name is the last part of the path, as people call the step.
func (n Node) Name() string { return n.Path[strings.LastIndex(n.Path, "/")+1:] }

// Caption is the head with the id of the step, if it has one.
func (n Node) Caption() string {
	if name := n.Name(); name != "" && !unicode.IsDigit(rune(name[0])) {
		return n.Head + " · " + name
	}
	return n.Head
}

// visible makes characters that a reader or a parser could not see, or that
// turn the direction of text, into marks that can be seen.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t', r == '\r':
			return ' '
		case r == unicode.ReplacementChar, unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r),
			unicode.Is(unicode.Co, r), unicode.Is(unicode.Cs, r), r&0xfffe == 0xfffe, r >= 0xfdd0 && r <= 0xfdef:
			return '\u25a1'
		}
		return r
	}, s)
}
