package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"stanch/engine/rehearse"
	"stanch/playbooks"
)

// suites are the test files of some paths with what is wrong with them.
type suites struct {
	ready    []rehearse.Suite
	findings []playbooks.Finding
}

// isTest reports whether a file is a test file by its name.
func isTest(file string) bool {
	ext := filepath.Ext(file)
	return (ext == ".yaml" || ext == ".yml") && strings.HasSuffix(strings.TrimSuffix(file, ext), "_test")
}

// testFiles answers the test files of a path in order: of a folder all below
// it, of a playbook the one beside it.
func testFiles(p string) ([]string, error) {
	info, err := os.Stat(p)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		if isTest(p) {
			return []string{p}, nil
		}
		beside := strings.TrimSuffix(p, filepath.Ext(p)) + "_test.yaml"
		if _, err := os.Stat(beside); err != nil {
			return nil, fmt.Errorf("%s has no tests: there is no %s", p, beside)
		}
		return []string{beside}, nil
	}
	var files []string
	err = filepath.WalkDir(p, func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(d.Name(), ".") && file != p && d.IsDir():
			return filepath.SkipDir
		case !d.IsDir() && isTest(file):
			files = append(files, file)
		}
		return nil
	})
	return files, err
}

// loadSuites reads test files with their playbooks and checks both.
func loadSuites(paths []string, w playbooks.World) (suites, error) {
	var out suites
	if len(paths) == 0 {
		paths = []string{"."}
	}
	var files []string
	for _, p := range paths {
		more, err := testFiles(p)
		if err != nil {
			return out, err
		}
		for _, file := range more {
			if !slices.Contains(files, file) {
				files = append(files, file)
			}
		}
	}
	if len(files) == 0 {
		return out, fmt.Errorf("no test files (*_test.yaml) in %s", strings.Join(paths, ", "))
	}
	folders := map[string]map[string]playbooks.Source{}
	for _, file := range files {
		if err := out.load(file, w, folders); err != nil {
			return out, err
		}
	}
	return out, nil
}

func (s *suites) load(file string, w playbooks.World, folders map[string]map[string]playbooks.Source) error {
	text, err := readFile(file, maxPlaybook)
	if err != nil {
		return err
	}
	cases, findings := playbooks.LoadCases(file, text)
	s.findings = append(s.findings, findings...)
	if cases == nil || playbooks.HasErrors(findings) {
		return nil
	}
	dir := filepath.Dir(file)
	named := filepath.Join(dir, filepath.FromSlash(cases.Playbook))
	body, err := readFile(named, maxPlaybook)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: its playbook %s is not there", file, named)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	folder := filepath.Dir(named)
	if folders[folder] == nil {
		if folders[folder], err = callable(folder); err != nil {
			return err
		}
	}
	w.Calls = folders[folder]
	if w.Lists, err = listsBeside(named, w.Lists); err != nil {
		return err
	}
	book, wrong := playbooks.LoadAndCheck(named, body, w)
	if book == nil || playbooks.HasErrors(wrong) {
		s.findings = append(s.findings, slices.DeleteFunc(wrong, func(f playbooks.Finding) bool { return f.Severity != playbooks.SeverityError })...)
		return nil
	}
	findings = playbooks.CheckCases(cases, book, w)
	s.findings = append(s.findings, findings...)
	if playbooks.HasErrors(findings) {
		return nil
	}
	s.ready = append(s.ready, rehearse.Suite{
		Cases: cases, Book: playbooks.Source{File: named, Text: body}, Checked: book, Dir: dir, Calls: folders[folder], Lists: w.Lists,
	})
	return nil
}

// playbookID finds the id of a playbook in its text.
var playbookID = regexp.MustCompile(`(?m)^playbook:[ \t]*["']?([a-z0-9-]+)`)

// callable are the playbooks of a folder by their ids.
func callable(folder string) (map[string]playbooks.Source, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	out := map[string]playbooks.Source{}
	for _, e := range entries {
		name := filepath.Join(folder, e.Name())
		ext := filepath.Ext(name)
		if e.IsDir() || isTest(name) || ext != ".yaml" && ext != ".yml" {
			continue
		}
		text, err := readFile(name, maxPlaybook)
		if err != nil {
			continue // what cannot be read cannot be called, and may have nothing to do with us
		}
		if m := playbookID.FindSubmatch(text); m != nil {
			out[string(m[1])] = playbooks.Source{File: name, Text: text}
		}
	}
	return out, nil
}
