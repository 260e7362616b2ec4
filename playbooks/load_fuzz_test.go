package playbooks

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzLoad loads and checks any text: nothing panics, nothing takes a second,
// every finding lies in the file and has an explanation, and what has no errors
// can be walked.
func FuzzLoad(f *testing.F) {
	for _, text := range everyPlaybook(f) {
		f.Add(text)
	}
	world := testWorld()
	f.Fuzz(func(t *testing.T, text []byte) {
		begin := time.Now()
		p, findings := LoadAndCheck("f.yaml", text, world)
		if took := time.Since(begin); took > 10*patience {
			t.Errorf("took %v", took)
		}
		if p == nil && len(findings) == 0 {
			t.Error("neither a playbook nor a finding")
		}
		src := newFileText("f.yaml", text)
		for _, f := range findings {
			if f.Line < 1 || f.Line > len(src.starts) || f.Column < 1 || f.EndLine < f.Line ||
				f.EndLine == f.Line && f.EndColumn < f.Column {
				t.Errorf("a place outside of the file: %+v", f)
			}
			if _, ok := Explain(f.Code); !ok {
				t.Errorf("%s has no explanation", f.Code)
			}
			_ = f.Text()
		}
		if p != nil && !HasErrors(findings) {
			Walk(p.Steps, func(path string, s *Step) {
				if s.Kind == Action && (s.With == nil || s.Action.Name == "") {
					t.Errorf("%s cannot be run", path)
				}
			})
		}
	})
}

// everyPlaybook are the good and the bad ones of these tests.
func everyPlaybook(t testing.TB) [][]byte {
	var all [][]byte
	good, _ := filepath.Glob("testdata/good/*.yaml")
	for _, file := range good {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text)
	}
	bad, _ := filepath.Glob("testdata/bad/*.txtar")
	for _, file := range bad {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			if filepath.Ext(f.Name) == ".yaml" {
				all = append(all, f.Data)
			}
		}
	}
	return all
}

func BenchmarkLoadAndCheck(b *testing.B) {
	text, err := os.ReadFile("testdata/good/contain-external-share.yaml")
	if err != nil {
		b.Fatal(err)
	}
	world := testWorld()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, findings := LoadAndCheck("f.yaml", text, world); len(findings) > 0 {
			b.Fatal(allText(findings))
		}
	}
}
