package redistest

import (
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// want asks and expects this reply, as fmt would print it.
func want(t *testing.T, s *Server, reply any, args ...string) {
	t.Helper()
	got, err := s.Do(args...)
	if err != nil || got != reply {
		t.Fatalf("%s: %v (%v), want %v", strings.Join(args, " "), got, err, reply)
	}
}

func TestReplies(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{})
	want(t, s, "OK", "SET", "a", "line\r\n\x00 end")
	want(t, s, "line\r\n\x00 end", "GET", "a")
	want(t, s, nil, "GET", "nothing")
	want(t, s, int64(2), "RPUSH", "list", "x", "y")
	_, err := s.Do("INCR", "list")
	if e, is := errors.AsType[Error](err); !is || !strings.HasPrefix(string(e), "WRONGTYPE ") {
		t.Fatalf("INCR of a list: %v", err)
	}
	got, err := s.Do("LRANGE", "list", "0", "-1")
	if list, is := got.([]any); err != nil || !is || len(list) != 2 || list[1] != "y" {
		t.Fatalf("LRANGE: %v (%v)", got, err)
	}
	if s.Info("memory")["maxmemory_policy"] != "noeviction" {
		t.Fatal("INFO tells nothing of memory")
	}
}

func TestKillLosesNothingStopNeither(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{AppendOnly: true})
	addr := s.Addr()
	for i, end := range []func(){s.Kill, s.Stop, func() {}} {
		want(t, s, int64(i+1), "INCR", "n")
		end()
		if i < 2 {
			if s.Up() || s.Info("server") != nil {
				t.Fatal("it is down and answers")
			}
			if _, err := s.Do("PING"); err == nil {
				t.Fatal("it is down and answers")
			}
		}
		s.Restart()
		if s.Addr() != addr {
			t.Fatalf("it came back at %s, not at %s", s.Addr(), addr)
		}
	}
	want(t, s, "3", "GET", "n")
}

func TestWithoutAppendOnlyAllIsLost(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{})
	want(t, s, "OK", "SET", "a", "1")
	s.Restart()
	want(t, s, nil, "GET", "a")
}

func TestPauseAnswersNothingThenAll(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{})
	c, err := dial(s.Addr(), nil, 100*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 3 {
		s.Pause()
		if _, err := s.ask(50*time.Millisecond, "INCR", "n"); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("a paused server said %v", err)
		}
		s.Resume()
	}
	Until(t, "three counted late", func() bool {
		n, _ := s.Do("GET", "n")
		return n == "3"
	})
	s.Pause()
	s.Stop() // a paused server can be stopped, and killed
	s.Restart()
	s.Pause()
	s.Kill()
}

func TestTruncatedAOFLosesTheLast(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{AppendOnly: true, Fsync: "always"})
	if got, _ := s.Do("CONFIG", "GET", "appendfsync"); got.([]any)[1] != "always" {
		t.Fatalf("appendfsync: %v", got)
	}
	want(t, s, "OK", "SET", "first", "1")
	want(t, s, "OK", "SET", "last", "2")
	s.Kill()
	s.TruncateAOF(3)
	s.Restart()
	want(t, s, "1", "GET", "first")
	want(t, s, nil, "GET", "last")
	s.Kill()
	s.TruncateAOF(1 << 20)
	s.Restart()
	want(t, s, nil, "GET", "first")
}

func TestRestoredCopyIsTheOlderState(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{AppendOnly: true})
	want(t, s, "OK", "SET", "a", "old")
	older := s.CopyData()
	want(t, s, "OK", "SET", "a", "new")
	want(t, s, "OK", "SET", "b", "new")
	s.Kill()
	newer := s.CopyData()
	s.RestoreData(older)
	s.Restart()
	want(t, s, "old", "GET", "a")
	want(t, s, nil, "GET", "b")
	s.Stop()
	s.RestoreData(newer)
	s.Restart()
	want(t, s, "new", "GET", "b")
}

func TestDirIsUsedAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := Start(t, Options{AppendOnly: true, Dir: dir})
	want(t, first, "OK", "SET", "a", "1")
	first.Stop()
	want(t, Start(t, Options{AppendOnly: true, Dir: dir}), "1", "GET", "a")
}

func TestTLSAndNothingElse(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{TLS: true, Password: "p w"})
	want(t, s, "PONG", "PING")
	ca, config := s.TLS()
	if !strings.Contains(string(ca), "BEGIN CERTIFICATE") {
		t.Fatalf("no certificate: %s", ca)
	}
	c, err := dial(s.Addr(), config, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.do("PING"); err == nil || !strings.HasPrefix(err.Error(), "NOAUTH") {
		t.Fatalf("without a password: %v", err)
	}
	config.RootCAs = nil
	distrusting, err := dial(s.Addr(), config, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer distrusting.Close()
	if _, err := distrusting.do("PING"); err == nil {
		t.Fatal("everybody trusts our authority")
	}
	plain, err := dial(s.Addr(), nil, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if _, err := plain.do("PING"); err == nil {
		t.Fatal("it speaks without TLS")
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{ACLs: []string{"user default off", "user worker on >secret ~stanch:* +@all -@dangerous"}})
	c, err := dial(s.Addr(), nil, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, x := range []struct{ command, answer string }{
		{"PING", "NOAUTH"},
		{"AUTH worker wrong", "WRONGPASS"},
		{"AUTH worker secret", ""},
		{"SET stanch:a 1", ""},
		{"SET other:a 1", "NOPERM"},
		{"FLUSHALL", "NOPERM"},
	} {
		_, err := c.do(strings.Fields(x.command)...)
		if x.answer == "" && err != nil || x.answer != "" && (err == nil || !strings.HasPrefix(err.Error(), x.answer)) {
			t.Fatalf("%s: %v, want %s", x.command, err, x.answer)
		}
	}
	want(t, s, "1", "GET", "stanch:a")
}

func TestMaxMemoryAndMoreConfiguration(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{MaxMemory: "3mb", Extra: []string{"enable-debug-command local"}})
	want(t, s, "OK", "DEBUG", "SLEEP", "0")
	_, err := s.Do("SET", "big", strings.Repeat("x", 4<<20))
	if err == nil {
		_, err = s.Do("SET", "more", "x")
	}
	if err == nil || !strings.HasPrefix(err.Error(), "OOM ") {
		t.Fatalf("over maxmemory: %v", err)
	}
}

func TestReplicaHasWhatItsPrimaryHas(t *testing.T) {
	t.Parallel()
	primary := Start(t, Options{Password: "secret", TLS: true})
	want(t, primary, "OK", "SET", "a", "1")
	announced := 11111
	replica := Start(t, Options{ReplicaOf: primary, Password: "secret", TLS: true, Announce: announced})
	want(t, replica, "1", "GET", "a")
	if _, err := replica.Do("SET", "a", "2"); err == nil || !strings.HasPrefix(err.Error(), "READONLY") {
		t.Fatalf("a write to a replica: %v", err)
	}
	if of := primary.Info("replication")["slave0"]; !strings.Contains(of, "port="+strconv.Itoa(announced)) {
		t.Fatalf("the replica is not where it announced: %s", of)
	}
}

func TestAPortThatIsTakenIsTold(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{})
	s.Stop()
	l, err := net.Listen("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	taken, err := s.begin()
	if !taken || err == nil || s.Up() {
		t.Fatalf("begin on a port that is taken: %t, %v", taken, err)
	}
	released := make(chan struct{})
	go func() {
		<-time.After(50 * time.Millisecond)
		l.Close()
		close(released)
	}()
	s.Restart() // waits until it has its port
	<-released
	want(t, s, "PONG", "PING")
}

func TestNoProcessIsLeft(t *testing.T) {
	t.Parallel()
	var s *Server
	t.Run("a test", func(t *testing.T) {
		s = Start(t, Options{})
		want(t, s, "PONG", "PING")
	})
	if s.Up() || s.Info("server") != nil {
		t.Fatal("the server outlived its test")
	}
}

func TestConfigurationThatRedisRefusesIsShown(t *testing.T) {
	t.Parallel()
	_, err := launch(t, Options{Extra: []string{"no-such-thing 1"}})
	if err == nil || !strings.Contains(err.Error(), "no-such-thing") {
		t.Fatalf("launch with a wrong configuration: %v", err)
	}
}

// It changes PATH, so that it does not run beside the others.
func TestWithoutRedisServerTheTestFails(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := launch(t, Options{})
	if err == nil || !strings.Contains(err.Error(), "apt-get install redis-server") {
		t.Fatalf("launch without redis-server: %v", err)
	}
}
