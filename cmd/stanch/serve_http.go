package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"time"

	"stanch/cmd/stanch/internal/config"
	"stanch/connectors/practice"
	"stanch/engine"
	"stanch/playbooks"
	"stanch/triggers"
)

// How long the server waits for others.
const (
	headerWithin = 5 * time.Second
	othersWithin = 30 * time.Second // for a request, and for an answer to be taken
	drainWithin  = 15 * time.Second // for requests under way, at the end
	readyWithin  = 2 * time.Second
)

const mostHeader = 64 << 10 // bytes

// site is what serve answers to others.
type site struct {
	address string
	hooks   []triggers.Hook
}

// siteOf is what the operator wants to be listened to; without an address,
// nothing. A hook without its secret is an error: nobody could prove a request.
func siteOf(cfg *config.Config, flag string, books []*playbooks.Playbook, log *slog.Logger) (site, error) {
	s := site{address: cmp.Or(flag, cfg.Listen)}
	if _, _, err := net.SplitHostPort(s.address); s.address != "" && err != nil {
		return s, misused("--listen must be HOST:PORT, such as 127.0.0.1:8080, not %q", s.address)
	}
	taken := map[string]bool{}
	for _, b := range books {
		t := b.On.Webhook
		switch {
		case t == nil:
			continue
		case b.Status == "draft":
			log.Info("a draft is not started by requests", "playbook", b.ID, "hook", t.Path)
			continue
		case s.address == "":
			log.Warn("a playbook waits for requests, and nothing is listened to: say where as `listen`", "playbook", b.ID, "hook", t.Path)
			continue
		}
		h, known := cfg.Hooks[t.Path]
		switch {
		case !known:
			return s, fmt.Errorf("%s waits at /hooks/%s, and the configuration has no secret for it: add hooks: {%s: {secret: {env: NAME}}}", b.File, t.Path, t.Path)
		case h.Kind != config.HookPlaybook:
			return s, fmt.Errorf("%s waits at /hooks/%s, and hooks.%s is of kind %s: give one of them another path", b.File, t.Path, t.Path, h.Kind)
		}
		taken[t.Path] = true
		s.hooks = append(s.hooks, triggers.Hook{Path: t.Path, Book: b, Auth: t.Auth, Subscriptions: h.Subscriptions})
	}
	if s.address == "" {
		return s, nil
	}
	for _, path := range slices.Sorted(maps.Keys(cfg.Hooks)) {
		switch h := cfg.Hooks[path]; {
		case h.Kind == config.HookSentinel:
			s.hooks = append(s.hooks, triggers.Hook{Path: path, Auth: h.Auth})
		case !taken[path]:
			log.Info("no playbook waits at a hook of the configuration", "hook", path)
		}
	}
	for i, h := range s.hooks {
		secret, err := cfg.Hooks[h.Path].Secret.Read()
		if err != nil {
			return s, fmt.Errorf("hooks.%s.secret: %w", h.Path, err)
		}
		s.hooks[i].Secret = secret
	}
	return s, nil
}

var tenantGUID = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// tenantID is the tenant's id, as far as the configuration says it.
func tenantID(cfg *config.Config) string {
	switch id := cfg.Tenant.ID; {
	case tenantGUID.MatchString(id):
		return id
	case id == "" && cfg.Tenant.Cloud == config.Practice:
		return practice.ContosoTenantID
	}
	return ""
}

// opened is a site that listens.
type opened struct {
	hooks  *triggers.Hooks
	server *http.Server
	at     net.Listener
}

// open begins to listen.
func (s site) open(ctx context.Context, d *desk, feed *triggers.Feed, log *slog.Logger) (*opened, error) {
	var incidents triggers.IncidentReader
	if c := d.tenant.sentinel; c != nil {
		incidents = triggers.NewTold(feed, c)
	}
	hooks, err := triggers.NewHooks(triggers.HookOptions{
		Hooks: s.hooks, Engine: d.engine, Docs: d.store, Tenant: tenantID(d.cfg), Workspace: workspaceOf(d.cfg), Incidents: incidents, Log: log,
	})
	if err != nil {
		return nil, err
	}
	var listen net.ListenConfig
	at, err := listen.Listen(ctx, "tcp", s.address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w: give another address with --listen", err)
	}
	if tcp, is := at.Addr().(*net.TCPAddr); is && !tcp.IP.IsLoopback() {
		log.Warn("requests come in plain http: let a proxy with TLS stand before this address", "listen", at.Addr().String())
	}
	mux := http.NewServeMux()
	mux.Handle("/hooks/", hooks)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { says(w, http.StatusOK, "alive") })
	mux.Handle("GET /readyz", &readiness{docs: d.store})
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: headerWithin, ReadTimeout: othersWithin, WriteTimeout: othersWithin, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: mostHeader, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	paths := make([]string, len(s.hooks))
	for i, h := range s.hooks {
		paths[i] = "/hooks/" + h.Path
	}
	log.Info("listening", "address", at.Addr().String(), "hooks", paths)
	return &opened{hooks, server, at}, nil
}

// run answers requests until ctx ends, and then those that are under way.
func (o *opened) run(ctx context.Context) error {
	return alongside(ctx, o.hooks.Run, func(ctx context.Context) error {
		done := make(chan error, 1)
		go func() { done <- o.server.Serve(o.at) }()
		select {
		case err := <-done:
			return fmt.Errorf("listen: %w", err)
		case <-ctx.Done():
		}
		drain, stop := context.WithTimeout(context.WithoutCancel(ctx), drainWithin)
		defer stop()
		if err := o.server.Shutdown(drain); err != nil {
			_ = o.server.Close() // what has not come by now comes again
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("listen: %w", err)
		}
		return nil
	})
}

// readiness tells whether the store answers. It asks once a second at most.
type readiness struct {
	docs engine.Documents

	mu sync.Mutex
	at time.Time
	ok bool
}

func (r *readiness) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.at) > time.Second {
		ctx, stop := context.WithTimeout(q.Context(), readyWithin)
		defer stop()
		_, err := r.docs.Get(ctx, "ready", "ready")
		r.ok, r.at = err == nil || errors.Is(err, engine.ErrNotFound), time.Now()
	}
	if !r.ok {
		w.Header().Set("Retry-After", "5")
		says(w, http.StatusServiceUnavailable, "the store does not answer")
		return
	}
	says(w, http.StatusOK, "ready")
}

// says answers one line.
func says(w http.ResponseWriter, status int, what string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, what)
}
