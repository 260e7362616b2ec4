package main

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"stanch/actions"
	"stanch/cmd/stanch/internal/config"
	"stanch/playbooks"
)

// book is one playbook file as loaded and checked. Playbook is nil when the
// text could not be read as one.
type book struct {
	file     string
	playbook *playbooks.Playbook
	findings []playbooks.Finding
}

// maxPlaybook bounds a playbook file: what the language reads, and a little, so
// that it is the language that says no.
const maxPlaybook = 1<<20 + 1

// shelf is a set of playbook files. Others are the YAML files in its folders
// that are none, such as the operator's.
type shelf struct {
	books  []book
	others []string
}

// looksLikePlaybook finds a top-level key that only playbooks have. One that is
// misspelt leaves the others, so a broken playbook is still seen as one.
var looksLikePlaybook = regexp.MustCompile(`(?m)^\x{feff}?["']?(playbook|steps|on_failure|outputs)["']?[ \t]*:`)

// loadBooks loads and checks the playbooks of files and folders. A folder gives
// every *.yaml and *.yml below it that is a playbook, except tests
// (*_test.yaml) and what begins with a dot.
func loadBooks(paths []string, world playbooks.World) (shelf, error) {
	var s shelf
	seen := map[string]bool{}
	for _, p := range paths {
		files, err := playbookFiles(p)
		if err != nil {
			return s, err
		}
		for _, file := range files {
			if seen[file] {
				continue
			}
			seen[file] = true
			text, err := readFile(file, maxPlaybook)
			if err != nil {
				return s, err
			}
			if file != p && !looksLikePlaybook.Match(text) {
				s.others = append(s.others, file)
				continue
			}
			s.add(file, text, world)
		}
	}
	s.doubles()
	return s, nil
}

func (s *shelf) add(file string, text []byte, world playbooks.World) {
	p, findings := playbooks.LoadAndCheck(file, text, world)
	s.books = append(s.books, book{file, p, findings})
}

// playbookFiles answers the YAML files of a path in order of names.
func playbookFiles(p string) ([]string, error) {
	info, err := os.Stat(p)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{p}, nil
	}
	var files []string
	err = filepath.WalkDir(p, func(file string, d fs.DirEntry, err error) error {
		name := d.Name()
		ext := filepath.Ext(name)
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(name, ".") && file != p && d.IsDir():
			return filepath.SkipDir
		case d.IsDir(), strings.HasPrefix(name, "."), ext != ".yaml" && ext != ".yml":
		case strings.HasSuffix(strings.TrimSuffix(name, ext), "_test"):
		default:
			files = append(files, file)
		}
		return nil
	})
	return files, err
}

// doubles adds a finding for each playbook whose id another file has too.
func (s *shelf) doubles() {
	first := map[string]string{}
	for i := range s.books {
		b := &s.books[i]
		if b.playbook == nil || b.playbook.ID == "" {
			continue
		}
		other, taken := first[b.playbook.ID]
		if !taken {
			first[b.playbook.ID] = b.file
			continue
		}
		b.findings = append(b.findings, twice(b, other))
	}
}

// twice says that a playbook has the id of another file's.
func twice(b *book, other string) playbooks.Finding {
	return playbooks.Finding{
		File: b.file, Line: 1, Column: 1, EndLine: 1, EndColumn: 1, Code: "E206", Severity: playbooks.SeverityError,
		Message: fmt.Sprintf("the id %q is taken by %s", b.playbook.ID, other),
		Hint:    "every playbook has an id of its own: rename one of them",
	}
}

// findings are those of all books, in order of files and places.
func (s shelf) findings() []playbooks.Finding {
	all := []playbooks.Finding{}
	for _, b := range s.books {
		all = append(all, b.findings...)
	}
	slices.SortStableFunc(all, func(a, b playbooks.Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return all
}

// usable answers the playbooks without errors, or what stands in the way.
func (s shelf) usable() ([]*playbooks.Playbook, error) {
	var books []*playbooks.Playbook
	for _, b := range s.books {
		if playbooks.HasErrors(b.findings) || b.playbook == nil {
			return nil, fmt.Errorf("%s has errors: run `stanch lint %s`", b.file, b.file)
		}
		books = append(books, b.playbook)
	}
	return books, nil
}

// world is what playbooks are checked against: the actions of this build, and
// the groups and domains of the operator, if there is an operator's file.
func world(catalog *actions.Catalog, c *config.Config) playbooks.World {
	w := playbooks.World{Catalog: catalog, OwnDomains: c.OwnDomains}
	if c.File != "" {
		w.Groups = c.Groups
		if w.Groups == nil {
			w.Groups = map[string][]string{}
		}
	}
	return w
}
