package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"stanch/engine/redisstore"
)

// isRedis reports whether an address names a Redis, of whatever kind.
func isRedis(address string) bool {
	scheme, _, _ := strings.Cut(address, ":")
	return scheme == "redis" || scheme == "rediss" || strings.HasPrefix(scheme, "redis+") || strings.HasPrefix(scheme, "rediss+")
}

// redisAddress reads the address of a Redis: redis://host:port/db, rediss:// with
// TLS, redis+cluster://host:port,…, redis+sentinel://host:port,…/primary/db. To
// be replaced by config.ParseStore when that reads them.
func redisAddress(address string) (redisstore.Options, error) {
	bad := func(why string) (redisstore.Options, error) {
		return redisstore.Options{}, fmt.Errorf("--store: %s: write redis://HOST:PORT, redis+cluster://HOST:PORT,… or redis+sentinel://HOST:PORT,…/PRIMARY", why)
	}
	scheme, rest, _ := strings.Cut(address, "://")
	var o redisstore.Options
	kind, plus := strings.CutPrefix(scheme, "rediss")
	if plus {
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	} else {
		kind = strings.TrimPrefix(scheme, "redis")
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		u, err := url.Parse("x://" + rest[:at] + "@x")
		if err != nil {
			return bad("the user cannot be read") // the text holds a password
		}
		o.Username = u.User.Username()
		o.Password, _ = u.User.Password()
		rest = rest[at+1:]
	}
	hosts, path, _ := strings.Cut(rest, "/")
	for host := range strings.SplitSeq(hosts, ",") {
		if host == "" {
			return bad("no host is named")
		}
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(strings.Trim(host, "[]"), map[bool]string{true: "26379", false: "6379"}[kind == "+sentinel"])
		}
		o.Addrs = append(o.Addrs, host)
	}
	switch kind {
	case "+cluster":
		o.Cluster = true
	case "+sentinel":
		o.Sentinel, path, _ = strings.Cut(path, "/")
		if o.Sentinel == "" {
			return bad("the primary has no name")
		}
	case "":
		if len(o.Addrs) > 1 {
			return bad("one server has one address")
		}
	default:
		return bad(scheme + " is not known")
	}
	if path != "" {
		db, err := strconv.Atoi(path)
		if err != nil || db < 0 || o.Cluster {
			return bad("the database " + strconv.Quote(path) + " is none")
		}
		o.DB = db
	}
	return o, nil
}
