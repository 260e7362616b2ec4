package redisstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"stanch/engine"
)

// Look looks at a Redis before it is opened. found says whether a store of this
// prefix is there. What keeps it from being used is told in one sentence each:
// that nobody answers, or something else than Redis, without TLS or with; that
// we may not sign in, or not do what a store needs; a replica, a sentinel, a
// node of a cluster or none; a server that evicts; keys of others under our
// names. Nothing is changed that lasts. What may pass is waited for as
// Options.Patience says: that the server is busy or has no primary, and, with
// Options.Work, that it does not answer. With Options.Waits one that is loading
// what it has kept is waited for as long as that takes.
func Look(ctx context.Context, o Options) (found bool, err error) {
	s, err := newStore(o)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, s.client.Close()) }()
	begun, pause, told := time.Now(), 20*time.Millisecond, false
	for {
		found, err = s.look(ctx)
		waited := time.Since(begun)
		if err == nil || !mayPass(err, o.Work) || waited > s.o.Patience && (o.Waits == nil || wordOf(err) != "LOADING") {
			return found, err
		}
		if o.Waits != nil && !told && waited > toldAfter {
			told = true
			o.Waits(err)
		}
		select {
		case <-time.After(pause/2 + rand.N(pause)): //nolint:gosec // it spreads those who wait; nobody gains by guessing it
		case <-ctx.Done():
			return false, errors.Join(err, ctx.Err())
		}
		pause = min(2*pause, 500*time.Millisecond)
	}
}

// toldAfter is how long Look waits before it says so.
const toldAfter = time.Second

// mayPass reports whether what is wrong may pass by itself.
func mayPass(err error, patient bool) bool {
	_, net := errors.AsType[net.Error](err)
	return passes(err) && isReply(err) || patient && (net || isCut(err))
}

func (s *Store) look(ctx context.Context) (found bool, err error) {
	if err := s.reach(ctx); err != nil {
		return false, err
	}
	addrs := s.o.Addrs
	if s.o.Sentinel != "" {
		primary, err := s.primary(ctx)
		if err != nil {
			return false, err
		}
		addrs = []string{primary}
	}
	if err := s.servers(ctx, addrs); err != nil {
		return false, err
	}
	if found, err = s.keys(ctx); err != nil || s.o.ReadOnly {
		return found, err
	}
	return found, s.rights(ctx)
}

// reach finds one address at which Redis answers.
func (s *Store) reach(ctx context.Context) error {
	var errs []error
	for _, addr := range s.o.Addrs {
		err := greet(ctx, addr, s.o.TLS)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// alone is a client of one server. It must be closed.
func (s *Store) alone(addr, username, password string) *redis.Client {
	o := clientOptions(s.o).Simple()
	o.Addr, o.Username, o.Password, o.DB, o.PoolSize, o.MinIdleConns = addr, username, password, 0, 1, 0
	return redis.NewClient(o)
}

// primary asks the sentinels who the primary is.
func (s *Store) primary(ctx context.Context) (string, error) {
	var errs []error
	for _, addr := range s.o.Addrs {
		primary, err := s.primaryAt(ctx, addr)
		if err == nil {
			return primary, greet(ctx, primary, s.o.TLS)
		}
		errs = append(errs, err)
	}
	return "", errors.Join(errs...)
}

func (s *Store) primaryAt(ctx context.Context, addr string) (string, error) {
	c := s.alone(addr, "", s.o.SentinelPassword)
	defer c.Close() //nolint:errcheck // it was read only
	at, err := c.Do(ctx, "sentinel", "get-master-addr-by-name", s.o.Sentinel).StringSlice()
	switch word := wordOf(err); {
	case errors.Is(err, redis.Nil):
		return "", fmt.Errorf("the sentinel at %s knows no primary %s: it knows %s", addr, s.o.Sentinel, primaries(ctx, c))
	case word == "NOAUTH":
		return "", fmt.Errorf("the sentinel at %s asks for a password: store_auth: {sentinel_password: {env: NAME}}", addr)
	case word == "WRONGPASS":
		return "", fmt.Errorf("the sentinel at %s does not take our password: look at store_auth.sentinel_password", addr)
	case word == "ERR" && strings.Contains(err.Error(), "unknown command"):
		return "", fmt.Errorf("%s is no sentinel: write redis://%s, or name the sentinels", addr, addr)
	case err != nil:
		return "", fmt.Errorf("the sentinel at %s: %w", addr, err)
	case len(at) != 2:
		return "", fmt.Errorf("the sentinel at %s: %w", addr, errDamaged)
	}
	return net.JoinHostPort(at[0], at[1]), nil
}

// primaries are the names of those that a sentinel knows.
func primaries(ctx context.Context, c *redis.Client) string {
	all, err := c.Do(ctx, "sentinel", "masters").Slice()
	var names []string
	for _, one := range all {
		fields, _ := one.([]any)
		for i := 0; i+1 < len(fields); i += 2 {
			if fields[i] == "name" {
				names = append(names, fmt.Sprint(fields[i+1]))
			}
		}
	}
	if err != nil || len(names) == 0 {
		return "none"
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// servers looks at the first of the servers that answers; of a cluster at all its
// masters.
func (s *Store) servers(ctx context.Context, addrs []string) error {
	var err error
	for _, addr := range addrs {
		c := s.alone(addr, s.o.Username, s.o.Password)
		err = errors.Join(s.lookAt(ctx, c, true), c.Close())
		if err == nil || isReply(err) || errors.Is(err, errUnfit) {
			break
		}
	}
	cluster, is := s.client.(*redis.ClusterClient)
	if err != nil || !is {
		return err
	}
	err = cluster.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error { return s.lookAt(ctx, c, false) })
	return s.explained("the cluster", err)
}

// lookAt looks at one server. first says that it may be a replica, where it only
// tells us who the others are.
func (s *Store) lookAt(ctx context.Context, c *redis.Client, first bool) error {
	addr := c.Options().Addr
	info, err := c.Info(ctx).Result()
	if wordOf(err) == "NOPERM" {
		return nil // what it hides is found out by what it refuses
	}
	if err != nil {
		return s.explained(addr, err)
	}
	field := func(name string) string { return infoField(info, name) }
	mode := field("redis_mode")
	switch {
	case mode == "sentinel" && s.o.Sentinel == "":
		return fmt.Errorf("%w: %s is a sentinel: write redis+sentinel://%s/PRIMARY", errUnfit, addr, addr)
	case mode == "cluster" && !s.o.Cluster:
		return fmt.Errorf("%w: %s is a node of a cluster: write redis+cluster://%s", errUnfit, addr, addr)
	case mode == "standalone" && s.o.Cluster:
		return fmt.Errorf("%w: %s is no node of a cluster: write redis://%s", errUnfit, addr, addr)
	case tooOld(field("redis_version")):
		return fmt.Errorf("%w: %s is Redis %s: 7.0 or newer is needed", errUnfit, addr, field("redis_version"))
	case field("role") == "slave" && !(first && s.o.Cluster):
		return fmt.Errorf("%w: %s is a replica of %s: name that one, or the sentinels that know who it is", errUnfit, addr, net.JoinHostPort(field("master_host"), field("master_port")))
	case field("maxmemory_policy") != "" && field("maxmemory_policy") != "noeviction":
		return fmt.Errorf("%w: the maxmemory-policy of %s is %s, so it throws runs away when memory is short: set it to noeviction", errUnfit, addr, field("maxmemory_policy"))
	}
	return nil
}

func tooOld(version string) bool {
	major, _, _ := strings.Cut(version, ".")
	n, err := strconv.Atoi(major)
	return err == nil && n < 7
}

// explained says what an error of Redis means for who set it up.
func (s *Store) explained(what string, err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	switch word := wordOf(err); {
	case word == "NOAUTH":
		return fmt.Errorf("%s asks for a password: write store_auth: {username: NAME, password: {env: NAME}} into the configuration: %w", what, err)
	case word == "WRONGPASS", strings.Contains(text, "AUTH <password> called without any password"):
		return fmt.Errorf("%s does not let us in with this user and password: look at store_auth: %w", what, err)
	case word == "NOPERM":
		return fmt.Errorf("the user of %s may not do what a store needs; `stanch doctor --print-acl` prints the rights: %w", what, err)
	case word == "ERR" && strings.Contains(text, "DB index"):
		return fmt.Errorf("%s has no database %d: %w", what, s.o.DB, err)
	case word == "ERR" && strings.Contains(text, "unknown command"):
		return fmt.Errorf("%w: %s does not know a command that a store needs; scripts must be allowed: %w", errUnfit, what, err)
	case word == "CLUSTERDOWN":
		return fmt.Errorf("%s does not serve all slots: %w", what, err)
	case word == "LOADING":
		return fmt.Errorf("%s is still reading what it has kept, try again when it has: %w", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// keys looks whether a store is there, and whether its names are free or its
// own.
func (s *Store) keys(ctx context.Context) (found bool, err error) {
	meta, err := s.client.HGetAll(ctx, s.metaKey()).Result()
	if wordOf(err) == "WRONGTYPE" {
		return false, fmt.Errorf("%w: the key %s is another program's; name another prefix", errForeign, s.metaKey())
	}
	if err != nil {
		return false, s.explained("the server", err)
	}
	n, wrong := strconv.Atoi(meta["partitions"])
	_, odd := strconv.Atoi(meta["schema"])
	switch {
	case len(meta) == 0:
		n = s.o.Partitions
	case wrong != nil || odd != nil || n < 1 || n > 256:
		return false, fmt.Errorf("%w: the key %s says schema %q, partitions %q; name another prefix", errForeign, s.metaKey(), meta["schema"], meta["partitions"])
	case newer(meta["schema"]):
		return false, fmt.Errorf("%w: its schema is %s, this version knows %d; use the newer version", engine.ErrNewer, meta["schema"], schema)
	}
	return len(meta) > 0, s.ownTypes(ctx, n, len(meta) == 0)
}

// ownTypes looks at the types of what is under our names.
func (s *Store) ownTypes(ctx context.Context, partitions int, fresh bool) error {
	want := map[string]string{s.workersKey(): "hash"}
	for i := range partitions {
		for name, kind := range keyTypes() {
			want[s.tag(i)+name] = kind
		}
	}
	got := map[string]*redis.StatusCmd{}
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for key := range want {
			got[key] = p.Type(ctx, key)
		}
		return nil
	})
	if err != nil {
		return s.explained("the server", err)
	}
	for key, is := range got {
		switch kind := is.Val(); {
		case kind == "none":
		case kind != want[key] && fresh:
			return fmt.Errorf("%w: the key %s is a %s of another program; name another prefix", errForeign, key, kind)
		case kind != want[key]:
			return fmt.Errorf("%w: the key %s is a %s of another program, it was a %s of ours; restore it from a backup, and keep that program away from keys that begin with %s", engine.ErrDamaged, key, kind, want[key], s.o.Prefix)
		case fresh && strings.HasSuffix(key, ":m"):
			return fmt.Errorf("%w: the key %s is there and %s is not: another program's, or a store that has lost a key; name another prefix, or restore a backup", errForeign, key, s.metaKey())
		}
	}
	return nil
}

func (s *Store) tag(partition int) string { return fmt.Sprintf("%s{%02x}:", s.prefix, partition) }

// rights finds out whether we may do what a store needs.
func (s *Store) rights(ctx context.Context) error {
	refused, err := s.probe(ctx, s.tag(0))
	switch wordOf(err) {
	case "OOM", "MISCONF", "NOREPLICAS", "READONLY":
		return nil // it passes, and who works waits for it
	}
	if err != nil {
		return s.explained("the server", err)
	}
	if len(refused) > 0 {
		return fmt.Errorf("the user of Redis may not do what a store needs: %s; `stanch doctor --print-acl` prints the rights", told(refused))
	}
	if s.o.Replicas > 0 {
		return s.explained("the server", s.client.Do(ctx, "wait", 0, 1).Err())
	}
	return nil
}

// told says which commands are refused, and why the first is.
func told(refused []refusal) string {
	var names []string
	for _, r := range refused {
		names = append(names, r.command)
	}
	return fmt.Sprintf("%s (%s)", strings.Join(names, ", "), refused[0].why)
}

func newer(written string) bool {
	n, err := strconv.Atoi(written)
	return err == nil && n > schema
}
