package main

import (
	"context"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"stanch/playbooks"
)

// findingCode is how the code of a finding is written.
var findingCode = regexp.MustCompile(`^[EeWw][0-9]{3}$`)

func explainCommand(sh *shell) *cobra.Command {
	var o occurrence
	c := &cobra.Command{
		Use:     "explain CODE | PLAYBOOK [--incident FILE|ID]",
		GroupID: "write",
		Short:   "Explain a finding, what a playbook may do, or why an incident starts it",
		Long: `Explain, told apart by form:

CODE, such as E304: what the finding means, and what to do.

PLAYBOOK, a file or an id in the configuration's folders: what it may do, as a
sheet for who reviews it: what starts it, which effects it has on what, who is
asked before, its limits, and what cannot be taken back.

PLAYBOOK with --incident: whether the incident starts it, and why, or why not:
every check, and every part of the trigger's condition with its value. Exits 0
when it starts, 1 when it does not.`,
		Example: `  stanch explain E304
  stanch explain examples/contain-external-share.yaml
  stanch explain contain-external-share --incident defender/1234
  stanch explain examples/oversharing.yaml --incident examples/fixtures/oversharing.json \
      --event updated --changes severity --output json`,
		Args: exactArgs(1),
		RunE: verb(func(ctx context.Context, args []string) error {
			if findingCode.MatchString(args[0]) {
				return sh.explainCode(args[0])
			}
			o.playbook = args[0]
			return sh.explainPlaybook(ctx, o)
		}),
	}
	o.flags(c)
	sh.outputFlag(c, "text", "json", "yaml")
	return c
}

// explainCode tells what the code of a finding means.
func (sh *shell) explainCode(code string) error {
	e, known := playbooks.Explain(code)
	if !known {
		all := []string{}
		for _, e := range playbooks.Explanations() {
			all = append(all, e.Code)
		}
		return misused("there is no finding %s; there are %s", code, strings.Join(all, ", "))
	}
	return sh.printText(e, func() { sh.out.Printf("%s %s\n\n%s\n", e.Code, e.Title, e.Text) })
}
