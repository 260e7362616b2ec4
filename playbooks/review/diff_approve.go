package review

import (
	"fmt"
	"slices"
	"strings"

	"stanch/playbooks"
)

// approve compares two approvals. What they cover is told at the effects.
func (c *comparer) approve(p pair, where string, line int) {
	a, b := p.a.Approve, p.b.Approve
	name := called(p.b, where)
	switch {
	case b.Quorum < a.Quorum:
		c.add(Widens, where, line, "%s needs %d people, was %d", name, b.Quorum, a.Quorum)
	case b.Quorum > a.Quorum:
		c.add(Narrows, where, line, "%s needs %d people, was %d", name, b.Quorum, a.Quorum)
	}
	c.approvers(name, a, b, where, line)
	if r := c.relateLists(a.Targets, b.Targets); r != same {
		severity := Widens
		if r == tighter {
			severity = Narrows
		}
		c.add(severity, where, line, "%s shows other targets: %s", name, fromTo(sourceOf(a.Targets), sourceOf(b.Targets)))
	}
	c.silence(name, a, b, where, line)
	if a.OnReject != b.OnReject {
		severity, how := Widens, "goes on when rejected"
		if b.OnReject == "" {
			severity, how = Narrows, "ends when rejected"
		}
		c.add(severity, where, line, "%s %s", name, how)
	}
	c.text(where, line, "the question of "+name, c.new(a.Ask.Canonical()), b.Ask.Canonical())
	c.text(where, line, "the timeout of "+name, c.new(a.Timeout.Canonical()), b.Timeout.Canonical())
	c.text(where, line, "the reminder of "+name, c.new(a.Remind.Canonical()), b.Remind.Canonical())
	c.text(where, line, "the form of "+name, formText(a.Form), formText(b.Form))
}

// approvers compares who may say yes.
func (c *comparer) approvers(name string, a, b *playbooks.Approval, where string, line int) {
	from, to := c.new(a.Approvers.Canonical()), b.Approvers.Canonical()
	if from == to {
		return
	}
	x, y := written(from), written(to)
	if strings.Contains(from+to, "${{") {
		c.add(Widens, where, line, "%s asks others: %s", name, fromTo(from, to))
		return
	}
	gone, more := missing(x, y), missing(y, x)
	if len(more) > 0 {
		c.add(Widens, where, line, "%s may also be approved by %s", name, strings.Join(more, ", "))
	}
	if len(gone) > 0 {
		c.add(Narrows, where, line, "%s can no longer be approved by %s", name, strings.Join(gone, ", "))
	}
}

// written are the words of a list as a template writes it.
func written(list string) []string {
	words := strings.FieldsFunc(strings.Trim(list, "[]"), func(r rune) bool { return r == ',' })
	for i := range words {
		words[i] = strings.Trim(strings.TrimSpace(words[i]), `"`)
	}
	slices.Sort(words)
	return words
}

// silence compares what becomes of an approval that nobody answers.
func (c *comparer) silence(name string, a, b *playbooks.Approval, where string, line int) {
	if a.OnTimeout == b.OnTimeout {
		return
	}
	severity := Neutral
	switch {
	case b.OnTimeout == "approve":
		severity = Widens
	case a.OnTimeout == "approve":
		severity = Narrows
	}
	c.add(severity, where, line, "%s without an answer: %s is now %s", name, a.OnTimeout, b.OnTimeout)
}

func sourceOf(e *playbooks.Expression) string {
	if e == nil {
		return ""
	}
	return e.Source()
}

func formText(form []playbooks.Param) string {
	out := []string{}
	for _, f := range form {
		out = append(out, fmt.Sprintf("%s: %s (required %t)", f.Name, f.Type, f.Required))
	}
	return strings.Join(out, ", ")
}
