package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"stanch/cmd/stanch/internal/terminal"
	"stanch/playbooks"
)

type lintOptions struct {
	paths  []string
	strict bool
	least  string // severity
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
` + "`stanch explain CODE`" + ` tells more of a finding, and how to suppress a warning
that is meant.

Exits 1 when there are errors; with --strict also when there are warnings.`,
		Example: `  stanch lint
  stanch lint examples --config examples/practice.yaml
  stanch lint --strict --output sarif > stanch.sarif
  stanch lint contain.yaml --output json`,
		RunE: verb(func(ctx context.Context, args []string) error {
			o.paths = args
			return sh.lint(ctx, o)
		}),
	}
	severities := []string{playbooks.SeverityWarning, playbooks.SeverityError}
	c.Flags().BoolVar(&o.strict, "strict", false, "warnings are errors too")
	c.Flags().StringVar(&o.least, "min-severity", playbooks.SeverityWarning, "tell findings of this `SEVERITY` and above: warning, error")
	_ = c.RegisterFlagCompletionFunc("min-severity", cobra.FixedCompletions(severities, cobra.ShellCompDirectiveNoFileComp))
	sh.outputFlag(c, "text", "json", "jsonl", "yaml", "sarif", "github", "junit")
	check := c.PreRunE
	c.PreRunE = func(cmd *cobra.Command, args []string) error {
		if !slices.Contains(severities, o.least) {
			return misused("--min-severity must be one of %s, not %q", strings.Join(severities, ", "), o.least)
		}
		return check(cmd, args)
	}
	return c
}

// linted is one file with what was found in it.
type linted struct {
	file       string
	findings   []playbooks.Finding
	suppressed []playbooks.Suppressed
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
	files := found.linted(o.least)
	findings := []playbooks.Finding{}
	for _, f := range files {
		findings = append(findings, f.findings...)
	}
	if err := sh.lintOutput(files, findings, o); err != nil {
		return err
	}
	if playbooks.HasErrors(findings) || o.strict && len(findings) > 0 {
		return quietly(exitFailed)
	}
	return nil
}

// lintOutput writes what was found as --output says.
func (sh *shell) lintOutput(files []linted, findings []playbooks.Finding, o lintOptions) error {
	switch sh.output {
	case "text":
		for _, f := range findings {
			sh.finding(f)
		}
		if len(findings) > 0 {
			sh.err.Printf("%s in %s\n", tally(findings), plural(len(files), "file"))
		}
		return nil
	case "sarif":
		return sh.out.Data(terminal.AsJSON, asSARIF(files, thisBuild()))
	case "github":
		for _, f := range findings {
			sh.out.Line(asWorkflowCommand(f))
		}
		return nil
	case "junit":
		text, err := asJUnit(files, o.strict)
		if err != nil {
			return err
		}
		_, err = sh.out.Write(text)
		return err
	}
	return sh.out.Data(terminal.Format(sh.output), findings)
}

// linted answers the files in order of their names, with the findings of a
// severity and above.
func (s shelf) linted(least string) []linted {
	var files []linted
	for _, b := range s.books {
		f := linted{file: b.file}
		for _, x := range b.findings {
			if least == playbooks.SeverityWarning || x.Severity == least {
				f.findings = append(f.findings, x)
			}
		}
		if b.playbook != nil && least == playbooks.SeverityWarning {
			f.suppressed = b.playbook.Suppressed
		}
		files = append(files, f)
	}
	slices.SortStableFunc(files, func(a, b linted) int { return cmp.Compare(a.file, b.file) })
	return files
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
