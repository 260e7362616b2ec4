package redisstore_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"stanch/engine/redisstore/redistest"
)

// chaosFault is something that goes wrong, and is mended before it returns.
type chaosFault struct {
	name string
	do   func()
}

// workerFaults are what happens to workers.
func (c *chaos) workerFaults() []chaosFault {
	return []chaosFault{
		{"kill a worker", func() { c.restart(c.someWorker(), syscall.SIGKILL) }},
		{"kill a worker", func() { c.restart(c.someWorker(), syscall.SIGKILL) }},
		{"end a worker", func() { c.restart(c.someWorker(), syscall.SIGTERM) }},
		{"stop a worker beyond its lease", func() {
			w := c.someWorker()
			w.signal(syscall.SIGSTOP)
			c.pause(1200, 3000)
			w.signal(syscall.SIGCONT)
		}},
		{"stop a worker", func() {
			w := c.someWorker()
			w.signal(syscall.SIGSTOP)
			c.pause(100, 1000)
			w.signal(syscall.SIGCONT)
		}},
		{"a worker whose clock is wrong", func() {
			w := c.someWorker()
			w.place.Skew = time.Duration(c.roll(7200)-3600) * time.Second
			c.restart(w, syscall.SIGKILL)
		}},
	}
}

// serverFaults are what happens to any server and heals without a loss.
func (c *chaos) serverFaults() []chaosFault {
	return []chaosFault{
		{"forget the scripts", func() { c.tell(c.someServer(), "SCRIPT", "FLUSH") }},
		{"end all connections", func() { c.tell(c.someServer(), "CLIENT", "KILL", "TYPE", "normal") }},
		{"no memory", func() {
			s := c.someServer()
			used, _ := strconv.Atoi(s.Info("memory")["used_memory"])
			c.tell(s, "CONFIG", "SET", "maxmemory", strconv.Itoa(used+10_000))
			c.pause(300, 1500)
			c.tell(s, "CONFIG", "SET", "maxmemory", "0")
		}},
		{"writes wait", func() { c.tell(c.someServer(), "CLIENT", "PAUSE", strconv.Itoa(100+c.roll(300)), "WRITE") }},
	}
}

// crashes are what happens to a server that keeps everything: it is killed, or
// stands still.
func (c *chaos) crashes() []chaosFault {
	kill := func() {
		s := c.someServer()
		from := time.Now().Add(-c.forgets)
		s.Kill()
		c.pause(0, 1000)
		s.Restart()
		if c.forgets > 0 {
			c.lost(from)
		}
	}
	return []chaosFault{
		{"kill Redis", kill},
		{"kill Redis", kill},
		{"stop Redis", func() {
			s := c.someServer()
			s.Pause()
			c.pause(300, 3000)
			s.Resume()
		}},
	}
}

// wireFaults are what happens on the wire.
func (c *chaos) wireFaults() []chaosFault {
	on := func(longest int, f func(p *redistest.Proxy)) func() {
		return func() {
			p := c.proxies[c.roll(len(c.proxies))]
			f(p)
			c.pause(200, longest)
			p.Pass()
		}
	}
	swallow := func() {
		p := c.proxies[c.roll(len(c.proxies))]
		select {
		case <-p.Swallow(1+c.roll(30), "EVALSHA"):
		case <-time.After(3 * time.Second):
		}
	}
	return []chaosFault{
		{"swallow a reply", swallow},
		{"swallow a reply", swallow},
		{"swallow a reply", swallow},
		{"cut all connections", func() { c.proxies[c.roll(len(c.proxies))].CutAll() }},
		{"cut in the middle of a request", on(500, func(p *redistest.Proxy) { p.CutAfter(redistest.ToServer, c.roll(20_000)) })},
		{"cut in the middle of a reply", on(500, func(p *redistest.Proxy) { p.CutAfter(redistest.ToClient, c.roll(20_000)) })},
		{"one byte at a time", on(800, func(p *redistest.Proxy) { p.OneBytePerWrite(true) })},
		{"a slow wire", on(2000, func(p *redistest.Proxy) { p.Delay(time.Duration(5+c.roll(150)) * time.Millisecond) })},
		{"no replies", on(2500, func(p *redistest.Proxy) { p.Hold(redistest.ToClient, true) })},
		{"no requests", on(2500, func(p *redistest.Proxy) { p.Hold(redistest.ToServer, true) })},
		{"no connections", on(1500, func(p *redistest.Proxy) {
			p.Refuse(true)
			p.CutAll()
		})},
	}
}

// harm does so many faults, one after the other, and sometimes two at once.
func (c *chaos) harm(n int) {
	for done := 0; done < n; {
		one := c.faults[c.roll(len(c.faults))]
		if c.alone || c.roll(6) > 0 {
			c.suffer(one)
			done++
		} else {
			c.twoAtOnce(one, c.faults[c.roll(len(c.faults))])
			done += 2
		}
		c.pause(100, 900)
		if c.t.Failed() {
			return
		}
	}
}

// twoAtOnce does two faults at once, unless they are of the same kind.
func (c *chaos) twoAtOnce(one, two chaosFault) {
	if one.name == two.name {
		c.suffer(one)
		return
	}
	both := make(chan struct{})
	go func() {
		defer close(both)
		c.suffer(two)
	}()
	c.suffer(one)
	<-both
	c.count("two at once")
}

func (c *chaos) suffer(f chaosFault) {
	c.t.Logf("%s %s", time.Now().Format("15:04:05.000"), f.name)
	c.count(f.name)
	f.do()
}

// lost notes that what was acknowledged between a time and now may be forgotten.
func (c *chaos) lost(from time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.losses = append(c.losses, chaosLoss{from, time.Now()})
}

func (c *chaos) count(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counted[name]++
}

// counts tells how often each fault was, and how many there were in all.
func (c *chaos) counts() string {
	var b strings.Builder
	all := 0
	for _, name := range slices.Sorted(maps.Keys(c.counted)) {
		fmt.Fprintf(&b, "%5d %s\n", c.counted[name], name)
		if name != "two at once" {
			all += c.counted[name]
		}
	}
	return fmt.Sprintf("%d faults:\n%s", all, b.String())
}

// pause waits between so many milliseconds and so many.
func (c *chaos) pause(from, to int) {
	<-time.After(time.Duration(from+c.roll(to-from)) * time.Millisecond)
}

func (c *chaos) roll(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dice.IntN(n)
}

// tell tells a server something. One that is down at the time does not hear it.
func (c *chaos) tell(s *redistest.Server, words ...string) {
	if s != nil {
		_, _ = s.Do(words...)
	}
}

func (c *chaos) someServer() *redistest.Server { return c.servers[c.roll(len(c.servers))] }
func (c *chaos) someWorker() *chaosWorker      { return c.workers[c.roll(len(c.workers))] }

// restart ends a worker and starts another in its place. Who is asked to end
// does so within the grace time, and a little more for what Redis does.
func (c *chaos) restart(w *chaosWorker, by syscall.Signal) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.running() {
		c.t.Errorf("a worker has ended of its own: see %s", w.log)
		return
	}
	if !w.end(by, 12*time.Second) {
		c.t.Errorf("a worker has not ended within 12 s of %s: see %s", by, w.log)
	}
	c.pause(0, 500)
	w.start()
}
