package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"stanch/connectors/practice"
	"stanch/engine/redisstore/redistest"
)

// crewBook reads an incident again and again, eight times at once, and then
// changes it.
const crewBook = `playbook: slow
title: Slow
status: stable
owner: dlp@contoso.example
on: {manual: {}}
steps:
  - for_each: 1..%d
    max_parallel: 8
    steps:
      - uses: incidents.get
        with: {incident: "${{ incident.id }}"}
  - uses: incidents.tag
    with: {incident: "${{ incident.id }}", add: [slow]}
`

// crew is a person with workers on a store in Redis.
type crew struct {
	*person
	redis *redistest.Server
}

func newCrew(t *testing.T, o redistest.Options) *crew {
	t.Helper()
	c := &crew{person: newPerson(t, practice.Options{Latency: 100 * time.Millisecond}), redis: redistest.Start(t, o)}
	c.write("tenant.yaml", "store: redis://"+c.redis.Addr()+"\n"+c.tenant(""))
	return c
}

// works starts a command of the crew that works.
func (c *crew) works(args ...string) *begun {
	c.t.Helper()
	w := c.begins(append(args, "--config", "tenant.yaml")...)
	c.polls("it works", func() bool {
		return strings.Contains(w.err.String(), `"msg":"working"`) || strings.Contains(w.err.String(), `"msg":"serving"`)
	})
	return w
}

// run begins a run that reads so often, and answers its id.
func (c *crew) run(items int) string {
	c.t.Helper()
	c.write("slow.yaml", fmt.Sprintf(crewBook, items))
	s := c.types("run", "slow.yaml", "--incident", "40212", "--live", "--no-wait", "--config", "tenant.yaml")
	m := regexp.MustCompile(`run (r\w+) of slow begins`).FindStringSubmatch(s.err)
	if s.code != 0 || m == nil {
		c.t.Fatalf("exit code %d\n%s", s.code, s.err)
	}
	return m[1]
}

// count adds up what a command answers for a key of each partition.
func (c *crew) count(command, key string) int {
	n := 0
	for i := range 16 {
		reply, err := c.redis.Do(command, fmt.Sprintf("stanch:1:{%02x}:%s", i, key))
		if k, is := reply.(int64); err == nil && is {
			n += int(k)
		}
	}
	return n
}

func (c *crew) leased() int { return c.count("ZCARD", "l") }

// losses adds up how often the strands of a run were lost.
func (c *crew) losses(run string) int {
	c.t.Helper()
	keys, err := c.redis.Do("KEYS", "stanch:1:*:s:"+run+"*")
	if err != nil {
		c.t.Fatal(err)
	}
	n := 0
	for _, key := range keys.([]any) {
		if lost, err := c.redis.Do("HGET", key.(string), "x"); err == nil && lost != nil {
			k, _ := strconv.Atoi(lost.(string))
			n += k
		}
	}
	return n
}

// ends waits until a run has succeeded, and looks that it has changed the
// incident once.
func (c *crew) ends(run string) {
	c.t.Helper()
	var r struct{ Status string }
	c.polls("the end of the run", func() bool {
		c.reads(&r, "runs", "show", run, "--config", "tenant.yaml", "--output", "json")
		return r.Status != "running" && r.Status != "queued" && r.Status != "waiting"
	})
	if n := len(c.server.Tenant.Changes()); r.Status != "succeeded" || n != 1 {
		c.t.Errorf("the run is %s, the tenant was changed %d times", r.Status, n)
	}
}

// A worker that is told to end gives back what it holds; another goes on at
// once, and nothing counts as lost.
func TestAWorkerThatEndsHandsOver(t *testing.T) {
	t.Parallel()
	c := newCrew(t, redistest.Options{AppendOnly: true})
	first := c.works("worker", "--lease", "1m")
	run := c.run(150)
	c.polls("eight strands are held", func() bool { return c.leased() >= 8 })
	second := c.works("worker", "--lease", "1m", "--concurrency", "16")
	if err := first.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	told := time.Now()
	if s := c.wait(first); s.code != 0 || !strings.Contains(s.err, `"msg":"ended"`) {
		t.Errorf("exit code %d\n%s", s.code, s.err)
	}
	c.polls("the other holds them", func() bool { return c.leased() >= 8 })
	if took := time.Since(told); took > time.Second {
		t.Errorf("the other went on after %s", took)
	}
	if n := c.losses(run); n != 0 {
		t.Errorf("%d strands count as lost", n)
	}
	c.ends(run)
	c.retires(second)
}

// retires ends a command in peace.
func (c *crew) retires(b *begun) {
	c.t.Helper()
	if err := b.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		c.t.Fatal(err)
	}
	if s := c.wait(b); s.code != 0 {
		c.t.Errorf("exit code %d\n%s", s.code, s.err)
	}
}

// A worker that is killed is followed: its leases end, and the others find out
// that it is gone.
func TestAWorkerThatIsKilledIsFollowed(t *testing.T) {
	t.Parallel()
	c := newCrew(t, redistest.Options{AppendOnly: true})
	first := c.works("worker", "--lease", "2s")
	run := c.run(200)
	c.polls("eight strands are held", func() bool { return c.leased() >= 8 })
	second := c.works("worker", "--lease", "2s")
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	c.wait(first)
	c.polls("they are lost", func() bool { return c.losses(run) > 0 })
	// With a lease this short it is the silence of the dead that takes time.
	if took := time.Since(killed); took > 14*time.Second {
		t.Errorf("it was found out after %s", took)
	}
	c.ends(run)
	c.retires(second)
}

// ticks is how much CPU a process has used, in hundredths of a second.
func ticks(t *testing.T, b *begun) int {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", b.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return user + system
}

// Redis ends, is full, takes no writes: each is told once, nothing spins, and
// the work goes on by itself.
func TestAnOutageIsToldOnceAndPasses(t *testing.T) {
	t.Parallel()
	c := newCrew(t, redistest.Options{AppendOnly: true})
	serve := c.works("serve", example("oversharing.yaml"))
	worker := c.works("worker")
	run := c.run(3000)
	said := func(b *begun, what string) int { return strings.Count(b.err.String(), what) }
	// Whoever asks while the server comes back may hear first that some of it answers.
	const silent, again = "the store does not answer; waiting", "store answers again"
	for i, outage := range []struct {
		name     string
		from, to func()
	}{
		{"restarted", c.redis.Stop, c.redis.Restart},
		{"full", func() { do(c, "CONFIG", "SET", "maxmemory", "1mb") }, func() { do(c, "CONFIG", "SET", "maxmemory", "0") }},
	} {
		c.polls("strands are held", func() bool { return c.leased() >= 8 })
		outage.from()
		before := []int{ticks(t, serve), ticks(t, worker)}
		<-time.After(5 * time.Second)
		for k, b := range []*begun{serve, worker} {
			if used := ticks(t, b) - before[k]; used > 25 {
				t.Errorf("%s: %d ms of CPU in 5 s", outage.name, 10*used)
			}
		}
		c.polls("it is told", func() bool { return said(serve, silent) > i && said(worker, silent) > i })
		outage.to()
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("the server said:\n%s\nthe worker said:\n%s", serve.err.String(), worker.err.String())
			}
		})
		c.polls("it is over", func() bool { return said(serve, again) > i && said(worker, again) > i })
		for _, b := range []*begun{serve, worker} {
			if s, a := said(b, silent), said(b, again); s != i+1 || a != i+1 {
				t.Errorf("%s: told %d times, over %d times:\n%s", outage.name, s, a, b.err.String())
			}
		}
	}
	if s := c.types("runs", "cancel", run, "--config", "tenant.yaml"); s.code != 0 {
		t.Errorf("cancel: exit code %d\n%s", s.code, s.err)
	}
	c.retires(serve)
	c.retires(worker)
}

func do(c *crew, args ...string) {
	c.t.Helper()
	if _, err := c.redis.Do(args...); err != nil {
		c.t.Errorf("%v: %v", args, err)
	}
}

// A newer version raises the schema under a worker: it claims no more and says
// so once.
func TestAWorkerOfAnOlderVersionStops(t *testing.T) {
	t.Parallel()
	c := newCrew(t, redistest.Options{AppendOnly: true})
	worker := c.works("worker", "--grace", "1s")
	c.ends(c.run(2))
	run := c.run(2000)
	c.polls("eight strands are held", func() bool { return c.leased() >= 8 })
	for i := range 16 {
		do(c, "HSET", fmt.Sprintf("stanch:1:{%02x}:m", i), "v", "2/1")
	}
	do(c, "HSET", "stanch:meta", "schema", "2")
	const says = "a newer version has taken the store over"
	c.polls("it is told", func() bool { return strings.Contains(worker.err.String(), says) })
	before, used := dumped(c, run), ticks(t, worker)
	<-time.After(5 * time.Second)
	if now := dumped(c, run); now != before {
		t.Errorf("the run was\n%s\nand is\n%s", before, now)
	}
	if used := ticks(t, worker) - used; used > 25 {
		t.Errorf("%d ms of CPU in 5 s", 10*used)
	}
	if n := strings.Count(worker.err.String(), says); n != 1 || strings.Contains(worker.err.String(), "does not answer") {
		t.Errorf("it was told %d times:\n%s", n, worker.err.String())
	}
	if s := c.types("runs", "list", "--config", "tenant.yaml"); s.code != 3 || !strings.Contains(s.err, "use the newer version") {
		t.Errorf("exit code %d\n%s", s.code, s.err)
	}
	if err := worker.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	c.wait(worker)
}

// dumped is the root of a run as it is kept.
func dumped(c *crew, run string) string {
	reply, err := c.redis.Do("HGETALL", fmt.Sprintf("stanch:1:{%s}:s:%s", run[1:3], run))
	if err != nil {
		c.t.Error(err)
	}
	return fmt.Sprint(reply)
}

// Redis comes back from a backup without what it had acknowledged. A worker that
// lived through it notices, and so does one that starts afterwards: effects are
// frozen, and what was forgotten is looked up.
func TestAStoreThatWentBackIsNoticed(t *testing.T) {
	t.Parallel()
	c := newCrew(t, redistest.Options{AppendOnly: true, Fsync: "always"})
	worker := c.works("worker")
	first := c.run(2)
	c.polls("the first run has ended", func() bool { return len(c.server.Tenant.Changes()) == 1 })
	backup := c.redis.CopyData()
	c.types("undo", first, "--yes", "--config", "tenant.yaml")
	back := func() {
		c.redis.Stop()
		c.redis.RestoreData(backup)
		c.redis.Restart()
	}
	const says = "the store has gone back; effects are frozen there until `stanch thaw`"
	back()
	c.polls("it is noticed", func() bool { return strings.Contains(worker.err.String(), says) })
	c.polls("what was forgotten is told", func() bool { return strings.Contains(worker.err.String(), "the store has forgotten an effect") })
	if s := c.types("thaw", "--reason", "looked", "--config", "tenant.yaml"); s.code != 0 {
		t.Errorf("thaw: exit code %d\n%s", s.code, s.err)
	}
	backup = c.redis.CopyData()
	second := c.run(2)
	c.polls("the second run has ended", func() bool {
		return strings.Contains(c.types("runs", "show", second, "--config", "tenant.yaml", "--output", "json").out, `"status": "succeeded"`)
	})
	<-time.After(2 * time.Second) // it is remembered once a second
	c.retires(worker)
	back()
	worker = c.works("worker")
	c.polls("it is remembered", func() bool { return strings.Contains(worker.err.String(), says) })
	c.retires(worker)
}
