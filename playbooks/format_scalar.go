package playbooks

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// plainPath is an expression that no comma or colon can cut.
var plainPath = regexp.MustCompile(`^[A-Za-z0-9_.]+$`)

// raw is a scalar as it is written, line by line, without what is blank around
// its lines.
func (p *printer) raw(n *yaml.Node) []string {
	at, ok := p.spans[n]
	if !ok {
		return []string{""}
	}
	lines := strings.Split(p.src.text[at.from:at.to], "\n")
	for i, line := range lines {
		line = strings.TrimRight(line, "\r")
		if i > 0 {
			line = strings.TrimLeft(line, " \t")
		}
		if n.Style&yaml.DoubleQuotedStyle == 0 {
			line = strings.TrimRight(line, " \t")
		}
		lines[i] = line
	}
	return lines
}

// key writes a key on one line.
func (p *printer) key(n *yaml.Node) string {
	if lines := p.raw(n); len(lines) == 1 && lines[0] != "" && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
		return lines[0]
	}
	if n.Tag == "!!null" {
		return "null"
	}
	return quote(n.Value)
}

// quote writes a text in double quotes.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || isInvisible(r):
			if r > 0xffff {
				b.WriteString(`\U` + strings.Repeat("0", 8-len(strconv.FormatInt(int64(r), 16))) + strconv.FormatInt(int64(r), 16))
				continue
			}
			h := strconv.FormatInt(int64(r), 16)
			b.WriteString(`\u` + strings.Repeat("0", 4-len(h)) + h)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// quoteExpression writes an expression in the quotes that it does not hold.
func quoteExpression(s string) string {
	if strings.ContainsAny(s, `"\`) && !strings.ContainsAny(s, "'\n\t") {
		return "'" + s + "'"
	}
	return quote(s)
}

// scalarLines writes a scalar behind its key or dash.
func (p *printer) scalarLines(lead string, e pair, indent int) []string {
	n := e.value
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return p.block(lead, e, indent)
	}
	lines := p.raw(n)
	if inner, ok := wrapped(n); ok && e.form.kind == formQuestion && !strings.Contains(inner, "\n") {
		lines = []string{barely(inner)}
	}
	if len(lines) == 1 && lines[0] == "" {
		return []string{p.withLine(lead, e.key)}
	}
	out := []string{lead + " " + lines[0]}
	for _, line := range lines[1:] {
		if line != "" {
			line = strings.Repeat(" ", indent+2) + line
		}
		out = append(out, line)
	}
	out[len(out)-1] = p.withLine(out[len(out)-1], e.key)
	return out
}

// barely writes an expression plain where YAML reads it as that text, and in
// quotes otherwise.
func barely(s string) string {
	doc, err := decodeDocument(strings.NewReader("k: " + s + "\n"))
	if err == nil && len(doc.Content) == 1 && doc.Content[0].Kind == yaml.MappingNode && len(doc.Content[0].Content) == 2 {
		v := doc.Content[0].Content[1]
		if v.Kind == yaml.ScalarNode && v.Tag == "!!str" && v.Value == s && v.Style == 0 &&
			!strings.ContainsAny(s[:1], "!&*") && doc.Content[0].Content[1].LineComment == "" {
			return s
		}
	}
	return quoteExpression(s)
}

// block writes a literal or folded scalar. The header's signs follow from the
// value: how it ends, and whether it begins with a blank.
func (p *printer) block(lead string, e pair, indent int) []string {
	n := e.value
	if strings.Trim(n.Value, " \t\n") == "" {
		return []string{p.withLine(lead+" "+quote(n.Value), e.key)} // in a block nobody would see it
	}
	lines := p.blockLines(n)
	if inner, ok := wrapped(n); ok && e.form.kind == formQuestion {
		if cut := cutWrap(lines, inner); cut != nil {
			lines = cut
		}
	}
	header := "|"
	if n.Style&yaml.FoldedStyle != 0 {
		header = ">"
	}
	first := slices.IndexFunc(lines, func(line string) bool { return line != "" })
	if first >= 0 && (lines[first][0] == ' ' || lines[first][0] == '\t') {
		header += "2"
	}
	body := strings.TrimRight(n.Value, "\n")
	ends := len(n.Value) - len(body)
	switch {
	case ends == 0:
		header += "-"
	case ends > 1 || body == "":
		header += "+"
	}
	out := []string{p.withLine(lead+" "+header, e.key)}
	out = append(out, indentedText(lines, indent+2)...)
	for range ends - 1 {
		out = append(out, "")
	}
	if body == "" && ends > 0 {
		out = append(out, "")
	}
	return out
}

func indentedText(lines []string, indent int) []string {
	out := make([]string, len(lines))
	for i, line := range lines {
		if line != "" {
			out[i] = strings.Repeat(" ", indent) + line
		}
	}
	return out
}

// blockLines are the lines of a block scalar without its indentation and
// without the empty lines at its end.
func (p *printer) blockLines(n *yaml.Node) []string {
	if n.Style&yaml.LiteralStyle != 0 {
		body := strings.TrimRight(n.Value, "\n")
		if body == "" {
			return nil
		}
		return strings.Split(body, "\n")
	}
	at := p.spans[n]
	lines := strings.Split(p.src.text[at.from:at.to], "\n")[1:]
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], "\r")
	}
	indent := p.blockIndent(n, lines)
	for i, line := range lines {
		lines[i] = line[min(indent, len(line)-len(strings.TrimLeft(line, " "))):]
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// blockIndent is the indentation of a folded scalar's lines: that of the first,
// or, with a digit in the header, where the value begins with its blanks.
func (p *printer) blockIndent(n *yaml.Node, lines []string) int {
	for _, line := range lines {
		if strings.Trim(line, " ") != "" {
			most := len(line) - len(strings.TrimLeft(line, " "))
			value := strings.TrimLeft(n.Value, "\n")
			blanks := len(value) - len(strings.TrimLeft(value, " "))
			return max(0, most-blanks)
		}
	}
	return 0
}

// cutWrap takes ${{ }} off the lines of a block scalar; nil if it cannot.
func cutWrap(lines []string, inner string) []string {
	all := strings.Join(lines, "\n")
	all, ok := strings.CutPrefix(strings.TrimSpace(all), "${{")
	if !ok {
		return nil
	}
	all, ok = strings.CutSuffix(all, "}}")
	if all = strings.TrimSpace(all); !ok || !sameWords(all, inner) {
		return nil
	}
	cut := strings.Split(all, "\n")
	for i, line := range cut {
		if strings.TrimLeft(line, " ") != line {
			cut[i] = strings.TrimLeft(line, " ")
		}
	}
	return cut
}

// flowLines writes a collection in flow style; not ok if it is to be in block
// style: it was, its form asks for it, comments stand in it, or it stood on
// several lines and has no room on one from the column on.
func (p *printer) flowLines(n *yaml.Node, f form, column int) (lines []string, ok bool) {
	if n.Style&yaml.FlowStyle == 0 {
		return nil, false
	}
	raw := strings.Split(p.src.text[p.spans[n].from:p.spans[n].to], "\n")
	if p.hasCut(n) { // what a comma cut is not touched
		for i := range raw {
			raw[i] = strings.TrimSpace(raw[i])
		}
		return raw, true
	}
	if p.asksBlock(n, f) || p.hasRemarks(n) {
		return nil, false
	}
	line := p.flow(n, f)
	if len(raw) > 1 && column+utf8.RuneCountInString(line) > lineWidth {
		return nil, false
	}
	return []string{line}, true
}

// hasCut reports whether a comma has cut a value in a flow mapping.
func (p *printer) hasCut(n *yaml.Node) bool {
	if n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle != 0 {
		for i := 2; i+1 < len(n.Content); i += 2 {
			if isCut(n.Content[i], n.Content[i+1]) {
				return true
			}
		}
	}
	return slices.ContainsFunc(n.Content, p.hasCut)
}

// asksBlock reports whether a form, or one inside, is written in block style.
func (p *printer) asksBlock(n *yaml.Node, f form) bool {
	if n.Kind == yaml.ScalarNode || len(n.Content) == 0 {
		return false
	}
	if n.Kind == yaml.SequenceNode {
		return f.kind == formSteps || slices.ContainsFunc(n.Content, func(item *yaml.Node) bool { return p.asksBlock(item, f.item()) })
	}
	if m := f.forMapping(); m.kind == formQuestions || m.kind == formPlace && m.place == "step" {
		return true
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if p.asksBlock(n.Content[i+1], f.behind(n.Content[i].Value)) {
			return true
		}
	}
	return false
}

// hasRemarks reports whether comments stand inside a flow collection.
func (p *printer) hasRemarks(n *yaml.Node) bool {
	if len(p.feet[n]) > 0 {
		return true
	}
	for i, child := range n.Content {
		if n.Kind == yaml.SequenceNode || i%2 == 0 {
			if a := p.around[child]; a != nil && (len(a.line) > 0 || slices.ContainsFunc(a.head, func(c string) bool { return c != "" })) {
				return true
			}
		}
		if p.hasRemarks(child) {
			return true
		}
	}
	return false
}

// flow writes a node of a flow collection on one line.
func (p *printer) flow(n *yaml.Node, f form) string {
	var parts []string
	switch n.Kind {
	case yaml.MappingNode:
		for _, e := range p.ordered(n, f) {
			part := p.key(e.key)
			if value := p.flow(e.value, e.form); value != "" {
				part += ": " + value
			}
			parts = append(parts, part)
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case yaml.SequenceNode:
		for _, item := range n.Content {
			parts = append(parts, p.flow(item, f.item()))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	lines := p.raw(n)
	switch inner, ok := wrapped(n); {
	case ok && f.kind == formQuestion:
		return quoteExpression(inner)
	case len(lines) > 1:
		return quote(n.Value)
	case f.kind == formQuestion && n.Style == 0 && n.Tag == "!!str" && !plainPath.MatchString(n.Value):
		return quoteExpression(n.Value)
	}
	return lines[0]
}
