package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stanch/cmd/stanch/internal/terminal"
	"stanch/connectors/incident"
	"stanch/playbooks"
)

// occurrence is what a person says of an event that did not happen.
type occurrence struct {
	incident string
	playbook string
	params   []string
	kind     string
	changes  []string
	now      string
}

// occurrenceFlags gives a command the flags that describe an event.
func (o *occurrence) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.incident, "incident", "", "incident to look at: a Graph body as `FILE`, or an ID such as defender/1234")
	f.StringArrayVar(&o.params, "param", nil, "parameter of the playbook as `NAME=VALUE`; may be repeated")
	f.StringVar(&o.kind, "event", "created", "what happened: created or updated")
	f.StringSliceVar(&o.changes, "changes", nil, "what an update changed: `FIELDS` such as severity,alerts")
	f.StringVar(&o.now, "now", "", "what now() answers: a `TIME` such as 2026-03-02T09:00:00Z (default: now)")
	_ = c.RegisterFlagCompletionFunc("event", cobra.FixedCompletions([]string{"created", "updated"}, cobra.ShellCompDirectiveNoFileComp))
}

// valid refuses what cannot be meant.
func (o *occurrence) valid() error {
	switch {
	case o.kind != "created" && o.kind != "updated":
		return misused("--event must be created or updated, not %q", o.kind)
	case o.kind == "created" && len(o.changes) > 0:
		return misused("--changes belongs to --event updated: an incident that is new has changed nothing")
	case o.incident == "" && (o.kind != "created" || len(o.changes) > 0):
		return misused("--event and --changes need --incident")
	}
	return nil
}

// at answers the time that the event happens.
func (o *occurrence) at() (time.Time, error) {
	if o.now == "" {
		return time.Now().UTC(), nil
	}
	t, err := time.Parse(time.RFC3339, o.now)
	if err != nil {
		return t, misused("--now must be a time such as 2026-03-02T09:00:00Z, not %q", o.now)
	}
	return t.UTC(), nil
}

// event makes the event of an incident.
func (o *occurrence) event(about incident.Incident, at time.Time) (playbooks.Event, error) {
	raw, err := json.Marshal(about)
	if err != nil {
		return playbooks.Event{}, err
	}
	ev := playbooks.Event{ID: about.ID, Trigger: "incident", Kind: o.kind, At: at, Changes: o.changes, Incident: raw}
	if o.kind == "created" || slices.Contains(o.changes, "alerts") {
		for _, a := range about.Alerts {
			ev.NewAlerts = append(ev.NewAlerts, a.ID)
		}
	}
	return ev, nil
}

func evalCommand(sh *shell) *cobra.Command {
	var o occurrence
	c := &cobra.Command{
		Use:     "eval EXPR [--incident FILE|ID]",
		GroupID: "write",
		Short:   "Evaluate an expression, and show the value of each part",
		Long: `Evaluate an expression as a playbook would, and show the value of each part,
in the order of their evaluation. Questions about each item of a list, such as
any(), are counted, with the first few items. What was not needed for the answer
is "not looked at".

The expression sees incident, evidence and event of the --incident, and the
params of the --playbook with their defaults or as --param gives them.

Exits 0 when there is a value, 1 when the expression is wrong or fails.`,
		Example: `  stanch eval 'len(evidence.files)' --incident examples/fixtures/external-share.json
  stanch eval 'any(evidence.files, .label == nil)' --incident defender/1234 --output json
  stanch eval 'incident.severity == "high" and len(evidence.files) > params.ask_above' \
      --incident defender/1234 --playbook contain-external-share --param ask_above=3
  stanch eval 'duration("30d") / 2'`,
		Args: exactArgs(1),
		RunE: verb(func(ctx context.Context, args []string) error {
			return sh.eval(ctx, args[0], o)
		}),
	}
	o.flags(c)
	c.Flags().StringVar(&o.playbook, "playbook", "", "playbook that gives params: a `FILE`, or an id in the configuration's folders")
	sh.outputFlag(c, "text", "json", "yaml")
	return c
}

func (sh *shell) eval(ctx context.Context, src string, o occurrence) error {
	if err := o.valid(); err != nil {
		return err
	}
	if len(o.params) > 0 && o.playbook == "" {
		return misused("--param needs --playbook: params are a playbook's")
	}
	scope, env, err := sh.evalScope(ctx, o)
	if err != nil {
		return err
	}
	e, problems := playbooks.Compile(src, scope, playbooks.Type{})
	wrong := false
	for _, p := range problems {
		sh.problem(src, p)
		wrong = wrong || p.IsError()
	}
	if wrong {
		return quietly(exitFailed)
	}
	trace, failed := e.Trace(env)
	if sh.output == "text" {
		sh.showTrace(trace, failed)
	} else if err := sh.out.Data(terminal.Format(sh.output), tracedData(trace, failed)); err != nil {
		return err
	}
	if failed != nil {
		return quietly(exitFailed)
	}
	return nil
}

// evalScope is what an expression may name, and the values.
func (sh *shell) evalScope(ctx context.Context, o occurrence) (playbooks.Scope, playbooks.Env, error) {
	none := playbooks.NewScope(nil)
	at, err := o.at()
	if err != nil {
		return none, playbooks.Env{}, err
	}
	d, err := sh.desk(need{})
	if err != nil {
		return none, playbooks.Env{}, err
	}
	env := playbooks.Env{Names: map[string]any{}, Now: at, OwnDomains: d.cfg.OwnDomains}
	book, params := &playbooks.Playbook{}, map[string]any{}
	if o.playbook != "" {
		if book, params, err = sh.boundBook(d, o.playbook, o.params); err != nil {
			return none, env, err
		}
	}
	scope := playbooks.IncidentScope(book)
	if o.incident == "" {
		env.Names["params"] = params
		paramsType, _ := scope.Lookup("params")
		return none.With("params", paramsType), env, nil
	}
	about, err := sh.incident(ctx, o.incident, sh.connect)
	if err != nil {
		return none, env, err
	}
	ev, err := o.event(about, at)
	if err != nil {
		return none, env, err
	}
	// Whatever starts the playbook, here the question is about an incident.
	asked := &playbooks.Playbook{On: playbooks.On{
		Incident: &playbooks.IncidentTrigger{}, Manual: &playbooks.ManualTrigger{Subject: "incident"},
	}}
	if env.Names, err = asked.EventNames(ev); err != nil {
		return none, env, err
	}
	env.Names["params"], env.Names["lists"] = params, book.ListValues()
	return scope, env, nil
}

// boundBook loads a playbook and binds params to it.
func (sh *shell) boundBook(d *desk, named string, given []string) (*playbooks.Playbook, map[string]any, error) {
	texts, err := paramTexts(given)
	if err != nil {
		return nil, nil, err
	}
	book, err := sh.findBook(d, named)
	if err != nil {
		return nil, nil, err
	}
	params, err := book.BindParams(texts)
	if err != nil {
		return nil, nil, misused("%s: %v", named, err)
	}
	return book, params, nil
}

// problem tells what is wrong with an expression, with a mark under the place.
func (sh *shell) problem(src string, p playbooks.Problem) {
	kind, style := "error", terminal.Red
	if !p.IsError() {
		kind, style = "warning", terminal.Yellow
	}
	sh.err.Line(terminal.Text{Style: style, Text: fmt.Sprintf("%s[%s] %s", kind, p.Code, p.Message)})
	sh.mark(src, p.From, p.To)
	if p.Hint != "" {
		sh.err.Printf("  hint: %s\n", p.Hint)
	}
}

// mark shows the line of an expression with a mark under a part of it.
func (sh *shell) mark(src string, from, to int) {
	runes := []rune(src)
	from = min(max(from, 0), len(runes))
	start, end := from, from
	for start > 0 && runes[start-1] != '\n' {
		start--
	}
	for end < len(runes) && runes[end] != '\n' {
		end++
	}
	line := terminal.OneLine(string(runes[start:end]))
	before := len([]rune(terminal.OneLine(string(runes[start:from]))))
	marked := len([]rune(terminal.OneLine(string(runes[from:min(max(to, from), end)]))))
	sh.err.Printf("  %s\n  %s%s\n", line, strings.Repeat(" ", before), strings.Repeat("^", max(marked, 1)))
}

// failedAt answers the place of an evaluation's error.
func failedAt(err error) (from, to int) {
	if e, is := errors.AsType[*playbooks.EvalError](err); is {
		return e.From, e.To
	}
	return 0, 0
}
