package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Usage is what the servers of a store have spent and keep, all masters
// together. What a server does not tell is zero, with Hidden.
type Usage struct {
	CPU      time.Duration // since the servers began
	Commands int64         // that were executed, those inside scripts among them
	Requests int64         // reads from connections: what comes together counts once
	Memory   int64         // bytes of keys, without what connections and the log take
	Asked    int64         // commands by which this was asked; they count from the next time on
	Hidden   bool          // the user may not ask
}

// Usage answers what the servers have spent and keep.
func (s *Store) Usage(ctx context.Context) (Usage, error) {
	var all Usage
	var mu sync.Mutex
	err := eachMaster(ctx, s.client, func(c *redis.Client, _ string) error {
		info, err := c.Info(ctx, "cpu", "stats", "memory").Result()
		mu.Lock()
		defer mu.Unlock()
		if redis.HasErrorPrefix(err, "NOPERM") {
			all.Hidden = true
			return nil
		}
		if err != nil {
			return err
		}
		all.Asked++
		all.Requests += number(info, "total_reads_processed")
		all.CPU += seconds(info, "used_cpu_user") + seconds(info, "used_cpu_sys")
		all.Commands += number(info, "total_commands_processed")
		all.Memory += number(info, "used_memory") - number(info, "mem_clients_normal") - number(info, "mem_clients_slaves") -
			number(info, "mem_aof_buffer") - number(info, "mem_replication_backlog")
		return nil
	})
	if err != nil {
		return Usage{}, fmt.Errorf("usage of the servers: %w", err)
	}
	return all, nil
}

func number(info, name string) int64 {
	n, _ := strconv.ParseInt(infoField(info, name), 10, 64)
	return n
}

func seconds(info, name string) time.Duration {
	f, _ := strconv.ParseFloat(infoField(info, name), 64)
	return time.Duration(f * float64(time.Second))
}

// Durability says in words when the servers have on their disks what they were
// told, as far as they tell.
func (s *Store) Durability(ctx context.Context) (string, error) {
	var said string
	var mu sync.Mutex
	err := eachMaster(ctx, s.client, func(c *redis.Client, _ string) error {
		one, err := durability(ctx, c)
		mu.Lock()
		defer mu.Unlock()
		if said != "" && said != one {
			one = "the servers differ: " + said + "; " + one
		}
		said = one
		return err
	})
	if err != nil {
		return "", fmt.Errorf("durability of the servers: %w", err)
	}
	return said, nil
}

func durability(ctx context.Context, c *redis.Client) (string, error) {
	info, err := c.Info(ctx, "persistence").Result()
	switch {
	case redis.HasErrorPrefix(err, "NOPERM"):
		return "unknown", nil
	case err != nil:
		return "", err
	case infoField(info, "aof_enabled") != "1":
		return "no append-only file: what came after the last snapshot is lost with the server", nil
	}
	fsync, err := c.ConfigGet(ctx, "appendfsync").Result()
	if err != nil || fsync["appendfsync"] == "" {
		if err == nil || isReply(err) { // hidden, or another product
			return "append-only file, appendfsync unknown", nil
		}
		return "", err
	}
	return "append-only file, appendfsync " + fsync["appendfsync"], nil
}

// Unpacked answers how many ended runs are not packed yet: see pack.go.
func (s *Store) Unpacked(ctx context.Context) (int, error) {
	all := 0
	var errs []error
	for _, p := range s.parts {
		n, err := s.client.ZCard(ctx, p.tag+"pk").Result()
		all += int(n)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return 0, fmt.Errorf("runs that are not packed: %w", err)
	}
	return all, nil
}
