package main

import (
	"context"

	"github.com/spf13/cobra"
)

func completionCommand(sh *shell) *cobra.Command {
	c := &cobra.Command{
		Use:       "completion bash|zsh|fish|powershell",
		Short:     "Write the completion script of a shell",
		Long:      "Write the script that makes a shell complete stanch's commands, flags and values.",
		Example:   "  source <(stanch completion bash)\n  stanch completion zsh > \"${fpath[1]}/_stanch\"\n  stanch completion fish > ~/.config/fish/completions/stanch.fish",
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		Args:      exactArgs(1),
	}
	c.RunE = verb(func(_ context.Context, args []string) error {
		root := c.Root()
		switch args[0] {
		case "bash":
			return root.GenBashCompletionV2(sh.out, true)
		case "zsh":
			return root.GenZshCompletion(sh.out)
		case "fish":
			return root.GenFishCompletion(sh.out, true)
		case "powershell":
			return root.GenPowerShellCompletionWithDesc(sh.out)
		}
		return misused("there is no completion for %q: bash, zsh, fish, powershell", args[0])
	})
	return c
}
