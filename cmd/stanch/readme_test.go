package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"stanch/cmd/stanch/internal/config"
	"stanch/playbooks"
)

// What the README shows works: its playbook lints clean, its configuration is
// one.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := catalogOf(clients{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "playbooks"), 0o700); err != nil {
		t.Fatal(err)
	}
	books, configs := 0, 0
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		if strings.HasPrefix(block[1], "playbook:") {
			books++
			_, findings := playbooks.LoadAndCheck("README.md", []byte(block[1]), playbooks.World{Catalog: catalog})
			for _, f := range findings {
				t.Error(f.Text())
			}
			continue
		}
		configs++
		if _, err := config.Parse(filepath.Join(dir, "stanch.yaml"), []byte(block[1])); err != nil {
			t.Error(err)
		}
	}
	if books != 1 || configs != 2 {
		t.Errorf("found %d playbooks and %d configurations, want one and two", books, configs)
	}
}

// The README's table of exit codes is that of the help.
func TestExitCodesAreToldAlike(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	told := regexp.MustCompile(`(?m)^\| (\d+) \|`).FindAllStringSubmatch(string(text), -1)
	helped := regexp.MustCompile(`(?m)^  (\d+) `).FindAllStringSubmatch(exitCodes().Long, -1)
	if len(told) != len(helped) {
		t.Fatalf("the README tells %d codes, the help %d", len(told), len(helped))
	}
	for i := range told {
		if told[i][1] != helped[i][1] {
			t.Errorf("the README tells %s where the help tells %s", told[i][1], helped[i][1])
		}
	}
}
