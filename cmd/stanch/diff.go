package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"stanch/cmd/stanch/internal/terminal"
	"stanch/playbooks"
	"stanch/playbooks/review"
)

func diffCommand(sh *shell) *cobra.Command {
	c := &cobra.Command{
		Use:     "diff OLD NEW",
		GroupID: "write",
		Short:   "Compare two playbooks by what they do, not by their text",
		Long: `Compare two playbooks by what they do: triggers, conditions, targets, effects,
approvals, limits. What can do more harm comes first:

  widens   it may do more, to more, or with fewer people asked
  narrows  it does less, to less, or asks more
  neutral  it does the same to the same: texts, timeouts, retries

What cannot be told to be narrower counts as wider. Formatting, comments, the
order of keys, and ids that are only renamed make no difference.

Playbooks that both sides call, and those that these call, are compared too.

Exits 0 when both mean the same, 1 when they do not.`,
		Example: `  stanch diff contain.yaml contain-new.yaml
  git show HEAD:contain.yaml > /tmp/old.yaml; stanch diff /tmp/old.yaml contain.yaml
  stanch diff old.yaml new.yaml --output json`,
		Args: exactArgs(2),
		RunE: verb(func(_ context.Context, args []string) error {
			return sh.diff(args[0], args[1])
		}),
	}
	sh.outputFlag(c, "text", "json", "yaml")
	return c
}

// diffData is what `stanch diff --output json` prints.
type diffData struct {
	Old  diffSide `json:"old"`
	New  diffSide `json:"new"`
	Same bool     `json:"same"`
	review.Diff
	Called []calledDiff `json:"called,omitempty"` // playbooks that both call and that have changed, in the order of their ids
}

type calledDiff struct {
	Old diffSide `json:"old"`
	New diffSide `json:"new"`
	review.Diff
}

type diffSide struct {
	File     string `json:"file"`
	Playbook string `json:"playbook"`
	Digest   string `json:"digest"`
}

func sideOf(p *playbooks.Playbook) diffSide { return diffSide{p.File, p.ID, p.Digest} }

func (sh *shell) diff(older, newer string) error {
	d, err := sh.desk(need{})
	if err != nil {
		return err
	}
	var books [2]*playbooks.Playbook
	for i, named := range []string{older, newer} {
		if books[i], err = sh.findBook(d, named); err != nil {
			return err
		}
	}
	data := compareAll(books[0], books[1])
	if err := sh.printText(data, func() { sh.showDiff(data) }); err != nil {
		return err
	}
	if !data.Same {
		return quietly(exitFailed)
	}
	return nil
}

// compareAll compares two playbooks with all that both may come to call: what a
// called playbook does, its caller does.
func compareAll(older, newer *playbooks.Playbook) diffData {
	d := diffData{Old: sideOf(older), New: sideOf(newer), Diff: review.Compare(older, newer)}
	for _, was := range older.Calls {
		i := slices.IndexFunc(newer.Calls, func(is *playbooks.Playbook) bool { return is.ID == was.ID })
		if i < 0 {
			continue // the step that called it is told as changed
		}
		if found := review.Compare(was, newer.Calls[i]); !found.Same() {
			d.Called = append(d.Called, calledDiff{sideOf(was), sideOf(newer.Calls[i]), found})
		}
	}
	d.Same = d.Diff.Same() && len(d.Called) == 0
	if d.Diff.Same() && !d.Same {
		d.Summary = "no change in the playbook itself; what it calls has changed"
	}
	return d
}

func (sh *shell) showDiff(d diffData) {
	sh.showChanges(d.Diff)
	for _, c := range d.Called {
		sh.out.Line()
		sh.out.Line(terminal.Text{Style: terminal.Bold, Text: "called playbook " + c.New.Playbook})
		sh.showChanges(c.Diff)
	}
}

func (sh *shell) showChanges(d review.Diff) {
	sh.out.Line(terminal.Text{Style: terminal.Bold, Text: d.Summary})
	styles := map[string]terminal.Style{review.Widens: terminal.Red, review.Narrows: terminal.Green, review.Neutral: terminal.Faint}
	for _, c := range d.Changes {
		where := c.Where
		sh.out.Line(terminal.Text{Style: styles[c.Severity], Text: (c.Severity + "   ")[:9]}, terminal.OneLine(where), "  ", terminal.OneLine(c.What))
	}
}
