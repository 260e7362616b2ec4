package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"stanch/cmd/stanch/internal/config"
	"stanch/cmd/stanch/internal/terminal"
	"stanch/playbooks"
)

func permissionsCommand(sh *shell) *cobra.Command {
	var offline bool
	c := &cobra.Command{
		Use:     "permissions [PLAYBOOK…]",
		GroupID: "write",
		Short:   "Tell the least permissions that playbooks need, and whether the app has them",
		Long: `Tell the least application permissions that playbooks need: those of their
actions, of what they call, of looking at effects afterwards and of undo, and of
the trigger. A PLAYBOOK is a file or a folder; without one it is those of the
configuration, else the folder you are in.

With a tenant in the configuration they are held against the roles in the app's
tokens: what is missing, what is more than needed, and how an administrator grants
what is missing. Roles of Azure stand in no token.

Exits 1 when a permission is missing.`,
		Example: `  stanch permissions examples/*.yaml
  stanch permissions --config stanch.yaml
  stanch permissions contain.yaml --offline --output json`,
		RunE: verb(func(ctx context.Context, args []string) error {
			return sh.permissions(ctx, args, offline)
		}),
	}
	c.Flags().BoolVar(&offline, "offline", false, "do not sign in: tell only what is needed, and how to grant it")
	sh.outputFlag(c)
	return c
}

func (sh *shell) permissions(ctx context.Context, paths []string, offline bool) error {
	cfg, err := sh.config()
	if err != nil {
		return err
	}
	books, err := sh.booksFor(cfg, paths)
	if err != nil {
		return err
	}
	sheet := needs(books, cfg)
	if cfg.HasTenant() && !offline {
		who, err := signIn(cfg.Tenant)
		if err != nil {
			return err
		}
		t, err := who.look(ctx, sheet.apis())
		if err != nil {
			return err
		}
		sheet.against(t)
	}
	sheet.Consent = sheet.consent(cfg.Tenant)
	if err := sh.print(sheet, func() { sh.permissionTable(sheet) }); err != nil {
		return err
	}
	if len(sheet.missing()) > 0 {
		return quietly(exitFailed)
	}
	return nil
}

// booksFor loads the playbooks of paths, else those of the configuration, else
// those of the working folder. Of a glob's files those that are no playbooks are
// left out.
func (sh *shell) booksFor(cfg *config.Config, paths []string) ([]*playbooks.Playbook, error) {
	catalog, err := catalogOf(clients{}, nil)
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		paths = cfg.Playbooks
	}
	if len(paths) == 0 {
		paths = []string{"."}
	}
	var named []string
	for _, p := range paths {
		is, err := namesBook(p)
		if err != nil {
			return nil, err
		}
		if is {
			named = append(named, p)
		} else {
			sh.err.Printf("note: %s is not a playbook: left out\n", p)
		}
	}
	s, err := loadBooks(named, world(catalog, cfg))
	if err != nil {
		return nil, err
	}
	books, err := s.usable()
	if err == nil && len(books) == 0 {
		err = fmt.Errorf("no playbooks in %s", strings.Join(paths, ", "))
	}
	return books, err
}

// namesBook reports whether p is a folder or a file that looks like a playbook.
func namesBook(p string) (bool, error) {
	info, err := os.Stat(p)
	if err != nil || info.IsDir() {
		return err == nil, err
	}
	text, err := readFile(p, maxPlaybook)
	return err == nil && !isTest(p) && looksLikePlaybook.Match(text), err
}

func (sh *shell) permissionTable(p permissionSheet) {
	head := []string{"API", "PERMISSION", "HELD", "FOR"}
	if len(p.Apps) == 0 {
		head = slices.Delete(head, 2, 3)
	}
	t := table(head...)
	for _, n := range p.Needed {
		held := terminal.Text{Style: terminal.Green, Text: n.Held}
		switch n.Held {
		case heldNo:
			held.Style = terminal.Red
		case heldUnknown:
			held.Style = terminal.Yellow
		}
		if n.As != "" {
			held.Text += ", as " + n.As
		}
		use := strings.Join(n.For, ", ")
		if n.When != "" {
			use += ", only " + n.When
		}
		row := []any{n.API, n.Permission, held, use}
		if len(p.Apps) == 0 {
			row = slices.Delete(row, 2, 3)
		}
		t.Add(row...)
	}
	sh.out.Table(t)
	if len(p.TooMuch) > 0 {
		sh.out.Printf("\nmore than these playbooks need\n")
		more := table("", "", "")
		for _, x := range p.TooMuch {
			instead := ""
			if x.Instead != "" {
				instead = x.Instead + " would do"
			}
			more.Add(x.API, x.Permission, instead)
		}
		sh.facts(more)
	}
	if len(p.Consent) > 0 {
		sh.out.Printf("\nto grant it, as an administrator of the tenant\n")
		for _, line := range p.Consent {
			sh.out.Printf("  %s\n", line)
		}
	}
}
