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
	live   bool
	least  string // severity
}

func lintCommand(sh *shell) *cobra.Command {
	var o lintOptions
	c := &cobra.Command{
		Use:     "lint [PATH…]",
		GroupID: "write",
		Short:   "Find everything that is wrong with playbooks and their tests",
		Long: `Find everything that is wrong with playbooks and their tests (*_test.yaml), all
at once, each with its place, and what to do. A PATH is a file, a folder, or - for standard input;
without one it is the folder you are in. Silent when there is nothing to say.
` + "`stanch explain CODE`" + ` tells more of a finding, and how to suppress a warning
that is meant.

With --live it signs in to the tenant of the configuration, and finds too what the
app may not do there, and what the service says of the queries of hunting playbooks,
of which no row is asked for. Nothing is changed.

Exits 1 when there are errors; with --strict also when there are warnings.`,
		Example: `  stanch lint
  stanch lint examples --config examples/practice.yaml
  stanch lint --strict --output sarif > stanch.sarif
  stanch lint --live --config stanch.yaml playbooks
  stanch lint contain.yaml --output json`,
		RunE: verb(func(ctx context.Context, args []string) error {
			o.paths = args
			return sh.lint(ctx, o)
		}),
	}
	severities := []string{playbooks.SeverityWarning, playbooks.SeverityError}
	c.Flags().BoolVar(&o.strict, "strict", false, "warnings are errors too")
	c.Flags().BoolVar(&o.live, "live", false, "sign in to the tenant; find missing permissions and queries that it refuses")
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
	w := world(catalog, cfg)
	asked := &asking{}
	if o.live {
		if w.Lacks, err = lacking(ctx, cfg, catalog); err != nil {
			return err
		}
		if w.Hunts, err = asked.hunts(ctx, cfg); err != nil {
			return err
		}
	}
	found, err := lint(o, until{ctx, sh.in}, w)
	if err = cmp.Or(err, asked.failed); err != nil {
		return err
	}
	for _, file := range found.others {
		sh.err.Printf("note: %s is not a playbook (it has no `playbook:`): left out\n", file)
	}
	findings := []playbooks.Finding{}
	for _, f := range found.files {
		findings = append(findings, f.findings...)
	}
	if err := sh.lintOutput(found.files, findings, o); err != nil {
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

// linted answers the files in order of their names.
func (s shelf) linted() []linted {
	var files []linted
	for _, b := range slices.Concat(s.books, s.beside) {
		f := linted{file: b.file, findings: b.findings}
		if b.playbook != nil {
			f.suppressed = b.playbook.Suppressed
		}
		files = append(files, f)
	}
	return files
}

// atLeast leaves out what is less severe.
func (f linted) atLeast(severity string) linted {
	if severity == playbooks.SeverityWarning {
		return f
	}
	isLess := func(x playbooks.Finding) bool { return x.Severity != severity }
	return linted{file: f.file, findings: slices.DeleteFunc(slices.Clone(f.findings), isLess)}
}

// inspected is what lint found in files; others are YAML files in its folders
// that are none of the language's.
type inspected struct {
	files  []linted
	others []string
}

// lint loads and checks what paths name.
func lint(o lintOptions, in io.Reader, w playbooks.World) (inspected, error) {
	paths := o.paths
	if len(paths) == 0 {
		paths = []string{"."}
	}
	var named []string
	var texts []playbooks.Source
	for _, p := range paths {
		if p != "-" {
			named = append(named, p)
			continue
		}
		text, err := readAll(in, "standard input", maxPlaybook)
		if err != nil {
			return inspected{}, err
		}
		in = strings.NewReader("") // a second - finds nothing more
		texts = append(texts, playbooks.Source{File: "-", Text: text})
	}
	tests, named, err := testsIn(named)
	if err != nil {
		return inspected{}, err
	}
	s, err := loadBooks(named, w, texts...)
	if err != nil {
		return inspected{}, err
	}
	ofTests, err := lintTests(tests, s, w)
	if err != nil {
		return inspected{}, err
	}
	out := inspected{others: s.others}
	for _, f := range append(s.linted(), ofTests...) {
		out.files = append(out.files, f.atLeast(o.least))
	}
	slices.SortStableFunc(out.files, func(a, b linted) int { return cmp.Compare(a.file, b.file) })
	if len(out.files) == 0 {
		return out, fmt.Errorf("no playbooks in %s", strings.Join(paths, ", "))
	}
	return out, nil
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
