package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stanch/cmd/stanch/internal/config"
	"stanch/cmd/stanch/internal/terminal"
	"stanch/playbooks"
	"stanch/playbooks/sentinelrules"
)

// maxRules bounds a file of automation rules, in bytes; Sentinel has 512 at most.
const maxRules = 16 << 20

type importOptions struct {
	file   string
	live   bool
	out    string
	runs   map[string]string
	force  bool
	strict bool
}

func importCommand(sh *shell) *cobra.Command {
	c := &cobra.Command{
		Use:     "import",
		GroupID: "write",
		Short:   "Carry over what other products have",
		Long:    `Carry over what other products have, and tell what of it could not be.`,
		Example: "  stanch import sentinel-rules rules.json",
	}
	c.AddCommand(importSentinelRules(sh))
	return c
}

func importSentinelRules(sh *shell) *cobra.Command {
	var o importOptions
	c := &cobra.Command{
		Use:   "sentinel-rules [FILE]",
		Short: "Make rules of the automation rules of Microsoft Sentinel",
		Long: `Make a rule of each automation rule of Microsoft Sentinel, in files to keep with
playbooks. FILE holds what the API answers for one rule or for all, or what the
portal exports; - is standard input. With --live they are read from the workspace
of the configuration; nothing is changed there.

A rule decides as Sentinel's does, or for fewer incidents. What cannot be carried
over is told, with what to do instead, and written into the file; where the rule
could mean more without it, the rule is written with enabled: false.

A file that is there and differs is not written over, unless with --force: then
nothing is written. Exits 0 when rules were written, however much was left out;
with --strict 1 when anything was not carried over as it is.`,
		Example: `  stanch import sentinel-rules automation-rules.json
  stanch import sentinel-rules --live --config stanch.yaml --out rules
  stanch import sentinel-rules rules.json --run tell-the-officers=notify-officers
  stanch import sentinel-rules rules.json --output json`,
		Args: func(cmd *cobra.Command, args []string) error { return argCount(cmd, args, 0, 1) },
		RunE: verb(func(ctx context.Context, args []string) error {
			if o.live == (len(args) == 1) {
				return misused("give either a file of automation rules or --live")
			}
			if !o.live {
				o.file = args[0]
			}
			return sh.importSentinelRules(ctx, o)
		}),
	}
	c.Flags().BoolVar(&o.live, "live", false, "read them from the workspace of the configuration")
	c.Flags().StringVar(&o.out, "out", "rules", "`FOLDER` to write the rules to")
	c.Flags().StringToStringVar(&o.runs, "run", nil, "the playbook that does a Logic App's work: `APP=PLAYBOOK`; one that is called alike needs none")
	c.Flags().BoolVar(&o.force, "force", false, "write over files that differ")
	c.Flags().BoolVar(&o.strict, "strict", false, "exit 1 when anything was not carried over as it is")
	sh.outputFlag(c)
	return c
}

// importedRule is a rule with its file; "" if there is none.
type importedRule struct {
	sentinelrules.Rule
	File string `json:"file,omitempty"`
}

func (sh *shell) importSentinelRules(ctx context.Context, o importOptions) error {
	cfg, err := sh.config()
	if err != nil {
		return err
	}
	sources, err := sh.automationRules(ctx, cfg, o)
	if err != nil {
		return err
	}
	catalog, err := catalogOf(clients{}, nil)
	if err != nil {
		return err
	}
	known, err := knownBooks(cfg)
	if err != nil {
		return err
	}
	rules := []importedRule{}
	notes := 0
	for _, r := range sentinelrules.Translate(sources, sentinelrules.Options{Runs: o.runs, Known: known, Now: time.Now(), World: world(catalog, cfg)}) {
		one := importedRule{Rule: r}
		if r.Text != nil {
			one.File = filepath.Join(o.out, r.Name+".yaml")
		}
		rules = append(rules, one)
		notes += len(r.Notes)
	}
	if err := writeRules(rules, o); err != nil {
		return err
	}
	if err := sh.print(rules, func() { sh.importedTable(rules) }); err != nil {
		return err
	}
	if o.strict && notes > 0 {
		return quietly(exitFailed)
	}
	return nil
}

// automationRules reads the rules of a file, or of the workspace.
func (sh *shell) automationRules(ctx context.Context, cfg *config.Config, o importOptions) ([]sentinelrules.Source, error) {
	if o.live {
		tenant, err := connect(cfg)
		if err != nil {
			return nil, err
		}
		if tenant.sentinel == nil {
			return nil, fmt.Errorf("no workspace: name it as `sentinel` in the operator's file")
		}
		rules, err := tenant.sentinel.Rules(ctx)
		if err != nil {
			return nil, err
		}
		var all []sentinelrules.Source
		for _, r := range rules {
			one, err := sentinelrules.Read(r.Raw)
			if err != nil {
				return nil, fmt.Errorf("automation rule %s: %w", r.Name, err)
			}
			all = append(all, one...)
		}
		return all, nil
	}
	text, name, err := sh.ruleText(ctx, o.file)
	if err != nil {
		return nil, err
	}
	all, err := sentinelrules.Read(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return all, nil
}

// ruleText reads a file, or standard input, and answers how it is called.
func (sh *shell) ruleText(ctx context.Context, file string) (text []byte, name string, err error) {
	if file == "-" {
		text, err = readAll(until{ctx, sh.in}, "standard input", maxRules)
		return text, "standard input", err
	}
	text, err = readFile(file, maxRules)
	return text, file, err
}

// knownBooks are the ids of the configuration's playbooks. One that cannot be
// read has none; `stanch lint` says why.
func knownBooks(cfg *config.Config) ([]string, error) {
	var ids []string
	for _, p := range cfg.Playbooks {
		files, err := playbookFiles(p)
		if err != nil {
			return nil, fmt.Errorf("playbooks: %w", err)
		}
		for _, file := range files {
			text, err := readFile(file, maxPlaybook)
			if err != nil {
				return nil, err
			}
			if playbooks.KindOfFile(text) != playbooks.PlaybookFile {
				continue
			}
			if b, _ := playbooks.Load(file, text); b != nil && b.ID != "" {
				ids = append(ids, b.ID)
			}
		}
	}
	return ids, nil
}

// writeRules writes the files, or none if one is there that differs.
func writeRules(rules []importedRule, o importOptions) error {
	var differ []string
	for _, r := range rules {
		if r.File == "" {
			continue
		}
		was, err := readFile(r.File, maxPlaybook)
		switch {
		case os.IsNotExist(err):
		case err != nil:
			return err
		case !slices.Equal(was, r.Text):
			differ = append(differ, r.File)
		}
	}
	if len(differ) > 0 && !o.force {
		return fmt.Errorf("%s: there is another file of this name; nothing was written: give another --out, or --force to write over it", strings.Join(differ, ", "))
	}
	if err := os.MkdirAll(o.out, 0o750); err != nil {
		return err
	}
	for _, r := range rules {
		if r.File == "" {
			continue
		}
		if err := os.WriteFile(r.File, r.Text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (sh *shell) importedTable(rules []importedRule) {
	written, enabled := 0, 0
	t := table("ORDER", "RULE", "ENABLED", "FILE")
	for _, r := range rules {
		state := terminal.Text{Style: terminal.Green, Text: "yes"}
		if !r.Enabled {
			state = terminal.Text{Style: terminal.Yellow, Text: "no"}
		}
		order, file := any(fmt.Sprint(r.Order)), r.File
		if file == "" {
			order, file, state = "–", "–", terminal.Text{Style: terminal.Red, Text: "–"}
		} else {
			written++
		}
		if r.Enabled {
			enabled++
		}
		t.Add(order, r.Title, state, file)
	}
	sh.out.Table(t)
	notes := table("RULE", "WHAT", "IS", "WHY", "INSTEAD")
	for _, r := range rules {
		for _, n := range r.Notes {
			notes.Add(r.Title, n.Part, n.Effect, n.Why, n.Do)
		}
	}
	if len(notes.Rows) > 0 {
		sh.out.Printf("\nnot carried over as it is\n")
		sh.out.Table(notes)
	}
	sh.err.Printf("%s written, %d enabled, of %s; %s\n", plural(written, "rule"), enabled, plural(len(rules), "automation rule"), plural(len(notes.Rows), "note"))
}
