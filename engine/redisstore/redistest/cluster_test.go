package redistest

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Keys of shard 0 and of shard 2.
const lowKey, highKey = "b", "foo"

func TestCluster(t *testing.T) {
	t.Parallel()
	c := StartCluster(t, 3, 1)
	if len(c.Addrs()) != 6 {
		t.Fatalf("a cluster of %v", c.Addrs())
	}
	for shard := range 3 {
		if c.Master(shard) != c.Node(shard) {
			t.Fatalf("shard %d does not begin with node %d", shard, shard)
		}
	}
	for i := range 6 {
		shards, err := c.Node(i).Do("CLUSTER", "SLOTS")
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range shards.([]any) {
			if nodes := s.([]any)[2:]; len(nodes) != 2 {
				t.Fatalf("node %d knows a shard with %v", i, nodes)
			}
		}
	}
	for _, test := range []struct {
		name string
		run  func(*testing.T, *Cluster)
	}{
		{"a key has its place", clusterMoved},
		{"a forced failover makes the replica the master", clusterFailover},
		{"a killed master is replaced and comes back as a replica", clusterKill},
		{"flush empties all", clusterFlush},
		{"proxies in front are where clients are sent", clusterFront},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, c) })
	}
}

func clusterMoved(t *testing.T, c *Cluster) {
	want(t, c.Node(2), "OK", "SET", highKey, "1")
	_, err := c.Node(0).Do("GET", highKey)
	if err == nil || !strings.HasPrefix(err.Error(), "MOVED 12182 "+c.Node(2).Addr()) {
		t.Fatalf("a key of another shard: %v", err)
	}
}

func clusterFailover(t *testing.T, c *Cluster) {
	c.Failover(2)
	if c.Master(2) != c.Node(5) {
		t.Fatal("the replica is not the master")
	}
	want(t, c.Node(5), "1", "GET", highKey)
	c.Failover(2)
	if c.Master(2) != c.Node(2) {
		t.Fatal("there is no way back")
	}
}

func clusterKill(t *testing.T, c *Cluster) {
	want(t, c.Node(0), "OK", "SET", lowKey, "1")
	Until(t, "the replica has it", func() bool {
		return c.Node(3).Info("replication")["slave_repl_offset"] == c.Node(0).Info("replication")["master_repl_offset"]
	})
	old := c.KillMaster(0)
	if old != c.Node(0) || old.Up() {
		t.Fatal("another was killed")
	}
	want(t, c.Master(0), "1", "GET", lowKey)
	old.Restart()
	Until(t, "it comes back as a replica", func() bool {
		i := old.Info("replication")
		return i["role"] == "slave" && i["master_link_status"] == "up"
	})
	if c.Master(0) != c.Node(3) {
		t.Fatal("it took its place back")
	}
}

func clusterFlush(t *testing.T, c *Cluster) {
	c.FlushAll()
	for shard := range 3 {
		if n, err := c.Master(shard).Do("DBSIZE"); err != nil || fmt.Sprint(n) != "0" {
			t.Fatalf("shard %d has %v keys (%v)", shard, n, err)
		}
	}
}

// It comes last: the proxies stay announced.
func clusterFront(t *testing.T, c *Cluster) {
	front := c.Front()
	_, err := c.Node(0).Do("GET", highKey)
	if err == nil || err.Error() != "MOVED 12182 "+front[2].Addr() {
		t.Fatalf("sent elsewhere: %v", err)
	}
	says(t, connect(t, front[2], time.Second), nil, "GET", highKey)
}
