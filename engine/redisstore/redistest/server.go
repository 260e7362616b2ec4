// Package redistest runs real Redis servers for the time of a test: single
// servers, clusters, Sentinel, and a proxy that puts faults on the wire. It
// knows nothing of what is kept in them.
//
// Every process is ended when the test has ended, and dies with the process of
// the test on Linux. The logs are shown when the test has failed. Methods may
// be called from every goroutine of the test: what goes wrong in them fails the
// test and does not stop it. Only Start, StartCluster, StartSentinel, NewProxy
// and Until stop it.
package redistest

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	host    = "127.0.0.1"
	patient = 20 * time.Second // until a server or a group of them must be ready
)

// Options say what a server is like. The zero value is a server that keeps
// everything in memory and that everybody on this machine may use.
type Options struct {
	AppendOnly bool     // keep what is written in an append-only file
	Fsync      string   // everysec (if empty), always or no
	TLS        bool     // speak TLS and nothing else, see Server.TLS
	Password   string   // of the default user
	ACLs       []string // lines "user …"; a user of our own for Do comes on top
	MaxMemory  string   // "10mb"; nothing is evicted
	ReplicaOf  *Server  // a replica, which Start answers when it is in sync
	Announce   int      // the port that a replica or a node of a cluster tells others
	Dir        string   // where to keep things, with what is there already; a new one if empty
	Extra      []string // more lines of redis.conf

	sentinel bool // be a Sentinel
}

// Server is a Redis server on a port of its own. The port stays the same for as
// long as the test runs, and so do its directory and its configuration.
type Server struct {
	t     testing.TB
	o     Options
	dir   string
	port  int
	admin []string // what to send with AUTH, nothing if nothing is asked

	mu   sync.Mutex
	proc *process // nil while it is down
}

// Start starts a server and waits until it takes commands. It fails the test if
// there is no redis-server on this machine.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := launch(t, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// launch is Start for those who start several at once.
func launch(t testing.TB, o Options) (*Server, error) {
	s := &Server{t: t, o: o, dir: o.Dir}
	if s.dir == "" {
		s.dir = t.TempDir()
	}
	t.Cleanup(s.end)
	for range 10 { // somebody else may take the port before the server has it
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		s.port = port
		if err := s.configure(); err != nil {
			return nil, err
		}
		taken, err := s.begin()
		if taken {
			continue
		}
		if err == nil && o.ReplicaOf != nil {
			err = s.inSync()
		}
		return s, err
	}
	return nil, fmt.Errorf("no port of %s could be had for redis-server", host)
}

// begin starts the process and waits until it takes commands. It tells whether
// it could not because somebody has its port.
func (s *Server) begin() (taken bool, err error) {
	args := []string{filepath.Join(s.dir, "redis.conf")}
	if s.o.sentinel {
		args = append(args, "--sentinel")
	}
	from := len(s.log())
	proc, err := spawn(filepath.Join(s.dir, "redis.log"), args...)
	if err != nil {
		return false, err
	}
	s.mu.Lock()
	s.proc = proc
	s.mu.Unlock()
	ready := func() bool {
		info := s.Info("everything")
		return info["process_id"] == strconv.Itoa(proc.pid()) && info["loading"] != "1" && info["async_loading"] != "1"
	}
	until(patient, func() bool { return !proc.running() || ready() })
	if proc.running() && ready() {
		return false, nil
	}
	said := s.log()[from:]
	s.Kill()
	if strings.Contains(said, "Address already in use") || strings.Contains(said, "Failed listening on port") {
		return true, fmt.Errorf("port %d is taken", s.port)
	}
	return false, fmt.Errorf("redis-server does not start:\n%s", said)
}

// Addr is its address, host:port.
func (s *Server) Addr() string { return host + ":" + strconv.Itoa(s.port) }

// Dir is the folder in which it keeps things.
func (s *Server) Dir() string { return s.dir }

// Port is the port of its address.
func (s *Server) Port() int { return s.port }

// TLS is what a client needs to trust a server with Options.TLS: the
// certificate of its authority in PEM, and the same as a configuration.
func (s *Server) TLS() (ca []byte, client *tls.Config) {
	a, err := theAuthority()
	if err != nil {
		s.t.Error(err)
		return nil, &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return a.pem, a.client()
}

// Do sends a command on a connection of its own, as a user who may do
// everything, and answers the reply: a string, an int64, nil, or a []any of
// those. What Redis answers with an error is an Error.
func (s *Server) Do(args ...string) (any, error) {
	return s.ask(10*time.Second, args...)
}

func (s *Server) ask(timeout time.Duration, args ...string) (any, error) {
	var config *tls.Config
	if s.o.TLS {
		_, config = s.TLS()
	}
	c, err := dial(s.Addr(), config, timeout)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if len(s.admin) > 0 {
		if _, err := c.do(append([]string{"AUTH"}, s.admin...)...); err != nil {
			return nil, err
		}
	}
	return c.do(args...)
}

// Info answers what INFO tells of a section, nothing if nobody answers.
func (s *Server) Info(section string) map[string]string {
	reply, err := s.ask(time.Second, "INFO", section)
	text, is := reply.(string)
	if err != nil || !is {
		return nil
	}
	return fields(text)
}

// fields reads lines of key:value.
func fields(text string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(text) {
		if key, value, is := strings.Cut(strings.TrimSpace(line), ":"); is {
			all[key] = value
		}
	}
	return all
}

// Up tells whether its process runs, even if it is paused.
func (s *Server) Up() bool {
	p := s.running()
	return p != nil && p.running()
}

func (s *Server) running() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proc
}

// Kill ends it as kill -9 does, and returns when it has ended.
func (s *Server) Kill() { s.finish(syscall.SIGKILL) }

// Stop asks it to shut down and returns when it has. A paused server is
// resumed for that.
func (s *Server) Stop() { s.finish(syscall.SIGTERM) }

func (s *Server) finish(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return
	}
	if err := s.proc.finish(sig); err != nil {
		s.t.Errorf("redis-server at %s: %v", s.Addr(), err)
	}
	s.proc = nil
}

// Pause stops its process where it stands: connections stay open, nothing is
// answered.
func (s *Server) Pause() {
	if p := s.running(); p != nil {
		if err := p.pause(); err != nil {
			s.t.Errorf("pause the redis-server at %s: %v", s.Addr(), err)
		}
	}
}

// Resume lets a paused server go on. What it was sent meanwhile, it does.
func (s *Server) Resume() {
	if p := s.running(); p != nil {
		p.signal(syscall.SIGCONT)
	}
}

// Restart starts it again, after a Stop if it still runs, and returns when it
// takes commands. What CONFIG SET and REPLICAOF have changed is forgotten
// unless the server has written it down by CONFIG REWRITE.
func (s *Server) Restart() {
	if err := s.TryRestart(); err != nil {
		s.t.Errorf("restart the redis-server at %s: %v", s.Addr(), err)
	}
}

// TryRestart is Restart of a server that may refuse to start: it answers what that
// says.
func (s *Server) TryRestart() error {
	s.Stop()
	var taken bool
	var err error
	until(patient, func() bool {
		taken, err = s.begin()
		return !taken
	})
	return err
}

// inSync waits until a replica has what its primary has.
func (s *Server) inSync() error {
	if !until(patient, func() bool { return s.Info("replication")["master_link_status"] == "up" }) {
		return fmt.Errorf("the replica at %s is not in sync: %v", s.Addr(), s.Info("replication"))
	}
	return nil
}

func (s *Server) log() string {
	raw, _ := os.ReadFile(filepath.Join(s.dir, "redis.log"))
	return string(raw)
}

// end leaves no process, and shows the end of the log of a test that failed.
func (s *Server) end() {
	s.Kill()
	if s.t.Failed() {
		log := s.log()
		s.t.Logf("the log of the redis-server at %s ends with:\n%s", s.Addr(), log[max(0, len(log)-6000):])
	}
}

// Until waits until cond holds, and stops the test if that takes too long.
func Until(t testing.TB, what string, cond func() bool) {
	t.Helper()
	if !until(patient, cond) {
		t.Fatalf("not within %s: %s", patient, what)
	}
}

func until(timeout time.Duration, cond func() bool) bool {
	for end := time.Now().Add(timeout); !cond(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}
