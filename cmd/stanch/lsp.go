package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"stanch/cmd/stanch/internal/lsp"
	"stanch/playbooks"
)

// mostNeighbours is how many files of the editor's folders are read for the
// playbooks that others may call.
const mostNeighbours = 2000

func lspCommand(sh *shell) *cobra.Command {
	return &cobra.Command{
		Use:     "lsp",
		GroupID: "write",
		Short:   "Serve an editor: findings, hover, completion, rename",
		Long: `Serve an editor by the Language Server Protocol on standard input and output:
findings as you type, types and documentation under the cursor, completion in
YAML and in expressions, go to definition, references, rename, format, and
fixes. Editors start it themselves; say to them that files of type yaml are
served by ` + "`stanch lsp`" + `.

Exits 0 after shutdown and exit, 1 when the editor leaves without them.`,
		Args: noArgs,
		RunE: verb(func(ctx context.Context, _ []string) error { return sh.lsp(ctx) }),
	}
}

func (sh *shell) lsp(ctx context.Context) error {
	cfg, err := sh.config()
	if err != nil {
		return err
	}
	catalog, err := catalogOf(clients{}, nil)
	if err != nil {
		return err
	}
	base := world(catalog, cfg)
	err = lsp.Serve(ctx, until{ctx, sh.in}, sh.out.Raw(), lsp.Options{
		Version: thisBuild().Version,
		World: func(folders []string) playbooks.World {
			w := base
			w.Calls = neighbours(folders)
			return w
		},
	})
	if errors.Is(err, lsp.ErrNoShutdown) {
		return &exitError{code: exitFailed, err: err}
	}
	return err
}

// neighbours are the playbooks below folders, by id. What cannot be read is
// left out: its own findings say why when it is opened.
func neighbours(folders []string) map[string]playbooks.Source {
	all := map[string]playbooks.Source{}
	read := 0
	for _, folder := range folders {
		files, err := playbookFiles(folder)
		if err != nil {
			continue
		}
		for _, file := range files {
			if read++; read > mostNeighbours {
				return all
			}
			text, err := readFile(file, maxPlaybook)
			if err != nil || !looksLikePlaybook.Match(text) {
				continue
			}
			if p, _ := playbooks.Load(file, text); p != nil && p.ID != "" {
				all[p.ID] = playbooks.Source{File: file, Text: text}
			}
		}
	}
	return all
}
