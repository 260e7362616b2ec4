package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"stanch/engine"
)

func approvalsCommand(sh *shell) *cobra.Command {
	c := &cobra.Command{
		Use:     "approvals",
		GroupID: "look",
		Short:   "Look at what waits for a person's word, and give it",
		Example: `  stanch approvals list
  stanch approvals approve a7k2m5q3x1f --as dana.officer@contoso.example
  stanch approvals approve a7k2m5q3x1f --as omar.officer@contoso.example --set reason="agreed with the owner"
  stanch approvals reject a7k2m5q3x1f --as omar.officer@contoso.example --reason "the link is meant to be open"`,
	}
	c.AddCommand(approvalsList(sh), decide(sh, true), decide(sh, false))
	return c
}

func approvalsList(sh *shell) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:     "list",
		Short:   "List what waits for a word",
		Example: "  stanch approvals list --output json\n  stanch approvals list --all",
		Args:    noArgs,
		RunE: verb(func(ctx context.Context, _ []string) error {
			d, err := sh.open(ctx, need{looks: true}, nil)
			if err != nil {
				return err
			}
			defer d.close()
			list, err := d.engine.Approvals(ctx, all)
			if err != nil {
				return err
			}
			if list == nil {
				list = []engine.Approval{}
			}
			return sh.print(list, func() { sh.approvalTable(list) })
		}),
	}
	c.Flags().BoolVar(&all, "all", false, "those that are over, too")
	sh.storeFlag(c)
	sh.outputFlag(c)
	return c
}

func (sh *shell) approvalTable(list []engine.Approval) {
	if len(list) == 0 {
		sh.err.Printf("nothing waits for a word\n")
		return
	}
	t := table("APPROVAL", "RUN", "STEP", "STATE", "TARGETS", "EXPIRES", "ASK")
	for _, a := range list {
		expires := "never"
		if a.ExpiresAt != nil {
			expires = instant(*a.ExpiresAt)
		}
		state := approvalState(a)
		if a.Reminded > 0 && a.Status == "waiting" {
			state += ", reminded " + plural(a.Reminded, "time")
		}
		t.Add(a.ID, a.Run, a.Step, state, fmt.Sprint(len(a.Targets)), expires, a.Ask)
	}
	sh.out.Table(t)
	sh.forms(list)
}

// forms tells what approvers are to fill in.
func (sh *shell) forms(list []engine.Approval) {
	t := table("APPROVAL", "FILL IN", "TYPE", "")
	for _, a := range list {
		if a.Status != "waiting" {
			continue
		}
		for _, f := range a.Form {
			note := f.Description
			if f.Required {
				note = strings.TrimSuffix("required: "+note, ": ")
			}
			t.Add(a.ID, f.Name, f.Type, note)
		}
	}
	if len(t.Rows) > 0 {
		sh.out.Printf("\n")
		sh.out.Table(t)
	}
}

type decideOptions struct {
	id, as, reason string
	approve        bool
	set            []string
}

// decide makes `approvals approve` and `approvals reject`.
func decide(sh *shell, approve bool) *cobra.Command {
	o := decideOptions{approve: approve}
	name, what := "reject", "Say no: what it covers is not done"
	if approve {
		name, what = "approve", "Say yes: what it covers may be done"
	}
	c := &cobra.Command{
		Use:   name + " ID",
		Short: what,
		Long: what + `.

Who reaches the store directly is its operator: the decision is recorded as that
of PERSON, by way of the operator. Each person counts once, and who started a
run does not approve it.`,
		Example: "  stanch approvals " + name + " a7k2m5q3x1f --as dana.officer@contoso.example",
		Args:    exactArgs(1),
		RunE: verb(func(ctx context.Context, args []string) error {
			o.id = args[0]
			return sh.decide(ctx, o)
		}),
	}
	c.Flags().StringVar(&o.as, "as", "", "the `PERSON` who decides, by user principal name (default: you)")
	c.Flags().StringVar(&o.reason, "reason", "", "why, for the record: a `TEXT`")
	if approve {
		c.Flags().StringArrayVar(&o.set, "set", nil, "fill in a field of its form: `FIELD=VALUE`, as often as needed")
	}
	sh.storeFlag(c)
	sh.outputFlag(c)
	return c
}

// fields reads FIELD=VALUE.
func (o *decideOptions) fields() (map[string]string, error) {
	form := map[string]string{}
	for _, s := range o.set {
		name, value, ok := strings.Cut(s, "=")
		if _, twice := form[name]; !ok || name == "" || twice {
			return nil, misused("--set is FIELD=VALUE, each field once, not %q", s)
		}
		form[name] = value
	}
	return form, nil
}

func (sh *shell) decide(ctx context.Context, o decideOptions) error {
	form, err := o.fields()
	if err != nil {
		return err
	}
	d, err := sh.open(ctx, need{exists: true}, nil)
	if err != nil {
		return err
	}
	defer d.close()
	me := operator()
	by := o.as
	if by == "" {
		_, by, _ = strings.Cut(me, ":")
	}
	a, err := d.engine.Decide(ctx, engine.Decision{Approval: o.id, By: by, Via: me, Approve: o.approve, Reason: o.reason, Form: form})
	if errors.Is(err, engine.ErrNotFound) {
		return fmt.Errorf("there is no approval %s: `stanch approvals list` shows them", o.id)
	}
	if err != nil {
		return err
	}
	return sh.print(a, func() { sh.out.Printf("%s: %s\n", a.Ask, approvalState(a)) })
}
