package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"stanch/connectors/practice"
)

// badCase is a wrong input and what is said of it.
type badCase struct {
	files map[string]string // written first; "tenant.yaml" replaces the operator's file
	make  func(*person)
	args  []string
	env   []string
	in    io.Reader
	code  int
	says  []string // patterns that standard error or output must match
}

// tries runs each case: it ends with the exit code, says what is wrong, and
// leaves no store behind and nothing changed in the tenant.
func tries(t *testing.T, cases map[string]badCase) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPerson(t, practice.Options{})
			for file, text := range c.files {
				p.write(file, strings.ReplaceAll(text, "$TENANT", p.server.URL))
			}
			if c.make != nil {
				c.make(p)
			}
			s := p.wait(p.starts(p.command(c.args, c.env...), c.in))
			p.judges(s, c)
			if left, _ := filepath.Glob(p.dir + "/*.db*"); len(left) > 0 {
				t.Errorf("it has left %v", left)
			}
			if n := len(p.server.Tenant.Changes()); n > 0 {
				t.Errorf("it has made %d changes", n)
			}
		})
	}
}

func (p *person) judges(s heard, c badCase) {
	p.t.Helper()
	all := s.err + s.out
	if s.code != c.code {
		p.t.Errorf("stanch %v: exit code %d, want %d\n%.2000s", c.args, s.code, c.code, all)
	}
	for _, want := range c.says {
		if !regexp.MustCompile(`(?m)` + want).MatchString(all) {
			p.t.Errorf("stanch %v does not say %q:\n%.2000s", c.args, want, all)
		}
	}
	if lines := strings.Count(s.err, "\n"); lines > 40 || len(s.err) > 8000 {
		p.t.Errorf("stanch %v says too much: %d lines, %d bytes", c.args, lines, len(s.err))
	}
	for _, r := range s.err {
		if r < ' ' && r != '\n' && r != '\t' {
			p.t.Errorf("a control character %q reaches the terminal", r)
			break
		}
	}
}

// live are the arguments of a live run of book.yaml on an incident.
func live(incident string, more ...string) []string {
	return append([]string{"run", "book.yaml", "--incident", incident, "--config", "tenant.yaml", "--store", "sqlite:s.db", "--live"}, more...)
}

// goodBook tags the incident.
const goodBook = `playbook: tag
title: Tag
status: stable
owner: dlp@contoso.example
on: {manual: {}}
params:
  tag: {type: string}
  most: {type: integer, default: 3}
steps:
  - id: it
    uses: incidents.tag
    with:
      incident: ${{ incident.id }}
      add: ["${{ params.tag }}"]
`

// wrongBook is goodBook with one line in place of another.
func wrongBook(old, now string) map[string]string {
	text := strings.Replace(goodBook, old, now, 1)
	if text == goodBook {
		panic("no " + old)
	}
	return map[string]string{"book.yaml": text}
}

func TestBadPlaybooks(t *testing.T) {
	bad := func(old, now string, says ...string) badCase {
		return badCase{files: wrongBook(old, now), args: live("40212", "--param", "tag=x"), code: 1, says: append(says, "nothing was run")}
	}
	tries(t, map[string]badCase{
		"broken YAML":           bad("steps:", "steps: [", `^book\.yaml:\d+:\d+: error\[E\d+\]`),
		"tab":                   bad("    uses:", "\tuses:", `^book\.yaml:\d+:\d+: error`, "(?i)tab"),
		"two documents":         bad("title: Tag", "title: Tag\n---\nx: y", `^book\.yaml:3:\d+: error`),
		"alias":                 bad("title: Tag", "title: &a Tag\nowner2: *a", `^book\.yaml:2:\d+: error`),
		"double key":            bad("title: Tag", "title: Tag\ntitle: Again", `^book\.yaml:3:1: error`, "title"),
		"unknown key":           bad("owner:", "ownr:", `^book\.yaml:4:1: error\[E\d+\]`, `ownr`, `did you mean "?owner`),
		"misspelt action":       bad("incidents.tag", "incidents.tga", `^book\.yaml:11:11: error`, `did you mean .?incidents\.tag`),
		"misspelt field":        bad("incident.id", "incident.idd", `^book\.yaml:13:\d+: error`, "idd"),
		"misspelt function":     bad("params.tag", "trimm(params.tag)", `^book\.yaml:14:\d+: error`, "trimm", "did you mean"),
		"wrong type":            bad("params.tag", "params.most + 1", `^book\.yaml:14:\d+: error`),
		"missing parameter":     bad("      incident: ${{ incident.id }}\n", "", `^book\.yaml:1\d:\d+: error`, "incident"),
		"unclosed expression":   bad("params.tag }}", "params.tag", `^book\.yaml:1\d:\d+: error`),
		"byte that is no UTF-8": bad("title: Tag", "title: T\xffg", `^book\.yaml:2:\d+: error`),
		"bidi in a title":       bad("title: Tag", "title: \u202eTag", `^book\.yaml:2:\d+: error`, `(?i)u\+?202e`),
		"5,000 brackets":        bad("title: Tag", "title: "+strings.Repeat("[", 5000), `^book\.yaml:2:\d+: error`),
		"empty file":            {files: map[string]string{"book.yaml": ""}, args: live("40212"), code: 1, says: []string{`^book\.yaml:1:1: error`}},
		"folder":                {make: func(p *person) { p.write("book.yaml/x.txt", "") }, args: live("40212"), code: 2, says: []string{"book.yaml holds 0 playbooks: name one"}},
		"no such file":          {args: live("40212"), code: 3, says: []string{`book\.yaml: no such file or directory`}},
		"endless file":          {args: []string{"run", "/dev/zero", "--incident", "40212", "--config", "tenant.yaml"}, code: 3, says: []string{"/dev/zero"}},
		"UTF-16":                {files: map[string]string{"book.yaml": "\xff\xfep\x00l\x00a\x00y\x00"}, args: live("40212"), code: 1, says: []string{`^book\.yaml:1:1: error`, "UTF-(8|16)"}},
		"param missing":         {files: map[string]string{"book.yaml": goodBook}, args: live("40212"), code: 2, says: []string{"tag"}},
		"param of wrong type":   {files: map[string]string{"book.yaml": goodBook}, args: live("40212", "--param", "tag=x", "--param", "most=many"), code: 2, says: []string{"most", "many"}},
		"param unknown":         {files: map[string]string{"book.yaml": goodBook}, args: live("40212", "--param", "tag=x", "--param", "tagg=y"), code: 2, says: []string{"tagg"}},
	})
}

func TestBadIncidents(t *testing.T) {
	list, err := os.ReadFile(example("fixtures/external-share.json"))
	if err != nil {
		t.Fatal(err)
	}
	with := func(text string, code int, says ...string) badCase {
		return badCase{
			files: map[string]string{"book.yaml": goodBook, "in.json": text}, args: live("in.json", "--param", "tag=x"), code: code,
			says: append(says, `in\.json`),
		}
	}
	tries(t, map[string]badCase{
		"not JSON":         with("hello", 3, "(?i)json"),
		"empty":            with("", 3),
		"cut off":          with(string(list[:len(list)/2]), 3),
		"two bodies":       with(string(list)+string(list), 3),
		"list response":    with(`{"@odata.context":"x","value":[`+string(list)+`]}`, 3, "list"),
		"error response":   with(`{"error":{"code":"NotFound","message":"no"}}`, 3),
		"array":            with(`[]`, 3),
		"null":             with(`null`, 3),
		"deep":             with(strings.Repeat(`{"a":`, 100_000), 3),
		"id of wrong type": with(`{"id":{"a":1},"displayName":"x","alerts":[]}`, 3, "id"),
		"a playbook":       with(goodBook, 3),
		"200 MB": {
			files: map[string]string{"book.yaml": goodBook},
			make: func(p *person) {
				if err := os.Truncate(p.write("in.json", "{"), 200<<20); err != nil {
					p.t.Error(err)
				}
			},
			args: live("in.json", "--param", "tag=x"), code: 3, says: []string{`in\.json has more than 64 MiB`},
		},
		"200 MB on standard input": {
			in: io.LimitReader(zeros{}, 200<<20), args: []string{"incidents", "show", "-"}, code: 3, says: []string{"standard input has more than 64 MiB"},
		},
		"no standard input": {args: []string{"incidents", "show", "-"}, code: 3, says: []string{"standard input"}},
		"missing":           {files: map[string]string{"book.yaml": goodBook}, args: live("in.json", "--param", "tag=x"), code: 3, says: []string{"in.json is neither a file nor an incident id such as defender/1234"}},
		"dangling link": {
			files: map[string]string{"book.yaml": goodBook},
			make: func(p *person) {
				if err := os.Symlink("nowhere.json", filepath.Join(p.dir, "in.json")); err != nil {
					p.t.Error(err)
				}
			},
			args: live("in.json", "--param", "tag=x"), code: 3, says: []string{`in\.json`},
		},
		"folder":           {make: func(p *person) { p.write("book.yaml", goodBook); p.write("in.json/x", "") }, args: live("in.json", "--param", "tag=x"), code: 3, says: []string{`in\.json is a folder, not a file`}},
		"no such incident": {files: map[string]string{"book.yaml": goodBook}, args: live("999999", "--param", "tag=x"), code: 3, says: []string{"999999", "not_found|not found"}},
		"id with a path":   {files: map[string]string{"book.yaml": goodBook}, args: live("defender/../../users", "--param", "tag=x"), code: 3, says: []string{"is no id"}},
	})
}

// zeros is endless.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// auth is the tenant's auth in an operator's file.
func auth(lines string) string { return "  id: contoso.example\n  auth: {" + lines + "}\n" }

func TestBadTenants(t *testing.T) {
	at := func(prepare func(*person), code int, says ...string) badCase {
		return badCase{make: func(p *person) { p.write("book.yaml", goodBook); prepare(p) }, args: live("40212", "--param", "tag=x"), code: code, says: says}
	}
	signs := func(lines string, says ...string) badCase {
		c := at(func(p *person) { p.write("tenant.yaml", p.tenant(auth(lines))) }, 3, says...)
		c.env = []string{"GOOD_SECRET=" + practice.FullApp().Secret, "WRONG_SECRET=" + wrongSecret, "SHORT_SECRET=abc", "EMPTY_SECRET="}
		return c
	}
	full := "kind: client_secret, client: " + practice.FullApp().ID
	points := func(where, ca string) func(*person) {
		return func(p *person) {
			text := strings.ReplaceAll(p.tenant(""), p.server.URL, where)
			p.write("tenant.yaml", strings.Replace(text, "ca: ca.pem", "ca: "+ca, 1))
		}
	}
	fails := func(f ...map[string]any) func(*person) {
		return func(p *person) { p.breaks(f...) }
	}
	tries(t, map[string]badCase{
		"nobody listens": at(points("https://127.0.0.1:1", "ca.pem"), 3, "127.0.0.1:1", "(?i)refused|connect"),
		"no such host":   at(points("https://no-such-host.invalid", "ca.pem"), 3, "no-such-host.invalid"),
		"certificate of a stranger": at(func(p *person) {
			p.write("stranger.pem", strangerCA(p.t))
			p.write("tenant.yaml", strings.Replace(p.tenant(""), "ca: ca.pem", "ca: stranger.pem", 1))
		}, 3, "(?i)certificate", "tenant.ca|trust"),
		"no CA file": at(func(p *person) {
			p.write("tenant.yaml", strings.Replace(p.tenant(""), "ca: ca.pem", "ca: none.pem", 1))
		}, 3, `tenant\.yaml:5:7`, `none\.pem`),
		"CA file of garbage": at(func(p *person) { p.write("ca.pem", "garbage") }, 3, "(?i)ca|certificate"),
		"plain http":         at(points("http://127.0.0.1:1", "ca.pem"), 3, `tenant\.authority must be an https address`),
		"wrong secret":       signs(full+", secret: {env: WRONG_SECRET}", "AADSTS7000215", "give the secret's value, not its id"),
		"unknown app":        signs("kind: client_secret, client: 11111111-2222-3333-4444-555555555555, secret: {env: GOOD_SECRET}", "AADSTS700016", "compare client id and tenant id"),
		"unset secret":       signs(full+", secret: {env: NO_SUCH_SECRET}", "environment variable NO_SUCH_SECRET is not set"),
		"empty secret":       signs(full+", secret: {env: EMPTY_SECRET}", "EMPTY_SECRET is not set"),
		"short secret":       signs(full+", secret: {env: SHORT_SECRET}", "SHORT_SECRET holds less than 8 characters"),
		"secret in the file": signs(full+", secret: "+wrongSecret, `tenant\.yaml:\d+:\d+`, "secret"),
		"secret that others read": at(func(p *person) {
			file := p.write("app.secret", practice.FullApp().Secret)
			if err := os.Chmod(file, 0o644); err != nil {
				p.t.Error(err)
			}
			p.write("tenant.yaml", p.tenant(auth(full+", secret: {file: app.secret}")))
		}, 3, `chmod 600 .*app\.secret`),
		"secret file missing": signs(full+", secret: {file: none.secret}", `none\.secret`),
		"expired secret": at(fails(map[string]any{"path": "/**/oauth2/v2.0/token", "status": 401, "body": map[string]any{
			"error": "invalid_client", "error_description": "AADSTS7000222: The provided client secret keys for app are expired.", "error_codes": []int{7000222},
		}}), 3, "AADSTS7000222", "has expired: make a new one"),
		"login answers HTML":       at(fails(map[string]any{"path": "/**/oauth2/v2.0/token", "status": 200, "body": "<html>proxy\x1b[2J</html>"}), 3, "no token", "proxy"),
		"login is down":            at(fails(map[string]any{"path": "/**/oauth2/v2.0/token", "status": 503}), 3, "503|unavailable"),
		"token not taken":          at(fails(map[string]any{"path": "/v1.0/**", "status": 401}), 3, "unauthorized"),
		"HTML in place of the API": at(fails(map[string]any{"path": "/v1.0/**", "status": 200, "body": "<html>Sign in</html>"}), 3, "no sound JSON", "no proxy answers in its place"),
		"half an answer":           at(fails(map[string]any{"path": "/v1.0/**", "cut": "middle"}), 3, "40212"),
		"another incident":         at(fails(map[string]any{"path": "/v1.0/**", "status": 200, "body": map[string]any{"id": "1", "displayName": "x", "alerts": []any{}}}), 3, "40212"),
		"no permission to read":    at(fails(map[string]any{"path": "/v1.0/**", "status": 403}), 3, "forbidden", "SecurityIncident.Read.All", "admin consent"),
		"no tenant":                {files: map[string]string{"book.yaml": goodBook, "tenant.yaml": "own_domains: [contoso.example]\n"}, args: live("40212", "--param", "tag=x"), code: 3, says: []string{"no tenant: name the operator's file"}},
		"unknown key":              {files: map[string]string{"tenant.yaml": "tennant: {}\n"}, args: live("40212"), code: 3, says: []string{`tenant\.yaml:1:1: unknown key "tennant"`, `did you mean "tenant"`}},
		"not YAML":                 {files: map[string]string{"tenant.yaml": "tenant: [\n"}, args: live("40212"), code: 3, says: []string{`tenant\.yaml:\d+:\d+: this is not YAML`}},
		"no operator's file":       {make: func(p *person) { _ = os.Remove(p.dir + "/tenant.yaml") }, args: live("40212"), code: 3, says: []string{`tenant\.yaml: no such file`}},
		"wrong store":              {args: []string{"runs", "list", "--config", "tenant.yaml", "--store", "mysql://x"}, code: 3, says: []string{"sqlite:PATH"}},
	})
}

// breaks sets faults on the tenant.
func (p *person) breaks(faults ...map[string]any) {
	p.t.Helper()
	raw, err := json.Marshal(append([]map[string]any{}, faults...))
	if err != nil {
		p.t.Fatal(err)
	}
	res, err := http.Post(p.server.PlainURL+"/practice/faults", "application/json", bytes.NewReader(raw))
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	if text, _ := io.ReadAll(res.Body); res.StatusCode > 299 {
		p.t.Fatalf("faults: %s: %s", res.Status, text)
	}
}

// strangerCA is a certificate that vouches for nobody here.
func strangerCA(t *testing.T) string {
	t.Helper()
	_, ca, err := practice.Certificate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return string(ca)
}

// TestAMissingPermissionFailsTheStepByName runs as an app that may only read.
func TestAMissingPermissionFailsTheStepByName(t *testing.T) {
	t.Parallel()
	p := newPerson(t, practice.Options{})
	p.write("book.yaml", goodBook)
	p.write("app.secret", practice.ReaderApp().Secret)
	p.write("tenant.yaml", p.tenant(auth("kind: client_secret, client: "+practice.ReaderApp().ID+", secret: {file: app.secret}")))
	c := badCase{args: live("40212", "--param", "tag=x"), code: 1, says: []string{"forbidden", "needs the application permission SecurityIncident.ReadWrite.All", "not_done"}}
	p.judges(p.types(c.args...), c)
	if n := len(p.server.Tenant.Changes()); n > 0 {
		t.Errorf("%d changes", n)
	}
}
