package playbooks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Severities of a finding.
const (
	SeverityError   = "error"
	SeverityWarning = "warning"
)

// Finding is one thing wrong with a playbook. Lines and columns count from 1,
// columns in runes; the end is the first position behind the place. Its JSON is
// what `stanch lint --output json` prints.
type Finding struct {
	File      string `json:"file"`
	Line      int    `json:"line"`
	Column    int    `json:"column"`
	EndLine   int    `json:"end_line"`
	EndColumn int    `json:"end_column"`
	Code      string `json:"code"`
	Severity  string `json:"severity"`
	Message   string `json:"message"`
	Hint      string `json:"hint"`

	source string // the text of Line
}

// Source is the text of the finding's first line.
func (f Finding) Source() string { return f.source }

// Text is the finding as people read it: place, message, the line with a mark
// under the place, and what to do.
func (f Finding) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: %s[%s] %s", f.File, f.Line, f.Column, f.Severity, f.Code, f.Message)
	if f.source != "" {
		line, lead, marks := f.caret()
		fmt.Fprintf(&b, "\n  %s\n  %s%s", line, lead, marks)
	}
	if f.Hint != "" {
		fmt.Fprintf(&b, "\n  hint: %s", f.Hint)
	}
	return b.String()
}

// caretWidth is how much of a source line a finding shows.
const caretWidth = 120

// caret answers the part of the source line around the place, the blanks before
// the mark and the mark. Tabs stay tabs in the blanks, so that it lines up; any
// other control character is shown as a question mark.
func (f Finding) caret() (line, lead, marks string) {
	runes := []rune(f.source)
	from := min(f.Column-1, len(runes))
	to := len(runes)
	if f.EndLine == f.Line {
		to = min(f.EndColumn-1, len(runes))
	}
	to = max(to, from+1)
	first := 0
	if from > caretWidth/2 {
		first = from - caretWidth/2
	}
	last := min(len(runes), first+caretWidth)
	var shown, blank strings.Builder
	for i, r := range runes[first:last] {
		if r != '\t' && (r < ' ' || r == 0x7f || isInvisible(r) || r >= 0x80 && r < 0xa0) {
			r = '?'
		}
		shown.WriteRune(r)
		if first+i < from {
			if r != '\t' {
				r = ' '
			}
			blank.WriteRune(r)
		}
	}
	return strings.TrimRight(shown.String(), " \t\r"), blank.String(), strings.Repeat("^", max(1, min(to, max(last, from+1))-from))
}

// HasErrors reports whether one of the findings is an error.
func HasErrors(findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.Severity == SeverityError })
}

// sortFindings puts findings in the order of their places and drops doubles.
func sortFindings(findings []Finding) []Finding {
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Code, b.Code), cmp.Compare(a.Message, b.Message))
	})
	return slices.CompactFunc(findings, func(a, b Finding) bool {
		return a.Line == b.Line && a.Column == b.Column && a.Code == b.Code && a.Message == b.Message
	})
}

// maxFindings is how many findings of a file are told.
const maxFindings = 500

// report collects the findings of one file.
type report struct {
	src      *fileText
	findings []Finding
}

// full reports whether nothing more is told.
func (r *report) full() bool { return len(r.findings) >= maxFindings }

// add notes a finding at a place. A code beginning with W is a warning.
func (r *report) add(at span, code, hint, format string, args ...any) {
	if r.full() {
		return
	}
	f := Finding{
		File: r.src.file, Code: code, Severity: SeverityError, Hint: hint, Message: fmt.Sprintf(format, args...),
	}
	if strings.HasPrefix(code, "W") {
		f.Severity = SeverityWarning
	}
	f.Line, f.Column = r.src.position(at.from)
	f.EndLine, f.EndColumn = r.src.position(max(at.to, at.from))
	f.source = r.src.line(f.Line)
	r.findings = append(r.findings, f)
}

func (r *report) errors() int {
	n := 0
	for _, f := range r.findings {
		if f.Severity == SeverityError {
			n++
		}
	}
	return n
}

// quoted shows a text of the file in a message, short and on one line.
func quoted(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
