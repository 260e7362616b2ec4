package playbooks

import (
	"fmt"
	"regexp"
	"strings"
)

// Fix is a change that would do what a finding's hint says.
type Fix struct {
	Title string
	Edit  Edit
}

// meant is a hint that names another word for the one at the place.
var meant = regexp.MustCompile("^did you mean `?([^`? ]+)`?\\?$")

// Fixes answers what can be done about a finding of this text by itself: the
// word that was probably meant. The rest of a value, such as its quotes, stays.
func (a *Analysis) Fixes(f Finding) []Fix {
	m := meant.FindStringSubmatch(f.Hint)
	if m == nil || f.Line != f.EndLine {
		return nil
	}
	at := span{a.src.offset(f.Line, f.Column), a.src.offset(f.EndLine, f.EndColumn)}
	was := a.src.text[at.from:at.to]
	if len(was) > 1 && isQuote(rune(was[0])) && was[0] == was[len(was)-1] {
		at.from, at.to = at.from+1, at.to-1
		was = was[1 : len(was)-1]
	}
	if was == "" || strings.ContainsAny(was, " \n") {
		return nil
	}
	return []Fix{{fmt.Sprintf("Change %s to %s", was, m[1]), Edit{a.rangeOf(at), m[1]}}}
}
