package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"stanch/cmd/stanch/internal/terminal"
	"stanch/connectors/incident"
	"stanch/connectors/practice"
	"stanch/engine"
	"stanch/examples"
	"stanch/playbooks"
	"stanch/triggers"
)

func demoCommand(sh *shell) *cobra.Command {
	var keep bool
	c := &cobra.Command{
		Use:     "demo",
		GroupID: "try",
		Short:   "Watch three incidents being contained, in a made-up company on this machine",
		Long: `Start a practice tenant and an engine in a temporary folder, let three incidents
come in, and watch what the example playbooks decide and do, and why. It needs
nothing, asks nothing, touches nothing outside its folder, and takes less than
15 seconds.`,
		Example: "  stanch demo\n  stanch demo --keep",
		Args:    noArgs,
		RunE:    verb(func(ctx context.Context, _ []string) error { return sh.demo(ctx, keep) }),
	}
	c.Flags().BoolVar(&keep, "keep", false, "leave the company, the store and the worker running afterwards, to explore, until Ctrl-C")
	return c
}

// scene is one incident of the demo.
type scene struct {
	tag     string // what its lines begin with
	fixture string
	story   string

	incident incident.Incident
	run      string
}

func scenes() []*scene {
	return []*scene{
		{tag: "payroll", fixture: "external-share", story: "A payroll workbook was shared by an anonymous link, and with people outside."},
		{tag: "usb", fixture: "mass-download", story: "Somebody downloads design drawings and copies them to a USB stick."},
		{tag: "sharing", fixture: "oversharing", story: "40 files with personal data are open to far more people than they should be."},
	}
}

// stage is where the demo plays.
type stage struct {
	sh     *shell
	dir    string
	served *practiceServer
	desk   *desk
	books  []*playbooks.Playbook
	feed   *triggers.Feed
	scenes []*scene

	mu sync.Mutex // one line at a time
}

func (sh *shell) demo(ctx context.Context, keep bool) error {
	dir, err := os.MkdirTemp("", "stanch-demo-")
	if err != nil {
		return fmt.Errorf("a folder for the demo: %w", err)
	}
	defer os.RemoveAll(dir)
	s, err := sh.stage(ctx, dir)
	if err != nil {
		return err
	}
	defer s.desk.close()
	err = alongside(ctx, s.served.serve, func(ctx context.Context) error {
		return alongside(ctx, s.desk.engine.Work, func(ctx context.Context) error {
			if err := s.play(ctx, keep); err != nil || !keep {
				return err
			}
			return s.feed.Run(ctx)
		})
	})
	if keep && errors.Is(context.Cause(ctx), errInterrupted) {
		return nil
	}
	return err
}

// stage sets everything up: the examples on disk, the company, the store.
func (sh *shell) stage(ctx context.Context, dir string) (*stage, error) {
	company, err := quietCompany()
	if err != nil {
		return nil, err
	}
	s := &stage{sh: sh, dir: dir, scenes: scenes()}
	if s.served, err = openPractice("127.0.0.1:0", dir, practice.Options{Company: company}); err != nil {
		return nil, err
	}
	if err := s.unpack(); err != nil {
		return nil, fmt.Errorf("the demo's folder: %w", err)
	}
	// What the person has configured is theirs; the demo has its own.
	sh.configFile, sh.storeURL = filepath.Join(dir, "practice.yaml"), "sqlite:"+filepath.Join(dir, "stanch.db")
	if s.desk, err = sh.open(ctx, need{tenant: true, works: true}, nil); err != nil {
		return nil, err
	}
	found, err := loadBooks([]string{dir}, world(s.desk.catalog, s.desk.cfg))
	if err != nil {
		return nil, err
	}
	if s.books, err = found.usable(); err != nil {
		return nil, err
	}
	s.feed = &triggers.Feed{
		Graph: s.desk.tenant.graph, Engine: s.desk.engine, Store: s.desk.store, Docs: s.desk.store, Books: s.books,
		Poll: time.Second, Since: time.Now().Add(-time.Minute), Holder: "demo",
	}
	return s, nil
}

// quietCompany is the built-in company before anything has happened.
func quietCompany() ([]byte, error) {
	c := practice.Contoso(0)
	c.Incidents = nil
	return json.Marshal(c)
}

// unpack writes the examples, the certificate to trust, and a configuration
// that points at this company and this store.
func (s *stage) unpack() error {
	if err := os.CopyFS(s.dir, examples.Files); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.dir, "ca.pem"), s.served.ca, 0o600); err != nil {
		return err
	}
	file := filepath.Join(s.dir, "practice.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	pointed := pointedAt(string(text), s.served.address()) + "\nstore: sqlite:stanch.db\n"
	return os.WriteFile(file, []byte(pointed), 0o600)
}

// pointedAt makes practice.yaml the configuration of the practice tenant at
// another address, whose certificate is in ca.pem beside it.
func pointedAt(config, address string) string {
	const usual = "\n  cloud: practice\n"
	return strings.Replace(config, usual, usual+"  authority: https://"+address+"\n  ca: ca.pem\n", 1)
}

func (s *stage) play(ctx context.Context, keep bool) error {
	before, err := s.look()
	if err != nil {
		return err
	}
	s.say(terminal.Bold, "A made-up company, on this machine only")
	s.printf("  %s: %d people, %d devices, %d files in SharePoint; served at https://%s\n\n",
		before.Name, len(before.Users), len(before.Devices), before.files(), s.served.address())
	if err := s.arrive(ctx); err != nil {
		return err
	}
	s.say(terminal.Bold, "What the playbooks do about them")
	s.printf("  Every line was recorded on disk before it was sent, and can be undone.\n")
	if err := s.watch(ctx); err != nil {
		return err
	}
	after, err := s.look()
	if err != nil {
		return err
	}
	s.say(terminal.Bold, "\nBefore and after, as the company itself tells it")
	s.sh.out.Table(compared(s.scenes, before, after))
	s.further(keep)
	return nil
}

func (s *stage) say(style terminal.Style, text string) {
	s.sh.out.Line(terminal.Text{Style: style, Text: text})
}

func (s *stage) printf(format string, args ...any) { s.sh.out.Printf(format, args...) }

// arrive lets the incidents come in and shows which playbook each concerns.
func (s *stage) arrive(ctx context.Context) error {
	s.say(terminal.Bold, "Three incidents come in from Microsoft Defender")
	for _, sc := range s.scenes {
		if err := s.inject(sc); err != nil {
			return err
		}
	}
	if _, err := s.feed.PollOnce(ctx); err != nil {
		return err
	}
	for _, sc := range s.scenes {
		if err := s.whom(ctx, sc); err != nil {
			return err
		}
	}
	s.printf("\n")
	return nil
}

// inject puts a fixture into the company as a new incident.
func (s *stage) inject(sc *scene) error {
	body, err := fs.ReadFile(examples.Files, "fixtures/"+sc.fixture+".json")
	if err != nil {
		return err
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(body, &fields); err != nil {
		return fmt.Errorf("%s: %w", sc.fixture, err)
	}
	for _, key := range []string{"id", "createdDateTime", "lastUpdateDateTime"} {
		delete(fields, key) // so that it is new, and happens now
	}
	if body, err = json.Marshal(fields); err != nil {
		return err
	}
	id, err := s.served.tenant.Inject(body)
	if err != nil {
		return fmt.Errorf("%s: %w", sc.fixture, err)
	}
	sc.incident.ID = incident.NewID(incident.Defender, id)
	return nil
}

// whom tells which playbooks the incident concerns, and why not the others.
func (s *stage) whom(ctx context.Context, sc *scene) error {
	var err error
	if sc.incident, err = triggers.Incident(ctx, s.desk.store, sc.incident.ID); err != nil {
		return err
	}
	s.printf("  [%s] %s, severity %s: %s\n", sc.tag, sc.incident.ID, sc.incident.Severity, sc.story)
	raw, err := json.Marshal(sc.incident)
	if err != nil {
		return err
	}
	event := playbooks.Event{Trigger: "incident", Kind: "created", At: sc.incident.UpdatedAt, Incident: raw}
	for _, book := range s.books {
		if book.On.Incident == nil {
			continue
		}
		names, err := book.EventNames(event)
		if err != nil {
			return err
		}
		v, err := book.Matches(event, names, s.desk.cfg.OwnDomains, time.Now())
		if err != nil {
			return err
		}
		mark := terminal.Text{Style: terminal.Faint, Text: "does not concern it"}
		if v.Matched {
			mark = terminal.Text{Style: terminal.Green, Text: "starts"}
		}
		s.sh.out.Line("      ", book.ID, " ", mark)
		if v.Matched {
			s.sh.out.Line("        because ", strings.TrimPrefix(v.Because, "on.incident.if is true: "))
		}
	}
	runs, _, err := s.desk.runs(ctx, runFilter{subject: sc.incident.ID})
	if err != nil {
		return err
	}
	if len(runs) != 1 {
		return fmt.Errorf("%s has started %s, not 1", sc.incident.ID, plural(len(runs), "run"))
	}
	sc.run = runs[0].ID
	return nil
}

// watch follows all runs until they have ended.
func (s *stage) watch(ctx context.Context) error {
	errs := make([]error, len(s.scenes))
	var wg sync.WaitGroup
	for i, sc := range s.scenes {
		wg.Go(func() { errs[i] = s.watchOne(ctx, sc) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (s *stage) watchOne(ctx context.Context, sc *scene) error {
	t := &teller{stage: s, scene: sc, told: map[string]int{}, seen: map[string]bool{}}
	run, err := s.desk.engine.Await(ctx, sc.run, func(r engine.Run) { t.tell(ctx, r) })
	switch {
	case err != nil:
		return err
	case t.err != nil:
		return t.err
	}
	t.end(run)
	if run.Status != "succeeded" {
		why := ""
		if run.Error != nil {
			why = ": " + faultText(*run.Error)
		}
		return &exitError{exitFailed, fmt.Errorf("run %s %s%s", run.ID, run.Status, why)}
	}
	return nil
}

// further names the commands to look on. Only a company that is kept can be
// looked at.
func (s *stage) further(kept bool) {
	s.say(terminal.Bold, "\nLook further")
	t := table("", "")
	if kept {
		here := " --config " + s.sh.configFile
		t.Add("stanch runs show "+s.scenes[0].run+here, "every step and effect, with the state before")
		t.Add("stanch undo "+s.scenes[0].run+here, "take the first run back")
		t.Add("stanch incidents list"+here, "the queue")
		t.Add("curl http://"+s.served.address()+"/practice/audit", "what the company saw change")
	} else {
		t.Add("stanch demo --keep", "the same, left running for you to look at and to undo")
		t.Add("stanch actions", "what playbooks can do")
		t.Add("stanch lint --help", "how to write your own")
	}
	s.sh.facts(t)
	if kept {
		s.printf("\nAll of it stays until Ctrl-C.\n")
	}
}
