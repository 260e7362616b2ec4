package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"stanch/playbooks"
	"stanch/playbooks/picture"
	"stanch/playbooks/review"
)

type graphOptions struct {
	playbook string
	format   string
	coverage string
}

// maxCoverage bounds what is read of a report of tests.
const maxCoverage = 64 << 20

func graphCommand(sh *shell) *cobra.Command {
	var o graphOptions
	formats := []string{"svg", "mermaid", "dot"}
	c := &cobra.Command{
		Use:     "graph PLAYBOOK",
		GroupID: "write",
		Short:   "Draw a playbook: SVG, Mermaid or Graphviz",
		Long: `Draw a playbook as its reviewers look at it: steps from top to bottom,
conditions, loops, branches, approvals, what runs when a step fails, and the
effects by what they do: reads, writes, destroys.

SVG needs no other tool: it is laid out here, has no script and refers to
nothing. Mermaid and DOT are for pages and tools that draw them.

With --coverage, the picture shows what tests ran: FILE is what
` + "`stanch test --coverage --output json`" + ` printed.`,
		Example: `  stanch graph examples/contain-external-share.yaml > contain.svg
  stanch graph contain-external-share --format mermaid
  stanch test examples --coverage --output json > coverage.json
  stanch graph examples/oversharing.yaml --coverage coverage.json > oversharing.svg`,
		Args: exactArgs(1),
		RunE: verb(func(_ context.Context, args []string) error {
			o.playbook = args[0]
			return sh.graph(o)
		}),
	}
	c.Flags().StringVar(&o.format, "format", "svg", "`FORMAT`: svg, mermaid or dot")
	c.Flags().StringVar(&o.coverage, "coverage", "", "what tests ran: a `FILE` of `stanch test --coverage --output json`")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (sh *shell) graph(o graphOptions) error {
	if o.format != "svg" && o.format != "mermaid" && o.format != "dot" {
		return misused("--format must be one of svg, mermaid, dot, not %q", o.format)
	}
	d, err := sh.desk(need{})
	if err != nil {
		return err
	}
	book, err := sh.findBook(d, o.playbook)
	if err != nil {
		return err
	}
	var seen *picture.Coverage
	if o.coverage != "" {
		if seen, err = coverageOf(o.coverage, book); err != nil {
			return err
		}
	}
	p := picture.New(book, review.New(book).Starts, seen)
	text := ""
	switch o.format {
	case "svg":
		text = p.SVG()
	case "mermaid":
		text = p.Mermaid()
	case "dot":
		text = p.DOT()
	}
	_, err = sh.out.Write([]byte(text))
	return err
}

// coverageOf reads what tests saw of a playbook.
func coverageOf(file string, book *playbooks.Playbook) (*picture.Coverage, error) {
	text, err := readFile(file, maxCoverage)
	if err != nil {
		return nil, err
	}
	var report struct {
		Coverage testCoverage `json:"coverage"`
	}
	if err := json.Unmarshal(text, &report); err != nil {
		return nil, fmt.Errorf("%s is not what `stanch test --coverage --output json` prints: %w", file, err)
	}
	for _, c := range report.Coverage.Playbooks {
		if c.Playbook != book.ID {
			continue
		}
		seen := &picture.Coverage{Steps: map[string]bool{}, Branches: map[string]bool{}}
		for _, s := range c.Steps {
			seen.Steps[s.Path] = s.Covered
		}
		for _, b := range c.Branches {
			seen.Branches[b.Path] = b.Covered
		}
		return seen, nil
	}
	return nil, fmt.Errorf("%s tells nothing of %s: run its tests with --coverage", file, book.ID)
}
