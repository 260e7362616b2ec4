package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"stanch/actions"
	"stanch/cmd/stanch/internal/terminal"
	"stanch/engine"
)

type undoOptions struct {
	run, step string
	yes       bool
}

func undoCommand(sh *shell) *cobra.Command {
	var o undoOptions
	c := &cobra.Command{
		Use:     "undo RUN",
		GroupID: "stop",
		Short:   "Take back what a run did, newest first",
		Long: `Take back what a run did, newest first. The plan is shown first. An effect is
undone only where the world is still as the run left it; what somebody has
changed since is listed and left alone, and so is what has no way back.

The undo is a run of its own, durable and under the same guardrails.`,
		Example: "  stanch undo r3f0123456789abcdefghij\n  stanch undo r3f0123456789abcdefghij --step contain --yes",
		Args:    exactArgs(1),
		RunE: verb(func(ctx context.Context, args []string) error {
			o.run = args[0]
			return sh.undo(ctx, o)
		}),
	}
	c.Flags().StringVar(&o.step, "step", "", "only what this step did: its `PATH`")
	c.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask; guardrails and approvals still hold")
	sh.storeFlag(c)
	sh.outputFlag(c)
	return c
}

func (sh *shell) undo(ctx context.Context, o undoOptions) error {
	d, err := sh.open(ctx, need{tenant: true, works: true, may: true, exists: true}, sh.warnings())
	if err != nil {
		return err
	}
	defer d.close()
	plan, err := d.engine.PlanUndo(ctx, o.run, o.step)
	if errors.Is(err, engine.ErrNotFound) {
		return noRun(o.run)
	}
	if err != nil {
		return err
	}
	would := sh.undoPlan(plan)
	if would == 0 {
		return &exitError{exitFailed, fmt.Errorf("nothing of run %s can be undone now", o.run)}
	}
	if err := sh.confirm(ctx, o.yes, fmt.Sprintf("Undo %s of run %s?", plural(would, "effect"), o.run)); err != nil {
		return err
	}
	begun, err := d.engine.Undo(ctx, o.run, o.step, operator())
	if err != nil {
		return err
	}
	sh.err.Printf("run %s undoes %s\n", begun.Run, o.run)
	return sh.follow(ctx, d, begun.Run)
}

// undoPlan tells on standard error what an undo would do, and answers how many
// effects it would take back.
func (sh *shell) undoPlan(plan engine.UndoPlan) int {
	t := table("STEP", "EFFECT", "TARGET", "UNDO", "")
	would := 0
	var lost []actions.Lost
	for _, item := range plan.Items {
		note := item.Why
		if item.Status == "would_undo" {
			would++
			lost = append(lost, named(item.Effect.Target, item.Lost)...)
			note = brief(item.Inverse.Before) + " → " + brief(item.Inverse.After)
			if item.Widens {
				note += " (widens access)"
			}
		}
		t.Add(item.Step, item.Effect.Action, targetName(item.Effect.Target), status(item.Status), note)
	}
	sh.err.Table(t)
	for _, run := range plan.Kept {
		sh.err.Line("what it kept from run ", run, " is not among this: `stanch undo ", run, "` takes that back")
	}
	for _, l := range lost {
		sh.err.Line(terminal.Text{Style: terminal.Yellow, Text: "lost: "}, l.Target, " ", l.Field, ": ", l.Why)
	}
	return would
}

// confirm asks a person, unless told not to. Without a terminal nobody can
// answer, and nothing is done.
func (sh *shell) confirm(ctx context.Context, yes bool, question string) error {
	if yes {
		return nil
	}
	in, is := sh.in.(*os.File)
	if !is || !terminal.IsTerminal(in) || !sh.err.IsTerminal() {
		return misused("%s Nobody is at a terminal to answer: give --yes", question)
	}
	sh.err.Printf("%s [y/N] ", question)
	answer, err := bufio.NewReader(until{ctx, in}).ReadString('\n')
	if ctx.Err() != nil {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return &exitError{exitFailed, errors.New("not confirmed: nothing was done")}
}

func noRun(id string) error {
	return fmt.Errorf("there is no run %s: `stanch runs list` shows them", id)
}
