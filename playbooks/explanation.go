package playbooks

import (
	"embed"
	"path"
	"strings"
)

// Each page is codes/CODE.md: a heading with the code and its title, what it
// means, and under "Bad" and "Good" a playbook that has the finding and the same
// without it. Where it takes another playbook, that one stands under "Beside".
//
//go:embed codes/*.md
var codePages embed.FS

// Explanation is what `stanch explain CODE` tells of a code.
type Explanation struct {
	Code  string
	Title string
	Text  string // what it means and what to do, in Markdown
	Bad   string // a playbook with this finding and no other
	Good  string // the same without it
	With  string // another playbook that both stand beside, or ""
}

// Explanations are the codes of findings in order.
func Explanations() []Explanation {
	entries, err := codePages.ReadDir("codes")
	if err != nil {
		return nil
	}
	var all []Explanation
	for _, entry := range entries {
		if e, ok := Explain(strings.TrimSuffix(entry.Name(), ".md")); ok {
			all = append(all, e)
		}
	}
	return all
}

// Explain answers the explanation of a code, in capitals or not.
func Explain(code string) (Explanation, bool) {
	code = strings.ToUpper(code)
	if !IsCode(code) {
		return Explanation{}, false
	}
	page, err := codePages.ReadFile(path.Join("codes", code+".md"))
	if err != nil {
		return Explanation{}, false
	}
	head, rest, _ := strings.Cut(string(page), "\n")
	e := Explanation{Code: code, Title: strings.TrimPrefix(head, "# "+code+" ")}
	text, rest, _ := strings.Cut(rest, "\n## Bad\n")
	bad, rest, _ := strings.Cut(rest, "\n## Good\n")
	good, beside, _ := strings.Cut(rest, "\n## Beside\n")
	e.Text, e.Bad, e.Good, e.With = strings.TrimSpace(text), fenced(bad), fenced(good), fenced(beside)
	return e, true
}

// fenced is what stands between the fences of a page's example.
func fenced(s string) string {
	_, s, _ = strings.Cut(s, "```yaml\n")
	s, _, _ = strings.Cut(s, "```")
	return s
}

// Page is the whole page in Markdown.
func (e Explanation) Page() string {
	example := func(title, text string) string {
		if text == "" {
			return ""
		}
		return "## " + title + "\n\n```yaml\n" + text + "```\n\n"
	}
	return "# " + e.Code + " " + e.Title + "\n\n" + e.Text + "\n\n" + example("Bad", e.Bad) + example("Good", e.Good) +
		example("Beside", e.With) + "## Suppress\n\n" + e.Suppress() + "\n"
}

// Suppress says how the finding is suppressed, or why it is not.
func (e Explanation) Suppress() string {
	switch {
	case strings.HasPrefix(e.Code, "E"):
		return "It cannot be suppressed: with an error the playbook does not run."
	case ofIgnores(e.Code):
		return "It cannot be suppressed: it is about suppressing."
	}
	return "Where it is meant, say why, at the end of the line or on the line above it:\n\n```yaml\n# stanch:ignore " + e.Code + " why it is meant here\n```"
}

// IsCode reports whether a text has the form of a finding's code: E201, W503.
func IsCode(s string) bool {
	return len(s) == 4 && (s[0] == 'E' || s[0] == 'W') && strings.Trim(s[1:], "0123456789") == ""
}
