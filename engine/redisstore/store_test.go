package redisstore_test

import (
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"stanch/engine/redisstore"
	"stanch/engine/redisstore/redistest"
	"stanch/engine/storetest"
)

// single starts the server that the tests of this package share. Each test has
// keys of its own there.
func single(t *testing.T) *redistest.Server {
	t.Helper()
	return redistest.Start(t, redistest.Options{AppendOnly: true, Fsync: "everysec"})
}

var prefixes atomic.Int64

// open opens a store of keys of its own.
func open(t *testing.T, o redisstore.Options) *redisstore.Store {
	t.Helper()
	s, err := redisstore.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// opener opens stores for storetest.
func opener(o redisstore.Options) func(t *testing.T, clock *storetest.Clock) storetest.Opened {
	return func(t *testing.T, clock *storetest.Clock) storetest.Opened {
		o := o
		o.Prefix, o.Work, o.Now = "test"+strconv.FormatInt(prefixes.Add(1), 10), true, clock.Now
		s := open(t, o)
		return storetest.Opened{Store: s, Again: func(t *testing.T, killed bool) storetest.Store {
			if killed {
				old := s
				t.Cleanup(func() { _ = old.Abandon() })
				clock.Advance(2 * time.Minute) // a lease of a lost worker ends with its time
			} else if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, o)
			if killed {
				if err := s.Sweep(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			return s
		}}
	}
}

func TestSingle(t *testing.T) {
	storetest.Run(t, opener(redisstore.Options{Addrs: []string{single(t).Addr()}}))
}

// A cluster refuses scripts that touch keys of two slots: what passes here keeps
// to its partition.
func TestCluster(t *testing.T) {
	c := redistest.StartCluster(t, 3, 0)
	storetest.Run(t, opener(redisstore.Options{Addrs: c.Addrs(), Cluster: true}))
}

func TestSentinel(t *testing.T) {
	s := redistest.StartSentinel(t, 1)
	storetest.Run(t, opener(redisstore.Options{Addrs: s.Addrs(), Sentinel: s.MasterName(), Replicas: 1}))
}
