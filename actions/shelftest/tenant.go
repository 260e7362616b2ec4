// Package shelftest drives actions against a practice tenant over HTTP the way
// the engine does: plan, send once, look when nobody knows, undo. It is for the
// tests of the shelves only.
//
// It knows nothing of any one action, and nothing of playbooks or runs.
package shelftest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"stanch/connectors"
	"stanch/connectors/activity"
	"stanch/connectors/defender"
	"stanch/connectors/evidence"
	"stanch/connectors/graph"
	"stanch/connectors/loganalytics"
	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
	"stanch/connectors/sentinel"
	"stanch/connectors/sharepoint"
	"stanch/connectors/web"
)

// Tenant is a practice tenant with clients of it. Its clock goes ahead of the
// real one as far as tests move it, so that waiting takes no time.
type Tenant struct {
	URL    string
	Full   Clients // of the app with every permission
	Reader Clients // of the app that may only read
	server *practicetest.Server
	vault  *evidence.Vault
	http   *http.Client
	t      testing.TB
	clock  func() time.Time
	ahead  atomic.Int64
}

// Clients are the clients of one app.
type Clients struct {
	Graph      *graph.Client
	Defender   *defender.Client
	Sentinel   *sentinel.Client
	SharePoint *sharepoint.Client
	Activity   *activity.Client
	// Web has the practice tenant's desk as service "desk" and its channels
	// "teams", "slack", "email" and "webhook". What the reader has are a token of the
	// desk that only reads, and addresses of channels that are not theirs.
	Web  *web.Client
	Logs *loganalytics.Client
	// Evidence is a vault in a folder of the test's own.
	Evidence *evidence.Vault
}

// Start serves a tenant until the test has ended. Labels take 12 s and machine
// actions 30 s of the tenant's clock unless o says otherwise; o.Now, where
// given, says where that clock stands before tests move it.
func Start(t testing.TB, o practice.Options) *Tenant {
	t.Helper()
	x := &Tenant{t: t, clock: time.Now}
	if o.Now != nil {
		x.clock = o.Now
	}
	o.Now = x.Now
	o.TokenLife = 100 * 24 * time.Hour
	if o.LabelTime == 0 {
		o.LabelTime = 12 * time.Second
	}
	if o.MachineActionTime == 0 {
		o.MachineActionTime = 30 * time.Second
	}
	x.server = practicetest.Start(t, o)
	x.URL, x.http, x.vault = x.server.URL, x.server.Client(), newVault(t)
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
	l, err := loganalytics.New(cloud, cred, nil)
	if err != nil {
		x.t.Fatal(err)
	}
	s, err := sharepoint.New(cloud, cred, nil)
	if err != nil {
		x.t.Fatal(err)
	}
	act, err := activity.New(cloud, cred, nil)
	if err != nil {
		x.t.Fatal(err)
	}
	w, err := web.New(x.outside(app.ID == practice.FullApp().ID))
	if err != nil {
		x.t.Fatal(err)
	}
	sen, err := sentinel.New(cloud, cred, sentinel.Workspace{
		Subscription: practice.ContosoSubscription, ResourceGroup: practice.ContosoResourceGroup, Name: practice.ContosoWorkspace,
	}, nil)
	if err != nil {
		x.t.Fatal(err)
	}
	return Clients{Graph: g, Defender: d, Sentinel: sen, SharePoint: s, Activity: act, Web: w, Logs: l, Evidence: x.vault}
}

// newVault makes a vault of items of at most 8 MB that records nothing.
func newVault(t testing.TB) *evidence.Vault {
	t.Helper()
	place, err := evidence.NewFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	v, err := evidence.New(evidence.Options{
		Place: place, Key: "test", MaxSize: 8 << 20, Keep: 24 * time.Hour,
		Keys: map[string]connectors.Secret{"test": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="},
	})
	if err != nil {
		t.Fatal(err)
	}
	v.Record = func(context.Context, evidence.Access) error { return nil }
	return v
}

func (x *Tenant) outside(full bool) web.Options {
	token, other, key := practice.DeskToken, "", practice.WebhookKey
	if !full {
		token, other, key = practice.DeskReadToken, "-of-others", "a-key-that-others-have-not"
	}
	return web.Options{
		CA: x.server.CAPEM,
		Services: map[string]web.Service{"desk": {
			Base: x.URL + "/desk", CA: x.server.CAPEM, Auth: web.Auth{Kind: web.Bearer, Secret: connectors.Secret(token)},
		}},
		Channels: map[string]web.Channel{
			"teams":   {Kind: web.Teams, URL: connectors.Secret(strings.Replace(x.URL+practice.TeamsPath("teams"), "/workflows/teams", "/workflows/teams"+other, 1))},
			"slack":   {Kind: web.Slack, URL: connectors.Secret(strings.Replace(x.URL+practice.SlackPath("slack"), "/slack/", "/slack"+other+"/", 1))},
			"email":   {Kind: web.Email, From: "dana.officer@" + practice.ContosoDomain, To: []string{"omar.officer@" + practice.ContosoDomain, "sam.ortiz@" + practice.ContosoDomain}},
			"webhook": {Kind: web.Webhook, URL: connectors.Secret(x.URL + practice.WebhookPath("webhook")), Key: connectors.Secret(key)},
		},
	}
}

// Advance moves the tenant's clock.
func (x *Tenant) Advance(d time.Duration) { x.ahead.Add(int64(max(d, 0))) }

// Now is the tenant's time.
func (x *Tenant) Now() time.Time { return x.clock().Add(time.Duration(x.ahead.Load())) }

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
	token := practice.DeskToken
	if !strings.HasPrefix(path, "/desk/") {
		token = x.server.Token(x.t, practice.FullApp(), resource)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return x.send(req)
}

// Control calls what is not Microsoft's, below /practice/.
func (x *Tenant) Control(method, path, body string) []byte {
	x.t.Helper()
	return x.control(method, path, []byte(body))
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
