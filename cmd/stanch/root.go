package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"stanch/cmd/stanch/internal/terminal"
	"stanch/playbooks"
)

const about = `Stanch runs playbooks for data-loss incidents of Microsoft 365: it sees a
Purview DLP incident in Defender, decides by typed expressions over its
evidence, and remediates: unshare, label, isolate, tag, assign, resolve. What
it does is planned first, limited by guardrails, recorded before it is sent,
and undone on request.

New here? Run ` + "`stanch demo`" + `: it needs nothing but this binary.`

// newRoot makes the command with all its verbs.
func newRoot(sh *shell) *cobra.Command {
	root := &cobra.Command{
		Use:           "stanch",
		Short:         "Playbooks for data-loss incidents, durable and undoable",
		Long:          about,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	flags := root.PersistentFlags()
	flags.StringVar(&sh.configFile, "config", "", "operator's `FILE` (default $STANCH_CONFIG, ~/.config/stanch/config.yaml)")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return misused("%s", withFlagHint(cmd, err))
	})
	root.AddGroup(
		&cobra.Group{ID: "try", Title: "Try it out:"},
		&cobra.Group{ID: "write", Title: "Write playbooks:"},
		&cobra.Group{ID: "run", Title: "Run them:"},
		&cobra.Group{ID: "look", Title: "Look and decide:"},
		&cobra.Group{ID: "stop", Title: "Take back and stop:"},
	)
	for _, c := range commands(sh) {
		root.AddCommand(c)
	}
	root.AddCommand(exitCodes())
	root.SetHelpCommandGroupID("")
	for _, c := range root.Commands() {
		harden(c)
	}
	return root
}

// commands are all verbs, in the order of the help.
func commands(sh *shell) []*cobra.Command {
	return []*cobra.Command{
		demoCommand(sh), practiceCommand(sh), benchCommand(sh),
		lintCommand(sh), testCommand(sh), backtestCommand(sh), fmtCommand(sh), schemaCommand(sh), lspCommand(sh), graphCommand(sh), diffCommand(sh), evalCommand(sh), explainCommand(sh), importCommand(sh), actionsCommand(sh), permissionsCommand(sh),
		runCommand(sh), serveCommand(sh), workerCommand(sh), huntCommand(sh),
		incidentsCommand(sh), evidenceCommand(sh), runsCommand(sh), schedulesCommand(sh), approvalsCommand(sh), storeCommand(sh),
		doctorCommand(sh), undoCommand(sh), freezeCommand(sh), thawCommand(sh),
		versionCommand(sh), completionCommand(sh),
	}
}

// harden makes a command that only holds others refuse a word that is none of
// them, with the nearest one named; cobra would print its help and succeed.
func harden(c *cobra.Command) {
	for _, sub := range c.Commands() {
		harden(sub)
	}
	if c.Runnable() || !c.HasSubCommands() {
		return
	}
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return misused("%s needs one of %s", c.CommandPath(), strings.Join(names(c), ", "))
		}
		msg := fmt.Sprintf("unknown command %q for %q", args[0], c.CommandPath())
		if near := playbooks.Nearest(args[0], names(c)); near != "" {
			msg += fmt.Sprintf(", did you mean %q?", near)
		}
		return misused("%s", msg)
	}
}

func names(c *cobra.Command) []string {
	var out []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			out = append(out, sub.Name())
		}
	}
	return out
}

// withFlagHint adds the flag that was probably meant.
func withFlagHint(cmd *cobra.Command, err error) string {
	msg := err.Error()
	wrong, is := strings.CutPrefix(msg, "unknown flag: --")
	if !is {
		return msg
	}
	if near := nearestFlag(cmd, wrong); near != "" {
		return msg + ", did you mean --" + near + "?"
	}
	return msg
}

func noArgs(cmd *cobra.Command, args []string) error { return argCount(cmd, args, 0, 0) }

// exactArgs asks for n arguments.
func exactArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error { return argCount(cmd, args, n, n) }
}

func argCount(cmd *cobra.Command, args []string, least, most int) error {
	switch {
	case len(args) > most && !cmd.HasParent():
		msg := fmt.Sprintf("unknown command %q", args[0])
		if near := playbooks.Nearest(args[0], names(cmd)); near != "" {
			msg += fmt.Sprintf(", did you mean %q?", near)
		}
		return misused("%s", msg)
	case len(args) > most:
		takes := plural(most, "argument")
		switch {
		case most == 0:
			takes = "no arguments"
		case least < most:
			takes = "at most " + takes
		}
		return misused("%s takes %s, not %d: what is %q?", cmd.CommandPath(), takes, len(args), args[most])
	case len(args) < least:
		return misused("%s needs %s, not %d", cmd.CommandPath(), plural(least, "argument"), len(args))
	}
	if i := slices.IndexFunc(args, func(a string) bool { return a == "" }); i >= 0 {
		return misused("argument %d of %s is empty", i+1, cmd.CommandPath())
	}
	return nil
}

// outputFlag gives a command --output with the formats it knows, the default
// first, and refuses others before the command runs.
func (sh *shell) outputFlag(c *cobra.Command, formats ...string) {
	if len(formats) == 0 {
		formats = terminal.Formats()
	}
	var chosen string
	c.Flags().StringVarP(&chosen, "output", "o", formats[0], "`FORMAT`: "+strings.Join(formats, ", "))
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	c.PreRunE = func(*cobra.Command, []string) error {
		if !slices.Contains(formats, chosen) {
			return misused("--output must be one of %s, not %q", strings.Join(formats, ", "), chosen)
		}
		sh.output = chosen
		return nil
	}
}

// storeFlag gives a command --store.
func (sh *shell) storeFlag(c *cobra.Command) {
	c.Flags().StringVar(&sh.storeURL, "store", "", "`URL` of the store, such as sqlite:PATH or rediss://HOST:PORT (default $STANCH_STORE, the configuration's store, ~/.local/state/stanch/stanch.db)")
	c.Flags().StringVar(&sh.historyFile, "history", "", "append every act on the store to this `FILE`, for engine/internal/histcheck")
	_ = c.Flags().MarkHidden("history") // for who looks into a store, not for who uses it
}

func exitCodes() *cobra.Command {
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "What the exit codes of stanch mean",
		Long: `Exit codes of stanch:

  0    done
  1    findings (lint), a test or a run that failed, was cancelled or would fail
       (backtest), a difference (diff), no (explain --incident), or no value (eval)
  2    the command line is wrong; nothing was done
  3    could not do it: a file, the configuration, the store or the network
  4    run --live: an approval was rejected
  130  interrupted by Ctrl-C`,
	}
}

// nearestFlag answers the flag of a command that a typing error could have
// made of wrong, or "".
func nearestFlag(cmd *cobra.Command, wrong string) string {
	var all []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { all = append(all, f.Name) })
	cmd.InheritedFlags().VisitAll(func(f *pflag.Flag) { all = append(all, f.Name) })
	return playbooks.Nearest(wrong, all)
}
