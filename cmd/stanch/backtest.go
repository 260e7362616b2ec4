package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stanch/connectors/incident"
	"stanch/engine"
	"stanch/engine/rehearse"
	"stanch/playbooks"
)

type backtestOptions struct {
	playbook string
	against  string
	since    string
	until    string
	input    string
	reads    string
	as       string
	params   []string
	page     string
}

func backtestCommand(sh *shell) *cobra.Command {
	var o backtestOptions
	c := &cobra.Command{
		Use:     "backtest PLAYBOOK",
		GroupID: "write",
		Short:   "What a playbook would have done about past incidents",
		Long: `Try a playbook on the incidents that the feed has kept, or on exported ones: which
it would have matched, and what it would have done about them. Each that it matches
is run as a plan, at the time of the incident, without waits; approvals count as
given and are listed, and guardrails are judged. The tenant is not asked, the store
is not changed: a backtest needs no network but that to a store in Redis.

Incidents are taken as they were opened: active, assigned to nobody, not classified,
without tags and comments; an alert that is new has no details of the audit log, and
is offered with them as detailed. That is computed from the newest revision, which is
all that is kept; --as kept takes that itself. A playbook that listens to changes only
is offered each incident once, as changed in all that it listens to. Rules are not
asked.

What actions read is answered, with --reads recorded, as it was in past runs on the
same incident (runs that did something, and shadows). What no run has asked is not
known: the step and what depends on it are skipped and counted as not judged, and an
action with effects is counted as one on what it acts upon ("assumed"). With --reads
practice the practice tenant answers, in this process: it knows its own made-up
company only.

--input reads exports instead of the store: a file, or a folder with *.json, *.jsonl
and *.ndjson. Each holds one incident, a list, or a page ({"value": […]}): bodies of
Graph (with $expand=alerts) or of Sentinel as their APIs send them, or what
` + "`stanch incidents show -o json`" + ` prints. What cannot be read is named, and the rest
goes on. Of an incident that comes again the first, by the order of the files, is
taken. Without --since all of them are taken.

--against OTHER tries another playbook on the same incidents, a file, an id, or the
digest of an edition (sha256:…, as ` + "`stanch runs show`" + ` has it), and tells what PLAYBOOK
would do more and fewer.

Exits 1 when a run of PLAYBOOK would fail, when its condition gives no answer, or
when an incident cannot be read; a difference is no failure. A playbook that
incidents and alerts do not start cannot be tried so: exit 3.`,
		Example: `  stanch backtest contain.yaml --since 30d
  stanch backtest contain-new.yaml --against contain.yaml --since 2026-10-01 --until 2026-11-01
  stanch backtest contain.yaml --against sha256:3c1f… --html backtest.html
  stanch backtest examples/contain-external-share.yaml --input examples/fixtures --reads practice`,
		Args: exactArgs(1),
		RunE: verb(func(ctx context.Context, args []string) error {
			o.playbook = args[0]
			return sh.backtest(ctx, o)
		}),
	}
	o.add(c)
	sh.storeFlag(c)
	sh.outputFlag(c)
	check := c.PreRunE
	c.PreRunE = func(cmd *cobra.Command, args []string) error {
		if o.input != "" && !cmd.Flags().Changed("since") {
			o.since = ""
		}
		return check(cmd, args)
	}
	return c
}

// add gives the command its flags.
func (o *backtestOptions) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.since, "since", "30d", "incidents opened since a `TIME` (2026-03-02, 2026-03-02T09:00:00Z) or within a duration (30d, 12h)")
	f.StringVar(&o.until, "until", "", "incidents opened before a `TIME`, or longer ago than a duration")
	f.StringVar(&o.against, "against", "", "the playbook to compare with: a file, an id, or the digest of an edition, as `OTHER`")
	f.StringVar(&o.input, "input", "", "exported incidents in a `FOLDER` or file, not those of the store")
	f.StringVar(&o.reads, "reads", "recorded", "`WHAT` answers what actions read: recorded, practice")
	f.StringVar(&o.as, "as", "opened", "`HOW` incidents are taken: opened, kept")
	f.StringArrayVar(&o.params, "param", nil, "parameter of the playbook as `NAME=VALUE`; may be repeated")
	f.StringVar(&o.page, "html", "", "write a page to read and pass on, without scripts, to `FILE`")
	for name, words := range map[string][]string{"reads": {"recorded", "practice"}, "as": {"opened", "kept"}} {
		_ = c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	}
}

func (sh *shell) backtest(ctx context.Context, o backtestOptions) error {
	t, err := sh.trial(ctx, o)
	if err != nil {
		return err
	}
	defer t.close()
	r, err := t.run(ctx)
	if err != nil {
		return err
	}
	if err := sh.printBacktest(r); err != nil {
		return err
	}
	if t.past != nil && t.past.skipped.Load() > 0 {
		sh.err.Printf("%s cannot be read by this version: what they read is not used\n", plural(int(t.past.skipped.Load()), "past run"))
	}
	for _, u := range t.unread {
		sh.err.Printf("not read: %s: %s\n", u.Where, u.Why)
	}
	if o.page != "" {
		if err := writePage(o.page, r); err != nil {
			return err
		}
		sh.err.Printf("wrote %s\n", o.page)
	}
	if r.fails() {
		return quietly(exitFailed)
	}
	return nil
}

// trial is a backtest that is ready to be made.
type trial struct {
	sh     *shell
	o      backtestOptions
	desk   *desk
	stored bool // there is a store
	opened rangeOf
	books  []rehearse.Candidate
	past   *pastRuns
	unread []notRead
	// repeated is how many times an incident came again.
	repeated int
	// recorded answers what past runs on an incident read; nil if there are none.
	recorded func(ctx context.Context, incident string) ([]engine.Answer, error)
}

// rangeOf bounds when incidents were opened; zero is no bound.
type rangeOf struct{ since, until time.Time }

func (r rangeOf) holds(at time.Time) bool {
	return !at.Before(r.since) && (r.until.IsZero() || at.Before(r.until))
}

// notRead is an incident that could not be read.
type notRead struct {
	Where string `json:"where"` // its file, with its place where that has several; or its id in the store
	Why   string `json:"why"`
}

// trial reads what the command line says, and opens the store if there is one to
// open.
func (sh *shell) trial(ctx context.Context, o backtestOptions) (*trial, error) {
	t := &trial{sh: sh, o: o}
	if err := t.flags(); err != nil {
		return nil, err
	}
	given, err := paramTexts(o.params)
	if err != nil {
		return nil, err
	}
	if t.desk, err = sh.desk(need{}); err != nil {
		return nil, err
	}
	book, err := sh.findBook(t.desk, o.playbook)
	if err != nil {
		return nil, err
	}
	if err := rehearse.MayTry(book); err != nil {
		return nil, err
	}
	if err := t.add(book, given); err != nil {
		return nil, err
	}
	err = sh.openStore(ctx, t.desk, need{looks: true, exists: true}, nil)
	_, none := errors.AsType[noStore](err)
	switch {
	case err == nil:
		t.stored = true
	case !none || o.input == "" || sh.storeURL != "":
		return nil, err
	}
	if err = t.other(ctx, given); err == nil {
		err = t.lookBack(ctx)
	}
	if err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// lookBack gets ready to answer what past runs read.
func (t *trial) lookBack(ctx context.Context) (err error) {
	if !t.stored || t.o.reads != "recorded" {
		return nil
	}
	if t.past, err = t.desk.pastRuns(ctx); err == nil {
		t.recorded = t.past.answers
	}
	return err
}

func (t *trial) flags() error {
	if !slices.Contains([]string{"recorded", "practice"}, t.o.reads) {
		return misused("--reads must be recorded or practice, not %q", t.o.reads)
	}
	if !slices.Contains([]string{"opened", "kept"}, t.o.as) {
		return misused("--as must be opened or kept, not %q", t.o.as)
	}
	now := time.Now()
	var err error
	if t.opened.since, err = moment("since", t.o.since, now); err != nil {
		return err
	}
	if t.opened.until, err = moment("until", t.o.until, now); err != nil {
		return err
	}
	if !t.opened.until.IsZero() && !t.opened.since.Before(t.opened.until) {
		return misused("--since %s is not before --until %s: that selects nothing", t.o.since, t.o.until)
	}
	return nil
}

// add makes a playbook one of those that are tried.
func (t *trial) add(book *playbooks.Playbook, given map[string]string) error {
	params, err := book.BindParams(given)
	if err != nil {
		return misused("%s: %v", book.File, err)
	}
	t.books = append(t.books, rehearse.Candidate{Book: book, Params: params})
	return nil
}

// other finds the playbook to compare with. It gets those of the params that it
// has.
func (t *trial) other(ctx context.Context, given map[string]string) error {
	if t.o.against == "" {
		return nil
	}
	var book *playbooks.Playbook
	var err error
	switch digest := strings.HasPrefix(t.o.against, "sha256:"); {
	case digest && !t.stored:
		return fmt.Errorf("--against %s names an edition, and there is no store that may have it: name one with --store", t.o.against)
	case digest:
		if book, err = t.desk.engine.Edition(ctx, t.o.against); errors.Is(err, engine.ErrNotFound) {
			err = fmt.Errorf("the store has no edition %s: `stanch runs show RUN -o json` tells that of a run", t.o.against)
		}
	default:
		book, err = t.sh.findBook(t.desk, t.o.against)
	}
	if err != nil {
		return err
	}
	if err := rehearse.MayTry(book); err != nil {
		return err
	}
	its := map[string]string{}
	for _, p := range book.Params {
		if value, is := given[p.Name]; is {
			its[p.Name] = value
		}
	}
	return t.add(book, its)
}

func (t *trial) close() {
	if t.past != nil {
		t.past.close()
	}
	if t.stored {
		t.desk.close()
	}
}

// run makes the backtest.
func (t *trial) run(ctx context.Context) (backtestReport, error) {
	roomyHeap()
	cfg := t.desk.cfg
	b := rehearse.Backtest{
		Books: t.books, World: world(nil, cfg), Recorded: t.recorded, AsKept: t.o.as == "kept",
		Guardrails: playbooks.Guardrails{MaxTargets: cfg.Guardrails.MaxTargets, Protect: cfg.Guardrails.Protect},
		Desk: func(func() time.Time) (rehearse.Desk, error) {
			catalog, err := catalogOf(clients{}, cfg.OwnDomains)
			return rehearse.Desk{Catalog: catalog}, err
		},
	}
	if t.o.reads == "practice" {
		b.Practice, b.Desk = true, rehearsalDesk(cfg)
		b.World.OwnDomains, b.World.Labels = rehearsalDomains(cfg), rehearsalLabels(cfg)
	}
	progress := t.sh.err.Progress("trying, incidents done", 0)
	defer progress.End()
	b.Done, b.Repeated = progress.Done, func(string) { t.repeated++ }
	tried, err := b.Run(ctx, t.incidents(ctx))
	if err != nil {
		return backtestReport{}, err
	}
	return t.report(tried), nil
}

// incidents are those that the backtest is about.
func (t *trial) incidents(ctx context.Context) iter.Seq2[incident.Incident, error] {
	if t.o.input != "" {
		return t.exported(ctx)
	}
	return t.kept(ctx)
}

// writePage writes the page to a file that only its owner may read: it names people
// and files.
func writePage(name string, r backtestReport) error {
	text, err := pageOf(r)
	if err != nil {
		return err
	}
	return os.WriteFile(name, text, 0o600)
}
