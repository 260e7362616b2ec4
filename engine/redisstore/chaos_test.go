package redisstore_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"stanch/engine/redisstore"
	"stanch/engine/redisstore/redistest"
)

// chaos is a store with workers, a driver that gives them runs, and faults.
// Workers are processes of their own: this program, started again.
type chaos struct {
	t          *testing.T
	seed       uint64
	begun      time.Time
	dir        string // of the histories and the logs
	world      *chaosWorld
	redis      chaosRedis // as workers and driver reach it
	direct     chaosRedis // past the proxies
	servers    []*redistest.Server
	proxies    []*redistest.Proxy
	faults     []chaosFault
	workers    []*chaosWorker
	driver     *chaosDriver
	forgets    time.Duration // what a server that is killed may forget: so long before
	losses     []chaosLoss
	unrecorded bool // keep no history
	alone      bool // no two faults at once: a group has to be whole for the next one

	mu      sync.Mutex
	dice    *rand.Rand
	counted map[string]int
}

// newChaos prepares a test. It says by which seed its faults are drawn.
func newChaos(t *testing.T) *chaos {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("STANCH_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 0, 64); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.MkdirTemp("", "chaos") //nolint:usetesting // it is kept when the test fails
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("STANCH_SEED=%d", seed)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("STANCH_SEED=%d; histories and logs are kept in %s", seed, dir)
			return
		}
		os.RemoveAll(dir)
	})
	return &chaos{
		t: t, seed: seed, begun: time.Now(), dir: dir, world: newChaosWorld(t, dir, seed),
		dice: rand.New(rand.NewPCG(seed, 1)), counted: map[string]int{},
	}
}

// number answers how many faults a test does: STANCH_CHAOS of the environment,
// or what is usual for it, a fifth of that with -short.
func (c *chaos) number(usual int) int {
	n, err := strconv.Atoi(os.Getenv("STANCH_CHAOS"))
	switch {
	case err == nil:
		return n
	case testing.Short():
		return max(2, usual/5)
	}
	return usual
}

func (c *chaos) place(node string, redis chaosRedis) chaosPlace {
	p := chaosPlace{Redis: redis, Dir: c.dir, World: c.world.addr, Node: node, Workers: 16}
	if !c.unrecorded {
		p.History = filepath.Join(c.dir, node+".history")
	}
	return p
}

// begin starts workers and the driver, and lets it drive.
func (c *chaos) begin(workers int) {
	c.t.Helper()
	c.workersAndDriver(workers)
	c.driver.drive()
}

func (c *chaos) workersAndDriver(workers int) {
	c.t.Helper()
	store, err := redisstore.Open(c.t.Context(), c.direct.options(false))
	if err != nil {
		c.t.Fatal(err)
	}
	store.Close()
	for i := range workers {
		node := fmt.Sprint("w", i)
		w := &chaosWorker{t: c.t, place: c.place(node, c.redis), log: filepath.Join(c.dir, node+".log")}
		w.start()
		c.t.Cleanup(func() {
			w.signal(syscall.SIGKILL)
			<-w.ended
		})
		c.workers = append(c.workers, w)
	}
	c.driver = newChaosDriver(c.t, c.place("driver", c.redis), c.seed)
}

// run harms so many times, lets everything come to rest, and judges.
func (c *chaos) run(n int) {
	c.harm(n)
	c.rest()
	c.finish()
}

// finish judges and tells.
func (c *chaos) finish() {
	c.judge()
	c.t.Logf("%s in %s\n%s%s", c.driver, time.Since(c.begun).Round(time.Second), c.counts(), c.world)
}

// TestChaosSingle hurts workers, the wire, and one Redis that syncs every write:
// nothing that was acknowledged is lost.
func TestChaosSingle(t *testing.T) {
	c := newChaosSingle(t, "always")
	c.begin(3)
	c.run(c.number(25))
}

// TestChaosEverysec is the same with a Redis that syncs every second. While a
// sync takes long, Redis answers without having written: for up to two seconds a
// kill of the process takes that back, though nothing was wrong with the machine.
func TestChaosEverysec(t *testing.T) {
	c := newChaosSingle(t, "everysec")
	c.forgets = 2500 * time.Millisecond
	c.begin(3)
	c.run(c.number(8))
}

func newChaosSingle(t *testing.T, fsync string) *chaos {
	t.Helper()
	c := newChaos(t)
	s := redistest.Start(t, redistest.Options{AppendOnly: true, Fsync: fsync, Extra: []string{"enable-debug-command local"}})
	p := redistest.NewProxy(t, s.Addr())
	c.servers, c.proxies = []*redistest.Server{s}, []*redistest.Proxy{p}
	c.redis, c.direct = chaosRedis{Addrs: []string{p.Addr()}}, chaosRedis{Addrs: []string{s.Addr()}}
	c.faults = slices.Concat(c.workerFaults(), c.serverFaults(), c.crashes(), c.wireFaults())
	c.faults = append(c.faults, chaosFault{"Redis is busy for a second", func() { c.tell(s, "DEBUG", "SLEEP", "1") }})
	return c
}
