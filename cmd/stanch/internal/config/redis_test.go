package config

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAddressesOfRedis(t *testing.T) {
	for address, want := range map[string]Redis{
		"redis://localhost":                             {Addrs: []string{"localhost:6379"}},
		"redis://127.0.0.1:7000/3?prefix=blue":          {Addrs: []string{"127.0.0.1:7000"}, DB: 3, Prefix: "blue"},
		"redis://[::1]:7000/":                           {Addrs: []string{"[::1]:7000"}},
		"redis://[::1]":                                 {Addrs: []string{"[::1]:6379"}},
		"rediss://redis.example?ca=/etc/ca.pem":         {Addrs: []string{"redis.example:6379"}, TLS: true, CA: "/etc/ca.pem"},
		"redis://redis.example:1?insecure=true":         {Addrs: []string{"redis.example:1"}, Insecure: true},
		"redis+cluster://127.0.0.1:1,127.0.0.1:2":       {Addrs: []string{"127.0.0.1:1", "127.0.0.1:2"}, Cluster: true},
		"rediss+cluster://a.example:1,b.example":        {Addrs: []string{"a.example:1", "b.example:6379"}, Cluster: true, TLS: true},
		"redis+sentinel://localhost,127.0.0.1:9/main/2": {Addrs: []string{"localhost:26379", "127.0.0.1:9"}, Primary: "main", DB: 2},
		"rediss+sentinel://a.example/main":              {Addrs: []string{"a.example:26379"}, Primary: "main", TLS: true},
	} {
		s, err := (&Config{}).StoreAt(address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if d := cmp.Diff(&want, s.Redis); d != "" || s.Path != "" {
			t.Errorf("%s: %s", address, d)
		}
		again, err := ParseStore(s.String())
		if err != nil || again.String() != s.String() {
			t.Errorf("%s is told as %s, which is read as %s, %v", address, s, again, err)
		}
	}
}

func TestAddressesOfRedisThatAreNone(t *testing.T) {
	for address, want := range map[string]string{
		"redis:localhost":                        "names no server: write redis://HOST:PORT",
		"redis://":                               "names no server",
		"redis://localhost:0":                    "is not HOST:PORT",
		"redis://localhost:x":                    "is not HOST:PORT",
		"redis://localhost:1:2":                  "is not HOST:PORT",
		"redis://localhost,127.0.0.1":            "names several servers: write redis+cluster:// for a cluster, redis+sentinel:// for sentinels",
		"redis+cluster://localhost,,127.0.0.1":   "is a comma too many?",
		"redis+cluster://localhost/1":            "a cluster has one database",
		"redis+sentinel://localhost":             "the name of the primary is missing",
		"redis+sentinel://localhost/main/x":      "is not the number of a database",
		"redis://localhost/-1":                   "is not the number of a database",
		"redis://localhost?prefix=a:b":           "a prefix has up to 64 letters",
		"redis://localhost?prefix={a}":           "a prefix has up to 64 letters",
		"redis://localhost?prefix=":              "is given twice or is empty",
		"redis://localhost?prefx=a":              "?prefx is not known: known are prefix, ca and insecure",
		"redis://localhost?ca=a.pem":             "?ca means nothing without TLS: write rediss://",
		"redis://localhost?insecure=yes":         "?insecure is true, or is left out",
		"redis://localhost?password=hunter22":    "?password does not belong into the address",
		"rediss://user:hunter22@h.example":       "a user or password does not belong into the address",
		"redis://:hunter22@localhost:6379?x=%zz": "a user or password does not belong into the address",
		"redis://10.0.0.7:6379":                  "10.0.0.7:6379 is on the network and would be used without password and without TLS",
		"redis+cluster://localhost,10.0.0.8":     "10.0.0.8:6379 is on the network",
		"redis+sentinel://sentinel.example/main": "sentinel.example:26379 is on the network",
		"redis://localhost#x":                    "a character that none has",
		"redis+cluster+sentinel://localhost":     "is not a store: use sqlite:PATH, redis://HOST:PORT",
	} {
		_, err := (&Config{}).StoreAt(address)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want it to say %q", address, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter22") {
			t.Errorf("%s: the password is repeated: %v", address, err)
		}
	}
}

func TestAPasswordOrTLSMakesAServerOnTheNetworkFit(t *testing.T) {
	c := &Config{StoreAuth: StoreAuth{Password: Reference{Env: "A"}}}
	if _, err := c.StoreAt("redis://redis.example"); err != nil {
		t.Errorf("with a password: %v", err)
	}
	if _, err := (&Config{}).StoreAt("rediss://redis.example"); err != nil {
		t.Errorf("with TLS: %v", err)
	}
}

func TestPathsOfTheFileAreMeantFromItsFolder(t *testing.T) {
	dir := t.TempDir()
	c, err := Parse(filepath.Join(dir, "stanch.yaml"), []byte("store: rediss://redis.example?ca=ca.pem\nstore_auth: {password: {file: secret}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(EnvStore, "")
	s, err := c.StoreAt("")
	if err != nil || s.Redis.CA != filepath.Join(dir, "ca.pem") || c.StoreAuth.Password.File != filepath.Join(dir, "secret") {
		t.Errorf("%+v, %+v, %v", s.Redis, c.StoreAuth, err)
	}
}
