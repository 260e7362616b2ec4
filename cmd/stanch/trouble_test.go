package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stanch/engine/redisstore/redistest"
)

// What a worker says of its store.
const (
	waits   = "the store does not answer; waiting"
	awake   = "the store answers again"
	damaged = "a part of the store cannot be worked on; the rest goes on"
)

// tells counts the lines of a command in which all of these words are.
func tells(b *begun, words ...string) int {
	n := 0
	for line := range strings.Lines(b.err.String()) {
		all := true
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		if all {
			n++
		}
	}
	return n
}

// once fails unless a command has said so once.
func (c *crew) once(b *begun, words ...string) {
	c.t.Helper()
	if n := tells(b, words...); n != 1 {
		c.t.Errorf("%q is said %d times:\n%s", words, n, b.err.String())
	}
}

// rests fails if commands use much CPU while f runs.
func (c *crew) rests(f func(), all ...*begun) {
	c.t.Helper()
	before := make([]int, len(all))
	for i, b := range all {
		before[i] = ticks(c.t, b)
	}
	begun := time.Now()
	f()
	for i, b := range all {
		if used, most := ticks(c.t, b)-before[i], 10+int(5*time.Since(begun).Seconds()); used > most {
			c.t.Errorf("%v: %d ms of CPU in %s", b.args, 10*used, time.Since(begun))
		}
	}
}

// says runs a command on the store and expects its exit code and its words.
func (c *crew) says(code int, words []string, args ...string) {
	c.t.Helper()
	c.judges(c.types(append(args, "--config", "tenant.yaml")...), badCase{args: args, code: code, says: words})
}

// A server that reads what it has kept is waited for, by who lived through its
// end and by who comes meanwhile, for longer than one that does not answer.
func TestAServerThatIsLoadingIsWaitedFor(t *testing.T) {
	t.Parallel()
	c := newCrew(t, redistest.Options{AppendOnly: true, Extra: []string{"key-load-delay 1000", "loading-process-events-interval-bytes 1024"}})
	do(c, "EVAL", "for i = 1, 6500 do redis.call('SET', 'fill:' .. i, string.rep('x', 200)) end", "0")
	do(c, "BGREWRITEAOF")
	c.polls("it is rewritten", func() bool {
		now := c.redis.Info("persistence")
		return now["aof_rewrite_in_progress"] == "0" && now["aof_rewrite_scheduled"] == "0" && now["aof_base_size"] != "0"
	})
	old := c.works("worker")
	run := c.run(100)
	c.polls("eight strands are held", func() bool { return c.leased() >= 8 })
	c.redis.Kill()
	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		c.redis.Restart()
	}()
	c.polls("it is loading", func() bool { return c.redis.Info("persistence")["loading"] == "1" })
	young, list := c.begins("worker", "--config", "tenant.yaml"), c.begins("runs", "list", "--config", "tenant.yaml")
	c.rests(func() {
		c.says(1, []string{`loading +\d+\.\d+ %.*still reading what it has kept`}, "doctor")
		<-loaded
	}, old, young, list)
	if s := c.wait(list); s.code != 0 || !strings.Contains(s.out, run) {
		t.Errorf("runs list: exit code %d\n%s%s", s.code, s.err, s.out)
	}
	c.once(list, waits, "still reading what it has kept")
	c.polls("they work", func() bool { return tells(old, awake) > 0 && tells(young, `"msg":"working"`) > 0 })
	c.ends(run)
	c.once(old, waits)
	c.once(young, waits, "still reading what it has kept")
	c.once(young, awake)
	c.retires(old)
	c.retires(young)
}

// The server becomes a replica under a worker, and a primary again.
func TestAServerThatBecomesAReplicaIsWaitedFor(t *testing.T) {
	t.Parallel()
	c := newCrew(t, redistest.Options{AppendOnly: true})
	worker := c.works("worker")
	run := c.run(100)
	c.polls("eight strands are held", func() bool { return c.leased() >= 8 })
	do(c, "REPLICAOF", "127.0.0.1", "1")
	c.rests(func() {
		replica := c.redis.Addr() + " is a replica of 127.0.0.1:1: name that one, or the sentinels"
		c.says(3, []string{replica}, "runs", "list")
		c.says(3, []string{replica}, "freeze", "--reason", "test")
		c.says(1, []string{"role +a replica of 127.0.0.1:1"}, "doctor")
		c.polls("it is told", func() bool { return tells(worker, waits, "the server is a replica now", "REPLICAOF NO ONE") > 0 })
	}, worker)
	do(c, "REPLICAOF", "NO", "ONE")
	c.ends(run)
	c.once(worker, waits)
	c.once(worker, awake)
	c.retires(worker)
}

// Redis cannot write its snapshot, and takes nothing until it can.
func TestARedisWhoseDiskIsFullIsWaitedFor(t *testing.T) {
	t.Parallel()
	c := newCrew(t, redistest.Options{AppendOnly: true, Extra: []string{"enable-protected-configs yes", "save 3600 1", "stop-writes-on-bgsave-error yes"}})
	dir, err := c.redis.Do("CONFIG", "GET", "dir")
	if err != nil {
		t.Fatal(err)
	}
	snapshot := func(dir, status string) {
		do(c, "CONFIG", "SET", "dir", dir)
		do(c, "BGSAVE")
		c.polls("the snapshot is "+status, func() bool {
			now := c.redis.Info("persistence")
			return now["rdb_bgsave_in_progress"] == "0" && now["rdb_last_bgsave_status"] == status
		})
	}
	worker := c.works("worker")
	run := c.run(100)
	c.polls("eight strands are held", func() bool { return c.leased() >= 8 })
	snapshot("/proc", "err")
	c.polls("it is told", func() bool {
		return tells(worker, waits, "could not write its last snapshot", "free some space", "BGSAVE") > 0
	})
	young := c.works("worker")
	c.rests(func() {
		c.says(3, []string{"free some space on its disk"}, "freeze", "--reason", "test")
		c.says(1, []string{"snapshot +the last one failed +Redis takes no writes: free some space"}, "doctor")
	}, worker, young)
	snapshot(dir.([]any)[1].(string), "ok")
	c.ends(run)
	for _, w := range []*begun{worker, young} {
		c.once(w, waits)
		c.once(w, awake)
		c.retires(w)
	}
}

// Redis is killed, and the end of its file is gone. It may refuse to start: then
// it is waited for. Where it starts without the end, a worker notices that remembers
// only how far the store was: effects are frozen there.
func TestAFileThatWasCutOffIsNoticed(t *testing.T) {
	t.Parallel()
	c := newCrew(t, redistest.Options{AppendOnly: true, Fsync: "always", Extra: []string{"aof-load-truncated no"}})
	old := c.works("worker")
	c.ends(c.run(20))
	<-time.After(1500 * time.Millisecond) // it is remembered once a second
	c.redis.Kill()
	c.redis.TruncateAOF(2000)
	if err := c.redis.TryRestart(); err == nil || !strings.Contains(err.Error(), "Unexpected end of file") {
		t.Fatalf("Redis starts with a file that was cut off: %v", err)
	}
	c.polls("it is told", func() bool { return tells(old, waits, "connection refused") > 0 })
	c.says(3, []string{c.redis.Addr() + " does not answer: connect: connection refused"}, "runs", "list")
	c.once(old, waits)
	if err := old.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	c.wait(old)
	c.repairs()
	c.redis.Restart()
	young := c.works("worker")
	c.polls("it is noticed", func() bool {
		return tells(young, "the store has gone back; effects are frozen there until `stanch thaw`") > 0
	})
	frozen := 0
	for i := range 16 {
		if on, err := c.redis.Do("HGET", fmt.Sprintf("stanch:1:{%02x}:m", i), "fz"); err == nil && on == "1" {
			frozen++
		}
	}
	if frozen == 0 {
		t.Error("effects are not frozen")
	}
	c.retires(young)
}

// repairs cuts the file of a server that is down off after what is whole.
func (c *crew) repairs() {
	c.t.Helper()
	manifest := filepath.Join(c.redis.Dir(), "appendonlydir", "appendonly.aof.manifest")
	fix := exec.Command("redis-check-aof", "--fix", manifest)
	fix.Stdin = strings.NewReader("y\n")
	if out, err := fix.CombinedOutput(); err != nil {
		c.t.Fatalf("redis-check-aof: %v\n%s", err, out)
	}
}

// Another program writes over a run and over the heart of a partition, while a
// worker is at work. It names both, overwrites nothing and goes on with the rest;
// when what was there is restored, nothing is lost.
func TestKeysThatAnotherProgramTakesAreLeftAlone(t *testing.T) {
	t.Parallel()
	c := newCrew(t, redistest.Options{AppendOnly: true})
	worker := c.works("worker", "--lease", "3s")
	run := c.run(60)
	c.polls("eight strands are held", func() bool { return c.leased() >= 8 })
	keys := []string{fmt.Sprintf("stanch:1:{%s}:s:%s", run[1:3], run), c.idle()}
	var ours []string
	for _, key := range keys {
		was, err := c.redis.Do("EVAL", "local was = redis.call('DUMP', KEYS[1]) redis.call('SET', KEYS[1], 'theirs') return was", "1", key)
		if err != nil {
			t.Fatal(err)
		}
		ours = append(ours, was.(string))
	}
	doctor := c.begins("doctor", "--config", "tenant.yaml")
	for _, key := range keys {
		c.polls(key+" is named", func() bool { return tells(worker, damaged, "another program has written over the key "+key) > 0 })
	}
	c.rests(func() {
		c.says(3, []string{`the key \Q` + keys[1] + `\E is a string of another program`}, "runs", "list")
		c.judges(c.wait(doctor), badCase{args: doctor.args, code: 1, says: []string{`fit +no +.*\Q` + keys[1] + `\E`, `runs +damaged +.*\Q` + keys[0] + `\E`}})
	}, worker)
	for _, key := range keys {
		if now, err := c.redis.Do("GET", key); now != "theirs" || err != nil {
			t.Errorf("%s is %v, %v", key, now, err)
		}
	}
	do(c, "RESTORE", keys[1], "0", ours[1], "REPLACE")
	if s := c.types("run", "slow.yaml", "--incident", "40213", "--live", "--config", "tenant.yaml"); s.code != 0 {
		t.Errorf("another run: exit code %d\n%s", s.code, s.err)
	}
	do(c, "RESTORE", keys[0], "0", ours[0], "REPLACE")
	c.succeeds(run)
	for _, key := range keys {
		c.once(worker, damaged, key)
	}
	if n := strings.Count(worker.err.String(), "ERROR"); n != len(keys) {
		t.Errorf("%d errors are told:\n%s", n, worker.err.String())
	}
	if n := c.losses(run); n != 0 {
		t.Errorf("%d strands count as lost", n)
	}
	c.retires(worker)
}

// idle is the heart of a partition in which nothing is kept.
func (c *crew) idle() string {
	c.t.Helper()
	for i := range 16 {
		all, err := c.redis.Do("KEYS", fmt.Sprintf("stanch:1:{%02x}:*", i))
		if err != nil {
			c.t.Fatal(err)
		}
		if keys := all.([]any); len(keys) == 1 {
			return keys[0].(string)
		}
	}
	c.t.Fatal("something is kept everywhere")
	return ""
}

// succeeds waits until a run has succeeded.
func (c *crew) succeeds(run string) {
	c.t.Helper()
	c.polls("run "+run+" succeeds", func() bool {
		return strings.Contains(c.types("runs", "show", run, "--config", "tenant.yaml", "--output", "json").out, `"status": "succeeded"`)
	})
}

// A server that forgets the scripts is told them again, and nobody notices.
func TestForgottenScriptsAreToldAgain(t *testing.T) {
	t.Parallel()
	c := newCrew(t, redistest.Options{AppendOnly: true})
	worker := c.works("worker")
	run := c.run(300)
	for range 5 {
		c.polls("strands are held", func() bool { return c.leased() > 0 })
		do(c, "SCRIPT", "FLUSH")
	}
	c.ends(run)
	if n := tells(worker, `"level":"ERROR"`) + tells(worker, `"level":"WARN"`); n > 0 {
		t.Errorf("it is told:\n%s", worker.err.String())
	}
	c.retires(worker)
}
