package redisstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"stanch/engine"
)

// What another program has written over is told and left alone: a partition that
// cannot be worked on rests for a while, a strand that cannot be read is looked at
// again a minute later (claim.lua), and the rest goes on.

// restsFor is for how long a partition is left alone, ailsFor for how long damage
// counts that was not met again.
const (
	restsFor = 5 * time.Second
	ailsFor  = 2 * time.Minute
)

// ails are what is damaged in a partition.
type ails struct {
	mu    sync.Mutex
	whole error                // why none of it can be worked on
	keys  map[string]time.Time // that are another program's, and when they were met
}

// fails notes that the partition cannot be worked on.
func (a *ails) fails(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.whole = err
}

// works notes that it can be worked on but for some keys.
func (a *ails) works(but []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.whole = nil
	maps.DeleteFunc(a.keys, func(key string, _ time.Time) bool { return !ofRun(key) }) // claims need all others
	a.add(but)
}

func (a *ails) met(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.add([]string{key})
}

func (a *ails) add(keys []string) {
	for _, key := range keys {
		if a.keys == nil {
			a.keys = map[string]time.Time{}
		}
		a.keys[key] = time.Now()
	}
}

// all are what is damaged now.
func (a *ails) all() []error {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.keys, func(_ string, met time.Time) bool { return time.Since(met) > ailsFor })
	var all []error
	if a.whole != nil {
		all = append(all, a.whole)
	}
	for _, key := range slices.Sorted(maps.Keys(a.keys)) {
		if err := overwritten(key); a.whole == nil || !strings.Contains(a.whole.Error(), err.Error()) {
			all = append(all, err)
		}
	}
	return all
}

// damage is what is damaged in all partitions.
func (s *Store) damage() []error {
	var all []error
	for _, p := range s.parts {
		all = append(all, p.ails.all()...)
	}
	return all
}

// ofRun reports whether a key is of a run.
func ofRun(key string) bool { return strings.Contains(key, "}:s:") }

// overwritten says that a key is another program's, or gone.
func overwritten(key string) error {
	return engine.Damage{What: fmt.Sprintf("another program has written over the key %s, or deleted it; restore it from a backup", key)}
}

// wrongType finds the key over which a call has stumbled.
func (s *Store) wrongType(ctx context.Context, c *call) error {
	want := map[string]string{}
	for name, kind := range keyTypes() {
		want[c.part.tag+name] = kind
	}
	for i, arg := range c.args {
		run, is := arg.(string)
		if !is || s.partOfRun(run) != c.part {
			continue
		}
		for kind, key := range map[string]string{"s:": "hash", "w:": "hash", "y:": "set", "z:": "string"} {
			want[c.part.tag+kind+run] = key
		}
		if i+1 < len(c.args) {
			if path, is := c.args[i+1].(string); is && strings.HasSuffix(path, "]") {
				want[c.part.tag+"s:"+run+":"+path] = "hash"
			}
		}
	}
	wrong, err := s.ofOtherType(ctx, want)
	if err == nil && wrong == "" {
		err = engine.Damage{What: fmt.Sprintf("another program has written over a key of partition %02x; `stanch doctor` looks for it", c.part.index)}
	}
	if err != nil {
		return err
	}
	c.part.ails.met(wrong)
	return overwritten(wrong)
}

// ofOtherType answers the first of these keys that has another type than it must
// have, if there is one.
func (s *Store) ofOtherType(ctx context.Context, want map[string]string) (string, error) {
	is := map[string]*redis.StatusCmd{}
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for key := range want {
			is[key] = p.Type(ctx, key)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	for _, key := range slices.Sorted(maps.Keys(is)) {
		if kind := is[key].Val(); kind != "none" && kind != want[key] {
			return key, nil
		}
	}
	return "", nil
}

// gone says what it means that a partition is not there: that all of the store
// has gone, or that one key has.
func (s *Store) gone(ctx context.Context, p *part) error {
	if n, err := s.client.HLen(ctx, s.metaKey()).Result(); err != nil || n == 0 {
		return errors.Join(errGone, err)
	}
	return engine.Damage{What: fmt.Sprintf("the key %s is gone; restore it from a backup", p.key)}
}
