package history_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stanch/engine"
	"stanch/engine/history"
	"stanch/engine/sqlitestore"
)

func memory(t *testing.T) *sqlitestore.Store {
	t.Helper()
	s, err := sqlitestore.OpenMemory(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func record(t *testing.T, s both, path, node string) *history.Recorder {
	t.Helper()
	r, err := history.New(s, s, path, node)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// An environment variable makes a test process a writer of the file it names.
const writerOf = "STANCH_HISTORY_WRITER"

func TestLinesSurviveWritersTogether(t *testing.T) {
	if path := os.Getenv(writerOf); path != "" {
		write(t, path)
		return
	}
	path := filepath.Join(t.TempDir(), "history")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var writers []*exec.Cmd
	var told []*bufio.Reader
	for range 3 {
		cmd := exec.CommandContext(t.Context(), self, "-test.run", "^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), writerOf+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		writers, told = append(writers, cmd), append(told, bufio.NewReader(out))
	}
	for i, in := range told {
		if line, err := in.ReadString('\n'); err != nil || line != "written\n" {
			t.Fatalf("writer %d says %q: %v", i, line, err)
		}
	}
	for _, cmd := range writers { // they go on writing until then
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
	}
	perLife := map[string]int{}
	for _, l := range read(t, path) {
		perLife[l.Life]++
	}
	if len(perLife) != 3 {
		t.Fatalf("the file has lines of %d lives, it must be 3", len(perLife))
	}
	for life, n := range perLife {
		if n < 2*8*50 {
			t.Errorf("life %s has left %d lines, %d were written", life, n, 2*8*50)
		}
	}
}

// write writes lines from several goroutines, says so, and goes on for ever.
func write(t *testing.T, path string) {
	r := record(t, memory(t), path, "w")
	var wg sync.WaitGroup
	one := func(i, j int) {
		_, err := r.Begin(context.Background(), engine.Begin{Request: fmt.Sprint(i, "-", j), Playbook: strings.Repeat("long ", j%50)})
		if err != nil {
			t.Error(err)
		}
	}
	for i := range 8 {
		wg.Go(func() {
			for j := range 50 {
				one(i, j)
			}
		})
	}
	wg.Wait()
	fmt.Println("written")
	for j := 50; ; j++ {
		one(9, j)
	}
}

func TestAnActIsWrittenBeforeItIsDone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	s := &peeking{both: memory(t), t: t, path: path}
	r := record(t, s, path, "w")
	if _, err := r.Begin(t.Context(), engine.Begin{Request: "q", Playbook: "p"}); err != nil {
		t.Fatal(err)
	}
	lines := read(t, path)
	if len(s.saw) != 1 || s.saw[0].Ev != "begin" || s.saw[0].End != "" {
		t.Errorf("when the store is asked the history is %+v, it must be the invocation", s.saw)
	}
	if len(lines) != 2 || lines[1].End != history.OK || lines[1].Run == "" || lines[1].N != lines[0].N {
		t.Errorf("the history is %+v, it must end with the completion", lines)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, %v: it must be 0600", info.Mode(), err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Begin(t.Context(), engine.Begin{Request: "q2", Playbook: "p"}); err == nil {
		t.Error("an act that cannot be written down is done")
	}
}

type peeking struct {
	both
	t    *testing.T
	path string
	saw  []history.Line
}

func (s *peeking) Begin(ctx context.Context, b engine.Begin) (engine.Begun, error) {
	s.saw = read(s.t, s.path)
	return s.both.Begin(ctx, b)
}

func TestSecretsAndBodiesStayOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	r := record(t, memory(t), path, "w")
	secret := func(what string) string { return "secret-" + what }
	begun, err := r.Begin(t.Context(), engine.Begin{
		Request: "q1", Playbook: "p", Subject: secret("subject"), Dedupe: secret("dedupe"), Key: secret("key"), Head: []byte(secret("head")),
		Audit: [][]byte{audit(engine.Audit{Kind: "run.begin", By: secret("person")}), []byte(secret("record"))},
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := r.Claim(t.Context(), engine.Claim{Worker: "w", Max: 1, Last: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	l := c.Strands[0].Lease
	_, err = r.Settle(t.Context(), engine.Settlement{
		Request: "q2", Lease: l, Facts: [][]byte{[]byte(secret("fact"))}, Intent: true,
		Take: []engine.Take{{Name: "c", Limit: 1, Effect: "e", Targets: []string{secret("target")}}},
		Put:  []engine.Document{{Kind: "k", Key: secret("key"), Body: []byte(secret("body")), Version: engine.AnyVersion}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Put(t.Context(), engine.Document{Kind: "k", Key: secret("key"), Body: []byte(secret("body")), Version: engine.AnyVersion}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Signal(t.Context(), engine.Signal{Request: "q3", Run: begun.Run, Body: []byte(secret("word")), Seen: engine.AnyVersion}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, []byte("secret")) || bytes.Contains(b, []byte(l.Token)) {
		t.Errorf("the history tells secrets:\n%s", b)
	}
	for line := range bytes.Lines(b) {
		if len(line) > 600 {
			t.Errorf("a line has %d bytes: %s", len(line), line)
		}
	}
}

func TestEndings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	s := &failing{both: memory(t)}
	r := record(t, s, path, "w")
	errs := []error{engine.ErrLeaseLost, engine.ErrConflict, engine.ErrNotFound, engine.ErrEnded, engine.ErrRefused, engine.ErrFull, context.DeadlineExceeded, errors.New("no answer"), fmt.Errorf("%w: %w", engine.ErrLeaseLost, engine.ErrUnheard)}
	for _, err := range errs {
		s.err = fmt.Errorf("wrapped: %w", err)
		if _, got := r.Settle(t.Context(), engine.Settlement{Request: "q"}); !errors.Is(got, err) {
			t.Errorf("the error is %v, it must be %v", got, err)
		}
	}
	for i, l := range read(t, path) {
		if i%2 == 0 {
			continue
		}
		want := history.Fail
		if i/2 >= 5 {
			want = history.Info
		}
		if l.End != want {
			t.Errorf("%v ends as %s, it must be %s", errs[i/2], l.End, want)
		}
	}
}

// halfDeaf is a store of which a part is not heard.
type halfDeaf struct{ both }

func (s halfDeaf) Claim(ctx context.Context, c engine.Claim) (engine.Claimed, error) {
	claimed, err := s.both.Claim(ctx, c)
	claimed.Silent = errors.New("no answer")
	return claimed, err
}

func (s halfDeaf) Renew(ctx context.Context, l []engine.Lease, last time.Duration) (engine.Renewed, error) {
	renewed, err := s.both.Renew(ctx, l, last)
	renewed.Silent = errors.New("no answer")
	return renewed, err
}

// What a part of the store has done that was not heard, nobody knows.
func TestAPartThatIsNotHeard(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	r := record(t, halfDeaf{memory(t)}, path, "w")
	if _, err := r.Claim(t.Context(), engine.Claim{Worker: "w", Max: 1, Last: time.Minute}); err != nil {
		t.Fatal(err)
	}
	if renewed, err := r.Renew(t.Context(), nil, time.Minute); err != nil || renewed.Silent == nil || renewed.At.IsZero() {
		t.Fatalf("%+v, %v", renewed, err)
	}
	lines := read(t, path)
	if claim, renew := lines[1], lines[3]; claim.End != history.OK || !claim.Answer.Partly || renew.End != history.Info {
		t.Errorf("the claim ends as %+v, the renewal as %+v", claim, renew)
	}
}

// A key is one for the runs about a subject, unless it is wide.
func TestAKeyIsTheSubjectsOwn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	r := record(t, memory(t), path, "w")
	for i, b := range []engine.Begin{{Subject: "s1"}, {Subject: "s2"}, {Subject: "s1", Wide: true}, {Subject: "s2", Wide: true}} {
		b.Request, b.Playbook, b.Key, b.WhenBusy, b.Head = fmt.Sprint("q", i), "p", "p", "queue", []byte("h")
		if _, err := r.Begin(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	lines := read(t, path)
	key := func(i int) string { return lines[2*i].Ask.Begin[0].Key }
	if wide := func(i int) bool { return lines[2*i].Ask.Begin[0].Wide }; wide(1) || !wide(2) {
		t.Error("which keys are wide was not written")
	}
	if key(0) == key(1) || key(2) != key(3) || key(0) == key(2) {
		t.Errorf("the keys are %q of one subject, %q of another, %q and %q of all", key(0), key(1), key(2), key(3))
	}
}

// What a claim had room for is written, and which lane what it got is in.
func TestLanesAreWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	r := record(t, memory(t), path, "w")
	if _, err := r.Begin(t.Context(), engine.Begin{Request: "q", Playbook: "p", Lane: 2}); err != nil {
		t.Fatal(err)
	}
	room := [engine.Lanes]int{4, 3, 2, 0}
	for _, in := range []engine.Claim{{Max: 5, Last: time.Minute, Room: &room}, {Max: 5, Last: time.Minute}} {
		if _, err := r.Claim(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	lines := read(t, path)
	if b := lines[0].Ask.Begin[0]; b.Lane != 2 {
		t.Errorf("the run is begun in lane %d", b.Lane)
	}
	if ask := lines[2].Ask; !slices.Equal(ask.Room, room[:]) || lines[4].Ask.Room != nil {
		t.Errorf("the room is %v, then %v", ask.Room, lines[4].Ask.Room)
	}
	if g := lines[3].Answer.Grants; len(g) != 1 || g[0].Lane != 2 {
		t.Errorf("the claim gives out %+v", g)
	}
}

type failing struct {
	both
	err error
}

func (s *failing) Settle(context.Context, engine.Settlement) (engine.Settled, error) {
	return engine.Settled{}, s.err
}

func TestWaitIsThereIfTheStoreHasIt(t *testing.T) {
	type waker interface {
		Wait(ctx context.Context, until time.Time) error
	}
	path := filepath.Join(t.TempDir(), "history")
	s := memory(t)
	w, ok := record(t, s, path, "w").Store().(waker)
	if !ok {
		t.Fatal("the store can wait, its recorder cannot")
	}
	if err := w.Wait(t.Context(), time.Now()); err != nil {
		t.Error(err)
	}
	if _, ok := record(t, struct{ both }{s}, path, "w").Store().(waker); ok {
		t.Error("the store cannot wait, its recorder says it can")
	}
}

func BenchmarkBegin(b *testing.B) {
	s, err := sqlitestore.OpenMemory(time.Now)
	if err != nil {
		b.Fatal(err)
	}
	r, err := history.New(quick{s}, s, filepath.Join(b.TempDir(), "history"), "w")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := r.Settle(b.Context(), engine.Settlement{Request: "q", Facts: [][]byte{make([]byte, 300)}}); err != nil {
			b.Fatal(err)
		}
	}
}

// quick takes no time.
type quick struct{ both }

func (quick) Settle(context.Context, engine.Settlement) (engine.Settled, error) {
	return engine.Settled{}, nil
}
