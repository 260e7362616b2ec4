package playbooks

import "strings"

// Problem is a finding within one expression, by rune offsets in its source.
type Problem struct {
	From, To int
	Code     string // E… is an error, W… a warning; see ProblemCodes
	Message  string
	Hint     string
}

// IsError reports whether the expression cannot be used.
func (p Problem) IsError() bool { return strings.HasPrefix(p.Code, "E") }

// ProblemCodes are the codes of problems with a title each.
func ProblemCodes() map[string]string {
	return map[string]string{
		"E301": "the expression cannot be read",
		"E302": "the expression is too long or too deep",
		"E303": "unknown name",
		"E304": "unknown field",
		"E305": "unknown function",
		"E306": "not allowed in expressions",
		"E307": "wrong number of arguments",
		"E308": "wrong type",
		"E309": "the condition is not a boolean",
		"E310": "values of different types are compared",
		"E311": "the value is not one of the known ones",
		"E312": "the value may be absent",
		"E313": "the list may be too short",
		"E314": "the result has the wrong type",
		"E315": "the pattern is not a constant",
		"E316": "the constant is not valid",
		"E317": "the name is already taken",
		"E318": "the order of labels is not known",
		"W320": "both sides are the same",
		"W321": "the value is never absent",
	}
}
