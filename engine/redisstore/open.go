package redisstore

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"stanch/engine"
)

// schema is the version of the keys: it is in their names and in the meta key
// of each partition, which every script looks at.
const schema = 1

// DefaultPartitions is how many partitions a new store gets.
const DefaultPartitions = 16

// Options say which Redis and how it is used.
type Options struct {
	Addrs    []string // of the server, of nodes of the cluster, or of the sentinels
	Cluster  bool
	Sentinel string // name of the primary, where Addrs are sentinels
	DB       int    // not in a cluster
	TLS      *tls.Config

	// Username and Password sign in to Redis, SentinelPassword to sentinels.
	Username, Password, SentinelPassword string

	Prefix     string // of every key; stanch if empty
	Partitions int    // of a store that is new; 16 if zero

	// Work makes this process a worker: it may Claim, and looks after its share
	// of the partitions.
	Work bool
	// ReadOnly refuses every act that changes something.
	ReadOnly bool

	// Replicas and ProveWithin say how many replicas have to have what is to be
	// proved (see engine.Settlement.Proved), and how long they may take.
	Replicas    int
	ProveWithin time.Duration

	// Remember is a file in which a worker keeps how far each partition was, so
	// that it notices also after its own end that the store has gone back. Without,
	// it notices only while it lives.
	Remember string
	// WentBack is told when a partition has gone back: what was acknowledged is
	// forgotten, and effects are frozen there. It must not block for long.
	WentBack func(Rollback)

	// Archive takes ended runs, Keep after their end, before the store forgets them.
	// It may be given a run twice. Without it runs are kept for ever. Keep is 30
	// days if zero: as long as a run can be undone.
	Archive func(ctx context.Context, runs []engine.RunRecord) error
	Keep    time.Duration

	// Lease is how long leases of the workers of this store last: what a lost
	// worker looked after is found by others in half of that. 15 s if zero.
	Lease time.Duration

	// Patience is for how long an act is tried again while Redis does not
	// answer, is loading, or has no primary; 5 s if zero.
	Patience time.Duration

	// Waits is told once when Look has to wait for the server, and for what.
	Waits func(error)

	// Now replaces the clock of the server, for tests.
	Now func() time.Time
}

// Store keeps runs and documents in Redis. It implements engine.Store and
// engine.Documents.
type Store struct {
	o       Options
	prefix  string
	scripts scripts
	client  redis.UniversalClient
	parts   []*part
	server  server

	mu     sync.Mutex
	pipes  map[string]*pipe
	closed bool

	known  known
	holds  holds
	worker worker
	close  func() error
}

var (
	_ engine.Store     = (*Store)(nil)
	_ engine.Documents = (*Store)(nil)
)

// part is one partition: keys that share a hash tag.
type part struct {
	index  int
	tag    string // prefix of its keys
	key    string // its meta key
	epoch  atomic.Int64
	high   atomic.Int64 // highest number that was seen
	backMu sync.Mutex
	acks   acks
	due    due
	ails   ails
}

func (p *part) version() string { return versionOf(p.epoch.Load()) }

// versionOf is the version of a partition's keys, with its epoch.
func versionOf(epoch int64) string {
	return strconv.Itoa(schema) + "/" + strconv.FormatInt(epoch, 10)
}

// Open opens the store, or makes a new one where the server holds nothing of
// it. It answers engine.ErrNewer for one that a newer version wrote, and refuses
// a server on which it could lose what it is told.
func Open(ctx context.Context, o Options) (*Store, error) {
	s, err := newStore(o)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("store %s: %w", s, err), s.close())
	}
	if o.Work {
		s.remember()
		s.worker.start(s)
	}
	return s, nil
}

func newStore(o Options) (*Store, error) {
	if o.Work && o.ReadOnly {
		return nil, errors.New("a worker has to write: Work and ReadOnly exclude each other")
	}
	if len(o.Addrs) == 0 {
		return nil, errors.New("no address of a server is given")
	}
	setDefault(&o.Prefix, "stanch")
	setDefault(&o.Partitions, DefaultPartitions)
	setDefault(&o.Patience, 5*time.Second)
	setDefault(&o.Lease, 15*time.Second)
	setDefault(&o.Keep, 30*24*time.Hour)
	setDefault(&o.ProveWithin, 2*time.Second)
	if o.Partitions < 1 || o.Partitions > 256 {
		return nil, fmt.Errorf("Partitions is %d, it must be 1 to 256", o.Partitions)
	}
	all, err := loadScripts()
	if err != nil {
		return nil, err
	}
	logging.Disable() // what it would tell standard error comes back as an error
	s := &Store{
		o: o, scripts: all, prefix: fmt.Sprintf("%s:%d:", o.Prefix, schema), pipes: map[string]*pipe{},
		server: server{runs: map[string]bool{}, changed: make(chan struct{}, 1)},
	}
	options := clientOptions(o)
	if o.Work {
		options.OnConnect = s.met
	}
	s.client = redis.NewUniversalClient(options)
	s.known.forget()
	s.close = sync.OnceValue(s.end)
	return s, nil
}

func setDefault[T comparable](at *T, v T) {
	if *at == *new(T) {
		*at = v
	}
}

// clientOptions set go-redis up for us. It does not repeat commands itself: our
// calls carry request ids and are repeated where we see it. Reading is bounded,
// so that a server that hangs is found out.
func clientOptions(o Options) *redis.UniversalOptions {
	return &redis.UniversalOptions{
		Addrs: o.Addrs, MasterName: o.Sentinel, IsClusterMode: o.Cluster, DB: o.DB, TLSConfig: o.TLS,
		Username: o.Username, Password: o.Password, SentinelPassword: o.SentinelPassword,
		ClientName: "stanch", Protocol: 2, DisableIdentity: true,
		MaxRetries: -1, MaxRedirects: -1,
		DialTimeout: 3 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second,
		PoolSize: 2*flushers + 4, MinIdleConns: 1, ContextTimeoutEnabled: false,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		ReadBufferSize:           256 << 10, WriteBufferSize: 256 << 10,
	}
}

// String answers where the store is, without secrets.
func (s *Store) String() string {
	scheme := "redis://"
	switch {
	case s.o.Cluster:
		scheme = "redis+cluster://"
	case s.o.Sentinel != "":
		scheme = "redis+sentinel://"
	case s.o.TLS != nil:
		scheme = "rediss://"
	}
	return scheme + strings.Join(s.o.Addrs, ",")
}

func (s *Store) metaKey() string { return s.o.Prefix + ":meta" }

// prepare finds the store, or makes it.
func (s *Store) prepare(ctx context.Context) error {
	return s.patiently(ctx, func() error { return s.prepareOnce(ctx) })
}

func (s *Store) prepareOnce(ctx context.Context) error {
	if err := s.fit(ctx); err != nil {
		return err
	}
	meta, err := s.client.HGetAll(ctx, s.metaKey()).Result()
	if redis.HasErrorPrefix(err, "WRONGTYPE") {
		return fmt.Errorf("%w: the key %s is another program's; name another prefix", errForeign, s.metaKey())
	}
	if err != nil {
		return err
	}
	if len(meta) == 0 {
		if s.o.ReadOnly {
			return fmt.Errorf("%w: nothing of stanch is kept there", engine.ErrNotFound)
		}
		if err := s.types(ctx, s.layout(s.o.Partitions)); err != nil {
			return err
		}
		if meta, err = s.found(ctx); err != nil {
			return err
		}
	}
	written, err1 := strconv.Atoi(meta["schema"])
	n, err2 := strconv.Atoi(meta["partitions"])
	switch {
	case err1 != nil || err2 != nil || n < 1 || n > 256:
		return fmt.Errorf("%w: the key %s says schema %q, partitions %q", errForeign, s.metaKey(), meta["schema"], meta["partitions"])
	case written > schema:
		return fmt.Errorf("%w: its schema is %d, this version knows %d; use the newer version", engine.ErrNewer, written, schema)
	case written < schema:
		return fmt.Errorf("its schema is %d, this version reads %d: move its runs with `stanch store move`", written, schema)
	}
	return s.partitions(ctx, n)
}

// found makes a new store. Of several who do so at once one wins.
func (s *Store) found(ctx context.Context) (map[string]string, error) {
	err := s.client.HSetNX(ctx, s.metaKey(), "partitions", s.o.Partitions).Err()
	if err == nil {
		err = s.client.HSetNX(ctx, s.metaKey(), "schema", schema).Err()
	}
	if err != nil {
		return nil, meaning(err)
	}
	return s.client.HGetAll(ctx, s.metaKey()).Result()
}

// partitions finds all partitions, or makes them. One that is not there in a
// store that has others is a loss.
func (s *Store) partitions(ctx context.Context, n int) error {
	parts := s.layout(n)
	if err := s.types(ctx, parts); err != nil {
		return err
	}
	for i, p := range parts {
		err := s.readEpoch(ctx, p)
		if errors.Is(err, errGone) && !s.o.ReadOnly {
			if err := s.client.HSetNX(ctx, p.key, "v", versionOf(nextEpoch(0))).Err(); err != nil {
				return fmt.Errorf("partition %02x: %w", i, meaning(err))
			}
			err = s.readEpoch(ctx, p)
		}
		if err != nil {
			return err
		}
	}
	s.parts = parts
	return nil
}

// layout are the partitions of a store that has so many.
func (s *Store) layout(n int) []*part {
	parts := make([]*part, n)
	for i := range parts {
		tag := fmt.Sprintf("%s{%02x}:", s.prefix, i)
		parts[i] = &part{index: i, tag: tag, key: tag + "m"}
	}
	return parts
}

// readEpoch reads the version and epoch of a partition.
func (s *Store) readEpoch(ctx context.Context, p *part) error {
	v, err := s.client.HGet(ctx, p.key, "v").Result()
	if errors.Is(err, redis.Nil) {
		return fmt.Errorf("partition %02x: %w", p.index, errGone)
	}
	if err != nil {
		return fmt.Errorf("partition %02x: %w", p.index, err)
	}
	version, epoch, err := splitVersion(v)
	if err != nil {
		return fmt.Errorf("partition %02x: %w", p.index, err)
	}
	if version > schema {
		return fmt.Errorf("%w: partition %02x has schema %d, this version knows %d", engine.ErrNewer, p.index, version, schema)
	}
	p.epoch.Store(epoch)
	return nil
}

func splitVersion(v string) (version int, epoch int64, err error) {
	first, second, ok := strings.Cut(v, "/")
	version, err1 := strconv.Atoi(first)
	epoch, err2 := strconv.ParseInt(second, 10, 64)
	if !ok || err1 != nil || err2 != nil {
		return 0, 0, fmt.Errorf("%w: version %q", errForeign, v)
	}
	return version, epoch, nil
}

// nextEpoch is a number that a partition has not had: the time, for it to rise.
func nextEpoch(after int64) int64 { return max(time.Now().UnixMilli(), after+1) }

// Close gives back the leases that this process holds and ends its use of Redis.
// A second Close answers what the first did.
func (s *Store) Close() error { return s.close() }

func (s *Store) end() error {
	s.worker.stop()
	err := s.giveBack()
	s.mu.Lock()
	s.closed = true
	pipes := s.pipes
	s.mu.Unlock()
	for _, p := range pipes {
		p.close()
	}
	return errors.Join(err, s.client.Close())
}

// now is the time as scripts are told it: empty, but in tests.
func (s *Store) now() string {
	if s.o.Now == nil {
		return ""
	}
	return strconv.FormatInt(s.o.Now().UnixMicro(), 10)
}

// newRequest is a random id of 130 bits.
func newRequest() string { return strings.ToLower(rand.Text()) }
