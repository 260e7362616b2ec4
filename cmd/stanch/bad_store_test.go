package main

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"stanch/connectors/practice"
)

// stored makes a store with one run in it and answers the file.
func (p *person) stored() string {
	p.t.Helper()
	p.write("book.yaml", goodBook)
	if s := p.types(live("40212", "--param", "tag=x")...); s.code != 0 {
		p.t.Fatalf("run: exit code %d\n%s", s.code, s.err)
	}
	return filepath.Join(p.dir, "s.db")
}

// TestAStoreThatIsNoneOfOursIsLeftAlone damages a store in several ways: each
// command says what is wrong with which file, and does not touch it.
func TestAStoreThatIsNoneOfOursIsLeftAlone(t *testing.T) {
	patch := func(at int, with ...byte) func([]byte) []byte {
		return func(b []byte) []byte { return append(append(bytes.Clone(b[:at]), with...), b[at+len(with):]...) }
	}
	for name, c := range map[string]struct {
		change func([]byte) []byte
		says   string
	}{
		"of a newer version":    {patch(60, 0, 0, 0, 99), "written by a newer version of stanch.*use the newer version"},
		"of another program":    {patch(68, 1, 2, 3, 4), "belongs to another program; name another path"},
		"a text":                {func([]byte) []byte { return bytes.Repeat([]byte("notes of mine\n"), 1000) }, "not a database|belongs to another program"},
		"a picture's beginning": {func(b []byte) []byte { return []byte("\x89PNG\r\n") }, "not a database|belongs to another program"},
		"cut off":               {func(b []byte) []byte { return b[:len(b)/2/4096*4096] }, "damaged|malformed"},
		"pages of zeros": {func(b []byte) []byte {
			b = bytes.Clone(b)
			clear(b[4096 : len(b)-4096])
			return b
		}, "damaged|malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPerson(t, practice.Options{})
			file := p.stored()
			before, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			bad := c.change(before)
			if err := os.WriteFile(file, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			changes := len(p.server.Tenant.Changes())
			for _, args := range [][]string{
				live("40212", "--param", "tag=y"),
				{"serve", example("oversharing.yaml"), "--config", "tenant.yaml", "--store", "sqlite:s.db"},
				{"runs", "list", "--config", "tenant.yaml", "--store", "sqlite:s.db"},
				{"freeze", "--config", "tenant.yaml", "--store", "sqlite:s.db", "--reason", "test"},
			} {
				reads := args[0] == "runs" || args[0] == "freeze"
				if reads && strings.Contains(c.says, "damaged") {
					continue // the worker looks at all of a file, others only at what they read
				}
				p.judges(p.types(args...), badCase{args: args, code: 3, says: []string{c.says, `s\.db`}})
			}
			after, err := os.ReadFile(file)
			if err != nil || !bytes.Equal(after, bad) {
				t.Errorf("the file was changed, %v", err)
			}
			if n := len(p.server.Tenant.Changes()); n != changes {
				t.Errorf("%d changes were made", n-changes)
			}
		})
	}
}

func TestAStoreThatIsAFolderIsNamed(t *testing.T) {
	t.Parallel()
	p := newPerson(t, practice.Options{})
	p.write("book.yaml", goodBook)
	p.write("s.db/x", "")
	c := badCase{args: live("40212", "--param", "tag=x"), code: 3, says: []string{`s\.db`, "directory"}}
	p.judges(p.types(c.args...), c)
}

// disk is a small file system that only commands run by its type see.
type disk struct {
	p    *person
	pid  int
	path string // as its commands see it
}

// newDisk mounts a file system of so many KiB in a name space of its own, held
// by a process that ends with the test.
func newDisk(p *person, kib int) *disk {
	p.t.Helper()
	d := &disk{p: p, path: filepath.Join(p.dir, "disk")}
	if err := os.Mkdir(d.path, 0o700); err != nil {
		p.t.Fatal(err)
	}
	holder := exec.Command("unshare", "--map-root-user", "--mount", "sh", "-c", fmt.Sprintf("mount -t tmpfs -o size=%dk tmpfs '%s' && echo ready && exec cat", kib, d.path))
	in, err := holder.StdinPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	out, err := holder.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		_ = in.Close() // cat ends
		_ = holder.Wait()
	})
	ready := make([]byte, 6)
	if _, err := io.ReadFull(out, ready); err != nil || string(ready) != "ready\n" {
		p.t.Fatalf("no small file system: %q, %v", ready, err)
	}
	d.pid = holder.Process.Pid
	return d
}

// begins starts a command that sees the disk.
func (d *disk) begins(args ...string) *begun {
	d.p.t.Helper()
	cmd := d.p.command(args)
	inside := exec.Command("nsenter", append([]string{"--target", strconv.Itoa(d.pid), "--user", "--mount", "--preserve-credentials", "sh", "-c", `cd "$0" && exec stanch "$@"`, d.p.dir}, args...)...)
	inside.Env = cmd.Env
	return d.p.starts(inside, nil)
}

func (d *disk) types(args ...string) heard { return d.p.wait(d.begins(args...)) }

// fill takes all that is left of the disk, or with no gives it back.
func (d *disk) fill(yes bool) {
	d.p.t.Helper()
	file := fmt.Sprintf("/proc/%d/root%s/ballast", d.pid, d.path)
	if !yes {
		if err := os.Remove(file); err != nil {
			d.p.t.Fatal(err)
		}
		return
	}
	f, err := os.Create(file)
	if err != nil {
		d.p.t.Fatal(err)
	}
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	if err := f.Close(); err != nil {
		d.p.t.Fatal(err)
	}
}

// TestAFullDiskLosesNothing fills the disk of the store before the first run,
// between two commands, and in the middle of a run.
func TestAFullDiskLosesNothing(t *testing.T) {
	t.Parallel()
	p := newPerson(t, practice.Options{})
	p.write("book.yaml", goodBook)
	d := newDisk(p, 4096)
	store := "sqlite:" + d.path + "/s.db"
	run := []string{"run", "book.yaml", "--incident", "40212", "--param", "tag=x", "--config", "tenant.yaml", "--store", store, "--live", "--output", "json"}
	full := func(args []string, s heard) {
		t.Helper()
		p.judges(s, badCase{args: args, code: 3, says: []string{"disk is full", `s\.db`}})
	}

	d.fill(true)
	full(run, d.types(run...))
	d.fill(false)
	if s := d.types(run...); s.code != 0 {
		t.Fatalf("with room again: exit code %d\n%s", s.code, s.err)
	}
	if n := len(p.server.Tenant.Changes()); n != 1 {
		t.Fatalf("%d changes, want 1", n)
	}

	d.fill(true)
	freeze := []string{"freeze", "--reason", "test", "--config", "tenant.yaml", "--store", store}
	full(freeze, d.types(freeze...))
	d.fill(false)
	if s := d.types(freeze...); s.code != 0 {
		t.Errorf("freeze with room again: exit code %d\n%s", s.code, s.err)
	}
	if s := d.types("thaw", "--reason", "test", "--config", "tenant.yaml", "--store", store); s.code != 0 {
		t.Errorf("thaw: exit code %d\n%s", s.code, s.err)
	}

	// In the middle: the tenant takes its time, meanwhile the disk fills up.
	p.breaks(map[string]any{"method": "PATCH", "path": "/v1.0/security/incidents/*", "delay": "3s"})
	run[5] = "tag=y"
	b := d.begins(run...)
	p.polls("the run", func() bool { return strings.Contains(b.err.String(), "begins") })
	d.fill(true)
	p.polls("a word about the disk", func() bool { return strings.Contains(b.err.String(), "disk is full") })
	d.fill(false)
	if s := p.wait(b); s.code != 0 || !strings.Contains(s.out, `"status": "succeeded"`) {
		t.Errorf("exit code %d\n%s%s", s.code, s.err, s.out)
	}
	if n := len(p.server.Tenant.Changes()); n != 2 {
		t.Errorf("%d changes, want 2", n)
	}
}

// TestBadAnswers is a tenant that answers what no tenant should.
func TestBadAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter)
		says   []string
	}{
		"200 MB": {func(w http.ResponseWriter) { _, _ = io.Copy(w, io.LimitReader(zeros{}, 200<<20)) }, []string{"limit", "MiB|bytes"}},
		"other type": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<html>Sign \x1b[2Jin</html>")
		}, []string{"(?i)json", "no proxy answers in its place"}},
		"trailing garbage": {func(w http.ResponseWriter) { fmt.Fprint(w, `{"id":"40212","alerts":[]}}}`) }, []string{"(?i)json"}},
		"redirect": {func(w http.ResponseWriter) {
			w.Header().Set("Location", "http://169.254.169.254/metadata")
			w.WriteHeader(http.StatusFound)
		}, []string{"(?i)redirect"}},
		"nothing": {func(http.ResponseWriter) {}, []string{"(?i)json|empty"}},
		"token in an error": {func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error":{"code":"bad","message":"`+strangerToken+` is no token, access_token=`+wrongSecret+`"}}`)
		}, []string{"400 invalid"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPerson(t, practice.Options{})
			server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				base := "https://" + r.Host + "/t"
				switch {
				case strings.HasSuffix(r.URL.Path, "/token"):
					fmt.Fprintf(w, `{"token_type":"Bearer","expires_in":3600,"access_token":%q}`, strangerToken)
				case strings.Contains(r.URL.Path, "openid-configuration"):
					fmt.Fprintf(w, `{"issuer":"%s/v2.0","token_endpoint":"%s/oauth2/v2.0/token","authorization_endpoint":"%s/a"}`, base, base, base)
				default:
					w.Header().Set("Content-Type", "application/json")
					c.answer(w)
				}
			}))
			t.Cleanup(server.Close)
			p.write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
			p.write("tenant.yaml", strings.ReplaceAll(p.tenant(""), p.server.URL, server.URL))
			args := []string{"incidents", "show", "40212", "--config", "tenant.yaml"}
			s := p.types(args...)
			p.judges(s, badCase{args: args, code: 3, says: c.says})
			if strings.Contains(s.err, strangerToken) {
				t.Error("a token is repeated")
			}
		})
	}
}

// strangerToken has the form of a token.
const strangerToken = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJub2JvZHkifQ.c2lnbmF0dXJl"
