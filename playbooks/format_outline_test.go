package playbooks

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// outline is a checked playbook without places and texts: what it means.
func outline(p *Playbook) []string {
	if p == nil {
		return nil
	}
	all := []string{fmt.Sprint(p.ID, p.Title, p.Status, p.Owner, p.Tags, p.Guardrails, p.Concurrency.WhenBusy)}
	for _, q := range p.Params {
		all = append(all, fmt.Sprint("param ", q.Name, q.Type, q.Default, q.Required, q.Enum))
	}
	if t := p.On.Incident; t != nil {
		all = append(all, fmt.Sprint("incident ", t.Events, t.Changes, sourceOf(t.If)))
	}
	step := func(path string, s *Step) {
		line := fmt.Sprint(path, s.Kind, s.ID, s.OnError, s.Uses, s.Retry, sourceOf(s.If), s.OutputType())
		if s.Each != nil {
			line += fmt.Sprint(s.Each.As, s.Each.Index, s.Each.Batch, s.Each.MaxParallel, sourceOf(s.Each.List), bindingsOf(s.Each.Collect))
		}
		if s.Approve != nil {
			line += fmt.Sprint(s.Approve.Quorum, s.Approve.OnTimeout, s.Approve.OnReject, sourceOf(s.Approve.Targets))
		}
		for _, t := range []*Template{s.Title, s.Timeout, s.With, s.Text} {
			line += saysTemplate(t)
		}
		all = append(all, line+fmt.Sprint(bindingsOf(s.Set)))
	}
	Walk(p.Steps, step)
	Walk(p.OnFailure, step)
	return append(all, bindingsOf(p.Outputs)...)
}

func sourceOf(e *Expression) string {
	if e == nil {
		return "-"
	}
	return strings.Join(strings.Fields(e.Source()), " ") + " " + e.Type().String()
}

func bindingsOf(all []Binding) []string {
	var out []string
	for _, b := range all {
		out = append(out, b.Name+"="+sourceOf(b.Expr))
	}
	return out
}

func saysTemplate(t *Template) string {
	if t == nil {
		return "-"
	}
	out := fmt.Sprint(t.literal, t.isList, t.isMap, t.names, sourceOf(t.expr))
	for _, p := range t.texts {
		out += p.text + sourceOf(p.expr)
	}
	for _, inner := range append(slices.Clone(t.list), t.fields...) {
		out += saysTemplate(inner)
	}
	return out
}

func sortStrings(all []string) { slices.Sort(all) }

func writeFile(t *testing.T, file string, text []byte) {
	t.Helper()
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
