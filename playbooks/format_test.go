package playbooks

import (
	"bytes"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// Each archive of testdata/format holds files as people write them, NAME.yaml,
// each followed by NAME.want: how Format writes them.
func TestFormatWritesOneForm(t *testing.T) {
	archives, _ := filepath.Glob("testdata/format/*.txtar")
	if len(archives) == 0 {
		t.Fatal("no archives")
	}
	for _, file := range archives {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out := &txtar.Archive{Comment: archive.Comment}
		want := map[string]string{}
		for _, f := range archive.Files {
			if name, ok := strings.CutSuffix(f.Name, ".want"); ok {
				want[name] = string(f.Data)
			}
		}
		for _, f := range archive.Files {
			name, ok := strings.CutSuffix(f.Name, ".yaml")
			if !ok {
				continue
			}
			var got []byte
			t.Run(name, func(t *testing.T) {
				got = formatted(t, f.Data)
				if diff := cmp.Diff(want[name], string(got)); diff != "" && !*update {
					t.Errorf("formatted (-want +got):\n%s", diff)
				}
			})
			out.Files = append(out.Files, f, txtar.File{Name: name + ".want", Data: got})
		}
		if *update {
			writeFile(t, file, txtar.Format(out))
		}
	}
}

// What is right about any text that can be formatted: twice is once, the
// findings are the same but for their places, and the playbook is the same.
func TestFormatKeepsTheMeaningOfEveryPlaybook(t *testing.T) {
	done := 0
	for _, text := range everyPlaybook(t) {
		if out, findings := Format("f.yaml", text); len(findings) == 0 {
			done++
			keepsMeaning(t, text, out)
		}
	}
	if done < 60 {
		t.Errorf("only %d could be formatted", done)
	}
}

func formatted(t *testing.T, text []byte) []byte {
	t.Helper()
	out, findings := Format("f.yaml", text)
	if len(findings) > 0 {
		t.Fatalf("not formatted:\n%s\n%s", allText(findings), text)
	}
	keepsMeaning(t, text, out)
	return out
}

func keepsMeaning(t *testing.T, text, out []byte) {
	t.Helper()
	again, findings := Format("f.yaml", out)
	if len(findings) > 0 {
		t.Errorf("what was formatted cannot be formatted:\n%s\n%s", allText(findings), out)
	} else if diff := cmp.Diff(string(out), string(again)); diff != "" {
		t.Errorf("twice is not once:\n%s\nof\n%s", diff, text)
	}
	world := testWorld()
	before, was := LoadAndCheck("f.yaml", text, world)
	after, is := LoadAndCheck("f.yaml", out, world)
	if diff := cmp.Diff(withoutPlaces(was), withoutPlaces(is)); diff != "" {
		t.Errorf("other findings:\n%s\nof\n%s\nas\n%s", diff, text, out)
	}
	if diff := cmp.Diff(outline(before), outline(after)); diff != "" {
		t.Errorf("another playbook:\n%s\nof\n%s\nas\n%s", diff, text, out)
	}
}

var lineNumber = regexp.MustCompile(`line \d+`)

// withoutPlaces are findings without where they are.
func withoutPlaces(findings []Finding) []string {
	var all []string
	for _, f := range findings {
		all = append(all, lineNumber.ReplaceAllString(f.Code+" "+f.Message+" "+f.Hint, "line N"))
	}
	sortStrings(all)
	return all
}

// A text that cannot be read is refused with its place, and never changed.
func TestFormatRefusesWhatItCannotRead(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no YAML":    {"playbook: x\n  on: {\n", "2:"},
		"an anchor":  {"playbook: &a x\n", "1:11"},
		"key twice":  {"playbook: x\nplaybook: y\n", "2:1"},
		"a list":     {"- x\n", "1:1"},
		"nothing":    {"", "1:1"},
		"two papers": {"playbook: x\n---\nplaybook: y\n", "2:1"},
		"a tab":      {"playbook: x\nsteps:\n\t- stop: x\n", "3:1"},
	} {
		out, findings := Format("f.yaml", []byte(c.text))
		if out != nil || len(findings) == 0 {
			t.Errorf("%s: %q, %v", name, out, findings)
			continue
		}
		if at := findings[0].Text(); !strings.HasPrefix(at, "f.yaml:"+c.want) {
			t.Errorf("%s: %s", name, at)
		}
	}
}

// FuzzFormat formats any text: what it answers can be read, twice is once, and
// the meaning and every comment are the same.
func FuzzFormat(f *testing.F) {
	for _, text := range everyPlaybook(f) {
		f.Add(text)
	}
	archives, _ := filepath.Glob("testdata/format/*.txtar")
	for _, file := range archives {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, x := range archive.Files {
			f.Add(x.Data)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		out, findings := Format("f.yaml", text)
		if len(findings) > 0 {
			for _, f := range findings {
				if strings.HasPrefix(f.Message, "formatting would change") {
					t.Errorf("%s\n%q", f.Text(), text)
				}
			}
			return
		}
		keepsMeaning(t, text, out)
		if bytes.Contains(out, []byte("\r")) && !bytes.Contains(text, []byte("\r")) {
			t.Error("a carriage return came in")
		}
	})
}
