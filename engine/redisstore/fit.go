package redisstore

import (
	"context"
	"errors"
	"fmt"
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
