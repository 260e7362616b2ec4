package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"stanch/engine"
)

// inspector collects what is found.
type inspector struct {
	s     *Store
	where string
	out   engine.Inspection
	parts int
	queue int64 // strands that are due
}

func (i *inspector) add(level, what, found, says string) {
	if level == engine.Good {
		says = ""
	}
	i.out.Findings = append(i.out.Findings, engine.Finding{Level: level, What: what, Where: i.where, Found: found, Says: says})
}

// Inspect looks at a Redis as somebody who has to keep runs there: whether it is
// fit, how it keeps what it is told, how far away it is, and how the work on it
// stands. It changes nothing that lasts. It takes some four seconds: so long it
// takes to see who lives. What it cannot look at, it says.
func Inspect(ctx context.Context, o Options) (engine.Inspection, error) {
	s, err := newStore(o)
	if err != nil {
		return engine.Inspection{}, fmt.Errorf("store: %w", err)
	}
	defer s.client.Close() //nolint:errcheck // it was read only
	i := &inspector{s: s}
	if err := s.reach(ctx); err != nil {
		i.add(engine.Wrong, "reach", "no", err.Error())
		return i.out, nil
	}
	if _, err := s.look(ctx); err != nil {
		i.add(engine.Wrong, "fit", "no", err.Error())
	} else {
		i.add(engine.Good, "fit", "yes", "")
	}
	if err := i.all(ctx); err != nil && ctx.Err() != nil {
		return i.out, ctx.Err()
	} else if err != nil {
		i.add(engine.Wrong, "look", "not at everything", err.Error())
	}
	return i.out, nil
}

// all looks at every server, then at what is kept.
func (i *inspector) all(ctx context.Context) error {
	servers, err := i.servers(ctx)
	if err != nil {
		return err
	}
	var k keeping
	for _, addr := range servers {
		if len(servers) > 1 {
			i.where = addr
		}
		c := i.s.alone(addr, i.s.o.Username, i.s.o.Password)
		one, err := i.server(ctx, c)
		if err = errors.Join(err, c.Close()); err != nil {
			return fmt.Errorf("%s: %w", addr, err)
		}
		k = k.weaker(one)
	}
	i.where = ""
	i.out.Level, i.out.Loses = k.level(i.s.o.Replicas)
	i.durability(k)
	i.rights(ctx)
	return i.work(ctx)
}

// servers are the primaries.
func (i *inspector) servers(ctx context.Context) ([]string, error) {
	switch c := i.s.client.(type) {
	case *redis.ClusterClient:
		found := make(chan string, 1024)
		err := c.ForEachMaster(ctx, func(_ context.Context, c *redis.Client) error {
			found <- c.Options().Addr
			return nil
		})
		close(found)
		var all []string
		for addr := range found {
			all = append(all, addr)
		}
		slices.Sort(all)
		return all, err
	default:
		if i.s.o.Sentinel == "" {
			return i.s.o.Addrs[:1], nil
		}
		primary, err := i.s.primary(ctx)
		return []string{primary}, err
	}
}

// rights tries what a store needs.
func (i *inspector) rights(ctx context.Context) {
	refused, err := i.s.probe(ctx, i.s.tag(0))
	n := len(i.s.scripts.commands())
	switch {
	case err != nil:
		i.add(engine.Wrong, "commands", "cannot be tried", i.s.explained("the server", meaning(err)).Error())
	case len(refused) > 0:
		i.add(engine.Wrong, "commands", fmt.Sprintf("%d of %d are refused", len(refused), n), told(refused)+"; `stanch doctor --print-acl` prints the rights")
	default:
		i.add(engine.Good, "commands", fmt.Sprintf("all %d that scripts use may be used", n), "")
	}
}

// trips is how many round trips are measured.
const trips = 21

// distance measures round trips and compares the clocks.
func (i *inspector) distance(ctx context.Context, c *redis.Client) error {
	var took []time.Duration
	var skew time.Duration
	for n := range trips {
		begun := time.Now()
		at, err := c.Time(ctx).Result()
		if err != nil {
			return err
		}
		trip := time.Since(begun)
		if n == 0 || trip < slices.Min(took) { // the shortest tells the clock best
			skew = at.Sub(begun.Add(trip / 2))
		}
		took = append(took, trip)
	}
	slices.Sort(took)
	level, says := engine.Good, ""
	if middle := took[trips/2]; middle > 10*time.Millisecond {
		level, says = engine.Warning, "each step waits for at least one round trip: put workers near Redis"
	}
	i.add(level, "round trip", fmt.Sprintf("%s, at most %s", took[trips/2].Round(10*time.Microsecond), took[trips-1].Round(10*time.Microsecond)), says)
	level, found := engine.Good, skew.Round(time.Millisecond).String()
	if skew.Abs() > 500*time.Millisecond {
		level = engine.Warning
	}
	i.add(level, "clock", "the server's is "+ahead(skew, found), "set both clocks by NTP: leases and timers follow the server's, times in messages ours")
	return nil
}

func ahead(skew time.Duration, text string) string {
	if skew.Abs() < time.Millisecond {
		return "as ours"
	}
	if skew < 0 {
		return text[1:] + " behind ours"
	}
	return text + " ahead of ours"
}
