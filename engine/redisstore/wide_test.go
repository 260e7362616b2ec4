package redisstore_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"stanch/engine"
	"stanch/engine/redisstore"
	"stanch/engine/redisstore/redistest"
)

// queue is a wide key in a Redis of its own, of which a test forgets something.
type queue struct {
	t      *testing.T
	server *redistest.Server
	s      *redisstore.Store
	runs   []string
}

func newQueue(t *testing.T) *queue {
	t.Helper()
	q := &queue{t: t, server: redistest.Start(t, redistest.Options{})}
	q.s = open(t, redisstore.ExpireEvery(50*time.Millisecond, redisstore.Options{Addrs: []string{q.server.Addr()}, Work: true, Partitions: 4}))
	t.Cleanup(func() { _ = q.s.Close() })
	return q
}

// begin begins runs that want the key.
func (q *queue) begin(n int) {
	q.t.Helper()
	for range n {
		id := fmt.Sprint("r", len(q.runs))
		b, err := q.s.Begin(q.t.Context(), engine.Begin{Request: id, Playbook: "p", Subject: id, Edition: "e", Mode: "live", Key: "k", Wide: true})
		if err != nil {
			q.t.Fatal(err)
		}
		q.runs = append(q.runs, b.Run)
	}
}

func (q *queue) do(words ...string) any {
	q.t.Helper()
	reply, err := q.server.Do(words...)
	if err != nil {
		q.t.Fatal(err)
	}
	return reply
}

// tag is where the key lies.
func (q *queue) tag() string {
	q.t.Helper()
	for i := range 4 {
		if tag := fmt.Sprintf("stanch:1:{%02x}:", i); q.do("EXISTS", tag+"k:k") == int64(1) {
			return tag
		}
	}
	q.t.Fatal("nobody has the key")
	return ""
}

func (q *queue) list(tag string) (runs []string) {
	q.t.Helper()
	for _, r := range q.do("LRANGE", tag+"k:k", "0", "-1").([]any) {
		runs = append(runs, r.(string))
	}
	return runs
}

// claim looks after all partitions, and answers what is due.
func (q *queue) claim() []engine.Strand {
	q.t.Helper()
	q.s.Hint()
	c, err := q.s.Claim(q.t.Context(), engine.Claim{Worker: "w", Max: 10, Last: time.Minute})
	if err != nil {
		q.t.Fatal(err)
	}
	return c.Strands
}

// next waits until a run is due, and answers it.
func (q *queue) next(what string) (st engine.Strand) {
	q.t.Helper()
	redistest.Until(q.t, what, func() bool {
		all := q.claim()
		if len(all) > 1 {
			q.t.Fatalf("%d runs have the key", len(all))
		}
		if len(all) == 1 {
			st = all[0]
		}
		return len(all) == 1
	})
	return st
}

func (q *queue) end(st engine.Strand) {
	q.t.Helper()
	in := engine.Settlement{Request: st.Token, Lease: st.Lease, Then: engine.Then{End: &engine.End{Outcome: "succeeded"}}}
	if _, err := q.s.Settle(q.t.Context(), in); err != nil {
		q.t.Fatal(err)
	}
}

// waiting answers the runs that are remembered to wait.
func (q *queue) waiting() (runs []string) {
	q.t.Helper()
	for i := range 4 {
		for _, run := range q.do("SMEMBERS", fmt.Sprintf("stanch:1:{%02x}:qw", i)).([]any) {
			runs = append(runs, run.(string))
		}
	}
	return runs
}

func (q *queue) status(run string) string {
	q.t.Helper()
	r, err := q.s.Run(q.t.Context(), run)
	if err != nil {
		q.t.Fatal(err)
	}
	return r.Status
}

// TestWhatIsForgottenOfAQueueIsFoundOut takes from the partition of a wide key by
// hand what a failover may forget. Nobody asks for the key any more, and the run
// that waits for it goes on.
func TestWhatIsForgottenOfAQueueIsFoundOut(t *testing.T) {
	t.Parallel()
	for name, forget := range map[string]func(q *queue, tag string, first engine.Strand){
		"that the run waits": func(q *queue, tag string, first engine.Strand) {
			q.do("LREM", tag+"k:k", "1", q.runs[1])
			redistest.Until(t, "it waits again, behind the holder", func() bool {
				q.claim()
				return slices.Equal(q.list(tag), q.runs)
			})
			q.end(first)
		},
		"the whole queue": func(q *queue, tag string, first engine.Strand) {
			q.do("DEL", tag+"k:k")
			q.end(first)
		},
		"that the key was given back": func(q *queue, tag string, first engine.Strand) {
			q.do("DEL", tag+"k:k")
			q.end(first)
			q.do("RPUSH", tag+"k:k", q.runs[0], q.runs[1])
		},
		"that the key was granted": func(q *queue, tag string, first engine.Strand) {
			q.do("DEL", tag+"k:k")
			q.end(first)
			q.do("RPUSH", tag+"k:k", q.runs[1])
		},
		"who holds the key": func(q *queue, tag string, first engine.Strand) {
			q.do("DEL", tag+"k:k")
			q.end(first)
			q.do("RPUSH", tag+"k:k", "r00forgottenforgottenfo", q.runs[1])
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := newQueue(t)
			q.begin(2)
			tag := q.tag()
			forget(q, tag, q.next("the first has the key"))
			st := q.next("the second has the key")
			if st.Run != q.runs[1] {
				t.Errorf("%s has the key, it must be %s", st.Run, q.runs[1])
			}
			q.end(st)
			if left := q.list(tag); len(left) > 0 {
				t.Errorf("%v have the key when all have ended", left)
			}
			if left := q.waiting(); len(left) > 0 {
				t.Errorf("%v are remembered to wait when all have ended", left)
			}
		})
	}
}

// TestAQueueThatIsWellIsLeftAlone looks after runs that wait again and again:
// they go on one after the other, in their order.
func TestAQueueThatIsWellIsLeftAlone(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	q.begin(6)
	tag := q.tag()
	for i, run := range q.runs {
		st := q.next("one has the key")
		if st.Run != run {
			t.Fatalf("%s has the key, it must be %s", st.Run, run)
		}
		for range 5 {
			<-time.After(60 * time.Millisecond)
			if due := q.claim(); len(due) > 0 {
				t.Fatalf("%s is due while %s has the key", due[0].Run, run)
			}
			if now := q.list(tag); !slices.Equal(now, q.runs[i:]) {
				t.Fatalf("the queue is %v, it must be %v", now, q.runs[i:])
			}
		}
		q.end(st)
	}
}

// TestWhoIsReplacedGetsNoPlaceAgain takes a run out of the queue as one does that
// replaces it, and leaves the word that cancels it in the outbox for a while.
func TestWhoIsReplacedGetsNoPlaceAgain(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	q.begin(2)
	tag, first := q.tag(), q.next("the first has the key")
	<-time.After(60 * time.Millisecond)
	now := strconv.FormatInt(time.Now().UnixMicro(), 10)
	cancel := fmt.Sprintf("%s 6:cancel%d:%s", now, len(q.runs[1]), q.runs[1])
	q.do("HSET", tag+"ob", "x:"+q.runs[1]+":other", cancel)
	q.do("LREM", tag+"k:k", "1", q.runs[1])
	redistest.Until(t, "it is cancelled", func() bool {
		q.claim()
		if now := q.list(tag); !slices.Equal(now, q.runs[:1]) {
			t.Fatalf("the queue is %v, it must be %v", now, q.runs[:1])
		}
		return q.status(q.runs[1]) == "cancelled"
	})
	q.end(first)
}

// TestWhoWaitsIsRememberedInAnotherStore moves a queue.
func TestWhoWaitsIsRememberedInAnotherStore(t *testing.T) {
	t.Parallel()
	from, to := newQueue(t), newQueue(t)
	from.begin(2)
	if err := to.s.Import(t.Context(), from.s.Export(t.Context())); err != nil {
		t.Fatal(err)
	}
	if waits := to.waiting(); !slices.Equal(waits, from.runs[1:]) {
		t.Errorf("%v are remembered to wait, it must be %v", waits, from.runs[1:])
	}
}
