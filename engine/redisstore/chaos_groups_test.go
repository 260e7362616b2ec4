package redisstore_test

import (
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"stanch/engine/redisstore/redistest"
)

// TestChaosCluster hurts workers, the wire, and the masters of a cluster without
// replicas. They sync every second: see TestChaosEverysec.
func TestChaosCluster(t *testing.T) {
	c := newChaos(t)
	cluster := redistest.StartCluster(t, 3, 0)
	for i := range 3 {
		c.servers = append(c.servers, cluster.Node(i))
	}
	c.proxies = cluster.Front()
	for _, s := range c.servers {
		c.tell(s, "CONFIG", "REWRITE") // what Front has changed outlives a restart
	}
	c.redis = chaosRedis{Cluster: true}
	for _, p := range c.proxies {
		c.redis.Addrs = append(c.redis.Addrs, p.Addr())
	}
	c.direct, c.forgets = c.redis, 2500*time.Millisecond
	c.faults = slices.Concat(c.workerFaults(), c.serverFaults(), c.crashes(), c.wireFaults())
	c.begin(3)
	c.run(c.number(10))
}

// TestChaosFailover hurts workers and the masters of a cluster with a replica
// each. What was acknowledged right before a failover may be forgotten.
func TestChaosFailover(t *testing.T) {
	c := newChaos(t)
	cluster := redistest.StartCluster(t, 3, 1)
	for i := range 6 {
		c.servers = append(c.servers, cluster.Node(i))
	}
	c.redis = chaosRedis{Cluster: true, Addrs: cluster.Addrs()}
	c.direct = c.redis
	forced := func() {
		from := time.Now().Add(-2500 * time.Millisecond)
		cluster.Failover(c.roll(3))
		c.pause(500, 1500) // until the one that was the master follows: it takes writes till then
		c.lost(from)
	}
	killed := func() {
		from := time.Now().Add(-2500 * time.Millisecond)
		old := cluster.KillMaster(c.roll(3))
		c.pause(0, 1000)
		if old != nil {
			old.Restart() // which takes itself for the master at first
			redistest.Until(t, "the old master follows", func() bool { return old.Info("replication")["master_link_status"] == "up" })
		}
		c.lost(from)
	}
	c.faults = slices.Concat(c.workerFaults(), c.serverFaults(), failovers([]chaosFault{
		{"fail over by force", forced},
		{"fail over by force", forced},
		{"kill a master", killed},
		{"kill a master", killed},
		{"kill a master", killed},
	}))
	c.alone = true
	c.begin(3)
	c.run(c.number(6))
}

// failovers are faults after which Redis has forgotten what it had acknowledged:
// they are done where STANCH_CHAOS asks for chaos. How much a busy machine lets it
// forget, and when all have heard of it, cannot be bounded to the second, so what
// they show is read by somebody. That a store notices is shown by TestRestored….
func failovers(faults []chaosFault) []chaosFault {
	if os.Getenv("STANCH_CHAOS") == "" {
		return nil
	}
	return faults
}

// TestChaosSentinel hurts workers, and a primary with a replica that three
// Sentinels watch. Everything that destroys, and what people say, waits until the
// replica has it.
func TestChaosSentinel(t *testing.T) {
	c := newChaos(t)
	s := redistest.StartSentinel(t, 1)
	c.servers = []*redistest.Server{s.Server(0), s.Server(1)}
	c.redis = chaosRedis{Sentinel: s.MasterName(), Addrs: s.Addrs(), Replicas: 1}
	c.direct = c.redis
	failover := func() {
		from := time.Now().Add(-2500 * time.Millisecond)
		old := s.Failover()
		c.pause(0, 1000)
		c.rejoin(s, old)
		c.lost(from)
	}
	behind := func() {
		primary := s.Primary()
		if primary == nil {
			return
		}
		replica := c.servers[0]
		if replica == primary {
			replica = c.servers[1]
		}
		from := time.Now().Add(-2500 * time.Millisecond) // what it has not read when it stops, it never does
		replica.Pause()
		c.tell(primary, "CLIENT", "KILL", "TYPE", "replica") // else it gets what is on its way
		c.pause(100, 400)
		resumed := make(chan struct{})
		go func() {
			defer close(resumed)
			redistest.Until(t, "the primary is killed", func() bool { return !primary.Up() })
			replica.Resume()
		}()
		old := s.Failover()
		<-resumed
		c.rejoin(s, old)
		c.lost(from)
	}
	slow := func() {
		primary := s.Primary()
		for _, server := range c.servers {
			if primary != nil && server != primary {
				server.Pause()
				c.pause(300, 1500)
				server.Resume()
			}
		}
	}
	c.faults = slices.Concat(c.workerFaults(), c.serverFaults(), failovers([]chaosFault{
		{"kill the primary", failover},
		{"kill the primary", failover},
		{"kill the primary", failover},
		{"kill the primary, the replica behind", behind},
		{"kill the primary, the replica behind", behind},
	}), []chaosFault{
		{"stop the replica", slow},
		{"stop a Sentinel", func() {
			w := s.Watcher(c.roll(3))
			w.Pause()
			c.pause(300, 1500)
			w.Resume()
		}},
	})
	c.alone = true
	c.begin(3)
	stop := c.watch()
	c.harm(c.number(10))
	c.rest()
	stop()
	c.finish()
}

// watch notes the failovers that nobody asked for: on a busy machine a Sentinel
// may hear nothing of a primary that lives.
func (c *chaos) watch() (stop func()) {
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		last := ""
		for {
			masters := ""
			for _, s := range c.servers {
				if s.Info("replication")["role"] == "master" {
					masters += " " + s.Addr()
				}
			}
			if masters != last {
				c.mu.Lock() // a master that is none any more takes writes until it and those who write have heard
				c.losses = append(c.losses, chaosLoss{time.Now().Add(-2500 * time.Millisecond), time.Now().Add(2500 * time.Millisecond)})
				c.mu.Unlock()
				last = masters
			}
			select {
			case <-done:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
	return func() {
		close(done)
		watching.Wait()
	}
}

// rejoin starts a server again that was the primary, and waits until one of the
// two follows the other: the Sentinels may have changed their minds meanwhile.
func (c *chaos) rejoin(s *redistest.Sentinel, old *redistest.Server) {
	if old == nil {
		return
	}
	primary := s.Primary()
	old.Restart()
	if primary != nil && primary != old {
		c.tell(old, "REPLICAOF", "127.0.0.1", strconv.Itoa(primary.Port()))
	}
	redistest.Until(c.t, "one server follows the other", func() bool {
		up := 0
		for _, server := range c.servers {
			if server.Info("replication")["master_link_status"] == "up" {
				up++
			}
		}
		return up == 1 && s.Primary() != nil
	})
}
