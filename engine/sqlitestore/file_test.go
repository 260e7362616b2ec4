package sqlitestore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"stanch/engine"
	"stanch/engine/sqlitestore"
)

// childMode tells the test binary to be the other process of a test.
const childMode = "STANCH_SQLITESTORE_CHILD"

func TestMain(m *testing.M) {
	if mode := os.Getenv(childMode); mode != "" {
		if err := child(mode, os.Args[1]); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// child is the other process.
func child(mode, path string) error {
	s, err := sqlitestore.Open(path, sqlitestore.Options{Work: mode != "begin"})
	if err != nil {
		return err
	}
	ctx := context.Background()
	switch mode {
	case "work": // until it is killed
		return workForEver(ctx, s)
	case "hold": // the lock, until its input ends
		fmt.Println("holds")
		bufio.NewReader(os.Stdin).ReadString('\n')
	case "begin":
		b, err := s.Begin(ctx, engine.Begin{Request: "from the other process", Playbook: "p"})
		if err != nil {
			return err
		}
		fmt.Println(b.Run)
	}
	return s.Close()
}

// workForEver begins runs, settles them, and prints what was acknowledged.
func workForEver(ctx context.Context, s *sqlitestore.Store) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	for g := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				request := fmt.Sprintf("%d.%d", g, i)
				b, err := s.Begin(ctx, engine.Begin{Request: request, Playbook: "p", Subject: request})
				if err == nil {
					mu.Lock()
					fmt.Println("run", b.Run)
					mu.Unlock()
					var c engine.Claimed
					c, err = s.Claim(ctx, engine.Claim{Max: 1, Last: time.Hour})
					for _, st := range c.Strands {
						for k := range 3 {
							in := engine.Settlement{Request: st.Token + strconv.Itoa(k), Lease: st.Lease, Seen: int64(k), Facts: [][]byte{fmt.Append(nil, k)}}
							in.Lease.Seq = int64(k)
							if _, err = s.Settle(ctx, in); err != nil {
								break
							}
							mu.Lock()
							fmt.Println("settled", st.Run, k)
							mu.Unlock()
						}
					}
				}
				if err != nil {
					fmt.Println("error:", err)
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.New("it worked for ever, and has ended")
}

func start(t *testing.T, mode, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], path)
	cmd.Env = append(os.Environ(), childMode+"="+mode)
	return cmd
}

// A kill at any moment loses nothing that was acknowledged.
func TestKilledProcess(t *testing.T) {
	for round := range 5 {
		path := filepath.Join(t.TempDir(), "stanch.db")
		cmd := start(t, "work", path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		facts := map[string]int{}
		for n := 0; lines.Scan(); n++ {
			if n == 50+round*211 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			words := strings.Fields(lines.Text())
			switch words[0] {
			case "run":
				facts[words[1]] += 0
			case "settled":
				k, _ := strconv.Atoi(words[2])
				facts[words[1]] = k + 1
			default:
				t.Fatal(lines.Text())
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("it was not killed")
		}
		s, err := sqlitestore.Open(path, sqlitestore.Options{Work: true})
		if err != nil {
			t.Fatal(err)
		}
		for run, n := range facts {
			r, err := s.Run(t.Context(), run)
			if err != nil {
				t.Fatal(err)
			}
			if got := len(r.Strands[0].Facts); got < n {
				t.Errorf("run %s has %d facts, %d were acknowledged", run, got, n)
			}
			if r.Strands[0].State != "due" {
				t.Errorf("run %s is %s after its worker was killed", run, r.Strands[0].State)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A second worker is refused and told who is the first; it may still act.
func TestSecondWorker(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stanch.db")
	cmd := start(t, "hold", path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "holds\n" {
		t.Fatal(line, err)
	}
	_, err = sqlitestore.Open(path, sqlitestore.Options{Work: true})
	if !errors.Is(err, engine.ErrWorkerBusy) || !strings.Contains(err.Error(), strconv.Itoa(cmd.Process.Pid)) {
		t.Errorf("the error is %v, it must name process %d", err, cmd.Process.Pid)
	}
	s, err := sqlitestore.Open(path, sqlitestore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Begin(t.Context(), engine.Begin{Request: "1", Playbook: "p"}); err != nil {
		t.Error(err)
	}
	if _, err := s.Claim(t.Context(), engine.Claim{Max: 1, Last: time.Hour}); err == nil {
		t.Error("who is not the worker claims")
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	worker, err := sqlitestore.Open(path, sqlitestore.Options{Work: true})
	if err != nil {
		t.Fatal("the lock has outlived its process: ", err)
	}
	worker.Close()
}

// The worker sees what another process has begun, without being told.
func TestOtherProcessActs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stanch.db")
	s, err := sqlitestore.Open(path, sqlitestore.Options{Work: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Claim(t.Context(), engine.Claim{Max: 1, Last: time.Hour}); err != nil {
		t.Fatal(err)
	}
	woken := make(chan error, 1)
	go func() { woken <- s.Wait(t.Context(), time.Time{}) }()
	out, err := start(t, "begin", path).Output()
	if err != nil {
		t.Fatal(string(out), err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	select {
	case err := <-woken:
		if err != nil {
			t.Fatal(err)
		}
	case <-ctx.Done():
		t.Fatal("the worker does not notice")
	}
	for {
		c, err := s.Claim(ctx, engine.Claim{Max: 1, Last: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Strands) == 1 {
			if c.Strands[0].Run != strings.TrimSpace(string(out)) {
				t.Errorf("run %s is due, the other process has begun %s", c.Strands[0].Run, out)
			}
			return
		}
		if err := s.Wait(ctx, c.NextDue); err != nil {
			t.Fatal(err)
		}
	}
}
