package playbooks

import (
	"strings"
	"testing"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
	"pgregory.net/rapid"
)

// What stands at the place of a rune is that rune, or the escape or the line
// break that stands for it.
func TestEachRuneOfAScalarHasItsPlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.StringOfN(rapid.RuneFrom([]rune("ab \n'\"\\#:,{}é€😀\t")), 0, 40, -1).Draw(t, "value")
		style := rapid.SampledFrom([]yaml.Style{
			0, yaml.SingleQuotedStyle, yaml.DoubleQuotedStyle, yaml.LiteralStyle, yaml.FoldedStyle,
		}).Draw(t, "style")
		node := &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{
			{Kind: yaml.ScalarNode, Value: "kéy"},
			{Kind: yaml.ScalarNode, Tag: "!!str", Value: value, Style: style},
			{Kind: yaml.ScalarNode, Value: "next"},
			{Kind: yaml.ScalarNode, Value: "x"},
		}}
		text, err := yaml.Marshal(node)
		if err != nil {
			t.Skip(err)
		}
		if rapid.Bool().Draw(t, "crlf") {
			text = []byte(strings.ReplaceAll(string(text), "\n", "\r\n"))
		}
		checkPlaces(t, string(text))
	})
}

func TestScalarsOfEveryStyle(t *testing.T) {
	for _, text := range []string{
		"k: plain text",
		"k: plain\n  over three\n\n  lines # comment\n",
		"k: 'it''s\n  folded\n\n\n  quoted'",
		"k: \"a\\tb \\x41 \\u00e9 \\U0001F600 \\\n    joined\n  folded\\n\"",
		"k: |\n  a\n   b\n\n  c\n\n\nn: 1",
		"k: |-\n  a\n\n\n  b\n",
		"k: |+\n  a\n\n\n",
		"k: >\n  a\n  b\n\n  c\n   deeper\n   still\n  back\n",
		"k: >-\n\n  begins with a break\n  b",
		"k: |2\n    indented by two more\n  b\n",
		"- - k: >1-\n     a\n     b\n",
		"k: >- # a comment\n    a\n    b\nn: 1",
		"[a b, 'c', \"d\"]",
		"{a: b c, d: é}",
		"k:   \"\"",
		"k: ''\n",
	} {
		t.Run(text, func(t *testing.T) {
			if n := checkPlaces(t, text); n == 0 {
				t.Error("no scalar has places")
			}
			checkPlaces(t, strings.ReplaceAll(text, "\n", "\r\n"))
		})
	}
}

type failer interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// checkPlaces looks at every scalar of a text and answers how many are placed
// rune by rune.
func checkPlaces(t failer, text string) (placed int) {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		return 0
	}
	src := newFileText("f", []byte(text))
	var visit func(n *yaml.Node)
	visit = func(n *yaml.Node) {
		for _, c := range n.Content {
			visit(c)
		}
		if n.Kind != yaml.ScalarNode {
			return
		}
		places := src.scalar(n)
		if places == nil && strings.Trim(n.Value, "\n") == "" {
			return // there is no rune to find
		}
		if places == nil {
			t.Errorf("%q: no places for %q", text, n.Value)
			return
		}
		placed++
		runes := []rune(n.Value)
		if len(places) != len(runes)+1 {
			t.Fatalf("%q: %d places for %q", text, len(places), n.Value)
		}
		for i, r := range runes {
			at, _ := utf8.DecodeRuneInString(text[places[i]:])
			standsFor := at == r || at == '\\' && n.Style&yaml.DoubleQuotedStyle != 0 ||
				(r == ' ' || r == '\n') && strings.ContainsRune(" \t\r\n", at)
			if !standsFor {
				t.Errorf("%q: rune %d of %q is %q, its place holds %q", text, i, n.Value, r, at)
			}
			if i > 0 && places[i] <= places[i-1] {
				t.Errorf("%q: places of %q go back", text, n.Value)
			}
		}
	}
	visit(&doc)
	return placed
}

func TestPositionsCountRunes(t *testing.T) {
	text := strings.Repeat("é", 200) + "x\n" + strings.Repeat("ab€", 100)
	src := newFileText("f", []byte(text))
	for offset := range len(text) + 1 {
		if offset < len(text) && !utf8.RuneStart(text[offset]) {
			continue
		}
		before := text[:offset]
		wantLine := strings.Count(before, "\n") + 1
		wantColumn := utf8.RuneCountInString(before[strings.LastIndex(before, "\n")+1:]) + 1
		line, column := src.position(offset)
		if line != wantLine || column != wantColumn {
			t.Fatalf("offset %d is %d:%d, want %d:%d", offset, line, column, wantLine, wantColumn)
		}
		if back := src.offset(line, column); back != offset {
			t.Fatalf("%d:%d is offset %d, want %d", line, column, back, offset)
		}
	}
}
