package playbooks

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"
)

// Suppressed is a warning that a comment takes back, with its reason:
//
//	# stanch:ignore W503 the list is never empty: the trigger asks for files
//
// at the end of the line of the finding, or alone on the line above it. Several
// codes are separated by commas.
type Suppressed struct {
	Finding
	Reason string
}

// ofIgnores reports the codes that are about suppressing itself.
func ofIgnores(code string) bool {
	return slices.Contains([]string{"W530", "W531", "W532", "W533"}, code)
}

// ofSets reports the codes that only a look at several files together finds.
func ofSets(code string) bool { return code == "W517" }

// ignore is one comment that suppresses.
type ignore struct {
	at          span
	codes       []ignoredCode
	reason      string
	first, last int // lines of the findings that it means; 0: none
}

type ignoredCode struct {
	code string
	at   span
	used bool
}

var (
	ignoreComment = regexp.MustCompile(`^#[ \t]*stanch:ignore(?:[ \t]+|$)`)
	ignoreCodes   = regexp.MustCompile(`^[^ \t,]+(?:[ \t]*,[ \t]*[^ \t,]+)*`)
	ignoreCode    = regexp.MustCompile(`[^ \t,]+`)
)

// suppress takes out the findings that comments suppress, and adds what is wrong
// with these comments. Whether one for a code that only a set of files shows, see
// ofSets, is of use is judged when the playbook was read as part of one.
func (p *Playbook) suppress(findings []Finding, inSet bool) (kept []Finding, suppressed []Suppressed) {
	if !strings.Contains(p.source.text, "stanch:ignore") {
		return findings, nil
	}
	ignores := p.source.ignores(p.written.node)
	for _, f := range findings {
		if reason, ok := takenBack(ignores, f); ok {
			suppressed = append(suppressed, Suppressed{f, reason})
		} else {
			kept = append(kept, f)
		}
	}
	rep := &report{src: p.source}
	for i := range ignores {
		rep.judgeIgnore(&ignores[i], inSet, HasErrors(findings))
	}
	return sortFindings(append(kept, rep.findings...)), suppressed
}

// takenBack answers the reason of the comment that suppresses a finding.
func takenBack(ignores []ignore, f Finding) (string, bool) {
	if f.Severity != SeverityWarning || ofIgnores(f.Code) {
		return "", false
	}
	for i := range ignores {
		g := &ignores[i]
		if f.Line < g.first || f.Line > g.last || g.reason == "" {
			continue
		}
		for j := range g.codes {
			if g.codes[j].code == f.Code {
				g.codes[j].used = true
				return g.reason, true
			}
		}
	}
	return "", false
}

// judgeIgnore says what is wrong with a comment that suppresses. With errors in
// the file some warnings are not looked for, so that nothing is called unused.
func (r *report) judgeIgnore(g *ignore, inSet, errors bool) {
	const form = "# stanch:ignore W503 why it is meant here"
	if len(g.codes) == 0 || g.reason == "" {
		r.add(g.at, "W530", "write "+form, "the comment suppresses nothing: it needs the code of a warning and a reason")
		return
	}
	for _, c := range g.codes {
		_, known := Explain(c.code)
		switch {
		case !known:
			r.add(c.at, "W531", nearestCode(c.code), "%s is not the code of a finding", quoted(c.code))
		case strings.HasPrefix(c.code, "E"):
			r.add(c.at, "W532", "correct what it is about; only warnings can be suppressed", "%s is an error and cannot be suppressed", c.code)
		case ofIgnores(c.code):
			r.add(c.at, "W532", "correct the comment that it is about", "%s is about suppressing and cannot be suppressed", c.code)
		case !c.used && !errors && (inSet || !ofSets(c.code)):
			r.add(c.at, "W533", "delete it, or move it to the line of the finding or right above", "nothing here has the finding %s", c.code)
		}
	}
}

func nearestCode(code string) string {
	codes := []string{}
	for _, e := range Explanations() {
		if e.Code[0] == 'W' && !ofIgnores(e.Code) {
			codes = append(codes, e.Code)
		}
	}
	return cmp.Or(suggest(strings.ToUpper(code), codes), "stanch explain lists the codes")
}

// ignores finds the comments that suppress. Text inside scalars is no comment.
func (s *fileText) ignores(root *yaml.Node) []ignore {
	scalars := s.scalarSpans(root, nil)
	slices.SortFunc(scalars, func(a, b span) int { return a.from - b.from })
	var all []ignore
	for n := 1; n <= len(s.starts); n++ {
		line := s.line(n)
		if !strings.Contains(line, "stanch:ignore") {
			continue
		}
		at, ok := s.comment(n, scalars)
		if !ok {
			continue
		}
		text := s.text[at.from:at.to]
		head := ignoreComment.FindString(text)
		if head == "" {
			continue
		}
		g := ignore{at: at}
		g.read(text, len(head))
		g.first, g.last = s.meant(n, at, scalars)
		all = append(all, g)
	}
	return all
}

// read takes the codes and the reason out of a comment, behind its head.
func (g *ignore) read(text string, head int) {
	codes := ignoreCodes.FindString(text[head:])
	for _, m := range ignoreCode.FindAllStringIndex(codes, -1) {
		from := head + m[0]
		g.codes = append(g.codes, ignoredCode{
			code: strings.ToUpper(codes[m[0]:m[1]]), at: span{g.at.from + from, g.at.from + head + m[1]},
		})
	}
	g.reason = strings.TrimSpace(text[head+len(codes):])
	if !strings.ContainsFunc(g.reason, unicode.IsLetter) {
		g.reason = ""
	}
}

// meant answers the lines whose findings a comment on line n means: its own if
// something stands before it, else the next that is no comment; a text over
// several lines that begins there counts whole.
func (s *fileText) meant(n int, at span, scalars []span) (first, last int) {
	if strings.TrimSpace(s.text[s.starts[n-1]:at.from]) == "" {
		for n++; n <= len(s.starts) && strings.HasPrefix(strings.TrimSpace(s.line(n)), "#"); n++ {
		}
	}
	if n > len(s.starts) || strings.TrimSpace(s.line(n)) == "" {
		return 0, 0
	}
	last = n
	for _, sp := range scalars {
		if from, _ := s.position(sp.from); from == n || from == n+1 && s.isBlockHead(n) {
			to, _ := s.position(max(sp.from, sp.to-1))
			last = max(last, to)
		}
	}
	return n, last
}

var blockHead = regexp.MustCompile(`[|>][-+1-9]*[ \t]*(?:#.*)?$`)

func (s *fileText) isBlockHead(n int) bool { return blockHead.MatchString(s.line(n)) }

// comment finds the comment of a line, if it has one.
func (s *fileText) comment(n int, scalars []span) (span, bool) {
	from, to := s.starts[n-1], s.starts[n-1]+len(s.line(n))
	for i := from; i < to; i++ {
		if s.text[i] != '#' || i > from && s.text[i-1] != ' ' && s.text[i-1] != '\t' {
			continue
		}
		in := slices.ContainsFunc(scalars, func(sp span) bool { return sp.from <= i && i < sp.to })
		if !in {
			return span{i, to}, true
		}
	}
	return span{}, false
}

// scalarSpans are the places of all scalars; of one behind | or > what stands on
// the lines below.
func (s *fileText) scalarSpans(n *yaml.Node, all []span) []span {
	if n.Kind == yaml.ScalarNode {
		at := s.node(n)
		if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
			return append(all, at)
		}
		head := s.lineEnd(min(at.from, len(s.text)))
		if s.scalar(n) == nil {
			at.to = s.blockEnd(at.from)
		}
		return append(all, span{min(head+1, len(s.text)), max(at.to, min(head+1, len(s.text)))})
	}
	for _, child := range n.Content {
		all = s.scalarSpans(child, all)
	}
	return all
}

// blockEnd answers where the lines end that are indented deeper than the one
// that an offset is on: what a text behind | or > is at most.
func (s *fileText) blockEnd(offset int) int {
	n, _ := s.position(offset)
	depth := func(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }
	own := depth(s.line(n))
	for n++; n <= len(s.starts); n++ {
		if line := s.line(n); strings.TrimSpace(line) != "" && depth(line) <= own {
			return s.starts[n-1]
		}
	}
	return len(s.text)
}
