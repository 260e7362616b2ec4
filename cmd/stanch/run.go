package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stanch/cmd/stanch/internal/terminal"
	"stanch/connectors/incident"
	"stanch/engine"
	"stanch/engine/sqlitestore"
	"stanch/playbooks"
	"stanch/triggers"
)

type runOptions struct {
	playbook string
	incident string
	on       string
	params   []string
	reason   string
	key      string
	live     bool
	shadow   bool
	noWait   bool
}

func runCommand(sh *shell) *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:     "run PLAYBOOK --incident FILE|ID | --on KIND:NAME",
		GroupID: "run",
		Short:   "Plan a playbook on one incident or entity; with --live, do it",
		Long: `Run a playbook on one incident, or on what else its on.manual says. Without
--live nothing is changed: the tenant is read, and every effect is shown with the
state before and after (the plan). With --live it is done, durably: the command
stays until the run has ended, and if it is interrupted, the run goes on when the
next worker starts. With --shadow it is planned as a trigger would in shadow, and
kept: stanch runs shadow compares it with what was done. It is refused where live
runs wait in a store in a file that nobody works on: they would go on.

PLAYBOOK is a file, or the id of a playbook in the configuration's folders. It
runs even if its trigger would not start it for this incident, and says so.

--on names what it is to be about, of the kind that on.manual: {subject: …} wants:

  user:UPN, user:ID      a user principal name, an object id
  file:URL               its address, a sharing link, or file:DRIVE/ITEM
  device:NAME, device:ID a DNS name, Defender's id, device:entra:ID
  mailbox:ADDRESS        the user principal name of whom it belongs to
  alert:ID               an alert of Defender
  incident:ID            the same as --incident
  none                   nothing

It is looked up in the tenant, and is ` + "`subject`" + ` there (or ` + "`alert`, `incident`" + `) with the id
that evidence has. Live runs on one thing wait for each other as the playbook's
concurrency says.

Exits 0 when the run succeeded, 1 when it failed or was cancelled, 4 when an
approval was rejected.`,
		Example: `  stanch run examples/contain-external-share.yaml --config examples/practice.yaml \
      --incident examples/fixtures/external-share.json
  stanch run contain-external-share --incident defender/1234 --param ask_above=3 --live
  stanch run examples/sign-out.yaml --config examples/practice.yaml --on user:petra.novak@contoso.example`,
		Args: exactArgs(1),
		RunE: verb(func(ctx context.Context, args []string) error {
			o.playbook = args[0]
			return sh.runPlaybook(ctx, o)
		}),
	}
	f := c.Flags()
	f.StringVar(&o.incident, "incident", "", "incident to run on: a Graph body as `FILE`, or an ID such as defender/1234")
	f.StringVar(&o.on, "on", "", "what to run on, as `KIND:NAME`: user:, file:, device:, mailbox:, alert:, incident:, or none")
	f.StringArrayVar(&o.params, "param", nil, "parameter of the playbook as `NAME=VALUE`; may be repeated")
	f.StringVar(&o.reason, "reason", "", "why, for the record: a `TEXT`")
	f.StringVar(&o.key, "key", "", "a `KEY` for what is asked: asked again so, it begins no second run; another run under it is refused")
	f.BoolVar(&o.live, "live", false, "do it; without, only plan")
	f.BoolVar(&o.shadow, "shadow", false, "plan as a trigger would in shadow, and keep the run in the store, for stanch runs shadow")
	f.BoolVar(&o.noWait, "no-wait", false, "with --live: begin the run and leave it to `stanch serve`")
	sh.storeFlag(c)
	sh.outputFlag(c)
	return c
}

func (sh *shell) runPlaybook(ctx context.Context, o runOptions) error {
	switch {
	case o.incident != "" && o.on != "":
		return misused("--incident and --on both say what to run on: give one")
	case o.incident == "" && o.on == "":
		return misused("--incident is missing: a file with a Graph incident, or an id such as defender/1234; or --on, such as --on user:ann@contoso.example")
	case o.live && o.shadow:
		return misused("--live does it and --shadow does not: give one")
	case o.key != "" && !o.live && !o.shadow:
		return misused("--key means nothing without --live or --shadow: a plan is kept nowhere")
	case o.noWait && !o.live:
		return misused("--no-wait means nothing without --live: a plan is made at once")
	}
	given, err := paramTexts(o.params)
	if err != nil {
		return err
	}
	n := need{tenant: true, works: !o.noWait, may: true}
	d, err := sh.desk(n)
	if err != nil {
		return err
	}
	start, err := sh.startOf(ctx, d, o, given)
	if err != nil {
		return err
	}
	if o.live || o.shadow {
		err = sh.openStore(ctx, d, n, sh.warnings())
	} else {
		err = d.openMemory()
	}
	if err != nil {
		return err
	}
	defer d.close()
	switch {
	case o.shadow:
		if err := d.wakesNobody(ctx); err != nil {
			return err
		}
	case !o.live:
		return sh.plan(ctx, d, start)
	}
	return sh.runLive(ctx, d, start, o.noWait)
}

// wakesNobody refuses to work in shadow on a file in which live runs wait for a
// worker: they would go on here, with effects.
func (d *desk) wakesNobody(ctx context.Context) error {
	if !d.worker || d.at.Redis != nil { // whoever works there goes on with them anyway
		return nil
	}
	waiting, _, err := d.runs(ctx, runFilter{status: "live", mode: engine.ModeLive})
	if err != nil || len(waiting) == 0 {
		return err
	}
	return fmt.Errorf("%s in %s, such as %s, would go on here and have effects: let `stanch serve` work on it, end them, or give another store with --store",
		plural(len(waiting), "live run"), d.at, waiting[0].ID)
}

// openMemory gives a plan a store that leaves nothing behind.
func (d *desk) openMemory() error {
	store, err := sqlitestore.OpenMemory(time.Now)
	if err != nil {
		return err
	}
	d.store = store
	o := engineOptions(d.cfg, nil)
	o.Grace = time.Millisecond // who interrupts a plan need not wait: it has nothing to finish
	d.worker, d.engine = true, engine.New(d.store, d.store, d.catalog, o)
	return nil
}

// paramTexts reads --param NAME=VALUE.
func paramTexts(list []string) (map[string]string, error) {
	given := map[string]string{}
	for _, p := range list {
		name, value, has := strings.Cut(p, "=")
		if !has || name == "" {
			return nil, misused("--param must be NAME=VALUE, not %q", p)
		}
		if _, twice := given[name]; twice {
			return nil, misused("--param %s is given twice", name)
		}
		given[name] = value
	}
	return given, nil
}

// startOf loads the playbook, looks up what it is to run on, and says whether the
// trigger would have started it.
func (sh *shell) startOf(ctx context.Context, d *desk, o runOptions, given map[string]string) (engine.Start, error) {
	book, err := sh.findBook(d, o.playbook)
	if err != nil {
		return engine.Start{}, err
	}
	if on := book.On; (on.Schedule != nil || on.Hunting != nil) && on.Incident == nil && on.Alert == nil && on.Manual == nil {
		return engine.Start{}, &exitError{exitFailed, fmt.Errorf("%s is started by the clock, not for incidents: `stanch schedules run %s` starts it now", book.File, o.playbook)}
	}
	asked := triggers.Asking{
		Book: book, On: o.on, Params: given, By: operator(), Reason: o.reason, Mode: engine.ModePlan, Key: o.key,
	}
	if o.incident != "" {
		asked.On = "incident:" + o.incident
	}
	switch {
	case o.live:
		asked.Mode = engine.ModeLive
	case o.shadow:
		asked.Mode = engine.ModeShadow
	}
	start, err := triggers.Manual{Tenant: sh.lookup(d)}.Start(ctx, asked)
	if wrong, is := errors.AsType[*triggers.AskError](err); is {
		return start, misused("%w", wrong)
	}
	if err == nil && len(start.Event.Incident) > 0 && len(start.Event.Alert) == 0 {
		sh.verdict(book, start.Event, start.Params, d.cfg.OwnDomains)
	}
	return start, err
}

// lookup finds what a run is to be about in the tenant, and an incident in a file,
// too.
func (sh *shell) lookup(d *desk) triggers.Lookup {
	found := lookupIn(d.tenant, d.cfg.OwnDomains)
	found.Incident = func(ctx context.Context, named string) (incident.Incident, error) {
		in, err := sh.incidentWith(ctx, d.tenant, named)
		if err != nil || namesFile(named) {
			return in, err
		}
		return sh.detailed(ctx, in)
	}
	of := found.Alert
	found.Alert = func(ctx context.Context, id string) (incident.Incident, error) {
		in, err := of(ctx, id)
		if err != nil {
			return in, err
		}
		return sh.detailed(ctx, in)
	}
	return found
}

// findBook loads a playbook by its file, or by its id in the configuration's
// folders.
func (sh *shell) findBook(d *desk, named string) (*playbooks.Playbook, error) {
	w := world(d.catalog, d.cfg)
	s, err := loadBooks([]string{named}, w)
	if err != nil && len(d.cfg.Playbooks) > 0 && !strings.ContainsAny(named, `/\.`) {
		return sh.bookOf(d, named)
	} else if err != nil {
		return nil, fmt.Errorf("playbook: %w", err)
	}
	if len(s.books) != 1 {
		return nil, misused("%s holds %s: name one", named, plural(len(s.books), "playbook"))
	}
	return sh.sound(s.books[0])
}

// bookOf loads a playbook by its id in the configuration's folders.
func (sh *shell) bookOf(d *desk, id string) (*playbooks.Playbook, error) {
	all, err := loadBooks(d.cfg.Playbooks, world(d.catalog, d.cfg))
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all.books, func(b book) bool { return b.playbook != nil && b.playbook.ID == id })
	if i < 0 {
		return nil, fmt.Errorf("no playbook %s: neither a file nor an id in %s", id, strings.Join(d.cfg.Playbooks, ", "))
	}
	return sh.sound(all.books[i])
}

// sound answers a playbook that has no errors, or tells those that it has.
func (sh *shell) sound(b book) (*playbooks.Playbook, error) {
	if playbooks.HasErrors(b.findings) || b.playbook == nil {
		for _, f := range b.findings {
			sh.err.Printf("%s\n", f.Text())
		}
		return nil, &exitError{exitFailed, fmt.Errorf("%s has %s: nothing was run", b.file, tally(b.findings))}
	}
	return b.playbook, nil
}

// verdict tells when the playbook's own trigger would not have started it.
func (sh *shell) verdict(book *playbooks.Playbook, event playbooks.Event, params map[string]any, own []string) {
	t := book.On.Incident
	if t == nil || len(t.Events) == 0 {
		return
	}
	event.Trigger, event.Kind, event.Changes = "incident", t.Events[0], t.Changes
	names, err := book.EventNames(event)
	if err == nil {
		names["params"] = params
		var v playbooks.Verdict
		if v, err = book.Matches(event, names, own, event.At); err == nil && !v.Matched {
			err = errors.New(v.Because)
		}
	}
	if err != nil {
		sh.err.Line(terminal.Text{Style: terminal.Yellow, Text: "note: "}, "the playbook would not start by itself for this incident: ", err)
	}
}

// plan runs without effects and shows what would be done.
func (sh *shell) plan(ctx context.Context, d *desk, start engine.Start) error {
	var run engine.Run
	err := d.working(ctx, func(ctx context.Context) error {
		begun, err := d.engine.Start(ctx, start)
		if err != nil {
			return err
		}
		progress := sh.err.Progress("planning, steps looked at", 0)
		defer progress.End()
		run, err = d.engine.Await(ctx, begun.Run, func(r engine.Run) { progress.Done(len(r.Steps)) })
		return err
	})
	if err != nil {
		return err
	}
	if err := sh.print(run, func() { sh.showRun(run) }); err != nil {
		return err
	}
	return outcome(run)
}

// runLive begins a run and stays until it has ended.
func (sh *shell) runLive(ctx context.Context, d *desk, start engine.Start, noWait bool) error {
	begun, err := d.engine.Start(ctx, start)
	switch {
	case err != nil:
		return err
	case begun.Busy:
		return &exitError{exitFailed, fmt.Errorf("%s is at work on this already, and its when_busy is %s: no run was begun", start.Book.ID, start.Book.Concurrency.WhenBusy)}
	}
	if begun.New {
		sh.err.Printf("run %s of %s begins\n", begun.Run, start.Book.ID)
	} else {
		sh.err.Printf("run %s of %s was begun before, with the key %s\n", begun.Run, start.Book.ID, start.Key)
	}
	if noWait {
		run, err := d.engine.Run(ctx, begun.Run)
		if err != nil {
			return err
		}
		return sh.print(run, func() { sh.showRun(run) })
	}
	return sh.follow(ctx, d, begun.Run)
}

// follow works on the store, if this process can, tells what happens, and
// prints the run when it has ended.
func (sh *shell) follow(ctx context.Context, d *desk, id string) error {
	if !d.worker {
		sh.err.Printf("another process works on this store; watching\n")
	}
	var run engine.Run
	news := newNews(sh)
	err := d.working(ctx, func(ctx context.Context) error {
		var err error
		run, err = d.engine.Await(ctx, id, news.tell)
		return err
	})
	if err != nil {
		if errors.Is(context.Cause(ctx), errInterrupted) {
			sh.err.Printf("run %s is kept: it goes on when a worker starts (stanch serve); look at it with `stanch runs show %s`\n", id, id)
			return quietly(exitInterrupted)
		}
		return err
	}
	if err := sh.print(run, func() { sh.showRun(run) }); err != nil {
		return err
	}
	return outcome(run)
}

// outcome answers the exit code of an ended run.
func outcome(run engine.Run) error {
	switch run.Status {
	case "failed", "cancelled":
		return quietly(exitFailed)
	case "rejected":
		return quietly(exitRejected)
	}
	return nil
}

// incidentWith reads an incident with clients that are there already.
func (sh *shell) incidentWith(ctx context.Context, tenant clients, named string) (incident.Incident, error) {
	return sh.incident(ctx, named, func() (clients, error) { return tenant, nil })
}
