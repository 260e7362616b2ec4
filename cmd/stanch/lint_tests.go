package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"stanch/playbooks"
)

// testsIn splits test files from paths: those that are named, and those in
// folders. Of a folder the rest is left to the playbooks.
func testsIn(paths []string) (tests, rest []string, err error) {
	for _, p := range paths {
		switch info, err := os.Stat(p); {
		case err != nil:
			return nil, nil, err
		case info.IsDir():
			in, err := testFiles(p)
			if err != nil {
				return nil, nil, err
			}
			tests, rest = append(tests, in...), append(rest, p)
		case isTest(p):
			tests = append(tests, p)
		default:
			rest = append(rest, p)
		}
	}
	slices.Sort(tests)
	return slices.Compact(tests), rest, nil
}

// lintTests loads test files and checks them against their playbooks, which may
// be among those that have been linted already.
func lintTests(files []string, s shelf, w playbooks.World) ([]linted, error) {
	var out []linted
	for _, file := range files {
		text, err := readFile(file, maxPlaybook)
		if err != nil {
			return nil, err
		}
		cases, findings := playbooks.LoadCases(file, text)
		if cases != nil && !playbooks.HasErrors(findings) {
			more, err := againstPlaybook(cases, s, w)
			if err != nil {
				return nil, err
			}
			findings = append(findings, more...)
		}
		out = append(out, linted{file: file, findings: findings})
	}
	return out, nil
}

// againstPlaybook checks cases against their playbook; nothing can be said of
// them while that has errors.
func againstPlaybook(cases *playbooks.CaseFile, s shelf, w playbooks.World) ([]playbooks.Finding, error) {
	file := filepath.Join(filepath.Dir(cases.File), filepath.FromSlash(cases.Playbook))
	for _, b := range s.books {
		if filepath.Clean(b.file) == file && b.playbook != nil {
			if playbooks.HasErrors(b.findings) {
				return nil, nil
			}
			return playbooks.CheckCases(cases, b.playbook, w), nil
		}
	}
	text, err := readFile(file, maxPlaybook)
	if errors.Is(err, fs.ErrNotExist) {
		return []playbooks.Finding{cases.NoPlaybook()}, nil
	}
	if err != nil {
		return nil, err
	}
	if w.Calls, err = callable(filepath.Dir(file)); err != nil {
		return nil, err
	}
	book, findings := playbooks.LoadAndCheck(file, text, w)
	if book == nil || playbooks.HasErrors(findings) {
		return nil, nil
	}
	return playbooks.CheckCases(cases, book, w), nil
}
