package redisstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"stanch/engine"
)

// errStop says that nobody wants to hear more.
var errStop = errors.New("stop")

// Export answers everything that is kept: see engine.Movable. What is still to be
// delivered from one partition to another is delivered first. It fails where
// somebody changes the store meanwhile.
func (s *Store) Export(ctx context.Context) iter.Seq2[engine.Dumped, error] {
	return func(yield func(engine.Dumped, error) bool) {
		e := &exporting{s: s, tell: func(d engine.Dumped) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !yield(d, nil) {
				return errStop
			}
			return nil
		}}
		if err := e.all(ctx); err != nil && !errors.Is(err, errStop) {
			yield(engine.Dumped{}, fmt.Errorf("export: %w", err))
		}
	}
}

// exporting is an export under way.
type exporting struct {
	s      *Store
	tell   func(engine.Dumped) error
	frozen bool
	thaws  map[string]struct{} // strands of the partition that wait for the end of a freeze
	marked map[string]struct{} // runs of the partition whose waits are still to be woken
	keyed  []*engine.DumpedRun // live runs with a concurrency key: they come last
}

func (e *exporting) all(ctx context.Context) error {
	if err := e.delivered(ctx); err != nil {
		return err
	}
	before, err := e.numbers(ctx)
	if err != nil {
		return err
	}
	for _, tell := range []func(context.Context) error{e.head, e.documents, e.audit, e.others, e.runs, e.queues} {
		if err := tell(ctx); err != nil {
			return err
		}
	}
	after, err := e.numbers(ctx)
	if err == nil && !slices.Equal(before, after) {
		err = errors.New("somebody has changed the store meanwhile: end what uses it, then begin again")
	}
	return err
}

// delivered delivers what partitions have for one another.
func (e *exporting) delivered(ctx context.Context) error {
	for range 100 { // what is delivered may bring more
		left := 0
		for _, p := range e.s.parts {
			messages, err := e.s.client.HGetAll(ctx, p.tag+"ob").Result()
			if err != nil {
				return err
			}
			for id, text := range messages {
				_, message, ok := strings.Cut(text, " ")
				if !ok {
					return errDamaged
				}
				if err := e.s.deliver(ctx, p, id, message); err != nil {
					return fmt.Errorf("deliver %s: %w", id, err)
				}
				left++
			}
		}
		if left == 0 {
			return nil
		}
	}
	return errors.New("something cannot be delivered between its partitions: let a worker work on it once")
}

// numbers answers how many changes each partition has seen.
func (e *exporting) numbers(ctx context.Context) ([]string, error) {
	all := make([]string, len(e.s.parts))
	for i, p := range e.s.parts {
		n, err := e.s.client.HGet(ctx, p.key, "q").Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return nil, err
		}
		all[i] = n
	}
	return all, nil
}

func (e *exporting) head(ctx context.Context) error {
	h := &engine.DumpedHead{}
	var err error
	if h.Freeze, _, err = e.s.frozen(ctx); err != nil {
		return err
	}
	e.frozen = h.Freeze.On
	numbers, err := e.numbers(ctx)
	for _, n := range numbers { // a version is the number of a partition
		v, _ := strconv.ParseInt(n, 10, 64)
		h.Highest = max(h.Highest, v)
	}
	return errors.Join(err, e.tell(engine.Dumped{Head: h}))
}

func (e *exporting) documents(ctx context.Context) error {
	now, err := e.s.time(ctx)
	if err != nil {
		return err
	}
	for _, p := range e.s.parts {
		err := e.s.eachMember(ctx, p, func(name string) error {
			if name[0] != 'd' {
				return nil
			}
			kind, key, _ := strings.Cut(name[1:], "\x00")
			values, err := e.s.client.HMGet(ctx, p.tag+"d:"+name[1:], "b", "v", "a", "x").Result()
			if err != nil {
				return err
			}
			d, err := documentOf(kind, key, values, now)
			if err != nil || d.Expires < 0 {
				return err
			}
			ends := at((&list{values: values}).int(3))
			d.Expires = 0
			return e.tell(engine.Dumped{Document: &engine.DumpedDocument{Document: d, ExpiresAt: ends}})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// auditPage is what is read of the audit records of a partition.
type auditPage struct {
	p    *part
	next string // after which is read on
	all  []redis.XMessage
	end  bool
}

// fill reads on if all that was read is told.
func (a *auditPage) fill(ctx context.Context, s *Store) error {
	if len(a.all) > 0 || a.end {
		return nil
	}
	var err error
	if a.all, err = s.client.XRangeN(ctx, a.p.tag+"au", a.next, "+", perPage).Result(); err != nil {
		return err
	}
	if a.end = len(a.all) == 0; !a.end {
		a.next = "(" + a.all[len(a.all)-1].ID
	}
	return nil
}

func (a *auditPage) when() int64 {
	text, _ := a.all[0].Values["t"].(string)
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

// audit tells the records of all partitions in the order of their times.
func (e *exporting) audit(ctx context.Context) error {
	pages := make([]*auditPage, len(e.s.parts))
	for i, p := range e.s.parts {
		pages[i] = &auditPage{p: p, next: "-"}
	}
	for {
		var first *auditPage
		for _, a := range pages {
			if err := a.fill(ctx, e.s); err != nil {
				return err
			}
			if !a.end && (first == nil || a.when() < first.when()) {
				first = a
			}
		}
		if first == nil {
			return nil
		}
		body, ok := first.all[0].Values["b"].(string)
		if !ok {
			return errDamaged
		}
		if err := e.tell(engine.Dumped{Audit: &engine.DumpedAudit{At: at(first.when()), Body: []byte(body)}}); err != nil {
			return err
		}
		first.all = first.all[1:]
	}
}

// others tells what is reserved, and the tokens of named leases.
func (e *exporting) others(ctx context.Context) error {
	err := e.s.eachCap(ctx, func(t engine.DumpedTake) error { return e.tell(engine.Dumped{Reserved: &t}) })
	if err != nil {
		return err
	}
	names, err := e.s.keysOf(ctx, "H")
	if err != nil {
		return err
	}
	for _, p := range e.s.parts {
		for _, name := range names[p] {
			token, err := e.s.client.HGet(ctx, p.tag+"H:"+name, "n").Int64()
			if err == nil {
				err = e.tell(engine.Dumped{Hold: &engine.DumpedHold{Name: name, Token: token}})
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
