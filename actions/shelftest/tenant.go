// Package shelftest drives actions against a practice tenant over HTTP the way
// the engine does: plan, send once, look when nobody knows, undo. It is for the
// tests of the shelves only.
//
// It knows nothing of any one action, and nothing of playbooks or runs.
package shelftest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"stanch/connectors"
	"stanch/connectors/defender"
	"stanch/connectors/graph"
	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
	"stanch/connectors/sentinel"
)

// Tenant is a practice tenant with clients of it. Its clock goes ahead of the
// real one as far as tests move it, so that waiting takes no time.
type Tenant struct {
	URL    string
	Full   Clients // of the app with every permission
	Reader Clients // of the app that may only read
	server *practicetest.Server
	http   *http.Client
	t      testing.TB
	ahead  atomic.Int64
}

// Clients are the clients of one app.
type Clients struct {
	Graph    *graph.Client
	Defender *defender.Client
	Sentinel *sentinel.Client
}

// Start serves a tenant until the test has ended. Labels take 12 s and machine
// actions 30 s of the tenant's clock unless o says otherwise.
func Start(t testing.TB, o practice.Options) *Tenant {
	t.Helper()
	x := &Tenant{t: t}
	o.Now = func() time.Time { return time.Now().Add(time.Duration(x.ahead.Load())) }
	o.TokenLife = 24 * time.Hour
	if o.LabelTime == 0 {
		o.LabelTime = 12 * time.Second
	}
	if o.MachineActionTime == 0 {
		o.MachineActionTime = 30 * time.Second
	}
	x.server = practicetest.Start(t, o)
	x.URL, x.http = x.server.URL, x.server.Client()
	x.Full, x.Reader = x.clients(practice.FullApp()), x.clients(practice.ReaderApp())
	return x
}

func (x *Tenant) clients(app practice.App) Clients {
	x.t.Helper()
	cloud := connectors.PracticeCloud(x.URL, x.server.CAPEM)
	cred, err := connectors.NewCredential(cloud, connectors.Auth{
		Kind: connectors.ClientSecret, Tenant: practice.ContosoTenantID, Client: app.ID, Secret: connectors.Secret(app.Secret),
	})
	if err != nil {
		x.t.Fatal(err)
	}
	g, err := graph.New(cloud, cred, nil)
	if err != nil {
		x.t.Fatal(err)
	}
	d, err := defender.New(cloud, cred, nil)
	if err != nil {
		x.t.Fatal(err)
	}
	s, err := sentinel.New(cloud, cred, sentinel.Workspace{
		Subscription: practice.ContosoSubscription, ResourceGroup: practice.ContosoResourceGroup, Name: practice.ContosoWorkspace,
	}, nil)
	if err != nil {
		x.t.Fatal(err)
	}
	return Clients{Graph: g, Defender: d, Sentinel: s}
}

// Advance moves the tenant's clock.
func (x *Tenant) Advance(d time.Duration) { x.ahead.Add(int64(max(d, 0))) }

// Now is the tenant's time.
func (x *Tenant) Now() time.Time { return time.Now().Add(time.Duration(x.ahead.Load())) }

// Fault is one entry of POST /practice/faults.
type Fault struct {
	Method     string            `json:"method,omitempty"`
	Path       string            `json:"path"`
	Times      int               `json:"times,omitempty"`
	After      int               `json:"after,omitempty"`
	Status     int               `json:"status,omitempty"`
	Headers    map[string]string `json:"headers,omitempty"`
	Cut        string            `json:"cut,omitempty"`
	StaleReads int               `json:"stale_reads,omitempty"`
	Body       any               `json:"body,omitempty"`
}

// Break sets what goes wrong from now on; nothing clears it.
func (x *Tenant) Break(faults ...Fault) {
	x.t.Helper()
	body, err := json.Marshal(append([]Fault{}, faults...))
	if err != nil {
		x.t.Fatal(err)
	}
	x.control(http.MethodPost, "faults", body)
}

// State is the company as canonical JSON.
func (x *Tenant) State() string {
	x.t.Helper()
	return string(x.control(http.MethodGet, "state", nil))
}

// Changes is the audit so far.
func (x *Tenant) Changes() []practice.Change {
	x.t.Helper()
	var out []practice.Change
	if err := json.Unmarshal(x.control(http.MethodGet, "audit", nil), &out); err != nil {
		x.t.Fatal(err)
	}
	return out
}

// Call does a request as an app with every permission, as somebody else than
// the actions would, and fails the test unless it is answered as a success.
func (x *Tenant) Call(method, path, body string) json.RawMessage {
	x.t.Helper()
	resource := practicetest.ResourceOf(path)
	req, err := http.NewRequestWithContext(x.t.Context(), method, x.URL+path, bytes.NewReader([]byte(body)))
	if err != nil {
		x.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+x.server.Token(x.t, practice.FullApp(), resource))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return x.send(req)
}

func (x *Tenant) control(method, path string, body []byte) []byte {
	x.t.Helper()
	req, err := http.NewRequestWithContext(x.t.Context(), method, x.URL+"/practice/"+path, bytes.NewReader(body))
	if err != nil {
		x.t.Fatal(err)
	}
	return x.send(req)
}

func (x *Tenant) send(req *http.Request) []byte {
	x.t.Helper()
	res, err := x.http.Do(req)
	if err != nil {
		x.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		x.t.Fatal(err)
	}
	if res.StatusCode > 299 {
		x.t.Fatalf("%s %s: %s: %s", req.Method, req.URL.Path, res.Status, raw)
	}
	return raw
}

// Inject puts a Graph incident body into the tenant and answers its number.
func (x *Tenant) Inject(body string) string {
	x.t.Helper()
	var out struct{ ID string }
	if err := json.Unmarshal(x.control(http.MethodPost, "incidents", []byte(body)), &out); err != nil {
		x.t.Fatal(err)
	}
	return out.ID
}
