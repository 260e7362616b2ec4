package main

import (
	"context"

	"github.com/spf13/cobra"

	"stanch/engine"
)

// frozen is what `stanch freeze` and `stanch thaw` answer.
type frozen struct {
	Frozen bool                `json:"frozen"`
	By     string              `json:"by"`
	Reason string              `json:"reason"`
	At     string              `json:"at"`
	Open   []engine.OpenEffect `json:"open"` // begun before, without a certain outcome yet
}

func freezeCommand(sh *shell) *cobra.Command {
	c := freezer(sh, true)
	c.Short = "Stop every effect that has not begun, in all runs, now"
	c.Long = c.Short + `.

Runs wait where their next effect would begin; reading goes on. Effects that
have begun are listed: they still get their outcome. ` + "`stanch thaw`" + ` ends it.`
	return c
}

func thawCommand(sh *shell) *cobra.Command {
	c := freezer(sh, false)
	c.Short = "End a freeze: what waited goes on"
	return c
}

func freezer(sh *shell, on bool) *cobra.Command {
	var reason string
	name := "thaw"
	if on {
		name = "freeze"
	}
	c := &cobra.Command{
		Use:     name,
		GroupID: "stop",
		Example: "  stanch " + name + " --reason \"wrong label policy\"",
		Args:    noArgs,
		RunE: verb(func(ctx context.Context, _ []string) error {
			f, err := sh.freeze(ctx, on, reason)
			if err != nil {
				return err
			}
			return sh.print(f, func() { sh.frozenTable(f) })
		}),
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for the record: a `TEXT`")
	sh.storeFlag(c)
	sh.outputFlag(c)
	return c
}

func (sh *shell) freeze(ctx context.Context, on bool, reason string) (frozen, error) {
	d, err := sh.open(ctx, need{}, nil)
	if err != nil {
		return frozen{}, err
	}
	defer d.close()
	f, err := d.engine.Freeze(ctx, on, operator(), reason)
	if err != nil {
		return frozen{}, err
	}
	out := frozen{Frozen: f.On, By: f.By, Reason: f.Reason, At: instant(f.At), Open: []engine.OpenEffect{}}
	if !on {
		return out, nil
	}
	runs, _, err := d.runs(ctx, runFilter{status: "live"})
	if err != nil {
		return out, err
	}
	ids := make([]string, len(runs))
	for i, r := range runs {
		ids[i] = r.ID
	}
	out.Open, err = d.engine.OpenEffects(ctx, ids)
	return out, err
}

func (sh *shell) frozenTable(f frozen) {
	if !f.Frozen {
		sh.out.Printf("thawed: effects may begin\n")
		return
	}
	sh.out.Printf("frozen: no effect begins until `stanch thaw`\n")
	if len(f.Open) == 0 {
		sh.out.Printf("no effect is under way\n")
		return
	}
	t := table("RUN", "STEP", "EFFECT", "TARGET", "STATUS", "SINCE")
	for _, e := range f.Open {
		t.Add(e.Run, e.Step, e.Action, targetName(e.Target), status(string(e.Status)), instant(e.Since))
	}
	sh.out.Printf("\nunder way, without a certain outcome yet:\n")
	sh.out.Table(t)
}
