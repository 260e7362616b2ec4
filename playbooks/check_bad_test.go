package playbooks

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what is found as what is wanted")

// Each archive of testdata/bad holds playbooks, NAME.yaml, each followed by
// NAME.want: every finding with its place, code, message and hint.
func TestBadPlaybooksHaveTheirFindings(t *testing.T) {
	archives, _ := filepath.Glob("testdata/bad/*.txtar")
	cases := 0
	for _, file := range archives {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{}
		for _, f := range archive.Files {
			if name, ok := strings.CutSuffix(f.Name, ".want"); ok {
				want[name] = string(f.Data)
			}
		}
		out := &txtar.Archive{Comment: archive.Comment}
		for _, f := range archive.Files {
			name, ok := strings.CutSuffix(f.Name, ".yaml")
			if !ok {
				continue
			}
			cases++
			got := ""
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar")+"/"+name, func(t *testing.T) {
				_, findings := LoadAndCheck("bad.yaml", f.Data, testWorld())
				for _, f := range findings {
					got += brief(f)
				}
				if diff := cmp.Diff(want[name], got); diff != "" && !*update {
					t.Errorf("findings (-want +got):\n%s", diff)
				}
				if len(findings) == 0 {
					t.Error("no finding")
				}
				for _, f := range findings {
					if _, ok := Explain(f.Code); !ok {
						t.Errorf("%s has no explanation", f.Code)
					}
				}
			})
			out.Files = append(out.Files, f, txtar.File{Name: name + ".want", Data: []byte(got)})
		}
		if *update {
			if err := os.WriteFile(file, txtar.Format(out), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if cases < 60 {
		t.Errorf("%d cases", cases)
	}
}

// brief is a finding on one line, with its hint on the next.
func brief(f Finding) string {
	s := fmt.Sprintf("%d:%d-%d:%d %s %s\n", f.Line, f.Column, f.EndLine, f.EndColumn, f.Code, f.Message)
	if f.Hint != "" {
		s += "    " + f.Hint + "\n"
	}
	return s
}
