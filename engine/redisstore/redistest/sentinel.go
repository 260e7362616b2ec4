package redistest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// sentinels watch, of which two have to agree.
const sentinels = 3

// Sentinel is a primary with its replicas and three Sentinels that watch them.
type Sentinel struct {
	t        testing.TB
	servers  []*Server
	watchers []*Server
}

// StartSentinel starts them and waits until all know each other and can agree
// on a failover. It takes some three seconds. The servers keep an append-only
// file.
func StartSentinel(t testing.TB, replicas int) *Sentinel {
	t.Helper()
	s := &Sentinel{t: t, servers: []*Server{Start(t, Options{AppendOnly: true})}}
	following, err := several(t, replicas, Options{AppendOnly: true, ReplicaOf: s.servers[0]})
	if err != nil {
		t.Fatal(err)
	}
	s.servers = append(s.servers, following...)
	name := s.MasterName()
	s.watchers, err = several(t, sentinels, Options{sentinel: true, Extra: []string{
		fmt.Sprintf("sentinel monitor %s %s %d 2", name, host, s.servers[0].port),
		fmt.Sprintf("sentinel down-after-milliseconds %s 500", name),
		fmt.Sprintf("sentinel failover-timeout %s 3000", name),
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range s.watchers {
		if !until(patient, func() bool { return w.knows(name, replicas) }) {
			t.Fatalf("the Sentinel at %s does not know %d replicas and %d others: %v", w.Addr(), replicas, sentinels-1, w.Info("sentinel"))
		}
	}
	return s
}

// knows tells whether a Sentinel knows all others and could ask for a failover.
func (s *Server) knows(name string, replicas int) bool {
	line := s.Info("sentinel")["master0"]
	if !strings.Contains(line, fmt.Sprintf("status=ok,address=%s:", host)) ||
		!strings.HasSuffix(line, fmt.Sprintf("slaves=%d,sentinels=%d", replicas, sentinels)) {
		return false
	}
	_, err := s.ask(time.Second, "SENTINEL", "CKQUORUM", name)
	return err == nil
}

// MasterName is the name by which the Sentinels know the primary.
func (s *Sentinel) MasterName() string { return "stanch" }

// Addrs answers the addresses of the Sentinels.
func (s *Sentinel) Addrs() []string {
	var all []string
	for _, w := range s.watchers {
		all = append(all, w.Addr())
	}
	return all
}

// Watcher is a Sentinel: 0, 1 or 2.
func (s *Sentinel) Watcher(i int) *Server { return s.watchers[i] }

// Server is a server: 0 is the one that was the primary at the start.
func (s *Sentinel) Server(i int) *Server { return s.servers[i] }

// Primary is the primary of which most Sentinels think so, nil if they are at
// odds.
func (s *Sentinel) Primary() *Server {
	votes := map[string]int{}
	for _, w := range s.watchers {
		reply, _ := w.ask(time.Second, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", s.MasterName())
		if addr, _ := reply.([]any); len(addr) == 2 {
			votes[fmt.Sprint(addr[1])]++
		}
	}
	for _, server := range s.servers {
		if votes[strconv.Itoa(server.port)] > sentinels/2 {
			return server
		}
	}
	return nil
}

// Failover kills the primary and returns when another has taken its place in
// the eyes of every Sentinel that runs. It answers the old one, for Rejoin or
// for Restart: restarted, it takes itself for the primary and accepts what is
// written to it until a Sentinel tells it otherwise, which is some ten seconds.
func (s *Sentinel) Failover() (old *Server) {
	s.t.Helper()
	old = s.Primary()
	if old == nil {
		s.t.Error("failover: the Sentinels know no primary")
		return nil
	}
	old.Kill()
	var now *Server
	if !until(patient, func() bool {
		now = s.Primary()
		return now != nil && now != old && now.Info("replication")["role"] == "master"
	}) {
		s.t.Error("failover: no other server has become the primary")
		return old
	}
	for _, w := range s.watchers {
		if !until(patient, func() bool {
			return !w.Up() || strings.Contains(w.Info("sentinel")["master0"], "address="+now.Addr()+",")
		}) {
			s.t.Errorf("failover: the Sentinel at %s does not follow: %v", w.Addr(), w.Info("sentinel"))
		}
	}
	return old
}

// Rejoin starts a server again and makes it a replica of the primary at once,
// in sync when Rejoin returns. What it alone had is gone then.
func (s *Sentinel) Rejoin(server *Server) {
	s.t.Helper()
	primary := s.Primary()
	if primary == nil || primary == server {
		s.t.Error("rejoin: the Sentinels know no other primary")
		return
	}
	server.Restart()
	_, err := server.Do("REPLICAOF", host, strconv.Itoa(primary.port))
	if err == nil {
		err = server.inSync()
	}
	if err != nil {
		s.t.Errorf("rejoin: %v", err)
	}
}
