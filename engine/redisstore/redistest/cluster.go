package redistest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// slots is how many a cluster has.
const slots = 16384

// Cluster is a Redis Cluster. Its slots are parted evenly among shards: shard 0
// has the lowest. A shard has one master at a time, and which of its nodes that
// is changes with each failover; the numbers of nodes never change.
type Cluster struct {
	t      testing.TB
	shards int
	nodes  []*Server // the first master of each shard, then the replicas of shard 0, of shard 1, …
	each   int       // replicas of a shard at the start
}

// StartCluster starts a cluster and waits until each of its nodes knows all of
// it. Its nodes keep an append-only file. It takes some three seconds: start
// one for several tests, and FlushAll between them.
func StartCluster(t testing.TB, masters, replicasEach int) *Cluster {
	t.Helper()
	c := &Cluster{t: t, shards: masters, each: replicasEach}
	for _, step := range []func() error{
		c.start, c.divide, c.meet,
		func() error { return c.complete(masters*(1+replicasEach), 0) },
		c.replicate,
		func() error { return c.complete(masters*(1+replicasEach), masters*replicasEach) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func (c *Cluster) start() error {
	o := Options{AppendOnly: true, Extra: []string{"cluster-enabled yes", "cluster-node-timeout 1000"}}
	nodes, err := several(c.t, c.shards*(1+c.each), o)
	c.nodes = nodes
	return err
}

// several starts servers beside each other.
func several(t testing.TB, n int, o Options) ([]*Server, error) {
	type started struct {
		*Server
		err error
	}
	all := make(chan started)
	for range n {
		go func() {
			s, err := launch(t, o)
			all <- started{s, err}
		}()
	}
	var servers []*Server
	var failed error
	for range n {
		s := <-all
		if s.err != nil {
			failed = s.err
		}
		servers = append(servers, s.Server)
	}
	return servers, failed
}

// divide gives each shard its slots, and each node an epoch of its own, so that
// they have nothing to agree on.
func (c *Cluster) divide() error {
	for i, s := range c.nodes {
		if _, err := s.Do("CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1)); err != nil {
			return err
		}
		if i >= c.shards {
			continue
		}
		if _, err := s.Do("CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(c.firstSlot(i)), strconv.Itoa(c.firstSlot(i+1)-1)); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) firstSlot(shard int) int { return slots * shard / c.shards }

// meet makes everybody meet everybody, which is faster than gossip.
func (c *Cluster) meet() error {
	for i, s := range c.nodes {
		for _, other := range c.nodes[i+1:] {
			if _, err := s.Do("CLUSTER", "MEET", host, strconv.Itoa(other.port)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Cluster) replicate() error {
	for i, replica := range c.nodes[c.shards:] {
		id, err := c.nodes[i/c.each].Do("CLUSTER", "MYID")
		if err != nil {
			return err
		}
		if _, err := replica.Do("CLUSTER", "REPLICATE", fmt.Sprint(id)); err != nil {
			return err
		}
	}
	for _, replica := range c.nodes[c.shards:] {
		if err := replica.inSync(); err != nil {
			return err
		}
	}
	c.FlushAll() // something for the replicas to get: see offers
	return nil
}

// complete waits until every node that runs serves all slots and knows so many
// nodes that are well, and so many replicas among them.
func (c *Cluster) complete(known, replicas int) error {
	for i, s := range c.nodes {
		sees := func() bool {
			well, following := 0, 0
			for _, n := range s.nodes() {
				if n.well() {
					well++
				}
				if n.well() && n.is("slave") {
					following++
				}
			}
			text, _ := s.ask(time.Second, "CLUSTER", "INFO")
			return well == known && following == replicas && s.offers() == replicas && fields(fmt.Sprint(text))["cluster_state"] == "ok"
		}
		if !until(patient, func() bool { return !s.Up() || sees() }) {
			text, _ := s.Do("CLUSTER", "NODES")
			return fmt.Errorf("node %d of the cluster does not see %d nodes with %d replicas:\n%v", i, known, replicas, text)
		}
	}
	return nil
}

// offers answers how many replicas a node offers to clients. These are only
// those of which it has heard that they have got something.
func (s *Server) offers() int {
	reply, _ := s.ask(time.Second, "CLUSTER", "SLOTS")
	shards, _ := reply.([]any)
	n := 0
	for _, shard := range shards {
		if parts, _ := shard.([]any); len(parts) > 3 { // FIRST LAST MASTER REPLICA…
			n += len(parts) - 3
		}
	}
	return n
}

// seen is a node as a node sees it, one line of CLUSTER NODES.
type seen struct {
	id     string
	port   string
	flags  []string
	linked bool
	epoch  int
	slots  []string
}

func (n seen) is(flag string) bool {
	for _, f := range n.flags {
		if f == flag {
			return true
		}
	}
	return false
}

// well tells that nobody doubts it is there.
func (n seen) well() bool {
	return n.linked && !n.is("fail") && !n.is("fail?") && !n.is("handshake") && !n.is("noaddr")
}

// nodes answers what a node knows, nothing if it does not answer.
func (s *Server) nodes() []seen {
	text, _ := s.ask(time.Second, "CLUSTER", "NODES")
	var all []seen
	for line := range strings.Lines(fmt.Sprint(text)) {
		// ID ADDRESS FLAGS MASTER PING PONG EPOCH LINK SLOT…
		words := strings.Fields(line)
		if len(words) < 8 {
			continue
		}
		_, port, _ := strings.Cut(words[1], ":") // HOST:PORT@BUS
		port, _, _ = strings.Cut(port, "@")
		epoch, _ := strconv.Atoi(words[6])
		all = append(all, seen{id: words[0], port: port, flags: strings.Split(words[2], ","), linked: words[7] == "connected", epoch: epoch, slots: words[8:]})
	}
	return all
}

// Addrs answers the addresses of all nodes.
func (c *Cluster) Addrs() []string {
	var all []string
	for _, s := range c.nodes {
		all = append(all, s.Addr())
	}
	return all
}

// Node is a node: first come those that were masters at the start, in the order
// of their slots, then the replicas in the order of theirs.
func (c *Cluster) Node(i int) *Server { return c.nodes[i] }

// Master is the node that has the slots of a shard now, nil if there is none
// that answers.
func (c *Cluster) Master(shard int) *Server {
	var master *Server
	newest := -1
	for _, s := range c.shard(shard) {
		for _, n := range s.nodes() {
			// One that came back believes for a moment in what was; whoever took
			// its place has a later epoch.
			if n.is("myself") && n.is("master") && len(n.slots) > 0 && n.epoch > newest {
				master, newest = s, n.epoch
			}
		}
	}
	return master
}

// shard answers the nodes of a shard.
func (c *Cluster) shard(i int) []*Server {
	from := c.shards + i*c.each
	return append([]*Server{c.nodes[i]}, c.nodes[from:from+c.each]...)
}

// Failover makes a replica of a shard its master without asking the master,
// and returns when every node that runs follows. What the replica did not have
// yet is lost.
func (c *Cluster) Failover(shard int) {
	c.t.Helper()
	old := c.Master(shard)
	for _, s := range c.shard(shard) {
		if s == old || !s.Up() {
			continue
		}
		if _, err := s.Do("CLUSTER", "FAILOVER", "FORCE"); err != nil {
			c.t.Errorf("failover of shard %d: %v", shard, err)
			return
		}
		c.follow(shard, s)
		return
	}
	c.t.Errorf("failover of shard %d: no replica runs", shard)
}

// KillMaster kills the master of a shard and answers it. It returns when a
// replica has taken its place, at once if none runs.
func (c *Cluster) KillMaster(shard int) *Server {
	c.t.Helper()
	old := c.Master(shard)
	if old == nil {
		c.t.Errorf("kill the master of shard %d: it has none", shard)
		return nil
	}
	old.Kill()
	for _, s := range c.shard(shard) {
		if s.Up() {
			c.follow(shard, nil)
			break
		}
	}
	return old
}

// follow waits until the shard has a master, this one if one is named, and
// every node that runs knows it and serves.
func (c *Cluster) follow(shard int, wanted *Server) {
	c.t.Helper()
	var master *Server
	if !until(patient, func() bool {
		master = c.Master(shard)
		return master != nil && (wanted == nil || master == wanted)
	}) {
		c.t.Errorf("shard %d has no new master", shard)
		return
	}
	id, err := master.Do("CLUSTER", "MYID")
	if err != nil {
		c.t.Errorf("the new master of shard %d: %v", shard, err)
		return
	}
	for i, s := range c.nodes {
		if !until(patient, func() bool { return !s.Up() || s.follows(fmt.Sprint(id)) }) {
			text, _ := s.Do("CLUSTER", "NODES")
			c.t.Errorf("node %d does not follow the new master of shard %d:\n%v", i, shard, text)
		}
	}
}

// follows tells whether a node takes that one for a master of slots, and serves.
func (s *Server) follows(id string) bool {
	info, _ := s.ask(time.Second, "CLUSTER", "INFO")
	for _, n := range s.nodes() {
		if n.id == id && n.is("master") && len(n.slots) > 0 {
			return fields(fmt.Sprint(info))["cluster_state"] == "ok"
		}
	}
	return false
}

// Front puts a proxy in front of each node, in the order of Addrs, and returns
// when every node names them to clients. The replicas follow their masters
// through them too.
func (c *Cluster) Front() []*Proxy {
	c.t.Helper()
	var all []*Proxy
	named := map[string]bool{}
	for _, s := range c.nodes {
		p := NewProxy(c.t, s.Addr())
		all = append(all, p)
		_, port, _ := strings.Cut(p.Addr(), ":")
		named[port] = true
		if _, err := s.Do("CONFIG", "SET", "cluster-announce-port", port); err != nil {
			c.t.Errorf("announce a proxy: %v", err)
		}
	}
	for i, s := range c.nodes {
		names := func() bool {
			n := 0
			for _, seen := range s.nodes() {
				if named[seen.port] && seen.well() {
					n++
				}
			}
			return n == len(c.nodes)
		}
		if !until(patient, func() bool { return !s.Up() || names() }) {
			c.t.Errorf("node %d does not name the proxies", i)
		}
	}
	return all
}

// FlushAll empties every shard.
func (c *Cluster) FlushAll() {
	c.t.Helper()
	for i := range c.shards {
		master := c.Master(i)
		if master == nil {
			c.t.Errorf("flush shard %d: it has no master", i)
			continue
		}
		if _, err := master.Do("FLUSHALL"); err != nil {
			c.t.Errorf("flush shard %d: %v", i, err)
		}
	}
}
