package main

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
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
	beside []book // lists and rules read with them: no playbooks
	rules  []*playbooks.Rule
	others []string
}

// looksLikePlaybook finds a top-level key that only playbooks have. One that is
// misspelt leaves the others, so a broken playbook is still seen as one.
var looksLikePlaybook = regexp.MustCompile(`(?m)^\x{feff}?["']?(playbook|steps|on_failure|outputs)["']?[ \t]*:`)

// loadBooks loads and checks the playbooks of files and folders, which may call
// each other, and those that are given as texts. A single file may call those
// beside it, too, and ask the lists there. A folder gives every *.yaml and
// *.yml below it that is a playbook, except tests (*_test.yaml) and what begins
// with a dot.
func loadBooks(paths []string, world playbooks.World, texts ...playbooks.Source) (shelf, error) {
	var s shelf
	var lists, rules []playbooks.Source
	seen := map[string]bool{}
	if err := callBeside(paths, &world); err != nil {
		return s, err
	}
	for _, p := range withLists(paths) {
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
			if playbooks.KindOfFile(text) == playbooks.ListFile {
				lists = append(lists, playbooks.Source{File: file, Text: text})
				continue
			}
			if playbooks.KindOfFile(text) == playbooks.RuleFile {
				rules = append(rules, playbooks.Source{File: file, Text: text})
				continue
			}
			if file != p && !looksLikePlaybook.Match(text) {
				s.others = append(s.others, file)
				continue
			}
			texts = append(texts, playbooks.Source{File: file, Text: text})
		}
	}
	world.Lists, s.beside = withOwn(world.Lists, lists)
	s.check(texts, world)
	var ruleFiles []book
	s.rules, ruleFiles = ofRules(rules, s.books, world)
	s.beside = append(s.beside, ruleFiles...)
	return s, nil
}

// callBeside lets single playbooks call those in their folders.
func callBeside(paths []string, world *playbooks.World) error {
	calls, done := map[string]playbooks.Source{}, map[string]bool{}
	for _, p := range paths {
		folder := filepath.Dir(p)
		if info, err := os.Stat(p); err != nil || info.IsDir() || done[folder] {
			continue
		}
		done[folder] = true
		beside, err := callable(folder)
		if err != nil {
			return err
		}
		maps.Copy(calls, beside)
	}
	maps.Copy(calls, world.Calls)
	world.Calls = calls
	return nil
}

// check loads and checks the texts as one set.
func (s *shelf) check(texts []playbooks.Source, world playbooks.World) {
	books, findings := playbooks.LoadAll(texts, world)
	for i, b := range books {
		file := texts[i].File
		of := slices.DeleteFunc(slices.Clone(findings), func(f playbooks.Finding) bool { return f.File != file })
		s.books = append(s.books, book{file, b, of})
	}
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

// findings are those of all books, in order of files and places.
func (s shelf) findings() []playbooks.Finding {
	all := []playbooks.Finding{}
	for _, b := range slices.Concat(s.books, s.beside) {
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
	w := playbooks.World{Catalog: catalog, OwnDomains: c.OwnDomains, Lists: listsOfConfig(c), Labels: c.Labels}
	if c.File != "" {
		w.Groups = c.Groups
		if w.Groups == nil {
			w.Groups = map[string][]string{}
		}
		w.Hooks = []string{}
		for path, h := range c.Hooks {
			if h.Kind == config.HookPlaybook {
				w.Hooks = append(w.Hooks, path)
			}
		}
		if w.Labels == nil {
			w.Labels = []string{}
		}
	}
	return w
}
