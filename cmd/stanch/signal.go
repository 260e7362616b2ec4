package main

import (
	"context"
	"encoding/json"

	"github.com/spf13/cobra"

	"stanch/engine"
)

type signalOptions struct {
	name, key, data, as, id string
}

func runsSignal(sh *shell) *cobra.Command {
	var o signalOptions
	c := &cobra.Command{
		Use:   "signal NAME --key KEY",
		Short: "Send an event to the runs that wait for it",
		Long: `Send an event to the runs that wait for it by its name and key (` + "`wait: {event: …}`" + `).
It is kept for a day: a run that comes to wait for it later gets it as well. A
run takes it once.

With --id, the same event sent again is not another one.`,
		Example: `  stanch runs signal owner-replied --key defender/42
  stanch runs signal owner-replied --key defender/42 --data '{"keep": false}' --as dana.officer@contoso.example`,
		Args: exactArgs(1),
		RunE: verb(func(ctx context.Context, args []string) error {
			o.name = args[0]
			return sh.signal(ctx, o)
		}),
	}
	c.Flags().StringVar(&o.key, "key", "", "which event of that name: a `KEY`")
	c.Flags().StringVar(&o.data, "data", "", "what the event brings: a `JSON` value")
	c.Flags().StringVar(&o.as, "as", "", "the `PERSON` it is from, by user principal name (default: you)")
	c.Flags().StringVar(&o.id, "id", "", "the event's own `ID` (default: a new one)")
	sh.storeFlag(c)
	sh.outputFlag(c)
	return c
}

// sentEvent is what `runs signal` answers.
type sentEvent struct {
	ID   string   `json:"id"`
	New  bool     `json:"new"`
	Runs []string `json:"runs"` // those that were waiting for it
}

func (sh *shell) signal(ctx context.Context, o signalOptions) error {
	switch {
	case o.key == "":
		return misused("give --key: which %s the runs wait for", o.name)
	case o.data != "" && !json.Valid([]byte(o.data)):
		return misused("--data is no JSON: a text has quotes of its own, --data '\"text\"'")
	}
	d, err := sh.open(ctx, need{exists: true}, nil)
	if err != nil {
		return err
	}
	defer d.close()
	by := o.as
	if by == "" {
		by = operator()
	}
	posted, err := d.engine.Post(ctx, engine.Message{ID: o.id, Name: o.name, Key: o.key, Data: json.RawMessage(o.data), By: by})
	if err != nil {
		return err
	}
	sent := sentEvent{ID: posted.ID, New: posted.New, Runs: append([]string{}, posted.Runs...)}
	return sh.print(sent, func() {
		switch {
		case !sent.New && len(sent.Runs) == 0:
			sh.err.Printf("event %s was sent before\n", sent.ID)
		case len(sent.Runs) == 0:
			sh.err.Printf("nobody waits for it now; it is kept for a day\n")
		}
		for _, run := range sent.Runs {
			sh.out.Printf("run %s waits for it\n", run)
		}
	})
}
