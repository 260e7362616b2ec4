package triggers

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"stanch/connectors"
	"stanch/connectors/sentinel"
	"stanch/engine"
	"stanch/playbooks"
)

// The bounds of requests to hooks.
const (
	mostHookBody  = 1 << 20
	mostHookDepth = 64
	hookWindow    = 5 * time.Minute  // how far the time of a signed request may lie from now
	slowestBody   = 10 * time.Second // for a body to come
	slowestAccept = 5 * time.Second  // for the store to take a delivery
	longestQueue  = 3 * time.Second  // for requests that are before this one: then the sender is to come again
	atOnceHooks   = 128              // requests whose bodies are held at once
)

// The ways in which a request to a hook proves where it comes from.
const (
	HookHMAC  = "hmac"  // a signature as Standard Webhooks says
	HookToken = "token" // the secret itself, as a bearer token
	HookGraph = "graph" // Microsoft Graph's clientState
)

// Hook is an address under /hooks/.
type Hook struct {
	Path string
	// Book is started by each request. Without it the requests tell of
	// incidents of Sentinel, which are read and offered to all playbooks.
	Book *playbooks.Playbook
	// Auth is one of HookHMAC, HookToken and HookGraph.
	Auth   string
	Secret connectors.Secret
	// Subscriptions are the ids of those that may tell, with HookGraph; none:
	// any of the tenant.
	Subscriptions []string

	key []byte
}

// HookOptions are what hooks need.
type HookOptions struct {
	Hooks  []Hook
	Engine *engine.Engine
	Docs   engine.Documents
	// Tenant is the id that notifications of Graph must name; "" asks for none.
	Tenant string
	// Workspace is the one of Sentinel whose incidents are told of.
	Workspace sentinel.Workspace
	// Incidents reads those that hooks have told of; nil, if none does.
	Incidents IncidentReader
	Log       *slog.Logger
}

// IncidentReader takes in an incident afresh from its source.
type IncidentReader interface {
	// TakeIn reads an incident by our id and begins the runs that it asks for.
	// Its errors are those of the connectors and the store.
	TakeIn(ctx context.Context, id string) error
	// OfAlert answers our id of the newest incident of Sentinel that an alert
	// belongs to, by the alert's SystemAlertId; "", if none has it yet.
	OfAlert(ctx context.Context, alert string) (string, error)
}

// Hooks take the requests of other systems. What they have answered with 202 is
// in the store: the run is begun, or the incident is noted that is to be read.
type Hooks struct {
	o       HookOptions
	at      map[string]*Hook
	room    chan struct{}
	pace    pace
	pending chan struct{} // an incident was noted
}

// NewHooks makes hooks, or says which cannot be served.
func NewHooks(o HookOptions) (*Hooks, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	h := &Hooks{
		o: o, at: map[string]*Hook{}, room: make(chan struct{}, atOnceHooks), pending: make(chan struct{}, 1),
		pace: pace{left: paceBurst},
	}
	for _, hook := range o.Hooks {
		if err := hook.ready(o); err != nil {
			return nil, fmt.Errorf("hook %s: %w", hook.Path, err)
		}
		if h.at[hook.Path] != nil {
			return nil, fmt.Errorf("hook %s is there twice: every hook has a path of its own", hook.Path)
		}
		h.at[hook.Path] = &hook
	}
	return h, nil
}

// mostClientState is the longest clientState that Graph keeps.
//
// Source: learn.microsoft.com/graph/api/resources/subscription.
const mostClientState = 128

// ready judges a hook and reads its key.
func (hook *Hook) ready(o HookOptions) error {
	switch hook.Auth {
	case HookHMAC:
		hook.key = connectors.WebhookKey(hook.Secret)
	case HookToken, HookGraph:
		hook.key = []byte(hook.Secret)
	default:
		return fmt.Errorf("auth is %q; expected hmac, token or graph", connectors.Plain(hook.Auth))
	}
	if len(hook.key) < connectors.LeastWebhookKey {
		return fmt.Errorf("its secret has less than %d bytes; `openssl rand -base64 32` makes one", connectors.LeastWebhookKey)
	}
	if hook.Auth == HookGraph && len(hook.key) > mostClientState {
		return fmt.Errorf("its secret has more than %d characters, which is the most of Graph's clientState", mostClientState)
	}
	if hook.Book == nil {
		switch {
		case hook.Auth == HookGraph:
			return fmt.Errorf("with auth graph it needs a playbook: Graph does not tell of incidents")
		case o.Incidents == nil || o.Workspace == (sentinel.Workspace{}):
			return fmt.Errorf("it tells of incidents of Sentinel, and no workspace is configured where they could be read")
		}
		return nil
	}
	if hook.Book.On.Webhook == nil || hook.Book.Status == "draft" {
		return fmt.Errorf("no request starts the playbook %s", hook.Book.ID)
	}
	if _, err := hook.Book.BindParams(nil); err != nil {
		return fmt.Errorf("the playbook %s needs defaults for its params: %w", hook.Book.ID, err)
	}
	return nil
}

// hookPrefix is where the paths of hooks begin.
const hookPrefix = "/hooks/"

// ServeHTTP answers 202 for what was taken, else a problem (RFC 9457).
func (h *Hooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	head.Set("Cache-Control", "no-store")
	path, _ := strings.CutPrefix(r.URL.Path, hookPrefix)
	if r.Method != http.MethodPost {
		head.Set("Allow", http.MethodPost)
		h.refuse(w, r, nil, refused(http.StatusMethodNotAllowed, "a hook takes POST", "method "+r.Method))
		return
	}
	hook := h.at[path]
	if hook == nil {
		h.refuse(w, r, nil, refused(http.StatusNotFound, "there is no such hook", "unknown path"))
		return
	}
	if hook.Auth == HookGraph && r.URL.Query().Has(validationToken) {
		if p := validate(w, r); p != nil {
			h.refuse(w, r, hook, p)
		}
		return
	}
	taken, p := h.take(w, r, hook)
	if p != nil {
		h.refuse(w, r, hook, p)
		return
	}
	writeJSON(w, http.StatusAccepted, "application/json", taken)
}

// taken is the body of a 202.
type taken struct {
	Delivery string `json:"delivery,omitempty"` // as the sender named it
	Run      string `json:"run,omitempty"`      // that was begun, now or by an earlier request
}

// take proves a request and brings what it carries into the store.
func (h *Hooks) take(w http.ResponseWriter, r *http.Request, hook *Hook) (taken, *problem) {
	p := plainHead(r.Header)
	if p == nil {
		p = jsonHead(r.Header)
	}
	if p == nil && hook.Auth == HookToken {
		p = hook.bearer(r.Header)
	}
	if p != nil {
		return taken{}, p
	}
	leave, p := h.enter(r.Context())
	if p != nil {
		return taken{}, p
	}
	defer leave()
	body, p := readBody(w, r)
	if p == nil && hook.Auth == HookHMAC {
		p = hook.signed(r.Header, body, time.Now())
	}
	if p != nil {
		return taken{}, p
	}
	if err := connectors.StrictJSON(body, mostHookDepth); err != nil {
		return taken{}, refused(http.StatusBadRequest, "the body cannot be read: "+connectors.Plain(err.Error()), "its body")
	}
	// A sender that leaves does not take back what it has sent.
	ctx, stop := context.WithTimeout(context.WithoutCancel(r.Context()), slowestAccept)
	defer stop()
	switch delivery := r.Header.Get(headID); {
	case hook.Book == nil:
		return h.tell(ctx, hook, body)
	case hook.Auth == HookGraph:
		return taken{}, h.notified(ctx, hook, body)
	default:
		return h.start(ctx, hook, delivery, body)
	}
}

// enter waits for room for one more request.
func (h *Hooks) enter(ctx context.Context) (leave func(), p *problem) {
	leave = func() { <-h.room }
	select {
	case h.room <- struct{}{}:
		return leave, nil
	default:
	}
	ctx, stop := context.WithTimeout(ctx, longestQueue)
	defer stop()
	select {
	case h.room <- struct{}{}:
		return leave, nil
	case <-ctx.Done():
		return nil, later(1, "there are too many requests now", nil)
	}
}
