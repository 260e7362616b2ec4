package picture

import (
	_ "embed"
	"fmt"
	"math"
	"strings"

	"stanch/playbooks"
)

//go:embed svg.css
var style string

// The measures of the drawing, in pixels.
const (
	cardWidth = 330.0
	pad       = 14.0
	gap       = 30.0 // between a step and the next, where the arrow is
	aside     = 26.0 // beside a step, where the way around it is
	between   = 26.0 // between columns
	lineStep  = 16.0
	mostLines = 5 // of one detail
	inRow     = 4 // branches beside each other
)

// shape is something that is drawn: how large it is, where the way through it
// goes, and how it is drawn at a place.
type shape struct {
	w, h float64
	axis float64 // from the left
	ends bool    // no way out at the bottom
	fork bool    // the way in splits at once: it has no head
	draw func(c *canvas, x, y float64)
}

// canvas collects the drawing.
type canvas struct {
	strings.Builder
	table []float64
}

func (c *canvas) put(format string, args ...any) { fmt.Fprintf(c, format+"\n", args...) }

// px writes a number of pixels, short and the same everywhere.
func px(v float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.1f", math.Round(v*10)/10), "0"), ".")
}

func (c *canvas) line(class string, points ...float64) {
	var d strings.Builder
	for i := 0; i+1 < len(points); i += 2 {
		d.WriteString(map[bool]string{true: "M", false: " L"}[i == 0] + px(points[i]) + " " + px(points[i+1]))
	}
	c.put(`<path class="%s" d="%s"/>`, class, d.String())
}

// arrow is a line down that ends in a head.
func (c *canvas) arrow(class string, points ...float64) {
	c.line(class, points...)
	x, y := points[len(points)-2], points[len(points)-1]
	c.put(`<path class="head" d="M%s %s L%s %s L%s %s Z"/>`, px(x), px(y), px(x-4.5), px(y-8), px(x+4.5), px(y-8))
}

// into is the way into a shape that begins below.
func (c *canvas) into(s shape, x, y float64) {
	if s.fork {
		c.line("way", x, y, x, y+gap)
		return
	}
	c.arrow("way", x, y, x, y+gap)
}

func (c *canvas) text(class string, x, y float64, s string) {
	c.put(`<text class="%s" x="%s" y="%s">%s</text>`, class, px(x), px(y), escaped(s))
}

func (c *canvas) rect(class string, x, y, w, h, round float64) {
	c.put(`<rect class="%s" x="%s" y="%s" width="%s" height="%s" rx="%s"/>`, class, px(x), px(y), px(w), px(h), px(round))
}

// artist makes shapes of nodes.
type artist struct{ table []float64 }

// SVG is the picture as an SVG document of its own: without script, without
// anything from elsewhere, in light or dark as its reader prefers.
func (p Picture) SVG() string {
	a := artist{widths()}
	body := a.column(a.whole(p))
	notes := a.ends(p)
	key := a.legend(p.Tested)
	width := max(body.w, notes.w, key.w) + 2*pad
	height := body.h + 3*pad + key.h
	if notes.h > 0 {
		height += notes.h + gap
	}
	c := &canvas{table: a.table}
	c.put(`<svg xmlns="http://www.w3.org/2000/svg" class="stanch" role="img" aria-label="%s" viewBox="0 0 %s %s" width="%s" height="%s">`,
		escaped("Playbook "+p.ID), px(width), px(height), px(width), px(height))
	c.put(`<title>%s</title>`, escaped(p.Title))
	c.put(`<desc>%s</desc>`, escaped(p.description()))
	c.put("<style>\n%s</style>", style)
	c.rect("paper", 0, 0, width, height, 0)
	body.draw(c, pad+(width-2*pad-body.w)/2, pad)
	y := pad + body.h
	if notes.h > 0 {
		notes.draw(c, pad+(width-2*pad-notes.w)/2, y+gap)
		y += gap + notes.h
	}
	key.draw(c, pad, y+pad)
	c.put("</svg>")
	return c.String()
}

// description says in words what the picture shows.
func (p Picture) description() string {
	count := map[string]int{}
	var walk func(groups []Group)
	walk = func(groups []Group) {
		for _, g := range groups {
			for _, n := range g.Steps {
				count[n.Class]++
				count["all"]++
				if n.Kind == playbooks.Approve {
					count["approve"]++
				}
				walk(n.Groups)
				walk(n.Rescue)
				walk(n.Finally)
			}
		}
	}
	walk(append([]Group{{"", p.Steps}}, p.Ends...))
	return fmt.Sprintf("%d steps: %d read, %d write, %d destroy, %d ask for approval. Starts when %s.",
		count["all"], count["reads"], count["writes"], count["destroys"], count["approve"], strings.Join(p.Starts, "; or "))
}

// whole are the shapes of a playbook from its start to its end.
func (a artist) whole(p Picture) []shape {
	all := []shape{a.start(p)}
	all = append(all, a.steps(p.Steps)...)
	if len(p.Steps) == 0 || !ends(p.Steps) {
		all = append(all, a.pill("end", "terminal"))
	}
	return all
}

func (a artist) steps(nodes []Node) []shape {
	all := make([]shape, len(nodes))
	for i, n := range nodes {
		all[i] = a.step(n)
	}
	return all
}

// column sets shapes under each other, their axes in one line, with arrows.
func (a artist) column(all []shape) shape {
	out := shape{}
	right := 0.0
	for i, s := range all {
		out.axis, right = max(out.axis, s.axis), max(right, s.w-s.axis)
		out.h += s.h
		if i > 0 {
			out.h += gap
		}
		out.ends = s.ends
	}
	out.w = out.axis + right
	out.draw = func(c *canvas, x, y float64) {
		for i, s := range all {
			if i > 0 {
				if !all[i-1].ends {
					c.into(s, x+out.axis, y)
				}
				y += gap
			}
			s.draw(c, x+out.axis-s.axis, y)
			y += s.h
		}
	}
	return out
}

// row sets shapes beside each other, in as many rows as needed.
func (a artist) row(all []shape) shape {
	if len(all) > inRow {
		return a.rows(all)
	}
	out := shape{ends: len(all) > 0, fork: true}
	for i, s := range all {
		out.w, out.h = out.w+s.w, max(out.h, s.h)
		if i > 0 {
			out.w += between
		}
		out.ends = out.ends && s.ends
	}
	out.axis = out.w / 2
	const bus = 18.0
	inner := out.h
	out.h += 2 * bus
	out.draw = func(c *canvas, x, y float64) {
		at := x
		for _, s := range all {
			foot := at + s.axis
			c.arrow("way", x+out.axis, y, x+out.axis, y+bus/2, foot, y+bus/2, foot, y+bus)
			s.draw(c, at, y+bus)
			if !s.ends {
				c.line("way", foot, y+bus+s.h, foot, y+inner+1.5*bus, x+out.axis, y+inner+1.5*bus, x+out.axis, y+out.h)
			}
			at += s.w + between
		}
	}
	return out
}

// rows sets many shapes in rows; the way splits again above each.
func (a artist) rows(all []shape) shape {
	var parts []shape
	out := shape{ends: true, fork: true}
	right := 0.0
	for len(all) > 0 {
		k := min(inRow, len(all))
		r := a.row(all[:k])
		parts, all = append(parts, r), all[k:]
		out.axis, right = max(out.axis, r.axis), max(right, r.w-r.axis)
		out.h += r.h
		out.ends = out.ends && r.ends
	}
	out.w = out.axis + right
	out.draw = func(c *canvas, x, y float64) {
		for _, r := range parts {
			r.draw(c, x+out.axis-r.axis, y)
			y += r.h
		}
	}
	return out
}

// frame draws a border with a heading around a shape. The way enters through
// the heading.
func (a artist) frame(class string, head shape, inner shape) shape {
	out := shape{axis: max(head.axis, inner.axis) + pad, ends: inner.ends}
	out.w = out.axis + max(head.w-head.axis, inner.w-inner.axis) + pad
	out.h = head.h + gap + inner.h + pad
	out.draw = func(c *canvas, x, y float64) {
		c.put(`<g>`)
		c.rect("frame "+class, x, y, out.w, out.h, 12)
		if class == "loop" {
			c.line("again", x+6, y+out.h-16, x+6, y+26)
			c.put(`<path class="head" d="M%s %s l-4 7 l8 0 Z"/>`, px(x+6), px(y+20))
		}
		head.draw(c, x+out.axis-head.axis, y)
		c.into(inner, x+out.axis, y+head.h)
		inner.draw(c, x+out.axis-inner.axis, y+head.h+gap)
		if !inner.ends {
			c.line("way", x+out.axis, y+out.h-pad, x+out.axis, y+out.h)
		}
		c.put(`</g>`)
	}
	return out
}
