package redistest

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// configure writes redis.conf and the files it names.
func (s *Server) configure() error {
	lines := []string{
		"bind " + host,
		"dir " + strconv.Quote(s.dir),
		"daemonize no",
		"loglevel notice",
	}
	lines = append(lines, s.listening()...)
	if !s.o.sentinel {
		lines = append(lines, s.keeping()...)
	}
	lines = append(lines, s.secrets()...)
	lines = append(lines, s.o.Extra...)
	if s.o.TLS {
		if err := s.writeCertificate(); err != nil {
			return err
		}
	}
	if len(s.o.ACLs) > 0 {
		if err := s.write("users.acl", s.users()); err != nil {
			return err
		}
	}
	return s.write("redis.conf", lines)
}

func (s *Server) listening() []string {
	if !s.o.TLS {
		return []string{"port " + strconv.Itoa(s.port)}
	}
	return []string{
		"port 0",
		"tls-port " + strconv.Itoa(s.port),
		"tls-auth-clients no",
		"tls-cert-file " + strconv.Quote(filepath.Join(s.dir, "tls.crt")),
		"tls-key-file " + strconv.Quote(filepath.Join(s.dir, "tls.key")),
		"tls-ca-cert-file " + strconv.Quote(filepath.Join(s.dir, "ca.crt")),
		"tls-replication yes",
		"tls-cluster yes",
	}
}

func (s *Server) keeping() []string {
	lines := []string{`save ""`, "repl-diskless-sync-delay 0"}
	if s.o.AppendOnly {
		lines = append(lines, "appendonly yes")
	}
	if s.o.Fsync != "" {
		lines = append(lines, "appendfsync "+s.o.Fsync)
	}
	if s.o.MaxMemory != "" {
		lines = append(lines, "maxmemory "+s.o.MaxMemory, "maxmemory-policy noeviction")
	}
	if p := s.o.Announce; p != 0 {
		lines = append(lines, fmt.Sprintf("replica-announce-port %d", p), fmt.Sprintf("cluster-announce-port %d", p))
	}
	if of := s.o.ReplicaOf; of != nil {
		lines = append(lines, fmt.Sprintf("replicaof %s %d", host, of.port))
		if name, password := of.credentials(); password != "" {
			lines = append(lines, "masteruser "+name, "masterauth "+strconv.Quote(password))
		}
	}
	return lines
}

// secrets decides who may use the server. redis.conf takes no requirepass
// beside a file of users, so that the default user is written there.
func (s *Server) secrets() []string {
	if len(s.o.ACLs) == 0 {
		if s.o.Password == "" {
			return nil
		}
		s.admin = []string{s.o.Password}
		return []string{"requirepass " + strconv.Quote(s.o.Password), "masterauth " + strconv.Quote(s.o.Password)}
	}
	s.admin = []string{"redistest", rand.Text()}
	return []string{"aclfile " + strconv.Quote(filepath.Join(s.dir, "users.acl"))}
}

func (s *Server) users() []string {
	lines := []string{fmt.Sprintf("user %s on >%s ~* &* +@all", s.admin[0], s.admin[1])}
	if s.o.Password != "" {
		lines = append(lines, fmt.Sprintf("user default on >%s ~* &* +@all", s.o.Password))
	}
	return append(lines, s.o.ACLs...)
}

// credentials answers a name and a password that may do everything.
func (s *Server) credentials() (name, password string) {
	switch len(s.admin) {
	case 1:
		return "default", s.admin[0]
	case 2:
		return s.admin[0], s.admin[1]
	}
	return "", ""
}

func (s *Server) write(name string, lines []string) error {
	return os.WriteFile(filepath.Join(s.dir, name), []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}
