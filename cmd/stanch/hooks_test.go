package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"stanch/connectors"
	"stanch/connectors/practice"
)

const hookSecret = "a-secret-of-hooks-that-nobody-may-see"

const hookBook = `playbook: reported
title: Somebody reports an incident
status: stable
owner: dlp@contoso.example
on:
  webhook: {path: dlp/reports, body: {incident: string}}
steps:
  - uses: incidents.comment
    with: {incident: "${{ event.body.incident }}", text: "Reported ${{ event.id }}"}
    timeout: 2s # what is cut off is looked up that soon
`

// sendHook posts a body to a hook, signed as Standard Webhooks says.
func sendHook(ctx context.Context, address, path, secret, id string, body []byte) (status int, answer string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+path, strings.NewReader(string(body)))
	if err != nil {
		return 0, "", err
	}
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	signature := connectors.WebhookSignature(connectors.WebhookKey(connectors.Secret(secret)), id, stamp, body)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+secret)
	req.Header.Set("Webhook-Id", id)
	req.Header.Set("Webhook-Timestamp", stamp)
	req.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(signature))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// hook sends the body of a file to a hook of the server at $LISTEN and compares
// the status of the answer: `hook 202 /hooks/dlp SECRET body.json`. $RUN is the
// run that was begun. It waits until somebody listens.
func hook(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: hook STATUS PATH SECRET FILE")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	again, patience := time.NewTicker(50*time.Millisecond), time.After(20*time.Second)
	defer again.Stop()
	for {
		status, answer, err := sendHook(context.Background(), ts.Getenv("LISTEN"), args[1], args[2], "msg_"+args[3], []byte(ts.ReadFile(args[3])))
		if err == nil {
			if status != want {
				ts.Fatalf("%s answers %d %s, want %d", args[1], status, answer, want)
			}
			var said struct{ Run string }
			_ = json.Unmarshal([]byte(answer), &said)
			ts.Setenv("RUN", said.Run)
			return
		}
		select {
		case <-again.C:
		case <-patience:
			ts.Fatalf("nobody listens: %v", err)
		}
	}
}

// page reads a page of the server at $LISTEN and compares its status and text.
func page(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: page STATUS PATH TEXT")
	}
	resp, err := http.Get("http://" + ts.Getenv("LISTEN") + args[1])
	ts.Check(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	ts.Check(err)
	if strconv.Itoa(resp.StatusCode) != args[0] || !strings.Contains(string(text), args[2]) {
		ts.Fatalf("%s: %s %s, want %s %s", args[1], resp.Status, text, args[0], args[2])
	}
}

var listensAt = regexp.MustCompile(`"address":"([0-9.:]+)"`)

// serveHooks starts a server and answers where it listens.
func (p *person) serveHooks() (*begun, string) {
	p.t.Helper()
	b := p.starts(p.command([]string{"serve", "book.yaml", "--config", "hooks.yaml", "--store", "sqlite:s.db", "--listen", "127.0.0.1:0"}, "STANCH_HOOK="+hookSecret), nil)
	address := ""
	p.polls("a server that listens", func() bool {
		if m := listensAt.FindStringSubmatch(b.err.String()); m != nil {
			address = m[1]
		}
		return address != ""
	})
	return b, address
}

func newReporter(t *testing.T) *person {
	p := newPerson(t, practice.Options{})
	p.write("book.yaml", hookBook)
	p.write("hooks.yaml", p.tenant("")+"hooks:\n  dlp/reports: {secret: {env: STANCH_HOOK}}\n")
	return p
}

// told are deliveries that were answered with 202, and the runs they began.
type toldHooks struct {
	mu   sync.Mutex
	runs map[string]string // by delivery
}

// sends sends numbered deliveries from several goroutines until enough were
// taken or the server is gone.
func (h *toldHooks) sends(address string, from, enough int) {
	var wg sync.WaitGroup
	for sender := range 8 {
		wg.Go(func() {
			for i := from + sender; i < from+enough; i += 8 {
				id := fmt.Sprintf("msg_%d", i)
				status, answer, err := sendHook(context.Background(), address, "/hooks/dlp/reports", hookSecret, id, []byte(`{"incident":"defender/40212"}`))
				if err != nil {
					return // the server is gone
				}
				var said struct{ Run string }
				if status == http.StatusAccepted && json.Unmarshal([]byte(answer), &said) == nil {
					h.mu.Lock()
					h.runs[id] = said.Run
					h.mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
}

func (h *toldHooks) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.runs)
}

// A server that is killed twice while requests come in: what it has answered with
// 202 is done after the next start, each once. A third time would end the runs that
// were at the same step each time.
func TestAKillAfter202LosesNothing(t *testing.T) {
	p := newReporter(t)
	told := &toldHooks{runs: map[string]string{}}
	for round := range 2 {
		serve, address := p.serveHooks()
		done := make(chan struct{})
		before := told.count()
		go func() { told.sends(address, round*10_000, 10_000); close(done) }()
		p.polls("some are taken", func() bool { return told.count() >= before+20 })
		if err := serve.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-done
		p.wait(serve)
	}
	serve, address := p.serveHooks()
	for id := range told.runs { // as a sender that has not heard the answer
		status, answer, err := sendHook(t.Context(), address, "/hooks/dlp/reports", hookSecret, id, []byte(`{"incident":"defender/40212"}`))
		if err != nil || status != http.StatusAccepted || !strings.Contains(answer, told.runs[id]) {
			t.Fatalf("%s again: %d %s (%v), want %s", id, status, answer, err, told.runs[id])
		}
	}
	p.doneOnce(told)
	if err := serve.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if s := p.wait(serve); s.code != 0 {
		t.Errorf("exit code %d\n%s", s.code, s.err)
	}
}

// doneOnce waits until all runs have ended, and looks at the tenant: there is
// one comment of each delivery that was taken.
func (p *person) doneOnce(told *toldHooks) {
	p.t.Helper()
	count := func() map[string]int {
		comments := map[string]int{}
		for _, c := range p.server.Tenant.Changes() {
			raw, _ := json.Marshal(c.After)
			if m := regexp.MustCompile(`Reported dlp/reports/(msg_\d+)`).FindStringSubmatch(string(raw)); m != nil {
				comments[m[1]]++
			}
		}
		return comments
	}
	p.polls("all deliveries are done", func() bool {
		done := count()
		for id := range told.runs {
			if done[id] == 0 {
				return false
			}
		}
		return true
	})
	for id, n := range count() {
		if n != 1 {
			p.t.Errorf("%s was done %d times", id, n)
		}
	}
}

// SIGTERM while requests come in: those under way are answered, nothing that was
// taken is lost, and it ends well.
func TestSIGTERMDrainsRequests(t *testing.T) {
	p := newReporter(t)
	told := &toldHooks{runs: map[string]string{}}
	serve, address := p.serveHooks()
	done := make(chan struct{})
	go func() { told.sends(address, 0, 10_000); close(done) }()
	p.polls("some are taken", func() bool { return told.count() >= 50 })
	if err := serve.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s := p.wait(serve)
	<-done
	if s.code != 0 || !strings.Contains(s.err, `"msg":"ended"`) {
		t.Errorf("exit code %d\n%.2000s", s.code, s.err)
	}
	serve, _ = p.serveHooks()
	p.doneOnce(told)
	if err := serve.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.wait(serve)
}
