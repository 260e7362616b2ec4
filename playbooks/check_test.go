package playbooks

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestGoodPlaybooksHaveNoFindings(t *testing.T) {
	files, _ := filepath.Glob("testdata/good/*.yaml")
	if len(files) < 1 {
		t.Fatal("no playbooks")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			p, findings := LoadAndCheck(file, readFile(t, file), testWorld())
			if len(findings) > 0 {
				t.Errorf("findings:\n%s", allText(findings))
			}
			if p == nil || p.ID == "" || len(p.Steps) == 0 {
				t.Errorf("no playbook")
			}
		})
	}
}

func allText(findings []Finding) string {
	var b strings.Builder
	for _, f := range findings {
		b.WriteString(f.Text())
		b.WriteString("\n")
	}
	return b.String()
}

func readFile(t testing.TB, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
