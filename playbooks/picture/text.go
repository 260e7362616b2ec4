package picture

import (
	"strings"
	"unicode"
)

// face is how a text is set.
type face struct {
	size float64
	mono bool
	bold bool
}

// helvetica are the widths of the printable ASCII characters of Helvetica, whose
// measures Arial and Liberation Sans share, in thousandths of the size.
const helvetica = "" +
	"278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 " + // space to /
	"556 556 556 556 556 556 556 556 556 556 278 278 584 584 584 556 " + // 0 to ?
	"1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 " + // @ to O
	"667 778 722 667 611 722 667 944 667 667 611 278 278 278 469 556 " + // P to _
	"333 556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 " + // ` to o
	"556 556 333 500 278 556 500 722 500 500 500 334 260 334 584" // p to ~

// widthOf is the width of a text, a little more than less.
func (f face) widthOf(s string, table []float64) float64 {
	total := 0.0
	for _, r := range s {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me):
		case r >= 0x1100 && r != '…' && r != '–' && r != '—' && r != '“' && r != '”' && r != '‘' && r != '’' && r != '→':
			total++
		case f.mono:
			total += 0.61
		case r >= 0x20 && r < 0x7f:
			total += table[r-0x20]
		default:
			total += 0.72
		}
	}
	if f.bold && !f.mono {
		total *= 1.07
	}
	return total * f.size
}

// widths reads the table.
func widths() []float64 {
	var out []float64
	for word := range strings.FieldsSeq(helvetica) {
		n := 0
		for _, d := range word {
			n = 10*n + int(d-'0')
		}
		out = append(out, float64(n)/1000)
	}
	return out
}

// wrap breaks a text into lines of a width, at blanks where there are any. What
// does not fit into the lines ends with an ellipsis.
func (f face) wrap(s string, width float64, most int, table []float64) []string {
	var lines []string
	line := ""
	rest := strings.Fields(s)
	for len(rest) > 0 {
		word := rest[0]
		joined := word
		if line != "" {
			joined = line + " " + word
		}
		switch {
		case f.widthOf(joined, table) <= width:
			line, rest = joined, rest[1:]
		case line != "" && f.widthOf(word, table) <= width || line != "" && f.widthOf(line, table) > 0.6*width:
			lines, line = append(lines, line), ""
		default:
			if line != "" {
				line += " "
			}
			cut := f.fitting(line, word, width, table)
			lines, line, rest = append(lines, line+word[:cut]), "", append([]string{word[cut:]}, rest[1:]...)
		}
		if len(lines) > most {
			break
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	if len(lines) > most {
		lines = lines[:most]
		last := []rune(lines[most-1])
		for len(last) > 0 && f.widthOf(string(last)+"…", table) > width {
			last = last[:len(last)-1]
		}
		lines[most-1] = string(last) + "…"
	}
	return lines
}

// fitting is how many bytes of a word fit behind the beginning of a line, at
// least one character.
func (f face) fitting(line, word string, width float64, table []float64) int {
	cut := 0
	for i, r := range word {
		end := i + len(string(r))
		if cut > 0 && f.widthOf(line+word[:end], table) > width {
			break
		}
		cut = end
	}
	return cut
}

// escaped is a text as XML holds it.
func escaped(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;").Replace(visible(s))
}
