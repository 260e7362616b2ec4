package redisstore

import (
	"context"
	_ "embed" // the script that tries commands
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

//go:embed probe.lua
var probeScript string

// inScript finds the commands that a script uses.
var inScript = regexp.MustCompile(`redis\.p?call\('([A-Z]+)'`)

// commands are the commands that the scripts use, in order.
func (s scripts) commands() []string {
	all := map[string]bool{}
	for _, sc := range s {
		for _, m := range inScript.FindAllStringSubmatch(sc.text, -1) {
			all[m[1]] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// outside are the commands that are sent outside of scripts: to sign in, to
// find the server, to make and find partitions, to say that a worker lives, to
// hear of work, to prove, and, for Look and Inspect, to see what is there.
func outside() []string {
	return []string{
		"auth", "hello", "client|setname", "select", "ping", "info", "time", "wait", "cluster|slots", "command",
		"evalsha", "script|load", "subscribe",
		"hgetall", "hget", "hsetnx", "hincrby", "hdel", "hlen", "llen", "zcard", "zrange", "type",
	}
}

// ACL answers a line for Redis that makes a user with the least rights that a
// store with this prefix needs. PASSWORD stands where the password goes.
func ACL(prefix string) (string, error) {
	all, err := loadScripts()
	if err != nil {
		return "", err
	}
	setDefault(&prefix, defaultPrefix)
	rights := map[string]bool{}
	for _, c := range all.commands() {
		rights[strings.ToLower(c)] = true
	}
	for _, c := range outside() {
		rights[c] = true
	}
	line := fmt.Sprintf("user stanch on >PASSWORD resetkeys ~%s:* resetchannels &%s:* -@all", prefix, prefix)
	for _, c := range slices.Sorted(maps.Keys(rights)) {
		line += " +" + c
	}
	return line, nil
}

const defaultPrefix = "stanch"

// sample is how a command is tried: K stands for the beginning of names of keys
// that nobody has, W for the channel of wake-ups.
func sample(command string) string {
	return map[string]string{
		"DEL": "K", "UNLINK": "K", "EXISTS": "K", "SET": "K v PX 1000", "GET": "K", "GETRANGE": "K 0 1", "PEXPIRE": "K 1000", "PERSIST": "K", "RENAME": "Kh Kh", "STRLEN": "K", "APPEND": "K v", "INCR": "Kn", "INCRBY": "Kn 1",
		"HSET": "Kh f 1", "HSETNX": "Kh f 1", "HGET": "Kh f", "HMGET": "Kh f", "HGETALL": "Kh", "HKEYS": "Kh", "HVALS": "Kh", "HLEN": "Kh",
		"HEXISTS": "Kh f", "HINCRBY": "Kh n 1", "HRANDFIELD": "Kh 1", "HDEL": "Kh f", "HSTRLEN": "Kh f", "HSCAN": "Kh 0",
		"ZADD": "Kz 1 a", "ZREM": "Kz a", "ZRANGE": "Kz 0 0", "ZRANGEBYSCORE": "Kz 0 1", "ZRANGEBYLEX": "Kz - +", "ZSCORE": "Kz a", "ZCARD": "Kz",
		"ZCOUNT": "Kz 0 1", "ZPOPMIN": "Kz", "ZMSCORE": "Kz a", "ZREMRANGEBYSCORE": "Kz 0 1", "ZINCRBY": "Kz 1 a",
		"RPUSH": "Kl a", "LPUSH": "Kl a", "LPOP": "Kl", "RPOP": "Kl", "LLEN": "Kl", "LINDEX": "Kl 0", "LRANGE": "Kl 0 0", "LREM": "Kl 1 a", "LTRIM": "Kl 0 0", "LMOVE": "Kl Kl LEFT LEFT", "LSET": "Kl 0 a",
		"SADD": "Ks a", "SREM": "Ks a", "SMEMBERS": "Ks", "SRANDMEMBER": "Ks", "SCARD": "Ks", "SISMEMBER": "Ks a", "SPOP": "Ks",
		"XADD": "Kx * f v", "XRANGE": "Kx - +", "XLEN": "Kx", "XTRIM": "Kx MINID 0", "XDEL": "Kx 0-1", "XREVRANGE": "Kx + -",
		"TIME": "", "PUBLISH": "W x",
	}[command]
}

// refusal is a command that Redis refuses.
type refusal struct{ command, why string }

// probe tries every command that the scripts use, in a partition, with keys that
// nobody has. It leaves nothing behind.
func (s *Store) probe(ctx context.Context, tag string) ([]refusal, error) {
	key, wake := tag+"probe:"+newRequest(), s.prefix+"wake"
	var args []any
	try := func(words ...string) {
		args = append(args, len(words))
		for _, w := range words {
			args = append(args, w)
		}
	}
	away := func() { try("DEL", key, key+"n", key+"h", key+"z", key+"l", key+"s", key+"x") }
	away()
	for _, c := range s.scripts.commands() {
		words := []string{c}
		for _, w := range strings.Fields(sample(c)) {
			if rest, is := strings.CutPrefix(w, "K"); is {
				w = key + rest
			} else if w == "W" {
				w = wake
			}
			words = append(words, w)
		}
		try(words...)
	}
	away()
	sha, err := s.client.ScriptLoad(ctx, probeScript).Result()
	if err != nil {
		return nil, err
	}
	reply, err := s.client.EvalSha(ctx, sha, []string{tag + "m"}, args...).StringSlice()
	if err != nil {
		return nil, err
	}
	var all []refusal
	for i := 0; i+1 < len(reply); i += 2 {
		all = append(all, refusal{strings.ToLower(reply[i]), reply[i+1]})
	}
	return all, s.mayHear(ctx)
}

// mayHear finds out whether wake-ups may be heard.
func (s *Store) mayHear(ctx context.Context) error {
	sub := s.client.Subscribe(ctx, s.prefix+"wake")
	defer sub.Close() //nolint:errcheck // what was to be heard was heard
	_, err := sub.Receive(ctx)
	return err
}

// wordOf is the first word of an error of Redis, which is what it means; empty
// for other errors.
func wordOf(err error) string {
	reply, is := lastReply(err)
	if !is {
		return ""
	}
	word, _, _ := strings.Cut(reply.Error(), " ")
	return word
}

// lastReply answers the error of Redis itself inside an error.
func lastReply(err error) (redis.Error, bool) {
	for {
		joined, is := err.(interface{ Unwrap() error })
		if !is || joined.Unwrap() == nil {
			break
		}
		err = joined.Unwrap()
	}
	reply, is := err.(redis.Error) //nolint:errorlint // it is the innermost
	return reply, is
}
