package picture

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"stanch/actions"
	"stanch/actions/files"
	"stanch/actions/incidents"
	"stanch/playbooks"
)

// every is a playbook with a step of every kind.
func every(t *testing.T) *playbooks.Playbook {
	t.Helper()
	text, err := os.ReadFile("testdata/every.yaml")
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := actions.Collect(files.Shelf{}, incidents.Shelf{})
	if err != nil {
		t.Fatal(err)
	}
	p, findings := playbooks.LoadAndCheck("every.yaml", text, playbooks.World{Catalog: catalog})
	if playbooks.HasErrors(findings) {
		t.Fatal(findings[0].Text())
	}
	return p
}

// half is a coverage in which some ran and some did not.
func half() *Coverage {
	return &Coverage{
		Steps:    map[string]bool{"seen": true, "choice": true, "choice/0": true, "both": true, "guarded/on_error/0": true},
		Branches: map[string]bool{"choice/if=true": true, "gate/approve=approved": true, "gate/approve=rejected": false},
	}
}

// What is drawn of every kind of step; STANCH_REWRITE=1 rewrites it. Whoever
// rewrites looks at the pictures.
func TestPicturesOfEveryKind(t *testing.T) {
	p := New(every(t), []string{"an incident is new"}, nil)
	tested := New(every(t), []string{"an incident is new"}, half())
	for file, got := range map[string]string{
		"every.svg": p.SVG(), "every.mmd": p.Mermaid(), "every.dot": p.DOT(), "every-tested.svg": tested.SVG(),
	} {
		file = "testdata/" + file
		if os.Getenv("STANCH_REWRITE") != "" {
			if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s is not what is drawn now; look at it, then STANCH_REWRITE=1", file)
		}
	}
}

func TestAPictureIsTheSameEveryTime(t *testing.T) {
	for range 5 {
		a, b := New(every(t), nil, half()), New(every(t), nil, half())
		if a.SVG() != b.SVG() || a.Mermaid() != b.Mermaid() || a.DOT() != b.DOT() {
			t.Fatal("two pictures of one playbook differ")
		}
	}
}

// Every step of the playbook is in every picture, and its class in words.
func TestAPictureShowsEveryStep(t *testing.T) {
	book := every(t)
	p := New(book, nil, nil)
	svg := p.SVG()
	book.Walk(func(path string, s *playbooks.Step) {
		if !strings.Contains(svg, "<title>"+path+":") {
			t.Errorf("%s is not drawn", path)
		}
		if s.Kind == playbooks.Action && (!strings.Contains(p.Mermaid(), mermaidText(s.Uses)) || !strings.Contains(p.DOT(), s.Uses)) {
			t.Errorf("%s (%s) is not in the texts", path, s.Uses)
		}
	})
	for _, word := range []string{"reads", "writes", "destroys"} {
		if !strings.Contains(svg, ">"+word+"</text>") {
			t.Errorf("the class %s is told by colour alone", word)
		}
	}
}

func TestCoverageIsDrawn(t *testing.T) {
	svg := New(every(t), nil, half()).SVG()
	for _, want := range []string{`class="tick"`, `class="cross"`, "no · no test", "no test ran it", ">no test rejects<"} {
		if !strings.Contains(svg, want) {
			t.Errorf("%s is not there", want)
		}
	}
	if plain := New(every(t), nil, nil).SVG(); strings.Contains(plain, "no test") {
		t.Error("without coverage nothing is said of tests")
	}
}

// hostile are texts of people who want to be more than text.
func hostile() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.String(),
		rapid.SampledFrom([]string{
			`</title><script>alert(1)</script>`, `"><image href="https://evil.example/x"/>`, `]]>`, `&#x1b;`, "\x1b[2J", "\u202egpj.exe",
			`end`, `subgraph x`, `"]; click n1 "https://evil.example"`, "`**md**`", `#quot;`, `%%{init: {}}%%`, `A --> B`, `\`, `\"`, `\N\G`,
			"a\nb", "\x00", "\xff\xfe", strings.Repeat("W", 3000), strings.Repeat("a ", 1000), "日本語のとても長い表題", "<!--", `url(https://evil.example)`,
		}),
	)
}

func hostileNode(t *rapid.T, depth int) Node {
	text := hostile()
	n := Node{
		Path: text.Draw(t, "path"), Head: text.Draw(t, "head"), If: text.Draw(t, "if"),
		Kind: rapid.SampledFrom([]playbooks.Kind{
			playbooks.Action, playbooks.Set, playbooks.Block, playbooks.ForEach, playbooks.Parallel, playbooks.Approve,
			playbooks.Wait, playbooks.Repeat, playbooks.Call, playbooks.Stop, playbooks.Fail,
		}).Draw(t, "kind"),
		Class:  rapid.SampledFrom([]string{"", "reads", "writes", "destroys"}).Draw(t, "class"),
		Tested: Mark(rapid.IntRange(0, 2).Draw(t, "tested")),
	}
	n.text(text.Draw(t, "text"))
	n.code(text.Draw(t, "code"))
	list := func() []Node {
		if depth > 2 {
			return nil
		}
		nodes := make([]Node, rapid.IntRange(0, 3).Draw(t, "steps"))
		for i := range nodes {
			nodes[i] = hostileNode(t, depth+1)
		}
		return nodes
	}
	switch n.Kind {
	case playbooks.Block:
		n.Groups = []Group{{text.Draw(t, "name"), list()}, {text.Draw(t, "name"), list()}}
	case playbooks.ForEach, playbooks.Repeat:
		n.Groups = []Group{{"", list()}}
	case playbooks.Parallel:
		for range rapid.IntRange(1, 9).Draw(t, "branches") {
			n.Groups = append(n.Groups, Group{"", list()})
		}
	case playbooks.Stop, playbooks.Fail:
		n.Ends = true
	}
	if rapid.IntRange(0, 5).Draw(t, "around") == 0 {
		n.Rescue, n.Finally = []Group{{"if it fails", list()}}, []Group{{"in any case", list()}}
	}
	return n
}

// Whatever people write, an SVG is XML of a few known elements that refers to
// nothing, and Mermaid and DOT have nothing in them but what we wrote.
func TestHostileTextsStayTexts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Picture{
			ID: hostile().Draw(t, "id"), Title: hostile().Draw(t, "title"), Starts: []string{hostile().Draw(t, "start")},
			Steps: []Node{hostileNode(t, 0), hostileNode(t, 1)},
			Ends:  []Group{{hostile().Draw(t, "end"), []Node{hostileNode(t, 2)}}}, Tested: true,
		}
		if err := wellFormed(p.SVG()); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(p.Mermaid()) {
			if !mermaidLine.MatchString(strings.TrimRight(line, "\n")) {
				t.Fatalf("mermaid: %q", line)
			}
		}
		for line := range strings.Lines(p.DOT()) {
			if !dotLine.MatchString(strings.TrimRight(line, "\n")) {
				t.Fatalf("dot: %q", line)
			}
		}
	})
}

var (
	mermaidLine = regexp.MustCompile(`^(flowchart TD| +end| +classDef [a-z]+ [a-z0-9#:,-]+| +subgraph cn\d+\["` + mermaidWords + `"\]` +
		`| +n\d+(\[|\[\[|\{|\{\{|\(|\(\[)"` + mermaidWords + `"(\]|\]\]|\}|\}\}|\)|\]\))(:::[a-z]+)?` +
		`| +n\d+ (-->|-\.->)(\|"` + mermaidWords + `"\|)? n\d+)$`)
	dotLine = regexp.MustCompile(`^( *\}| *digraph playbook \{| *subgraph cluster_cn\d+ \{| *label=` + dotWords + `; [a-z0-9#=;" ]+| *(graph|node|edge) \[[^\\]*\];` +
		`| *graph \[label=` + dotWords + `, [^\\]*\];` +
		`| *n\d+( -> n\d+)?( \[(label=` + dotWords + `)?(, )?[a-z#0-9=", ]*\])?;)$`)
)

const (
	mermaidWords = `(?:[\p{L}0-9 .,:_]|#\d+;|<br/>)*`
	dotWords     = `"(?:[^"\\]|\\["\\n])*"`
)

// wellFormed reports what an SVG has that it must not have.
func wellFormed(svg string) error {
	allowed := []string{"svg", "title", "desc", "style", "g", "rect", "path", "text"}
	plain := []string{"xmlns", "class", "role", "aria-label", "viewBox", "width", "height", "x", "y", "rx", "d"}
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch token := token.(type) {
		case xml.StartElement:
			if !slices.Contains(allowed, token.Name.Local) {
				return errors.New("an element " + token.Name.Local)
			}
			for _, a := range token.Attr {
				if !slices.Contains(plain, a.Name.Local) {
					return errors.New("an attribute " + a.Name.Local)
				}
			}
		case xml.ProcInst, xml.Directive, xml.Comment:
			return errors.New("something that is no element")
		}
	}
}

func TestTextIsMeasuredAndWrapped(t *testing.T) {
	table := widths()
	if len(table) != 95 {
		t.Fatalf("%d widths, want 95", len(table))
	}
	rapid.Check(t, func(t *rapid.T) {
		f := face{size: 12, mono: rapid.Bool().Draw(t, "mono")}
		s := visible(hostile().Draw(t, "text"))
		lines := f.wrap(s, 200, 1000, table)
		for _, line := range lines {
			if f.widthOf(line, table) > 200+f.size {
				t.Fatalf("%q is %v wide", line, f.widthOf(line, table))
			}
		}
		if len(lines) < 1000 && strings.Join(strings.Fields(strings.Join(lines, "")), "") != strings.Join(strings.Fields(s), "") {
			t.Fatalf("%q became %q", s, lines)
		}
		if short := f.wrap(s, 200, 2, table); len(short) > 2 {
			t.Fatalf("%d lines", len(short))
		}
	})
}
