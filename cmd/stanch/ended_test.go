package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"stanch/actions"
	"stanch/connectors/practice"
	"stanch/engine"
	"stanch/engine/sqlitestore"
)

// interrupts sends Ctrl-C to a command.
func (p *person) interrupts(b *begun) {
	p.t.Helper()
	if err := b.cmd.Process.Signal(os.Interrupt); err != nil {
		p.t.Fatal(err)
	}
}

// ends fails the test if a command that has been told to end takes longer.
func (p *person) ends(b *begun, within time.Duration) heard {
	p.t.Helper()
	asked := time.Now()
	s := p.wait(b)
	if took := time.Since(asked); took > within {
		p.t.Errorf("stanch %v took %s to end, want at most %s", b.args[1:], took, within)
	}
	return s
}

// run answers the only run of the store.
func (p *person) run(store string) engine.Run {
	p.t.Helper()
	var list []runLine
	var run engine.Run
	p.reads(&list, "runs", "list", "--config", "tenant.yaml", "--store", store, "--output", "json")
	if len(list) != 1 {
		p.t.Fatalf("%d runs, want 1", len(list))
	}
	p.reads(&run, "runs", "show", list[0].ID, "--config", "tenant.yaml", "--store", store, "--output", "json")
	return run
}

// intents counts the intents in a store's audit log, as a third process that
// is quick enough to see them before their results.
func intents(address string) int {
	store, err := sqlitestore.Open(strings.TrimPrefix(address, "sqlite:"), sqlitestore.Options{ReadOnly: true})
	if err != nil {
		return 0 // it is not there yet
	}
	defer store.Close()
	page, err := store.Follow(context.Background(), "", 1000)
	if err != nil {
		return 0
	}
	n := 0
	for _, r := range page.Records {
		if r.Kind == "audit" && strings.Contains(string(r.Body), `"effect.intent"`) {
			n++
		}
	}
	return n
}

// serves works on the store until ok accepts its run, then ends with Ctrl-C.
func (p *person) serves(store string, ok func(engine.Run) bool) engine.Run {
	p.t.Helper()
	p.write("idle/idle.yaml", strings.Replace(goodBook, "playbook: tag", "playbook: idle", 1))
	b := p.begins("serve", "idle", "--config", "tenant.yaml", "--store", store)
	var run engine.Run
	p.polls("the run goes on", func() bool {
		run = p.run(store)
		return ok(run)
	})
	p.interrupts(b)
	if s := p.ends(b, 10*time.Second); s.code != 0 || !strings.Contains(s.err, `"msg":"ended"`) {
		p.t.Errorf("serve after Ctrl-C: exit code %d\n%s", s.code, s.err)
	}
	return run
}

// TestCtrlCLeavesTheRunToTheNextWorker interrupts a live run that waits for an
// approval: it is kept and named, and goes on elsewhere, once.
func TestCtrlCLeavesTheRunToTheNextWorker(t *testing.T) {
	t.Parallel()
	p := newPerson(t, practice.Options{})
	store := "sqlite:" + filepath.Join(p.dir, "s.db")
	b := p.begins("run", example("contain-external-share.yaml"), "--incident", example("fixtures/external-share.json"), "--config", "tenant.yaml", "--store", store, "--live", "--output", "json")
	p.polls("the approval", func() bool { return strings.Contains(b.err.String(), "approvals approve") })
	second := p.types("serve", "idle", "--config", "tenant.yaml", "--store", store)
	p.interrupts(b)
	s := p.ends(b, 10*time.Second)
	run := p.run(store)
	if s.code != 130 || !strings.Contains(s.err, "run "+run.ID+" is kept") || s.out != "" {
		t.Errorf("exit code %d, want 130\n%s%s", s.code, s.err, s.out)
	}
	if second.code != 3 {
		t.Errorf("a second worker: exit code %d\n%s", second.code, second.err)
	}
	if run.Status != "waiting" || len(p.server.Tenant.Changes()) != 0 {
		t.Errorf("the run is %s, %d changes", run.Status, len(p.server.Tenant.Changes()))
	}
	var list []engine.Approval
	p.reads(&list, "approvals", "list", "--config", "tenant.yaml", "--store", store, "--output", "json")
	for _, who := range []string{"dana.officer@contoso.example", "omar.officer@contoso.example"} {
		if s := p.types("approvals", "approve", list[0].ID, "--as", who, "--config", "tenant.yaml", "--store", store); s.code != 0 {
			t.Errorf("approve with no worker there: %s", s.err)
		}
	}
	run = p.serves(store, engine.Run.Ended)
	if run.Status != "succeeded" {
		t.Errorf("the run is %s: %v", run.Status, run.Error)
	}
	p.sameAsAudit(run, 0)
}

// slowBook tags the incident and gives each request one second.
const slowBook = goodBook + "    timeout: 1s\n    retry: {attempts: 4, initial: 1s, cap: 1s}\n"

// TestCtrlCTwiceInTheMiddleOfARequest ends the process at once while a request
// is under way: the effect is looked after by the next worker, and never sent
// blindly again.
func TestCtrlCTwiceInTheMiddleOfARequest(t *testing.T) {
	t.Parallel()
	p := newPerson(t, practice.Options{})
	p.write("book.yaml", strings.Replace(slowBook, "timeout: 1s", "timeout: 20s", 1))
	store := "sqlite:" + filepath.Join(p.dir, "s.db")
	p.breaks(map[string]any{"method": "PATCH", "path": "/v1.0/security/incidents/*", "delay": "8s", "times": 1})
	b := p.begins(append(live("40212", "--param", "tag=x"), "--store", store)...)
	p.polls("the request", func() bool { return intents(store) == 1 })
	p.interrupts(b)
	p.polls("a word", func() bool { return strings.Contains(b.err.String(), "Ctrl-C again ends it at once") })
	p.interrupts(b)
	if s := p.ends(b, 3*time.Second); s.code != 130 {
		t.Errorf("exit code %d, want 130\n%s", s.code, s.err)
	}
	run := p.run(store)
	if run.Ended() || statuses(run) != "begun" {
		t.Errorf("the run is %s, effects %s; want one that is begun", run.Status, statuses(run))
	}
	if s := p.types("undo", run.ID, "--yes", "--config", "tenant.yaml", "--store", store); s.code != 1 || !strings.Contains(s.err, "cancel it first") {
		t.Errorf("undo of a run that has not ended: exit code %d\n%s", s.code, s.err)
	}
	run = p.serves(store, engine.Run.Ended)
	if run.Status != "succeeded" || statuses(run) != string(actions.Done) {
		t.Errorf("the run is %s, effects %s: %v", run.Status, statuses(run), run.Error)
	}
	p.sameAsAudit(run, 0)
}

// TestCtrlCFinishesWhatIsUnderWay ends a live run in the middle of a request
// that is answered in time: its result is recorded before the process ends.
func TestCtrlCFinishesWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	p := newPerson(t, practice.Options{})
	p.write("book.yaml", goodBook)
	store := "sqlite:" + filepath.Join(p.dir, "s.db")
	p.breaks(map[string]any{"method": "PATCH", "path": "/v1.0/security/incidents/*", "delay": "2s", "times": 1})
	b := p.begins(append(live("40212", "--param", "tag=x"), "--store", store)...)
	p.polls("the request", func() bool { return intents(store) == 1 })
	p.interrupts(b)
	if s := p.ends(b, 10*time.Second); s.code != 130 && s.code != 0 {
		t.Errorf("exit code %d, want 130, or 0 if the run was over\n%s", s.code, s.err)
	}
	if run := p.run(store); statuses(run) != string(actions.Done) {
		t.Errorf("the effect is %s, want done", statuses(run))
	}
}

// TestCtrlCInAPlanLeavesNothing interrupts a plan against a slow tenant.
func TestCtrlCInAPlanLeavesNothing(t *testing.T) {
	t.Parallel()
	p := newPerson(t, practice.Options{Latency: 4 * time.Second})
	b := p.begins("run", example("contain-external-share.yaml"), "--incident", example("fixtures/external-share.json"), "--config", "tenant.yaml", "--store", "sqlite:s.db", "--output", "json")
	select {
	case <-time.After(time.Second): // in the middle of its first request
	case <-t.Context().Done():
	}
	p.interrupts(b)
	if s := p.ends(b, 8*time.Second); s.code != 130 || s.out != "" {
		t.Errorf("exit code %d, want 130\n%s%s", s.code, s.err, s.out)
	}
	if left, _ := filepath.Glob(p.dir + "/*.db*"); len(left) > 0 {
		t.Errorf("it has left %v", left)
	}
}

// TestCtrlCWhileStandardInputIsAwaited ends at once: there is nothing to finish.
func TestCtrlCWhileStandardInputIsAwaited(t *testing.T) {
	t.Parallel()
	p := newPerson(t, practice.Options{})
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, args := range [][]string{{"incidents", "show", "-"}, {"lint", "-"}} {
		cmd := p.command(args)
		b := p.starts(cmd, r)
		<-time.After(500 * time.Millisecond) // it has begun to read
		p.interrupts(b)
		ended := make(chan heard, 1)
		go func() { ended <- p.wait(b) }()
		select {
		case s := <-ended:
			if s.code != 130 {
				t.Errorf("stanch %v: exit code %d, want 130\n%s", args, s.code, s.err)
			}
		case <-time.After(5 * time.Second):
			t.Errorf("stanch %v does not end on Ctrl-C", args)
			_ = cmd.Process.Signal(syscall.SIGKILL)
			<-ended
		}
	}
	r.Close()
}

// TestNobodyReadsTheOutput runs a playbook for somebody who has gone: what is
// decided is done and recorded all the same.
func TestNobodyReadsTheOutput(t *testing.T) {
	t.Parallel()
	p := newPerson(t, practice.Options{})
	p.write("book.yaml", goodBook)
	for i, out := range []func() *os.File{closedPipe, fullDevice} {
		tag, file := []string{"one", "two"}[i], []string{"one.db", "two.db"}[i]
		store := "sqlite:" + filepath.Join(p.dir, file)
		cmd := p.command(append(live("40212", "--param", "tag="+tag), "--output", "json", "--store", store))
		to := out()
		cmd.Stdout = to
		s := p.wait(p.starts(cmd, nil))
		to.Close()
		if want := []int{0, 3}[i]; s.code != want || i == 1 && !strings.Contains(s.err, "standard output: ") {
			t.Errorf("exit code %d, want %d\n%s", s.code, want, s.err)
		}
		run := p.run(store)
		if run.Status != "succeeded" {
			t.Errorf("the run is %s", run.Status)
		}
	}
	if n := len(p.server.Tenant.Changes()); n != 2 {
		t.Errorf("%d changes, want 2", n)
	}
}

func closedPipe() *os.File {
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	r.Close()
	return w
}

func fullDevice() *os.File {
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		panic(err)
	}
	return f
}

// TestARunIsReadableWhileItRuns lists runs beside the worker.
func TestARunIsReadableWhileItRuns(t *testing.T) {
	t.Parallel()
	p := newPerson(t, practice.Options{Latency: 300 * time.Millisecond})
	p.write("book.yaml", goodBook)
	store := "sqlite:" + filepath.Join(p.dir, "s.db")
	b := p.begins(append(live("40212", "--param", "tag=x"), "--store", store)...)
	p.polls("the store", func() bool {
		s := p.types("runs", "list", "--config", "tenant.yaml", "--store", store, "--output", "json")
		var list []json.RawMessage
		return s.code == 0 && json.Unmarshal([]byte(s.out), &list) == nil && len(list) == 1
	})
	if s := p.wait(b); s.code != 0 {
		t.Errorf("exit code %d\n%s", s.code, s.err)
	}
}
