package notify

import (
	"slices"
	"strings"
	"time"
	"unicode"
)

// none is the answer where there is none.
const none = "none"

// answer is what somebody has said.
type answer struct {
	Answer        string    `json:"answer"` // keep, remove_external, remove_all
	Justification string    `json:"justification,omitempty"`
	By            string    `json:"by"`
	At            time.Time `json:"at"`
}

// choice is an answer, the words for it and what they mean.
type choice struct{ answer, words, means string }

func choiceList() []choice {
	return []choice{
		{"keep", "keep", "it stays shared as it is"},
		{"remove_external", "remove external", "people outside of the organization lose their access"},
		{"remove_all", "remove all", "all of the sharing is taken away"},
	}
}

// choices tells people what they may answer, one in a line.
func choices() string {
	var lines []string
	for _, c := range choiceList() {
		lines = append(lines, c.words+": "+c.means)
	}
	return strings.Join(lines, "\n")
}

const (
	maxJustification = 1000     // characters
	maxRead          = 64 << 10 // bytes of a reply
)

// understood reads a reply. Its first line that is neither empty nor quoted is
// one of the answers, in whatever case and with whatever between and after the
// words; after a comma, colon, semicolon, full stop or dash the justification
// may begin, unless it names an answer itself. What follows belongs to the
// justification, but not what is quoted.
func understood(text string) (answer, bool) {
	var first string
	var rest []string
	for line := range strings.Lines(text[:min(len(text), maxRead)]) {
		line = strings.TrimSpace(strings.ToValidUTF8(line, ""))
		switch {
		case strings.HasPrefix(line, ">"):
		case first == "":
			if len(wordsOf(line)) > 0 {
				first = line
			}
		default:
			rest = append(rest, line)
		}
	}
	for _, c := range choiceList() {
		reason, is := c.in(first)
		if is {
			return answer{Answer: c.answer, Justification: brief(strings.Join(append([]string{reason}, rest...), "\n"))}, true
		}
	}
	return answer{}, false
}

// in reports whether a line says the choice, and what it says after it.
func (c choice) in(line string) (reason string, is bool) {
	want := strings.Fields(c.words)
	if slices.Equal(wordsOf(line), want) {
		return "", true
	}
	for at, r := range line {
		if !strings.ContainsRune(",:;.-–—", r) || !slices.Equal(wordsOf(line[:at]), want) {
			continue
		}
		reason = strings.TrimSpace(strings.TrimLeft(line[at:], ",:;.-–— "))
		return reason, !slices.ContainsFunc(wordsOf(reason), func(w string) bool { return w == "keep" || w == "remove" })
	}
	return "", false
}

// wordsOf are the words of a line in small letters.
func wordsOf(line string) []string {
	return strings.FieldsFunc(strings.ToLower(line), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// brief is a text of at most maxJustification characters.
func brief(text string) string {
	r := []rune(strings.TrimSpace(text))
	if len(r) <= maxJustification {
		return string(r)
	}
	return string(r[:maxJustification]) + "…"
}
