package picture

import (
	"fmt"
	"strings"

	"stanch/playbooks"
)

// The faces of the drawing.
func headFace() face  { return face{size: 13, bold: true} }
func textFace() face  { return face{size: 12} }
func codeFace() face  { return face{size: 11, mono: true} }
func smallFace() face { return face{size: 11} }

// textLine is a line of a card.
type textLine struct {
	class string
	text  string
}

// rowsOf breaks the details of a node into lines.
func (a artist) rowsOf(n Node, width float64) []textLine {
	var rows []textLine
	for _, line := range headFace().wrap(visible(n.Caption()), width, 2, a.table) {
		rows = append(rows, textLine{"h", line})
	}
	for i, detail := range n.Lines {
		f, class := textFace(), "t"
		if n.Code[i] {
			f, class = codeFace(), "m"
		}
		for _, line := range f.wrap(visible(detail), width, mostLines, a.table) {
			rows = append(rows, textLine{class, line})
		}
	}
	return rows
}

// step is a node with its condition before it and what runs when it fails, or
// in any case.
func (a artist) step(n Node) shape {
	s := a.body(n)
	for _, g := range n.Rescue {
		s = a.rescued(s, a.group("rescue", g))
	}
	if n.If != "" && n.Kind != playbooks.Block {
		s = a.conditional(n, s)
	}
	for _, g := range n.Finally {
		ended := s.ends
		s = a.column([]shape{s, a.group("always", g)})
		s.ends = ended || s.ends
	}
	return s
}

func (a artist) body(n Node) shape {
	switch n.Kind {
	case playbooks.Block:
		return a.block(n)
	case playbooks.ForEach, playbooks.Repeat:
		inner := a.column(a.steps(n.Groups[0].Steps))
		inner.ends = false // an item ends, the loop goes on
		return a.frame("loop", a.heading(n, max(cardWidth, min(inner.w, 2*cardWidth))), inner)
	case playbooks.Parallel:
		var branches []shape
		for _, g := range n.Groups {
			branches = append(branches, a.column(a.steps(g.Steps)))
		}
		return a.frame("beside", a.heading(n, cardWidth), a.row(branches))
	case playbooks.Stop, playbooks.Fail:
		s := a.card(n)
		s.ends = true
		return s
	}
	return a.card(n)
}

// block is a frame around steps, or a choice between two lists.
func (a artist) block(n Node) shape {
	if n.If == "" {
		return a.frame("block", a.heading(n, cardWidth), a.column(a.steps(n.Groups[0].Steps)))
	}
	arms := make([]shape, len(n.Groups))
	for i, g := range n.Groups {
		mark := n.Yes
		if i > 0 {
			mark = n.No
		}
		arms[i] = a.arm(g, mark)
	}
	head := n
	head.Lines, head.Code = append([]string{"if " + n.If}, n.Lines...), append([]bool{true}, n.Code...)
	head.Head = "either"
	return a.frame("block", a.heading(head, cardWidth), a.row(arms))
}

// arm is one way of a choice, with its name above it.
func (a artist) arm(g Group, m Mark) shape {
	label := a.label(g.Name, m)
	return a.column(append([]shape{label}, a.steps(g.Steps)...))
}

// label is a small word on the way.
func (a artist) label(text string, m Mark) shape {
	class := "label"
	if m == Missed {
		text, class = text+" · no test", "label missed"
	}
	w := smallFace().widthOf(text, a.table) + 16
	return shape{w: w, h: 20, axis: w / 2, draw: func(c *canvas, x, y float64) {
		c.rect(class, x, y, w, 20, 10)
		c.text("s mid", x+w/2, y+14, text)
	}}
}

// pill is a round end of the way.
func (a artist) pill(text, class string) shape {
	w := headFace().widthOf(text, a.table) + 36
	return shape{w: w, h: 30, axis: w / 2, ends: true, draw: func(c *canvas, x, y float64) {
		c.rect(class, x, y, w, 30, 15)
		c.text("h mid", x+w/2, y+20, text)
	}}
}

// conditional sets the condition above a step and the way around it beside it.
func (a artist) conditional(n Node, s shape) shape {
	lines := codeFace().wrap("if "+visible(n.If), cardWidth-3*pad, mostLines, a.table)
	w, h := 0.0, float64(len(lines))*lineStep+12
	for _, line := range lines {
		w = max(w, codeFace().widthOf(line, a.table)+2*pad+10)
	}
	out := shape{axis: max(w/2, s.axis) + aside}
	out.w = out.axis + max(w/2, s.w-s.axis)
	out.h = h + gap + s.h + 14
	out.draw = func(c *canvas, x, y float64) {
		mid, left := x+out.axis, x+6
		top := mid - w/2
		c.put(`<path class="choice" d="M%s %s l10 %s l%s 0 l10 %s l-10 %s l%s 0 Z"/>`, px(top), px(y+h/2), px(-h/2), px(w-20), px(h/2), px(h/2), px(-(w - 20)))
		for i, line := range lines {
			c.text("m mid", mid, y+float64(i)*lineStep+18, line)
		}
		c.arrow("way", mid, y+h, mid, y+h+gap)
		c.text("s", mid+6, y+h+gap/2+3, "yes"+noTest(n.Yes))
		s.draw(c, mid-s.axis, y+h+gap)
		c.line("around", top, y+h/2, left, y+h/2, left, y+out.h-6, mid, y+out.h-6)
		c.text("s", left+4, y+h/2+14, "no"+noTest(n.No))
		if !s.ends {
			c.line("way", mid, y+h+gap+s.h, mid, y+out.h)
		} else {
			c.line("way", mid, y+out.h-6, mid, y+out.h)
		}
	}
	return out
}

func noTest(m Mark) string {
	if m == Missed {
		return " · no test"
	}
	return ""
}

// rescued sets what runs when a step fails beside it.
func (a artist) rescued(s, rescue shape) shape {
	out := shape{axis: s.axis, ends: s.ends && rescue.ends}
	out.w = s.w + 2*between + rescue.w
	out.h = max(s.h, rescue.h) + 14
	out.draw = func(c *canvas, x, y float64) {
		s.draw(c, x, y)
		at := x + s.w + 2*between
		c.line("fails", x+s.w, y+18, at, y+18)
		c.put(`<path class="head" d="M%s %s l-8 -4.5 l0 9 Z"/>`, px(at), px(y+18))
		c.text("s mid", x+s.w+between, y+13, "fails")
		rescue.draw(c, at, y)
		if !s.ends {
			c.line("way", x+s.axis, y+s.h, x+s.axis, y+out.h)
		}
		if !rescue.ends {
			c.line("fails", at+rescue.axis, y+rescue.h, at+rescue.axis, y+out.h-5, x+s.axis, y+out.h-5)
			c.line("way", x+s.axis, y+out.h-5, x+s.axis, y+out.h)
		}
	}
	return out
}

// group is a frame around a list with its name.
func (a artist) group(class string, g Group) shape {
	return a.framed(class, g, a.column(a.steps(g.Steps)))
}

func (a artist) framed(class string, g Group, inner shape) shape {
	w := textFace().widthOf(g.Name, a.table) + 2*pad
	head := shape{w: w, h: 26, axis: w / 2, draw: func(c *canvas, x, y float64) {
		c.text("h mid", x+w/2, y+20, g.Name)
	}}
	return a.frame(class, head, inner)
}

// heading is what stands at the top of a frame.
func (a artist) heading(n Node, width float64) shape {
	rows := a.rowsOf(n, width-2*pad)
	h := float64(len(rows))*lineStep + pad
	return shape{w: width, h: h, axis: width / 2, draw: func(c *canvas, x, y float64) {
		c.put(`<g><title>%s</title>`, escaped(n.full()))
		a.set(c, rows, x+pad, y)
		tested(c, n, x+width, y)
		c.put(`</g>`)
	}}
}

func (a artist) set(c *canvas, rows []textLine, x, y float64) {
	for i, r := range rows {
		c.text(r.class, x, y+float64(i)*lineStep+20, r.text)
	}
}

// full is everything of a node, for who points at it.
func (n Node) full() string {
	parts := append([]string{n.Path + ": " + n.Caption()}, n.Lines...)
	if n.Class != "" {
		parts[0] += " (" + n.Class + ")"
	}
	if n.If != "" {
		parts = append(parts, "if "+n.If)
	}
	return strings.Join(parts, "; ")
}

// card is a step without steps in it.
func (a artist) card(n Node) shape {
	left, badge := pad, ""
	if n.Class != "" {
		left, badge = pad+8, n.Class
	}
	right := pad
	if badge != "" {
		right += smallFace().widthOf(badge, a.table) + 18
	}
	rows := a.rowsOf(n, cardWidth-left-pad)
	if head := headFace().wrap(visible(n.Caption()), cardWidth-left-right, 3, a.table); badge != "" {
		for len(rows) > 0 && rows[0].class == "h" {
			rows = rows[1:]
		}
		heads := make([]textLine, len(head))
		for i, line := range head {
			heads[i] = textLine{"h", line}
		}
		rows = append(heads, rows...)
	}
	h := float64(len(rows))*lineStep + pad + 4
	return shape{w: cardWidth, h: h, axis: cardWidth / 2, draw: func(c *canvas, x, y float64) {
		c.put(`<g><title>%s</title>`, escaped(n.full()))
		round := 8.0
		if n.Ends {
			round = min(h/2, 20)
		}
		class := strings.TrimSpace(fmt.Sprintf("card %s %s", n.Kind, n.Class))
		if n.Tested == Missed {
			class += " missed"
		}
		c.rect(class, x, y, cardWidth, h, round)
		if n.Kind == playbooks.Approve {
			c.rect("inset", x+3.5, y+3.5, cardWidth-7, h-7, 6)
		}
		if badge != "" {
			stripe(c, badge, x, y, h)
			badgeAt(c, a, badge, x+cardWidth-8, y+8)
		}
		a.set(c, rows, x+left, y)
		tested(c, n, x+cardWidth, y)
		c.put(`</g>`)
	}}
}

// stripe marks the class at the left edge, each by another pattern.
func stripe(c *canvas, class string, x, y, h float64) {
	c.rect("stripe "+class, x+4, y+6, map[string]float64{"reads": 3, "writes": 6, "destroys": 10}[class], h-12, 1.5)
	if class == "destroys" {
		for at := y + 12; at < y+h-12; at += 8 {
			c.line("hatch", x+4, at+4, x+14, at-4)
		}
	}
}

// badgeAt writes the class into a small field that ends at x.
func badgeAt(c *canvas, a artist, class string, x, y float64) {
	w := smallFace().widthOf(class, a.table) + 12
	c.rect("badge "+class, x-w, y, w, 17, 4)
	c.text("s mid on", x-w/2, y+12.5, class)
}

// tested marks at the right edge what tests saw of a step.
func tested(c *canvas, n Node, x, y float64) {
	switch n.Tested {
	case Covered:
		c.put(`<path class="tick" d="M%s %s l4 4 l7 -9"/>`, px(x-16), px(y-2))
	case Missed:
		c.put(`<path class="cross" d="M%s %s l8 8 m0 -8 l-8 8"/>`, px(x-14), px(y-6))
	}
}

// start is the head of the picture: what the playbook is, and what starts it.
func (a artist) start(p Picture) shape {
	const width = cardWidth + 60
	var rows []textLine
	for _, line := range (face{size: 15, bold: true}).wrap(visible(p.Title), width-2*pad, 3, a.table) {
		rows = append(rows, textLine{"big", line})
	}
	for _, line := range textFace().wrap(visible(strings.Join(append([]string{p.ID}, p.About...), " · ")), width-2*pad, 2, a.table) {
		rows = append(rows, textLine{"t dim", line})
	}
	for i, s := range p.Starts {
		lead := "starts when "
		if i > 0 {
			lead = "or when "
		}
		for _, line := range textFace().wrap(visible(lead+s), width-2*pad, 2*mostLines, a.table) {
			rows = append(rows, textLine{"t", line})
		}
	}
	h := float64(len(rows))*lineStep + pad + 8
	return shape{w: width, h: h, axis: width / 2, draw: func(c *canvas, x, y float64) {
		c.rect("start", x, y, width, h, 14)
		a.set(c, rows, x+pad, y+3)
	}}
}

// ends are the parts that run when the run has failed, and at its end.
func (a artist) ends(p Picture) shape {
	if len(p.Ends) == 0 {
		return shape{}
	}
	var all []shape
	for i, g := range p.Ends {
		class := "rescue"
		if i > 0 || g.Name != "if the run fails" {
			class = "always"
		}
		inner := a.column(a.steps(g.Steps))
		inner.ends = true
		all = append(all, a.framed(class, g, inner))
	}
	out := shape{}
	for i, s := range all {
		out.w, out.h = out.w+s.w, max(out.h, s.h)
		if i > 0 {
			out.w += between
		}
	}
	out.draw = func(c *canvas, x, y float64) {
		for _, s := range all {
			s.draw(c, x, y)
			x += s.w + between
		}
	}
	return out
}

// legend says what the marks mean.
func (a artist) legend(tests bool) shape {
	words := map[string]string{
		"reads": "only looks", "writes": "changes something", "destroys": "takes something away for good",
	}
	width := 560.0
	h := 66.0
	if tests {
		h = 88
	}
	return shape{w: width, h: h, draw: func(c *canvas, x, y float64) {
		c.line("rule", x, y, x+width, y)
		c.text("h", x, y+20, "Legend")
		at := x + 62
		for _, class := range []string{"reads", "writes", "destroys"} {
			stripe(c, class, at, y+4, 24)
			badgeAt(c, a, class, at+22+smallFace().widthOf(class, a.table)+12, y+8)
			c.text("s", at+40+smallFace().widthOf(class, a.table), y+20, words[class])
			at += 56 + smallFace().widthOf(class+words[class], a.table)
		}
		c.rect("card approve", x+66, y+36, 26, 18, 4)
		c.rect("inset", x+68.5, y+38.5, 21, 13, 3)
		c.text("s", x+98, y+49, "asks people")
		c.rect("frame loop", x+176, y+36, 26, 18, 4)
		c.text("s", x+208, y+49, "again for each")
		c.rect("frame rescue", x+296, y+36, 26, 18, 4)
		c.text("s", x+328, y+49, "if it fails")
		c.rect("frame always", x+392, y+36, 26, 18, 4)
		c.text("s", x+424, y+49, "in any case")
		if tests {
			tested(c, Node{Tested: Covered}, x+84, y+70)
			c.text("s", x+98, y+76, "a test ran it")
			tested(c, Node{Tested: Missed}, x+194, y+68)
			c.text("s", x+208, y+76, "no test ran it")
		}
	}}
}
