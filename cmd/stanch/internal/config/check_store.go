package config

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"stanch/connectors"
)

// The bounds of what the operator may set for workers and for proofs.
const (
	mostConcurrency = 1000
	leastLease      = time.Second
	mostLease       = 10 * time.Minute
	leastGrace      = time.Millisecond
	mostGrace       = time.Hour
	mostReplicas    = 16
	leastWithin     = 10 * time.Millisecond
	mostWithin      = time.Minute
)

// checkStore looks at the address of the store and at what belongs to it.
func (c *Config) checkStore(d *decoder) {
	var s Store
	if c.Store != "" {
		var err error
		if s, err = ParseStore(c.Store); err == nil && s.Redis != nil {
			err = s.Redis.guarded(c.StoreAuth)
		}
		if err != nil {
			d.fault(d.places["store"], "", "store: %v", err)
		}
	}
	c.checkStoreAuth(d, s)
	c.checkDurability(d, s)
	c.checkWorker(d)
	c.checkThrottle(d)
}

func (c *Config) checkStoreAuth(d *decoder, s Store) {
	a := c.StoreAuth
	if a == (StoreAuth{}) {
		return
	}
	if s.Path != "" {
		d.fault(d.places["store_auth"], "remove it, or name a store in Redis", "store_auth means nothing for a SQLite file")
		return
	}
	if a.Username != "" && a.Password.Empty() {
		d.fault(d.places["store_auth.username"], "password: {env: NAME} or {file: PATH}", "store_auth.password is missing: a user signs in with one")
	}
	for key, ref := range map[string]Reference{"password": a.Password, "sentinel_password": a.SentinelPassword} {
		if ref.Env != "" && ref.File != "" {
			d.fault(d.places["store_auth."+key], "keep one of them", "store_auth.%s names both env and file", key)
		}
	}
	if s.Redis != nil && s.Redis.Primary == "" && !a.SentinelPassword.Empty() {
		d.fault(d.places["store_auth.sentinel_password"], "remove it", "store_auth.sentinel_password means nothing: the store is not behind sentinels")
	}
	for _, f := range []struct{ key, file string }{{"ca", a.CA}, {"certificate", a.Certificate}, {"key", a.Key}} {
		path := "store_auth." + f.key
		if f.file == "" {
			continue
		}
		if s.Redis != nil && !s.Redis.TLS {
			d.fault(d.places[path], "write rediss:// for TLS, or remove it", "%s means nothing: the store is used without TLS", path)
		} else if _, err := os.Stat(f.file); err != nil {
			d.fault(d.places[path], "paths are meant from the folder of this file", "%s: %v", path, err)
		}
	}
	if (a.Certificate == "") != (a.Key == "") {
		has, misses := "certificate", "key"
		if a.Certificate == "" {
			has, misses = misses, has
		}
		d.fault(d.places["store_auth."+has], "name both PEM files", "store_auth.%s is missing: it goes with store_auth.%s", misses, has)
	}
}

func (c *Config) checkDurability(d *decoder, s Store) {
	u := c.Durability
	if _, given := d.places["durability"]; !given {
		return
	}
	if s.Path != "" {
		d.fault(d.places["durability"], "remove it: a SQLite file keeps all that it has acknowledged", "durability means nothing for a SQLite file")
		return
	}
	oneOf(d, "durability.destroys", u.Destroys, DestroysAcknowledged, DestroysReplicated)
	for _, key := range []string{"durability.replicas", "durability.within"} {
		if at, given := d.places[key]; given && u.Destroys != DestroysReplicated {
			d.fault(at, "write destroys: replicated, or remove it", "%s means nothing without destroys: replicated", key)
		}
	}
	if u.Replicas < 1 || u.Replicas > mostReplicas {
		d.fault(d.places["durability.replicas"], "1 is enough against the loss of one server", "durability.replicas must be from 1 to %d, not %d", mostReplicas, u.Replicas)
	}
	if u.Within < leastWithin || u.Within > mostWithin {
		d.fault(d.places["durability.within"], "2s is a good start", "durability.within must be from %s to %s, not %s", leastWithin, mostWithin, u.Within)
	}
}

func (c *Config) checkWorker(d *decoder) {
	w := c.Worker
	if w.Concurrency < 1 || w.Concurrency > mostConcurrency {
		d.fault(d.places["worker.concurrency"], "64 is a good start", "worker.concurrency must be from 1 to %d, not %d", mostConcurrency, w.Concurrency)
	}
	if w.Lease < leastLease || w.Lease > mostLease {
		d.fault(d.places["worker.lease"], "15s is a good start", "worker.lease must be from %s to %s, not %s", leastLease, mostLease, w.Lease)
	}
	if w.Grace < leastGrace || w.Grace > mostGrace {
		d.fault(d.places["worker.grace"], "20s is a good start", "worker.grace must be from %s to %s, not %s", leastGrace, mostGrace, w.Grace)
	}
	for _, name := range slices.Sorted(maps.Keys(w.Connectors)) {
		path := join("worker.connectors", name)
		if oneOf(d, path, name, Connectors()...) && w.Connectors[name] < 1 {
			d.fault(d.places[path], "to stop every effect, use `stanch freeze`", "%s must be 1 or more", path)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.Lanes)) {
		path := join("worker.lanes", name)
		if n := w.Lanes[name]; oneOf(d, path, name, Lanes()...) && (n < 1 || n > w.Concurrency) {
			d.fault(d.places[path], "leave it out for no limit of its own", "%s must be from 1 to worker.concurrency, which is %d, not %d", path, w.Concurrency, n)
		}
	}
}

func (c *Config) checkThrottle(d *decoder) {
	classes := slices.Sorted(maps.Keys(connectors.Allowances()))
	for _, class := range slices.Sorted(maps.Keys(c.Throttle)) {
		path := join("throttle", class)
		if !oneOf(d, path, class, classes...) {
			continue
		}
		if t := c.Throttle[class]; t.Units < 1 || t.Per < time.Second || t.Per > 31*24*time.Hour {
			d.fault(d.places[path], "such as {units: 5000, per: 1m}", "%s: units must be 1 or more and per from 1s to 31d, not %d in %s", path, t.Units, t.Per)
		}
	}
}

// Check reports what is wrong with a worker whose numbers flags have changed. A
// lane's limit above a lower concurrency is none.
func (w Worker) Check() error {
	switch {
	case w.Concurrency < 1 || w.Concurrency > mostConcurrency:
		return fmt.Errorf("--concurrency must be from 1 to %d, not %d", mostConcurrency, w.Concurrency)
	case w.Lease < leastLease || w.Lease > mostLease:
		return fmt.Errorf("--lease must be from %s to %s, not %s", leastLease, mostLease, w.Lease)
	case w.Grace < leastGrace || w.Grace > mostGrace:
		return fmt.Errorf("--grace must be from %s to %s, not %s", leastGrace, mostGrace, w.Grace)
	}
	return nil
}
