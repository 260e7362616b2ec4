package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rooms are the packages of this module and which others each may see. What
// imports go down is decided here, in one place.
var rooms = map[string][]string{
	"connectors":                       {"connectors/egress"},
	"connectors/egress":                {},
	"connectors/incident":              {},
	"connectors/practice":              {"connectors/practice/kql"},
	"connectors/practice/kql":          {},
	"connectors/practice/practicetest": {"connectors", "connectors/practice"},
	"connectors/kusto":                 {},
	"connectors/graph":                 {"connectors", "connectors/kusto"},
	"connectors/loganalytics":          {"connectors", "connectors/kusto"},
	"connectors/activity":              {"connectors"},
	"connectors/dlp":                   {"connectors/activity", "connectors/incident"},
	"connectors/defender":              {"connectors"},
	"connectors/keyvault":              {"connectors"},
	"connectors/sentinel":              {"connectors"},
	"connectors/sharepoint":            {"connectors"},
	"connectors/web":                   {"connectors", "connectors/egress"},
	"connectors/evidence":              {"connectors", "connectors/egress"},

	"actions":           {},
	"actions/files":     {"actions", "connectors", "connectors/evidence", "connectors/graph", "connectors/sharepoint", "connectors/incident"},
	"actions/mail":      {"actions", "connectors", "connectors/evidence", "connectors/graph", "connectors/incident", "connectors/web"},
	"actions/incidents": {"actions", "connectors", "connectors/activity", "connectors/dlp", "connectors/graph", "connectors/incident", "connectors/sentinel"},
	"actions/users":     {"actions", "connectors", "connectors/graph", "connectors/incident"},
	"actions/devices":   {"actions", "connectors", "connectors/defender", "connectors/incident"},
	"actions/http":      {"actions", "connectors", "connectors/web"},
	"actions/notify":    {"actions", "connectors", "connectors/graph", "connectors/incident", "connectors/web"},
	"actions/hunting":   {"actions", "connectors", "connectors/activity", "connectors/graph", "connectors/incident", "connectors/kusto", "connectors/loganalytics"},

	"actions/shelftest": {"actions", "connectors", "connectors/activity", "connectors/evidence", "connectors/graph", "connectors/defender", "connectors/loganalytics", "connectors/sentinel", "connectors/sharepoint", "connectors/web", "connectors/practice", "connectors/practice/practicetest"},

	"playbooks":                 {"actions", "connectors/incident", "connectors/kusto"},
	"playbooks/review":          {"playbooks", "actions"},
	"playbooks/picture":         {"playbooks", "actions"},
	"playbooks/sentinelrules":   {"playbooks", "connectors/incident"},
	"engine":                    {"playbooks", "actions", "connectors/incident"},
	"engine/rehearse":           {"engine", "engine/sqlitestore", "playbooks", "actions", "connectors/incident"},
	"engine/view":               {"engine", "playbooks", "actions", "connectors/incident"},
	"engine/shadow":             {"engine", "actions", "connectors/incident"},
	"engine/sqlitestore":        {"engine", "engine/view"},
	"engine/redisstore":         {"engine"},
	"engine/storetest":          {"engine"},
	"engine/history":            {"engine"},
	"engine/internal/histcheck": {"engine", "engine/history"},
	"triggers":                  {"engine", "playbooks", "actions", "connectors", "connectors/activity", "connectors/dlp", "connectors/graph", "connectors/incident", "connectors/kusto", "connectors/loganalytics", "connectors/sentinel"},

	"engine/redisstore/redistest": {},

	"examples": {},

	"cmd/stanch/internal/config":   {"playbooks", "connectors", "connectors/egress"},
	"cmd/stanch/internal/lsp":      {"playbooks", "actions"},
	"cmd/stanch/internal/terminal": {},
	"cmd/stanch/internal/again":    {},
	"cmd/stanch": {
		"cmd/stanch/internal/config", "cmd/stanch/internal/lsp", "cmd/stanch/internal/terminal", "cmd/stanch/internal/again", "examples", "triggers",
		"engine", "engine/history", "engine/rehearse", "engine/sqlitestore", "engine/redisstore", "engine/shadow", "engine/view", "playbooks", "playbooks/review", "playbooks/picture", "playbooks/sentinelrules",
		"actions", "actions/files", "actions/incidents", "actions/users", "actions/devices", "actions/http", "actions/hunting", "actions/mail", "actions/notify",
		"connectors", "connectors/activity", "connectors/graph", "connectors/defender", "connectors/egress", "connectors/evidence", "connectors/keyvault", "connectors/loganalytics", "connectors/sentinel", "connectors/sharepoint", "connectors/web", "connectors/incident", "connectors/practice",
	},
}

// forTests are packages that no product code may import.
func forTests() []string {
	return []string{"actions/shelftest", "connectors/practice/practicetest", "engine/storetest", "engine/redisstore/redistest"}
}

// owners says which rooms may use a dependency, and why no other.
var owners = map[string]struct {
	rooms []string
	why   string
}{
	"gopkg.in/yaml.v3":          {[]string{"playbooks", "cmd/stanch/internal/config"}, "its library is archived: two rooms to change when it is replaced"},
	"github.com/expr-lang/expr": {[]string{"playbooks"}, "only our checker and our budget make its expressions safe"},
	"github.com/robfig/cron":    {[]string{"playbooks"}, "its Next skips hours at a change of the clock: it parses, no more"},
	"github.com/sethvargo/go-retry": {
		[]string{"engine"}, "waits are durable: the engine computes delays, nobody sleeps",
	},
	"modernc.org/sqlite":                {[]string{"engine/sqlitestore", "engine/view"}, "how a store keeps is its own business"},
	"github.com/redis/go-redis":         {[]string{"engine/redisstore"}, "how a store keeps is its own business"},
	"github.com/klauspost/compress":     {[]string{"engine/redisstore"}, "how a store keeps is its own business"},
	"github.com/Azure/azure-sdk-for-go": {[]string{"connectors", "connectors/graph", "connectors/defender", "connectors/sentinel", "connectors/sharepoint", "connectors/loganalytics"}, "the wire is the connectors'"},
	"net/http": {
		[]string{"connectors", "connectors/activity", "connectors/graph", "connectors/defender", "connectors/egress", "connectors/evidence", "connectors/loganalytics", "connectors/sentinel", "connectors/sharepoint", "connectors/web", "connectors/practice", "connectors/practice/practicetest", "actions/shelftest", "triggers", "cmd/stanch"},
		"the wire is the connectors': triggers takes requests, and sends none",
	},
	"github.com/spf13/cobra": {[]string{"cmd/stanch"}, "flags and exit codes are the command's"},
	"github.com/spf13/pflag": {[]string{"cmd/stanch"}, "flags and exit codes are the command's"},
	"golang.org/x/term":      {[]string{"cmd/stanch/internal/terminal"}, "the terminal is one room's"},
	"os/exec":                {[]string{"engine/redisstore/redistest", "cmd/stanch/internal/again"}, "there is no shell anywhere; redistest starts redis-server, for tests only, and again this very program"},
	"unsafe":                 {nil, "nothing here needs it"},
	"math/rand":              {nil, "math/rand/v2 for dice, crypto/rand for tokens"},
	"encoding/gob":           {nil, "what is stored is JSON"},
}

// topLevel is everything that stands at the top of the repository.
var topLevel = []string{"actions", "cmd", "connectors", "engine", "examples", "go.mod", "go.sum", "playbooks", "triggers", "README.md"}

const (
	module = "stanch/"
	root   = "../.."
)

// source is one Go file.
type source struct {
	room, file string
	test       bool
	lines      int
	ast        *ast.File
	fset       *token.FileSet
}

func (s source) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", s.file, s.fset.Position(n.Pos()).Line)
}

func (s source) imports() []string {
	var out []string
	for _, i := range s.ast.Imports {
		name, _ := strconv.Unquote(i.Path.Value)
		out = append(out, name)
	}
	return out
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && d.Name() != ".." && p != root):
			return filepath.SkipDir
		case d.IsDir() || path.Ext(p) != ".go":
			return nil
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, rel, text, parser.ParseComments)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		all = append(all, source{
			room: path.Dir(rel), file: rel, test: strings.HasSuffix(rel, "_test.go"),
			lines: strings.Count(string(text), "\n"), ast: file, fset: fset,
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("only %d Go files found: the walk is wrong", len(all))
	}
	return all
}

func TestImportsGoDown(t *testing.T) {
	for _, s := range sources(t) {
		sees, known := rooms[s.room]
		if !known {
			t.Errorf("%s: %s is no room of this house: add it to rooms with what it may see", s.file, s.room)
			continue
		}
		if s.test {
			continue
		}
		for _, name := range s.imports() {
			other, ours := strings.CutPrefix(name, module)
			if ours && !slices.Contains(sees, other) {
				t.Errorf("%s: %s may not see %s", s.file, s.room, other)
			}
			if ours && slices.Contains(forTests(), other) && !slices.Contains(forTests(), s.room) {
				t.Errorf("%s: %s is for tests only", s.file, other)
			}
		}
	}
}

// The floors have no cycle, and no path through them is long.
func TestFloors(t *testing.T) {
	const most = 6
	var climb func(room string, above []string) int
	climb = func(room string, above []string) int {
		if slices.Contains(above, room) {
			t.Fatalf("a cycle: %s", strings.Join(append(above, room), " → "))
		}
		height := 0
		for _, below := range rooms[room] {
			if _, known := rooms[below]; !known {
				t.Errorf("%s sees %s, which is no room", room, below)
			}
			height = max(height, 1+climb(below, append(above, room)))
		}
		return height
	}
	for room := range rooms {
		if h := climb(room, nil); h > most {
			t.Errorf("%s stands on %d floors, at most %d are allowed", room, h, most)
		}
	}
}

func TestEachDependencyHasItsRooms(t *testing.T) {
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		for _, name := range s.imports() {
			for dependency, own := range owners {
				is := name == dependency || strings.HasPrefix(name, dependency+"/") && strings.Contains(dependency, ".")
				if is && !slices.Contains(own.rooms, s.room) {
					t.Errorf("%s: %s may not use %s: %s", s.file, s.room, name, own.why)
				}
			}
		}
	}
}

func TestTopLevelIsTheCards(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		built := !e.IsDir() && (e.Name() == "stanch" || slices.Contains([]string{".test", ".out", ".prof"}, path.Ext(e.Name())))
		if !strings.HasPrefix(e.Name(), ".") && !built && !slices.Contains(topLevel, e.Name()) {
			t.Errorf("%s does not belong at the top: it holds %s", e.Name(), strings.Join(topLevel, ", "))
		}
	}
}

func TestHouseRules(t *testing.T) {
	vague := []string{"util", "utils", "common", "types", "models", "helpers", "helper", "base", "core", "misc", "shared", "lib"}
	// It would send tokens in clear. Spelled so that this file does not find itself.
	insecure := "InsecureAllowCredential" + "WithHTTP"
	for _, s := range sources(t) {
		if slices.Contains(vague, s.ast.Name.Name) {
			t.Errorf("%s: package %s says nothing of what it holds", s.file, s.ast.Name.Name)
		}
		for _, d := range s.ast.Decls {
			if f, is := d.(*ast.FuncDecl); is && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: init() hides what happens at the start: say it in main", s.at(f))
			}
		}
		sleeps := s.room == "connectors/practice" && !s.test // the delay that somebody asked the practice tenant for
		inspect(s.ast, func(n ast.Node, around []ast.Node) {
			switch n := n.(type) {
			case *ast.Ident:
				if n.Name == insecure {
					t.Errorf("%s: %s sends tokens in clear", s.at(n), insecure)
				}
			case *ast.SelectorExpr:
				x, is := n.X.(*ast.Ident)
				if is && x.Name == "time" && n.Sel.Name == "Sleep" && !sleeps {
					t.Errorf("%s: time.Sleep: wait for what you wait for, or use testing/synctest", s.at(n))
				}
				if is && strings.HasPrefix(n.Sel.Name, "Skip") && typeOf(x.Name, around) == "testing" {
					t.Errorf("%s: a skipped test promises nothing", s.at(n))
				}
			}
		})
	}
}

// inspect visits every node with the nodes around it, outermost first.
func inspect(root ast.Node, visit func(n ast.Node, around []ast.Node)) {
	var around []ast.Node
	ast.Inspect(root, func(n ast.Node) bool {
		if n == nil {
			around = around[:len(around)-1]
			return true
		}
		visit(n, around)
		around = append(around, n)
		return true
	})
}

// typeOf answers the package of the type that the parameter has in the nearest
// function around: testing for t *testing.T, rapid for t *rapid.T.
func typeOf(param string, around []ast.Node) string {
	for _, n := range slices.Backward(around) {
		var f *ast.FuncType
		switch n := n.(type) {
		case *ast.FuncLit:
			f = n.Type
		case *ast.FuncDecl:
			f = n.Type
		default:
			continue
		}
		for _, field := range f.Params.List {
			if !slices.ContainsFunc(field.Names, func(i *ast.Ident) bool { return i.Name == param }) {
				continue
			}
			star, is := field.Type.(*ast.StarExpr)
			if !is {
				return ""
			}
			if sel, is := star.X.(*ast.SelectorExpr); is {
				return fmt.Sprint(sel.X)
			}
		}
	}
	return ""
}

// Package variables are values that nobody changes: sentinels, embedded files,
// compiled regular expressions, and what is computed from those at most once.
func TestPackageVariables(t *testing.T) {
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		for _, d := range s.ast.Decls {
			g, is := d.(*ast.GenDecl)
			if !is || g.Tok != token.VAR {
				continue
			}
			for _, spec := range g.Specs {
				v := spec.(*ast.ValueSpec)
				embedded := embeds(g.Doc) || embeds(v.Doc)
				for i, name := range v.Names {
					fixed := embedded || i < len(v.Values) && constant(v.Values[i])
					if name.Name != "_" && !fixed {
						t.Errorf("%s: package variable %s: make it a value somebody holds", s.at(name), name.Name)
					}
				}
			}
		}
	}
}

func embeds(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") })
}

func constant(e ast.Expr) bool {
	call, is := e.(*ast.CallExpr)
	if !is {
		return false
	}
	sel, is := call.Fun.(*ast.SelectorExpr)
	if !is {
		return false
	}
	x, is := sel.X.(*ast.Ident)
	return is && slices.Contains([]string{"errors.New", "fmt.Errorf", "regexp.MustCompile", "sync.OnceValue", "sync.OnceValues"}, x.Name+"."+sel.Sel.Name)
}

// Long files and functions are told, not forbidden: they ask whether a room
// holds two things.
func TestLengths(t *testing.T) {
	const longFile, longFunction = 400, 60
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		if s.lines > longFile {
			t.Logf("%s has %d lines", s.file, s.lines)
		}
		for _, d := range s.ast.Decls {
			f, is := d.(*ast.FuncDecl)
			if !is || f.Body == nil {
				continue
			}
			if n := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line; n > longFunction {
				t.Logf("%s: %s has %d lines", s.at(f), f.Name.Name, n)
			}
		}
	}
	t.Logf("%d rooms: %s", len(rooms), strings.Join(slices.Sorted(maps.Keys(rooms)), " "))
}
