package redisstore

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

// Sweep takes over what lost workers held, without leasing it.
func (s *Store) Sweep(ctx context.Context) error {
	var errs []error
	for _, p := range s.parts {
		for range 20 {
			_, err := s.do(ctx, p, "claim", 0, 0, "none", "1", "", 0, "sweep", "", "")
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Abandon ends the use of Redis as a kill of the process would.
func (s *Store) Abandon() error {
	s.worker.stop()
	s.holds.all = nil
	return s.Close()
}

// Pack packs all runs that have ended.
func (s *Store) Pack(ctx context.Context) error {
	_, err := s.everywhere(func(p *part) (*list, error) { return nil, s.packEnded(ctx, p) })
	return err
}

// ForgetNodes leaves the ways to the servers with clients that are closed, as they
// are after the client of a cluster has forgotten a node and found it again.
func (s *Store) ForgetNodes() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for addr, p := range s.pipes {
		client := redis.NewClient(p.client.Options())
		_ = client.Close()
		s.pipes[addr] = newPipe(s, client, addr)
		go p.close()
	}
}

// Untried are the commands of scripts of which the probe does not know how they
// are tried.
func Untried() ([]string, error) {
	all, err := loadScripts()
	if err != nil {
		return nil, err
	}
	var untried []string
	for _, c := range all.commands() {
		if sample(c) == "" && c != "TIME" {
			untried = append(untried, c)
		}
	}
	return untried, nil
}

// Hint says that something may be due about a subject.
func (s *Store) Hint(subject string) { s.worker.hint(s.partOf(subject)) }
