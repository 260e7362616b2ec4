package redisstore_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"stanch/engine/redisstore/redistest"
)

// soak is work at a steady rate for a long time.
type soak struct {
	*chaos
	long  time.Duration
	each  time.Duration // between two kills
	rss   []int         // of the worker that is never killed, in kB
	redis []int         // memory that Redis uses, in bytes
}

// TestSoak works at 80 % of the greatest rate, for as long as STANCH_SOAK of the
// environment says, and kills a worker every ten seconds. The memory of one that
// lives stays what it was; that of Redis grows with the runs that it keeps.
func TestSoak(t *testing.T) {
	k := &soak{chaos: newChaos(t), long: 8 * time.Second, each: 2 * time.Second}
	if testing.Short() {
		k.long, k.each = 5*time.Second, time.Second
	}
	if text := os.Getenv("STANCH_SOAK"); text != "" {
		var err error
		if k.long, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
		k.each = 10 * time.Second
	}
	server := redistest.Start(t, redistest.Options{AppendOnly: true, Fsync: "everysec"})
	k.servers, k.direct = []*redistest.Server{server}, chaosRedis{Addrs: []string{server.Addr()}}
	k.chaos.redis, k.unrecorded = k.direct, true
	k.world.rest()
	k.workersAndDriver(3)
	warm := max(k.long/8, 3*time.Second)
	n, took := k.work(warm, 1e9)
	rate := float64(n) / took.Seconds()
	before := k.used()
	kept := k.world.count()
	stop := make(chan struct{})
	var harm sync.WaitGroup
	harm.Go(func() { k.killAndSample(stop) })
	n, took = k.work(k.long-warm, 0.8*rate)
	close(stop)
	harm.Wait()
	redistest.Until(t, "every run has ended", func() bool { return k.world.count() >= len(k.driver.begun) })
	all := len(k.driver.begun)
	k.driver.begun = sample(k.driver.begun, 2000) // each has done its last step, and there may be a million
	k.chaos.rest()
	each := float64(k.used()-before) / float64(k.world.count()-kept)
	t.Logf("%d runs, %.0f runs/s at the most; then %.0f runs/s for %s, %d kills; Redis keeps %.0f bytes of each run", all, rate, float64(n)/took.Seconds(), took.Round(time.Second), k.counted["kill a worker"], each)
	k.flat()
}

// work begins runs at a rate at most, never more than 300 ahead, and answers how
// many of them ended.
func (k *soak) work(long time.Duration, rate float64) (n int, took time.Duration) {
	begun, done := time.Now(), k.world.count()
	var all sync.WaitGroup
	for i := 0; time.Since(begun) < long; {
		behind := len(k.driver.known()) - k.world.count()
		due := int(min(rate*time.Since(begun).Seconds()-float64(i), 50, float64(300-behind)))
		for range due {
			all.Go(func() { k.driver.beginOne(k.t.Context(), "steady") })
		}
		all.Wait()
		i += max(due, 0)
		<-time.After(2 * time.Millisecond)
	}
	return k.world.count() - done, time.Since(begun)
}

// killAndSample kills a worker now and then, but never the first, and notes how
// much memory is used.
func (k *soak) killAndSample(stop <-chan struct{}) {
	tick := time.NewTicker(k.each)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		k.count("kill a worker")
		k.restart(k.workers[1+k.roll(len(k.workers)-1)], syscall.SIGKILL)
		k.rss = append(k.rss, rssOf(k.workers[0].cmd.Process.Pid))
		k.redis = append(k.redis, k.used())
	}
}

// flat fails if the memory of the worker that lives has grown since it was warm.
func (k *soak) flat() {
	n := len(k.rss)
	if n < 16 {
		k.t.Logf("the worker uses %v kB: too short to tell whether that grows", k.rss)
		return
	}
	early, late := middle(k.rss[n/4:n/2]), middle(k.rss[3*n/4:])
	k.t.Logf("the worker used %d kB in the second quarter, %d kB in the last; Redis %d and %d MB", early, late, middle(k.redis[n/4:n/2])>>20, middle(k.redis[3*n/4:])>>20)
	if late > early*12/10 {
		k.t.Errorf("the memory of a worker has grown by %d %%: %v", 100*(late-early)/early, k.rss)
	}
}

// sample answers about so many of all, evenly.
func sample(all []string, most int) (some []string) {
	for i := 0; i < len(all); i += 1 + len(all)/most {
		some = append(some, all[i])
	}
	return some
}

func middle(all []int) int {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// used is the memory that Redis uses for what it keeps.
func (k *soak) used() int {
	n, err := strconv.Atoi(k.servers[0].Info("memory")["used_memory_dataset"])
	if err != nil {
		k.t.Errorf("INFO memory: %v", err)
	}
	return n
}

// rssOf is the memory of a process in kB.
func rssOf(pid int) int {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(raw)) {
		if rest, is := strings.CutPrefix(line, "VmRSS:"); is {
			n, _ := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			return n
		}
	}
	return 0
}
