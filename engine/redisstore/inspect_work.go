package redisstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"stanch/engine"
)

// work looks at what is kept: who works on it, and what waits.
func (i *inspector) work(ctx context.Context) error {
	meta, err := i.s.client.HGetAll(ctx, i.s.metaKey()).Result()
	n, wrong := strconv.Atoi(meta["partitions"])
	if err != nil || wrong != nil || n < 1 || n > 256 {
		if err == nil && len(meta) == 0 {
			i.add(engine.Good, "store", "none yet: the first command that writes makes it", "")
		}
		return err
	}
	i.parts = n
	i.add(engine.Good, "store", fmt.Sprintf("schema %s, %d partitions, prefix %s", meta["schema"], n, i.s.o.Prefix), "")
	before, err := i.s.client.HGetAll(ctx, i.s.workersKey()).Result()
	if err != nil {
		return err
	}
	seen := time.NewTimer(beatEvery + 500*time.Millisecond)
	defer seen.Stop()
	if err := i.queues(ctx); err != nil {
		return err
	}
	if err := i.strands(ctx); err != nil {
		return err
	}
	select {
	case <-seen.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	after, err := i.s.client.HGetAll(ctx, i.s.workersKey()).Result()
	if err != nil {
		return err
	}
	i.workers(before, after)
	return nil
}

// rising counts the workers whose counter has risen.
func rising(before, after map[string]string) int {
	n := 0
	for name := range maps.Keys(after) {
		if before[name] != after[name] {
			n++
		}
	}
	return n
}

func (i *inspector) workers(before, after map[string]string) {
	alive := rising(before, after)
	found := fmt.Sprintf("%d alive", alive)
	if silent := len(after) - alive; silent > 0 {
		found += fmt.Sprintf(", %d not heard of lately", silent)
	}
	level, says := engine.Good, ""
	if alive == 0 && i.queue > 0 {
		level, says = engine.Warning, "nobody does the work: start `stanch serve` or `stanch worker`"
	}
	i.add(level, "workers", found, says)
}

// piled is what waits in a partition.
type piled struct {
	lanes  [4]*redis.IntCmd
	heads  [4]*redis.StringCmd
	leased *redis.IntCmd
	timers *redis.ZSliceCmd
	sorted *redis.IntCmd
	outbox *redis.IntCmd
}

// queues looks at what waits, and for how long.
func (i *inspector) queues(ctx context.Context) error {
	all := make([]piled, i.parts)
	_, err := i.s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for n := range all {
			tag, q := i.s.tag(n), &all[n]
			for lane := range q.lanes {
				q.lanes[lane] = p.LLen(ctx, tag+"q"+strconv.Itoa(lane))
				q.heads[lane] = p.LIndex(ctx, tag+"q"+strconv.Itoa(lane), 0)
			}
			q.leased, q.sorted, q.outbox = p.ZCard(ctx, tag+"l"), p.ZCard(ctx, tag+"t"), p.HLen(ctx, tag+"ob")
			q.timers = p.ZRangeWithScores(ctx, tag+"t", 0, 0)
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	now, err := i.s.client.Time(ctx).Result()
	if err != nil {
		return err
	}
	var lanes [4]int64
	var leased, timers, outbox int64
	oldest := time.Duration(0)
	for n := range all {
		q := &all[n]
		for lane := range lanes {
			lanes[lane] += q.lanes[lane].Val()
			since, err := i.dueSince(ctx, i.s.tag(n), q.heads[lane].Val())
			if err != nil {
				return err
			}
			if !since.IsZero() {
				oldest = max(oldest, now.Sub(since))
			}
		}
		leased, timers, outbox = leased+q.leased.Val(), timers+q.sorted.Val(), outbox+q.outbox.Val()
		if z := q.timers.Val(); len(z) > 0 {
			oldest = max(oldest, now.Sub(time.UnixMicro(int64(z[0].Score))))
		}
	}
	i.queue = lanes[0] + lanes[1] + lanes[2] + lanes[3]
	i.add(engine.Good, "queues", fmt.Sprintf("%d due (high %d, medium %d, low %d, others %d), %d at work, %d wait for a time", i.queue, lanes[0], lanes[1], lanes[2], lanes[3], leased, timers), "")
	level := engine.Good
	if oldest > time.Minute {
		level = engine.Warning
	}
	i.add(level, "oldest due", oldest.Round(time.Millisecond).String(), "work waits: start more workers, raise their concurrency, or see why they do not answer")
	level = engine.Good
	if outbox > 1000 {
		level = engine.Warning
	}
	i.add(level, "outbox", fmt.Sprintf("%d messages between partitions", outbox), "nobody delivers them: workers do")
	return nil
}

// mostLooked is of how many strands of a partition that are at work, or wait for a
// time, it is looked whether they are ours.
const mostLooked = 500

// strands looks for runs that another program has written over.
func (i *inspector) strands(ctx context.Context) error {
	var some []*redis.StringSliceCmd
	_, err := i.s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for n := range i.parts {
			for _, index := range []string{"l", "t"} {
				some = append(some, p.ZRange(ctx, i.s.tag(n)+index, 0, mostLooked-1))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	want := map[string]string{}
	for n, members := range some {
		for _, member := range members.Val() {
			if key := strandKey(i.s.tag(n/2), member); key != "" {
				want[key], want[strandKey(i.s.tag(n/2), member[:runLength+1])] = "hash", "hash"
			}
		}
	}
	wrong, err := i.s.ofOtherType(ctx, want)
	if err == nil && wrong != "" {
		i.overwritten(wrong)
	}
	return err
}

// overwritten tells of a run's key that is another program's.
func (i *inspector) overwritten(key string) {
	i.add(engine.Wrong, "runs", "damaged", overwritten(key).Error())
}

// strandKey is the key of a strand that stands in an index, empty for what is none.
func strandKey(tag, member string) string {
	if len(member) < runLength+1 {
		return ""
	}
	run, path := member[:runLength], member[runLength+1:]
	if path == "" {
		return tag + "s:" + run
	}
	return tag + "s:" + run + ":" + path
}

// dueSince is when the strand at the head of a queue became due.
func (i *inspector) dueSince(ctx context.Context, tag, member string) (time.Time, error) {
	key := strandKey(tag, member)
	if key == "" {
		return time.Time{}, nil
	}
	at, err := i.s.client.HGet(ctx, key, "a").Int64()
	switch {
	case errors.Is(err, redis.Nil):
		return time.Time{}, nil
	case wordOf(err) == "WRONGTYPE":
		i.overwritten(key)
		return time.Time{}, nil
	}
	return time.UnixMicro(at), err
}
