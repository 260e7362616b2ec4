package redisstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// limitScript does what a settlement does at least: eight commands that write
// little.
const limitScript = `#!lua
local k = KEYS[1]
redis.call('HGET', k, 'p')
redis.call('HSET', k, 'f' .. ARGV[1], ARGV[2])
redis.call('HINCRBY', k, 'p', 1)
redis.call('ZADD', KEYS[2], ARGV[1], k)
redis.call('ZREM', KEYS[2], k)
redis.call('RPUSH', KEYS[3], k)
redis.call('LPOP', KEYS[3])
redis.call('EXPIRE', k, 600)
return 1
`

// How the limit is measured: calls in one write, writes under way to each server,
// and keys that are written.
const (
	limitTogether = 64
	limitWriters  = 2
	limitKeys     = 10_000
)

// Limit measures what the server allows: calls a second of a script with eight
// small commands, 64 written together, over two connections to each master. What
// Settle reaches on the same server is to be read against it. Its keys begin
// with the prefix of o, which has to be named, and expire by themselves; Drop
// takes them away.
func Limit(ctx context.Context, o Options, d time.Duration) (callsPerSecond float64, err error) {
	if o.Prefix == "" {
		return 0, errors.New("limit: name a prefix where nothing is lost")
	}
	client := redis.NewUniversalClient(clientOptions(o))
	defer func() { err = errors.Join(err, client.Close()) }()
	hashed, err := client.ScriptLoad(ctx, limitScript).Result()
	if err != nil {
		return 0, fmt.Errorf("limit: %w", err)
	}
	ctx, stop := context.WithTimeout(ctx, d)
	defer stop()
	h := hammer{prefix: o.Prefix, sha: hashed}
	begun := time.Now()
	err = eachMaster(context.WithoutCancel(ctx), client, func(c *redis.Client, tag string) error {
		return h.server(ctx, c, tag)
	})
	if err != nil {
		return 0, fmt.Errorf("limit: %w", err)
	}
	return float64(h.calls.Load()) / time.Since(begun).Seconds(), nil
}

// hammer counts the calls that all writers make.
type hammer struct {
	prefix, sha string
	calls       atomic.Int64
}

// server writes to one server until ctx ends.
func (h *hammer) server(ctx context.Context, c *redis.Client, tag string) error {
	var wg sync.WaitGroup
	errs := make([]error, limitWriters)
	for i := range limitWriters {
		wg.Go(func() {
			for ctx.Err() == nil && errs[i] == nil {
				errs[i] = h.together(context.WithoutCancel(ctx), c, tag)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// together makes the calls of one write.
func (h *hammer) together(ctx context.Context, c *redis.Client, tag string) error {
	under := h.prefix + ":limit:{" + tag + "}:"
	body := make([]byte, 190)
	_, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range limitTogether {
			key := under + strconv.Itoa(rand.N(limitKeys)) //nolint:gosec // any key will do
			p.EvalSha(ctx, h.sha, []string{key, under + "z", under + "q"}, i%10, body)
		}
		return nil
	})
	h.calls.Add(limitTogether)
	return err
}

// eachMaster does something with all masters at once, each with a hash tag whose
// keys it has.
func eachMaster(ctx context.Context, client redis.UniversalClient, f func(c *redis.Client, tag string) error) error {
	switch c := client.(type) {
	case *redis.Client:
		return f(c, "0")
	case *redis.ClusterClient:
		tags := map[string]string{}
		for i := range 4096 {
			tag := strconv.Itoa(i)
			node, err := c.MasterForKey(ctx, "{"+tag+"}")
			if err != nil {
				return err
			}
			if addr := node.Options().Addr; tags[addr] == "" {
				tags[addr] = tag
			}
		}
		return c.ForEachMaster(ctx, func(_ context.Context, node *redis.Client) error {
			tag, has := tags[node.Options().Addr]
			if !has {
				return nil // it has no slots
			}
			return f(node, tag)
		})
	}
	return fmt.Errorf("a client of the kind %T", client)
}
