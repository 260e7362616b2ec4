package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"stanch/cmd/stanch/internal/terminal"
	"stanch/playbooks"
)

type lintOptions struct {
	paths  []string
	strict bool
}

func lintCommand(sh *shell) *cobra.Command {
	var o lintOptions
	c := &cobra.Command{
		Use:     "lint [PATH…]",
		GroupID: "write",
		Short:   "Find everything that is wrong with playbooks",
		Long: `Find everything that is wrong with playbooks, all at once, each with its
place, and what to do. A PATH is a file, a folder, or - for standard input;
without one it is the folder you are in. Silent when there is nothing to say.

Exits 1 when there are errors; with --strict also when there are warnings.`,
		Example: `  stanch lint
  stanch lint examples --config examples/practice.yaml
  stanch lint contain.yaml --output json`,
		RunE: verb(func(ctx context.Context, args []string) error {
			o.paths = args
			return sh.lint(ctx, o)
		}),
	}
	c.Flags().BoolVar(&o.strict, "strict", false, "warnings are errors too")
	sh.outputFlag(c, "text", "json", "jsonl", "yaml")
	return c
}

// lint prints the findings of playbooks.
func (sh *shell) lint(ctx context.Context, o lintOptions) error {
	cfg, err := sh.config()
	if err != nil {
		return err
	}
	catalog, err := catalogOf(clients{}, nil)
	if err != nil {
		return err
	}
	found, err := lint(o, until{ctx, sh.in}, world(catalog, cfg))
	if err != nil {
		return err
	}
	for _, file := range found.others {
		sh.err.Printf("note: %s is not a playbook (it has no `playbook:`): left out\n", file)
	}
	findings := found.findings()
	if sh.output == "text" {
		for _, f := range findings {
			sh.finding(f)
		}
		if len(findings) > 0 {
			sh.err.Printf("%s in %s\n", tally(findings), plural(len(found.books), "playbook"))
		}
	} else if err := sh.out.Data(terminal.Format(sh.output), findings); err != nil {
		return err
	}
	if playbooks.HasErrors(findings) || o.strict && len(findings) > 0 {
		return quietly(exitFailed)
	}
	return nil
}

// lint loads and checks what paths name.
func lint(o lintOptions, in io.Reader, w playbooks.World) (shelf, error) {
	paths := o.paths
	if len(paths) == 0 {
		paths = []string{"."}
	}
	var files []string
	var texts []playbooks.Source
	for _, p := range paths {
		if p != "-" {
			files = append(files, p)
			continue
		}
		text, err := readAll(in, "standard input", maxPlaybook)
		if err != nil {
			return shelf{}, err
		}
		in = strings.NewReader("") // a second - finds nothing more
		texts = append(texts, playbooks.Source{File: "-", Text: text})
	}
	s, err := loadBooks(files, w, texts...)
	if err != nil {
		return s, err
	}
	if len(s.books) == 0 {
		return s, fmt.Errorf("no playbooks in %s", strings.Join(paths, ", "))
	}
	return s, nil
}

func (sh *shell) finding(f playbooks.Finding) {
	style := terminal.Red
	if f.Severity == playbooks.SeverityWarning {
		style = terminal.Yellow
	}
	head, rest, _ := strings.Cut(f.Text(), "\n")
	sh.out.Line(terminal.Text{Style: style, Text: head})
	if rest != "" {
		sh.out.Line(rest)
	}
}

func tally(findings []playbooks.Finding) string {
	errors := 0
	for _, f := range findings {
		if f.Severity == playbooks.SeverityError {
			errors++
		}
	}
	return plural(errors, "error") + ", " + plural(len(findings)-errors, "warning")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
