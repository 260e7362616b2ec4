package main

import (
	"fmt"
	"strings"

	"stanch/playbooks"
)

// asWorkflowCommand is a finding as a line that GitHub Actions turns into an
// annotation of the changed file. Nothing of a playbook can end the line or the
// property that it stands in
// (docs.github.com/actions/reference/workflow-commands-for-github-actions).
func asWorkflowCommand(f playbooks.Finding) string {
	title := f.Code
	if e, ok := playbooks.Explain(f.Code); ok {
		title += " " + e.Title
	}
	columns := fmt.Sprintf(",col=%d", f.Column)
	if f.EndLine == f.Line { // GitHub takes columns of one line only, the last one included
		columns += fmt.Sprintf(",endColumn=%d", max(f.Column, f.EndColumn-1))
	}
	message := f.Message
	if f.Hint != "" {
		message += "\nhint: " + f.Hint
	}
	return fmt.Sprintf("::%s file=%s,line=%d,endLine=%d%s,title=%s::%s", f.Severity, escapeProperty(f.File), f.Line, f.EndLine, columns, escapeProperty(title), escapeCommand(message))
}

func escapeCommand(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

func escapeProperty(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(s)
}
