// Package practice is the practice tenant: a server that speaks the protocols
// of Microsoft Graph, Defender for Endpoint, Sentinel (Azure Resource Manager),
// Log Analytics, the Office 365 Management Activity API and the Entra token
// endpoint over a made-up company. It serves
// the demo, the tests and authors who want to try a playbook without a tenant of
// their own.
//
// It answers as the documented services do: their URLs, verbs, status codes and
// error bodies, permission checks against the token's roles, paging, filters,
// ETags, throttling, work that takes time, and on request stale reads and
// faults. Beside it stand channels of Teams and Slack, receivers of webhooks
// and a desk for tickets. The company changes through these protocols only.
// What happened is told under /practice/audit and /practice/state.
//
// The package knows nothing of Stanch: no connector, no action, no incident
// model. A client that works here by a secret agreement would prove nothing.
//
// Sources of the protocols are named where they are served; where the
// documentation is silent, the comment says so. What is not here: delegated
// permissions, audit queries, of Azure Resource Manager all but
// incidents and automation rules, of SharePoint's own REST API all but the
// recycle bin, the content of files, encryption by labels and their precedence,
// HTTP/2.
package practice

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Options shape a tenant. The zero value is the built-in Contoso with no
// throttling, no latency, no stale reads and work that takes a moment.
type Options struct {
	// Company is a company file (JSON, see Company). Empty means the built-in
	// Contoso, generated from Seed.
	Company []byte
	// Seed varies what is generated: the same seed gives the same company, to
	// the byte.
	Seed uint64
	// Throttle scales the published request limits: 1 is as published, 0.1 a
	// tenth of them, 0 switches throttling off.
	Throttle float64
	// StaleReads is how many reads of an object are answered with its state
	// before a write, counted from that write.
	StaleReads int
	// Latency delays each answer.
	Latency time.Duration
	// AtOnce is how many calls of the cloud's protocols the latency passes for at
	// once; the others wait until one of these has its answer, in the order of
	// their coming. A batch is as many as its requests. 0: no limit.
	AtOnce int
	// Now is the tenant's clock; nil means time.Now.
	Now func() time.Time
	// MachineActionTime is how long a machine action takes from Pending to
	// Succeeded; 0 means 200 ms.
	MachineActionTime time.Duration
	// LabelTime is how long the assignment of a sensitivity label takes after
	// its 202; 0 means 100 ms.
	LabelTime time.Duration
	// TokenLife is how long an access token is valid; 0 means 15 minutes.
	// Clients of the Microsoft identity library refetch tokens that live less
	// than five minutes on every call.
	TokenLife time.Duration
	// Notify sends change notifications; nil means a client that trusts the
	// certificates of the system.
	Notify *http.Client
	// Observe, where set, is told every call of the cloud's protocols once it
	// is answered. It runs on the connection's goroutine, so it may be called
	// from several at once.
	Observe func(Exchange)
}

// Exchange is one call and its answer.
type Exchange struct {
	Request     *http.Request // its body is spent, see RequestBody
	RequestBody []byte
	// Route is the pattern that matched, such as
	// drives/{drive}/items/{item}/permissions, with what stood for its parts;
	// empty where none did or the call did not come so far.
	Route  string
	Args   map[string]string
	Status int
	Header http.Header
	Body   []byte
	// Faulty tells that a fault answered or ended the call.
	Faulty bool
	// Batched tells that the call came in a batch, of which the observer is told
	// when all of its calls are answered.
	Batched bool
}

// Tenant is one running company. It is safe for concurrent use: requests are
// applied one after another under one lock.
type Tenant struct {
	o        Options
	key      []byte
	graph    []route
	machines []route
	azure    []route
	logs     []route
	feed     []route
	// sharePoint is what is served of SharePoint's own REST API.
	sharePoint []route

	mu      sync.Mutex
	world   *world
	changes []Change
	faults  []*fault
	tokens  map[string]claims // that were read before
	places  chan struct{}     // of the calls that the latency passes for; nil: no limit
	queue   chan struct{}     // whose place is next
	limits  limiter
	stale   map[string]*version
	outbox  []notice
	sending bool // notices are being sent
	serial  int
	amended bool   // something came into the company that the changes do not tell
	origin  *world // as it was at the start; kept by the first Reset
}

// New makes a tenant. A company file that breaks its contract is refused with
// an error that names the field.
func New(o Options) (*Tenant, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	setDefault(&o.MachineActionTime, 200*time.Millisecond)
	setDefault(&o.LabelTime, 100*time.Millisecond)
	setDefault(&o.TokenLife, 15*time.Minute)
	if o.Notify == nil {
		o.Notify = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	if o.Throttle < 0 || o.StaleReads < 0 || o.Latency < 0 || o.AtOnce < 0 {
		return nil, fmt.Errorf("practice tenant: throttle, stale reads, latency and calls at once are not negative")
	}
	c := Contoso(o.Seed)
	if len(o.Company) > 0 {
		var err error
		if c, err = ParseCompany(o.Company); err != nil {
			return nil, err
		}
	}
	w, err := build(c)
	if err != nil {
		return nil, err
	}
	// The key follows from the company, so that tokens outlive a restart. It
	// guards nothing: the client secrets are public too.
	mac := hmac.New(sha256.New, []byte("practice token key"))
	fmt.Fprintf(mac, "%s/%d", w.company.TenantID, o.Seed)
	t := &Tenant{
		o: o, key: mac.Sum(nil), graph: graphRoutes(), machines: defenderRoutes(), sharePoint: sharePointRoutes(), azure: sentinelRoutes(), logs: logRoutes(), feed: feedRoutes(), world: w,
		limits: limiter{scale: o.Throttle, windows: map[string]*window{}, spent: map[string]int64{}, serving: map[string]int{}},
		stale:  map[string]*version{}, tokens: map[string]claims{},
	}
	if o.AtOnce > 0 {
		t.places, t.queue = make(chan struct{}, o.AtOnce), make(chan struct{}, 1)
	}
	return t, nil
}

func setDefault(d *time.Duration, v time.Duration) {
	if *d <= 0 {
		*d = v
	}
}

// Handler serves what the cloud serves: Graph under /v1.0 and /beta, Defender
// under /api, Azure Resource Manager under /subscriptions, Log Analytics under
// /v1, the Activity API under /api/v1.0, the token endpoint, the monitor of long-running work, channels and desk,
// and the tenant's own /practice.
func (t *Tenant) Handler() http.Handler {
	control := t.Control()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isControl(r.URL.Path) {
			control.ServeHTTP(w, r)
			return
		}
		t.serveCloud(w, r)
	})
}
