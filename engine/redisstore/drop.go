package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// perScan is how many keys a server looks at in one go.
const perScan = 1000

// Drop deletes every key of a prefix, on every master, and nothing else. Nobody
// may be using the store that is kept there. o.Prefix has to be named: there is
// no default for what is thrown away.
func Drop(ctx context.Context, o Options) (err error) {
	if o.Prefix == "" {
		return errors.New("drop: no prefix is named")
	}
	client := redis.NewUniversalClient(clientOptions(o))
	defer func() { err = errors.Join(err, client.Close()) }()
	err = eachMaster(ctx, client, func(c *redis.Client, _ string) error { return dropFrom(ctx, c, o.Prefix+":") })
	if err != nil {
		return fmt.Errorf("drop the keys of %s: %w", o.Prefix, err)
	}
	return nil
}

// dropFrom deletes the keys of a server that begin so.
func dropFrom(ctx context.Context, c *redis.Client, begin string) error {
	for cursor := uint64(0); ; {
		keys, next, err := c.Scan(ctx, cursor, literally(begin)+"*", perScan).Result()
		if err != nil {
			return err
		}
		pl := c.Pipeline() // one each: they need not share a slot
		for _, key := range keys {
			pl.Unlink(ctx, key)
		}
		if len(keys) > 0 {
			if _, err := pl.Exec(ctx); err != nil {
				return err
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// literally writes a text so that a pattern of Redis means just that.
func literally(text string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`).Replace(text)
}
