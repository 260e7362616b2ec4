package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"stanch/cmd/stanch/internal/config"
	"stanch/playbooks"
)

// listsFolder is where the reference lists of playbooks stand, beside them.
const listsFolder = "lists"

// withLists adds to the paths of single playbooks the folder of lists beside
// them. A folder of playbooks has it within.
func withLists(paths []string) []string {
	all := paths
	for _, p := range paths {
		if info, err := os.Stat(p); err != nil || info.IsDir() {
			continue
		}
		folder := filepath.Join(filepath.Dir(p), listsFolder)
		if info, err := os.Stat(folder); err == nil && info.IsDir() {
			all = append(all[:len(all):len(all)], folder)
		}
	}
	return all
}

// listsBeside are the known lists and those in the folder of lists beside a
// playbook, which go first. One with errors is not there, as in listsOfConfig.
func listsBeside(playbook string, known map[string]playbooks.List) (map[string]playbooks.List, error) {
	var texts []playbooks.Source
	for _, folder := range withLists([]string{playbook})[1:] {
		files, err := playbookFiles(folder)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			text, err := readFile(file, maxPlaybook)
			if err != nil {
				return nil, err
			}
			if playbooks.KindOfFile(text) == playbooks.ListFile {
				texts = append(texts, playbooks.Source{File: file, Text: text})
			}
		}
	}
	all, _ := withOwn(known, texts)
	return all, nil
}

// withOwn are the lists of the configuration and those read with the playbooks,
// which go first, and the files of the latter with their findings.
func withOwn(known map[string]playbooks.List, texts []playbooks.Source) (map[string]playbooks.List, []book) {
	own, findings := playbooks.LoadLists(texts)
	all := map[string]playbooks.List{}
	maps.Copy(all, known)
	maps.Copy(all, own)
	return all, each(texts, findings)
}

// ofRules loads and checks rules as they stand together with playbooks, and
// answers them, and their files with their findings.
func ofRules(texts []playbooks.Source, books []book, world playbooks.World) ([]*playbooks.Rule, []book) {
	known := map[string]playbooks.Source{}
	maps.Copy(known, world.Calls)
	for _, b := range books {
		if b.playbook != nil {
			known[b.playbook.ID] = playbooks.Source{File: b.file, Text: b.playbook.Text}
		}
	}
	world.Calls = known
	var rules []*playbooks.Rule
	var findings []playbooks.Finding
	for _, t := range texts {
		r, found := playbooks.LoadRule(t.File, t.Text)
		findings = append(findings, found...)
		if r != nil {
			rules = append(rules, r)
		}
	}
	return rules, each(texts, append(findings, playbooks.CheckRules(rules, world, time.Now())...))
}

// each answers the files of texts with what was found in them.
func each(texts []playbooks.Source, findings []playbooks.Finding) []book {
	var files []book
	for _, t := range texts {
		of := slices.DeleteFunc(slices.Clone(findings), func(f playbooks.Finding) bool { return f.File != t.File })
		files = append(files, book{file: t.File, findings: of})
	}
	return files
}

// listsOfConfig are the lists of the configuration's folders. One with errors is
// not there, and what names it has a finding; `stanch lint` of its folder says
// why.
func listsOfConfig(c *config.Config) map[string]playbooks.List {
	var texts []playbooks.Source
	for _, folder := range c.Lists {
		files, err := playbookFiles(folder)
		if err != nil {
			continue
		}
		for _, file := range files {
			if text, err := readFile(file, maxPlaybook); err == nil && playbooks.KindOfFile(text) == playbooks.ListFile {
				texts = append(texts, playbooks.Source{File: file, Text: text})
			}
		}
	}
	lists, _ := playbooks.LoadLists(texts)
	return lists
}
