package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"stanch/engine"
)

// perPage is how much is read or written in one go when a store is moved.
const perPage = 500

// Contents counts what is kept: see engine.Movable.
func (s *Store) Contents(ctx context.Context) (engine.Contents, error) {
	held, err := s.contents(ctx)
	if err != nil {
		return engine.Contents{}, fmt.Errorf("contents: %w", err)
	}
	return held, nil
}

func (s *Store) contents(ctx context.Context) (held engine.Contents, err error) {
	for _, p := range s.parts {
		var runs []string
		err := s.eachMember(ctx, p, func(name string) error {
			switch name[0] {
			case 'r':
				runs = append(runs, name[1:])
			case 'd':
				held.Documents++
			}
			return nil
		})
		if err != nil {
			return held, err
		}
		held.Runs += len(runs)
		live, err := s.countLive(ctx, p, runs)
		if err != nil {
			return held, err
		}
		held.Live += live
		audit, err := s.client.XLen(ctx, p.tag+"au").Result()
		if err != nil {
			return held, err
		}
		held.Audit += int(audit)
		freeze, err := s.client.HGet(ctx, p.key, "fz").Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return held, err
		}
		held.Frozen = held.Frozen || freeze == "1"
	}
	err = s.eachCap(ctx, func(engine.DumpedTake) error { held.Reserved++; return nil })
	return held, err
}

// countLive answers how many of some runs have not ended.
func (s *Store) countLive(ctx context.Context, p *part, runs []string) (live int, err error) {
	for some := range slices.Chunk(runs, perPage) {
		there, ended := make([]*redis.IntCmd, len(some)), make([]*redis.BoolCmd, len(some))
		_, err := s.client.Pipelined(ctx, func(pl redis.Pipeliner) error {
			for i, run := range some {
				there[i] = pl.Exists(ctx, p.tag+"s:"+run)
				ended[i] = pl.HExists(ctx, p.tag+"s:"+run, "en")
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
		for i := range some {
			if there[i].Val() == 1 && !ended[i].Val() {
				live++
			}
		}
	}
	return live, nil
}

// eachMember calls f with the names of runs and documents of a partition, with
// the letter that says which they are.
func (s *Store) eachMember(ctx context.Context, p *part, f func(name string) error) error {
	for from := int64(0); ; from += perPage {
		names, err := s.client.ZRange(ctx, p.tag+"lg", from, from+perPage-1).Result()
		if err != nil {
			return err
		}
		for _, name := range names {
			if name == "" {
				return errDamaged
			}
			if err := f(name); err != nil {
				return err
			}
		}
		if len(names) < perPage {
			return nil
		}
	}
}

// keysOf answers what all keys of one kind are about: the name behind the kind.
func (s *Store) keysOf(ctx context.Context, kind string) (map[*part][]string, error) {
	found := map[*part][]string{}
	byTag := map[string]*part{}
	for _, p := range s.parts {
		byTag[p.tag] = p
	}
	keys, err := s.scan(ctx, literally(s.prefix)+"{*}:"+kind+":*")
	for _, key := range keys {
		tag, name, _ := strings.Cut(key, ":"+kind+":")
		if p := byTag[tag+":"]; p != nil {
			found[p] = append(found[p], name)
		}
	}
	return found, err
}

// scan answers all keys of a pattern, sorted.
func (s *Store) scan(ctx context.Context, pattern string) ([]string, error) {
	each := make(chan []string, 1)
	each <- nil
	err := eachMaster(ctx, s.client, func(c *redis.Client, _ string) error {
		for cursor := uint64(0); ; {
			keys, next, err := c.Scan(ctx, cursor, pattern, perScan).Result()
			if err != nil {
				return err
			}
			each <- append(<-each, keys...)
			if cursor = next; cursor == 0 {
				return nil
			}
		}
	})
	all := <-each
	slices.Sort(all)
	return slices.Compact(all), err
}

// eachCap calls f with all that is reserved and has not run out: see caps.lua.
func (s *Store) eachCap(ctx context.Context, f func(engine.DumpedTake) error) error {
	names, err := s.keysOf(ctx, "c")
	if err != nil {
		return err
	}
	now, err := s.time(ctx)
	if err != nil {
		return err
	}
	for _, p := range s.parts {
		for _, name := range names[p] {
			kept, err := s.client.HGetAll(ctx, p.tag+"c:"+name).Result()
			if err != nil {
				return err
			}
			for field, all := range kept {
				effect, is := strings.CutPrefix(field, "e")
				if !is {
					continue
				}
				if err := eachTarget(engine.DumpedTake{Cap: name, Effect: effect}, all, now, f); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// eachTarget calls f with the targets of an effect.
func eachTarget(t engine.DumpedTake, all string, now int64, f func(engine.DumpedTake) error) error {
	if len(all)%28 != 0 {
		return errDamaged
	}
	for ; all != ""; all = all[28:] {
		until, err := strconv.ParseInt(all[12:28], 10, 64)
		if err != nil {
			return errDamaged
		}
		if until > 0 && until <= now {
			continue
		}
		t.Digest, t.Until = all[:12], at(until)
		if err := f(t); err != nil {
			return err
		}
	}
	return nil
}

// time answers the time of the store in microseconds.
func (s *Store) time(ctx context.Context) (int64, error) {
	l, err := s.do(ctx, s.parts[0], "get", "", "", "1", 0)
	if err != nil {
		return 0, err
	}
	return l.int(0), l.err()
}
