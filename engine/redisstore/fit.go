package redisstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// errUnfit says that a server would lose what it is told, or cannot do what a
// store needs.
var errUnfit = errors.New("this Redis is not fit to be a store")

// fit refuses servers that are none: one that evicts keys loses runs, a replica
// takes no writes.
func (s *Store) fit(ctx context.Context) error {
	info, err := s.client.Info(ctx, "memory").Result()
	if redis.HasErrorPrefix(err, "NOPERM") {
		return nil // `stanch doctor` says what cannot be looked at
	}
	if err != nil {
		return err
	}
	if policy := infoField(info, "maxmemory_policy"); policy != "" && policy != "noeviction" {
		return fmt.Errorf("%w: its maxmemory-policy is %s, so it throws runs away when memory is short: set it to noeviction", errUnfit, policy)
	}
	return nil
}

// infoField answers a field of what INFO says.
func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// keyTypes are the keys that every partition may have, with their types.
func keyTypes() map[string]string {
	return map[string]string{
		"m": "hash", "q0": "list", "q1": "list", "q2": "list", "q3": "list", "t": "zset", "l": "zset", "h": "set", "cw": "set", "qw": "set",
		"lg": "zset", "xt": "zset", "dx": "zset", "pk": "zset", "ob": "hash", "dd": "hash", "au": "stream",
	}
}

// types refuses a store in which a key of ours has another type: it is somebody
// else's, and an act that meets it in its middle would leave half of itself.
func (s *Store) types(ctx context.Context, parts []*part) error {
	found := map[string]*redis.StatusCmd{}
	want := map[string]string{}
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, part := range parts {
			for name, kind := range keyTypes() {
				key := part.tag + name
				found[key], want[key] = p.Type(ctx, key), kind
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(found)) {
		if kind := found[key].Val(); kind != "none" && kind != want[key] {
			return fmt.Errorf("%w: the key %s is a %s, it must be a %s; name another prefix", errForeign, key, kind, want[key])
		}
	}
	return nil
}
