package main

import (
	"context"
	"fmt"
	"regexp"

	"github.com/spf13/cobra"

	"stanch/cmd/stanch/internal/config"
	"stanch/connectors/incident"
	"stanch/engine/rehearse"
	"stanch/playbooks"
)

type testOptions struct {
	paths    []string
	only     string
	verbose  bool
	coverage bool
	least    float64
	mutate   bool
	record   string
	out      string
	watch    bool
}

func testCommand(sh *shell) *cobra.Command {
	var o testOptions
	c := &cobra.Command{
		Use:     "test [PATH…]",
		GroupID: "write",
		Short:   "Run the tests of playbooks, offline",
		Long: `Run the tests of playbooks (*_test.yaml) in the real engine: on a store in
memory, with a clock that goes to what is due next, so that waits, approvals and
back-offs take no time. An action that a case does not answer is answered by the
practice tenant inside this process; nothing goes over the network.

PATH is a folder, a test file, or a playbook with one beside it; without one it
is the folder you are in.

Exits 1 when a case does not pass, when the coverage is below --min-coverage,
and with --mutate when no case notices that a guard is gone or that the playbook
acts on more.`,
		Example: `  stanch test
  stanch test examples --coverage
  stanch test contain_test.yaml --run 'anonymous link' -v`,
		RunE: verb(func(ctx context.Context, args []string) error {
			o.paths = args
			switch {
			case o.out != "" && o.record == "":
				return misused("--out names the file of --record")
			case o.record != "" && len(args) > 0:
				return misused("--record makes a test of a run: it takes no PATH")
			case o.record != "":
				return sh.record(ctx, o)
			case o.watch:
				return sh.watchTests(ctx, o)
			}
			return sh.test(ctx, o)
		}),
	}
	f := c.Flags()
	f.StringVar(&o.only, "run", "", "only cases whose file and name `REGEX` finds")
	f.BoolVar(&o.coverage, "coverage", false, "tell which steps and branches no case reaches")
	f.BoolVar(&o.mutate, "mutate", false, "change conditions, guards, targets and steps, and tell which changes no case notices")
	f.StringVar(&o.record, "record", "", "make a test of a `RUN` in the store, with stand-ins for names and addresses")
	f.StringVar(&o.out, "out", "", "`FILE` that --record writes (default beside the playbook)")
	f.BoolVar(&o.watch, "watch", false, "run again whenever a file changes, until Ctrl-C")
	sh.storeFlag(c)
	f.Float64Var(&o.least, "min-coverage", 0, "exit 1 where steps or branches are covered by less than so many `PERCENT`")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "tell every case")
	sh.outputFlag(c, "text", "json", "junit")
	return c
}

// test runs test files and prints what came of them.
func (sh *shell) test(ctx context.Context, o testOptions) error {
	cfg, err := sh.config()
	if err != nil {
		return err
	}
	only, err := regexp.Compile(o.only)
	if err != nil {
		return misused("--run %q is no regular expression: %v", o.only, err)
	}
	catalog, err := catalogOf(clients{}, nil)
	if err != nil {
		return err
	}
	found, err := loadSuites(o.paths, world(catalog, cfg))
	if err != nil {
		return err
	}
	for _, f := range found.findings {
		sh.errFinding(f)
	}
	if playbooks.HasErrors(found.findings) {
		return quietly(exitFailed)
	}
	if o.least < 0 || o.least > 100 {
		return misused("--min-coverage is a percentage from 0 to 100, not %v", o.least)
	}
	report, err := rehearse.Run(ctx, found.ready, rehearsalOptions(cfg, only))
	if err != nil {
		return err
	}
	if len(report.Results) == 0 {
		return fmt.Errorf("no case is called like %q", o.only)
	}
	var mutation *rehearse.Mutation
	if o.mutate && !report.Failed() {
		m, err := rehearse.Mutate(ctx, found.ready, report.Results, rehearsalOptions(cfg, only))
		if err != nil {
			return err
		}
		mutation = &m
	}
	if err := sh.testReport(report, mutation, o); err != nil {
		return err
	}
	if mutation != nil && mutation.Class(playbooks.MutantWidens)+mutation.Class(playbooks.MutantGuard) > 0 {
		return quietly(exitFailed)
	}
	if report.Failed() || sh.below(report.Coverage, o.least) {
		return quietly(exitFailed)
	}
	return nil
}

// rehearsalOptions are what the operator's file says to rehearsals.
func rehearsalOptions(cfg *config.Config, only *regexp.Regexp) rehearse.Options {
	w := world(nil, cfg)
	w.OwnDomains, w.Labels = rehearsalDomains(cfg), rehearsalLabels(cfg)
	return rehearse.Options{
		Desk: rehearsalDesk(cfg), World: w, Only: only,
		Read:       func(file string) ([]byte, error) { return readFile(file, incident.MaxBody) },
		Guardrails: playbooks.Guardrails{MaxTargets: cfg.Guardrails.MaxTargets, Protect: cfg.Guardrails.Protect},
	}
}
