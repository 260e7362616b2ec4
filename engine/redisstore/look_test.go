package redisstore_test

import (
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"stanch/engine/redisstore"
	"stanch/engine/redisstore/redistest"
)

// dump is all that a server keeps: each key with its bytes.
func dump(t *testing.T, s *redistest.Server) map[string]string {
	t.Helper()
	reply, err := s.Do("KEYS", "*")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, key := range reply.([]any) {
		bytes, err := s.Do("DUMP", key.(string))
		if err != nil {
			t.Fatal(err)
		}
		all[key.(string)] = fmt.Sprint(bytes)
	}
	return all
}

// refused opens a store that cannot be, as a command does: the sentence must
// match, and nothing of the server's may have changed.
func refused(t *testing.T, s *redistest.Server, o redisstore.Options, says string) {
	t.Helper()
	var before map[string]string
	if s != nil {
		before = dump(t, s)
	}
	_, err := redisstore.Look(t.Context(), o)
	if err == nil {
		var store *redisstore.Store
		if store, err = redisstore.Open(t.Context(), o); err == nil {
			_ = store.Close()
		}
	}
	if err == nil || !regexp.MustCompile(says).MatchString(err.Error()) {
		t.Errorf("%v does not match %s", err, says)
	}
	if s != nil && !maps.Equal(before, dump(t, s)) {
		t.Errorf("the keys were\n%v\nand are\n%v", slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(dump(t, s))))
	}
}

func do(t *testing.T, s *redistest.Server, command string) {
	t.Helper()
	if _, err := s.Do(strings.Fields(command)...); err != nil {
		t.Fatalf("%s: %v", command, err)
	}
}

func TestKeysOfOthersAreLeftAlone(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{})
	made := redisstore.Options{Addrs: []string{s.Addr()}}
	if err := open(t, made).Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, fresh string // commands on an empty server
		store       string // or on one with a store
		says        string
	}{
		{name: "a text", fresh: "SET stanch:meta x", says: "the key stanch:meta is another program's; name another prefix"},
		{name: "a hash of others", fresh: "HSET stanch:meta name x", says: "not a store of stanch: the key stanch:meta says schema"},
		{name: "a queue of others", fresh: "SET stanch:1:{03}:q0 x", says: `the key stanch:1:\{03\}:q0 is a string of another program`},
		{name: "a partition without a store", fresh: "HSET stanch:1:{00}:m v 1/1", says: `the key stanch:1:\{00\}:m is there and stanch:meta is not`},
		{name: "a wrong type in a store", store: "SADD stanch:1:{0f}:lg x", says: `the key stanch:1:\{0f\}:lg is a set of another program`},
		{name: "workers of others", store: "SET stanch:1:{w}:workers x", says: `the key stanch:1:\{w\}:workers is a string`},
		{name: "newer", store: "HSET stanch:meta schema 2", says: "written by a newer version of stanch: its schema is 2, this version knows 1; use the newer version"},
		{name: "a newer partition", store: "HSET stanch:1:{05}:m v 2/7", says: "written by a newer version of stanch: partition 05 has schema 2"},
		{name: "older", store: "HSET stanch:meta schema 0", says: "its schema is 0, this version reads 1"},
		{name: "odd partitions", store: "HSET stanch:meta partitions 1000", says: `partitions "1000"`},
		{name: "an odd partition", store: "HSET stanch:1:{05}:m v x", says: `partition 05: this is not a store of stanch: version "x"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			do(t, s, "FLUSHALL")
			if c.fresh != "" {
				do(t, s, c.fresh)
			} else {
				if err := open(t, made).Close(); err != nil {
					t.Fatal(err)
				}
				do(t, s, c.store)
			}
			refused(t, s, made, c.says)
			made := made
			made.Work = true
			refused(t, s, made, c.says)
		})
	}
}

func TestWhoMayNotComeInIsToldWhatIsMissing(t *testing.T) {
	t.Parallel()
	closed := redistest.Start(t, redistest.Options{Password: "correct-horse"})
	refused(t, closed, redisstore.Options{Addrs: []string{closed.Addr()}}, "asks for a password: write store_auth.*NOAUTH")
	refused(t, closed, redisstore.Options{Addrs: []string{closed.Addr()}, Password: "wrong-horse"}, "does not let us in with this user and password: look at store_auth.*WRONGPASS")
	refused(t, closed, redisstore.Options{Addrs: []string{closed.Addr()}, Username: "nobody", Password: "correct-horse"}, "does not let us in with this user and password.*WRONGPASS")

	line, err := redisstore.ACL("")
	if err != nil {
		t.Fatal(err)
	}
	user := func(name, with, instead string) string {
		return strings.ReplaceAll(strings.Replace(strings.Replace(line, "user stanch", "user "+name, 1), ">PASSWORD", ">correct-horse", 1)+" ", with, instead)
	}
	s := redistest.Start(t, redistest.Options{ACLs: []string{
		user("whole", "", ""), user("noscript", "+evalsha ", ""), user("noload", "+script|load ", ""), user("nozadd", "+zadd ", ""), user("nodel", "+del ", ""),
		user("nowake", "&stanch:*", "&other:*"), user("nokeys", "~stanch:*", "~other:*"), user("nosub", "+subscribe ", ""),
	}})
	as := func(name string) redisstore.Options {
		return redisstore.Options{Addrs: []string{s.Addr()}, Username: name, Password: "correct-horse", Work: true}
	}
	for name, says := range map[string]string{
		"noscript": "may not do what a store needs; `stanch doctor --print-acl` prints the rights.*'evalsha'",
		"noload":   "'script\\|load'",
		"nozadd":   "may not do what a store needs: zadd ",
		"nodel":    "may not do what a store needs: del ",
		"nowake":   "publish .*channel|channel",
		"nosub":    "'subscribe'",
		"nokeys":   "NOPERM",
	} {
		refused(t, s, as(name), says)
	}
	if found, err := redisstore.Look(t.Context(), as("whole")); err != nil || found {
		t.Errorf("who has all rights: %v, %v", found, err)
	}
}

func TestServersThatAreNoStore(t *testing.T) {
	t.Parallel()
	plain := redistest.Start(t, redistest.Options{})
	at := func(s *redistest.Server) redisstore.Options { return redisstore.Options{Addrs: []string{s.Addr()}} }

	noLua := redistest.Start(t, redistest.Options{Extra: []string{`rename-command EVALSHA ""`, `rename-command EVAL ""`, `rename-command SCRIPT ""`}})
	refused(t, noLua, at(noLua), "not fit to be a store.*scripts must be allowed.*unknown command 'script'")

	do(t, plain, "SET x y")
	replica := redistest.Start(t, redistest.Options{ReplicaOf: plain})
	refused(t, replica, at(replica), replica.Addr()+" is a replica of "+plain.Addr()+": name that one")

	for _, policy := range []string{"allkeys-lru", "volatile-ttl"} {
		evicts := redistest.Start(t, redistest.Options{Extra: []string{"maxmemory 50mb", "maxmemory-policy " + policy}})
		refused(t, evicts, at(evicts), "is "+policy+", so it throws runs away when memory is short: set it to noeviction")
	}

	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	refused(t, nil, redisstore.Options{Addrs: []string{web.Listener.Addr().String()}}, "an HTTP server answers, not Redis: is the port right")
	refused(t, nil, redisstore.Options{Addrs: []string{answering(t, "220 mail.example ESMTP\r\n")}}, "is not Redis: is the port right")
	refused(t, nil, redisstore.Options{Addrs: []string{answering(t, "")}}, "closes the connection without an answer")
	refused(t, nil, redisstore.Options{Addrs: []string{answering(t, "-DENIED Redis is running in protected mode because protected mode is enabled\r\n")}}, "is in protected mode, it lets in nobody from another machine")

	gone := redistest.Start(t, redistest.Options{})
	gone.Stop()
	refused(t, nil, at(gone), gone.Addr()+" does not answer: connect: connection refused")
	refused(t, nil, redisstore.Options{Addrs: []string{"nowhere.invalid:6379"}}, "nowhere.invalid")
	refused(t, plain, redisstore.Options{Addrs: []string{plain.Addr()}, DB: 99}, "has no database 99")
	refused(t, plain, redisstore.Options{Addrs: []string{plain.Addr()}, Cluster: true}, "is no node of a cluster: write redis://"+plain.Addr())
	refused(t, plain, redisstore.Options{Addrs: []string{plain.Addr()}, Sentinel: "stanch"}, "is no sentinel: write redis://"+plain.Addr())
}

// answering listens and answers everybody with the same words.
func answering(t *testing.T, words string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // a connection that asks for nothing keeps no other waiting
				_ = c.SetDeadline(time.Now().Add(time.Second))
				_, _ = c.Read(make([]byte, 64))
				_, _ = c.Write([]byte(words))
				c.Close()
			}()
		}
	}()
	return l.Addr().String()
}

func TestTLSThatDoesNotFit(t *testing.T) {
	t.Parallel()
	plain, secured := redistest.Start(t, redistest.Options{}), redistest.Start(t, redistest.Options{TLS: true})
	_, trust := secured.TLS()
	other := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: "127.0.0.1"}
	wrongName := trust.Clone()
	wrongName.ServerName = "redis.example"
	strict := redistest.Start(t, redistest.Options{TLS: true})
	do(t, strict, "CONFIG SET tls-auth-clients yes")
	for _, c := range []struct {
		server *redistest.Server
		with   *tls.Config
		says   string
	}{
		{secured, nil, "speaks TLS and is asked without: write rediss://"},
		{plain, trust, "does not speak TLS: write redis://"},
		{secured, other, "signed by an authority that is not trusted here: name the authority's PEM file as store_auth.ca"},
		{secured, wrongName, "its certificate is of another name"},
		{strict, trust, "asks for a certificate of ours"},
	} {
		refused(t, nil, redisstore.Options{Addrs: []string{c.server.Addr()}, TLS: c.with}, c.says)
	}
	s := open(t, redisstore.Options{Addrs: []string{secured.Addr()}, TLS: trust})
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestWhoNamesAClusterOrSentinelsWrong(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 3, 0)
	node := c.Node(0)
	refused(t, node, redisstore.Options{Addrs: []string{node.Addr()}}, "is a node of a cluster: write redis\\+cluster://"+node.Addr())
	if found, err := redisstore.Look(t.Context(), redisstore.Options{Addrs: c.Addrs(), Cluster: true}); err != nil || found {
		t.Errorf("the cluster: %v, %v", found, err)
	}
	s := redistest.StartSentinel(t, 1)
	refused(t, s.Primary(), redisstore.Options{Addrs: s.Addrs(), Sentinel: "other"}, "knows no primary other: it knows stanch")
	refused(t, nil, redisstore.Options{Addrs: s.Addrs()[:1]}, "is a sentinel: write redis\\+sentinel://"+s.Addrs()[0]+"/PRIMARY")
	if found, err := redisstore.Look(t.Context(), redisstore.Options{Addrs: s.Addrs(), Sentinel: s.MasterName()}); err != nil || found {
		t.Errorf("the sentinels: %v, %v", found, err)
	}
}
