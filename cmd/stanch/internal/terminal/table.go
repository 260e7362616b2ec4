package terminal

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// Table is rows under a head. A cell is a string or a Text and stays on one
// line.
type Table struct {
	Head []string
	Rows [][]any
}

// Add appends a row.
func (t *Table) Add(cells ...any) { t.Rows = append(t.Rows, cells) }

// gap stands between two columns.
const gap = "  "

// Table writes the table. Where it is wider than the terminal, each row
// becomes a block of its own, one cell a line, so that nothing is lost.
func (s *Screen) Table(t Table) {
	cells, widths := t.measured()
	total := -len(gap)
	for _, w := range widths {
		total += w + len(gap)
	}
	if s.Width > 0 && total > s.Width {
		s.blocks(t.Head, cells)
		return
	}
	head := make([]Text, len(t.Head))
	for c, name := range t.Head {
		head[c] = Text{Bold, name}
	}
	s.row(head, widths)
	for _, row := range cells {
		s.row(row, widths)
	}
}

// List writes the rows without their head, indented; of the head only the
// number of columns counts.
func (s *Screen) List(t Table) {
	cells, widths := t.measured()
	for _, row := range cells {
		s.put("  ")
		s.row(row, widths)
	}
}

// measured answers the cells, safe to write, and the width of each column.
func (t Table) measured() ([][]Text, []int) {
	cells := make([][]Text, len(t.Rows))
	widths := make([]int, len(t.Head))
	for c, head := range t.Head {
		widths[c] = columns(head)
	}
	for r, row := range t.Rows {
		cells[r] = make([]Text, len(t.Head))
		for c := range t.Head {
			cells[r][c] = cell(row, c)
			widths[c] = max(widths[c], columns(cells[r][c].Text))
		}
	}
	return cells, widths
}

func cell(row []any, c int) Text {
	if c >= len(row) {
		return Text{}
	}
	switch v := row[c].(type) {
	case Text:
		return Text{v.Style, OneLine(v.Text)}
	case string:
		return Text{Plain, OneLine(v)}
	}
	panic("terminal: a cell is a string or a Text")
}

func (s *Screen) row(row []Text, widths []int) {
	var b strings.Builder
	for c, t := range row {
		b.WriteString(s.styled(t))
		if c < len(row)-1 {
			b.WriteString(strings.Repeat(" ", widths[c]-columns(t.Text)) + gap)
		}
	}
	s.put(strings.TrimRight(b.String(), " ") + "\n")
}

func (s *Screen) blocks(head []string, rows [][]Text) {
	for r, row := range rows {
		if r > 0 {
			s.put("\n")
		}
		for c, t := range row {
			if t.Text != "" {
				s.put(s.styled(Text{Bold, head[c]}) + " " + s.styled(t) + "\n")
			}
		}
	}
}

// columns is how many columns a text takes on a terminal.
func columns(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me):
		case width.LookupRune(r).Kind() == width.EastAsianWide, width.LookupRune(r).Kind() == width.EastAsianFullwidth:
			n += 2
		default:
			n++
		}
	}
	return n
}
