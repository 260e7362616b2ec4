package redisstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"stanch/engine"
	"stanch/engine/history"
	"stanch/engine/redisstore"
)

// TestMain is also the main of the workers that the chaos tests start: the same
// program, told by its environment to be one.
func TestMain(m *testing.M) {
	if raw := os.Getenv("STANCH_CHAOS_WORKER"); raw != "" {
		if err := chaosWork(raw); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

const chaosLease = time.Second

// chaosPlace says where a worker, or the driver, finds what it needs.
type chaosPlace struct {
	Redis   chaosRedis
	Dir     string // for what is the worker's own
	World   string
	History string
	Node    string
	Skew    time.Duration // of its clock
	Workers int
}

// chaosRedis says where the store is.
type chaosRedis struct {
	Addrs    []string
	Cluster  bool
	Sentinel string
	Replicas int
}

func (r chaosRedis) options(work bool) redisstore.Options {
	return redisstore.Options{
		Addrs: r.Addrs, Cluster: r.Cluster, Sentinel: r.Sentinel, Replicas: r.Replicas,
		ProveWithin: 500 * time.Millisecond, Patience: time.Second, Work: work,
	}
}

// chaosStore is a store that is open, and recorded where the place says so.
type chaosStore struct {
	store engine.Store
	docs  engine.Documents
	close func() error
}

// open opens the store and what records it. Redis may be down meanwhile.
func (p *chaosPlace) open(ctx context.Context, o redisstore.Options) (*chaosStore, error) {
	for {
		s, err := redisstore.Open(ctx, o)
		switch {
		case err == nil && p.History == "":
			return &chaosStore{s, s, s.Close}, nil
		case err == nil:
			r, err := history.New(s, s, p.History, p.Node)
			if err != nil {
				return nil, errors.Join(err, s.Close())
			}
			return &chaosStore{r.Store(), r, r.Close}, nil
		case !chaosPasses(err):
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(err, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// chaosPasses tells what comes from a fault of ours from what is wrong.
func chaosPasses(err error) bool {
	for _, final := range []error{engine.ErrNewer, engine.ErrNotFound} {
		if errors.Is(err, final) {
			return false
		}
	}
	return true
}

func (p *chaosPlace) engine(s *chaosStore, log *slog.Logger) *engine.Engine {
	return engine.New(s.store, s.docs, chaosLink{p.World}.catalog(), engine.Options{
		Workers: p.Workers, Lanes: [engine.Lanes]int{2: p.Workers / 2, 3: p.Workers / 4}, Lease: chaosLease, Grace: 2 * time.Second, Log: log,
		Journal: filepath.Join(p.Dir, p.Node+".journal"),
		Groups:  map[string][]string{"officers": {"dana@c.example", "omar@c.example"}},
		Now:     func() time.Time { return time.Now().Add(p.Skew) },
	})
}

// chaosWork is a worker, until SIGTERM.
func chaosWork(raw string) error {
	var p chaosPlace
	if err := json.Unmarshal([]byte(raw), &p); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	o, back := p.Redis.options(true), make(chan redisstore.Rollback, 256)
	o.Remember = filepath.Join(p.Dir, p.Node+".seen")
	o.WentBack = func(r redisstore.Rollback) { back <- r }
	s, err := p.open(ctx, o)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	e := p.engine(s, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	go func() {
		for r := range back {
			if err := e.WentBack(context.Background(), r.String(), r.Of); err != nil {
				fmt.Fprintln(os.Stderr, "WentBack:", err)
			}
		}
	}()
	return errors.Join(e.Work(ctx), s.close())
}

// chaosWorker is a worker's process.
type chaosWorker struct {
	mu    sync.Mutex // one restart at a time
	t     *testing.T
	place chaosPlace
	log   string
	cmd   *exec.Cmd
	ended chan struct{}
}

func (w *chaosWorker) start() {
	raw, err := json.Marshal(w.place)
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := os.OpenFile(w.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		w.t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STANCH_CHAOS_WORKER="+string(raw))
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		cmd.Wait() // how it ended is in its log
	}()
	w.cmd, w.ended = cmd, ended
}

func (w *chaosWorker) signal(s syscall.Signal) { w.cmd.Process.Signal(s) }

// end ends it by a signal, and tells whether it has ended within a time.
func (w *chaosWorker) end(s syscall.Signal, within time.Duration) bool {
	w.signal(s)
	select {
	case <-w.ended:
		return true
	case <-time.After(within):
	}
	w.signal(syscall.SIGKILL)
	<-w.ended
	return false
}

// running tells whether it has not ended of its own.
func (w *chaosWorker) running() bool {
	select {
	case <-w.ended:
		return false
	default:
		return true
	}
}
