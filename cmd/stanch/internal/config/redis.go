package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Redis is what the address of a store in Redis says. The address holds no
// password: see StoreAuth.
type Redis struct {
	Addrs    []string // of the server, of nodes of a cluster, or of sentinels
	Cluster  bool
	Primary  string // its name, where Addrs are sentinels
	DB       int    // its number; a cluster has one
	TLS      bool
	Prefix   string // of every key; empty: stanch
	CA       string // PEM file of the authorities to trust; empty: the file's, else the system's
	Insecure bool   // somebody has written that a server without password and TLS is meant
}

const (
	redisPort    = "6379"
	sentinelPort = "26379"
	mostDB       = 1 << 14
)

// keyPrefix is what keys may begin with. Braces would spoil the partitions, and
// colons end it.
var keyPrefix = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func isRedis(scheme string) bool {
	return slices.Contains([]string{"redis", "rediss", "redis+cluster", "rediss+cluster", "redis+sentinel", "rediss+sentinel"}, scheme)
}

func (r *Redis) kind() string {
	switch {
	case r.Cluster:
		return "+cluster"
	case r.Primary != "":
		return "+sentinel"
	}
	return ""
}

// String answers the address as it would be written, with what tells it apart
// from others.
func (r *Redis) String() string {
	scheme := "redis"
	if r.TLS {
		scheme = "rediss"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s://%s", scheme, r.kind(), strings.Join(r.Addrs, ","))
	if r.Primary != "" {
		b.WriteString("/" + r.Primary)
	}
	if r.DB > 0 {
		fmt.Fprintf(&b, "/%d", r.DB)
	}
	if r.Prefix != "" {
		b.WriteString("?prefix=" + r.Prefix)
	}
	return b.String()
}

// parseRedis reads what follows the scheme. The hosts are not a URL's: there may
// be several. Errors do not repeat what stands before an @.
func parseRedis(scheme, rest string) (*Redis, error) {
	base, kind, _ := strings.Cut(scheme, "+")
	r := &Redis{TLS: base == "rediss", Cluster: kind == "cluster"}
	rest, has := strings.CutPrefix(rest, "//")
	rest, query, _ := strings.Cut(rest, "?")
	hosts, path, _ := strings.Cut(rest, "/")
	switch {
	case strings.Contains(rest, "@"):
		return nil, errors.New("a user or password does not belong into the address of a store: others can read addresses; write store_auth: {username: NAME, password: {env: NAME}} into the configuration")
	case !has || hosts == "":
		return nil, fmt.Errorf("%s: names no server: write %s://HOST:PORT", scheme, scheme)
	case strings.ContainsAny(rest, "#\x00 "):
		return nil, fmt.Errorf("%s: the address has a character that none has", scheme)
	}
	port := redisPort
	if kind == "sentinel" {
		port = sentinelPort
	}
	for host := range strings.SplitSeq(hosts, ",") {
		addr, err := hostPort(host, port)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", scheme, err)
		}
		r.Addrs = append(r.Addrs, addr)
	}
	if kind == "" && len(r.Addrs) > 1 {
		return nil, fmt.Errorf("%s: names several servers: write %s+cluster:// for a cluster, %s+sentinel:// for sentinels", scheme, base, base)
	}
	if err := r.path(kind, path); err != nil {
		return nil, fmt.Errorf("%s: %w", scheme, err)
	}
	if err := r.query(query); err != nil {
		return nil, fmt.Errorf("%s: %w", scheme, err)
	}
	return r, nil
}

// hostPort completes an address with a port.
func hostPort(text, port string) (string, error) {
	if text == "" {
		return "", errors.New("a host is empty: is a comma too many?")
	}
	host, given, err := net.SplitHostPort(text)
	if err != nil { // there is no port
		host, given = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"), port
		if strings.Contains(host, ":") && net.ParseIP(host) == nil {
			return "", fmt.Errorf("%q is not HOST:PORT", text)
		}
	}
	if n, err := strconv.Atoi(given); err != nil || n < 1 || n > 65535 || host == "" {
		return "", fmt.Errorf("%q is not HOST:PORT", text)
	}
	return net.JoinHostPort(host, given), nil
}

// path reads what stands behind the hosts: a database, before it with sentinels
// the name of the primary, with a cluster nothing.
func (r *Redis) path(kind, path string) error {
	path = strings.TrimSuffix(path, "/")
	if kind == "sentinel" {
		r.Primary, path, _ = strings.Cut(path, "/")
		if r.Primary == "" {
			return errors.New("the name of the primary is missing: write it behind the sentinels, as in redis+sentinel://a:26379,b:26379/PRIMARY")
		}
	}
	switch n, err := strconv.Atoi(path); {
	case path == "":
	case r.Cluster:
		return fmt.Errorf("/%s means nothing: a cluster has one database", path)
	case err != nil || n < 0 || n > mostDB:
		return fmt.Errorf("/%s is not the number of a database", path)
	default:
		r.DB = n
	}
	return nil
}

func (r *Redis) query(query string) error {
	all, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("what stands behind the ? cannot be read: write ?prefix=NAME&ca=FILE")
	}
	for key, values := range all {
		if len(values) != 1 || values[0] == "" {
			return fmt.Errorf("?%s is given twice or is empty", key)
		}
		switch v := values[0]; key {
		case "prefix":
			if !keyPrefix.MatchString(v) {
				return fmt.Errorf("?prefix=%s: a prefix has up to 64 letters, digits, dots, hyphens and underscores", v)
			}
			r.Prefix = v
		case "ca":
			if !r.TLS {
				return errors.New("?ca means nothing without TLS: write rediss://")
			}
			r.CA = v
		case "insecure":
			if v != "true" {
				return errors.New("?insecure is true, or is left out")
			}
			r.Insecure = true
		case "password", "username", "user":
			return fmt.Errorf("?%s does not belong into the address of a store: others can read addresses; write store_auth: {username: NAME, password: {env: NAME}} into the configuration", key)
		default:
			return fmt.Errorf("?%s is not known: known are prefix, ca and insecure", key)
		}
	}
	return nil
}

// guarded refuses a server that anybody on the network could read and write:
// who writes to the store decides what is done in the tenant.
func (r *Redis) guarded(a StoreAuth) error {
	if r.TLS || r.Insecure || !a.Password.Empty() {
		return nil
	}
	for _, addr := range r.Addrs {
		host, _, err := net.SplitHostPort(addr)
		if err != nil || host == "localhost" {
			continue
		}
		if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
			return fmt.Errorf("%s is on the network and would be used without password and without TLS: whoever reaches it decides what is done in the tenant; use rediss:// and store_auth in the configuration, or write ?insecure=true if that is meant", addr)
		}
	}
	return nil
}
