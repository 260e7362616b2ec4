package main

import (
	"strings"

	"stanch/cmd/stanch/internal/terminal"
	"stanch/playbooks"
)

// codeDoc is a code as --output json tells it.
type codeDoc struct {
	Code     string `json:"code"`
	Title    string `json:"title"`
	Severity string `json:"severity"`
	Text     string `json:"text"`
	Bad      string `json:"bad"`
	Good     string `json:"good"`
	Suppress string `json:"suppress"`
}

func docOf(e playbooks.Explanation) codeDoc {
	return codeDoc{e.Code, e.Title, severityOf(e.Code), e.Text, e.Bad, e.Good, e.Suppress()}
}

func codes() []string {
	var all []string
	for _, e := range playbooks.Explanations() {
		all = append(all, e.Code)
	}
	return all
}

// explainCodes lists all codes.
func (sh *shell) explainCodes() error {
	docs := []codeDoc{}
	for _, e := range playbooks.Explanations() {
		docs = append(docs, docOf(e))
	}
	return sh.printText(docs, func() {
		t := table("CODE", "SEVERITY", "WHAT IT IS")
		for _, d := range docs {
			t.Add(d.Code, d.Severity, d.Title)
		}
		sh.out.Table(t)
	})
}

// explainCode tells what the code of a finding means.
func (sh *shell) explainCode(code string) error {
	e, known := playbooks.Explain(code)
	if !known {
		if near := playbooks.Nearest(strings.ToUpper(code), codes()); near != "" {
			return misused("there is no code %s, did you mean %s?", strings.ToUpper(code), near)
		}
		return misused("there is no code %s: `stanch explain` lists all", strings.ToUpper(code))
	}
	return sh.printText(docOf(e), func() {
		for _, l := range pageLines(e) {
			sh.out.Line(l)
		}
	})
}

// pageLines is a code's page for a terminal: headings stand out, examples are
// indented.
func pageLines(e playbooks.Explanation) []terminal.Text {
	var lines []terminal.Text
	inExample := false
	for line := range strings.SplitSeq(strings.TrimSpace(e.Page()), "\n") {
		switch {
		case strings.HasPrefix(line, "```"):
			inExample = !inExample
		case inExample:
			lines = append(lines, terminal.Text{Text: strings.TrimRight("    "+line, " ")})
		case strings.HasPrefix(line, "#"):
			lines = append(lines, terminal.Text{Style: terminal.Bold, Text: strings.TrimLeft(line, "# ")})
		default:
			lines = append(lines, terminal.Text{Text: line})
		}
	}
	return lines
}

// plainPage is the page as plain text.
func plainPage(e playbooks.Explanation) string {
	var b strings.Builder
	for _, l := range pageLines(e) {
		b.WriteString(l.Text + "\n")
	}
	return b.String()
}
