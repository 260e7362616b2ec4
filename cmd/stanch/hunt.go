package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"stanch/connectors"
	"stanch/playbooks"
	"stanch/triggers"
)

// huntResult is what `stanch hunt` answers.
type huntResult struct {
	Playbook   string    `json:"playbook"`
	Source     string    `json:"source"`
	Start      string    `json:"start"` // each_row | batch
	Columns    []string  `json:"columns"`
	Count      int       `json:"count"`      // rows that came
	Truncated  bool      `json:"truncated"`  // there are, or may be, more
	Unreadable []string  `json:"unreadable"` // rows that are not as columns declares, and why
	Rows       []huntRow `json:"rows"`
	TookMS     int64     `json:"took_ms"`
}

// huntRow is one row, and whether it would begin a run were it new.
type huntRow struct {
	Row     json.RawMessage `json:"row"`
	Key     string          `json:"key"`
	Starts  bool            `json:"starts"`
	Because string          `json:"because"`
}

func huntCommand(sh *shell) *cobra.Command {
	var params []string
	var most int
	c := &cobra.Command{
		Use:     "hunt PLAYBOOK",
		GroupID: "run",
		Short:   "Try the query of a hunting playbook: what it finds, and what would start",
		Long: `Ask the tenant the query of a playbook with on.hunting, and show the rows that it
finds by the playbook's columns, with whether each would begin a run if it were new.
Nothing is begun, remembered or changed. PLAYBOOK is a file, or the id of a playbook
in the configuration's folders.

Exits 1 when the service refuses the query, or its answer is not as columns declares.`,
		Example: `  stanch hunt examples/hunt-mass-download.yaml --config examples/practice.yaml
  stanch hunt hunt-mass-download --param least=10 --output json`,
		Args: exactArgs(1),
		RunE: verb(func(ctx context.Context, args []string) error {
			if most < 1 {
				return misused("--limit must be 1 or more")
			}
			r, err := sh.hunt(ctx, args[0], params)
			if err != nil {
				return err
			}
			if err := sh.print(r, func() { sh.huntTable(r, most) }); err != nil {
				return err
			}
			if len(r.Unreadable) > 0 {
				return quietly(exitFailed)
			}
			return nil
		}),
	}
	c.Flags().StringArrayVar(&params, "param", nil, "parameter of the playbook as `NAME=VALUE`; may be repeated")
	c.Flags().IntVar(&most, "limit", 50, "show at most this `NUMBER` of rows in the table")
	sh.outputFlag(c)
	return c
}

func (sh *shell) hunt(ctx context.Context, named string, texts []string) (huntResult, error) {
	given, err := paramTexts(texts)
	if err != nil {
		return huntResult{}, err
	}
	d, err := sh.desk(need{tenant: true})
	if err != nil {
		return huntResult{}, err
	}
	book, err := sh.findBook(d, named)
	if err != nil {
		return huntResult{}, err
	}
	t := book.On.Hunting
	if t == nil {
		return huntResult{}, &exitError{exitFailed, fmt.Errorf("%s has no on.hunting: there is no query to try", book.File)}
	}
	params, err := book.BindParams(given)
	if err != nil {
		return huntResult{}, misused("%s: %v", named, err)
	}
	if err := askable(d.cfg, []*playbooks.Playbook{book}); err != nil {
		return huntResult{}, err
	}
	begun := time.Now()
	found, err := hunter(d.cfg, d.tenant).Ask(ctx, book, params)
	if e, is := errors.AsType[*connectors.Error](err); is && e.Code == connectors.Invalid {
		return huntResult{}, &exitError{exitFailed, fmt.Errorf("%s: %w", book.File, err)}
	}
	if err != nil {
		return huntResult{}, err
	}
	r := huntResult{
		Playbook: book.ID, Source: t.Source, Start: t.Start, Columns: found.Columns, Count: len(found.Rows) + len(found.Unreadable),
		Truncated: found.Truncated, Unreadable: []string{}, Rows: []huntRow{}, TookMS: time.Since(begun).Milliseconds(),
	}
	if len(t.Columns) > 0 {
		r.Columns = nil
		for _, c := range t.Columns {
			r.Columns = append(r.Columns, c.Name)
		}
	}
	for _, why := range found.Unreadable {
		r.Unreadable = append(r.Unreadable, why.Error())
	}
	r.Rows, err = wouldStart(book, found, params, d.cfg.OwnDomains)
	return r, err
}

// wouldStart says of each row whether it would begin a run.
func wouldStart(book *playbooks.Playbook, found triggers.Found, params map[string]any, own []string) ([]huntRow, error) {
	ev := playbooks.Event{ID: "hunt", Trigger: "hunting", Kind: "rows", At: time.Now().UTC()}
	verdict := func() (bool, string, error) {
		names, err := book.EventNames(ev)
		if err != nil {
			return false, "", err
		}
		names["params"] = params
		v, _ := book.Matches(ev, names, own, ev.At) // one that gives no answer says so
		return v.Matched, v.Because, nil
	}
	batch, starts, because := book.On.Hunting.Start == "batch", false, ""
	var err error
	if batch {
		ev.Rows, err = batchOf(book.On.Hunting, found)
		if err == nil {
			starts, because, err = verdict()
		}
	}
	rows := []huntRow{}
	for _, row := range found.Rows {
		if !batch && err == nil {
			ev.Row = row.Value
			starts, because, err = verdict()
		}
		rows = append(rows, huntRow{row.Value, row.Key, starts, because})
	}
	return rows, err
}

// batchOf are the rows that begin one run together.
func batchOf(t *playbooks.HuntingTrigger, found triggers.Found) (json.RawMessage, error) {
	rows := make([]json.RawMessage, min(len(found.Rows), t.MaxRows))
	for i := range rows {
		rows[i] = found.Rows[i].Value
	}
	return json.Marshal(rows)
}

func (sh *shell) huntTable(r huntResult, most int) {
	starting := 0
	for _, row := range r.Rows {
		if row.Starts {
			starting++
		}
	}
	if len(r.Rows) > 0 {
		t := table(append(slices.Clone(r.Columns), "STARTS")...)
		for _, row := range r.Rows[:min(len(r.Rows), most)] {
			t.Add(append(cellsOf(r.Columns, row.Row), startsOf(row))...)
		}
		sh.out.Table(t)
	}
	for _, why := range r.Unreadable {
		sh.err.Printf("not as columns declares: %s\n", why)
	}
	if len(r.Rows) > most {
		sh.err.Printf("%d more rows are not shown: --limit\n", len(r.Rows)-most)
	}
	if r.Truncated {
		sh.err.Printf("the answer was cut: there are, or may be, more rows than these %d\n", r.Count)
	}
	what := "begin a run each, if new"
	if r.Start == "batch" {
		what = "begin one run together"
	}
	sh.err.Printf("%s in %d ms; %d would %s\n", plural(r.Count, "row"), r.TookMS, starting, what)
}

func startsOf(row huntRow) string {
	if row.Starts {
		return "yes"
	}
	return "no: " + row.Because
}

// cellsOf are the values of a row in the order of its columns.
func cellsOf(columns []string, raw json.RawMessage) []any {
	var row map[string]json.RawMessage
	_ = json.Unmarshal(raw, &row) // it was made of one
	cells := make([]any, len(columns))
	for i, c := range columns {
		var text string
		var entity struct{ ID, UPN, Name, Address string }
		switch {
		case json.Unmarshal(row[c], &text) == nil:
		case json.Unmarshal(row[c], &entity) == nil:
			text = cmp.Or(entity.UPN, entity.Address, entity.Name, entity.ID, string(row[c]))
		default:
			text = string(row[c])
		}
		cells[i] = text
	}
	return cells
}
