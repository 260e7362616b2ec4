package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"stanch/engine"
)

// keeping is how a server keeps what it is told.
type keeping struct {
	known    bool
	aof      bool
	fsync    string // always, everysec, no; empty: it does not say
	replicas int
	least    int // min-replicas-to-write, -1: it does not say
}

// weaker is the weaker of two: of a cluster the weakest counts.
func (k keeping) weaker(o keeping) keeping {
	if !k.known {
		return o
	}
	rank := map[string]int{"no": 0, "": 1, "everysec": 2, "always": 3}
	k.aof = k.aof && o.aof
	if rank[o.fsync] < rank[k.fsync] {
		k.fsync = o.fsync
	}
	k.replicas, k.least = min(k.replicas, o.replicas), min(k.least, o.least)
	return k
}

// level names how durable a server is, and says what it may lose.
func (k keeping) level(proved int) (name, loses string) {
	switch {
	case !k.aof && k.replicas == 0:
		return "memory", "A restart of Redis loses all since its last snapshot, or everything."
	case k.replicas > 0 && proved > 0:
		return "replicated+proved", "An intent to destroy, once acted upon, survives the loss of the primary. Of everything else a failover may forget the last moments: then steps are looked at again, and Stanch asks where it cannot tell."
	case k.replicas > 0:
		return "replicated", "A failover may forget what had not reached a replica: settled steps, decisions, freezes of the last moments. Stanch notices, looks at the tenant, and asks where it cannot tell."
	case k.fsync == "always":
		return "single+always", "Nothing that was acknowledged is lost but with the disk. When the disk is full, Redis ends."
	}
	return "single", "The end of the Redis process loses nothing. A power cut, or a crash of the machine, loses about the last second."
}

// server looks at one server.
func (i *inspector) server(ctx context.Context, c *redis.Client) (keeping, error) {
	info, err := c.Info(ctx, "everything").Result()
	if wordOf(err) == "NOPERM" {
		i.add(engine.Warning, "server", "cannot be looked at", "allow this user +info, or look with another")
		return keeping{}, i.distance(ctx, c)
	}
	if err != nil {
		return keeping{}, err
	}
	field := func(name string) string { return infoField(info, name) }
	i.version(field)
	i.role(field)
	i.loading(field)
	i.eviction(field)
	k := keeping{known: true, aof: field("aof_enabled") == "1", least: -1}
	if v := i.config(ctx, c, "appendfsync"); k.aof {
		k.fsync = v
	}
	if n, err := strconv.Atoi(i.config(ctx, c, "min-replicas-to-write")); err == nil {
		k.least = n
	}
	i.files(field, k, i.config(ctx, c, "no-appendfsync-on-rewrite"))
	i.snapshot(field, i.config(ctx, c, "stop-writes-on-bgsave-error") != "no")
	k.replicas = i.replicas(field)
	i.fence(k, i.config(ctx, c, "min-replicas-max-lag"))
	i.memory(field)
	return k, i.distance(ctx, c)
}

// config answers a setting, empty where it may not be asked for.
func (i *inspector) config(ctx context.Context, c *redis.Client, name string) string {
	all, err := c.ConfigGet(ctx, name).Result()
	if err != nil {
		return ""
	}
	return all[name]
}

func (i *inspector) version(field func(string) string) {
	name, version := "Redis", field("redis_version")
	if v := field("valkey_version"); v != "" {
		name, version = "Valkey", v
	}
	level := engine.Good
	if tooOld(field("redis_version")) {
		level = engine.Wrong
	}
	i.add(level, "version", name+" "+version+", "+field("redis_mode"), "7.0 or newer is needed")
}

func (i *inspector) role(field func(string) string) {
	if field("role") == "slave" {
		i.add(engine.Wrong, "role", "a replica of "+field("master_host")+":"+field("master_port"), "name the primary, or the sentinels that know it")
		return
	}
	i.add(engine.Good, "role", "primary", "")
}

// loading says how far a server is that reads what it has kept.
func (i *inspector) loading(field func(string) string) {
	if field("loading") == "1" {
		i.add(engine.Wrong, "loading", field("loading_loaded_perc")+" %", "Redis is still reading what it has kept: everything waits until it has, nothing needs to be done")
	}
}

func (i *inspector) eviction(field func(string) string) {
	switch policy := field("maxmemory_policy"); policy {
	case "noeviction":
		i.add(engine.Good, "eviction", policy, "")
	case "":
		i.add(engine.Warning, "eviction", "not told", "see to it that maxmemory-policy is noeviction: any other throws runs away")
	default:
		i.add(engine.Wrong, "eviction", policy, "it throws runs away when memory is short: set maxmemory-policy to noeviction")
	}
}

func (i *inspector) files(field func(string) string, k keeping, delays string) {
	switch {
	case !k.aof:
		i.add(engine.Wrong, "append-only file", "none", "a restart loses runs: set appendonly yes")
		return
	case k.fsync == "no":
		i.add(engine.Wrong, "append-only file", "appendfsync no", "a power cut loses up to half a minute: set appendfsync to everysec or always")
	case k.fsync == "":
		i.add(engine.Warning, "append-only file", "appendfsync is not told", "see to it that it is always or everysec")
	case k.fsync == "everysec" && delays == "yes":
		i.add(engine.Warning, "append-only file", "appendfsync everysec, no-appendfsync-on-rewrite yes", "while the file is rewritten a power cut loses up to half a minute: set no-appendfsync-on-rewrite no")
	default:
		i.add(engine.Good, "append-only file", "appendfsync "+k.fsync, "")
	}
	if status := field("aof_last_write_status"); status != "" && status != "ok" {
		i.add(engine.Wrong, "disk", "the last write failed", "Redis takes no writes: free some space on its disk")
	}
}

// snapshot says that the last one failed, whereupon most servers take no writes.
func (i *inspector) snapshot(field func(string) string, stops bool) {
	if status := field("rdb_last_bgsave_status"); status == "" || status == "ok" {
		return
	}
	if !stops {
		i.add(engine.Warning, "snapshot", "the last one failed", "free some space on the disk of Redis, then tell it BGSAVE")
		return
	}
	i.add(engine.Wrong, "snapshot", "the last one failed", "Redis takes no writes: free some space on its disk, then tell it BGSAVE; nothing needs to be restarted")
}

// replicas counts the replicas, and says how far they are behind.
func (i *inspector) replicas(field func(string) string) int {
	n, _ := strconv.Atoi(field("connected_slaves"))
	if n == 0 {
		i.add(engine.Good, "replicas", "none", "")
		return 0
	}
	level, lags := engine.Good, []string{}
	for k := range n {
		line := field("slave" + strconv.Itoa(k))
		lag := "?"
		for part := range strings.SplitSeq(line, ",") {
			if v, is := strings.CutPrefix(part, "lag="); is {
				lag = v
			}
		}
		if seconds, err := strconv.Atoi(lag); err != nil || seconds > 10 || !strings.Contains(line, "state=online") {
			level = engine.Warning
		}
		lags = append(lags, lag+" s")
	}
	i.add(level, "replicas", fmt.Sprintf("%d, last heard of %s ago", n, strings.Join(lags, ", ")), "one is far behind or not in sync: a failover to it forgets that much")
	return n
}

// fence looks whether a primary that is cut off from its replicas goes on taking
// writes.
func (i *inspector) fence(k keeping, lag string) {
	seconds, _ := strconv.Atoi(lag)
	switch {
	case k.replicas == 0 && k.least <= 0:
	case k.least < 0:
		i.add(engine.Warning, "min-replicas-to-write", "not told", "see to it that it is 1 or more: else a primary that is cut off goes on taking what is forgotten later")
	case k.least == 0:
		i.add(engine.Warning, "min-replicas-to-write", "0", "a primary that is cut off goes on taking what is forgotten later: set it to 1, min-replicas-max-lag to 10, and have two replicas")
	case seconds > 10 || seconds == 0:
		i.add(engine.Warning, "min-replicas-to-write", fmt.Sprintf("%d, min-replicas-max-lag %s", k.least, lag), "set min-replicas-max-lag to 10")
	case k.replicas < k.least:
		i.add(engine.Wrong, "min-replicas-to-write", fmt.Sprintf("%d, replicas %d", k.least, k.replicas), "Redis takes no writes until so many replicas are there")
	case k.replicas == k.least:
		i.add(engine.Warning, "min-replicas-to-write", fmt.Sprintf("%d, replicas %d", k.least, k.replicas), "when one replica is lost Redis takes no writes: have one more")
	default:
		i.add(engine.Good, "min-replicas-to-write", fmt.Sprintf("%d, min-replicas-max-lag %s", k.least, lag), "")
	}
}

func (i *inspector) memory(field func(string) string) {
	used, _ := strconv.ParseFloat(field("used_memory"), 64)
	most, _ := strconv.ParseFloat(field("maxmemory"), 64)
	const mib = 1 << 20
	switch share := used / most; {
	case most == 0:
		i.add(engine.Warning, "memory", fmt.Sprintf("%.0f MiB, maxmemory is not set", used/mib), "set maxmemory below what the machine has: a full Redis waits, one that the system ends is gone")
	case share > 0.95:
		i.add(engine.Wrong, "memory", fmt.Sprintf("%.0f of %.0f MiB", used/mib, most/mib), "runs wait until there is room: raise maxmemory")
	case share > 0.8:
		i.add(engine.Warning, "memory", fmt.Sprintf("%.0f of %.0f MiB", used/mib, most/mib), "raise maxmemory before it is full")
	default:
		i.add(engine.Good, "memory", fmt.Sprintf("%.0f of %.0f MiB", used/mib, most/mib), "")
	}
}

// durability compares what the operator asks for with what there is.
func (i *inspector) durability(k keeping) {
	asked := i.s.o.Replicas
	switch {
	case !k.known || asked == 0:
	case k.replicas < asked:
		i.add(engine.Wrong, "durability", fmt.Sprintf("intents to destroy are to be on %d replicas, there are %d", asked, k.replicas), "such steps wait until the replicas are there")
	default:
		i.add(engine.Good, "durability", fmt.Sprintf("intents to destroy are on %d of %d replicas within %s", asked, k.replicas, i.s.o.ProveWithin.Round(time.Millisecond)), "")
	}
}
