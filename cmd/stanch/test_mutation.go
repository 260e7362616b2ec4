package main

import (
	"fmt"

	"stanch/cmd/stanch/internal/terminal"
	"stanch/engine/rehearse"
	"stanch/playbooks"
)

// mutationText tells the changes that no case noticed.
func (sh *shell) mutationText(m rehearse.Mutation) {
	for _, s := range m.Survivors {
		style := terminal.Yellow
		if s.Class == playbooks.MutantWidens || s.Class == playbooks.MutantGuard {
			style = terminal.Red
		}
		where := ""
		if s.Path != "" {
			where = s.Path + ": "
		}
		sh.out.Line(terminal.Text{Style: style, Text: fmt.Sprintf("%-6s", s.Class)}, fmt.Sprintf(" %s:%d:%d: %s%s", s.File, s.Line, s.Column, where, s.Change))
	}
	style := terminal.Green
	if len(m.Survivors) > 0 {
		style = terminal.Yellow
	}
	sh.out.Line(terminal.Text{Style: style, Text: fmt.Sprintf("%s tried, %d noticed, %d not: %d widen, %d remove a guard, %d change a condition or value, %d drop a step",
		plural(m.Tried, "change"), m.Noticed, len(m.Survivors), m.Class(playbooks.MutantWidens), m.Class(playbooks.MutantGuard),
		m.Class(playbooks.MutantFlip), m.Class(playbooks.MutantDrop))})
}
