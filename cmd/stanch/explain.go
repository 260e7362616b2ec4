package main

import (
	"context"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"stanch/playbooks"
)

// incidentID is how ids of incidents begin.
var incidentID = regexp.MustCompile(`^(defender|sentinel)/[^/]+(/[^/]+)?$`)

func explainCommand(sh *shell) *cobra.Command {
	var o occurrence
	var of decidedOf
	c := &cobra.Command{
		Use:     "explain [CODE | PLAYBOOK [--incident FILE|ID] | INCIDENT [--playbook ID] [--rule NAME]]",
		GroupID: "write",
		Short:   "Explain a finding, what a playbook may do, or what was decided over an incident",
		Long: `Explain, told apart by form:

CODE, such as E304: what the finding means, with a playbook that has it and one
that shows the way out, and how to suppress it. Without anything, all codes.

PLAYBOOK, a file or an id in the configuration's folders: what it may do, as a
sheet for who reviews it: what starts it, which effects it has on what, who is
asked before, its limits, and what cannot be taken back.

PLAYBOOK with --incident: whether the incident starts it, and why, or why not:
every check, and every part of the trigger's condition with its value. Exits 0
when it starts, 1 when it does not.

INCIDENT, an id such as defender/1234 or sentinel/WORKSPACE/GUID: what the feed
decided over it, revision by revision. First the rules in their order: what each
did, as which step of which run with what came of it, or which part of its
condition was false with what it read. Then the playbooks: which were begun as
which run, and of every other one why not.`,
		Example: `  stanch explain E304
  stanch explain examples/contain-external-share.yaml
  stanch explain contain-external-share --incident defender/1234
  stanch explain examples/oversharing.yaml --incident examples/fixtures/oversharing.json \
      --event updated --changes severity --output json
  stanch explain defender/1234 --playbook contain-external-share
  stanch explain defender/1234 --rule close-training-site --output json`,
		Args: func(cmd *cobra.Command, args []string) error { return argCount(cmd, args, 0, 1) },
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return codes(), cobra.ShellCompDirectiveDefault
		},
		RunE: verb(func(ctx context.Context, args []string) error {
			switch {
			case len(args) == 0:
				return sh.explainCodes()
			case playbooks.IsCode(strings.ToUpper(args[0])):
				return sh.explainCode(args[0])
			case incidentID.MatchString(portalID(args[0])):
				return sh.explainIncident(ctx, portalID(args[0]), of)
			}
			switch {
			case of.playbook != "":
				return misused("--playbook goes with an incident, such as stanch explain defender/1234 --playbook %s", of.playbook)
			case of.rule != "":
				return misused("--rule goes with an incident, such as stanch explain defender/1234 --rule %s", of.rule)
			}
			o.playbook = args[0]
			return sh.explainPlaybook(ctx, o)
		}),
	}
	o.flags(c)
	c.Flags().StringVar(&of.playbook, "playbook", "", "of an incident, only what was decided for this playbook `ID`")
	c.Flags().StringVar(&of.rule, "rule", "", "of an incident, only what this rule said, by its `NAME`")
	sh.storeFlag(c)
	sh.outputFlag(c, "text", "json", "yaml")
	return c
}
