package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"stanch/cmd/stanch/internal/terminal"
	"stanch/playbooks"
)

type fmtOptions struct {
	paths []string
	check bool
	diff  bool
}

func fmtCommand(sh *shell) *cobra.Command {
	var o fmtOptions
	c := &cobra.Command{
		Use:     "fmt [PATH…]",
		GroupID: "write",
		Short:   "Write playbooks in the one form in which all are written",
		Long: `Write playbooks, their tests, rules and lists in the one form in which all are
written: keys in their order, two blanks of indentation, expressions quoted
where a comma could cut them, a modeline that names the schema to editors.
Comments stay, and what a file means never changes. A file that cannot be read
is left as it is, and said.

A PATH is a file, a folder, or - for standard input, which is answered on
standard output; without one it is the folder you are in. The files that were
changed are named.

With --check nothing is written: exits 1 and names the files that would change.`,
		Example: `  stanch fmt
  stanch fmt --check examples
  stanch fmt --diff contain.yaml
  stanch fmt - < contain.yaml`,
		RunE: verb(func(ctx context.Context, args []string) error {
			o.paths = args
			return sh.format(ctx, o)
		}),
	}
	c.Flags().BoolVar(&o.check, "check", false, "write nothing; exit 1 if a file would change")
	c.Flags().BoolVar(&o.diff, "diff", false, "write nothing; print what would change")
	return c
}

// format formats what the options name and tells what became of it.
func (sh *shell) format(ctx context.Context, o fmtOptions) error {
	if len(o.paths) == 0 {
		o.paths = []string{"."}
	}
	changed, refused := false, false
	one := func(file string, text []byte) ([]byte, bool) {
		out, findings := playbooks.Format(file, text)
		for _, f := range findings {
			sh.err.Line(f.Text())
		}
		refused = refused || len(findings) > 0
		return out, len(findings) == 0
	}
	for _, p := range o.paths {
		if p == "-" {
			text, err := readAll(until{ctx, sh.in}, "standard input", maxPlaybook)
			if err != nil {
				return err
			}
			out, ok := one("-", text)
			if !ok {
				continue
			}
			changed = changed || !bytes.Equal(text, out)
			sh.show(o, "-", text, out)
			continue
		}
		files, err := languageFiles(p)
		if err != nil {
			return err
		}
		for _, file := range files {
			text, err := readFile(file, maxPlaybook)
			if err != nil {
				return err
			}
			if file != p && !looksLikeOurs(file, text) {
				continue
			}
			out, ok := one(file, text)
			if !ok || bytes.Equal(text, out) {
				continue
			}
			changed = true
			if err := sh.formatted(o, file, text, out); err != nil {
				return err
			}
		}
	}
	if refused || o.check && changed {
		return quietly(exitFailed)
	}
	return nil
}

// show answers what came in on standard input.
func (sh *shell) show(o fmtOptions, name string, text, out []byte) {
	switch {
	case o.diff:
		if !bytes.Equal(text, out) {
			sh.difference(name, text, out)
		}
	case !o.check:
		_, _ = sh.out.Raw().Write(out) // what could not be written is told at the end
	case !bytes.Equal(text, out):
		sh.out.Line(name)
	}
}

// formatted writes a file, or tells that it would be written.
func (sh *shell) formatted(o fmtOptions, file string, text, out []byte) error {
	if o.diff {
		sh.difference(file, text, out)
		return nil
	}
	sh.out.Line(file)
	if o.check {
		return nil
	}
	return replaceFile(file, text, out)
}

// looksLikeOurs reports whether a file found in a folder is one of the
// language. One that cannot be read is told if its first keys say so.
func looksLikeOurs(file string, text []byte) bool {
	if playbooks.KindOfFile(text) != playbooks.OtherFile {
		return true
	}
	_, findings := playbooks.Format(file, text)
	return len(findings) > 0 && looksLikePlaybook.Match(text)
}

// languageFiles answers the YAML files of a path, tests included, in order of
// names.
func languageFiles(p string) ([]string, error) {
	info, err := os.Stat(p)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{p}, nil
	}
	var files []string
	err = filepath.WalkDir(p, func(file string, d fs.DirEntry, err error) error {
		hidden := strings.HasPrefix(d.Name(), ".") && file != p
		switch ext := filepath.Ext(file); {
		case err != nil:
			return err
		case d.IsDir() && hidden:
			return filepath.SkipDir
		case d.IsDir() || hidden || !d.Type().IsRegular():
		case ext == ".yaml" || ext == ".yml":
			files = append(files, file)
		}
		return nil
	})
	return files, err
}

// errChanged says that somebody wrote the file meanwhile.
var errChanged = errors.New("was changed by somebody else meanwhile; it is left as it is")

// replaceFile writes a file anew under its name, all or nothing, with the mode
// that it had. A link stays a link: what it points to is written.
func replaceFile(file string, was, now []byte) (err error) {
	target, err := filepath.EvalSymlinks(file)
	if err != nil {
		return err
	}
	info, err := os.Stat(target)
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(target), ".stanch-fmt-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = temp.Close()
			_ = os.Remove(temp.Name())
		}
	}()
	if _, err = temp.Write(now); err != nil {
		return err
	}
	if err = temp.Chmod(info.Mode().Perm()); err != nil {
		return err
	}
	if err = temp.Sync(); err != nil {
		return err
	}
	if err = temp.Close(); err != nil {
		return err
	}
	current, err := readFile(target, maxPlaybook)
	if err == nil && !bytes.Equal(current, was) {
		err = fmt.Errorf("%s %w", file, errChanged)
	}
	if err != nil {
		return err
	}
	return os.Rename(temp.Name(), target)
}

// difference prints two texts as a unified diff.
func (sh *shell) difference(file string, was, now []byte) {
	for line := range strings.Lines(string(diff.Diff(file, was, file, now))) {
		style := terminal.Plain
		switch {
		case strings.HasPrefix(line, "diff "): // names the files as the next two lines do
			continue
		case strings.HasPrefix(line, "---"), strings.HasPrefix(line, "+++"):
		case strings.HasPrefix(line, "-"):
			style = terminal.Red
		case strings.HasPrefix(line, "+"):
			style = terminal.Green
		}
		sh.out.Line(terminal.Text{Style: style, Text: strings.TrimRight(line, "\r\n")})
	}
}
