package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"stanch/cmd/stanch/internal/terminal"
	"stanch/connectors/evidence"
)

func evidenceCommand(sh *shell) *cobra.Command {
	c := &cobra.Command{
		Use:     "evidence",
		GroupID: "look",
		Short:   "Look at what was downloaded for incidents",
		Long: `Look at what mail.download and files.download have kept: encrypted, by the
SHA-256 of its content, in the folder or bucket of the configuration's evidence.
Who lists, reads or checks it is written into the audit log of the store.`,
		Example: `  stanch evidence list
  stanch evidence get 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 --to mail.eml
  stanch evidence verify`,
	}
	c.AddCommand(evidenceList(sh), evidenceGet(sh), evidenceVerify(sh))
	return c
}

// vault opens the evidence store, and the store that records who looks.
func (sh *shell) vault(ctx context.Context) (*desk, *evidence.Vault, error) {
	d, err := sh.desk(need{})
	if err != nil {
		return nil, nil, err
	}
	if d.tenant.evidence, err = vaultOf(d.cfg); err != nil {
		return nil, nil, fmt.Errorf("evidence: %w", err)
	}
	if d.tenant.evidence == nil {
		return nil, nil, errors.New("there is no evidence store: give `evidence` with a dir or a bucket and a key in the operator's file")
	}
	if err := sh.openStore(ctx, d, need{}, nil); err != nil {
		return nil, nil, err
	}
	return d, d.tenant.evidence, nil
}

func evidenceList(sh *shell) *cobra.Command {
	c := &cobra.Command{
		Use:     "list",
		Short:   "List what is kept, the newest first",
		Example: "  stanch evidence list --output json",
		Args:    noArgs,
		RunE: verb(func(ctx context.Context, _ []string) error {
			d, v, err := sh.vault(ctx)
			if err != nil {
				return err
			}
			defer d.close()
			items, err := v.List(ctx, operator())
			if err != nil {
				return err
			}
			return sh.print(items, func() { sh.evidenceTable(items) })
		}),
	}
	sh.storeFlag(c)
	sh.outputFlag(c)
	return c
}

func (sh *shell) evidenceTable(items []evidence.Item) {
	if len(items) == 0 {
		sh.out.Printf("nothing is kept\n")
		return
	}
	t := table("SHA256", "SIZE", "KEPT", "UNTIL", "RUN", "NAME")
	for _, i := range items {
		name := i.About.Name
		if i.Unread != "" {
			name = "unreadable: " + i.Unread
		}
		t.Add(i.SHA256, fmt.Sprint(i.Size), instant(i.KeptAt), instant(i.Until), i.About.Run, name)
	}
	sh.out.Table(t)
}

func evidenceGet(sh *shell) *cobra.Command {
	var to string
	c := &cobra.Command{
		Use:   "get SHA256",
		Short: "Write the content of an item to a file",
		Long: `Write the content of an item, decrypted, to a file that only you can read. It is
there once the content has proved whole. What it holds may be hostile: open it
where that does no harm.`,
		Example: "  stanch evidence get 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 --to mail.eml",
		Args:    exactArgs(1),
		RunE: verb(func(ctx context.Context, args []string) error {
			if to == "" {
				return misused("give --to: the file to write")
			}
			d, v, err := sh.vault(ctx)
			if err != nil {
				return err
			}
			defer d.close()
			item, err := gotten(ctx, v, args[0], to)
			if err == nil {
				sh.err.Printf("%s: %d bytes, whole\n", to, item.Size)
			}
			return err
		}),
	}
	c.Flags().StringVar(&to, "to", "", "`FILE` to write, which must not be there")
	sh.storeFlag(c)
	return c
}

// gotten writes an item to a new file, whole or not at all.
func gotten(ctx context.Context, v *evidence.Vault, name, to string) (item evidence.Item, err error) {
	if _, err := os.Lstat(to); err == nil {
		return item, fmt.Errorf("%s is there already: name a new file", to)
	}
	f, err := os.CreateTemp(filepath.Dir(to), ".evidence-*") // 0600
	if err != nil {
		return item, err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	item, err = v.Get(ctx, name, operator(), f)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return item, err
	}
	return item, os.Link(f.Name(), to) // fails if it has come meanwhile
}

// checked is what `stanch evidence verify` answers of an item.
type checked struct {
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
	Whole  bool   `json:"whole"`
	Why    string `json:"why,omitempty"`
}

func evidenceVerify(sh *shell) *cobra.Command {
	c := &cobra.Command{
		Use:     "verify [SHA256…]",
		Short:   "Read items, all if none is named, and say whether they are whole",
		Long:    "Decrypt items and compare them with their SHA-256: all, if none is named. Exits 1\nwhen one is not whole.",
		Example: "  stanch evidence verify",
		RunE: verb(func(ctx context.Context, args []string) error {
			d, v, err := sh.vault(ctx)
			if err != nil {
				return err
			}
			defer d.close()
			all, err := verified(ctx, v, args)
			if err != nil {
				return err
			}
			if err := sh.print(all, func() { sh.checkedTable(all) }); err != nil {
				return err
			}
			for _, one := range all {
				if !one.Whole {
					return quietly(exitFailed)
				}
			}
			return nil
		}),
	}
	sh.storeFlag(c)
	sh.outputFlag(c)
	return c
}

func verified(ctx context.Context, v *evidence.Vault, names []string) ([]checked, error) {
	if len(names) == 0 {
		items, err := v.List(ctx, operator())
		if err != nil {
			return nil, err
		}
		for _, i := range items {
			names = append(names, i.SHA256)
		}
	}
	all := []checked{}
	for _, name := range names {
		item, err := v.Verify(ctx, name, operator())
		one := checked{SHA256: name, Size: item.Size, Whole: err == nil}
		if err != nil {
			one.Why = err.Error()
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		all = append(all, one)
	}
	return all, nil
}

func (sh *shell) checkedTable(all []checked) {
	whole := 0
	for _, one := range all {
		if one.Whole {
			whole++
			continue
		}
		sh.out.Line(terminal.Text{Style: terminal.Red, Text: "not whole: "}, one.Why)
	}
	sh.out.Printf("%d of %d items are whole\n", whole, len(all))
}
