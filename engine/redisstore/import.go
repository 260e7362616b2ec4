package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"stanch/engine"
)

// DefaultPrefix is what the keys of a store begin with unless another is named.
const DefaultPrefix = defaultPrefix

// notWhole is the schema of a store that is being taken over: nobody can open it.
const notWhole = 0

// NotWhole reports whether a move into the store was begun and did not come to
// its end. Then Open refuses it, and Drop takes it away.
func NotWhole(ctx context.Context, o Options) (is bool, err error) {
	s, err := newStore(o)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, s.client.Close()) }()
	kept, err := s.client.HGet(ctx, s.metaKey(), "schema").Result()
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	return kept == strconv.Itoa(notWhole), err
}

// Import takes everything over: see engine.Movable. A run keeps its id, and
// lies in the partition that the id names, also where its subject belongs to
// another one. A live run whose concurrency key its subject's later runs would
// then not find is refused. Until Import has come to its end nobody can open the
// store.
func (s *Store) Import(ctx context.Context, all iter.Seq2[engine.Dumped, error]) error {
	if err := s.importAll(ctx, all); err != nil {
		return fmt.Errorf("import: %w", err)
	}
	return nil
}

func (s *Store) importAll(ctx context.Context, all iter.Seq2[engine.Dumped, error]) error {
	if s.o.ReadOnly {
		return errReadOnly
	}
	held, err := s.contents(ctx)
	if err != nil {
		return err
	}
	if !held.Empty() {
		return errors.New("this store holds something: take over into one that is new")
	}
	if err := s.client.HSet(ctx, s.metaKey(), "schema", notWhole).Err(); err != nil {
		return err
	}
	i := &importing{s: s, numbers: make([]int64, len(s.parts)), due: map[string][]dueImport{}}
	for d, err := range all {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = i.one(ctx, &d)
		}
		if err != nil {
			return err
		}
	}
	if err := i.end(ctx); err != nil {
		return err
	}
	return s.client.HSet(ctx, s.metaKey(), "schema", schema).Err()
}

// importing is an import under way. Commands are collected and sent together.
type importing struct {
	s       *Store
	numbers []int64                // of each partition, the last that was given
	due     map[string][]dueImport // by the key of their lane
	cmds    []redis.Cmder
	bytes   int
}

// dueImport is a strand that is due, since when.
type dueImport struct {
	since int64
	name  string
}

// perBytes is how much is sent together at most, but for what is one value.
const perBytes = 1 << 20

// put collects a command.
func (i *importing) put(ctx context.Context, args ...any) error {
	for _, a := range args {
		switch v := a.(type) {
		case string:
			i.bytes += len(v)
		case []byte:
			i.bytes += len(v)
		}
	}
	i.cmds = append(i.cmds, redis.NewCmd(ctx, args...))
	if len(i.cmds) < perPage && i.bytes < perBytes {
		return nil
	}
	return i.send(ctx)
}

// send sends what was collected.
func (i *importing) send(ctx context.Context) error {
	cmds := i.cmds
	i.cmds, i.bytes = nil, 0
	if len(cmds) == 0 {
		return nil
	}
	_, err := i.s.client.Pipelined(ctx, func(pl redis.Pipeliner) error {
		for _, c := range cmds {
			if err := pl.Process(ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

// number takes the next number of a partition.
func (i *importing) number(p *part) int64 {
	i.numbers[p.index]++
	return i.numbers[p.index]
}

// us is a time as it is kept, not earlier than it was.
func us(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	n := t.UnixMicro()
	if time.UnixMicro(n).Before(t) {
		n++
	}
	return n
}

// passed is a time that has come, as it is kept.
func passed(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func (i *importing) one(ctx context.Context, d *engine.Dumped) error {
	switch {
	case d.Head != nil:
		return i.head(ctx, d.Head)
	case d.Document != nil:
		return i.document(ctx, d.Document)
	case d.Audit != nil:
		p := i.s.parts[0] // all in one: then they keep their order
		return i.put(ctx, "XADD", p.tag+"au", strconv.FormatInt(i.number(p), 10)+"-0", "t", passed(d.Audit.At), "b", d.Audit.Body)
	case d.Reserved != nil:
		return i.take(ctx, d.Reserved)
	case d.Hold != nil:
		return i.put(ctx, "HSET", i.s.partOf("hold "+d.Hold.Name).tag+"H:"+d.Hold.Name, "h", "", "n", d.Hold.Token, "u", 0)
	case d.Run != nil:
		if err := i.run(ctx, d.Run); err != nil {
			return fmt.Errorf("run %s: %w", d.Run.ID, err)
		}
	}
	return nil
}

// head sets the freeze everywhere, and lets numbers begin above all versions.
func (i *importing) head(ctx context.Context, h *engine.DumpedHead) error {
	on := "0"
	if h.Freeze.On {
		on = "1"
	}
	for k, p := range i.s.parts {
		i.numbers[k] = h.Highest
		if err := i.put(ctx, "HSET", p.key, "fz", on, "fb", h.Freeze.By, "fr", h.Freeze.Reason, "fa", passed(h.Freeze.At)); err != nil {
			return err
		}
	}
	return nil
}

func (i *importing) document(ctx context.Context, d *engine.DumpedDocument) error {
	p := i.s.partOfKind(d.Kind)
	name := d.Kind + "\x00" + d.Key
	args := []any{"HSET", p.tag + "d:" + name, "b", shrink(d.Body), "v", d.Version, "a", passed(d.At)}
	if !d.ExpiresAt.IsZero() {
		args = append(args, "x", us(d.ExpiresAt))
		if err := i.put(ctx, "ZADD", p.tag+"dx", us(d.ExpiresAt), name); err != nil {
			return err
		}
	}
	return errors.Join(i.put(ctx, args...), i.put(ctx, "ZADD", p.tag+"di:"+d.Kind, 0, d.Key),
		i.put(ctx, "ZADD", p.tag+"lg", i.number(p), "d"+name))
}

// take reserves a target: see caps.lua.
func (i *importing) take(ctx context.Context, t *engine.DumpedTake) error {
	p, digest := i.s.partOfCap(t.Cap), t.Digest
	if digest == "" {
		digest = targetID(t.Target)
	}
	if len(digest) != 12 {
		return errDamaged
	}
	if err := i.send(ctx); err != nil { // what is there is read
		return err
	}
	key, effect := p.tag+"c:"+t.Cap, "e"+t.Effect
	there, err := i.s.client.HMGet(ctx, key, effect, "t"+digest).Result()
	if err != nil {
		return err
	}
	l := &list{values: there}
	until := us(t.Until)
	err = errors.Join(i.put(ctx, "HSET", key, effect, l.text(0)+digest+fmt.Sprintf("%016d", until)), i.put(ctx, "HINCRBY", key, "t"+digest, 1))
	if l.text(1) == "" {
		err = errors.Join(err, i.put(ctx, "HINCRBY", key, "#", 1))
	}
	if until > 0 {
		err = errors.Join(err, i.put(ctx, "HSET", key, "w", "1"), i.put(ctx, "ZADD", p.tag+"U:"+t.Cap, until, t.Effect+"\x00"+digest))
	}
	if run, _, its := strings.Cut(t.Cap, "/"); its && i.s.partOfRun(run) == p { // it is forgotten with the run
		err = errors.Join(err, i.put(ctx, "SADD", p.tag+"y:"+run, "c"+t.Cap))
	}
	return errors.Join(err, l.err())
}

// end writes what is known only now: what is due, in its order, and the numbers.
func (i *importing) end(ctx context.Context) error {
	for key, all := range i.due {
		slices.SortStableFunc(all, func(a, b dueImport) int { return cmp.Compare(a.since, b.since) })
		for some := range slices.Chunk(all, perPage) {
			args := []any{"RPUSH", key}
			for _, d := range some {
				args = append(args, d.name)
			}
			if err := i.put(ctx, args...); err != nil {
				return err
			}
		}
	}
	for k, p := range i.s.parts {
		if err := i.put(ctx, "HSET", p.key, "q", i.numbers[k]); err != nil {
			return err
		}
	}
	return i.send(ctx)
}
