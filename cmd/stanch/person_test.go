package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
	"stanch/engine"
)

// person types commands of the real binary into a folder of their own, against
// a practice tenant of their own. What the commands say is kept: at the end no
// secret may be in it.
type person struct {
	t      *testing.T
	server *practicetest.Server
	dir    string

	mu  sync.Mutex
	all bytes.Buffer
}

// heard is what was said of a command.
type heard struct {
	out, err string
	code     int
}

// newPerson serves a tenant and writes tenant.yaml, which points at it, and
// ca.pem.
func newPerson(t *testing.T, o practice.Options) *person {
	t.Helper()
	p := &person{t: t, dir: t.TempDir()}
	keep := &kept{}
	o.Observe = func(x practice.Exchange) { keep.token(x) }
	p.server = practicetest.Start(t, o)
	p.write("ca.pem", string(p.server.CAPEM))
	p.write("tenant.yaml", p.tenant(""))
	t.Cleanup(func() { p.silent(keep) })
	return p
}

// tenant is the text of an operator's file that points at the tenant; auth
// stands in it where it is not empty.
func (p *person) tenant(auth string) string {
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		p.t.Fatal(err)
	}
	return fmt.Sprintf(`playbooks: [%s]
tenant:
  cloud: practice
  authority: %s
  ca: ca.pem
%sown_domains: [contoso.example]
groups:
  dlp-officers: [dana.officer@contoso.example, omar.officer@contoso.example]
undo: {approval: none}
`, examples, p.server.URL, auth)
}

func (p *person) write(name, text string) string {
	p.t.Helper()
	file := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return file
}

// example is the path of an example.
func example(name string) string {
	path, err := filepath.Abs("../../examples/" + name)
	if err != nil {
		panic(err)
	}
	return path
}

// command prepares a command; env is added to its environment.
func (p *person) command(args []string, env ...string) *exec.Cmd {
	cmd := exec.Command("stanch", args...)
	cmd.Dir = p.dir
	cmd.Env = append(append(os.Environ(), "HOME="+p.dir+"/home", "XDG_CONFIG_HOME=", "XDG_STATE_HOME=", "XDG_CACHE_HOME=", "STANCH_CONFIG=", "STANCH_STORE=", "NO_COLOR=1"), env...)
	return cmd
}

// types runs a command to its end.
func (p *person) types(args ...string) heard {
	p.t.Helper()
	return p.wait(p.begins(args...))
}

// begun is a command that is running.
type begun struct {
	cmd  *exec.Cmd
	args []string
	out  *lockedBuffer
	err  *lockedBuffer
}

// lockedBuffer can be read while a process writes to it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// begins starts a command.
func (p *person) begins(args ...string) *begun {
	p.t.Helper()
	return p.starts(p.command(args), nil)
}

func (p *person) starts(cmd *exec.Cmd, in io.Reader) *begun {
	p.t.Helper()
	b := &begun{cmd: cmd, args: cmd.Args, out: &lockedBuffer{}, err: &lockedBuffer{}}
	cmd.Stdin, cmd.Stderr = in, b.err
	if cmd.Stdout == nil {
		cmd.Stdout = b.out
	}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { // of a test that failed before its end
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	return b
}

// wait answers what a command has said when it has ended.
func (p *person) wait(b *begun) heard {
	p.t.Helper()
	err := b.cmd.Wait()
	if _, is := errors.AsType[*exec.ExitError](err); err != nil && !is {
		p.t.Fatalf("%v: %v", b.args, err)
	}
	s := heard{b.out.String(), b.err.String(), b.cmd.ProcessState.ExitCode()}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all.WriteString(s.out)
	p.all.WriteString(s.err)
	if strings.Contains(s.err, "goroutine ") || strings.Contains(s.err, "panic:") {
		p.t.Errorf("%v panics:\n%s", b.args, s.err)
	}
	return s
}

// reads runs a command whose output is JSON.
func (p *person) reads(into any, args ...string) heard {
	p.t.Helper()
	s := p.types(args...)
	if err := json.Unmarshal([]byte(s.out), into); err != nil {
		p.t.Fatalf("stanch %v: exit code %d: %v\n%s%s", args, s.code, err, s.out, s.err)
	}
	return s
}

// polls repeats look until it answers true.
func (p *person) polls(what string, look func() bool) {
	p.t.Helper()
	for deadline := time.After(60 * time.Second); ; {
		if look() {
			return
		}
		select {
		case <-deadline:
			p.t.Fatalf("%s: not in time", what)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// approves gives the word of every officer to everything that waits for one
// while a command runs, and answers what the command said.
func (p *person) approves(b *begun, store string) heard {
	p.t.Helper()
	ended := make(chan heard, 1)
	go func() { ended <- p.wait(b) }()
	for {
		select {
		case s := <-ended:
			return s
		case <-time.After(100 * time.Millisecond):
		}
		var list []engine.Approval
		s := p.types("approvals", "list", "--store", store, "--config", "tenant.yaml", "--output", "json")
		if s.code != 0 || json.Unmarshal([]byte(s.out), &list) != nil {
			continue // the store is not there yet
		}
		for _, a := range list {
			for i := range a.Quorum {
				who := []string{"dana.officer@contoso.example", "omar.officer@contoso.example"}[i]
				if s := p.types("approvals", "approve", a.ID, "--as", who, "--store", store, "--config", "tenant.yaml"); s.code != 0 {
					p.t.Errorf("approve as %s: %s", who, s.err)
				}
			}
		}
	}
}

// asks reads a page of the tenant's own.
func (p *person) asks(path string) []byte {
	p.t.Helper()
	res, err := http.Get(p.server.PlainURL + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return raw
}

// kept are the tokens that the tenant has given out.
type kept struct {
	mu     sync.Mutex
	tokens []string
}

func (k *kept) token(x practice.Exchange) {
	var body struct {
		Token string `json:"access_token"`
	}
	if !strings.HasSuffix(x.Request.URL.Path, "/token") || json.Unmarshal(x.Body, &body) != nil || body.Token == "" {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tokens = append(k.tokens, body.Token)
}

// silent fails the test if a secret or a token stands in what was said or in a
// file that the commands left; those that the test wrote may hold one.
func (p *person) silent(k *kept) {
	secrets := []string{practice.FullApp().Secret, practice.ReaderApp().Secret, wrongSecret}
	k.mu.Lock()
	for _, t := range k.tokens {
		secrets = append(secrets, t, t[strings.LastIndex(t, ".")+1:])
	}
	k.mu.Unlock()
	look := func(where string, text []byte) {
		for _, s := range secrets {
			if bytes.Contains(text, []byte(s)) {
				p.t.Errorf("a secret stands in %s", where)
			}
		}
	}
	p.mu.Lock()
	look("what the commands said", p.all.Bytes())
	p.mu.Unlock()
	err := filepath.WalkDir(p.dir, func(file string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.HasSuffix(file, ".secret") || strings.HasSuffix(file, "/tenant.yaml") {
			return err
		}
		text, err := os.ReadFile(file)
		look(strings.TrimPrefix(file, p.dir+"/"), text)
		return err
	})
	if err != nil {
		p.t.Error(err)
	}
}

// wrongSecret is one that the tenant refuses.
const wrongSecret = "wrong-S3cret~of-nobody-7Qx"
