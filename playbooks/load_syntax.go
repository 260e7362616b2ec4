package playbooks

import (
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// yamlError is what the YAML library says when it cannot go on.
var yamlError = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// diagnose makes a finding of an error of the YAML library, which names the line
// where the surrounding collection begins, and that one too low: known traps are
// looked for in the lines between there and where reading ended.
func diagnose(rep *report, err error) {
	if errors.Is(err, errSecondDocument) {
		at := secondDocument(rep.src)
		rep.add(at, "E103", "one playbook is one document: put the other in a file of its own", "a second document in the file")
		return
	}
	first, problem := reported(err)
	first = min(first, len(rep.src.starts))
	last := max(first, rep.src.readUntil())
	if strings.Contains(problem, "tab character") {
		last = min(last+2, len(rep.src.starts)) // blank lines are not counted as read
	}
	if strings.HasPrefix(problem, "unknown anchor") {
		first, last = 1, len(rep.src.starts)
	}
	for n := first; n <= last; n++ {
		if t, ok := trapIn(rep.src, n); ok {
			rep.add(t.at, t.code, t.hint, "%s", t.message)
			return
		}
	}
	if n := misindented(rep.src, last); n >= first && strings.Contains(problem, "did not find expected") {
		rep.add(rep.src.lineSpan(n), "E102", "indent the line like the lines that it belongs to", "this line's indentation fits none of the lines above")
		return
	}
	if strings.Contains(problem, "did not find expected key") || strings.Contains(problem, "'-' indicator") {
		first = last
	}
	rep.add(rep.src.lineSpan(first), "E102", syntaxHint(problem), "YAML: %s", problem)
}

// syntaxHint says what to look for.
func syntaxHint(problem string) string {
	for _, known := range [][2]string{
		{"unknown escape", `in double quotes a \ begins an escape: write \\, or use single quotes`},
		{"unexpected end of stream", "a quote or bracket is opened here and never closed"},
		{"expected ',' or", "a bracket opened here is not closed, or a comma is missing; inside { } and [ ], quote a value that has brackets itself"},
		{"expected ':'", "a key needs a colon and a value"},
		{"comment or line break", "behind | or > nothing stands on the same line"},
		{"'-' indicator", "an entry of the list begins with -; a key of the entry above stands under that entry's first key, two blanks further right"},
		{"expected key", "look at the indentation, and at quotes and colons on this line and the one above"},
	} {
		if strings.Contains(problem, known[0]) {
			return known[1]
		}
	}
	return "look for a missing quote, bracket or colon on this line or the one above"
}

// reported answers the line that a YAML error names, corrected, and its text.
// Errors of the scanner name the right line, those of the parser one too low,
// and both leave the first line out.
func reported(err error) (line int, problem string) {
	m := yamlError.FindStringSubmatch(err.Error())
	if m == nil {
		return 1, err.Error()
	}
	line, _ = strconv.Atoi(m[1])
	ofScanner := strings.Contains(m[2], "alphabetic") || strings.Contains(m[2], "whitespace")
	if strings.HasPrefix(m[2], "did not find expected") && !ofScanner || line == 0 {
		line++
	}
	return line, m[2]
}

// readUntil answers the last line with anything on it that the parser had read
// when it gave up.
func (s *fileText) readUntil() int {
	if len(s.text) > 64<<10 {
		return 0 // reading byte by byte would take long
	}
	c := &counter{r: strings.NewReader(s.text)}
	if _, err := decodeDocument(c); err == nil {
		return 0
	}
	line, _ := s.position(len(strings.TrimRight(s.text[:c.n], " \t\r\n")))
	return line
}

// counter hands out single bytes and counts them.
type counter struct {
	r io.Reader
	n int
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b[:min(1, len(b))])
	c.n += n
	return n, err
}

func secondDocument(src *fileText) span {
	begun := false
	for n := 1; n <= len(src.starts); n++ {
		line := src.line(n)
		marker := line == "---" || strings.HasPrefix(line, "--- ")
		if marker && begun {
			return src.lineSpan(n)
		}
		if line != "" && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "%") {
			begun = true
		}
	}
	return span{0, 0}
}

// trap is a known slip, found in the text of a line.
type trap struct {
	at                  span
	code, message, hint string
}

// lineHead is what stands before a value: dashes and a key.
var lineHead = regexp.MustCompile(`^\s*(?:- +)*(?:[A-Za-z_][\w.-]*\s*:(?:\s+|$))?`)

// trapIn looks for known slips in a line that YAML cannot read.
func trapIn(src *fileText, n int) (trap, bool) {
	line, start := src.line(n), src.starts[n-1]
	if i := strings.IndexFunc(line, func(r rune) bool { return r != ' ' }); i >= 0 && line[i] == '\t' {
		return trap{span{start + i, start + i + 1}, "E108", "a tab in the indentation", "indent with spaces"}, true
	}
	head := len(lineHead.FindString(line))
	value := line[head:]
	if value == "" || value[0] == '#' {
		return trap{}, false
	}
	at := span{start + head, start + len(strings.TrimRight(line, " \t"))}
	needs := func(message, hint string) (trap, bool) {
		return trap{at, "E112", message, hint}, true
	}
	switch c := value[0]; {
	case c == '"' || c == '\'':
		end := closing(value)
		rest := strings.TrimSpace(value[min(end, len(value)):])
		if end < len(value) && rest != "" && rest[0] != '#' && rest[0] != ':' && rest[0] != ',' {
			return needs("text behind the closing quote", "quote the whole value in the other quotes, or write it behind >- on the next line")
		}
	case c == '@' || c == '`' || c == '%':
		return needs("a value cannot begin with "+string(c), "quote the value")
	case c == '*':
		return needs("YAML takes a * at the beginning for an alias", "quote the value")
	case c == '{' || c == '[':
		if i := unquoted(value, "${{"); i >= 0 {
			at = span{at.from + i, at.from + i + 3}
			return needs("${{ }} without quotes inside { } or [ ]", `quote it: {key: "${{ … }}"}`)
		}
		if i := questionIn(value); i >= 0 {
			at = span{at.from + i, at.from + i + 1}
			return needs("a ? before , ] or } is read as the sign of a key", `quote the value: {ask: "Go on?", …}`)
		}
		if i := bangIn(value); i >= 0 {
			at = span{at.from + i, at.from + i + 1}
			return trap{at, "E105", "a YAML tag: \"!\"", "write `not` or quote the value"}, true
		}
		if i := startsIn(value, "*"); i >= 0 {
			at = span{at.from + i, at.from + i + 1}
			return needs("YAML takes a * at the beginning for an alias", "quote the value")
		}
		for _, optional := range []string{" ?? ", " ? "} {
			if i := unquoted(value, optional); i >= 0 {
				at = span{at.from + i + 1, at.from + i + len(optional) - 1}
				return needs("YAML takes a ? inside { } or [ ] for a key", "quote the expression, or put it on a line of its own")
			}
		}
	default:
		if i := strings.Index(value, ": "); i > 0 && c != '&' && c != '|' && c != '>' {
			at.from += i
			at.to = at.from + 1
			return needs("a colon and a blank inside plain text", "quote the value, or write it behind >- on the next line")
		}
	}
	return trap{}, false
}

// questionIn answers where a value inside { } or [ ] ends with ?, or -1.
func questionIn(value string) int {
	for _, end := range []string{"?,", "?}", "?]"} {
		if i := unquoted(value, end); i >= 0 {
			return i
		}
	}
	return -1
}

// bangIn answers where a value inside { } or [ ] begins with !, or -1.
func bangIn(value string) int { return startsIn(value, "!") }

// startsIn answers where a value inside { } or [ ] begins with a text, or -1.
func startsIn(value, text string) int {
	for _, before := range []string{": ", "[", ", "} {
		if i := unquoted(value, before+text); i >= 0 {
			return i + len(before)
		}
	}
	return -1
}

// closing answers the offset behind the quote that closes the one at the start.
func closing(value string) int {
	quote := value[0]
	for i := 1; i < len(value); i++ {
		switch {
		case value[i] == '\\' && quote == '"':
			i++
		case value[i] == quote && quote == '\'' && i+1 < len(value) && value[i+1] == quote:
			i++
		case value[i] == quote:
			return i + 1
		}
	}
	return len(value)
}

// unquoted answers where a text first stands outside YAML quotes, or -1.
func unquoted(value, what string) int {
	for i := 0; i < len(value); i++ {
		if strings.HasPrefix(value[i:], what) {
			return i
		}
		if (value[i] == '"' || value[i] == '\'') && i > 0 && strings.IndexByte(" [{,", value[i-1]) >= 0 {
			i += closing(value[i:]) - 1
		}
	}
	return -1
}

// misindented answers the first line up to last that goes back to an
// indentation that no line above has; 0 if there is none. Block scalars are
// stepped over.
func misindented(src *fileText, last int) int {
	levels, skip := []int{}, -1
	for n := 1; n <= last; n++ {
		line := src.line(n)
		text := strings.TrimLeft(line, " ")
		if text == "" || text[0] == '#' {
			continue
		}
		indent := len(line) - len(text)
		if skip >= 0 && indent > skip {
			continue
		}
		skip = -1
		for len(levels) > 0 && levels[len(levels)-1] > indent {
			levels = levels[:len(levels)-1]
		}
		known := len(levels) > 0 && levels[len(levels)-1] == indent
		if !known && len(levels) > 0 && n > 1 && wentBack(src, n, indent) {
			return n
		}
		if !known {
			levels = append(levels, indent)
		}
		for strings.HasPrefix(text, "- ") {
			rest := strings.TrimLeft(text[1:], " ")
			levels = append(levels, indent+len(text)-len(rest))
			indent, text = indent+len(text)-len(rest), rest
		}
		if end := strings.TrimRight(text, " "); strings.HasSuffix(end, "|") || strings.HasSuffix(end, ">") ||
			strings.HasSuffix(end, "|-") || strings.HasSuffix(end, ">-") || strings.HasSuffix(end, "|+") {
			skip = len(line) - len(strings.TrimLeft(line, " "))
		}
	}
	return 0
}

// wentBack reports whether the last line with text above n is indented deeper.
func wentBack(src *fileText, n, indent int) bool {
	for n--; n >= 1; n-- {
		line := src.line(n)
		text := strings.TrimLeft(line, " ")
		if text == "" || text[0] == '#' {
			continue
		}
		deep := len(line) - len(text)
		for strings.HasPrefix(text, "- ") {
			rest := strings.TrimLeft(text[1:], " ")
			deep += len(text) - len(rest)
			text = rest
		}
		return deep > indent
	}
	return false
}
