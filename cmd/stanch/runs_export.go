package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"stanch/cmd/stanch/internal/terminal"
	"stanch/engine"
	"stanch/engine/view"
)

func runsExport(sh *shell) *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "export [RUN…]",
		Short: "Write everything that is kept of runs, one JSON line each",
		Long: `Write everything that is kept of runs to standard output, for an archive or as
evidence: each as ` + "`stanch runs show --output json`" + ` has it, with its params, the text
of its playbook and of all that it calls, and every fact that was recorded.

Without RUN, all that the flags select, the newest first. A run that has not
ended is written as it is at that moment.`,
		Example: `  stanch runs export --since 24h > runs.jsonl
  stanch runs export --status failed --playbook contain-external-share
  stanch runs export r3f0123456789abcdefghij --output json`,
		RunE: verb(func(ctx context.Context, args []string) error {
			filter, err := f.read()
			if err != nil {
				return err
			}
			if len(args) > 0 && filter != (runFilter{}) {
				return misused("name runs, or select them by flags: not both")
			}
			return sh.export(ctx, args, filter)
		}),
	}
	f.add(c)
	sh.storeFlag(c)
	sh.outputFlag(c, string(terminal.AsJSONL), string(terminal.AsJSON))
	return c
}

// export writes runs one by one, so that it takes the memory of one.
func (sh *shell) export(ctx context.Context, runs []string, f runFilter) error {
	d, err := sh.open(ctx, need{looks: true}, nil)
	if err != nil {
		return err
	}
	defer d.close()
	if len(runs) == 0 {
		err := d.eachRun(ctx, f, func(r view.Run) bool {
			runs = append(runs, r.ID)
			return true
		})
		if err != nil {
			return err
		}
	}
	before, between, after := "", "\n", "\n"
	if terminal.Format(sh.output) == terminal.AsJSON {
		before, between, after = "[\n", ",\n", "\n]\n"
	}
	if len(runs) == 0 {
		sh.err.Printf("no runs\n")
		sh.out.Printf("%s", strings.TrimLeft(before+after, "\n"))
		return nil
	}
	progress := sh.err.Progress("exporting runs", len(runs))
	defer progress.End()
	for i, id := range runs {
		x, err := d.engine.Export(ctx, id)
		if errors.Is(err, engine.ErrNotFound) {
			err = noRun(id)
		}
		if err != nil {
			return err
		}
		line, err := json.Marshal(x)
		if err != nil {
			return fmt.Errorf("run %s: %w", id, err)
		}
		sh.out.Printf("%s%s", before, line)
		before = between
		progress.Done(i + 1)
	}
	sh.out.Printf("%s", after)
	return nil
}
