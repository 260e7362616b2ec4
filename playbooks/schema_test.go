package playbooks

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

// compiledSchema is the schema as a validator of the standard reads it.
func compiledSchema(t testing.TB, kind FileKind) *jsonschema.Schema {
	t.Helper()
	raw, err := json.Marshal(SchemaOf(kind, testCatalog()))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(kind.SchemaURL(), doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(kind.SchemaURL())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asJSON is a YAML text as an editor's validator sees it; not ok if it is none.
func asJSON(text []byte) (any, bool) {
	var n yaml.Node
	if yaml.Unmarshal(text, &n) != nil || len(n.Content) == 0 {
		return nil, false
	}
	v, err := nodeJSON(n.Content[0])
	return v, err == nil
}

func nodeJSON(n *yaml.Node) (any, error) {
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			v, err := nodeJSON(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			m[n.Content[i].Value] = v
		}
		return m, nil
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range n.Content {
			v, err := nodeJSON(item)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case yaml.ScalarNode:
		switch n.Tag {
		case "!!int", "!!float":
			return json.Number(n.Value), nil
		case "!!bool":
			return strconv.ParseBool(strings.ToLower(n.Value))
		case "!!null":
			return nil, nil
		}
		return n.Value, nil
	}
	return nil, fmt.Errorf("no JSON")
}

func TestGoodPlaybooksAreValidBySchema(t *testing.T) {
	schema := compiledSchema(t, PlaybookFile)
	files, _ := filepath.Glob("testdata/good/*.yaml")
	for _, file := range files {
		v, ok := asJSON(readFile(t, file))
		if !ok {
			t.Fatal(file)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	if len(files) < 15 {
		t.Errorf("%d files", len(files))
	}
}

// The schema refuses what the loader refuses of the structure: each of these is
// refused by both.
func TestBadStructuresAreInvalidBySchema(t *testing.T) {
	head := "playbook: bad\non: {manual: {}}\n"
	for name, text := range map[string]string{
		"no steps":             head,
		"no name":              "on: {manual: {}}\nsteps: [{stop: x}]\n",
		"empty steps":          head + "steps: []\n",
		"unknown key":          head + "stepz: 1\nsteps: [{stop: x}]\n",
		"unknown trigger":      "playbook: bad\non: {incidents: {}}\nsteps: [{stop: x}]\n",
		"unknown status":       head + "status: ready\nsteps: [{stop: x}]\n",
		"steps are a mapping":  head + "steps: {stop: x}\n",
		"a step is a text":     head + "steps: [stop]\n",
		"a step of two kinds":  head + "steps: [{stop: x, fail: y}]\n",
		"a step of no kind":    head + "steps: [{id: x}]\n",
		"a key of another":     head + "steps: [{stop: x, as: y}]\n",
		"no steps in for_each": head + "steps: [{for_each: evidence.files}]\n",
		"else without if":      head + "steps: [{steps: [{stop: x}], else: [{stop: y}]}]\n",
		"unknown action":       head + "steps: [{uses: files.gett, with: {file: x}}]\n",
		"unknown param":        head + "steps: [{uses: files.get, with: {file: x, fyle: y}}]\n",
		"missing param":        head + "steps: [{uses: files.share, with: {file: x}}]\n",
		"no with":              head + "steps: [{uses: files.get}]\n",
		"wrong enum":           head + "steps: [{uses: devices.isolate, with: {device: x, type: half, comment: y}}]\n",
		"wrong type":           head + "steps: [{uses: test.pages, with: {limit: many}}]\n",
		"no unit":              head + "timeout: 24\nsteps: [{stop: x}]\n",
		"no duration":          head + "timeout: soon\nsteps: [{stop: x}]\n",
		"expression is a list": head + "steps: [{if: [a], stop: x}]\n",
		"set is a list":        head + "steps: [{set: [a]}]\n",
		"set of nothing":       head + "steps: [{set: {}}]\n",
		"a name in capitals":   head + "steps: [{set: {Aa: 1}}]\n",
		"no attempts":          head + "steps: [{uses: files.get, with: {file: x}, retry: {}}]\n",
		"too many attempts":    head + "steps: [{uses: files.get, with: {file: x}, retry: {attempts: 101}}]\n",
		"no question":          head + "steps: [{approve: {approvers: [a]}}]\n",
		"unknown on_error":     head + "steps: [{uses: files.get, with: {file: x}, on_error: ignore}]\n",
		"no times":             head + "steps: [{repeat: {steps: [{stop: x}]}}]\n",
		"unknown guardrail":    head + "guardrails: {max_targets: {disks: 1}}\nsteps: [{stop: x}]\n",
		"no type of a param":   head + "params: {a: {default: 1}}\nsteps: [{stop: x}]\n",
		"text for a number":    head + "guardrails: {max_targets: {files: many}}\nsteps: [{stop: x}]\n",
	} {
		schema := compiledSchema(t, PlaybookFile)
		v, ok := asJSON([]byte(text))
		if !ok {
			t.Fatalf("%s is no YAML", name)
		}
		if schema.Validate(v) == nil {
			t.Errorf("%s is valid by schema:\n%s", name, text)
		}
		if _, findings := LoadAndCheck("bad.yaml", []byte(text), testWorld()); !HasErrors(findings) {
			t.Errorf("%s has no errors:\n%s", name, text)
		}
	}
}

// probes are a playbook around each place of the language: where %s stands, a
// key of the place may be added.
var probes = map[string]string{
	"playbook":    "steps: [{stop: x}]\n%s: 1\n",
	"on":          "on: {%s: 1}\n",
	"on.incident": "on: {incident: {%s: 1}}\n",
	"on.alert":    "on: {alert: {%s: 1}}\n",
	"on.schedule": "on: {schedule: {%s: 1}}\n",
	"schedule":    "on: {hunting: {schedule: {%s: 1}}}\n",
	"on.hunting":  "on: {hunting: {%s: 1}}\n",
	"on.webhook":  "on: {webhook: {%s: 1}}\n",
	"on.manual":   "on: {manual: {%s: 1}}\n",
	"param":       "params: {a: {type: string, %s: 1}}\n",
	"guardrails":  "guardrails: {%s: 1}\n",
	"concurrency": "concurrency: {%s: 1}\n",
	"step":        "steps: [{stop: x, %s: 1}]\n",
	"retry":       "steps: [{uses: a, retry: {%s: 1}}]\n",
	"approve":     "steps: [{approve: {%s: 1}}]\n",
	"field":       "steps: [{approve: {ask: x, approvers: [a], form: {a: {type: string, %s: 1}}}}]\n",
	"wait":        "steps: [{wait: {%s: 1}}]\n",
	"repeat":      "steps: [{repeat: {%s: 1}}]\n",
	"on_error":    "steps: [{uses: a, on_error: {%s: 1}}]\n",
}

// The grammar of editors is that of the loader, key by key: whatever name stands
// anywhere in the loader's source, both know it in a place or neither does.
func TestGrammarIsThatOfTheLoader(t *testing.T) {
	words := loaderWords(t)
	for name := range grammar() {
		if _, ok := probes[name]; !ok && !slices.Contains([]string{"test", "rule", "list"}, name) {
			t.Errorf("%s has no probe", name)
		}
	}
	for name, probe := range probes {
		p := grammar()[name]
		for _, word := range append(slices.Clone(words), p.names()...) {
			text := "playbook: p\n" + fmt.Sprintf(probe, word)
			_, findings := Load("p.yaml", []byte(text))
			refused := slices.ContainsFunc(findings, func(f Finding) bool {
				return (f.Code == "E201" || f.Code == "E213" || f.Code == "E210") && strings.Contains(f.Message, strconv.Quote(word))
			})
			if _, known := p.key(word); known == refused {
				t.Errorf("%s: the grammar says %v of %s, the loader %v", name, known, word, briefly(findings))
			}
		}
	}
}

// The words that a key may hold are those that the loader takes: it names them
// when it refuses another.
func TestWordsAreThoseOfTheLoader(t *testing.T) {
	looked := 0
	for name, probe := range probes {
		for _, k := range grammar()[name].keys {
			value := "zzz"
			if k.form.kind == formWords {
				value = "[zzz]"
			}
			if len(k.form.words) < 2 || name == "playbook" && k.name == "steps" {
				continue
			}
			looked++
			text := "playbook: p\n" + strings.Replace(fmt.Sprintf(probe, k.name), k.name+": 1", k.name+": "+value, 1)
			if name == "step" {
				text = strings.Replace(text, "stop: x", "uses: files.get", 1)
			}
			_, findings := Load("p.yaml", []byte(text))
			told := false
			for _, f := range findings {
				if !strings.Contains(f.Message, `"zzz"`) {
					continue
				}
				told = true
				for _, word := range k.form.words {
					if !strings.Contains(f.Message, word) {
						t.Errorf("%s.%s: the grammar takes %s; the loader says: %s", name, k.name, word, f.Message)
					}
				}
				if n := strings.Count(f.Message, ", "); n > len(k.form.words) {
					t.Errorf("%s.%s: the loader takes more than %v: %s", name, k.name, k.form.words, f.Message)
				}
			}
			if !told {
				t.Errorf("%s.%s takes zzz:\n%s", name, k.name, briefly(findings))
			}
		}
	}
	if looked < 15 {
		t.Errorf("only %d keys have words", looked)
	}
}

func briefly(findings []Finding) string {
	var b strings.Builder
	for _, f := range findings {
		b.WriteString(brief(f))
	}
	return b.String()
}

// loaderWords are the names that stand as texts in the loader's source.
func loaderWords(t *testing.T) []string {
	t.Helper()
	files, _ := filepath.Glob("load*.go")
	words := []string{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if s, err := strconv.Unquote(lit.Value); err == nil && namePattern.MatchString(s) && len(s) > 1 {
					words = append(words, s)
				}
			}
			return true
		})
	}
	slices.Sort(words)
	if words = slices.Compact(words); len(words) < 100 {
		t.Fatalf("only %d words", len(words))
	}
	return words
}

// The examples and their tests are what people copy: an editor underlines
// nothing in them.
func TestExamplesAreValidBySchema(t *testing.T) {
	files, _ := filepath.Glob("../examples/*.yaml")
	seen := map[FileKind]int{}
	for _, file := range files {
		text := readFile(t, file)
		kind := KindOfFile(text)
		if kind == OtherFile {
			continue
		}
		seen[kind]++
		raw, err := json.Marshal(SchemaOf(kind, nil))
		if err != nil {
			t.Fatal(err)
		}
		doc, _ := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		c := jsonschema.NewCompiler()
		if err := c.AddResource("x.json", doc); err != nil {
			t.Fatal(err)
		}
		schema, err := c.Compile("x.json")
		if err != nil {
			t.Fatal(err)
		}
		v, _ := asJSON(text)
		if err := schema.Validate(v); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	if seen[PlaybookFile] < 3 || seen[TestFile] < 1 {
		t.Errorf("only %v", seen)
	}
}

func TestBadTestFilesAndListsAreInvalidBySchema(t *testing.T) {
	for text, kind := range map[string]FileKind{
		"playbook: x.yaml\n": TestFile,
		"playbook: x.yaml\ncases: [{name: a, event: {}}]\n":                               TestFile,
		"playbook: x.yaml\ncases: [{name: a, event: {}, expect: {status: good}}]\n":       TestFile,
		"playbook: x.yaml\ncases: [{name: a, event: {incidents: x}, expect: {}}]\n":       TestFile,
		"playbook: x.yaml\ncases: [{name: a, event: {}, expect: {effects: [{do: x}]}}]\n": TestFile,
		"name: a\ntype: string\n":                     ListFile,
		"name: a\ntype: string\nitems: x\n":           ListFile,
		"rule: a\nthen: x\n":                          RuleFile,
		"rule: a\nthen: []\non: [deleted]\n":          RuleFile,
		"rule: a\nthen: []\nenabled: yes please\n":    RuleFile,
		"name: a\ntype: [string, integer]\nitems: []": ListFile,
	} {
		v, ok := asJSON([]byte(text))
		if !ok || compiledSchema(t, kind).Validate(v) == nil {
			t.Errorf("valid by the schema of a %s:\n%s", kind, text)
		}
	}
}
