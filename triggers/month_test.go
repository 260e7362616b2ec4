package triggers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/activity"
	"stanch/connectors/graph"
	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
	"stanch/connectors/sentinel"
	"stanch/engine"
	"stanch/engine/sqlitestore"
	"stanch/playbooks"
	"stanch/triggers"
)

// TestAMonthOfIncidents lets a month of incident life happen by dice, with API
// faults, crashes at every act of the store, two nodes and clocks that jump.
// Again and again each playbook has been started exactly as often as an oracle
// says, which knows what was done to the tenant, and the newest state of every
// incident is known. Of the feed the oracle knows nothing but which states of an
// incident it has seen: where many things happen between two polls, that is up to
// the dice; a state that never was, or one that is older than what was seen, fails.
func TestAMonthOfIncidents(t *testing.T) {
	for seed, days := range []int{30, 30, 10, 10} {
		if testing.Short() {
			days = 3
		}
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			m := newMonth(t, uint64(seed))
			for m.tenantNow().Before(monthBegan.AddDate(0, 0, days)) {
				for range 1 + m.dice.IntN(4) {
					m.happen()
				}
				m.settle()
				m.judge()
				m.pass(m.upTo(oneOf(m, 4*time.Minute, 40*time.Minute, 16*time.Hour, 20*time.Hour)))
			}
			for what, n := range m.done {
				t.Logf("%5d × %s", n, what)
			}
			if len(m.want) < days {
				t.Errorf("only %d runs were wanted: the month is too quiet", len(m.want))
			}
		})
	}
}

var monthBegan = time.Date(2026, 12, 1, 6, 0, 0, 0, time.UTC)

// monthBooks listen to everything that the oracle knows.
const monthBooks = `
opened: {events: [created], if: incident.severity == "high"}
raised: {events: [updated], changes: [severity], if: incident.severity == "high"}
joined: {events: [updated], changes: [alerts], if: 'len(event.new_alerts) > 0 and "microsoftDefenderForEndpoint" in incident.service_sources'}
closed: {events: [updated], changes: [status], if: incident.status == "resolved"}
tagged: {events: [updated], changes: [tags], if: '"vip" in incident.tags'}
merged: {events: [updated], changes: [redirected_to], if: incident.redirected_to != nil}
any: {events: [created, updated], changes: [severity, status, tags, alerts, redirected_to, title]}
`

type month struct {
	t      *testing.T
	dice   *rand.Rand
	server *practicetest.Server
	graph  *graph.Client
	azure  *sentinel.Client
	log    *activity.Client
	store  *sqlitestore.Store
	nodes  []*feeder
	done   map[string]int

	mu     sync.Mutex
	now    time.Time     // the tenant's clock
	skew   time.Duration // of the store's
	oracle map[string]*told
	want   []string // playbook and incident of every run that is wanted, sorted
	have   []string
	cursor string
	n      int
	ahead  bool     // incidents may be dated in the future
	late   bool     // something was told of later than the overlap
	asked  []string // paths of requests to the tenant
}

// observe notes what the tenant is asked, and holds it against its description.
func (m *month) observe(x practice.Exchange) {
	m.mu.Lock()
	m.asked = append(m.asked, x.Request.URL.Path)
	m.mu.Unlock()
	if !x.Faulty && x.Status < http.StatusMultipleChoices {
		if err := practicetest.CheckRequest(x); err != nil {
			m.t.Error(err)
		}
	}
}

// requests are the paths with a text in them that the tenant was asked for.
func (m *month) requests(with string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(m.asked), func(path string) bool { return !strings.Contains(path, with) })
}

// told is what the oracle knows of an incident.
type told struct {
	now, seen *state
	been      []*state // between them, the oldest first
	poisoned  bool
	created   time.Time
}

// change lets what is now be what was, until it is changed.
func (in *told) change() *state {
	in.been = append(in.been, in.now)
	in.now = in.now.clone()
	return in.now
}

func (s *state) equal(o *state) bool {
	return s.severity == o.severity && s.status == o.status && s.title == o.title && s.into == o.into &&
		slices.Equal(s.tags, o.tags) && slices.Equal(s.alerts, o.alerts)
}

// state is what matters of an incident.
type state struct {
	severity, status, title, into string
	tags, alerts                  []string
	devices                       bool // an alert of a device is among the alerts
}

func (s *state) clone() *state {
	out := *s
	out.tags, out.alerts = slices.Clone(s.tags), slices.Clone(s.alerts)
	return &out
}

func (m *month) tenantNow() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

func (m *month) storeNow() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now.Add(m.skew)
}

func (m *month) pass(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = m.now.Add(d)
}

func newMonth(t *testing.T, seed uint64) *month {
	m := &month{t: t, dice: rand.New(rand.NewPCG(seed, 7)), now: monthBegan, ahead: seed%2 == 0, oracle: map[string]*told{}, done: map[string]int{}}
	m.server = practicetest.Start(t, practice.Options{Now: m.tenantNow, TokenLife: 5000 * time.Hour, Observe: m.observe})
	app := practice.FullApp()
	cloud := connectors.PracticeCloud(m.server.URL, m.server.CAPEM)
	cred, err := connectors.NewCredential(cloud, connectors.Auth{
		Kind: connectors.ClientSecret, Tenant: practice.ContosoTenantID, Client: app.ID, Secret: connectors.Secret(app.Secret),
	})
	m.ok(err)
	m.graph, err = graph.New(cloud, cred, nil)
	m.ok(err)
	m.azure, err = sentinel.New(cloud, cred, sentinel.Workspace{
		Subscription: practice.ContosoSubscription, ResourceGroup: practice.ContosoResourceGroup, Name: practice.ContosoWorkspace,
	}, nil)
	m.ok(err)
	m.log, err = activity.New(cloud, cred, nil)
	m.ok(err)
	m.store, err = sqlitestore.OpenMemory(m.storeNow)
	m.ok(err)
	t.Cleanup(func() { m.ok(m.store.Close()) })
	catalog, err := actions.Collect()
	m.ok(err)
	for i := range 2 {
		n := &feeder{month: m, Store: m.store, Documents: m.store}
		world := engine.New(n, n, catalog, engine.Options{})
		var books []*playbooks.Playbook
		for line := range strings.Lines(strings.TrimSpace(monthBooks)) {
			id, on, _ := strings.Cut(strings.TrimSpace(line), ": ")
			text := fmt.Sprintf("playbook: %s\ntitle: t\nstatus: stable\non: {incident: %s}\nsteps:\n  - set: {x: 1}\n", id, on)
			book, findings := playbooks.LoadAndCheck(id+".yaml", []byte(text), world.World())
			if playbooks.HasErrors(findings) {
				t.Fatal(findings[0].Text())
			}
			books = append(books, book)
		}
		n.feed = triggers.Feed{
			Graph: m.graph, Sentinel: m.azure, Activity: m.log, Engine: world, Store: n, Docs: n, Books: books,
			Since: monthBegan, Quota: 1e9, AzureQuota: 1e9, ActivityQuota: 1e9, Loops: 1e6, Holder: fmt.Sprintf("node %d", i),
		}
		m.nodes = append(m.nodes, n)
	}
	return m
}

func (m *month) ok(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// feeder is a node that feeds, on a store that fails or stops it at an act.
type feeder struct {
	engine.Store
	engine.Documents
	month *month
	feed  triggers.Feed

	mu    sync.Mutex
	acts  int
	at    int    // this act is the one; 0: none
	how   string // before | after | away
	away  func()
	fired bool
	alone sync.RWMutex // while it is away, nothing else of it acts
}

var errCrash = errors.New("the process has crashed")

// act counts a changing act; it answers the error by which the process ends.
func (n *feeder) act(do func() error) error {
	n.mu.Lock()
	n.acts++
	strikes := n.at > 0 && n.acts == n.at
	how := n.how
	dead := n.at > 0 && n.acts > n.at && how != "away"
	n.fired = n.fired || strikes
	n.mu.Unlock()
	switch {
	case dead || strikes && how == "before":
		return errCrash
	case strikes && how == "away":
		n.alone.Lock()
		n.away()
		n.alone.Unlock()
	}
	n.alone.RLock()
	err := do()
	n.alone.RUnlock()
	if strikes && how == "after" {
		return errCrash
	}
	return err
}

func (n *feeder) Put(ctx context.Context, d engine.Document) (version int64, err error) {
	err = n.act(func() error { version, err = n.Documents.Put(ctx, d); return err })
	return version, err
}

func (n *feeder) Begin(ctx context.Context, b engine.Begin) (begun engine.Begun, err error) {
	err = n.act(func() error { begun, err = n.Store.Begin(ctx, b); return err })
	return begun, err
}

func (n *feeder) Close() error { return nil }

// poll polls once, as a process that may be new.
func (n *feeder) poll() (triggers.Polled, error) {
	feed := n.feed // nothing is remembered from one poll to the next
	p, err := feed.PollOnce(n.month.t.Context())
	n.month.look()
	return p, err
}

func (m *month) roll(odds float64) bool { return m.dice.Float64() < odds }

func (m *month) upTo(d time.Duration) time.Duration {
	return time.Duration(1+m.dice.IntN(int(d/time.Second))) * time.Second
}

func oneOf[T any](m *month, all ...T) T { return all[m.dice.IntN(len(all))] }

// settle lets faults and crashes strike, and then the feed come to its end.
func (m *month) settle() {
	for m.roll(0.5) {
		m.trouble()
		m.faults(`[]`)
		if m.roll(0.5) {
			m.pass(m.upTo(20 * time.Minute)) // beyond the overlap, too
		}
		for m.roll(0.5) {
			m.happen()
		}
	}
	if m.late {
		m.pass(6 * time.Hour) // until a poll looks far back, whatever the clocks are
		m.late = false
	}
	for try := 0; ; try++ {
		for _, n := range m.nodes {
			n.at = 0
			p, err := n.poll()
			if err != nil {
				m.t.Fatalf("a poll without trouble: %v", err)
			}
			if p.Holder && p.Aside == 0 && try > 0 {
				return
			}
		}
		m.pass(3 * time.Minute) // the lease of one that has crashed ends
		if try > 5 {
			m.t.Fatal("nobody feeds")
		}
	}
}

func (m *month) trouble() {
	if m.roll(0.2) {
		m.one()
		return
	}
	n := oneOf(m, m.nodes...)
	n.acts, n.at, n.fired = 0, 0, false
	switch m.dice.IntN(4) {
	case 0:
		stale := []string{
			`[{"method":"GET","path":"**/incidents","stale_reads":1}]`,
			`[{"method":"GET","path":"**/incidents/*","stale_reads":1}]`,
		}
		if m.ahead { // what is dated ahead cannot be told from an older state of it
			stale = []string{`[]`, `[]`}
		}
		m.faults(oneOf(m,
			`[{"method":"GET","path":"**/security/incidents","times":1,"status":503}]`,
			`[{"method":"GET","path":"**/incidents","times":2,"cut":"middle"}]`,
			`[{"method":"GET","path":"**/Microsoft.SecurityInsights/**","times":1,"status":500}]`,
			`[{"method":"POST","path":"**/entities","status":500}]`,
			stale[0], stale[1],
			`[{"method":"GET","path":"**/security/incidents","times":1,"status":200,"headers":{"Content-Type":"text/html"},"body":"<html>sign in</html>"}]`,
		))
		m.did("API fault")
	case 1:
		n.at, n.how = 1+m.dice.IntN(12), oneOf(m, "before", "after")
	case 2:
		other := m.nodes[0]
		if other == n {
			other = m.nodes[1]
		}
		n.at, n.how = 1+m.dice.IntN(8), "away"
		n.away = func() {
			m.look()
			for m.roll(0.7) {
				m.happen()
			}
			m.pass(2 * time.Minute) // so long is the lease, and the process comes back
			if p, err := other.poll(); err != nil {
				m.t.Errorf("the other node: %v", err)
			} else if p.Holder {
				m.did("another node took over")
			}
		}
	case 3:
		m.mu.Lock()
		m.skew = time.Duration(m.dice.IntN(240)-120) * time.Minute
		m.mu.Unlock()
		m.late = true
		m.did("the store's clock jumped")
	}
	if _, err := n.poll(); n.fired && n.how != "away" {
		m.did("crash")
		if !errors.Is(err, errCrash) {
			m.t.Errorf("a crash ended the poll with %v", err)
		}
	} else if err != nil {
		m.did("failed poll")
	}
	n.at = 0
}

// one lets the API fail for a single incident, until the feed has read far beyond
// it.
func (m *month) one() {
	m.did("API fault of one incident")
	m.n++
	m.pass(time.Second)
	m.openSentinel()
	m.faults(`[{"method":"POST","path":"**/entities","status":500}]`)
	for range 3 {
		for _, n := range m.nodes {
			n.at = 0
			_, err := n.poll()
			m.ok(err)
		}
		m.pass(12 * time.Minute)
		m.openDefender()
	}
	m.pass(40 * time.Minute) // by then it is tried again
}

func (m *month) did(what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done[what]++
}

func (m *month) faults(body string) {
	resp, err := m.server.Client().Post(m.server.URL+"/practice/faults", "application/json", strings.NewReader(body))
	m.ok(err)
	m.ok(resp.Body.Close())
	if resp.StatusCode != http.StatusNoContent {
		m.t.Fatalf("faults: %s", resp.Status)
	}
}

// look tells the oracle which state of each incident has been seen by now.
func (m *month) look() {
	for _, id := range slices.Sorted(maps.Keys(m.oracle)) {
		in := m.oracle[id]
		if in.seen != nil && len(in.been) == 0 && in.seen.equal(in.now) {
			continue // judge looks whether it stays so
		}
		got, err := m.known(id)
		if in.poisoned && errors.Is(err, engine.ErrNotFound) || in.seen == nil && errors.Is(err, engine.ErrNotFound) {
			continue
		}
		m.ok(err)
		if in.seen != nil && got.equal(in.seen) {
			continue
		}
		states := append(slices.Clone(in.been), in.now)
		at := slices.IndexFunc(states, got.equal)
		if at < 0 {
			m.t.Fatalf("%s is known as %+v: it was never so, or no longer when it was seen as %+v; it is %+v", id, *got, in.seen, *in.now)
		}
		for _, book := range in.starts(states[at]) {
			m.want = append(m.want, book+" "+id)
		}
		in.seen, in.been = states[at].clone(), slices.Clone(states[min(at+1, len(in.been)):len(in.been)])
	}
}

// known is what the store has of an incident.
func (m *month) known(id string) (*state, error) {
	in, err := triggers.Incident(m.t.Context(), m.store, id)
	s := &state{severity: string(in.Severity), status: string(in.Status), title: in.Title, tags: in.Tags}
	if in.RedirectedTo != nil {
		s.into = *in.RedirectedTo
	}
	for _, a := range in.Alerts {
		s.alerts = append(s.alerts, a.ID)
	}
	slices.Sort(s.alerts)
	return s, err
}

// judge compares what was begun with what the oracle says, and what is known
// with what is there.
func (m *month) judge() {
	m.t.Helper()
	for _, id := range slices.Sorted(maps.Keys(m.oracle)) {
		if in := m.oracle[id]; !in.poisoned {
			got, err := m.known(id)
			m.ok(err)
			if !got.equal(in.now) {
				m.t.Fatalf("%s is known as %+v, it is %+v", id, *got, *in.now)
			}
		}
	}
	for {
		page, err := m.store.Follow(m.t.Context(), m.cursor, 1000)
		m.ok(err)
		for _, r := range page.Records {
			if r.Kind == "run" {
				m.have = append(m.have, r.Head.Playbook+" "+r.Head.Subject)
			}
		}
		if m.cursor = page.Cursor; !page.More {
			break
		}
	}
	slices.Sort(m.want)
	slices.Sort(m.have)
	if !slices.Equal(m.want, m.have) {
		more, less := lacks(m.have, m.want), lacks(m.want, m.have)
		for _, r := range append(slices.Clone(more), less...) {
			_, id, _ := strings.Cut(r, " ")
			records, err := triggers.Records(m.t.Context(), m.store, id)
			raw, _ := json.Marshal(records)
			m.t.Logf("%s: %s %v\nnow %+v", id, raw, err, m.oracle[id].now)
		}
		m.t.Fatalf("on %s runs were begun that nobody wanted: %v; and not those wanted: %v", m.tenantNow(), more, less)
	}
}

// lacks lists what a has more often than b.
func lacks(a, b []string) []string {
	count := map[string]int{}
	for _, s := range b {
		count[s]++
	}
	var rest []string
	for _, s := range a {
		if count[s]--; count[s] < 0 {
			rest = append(rest, s)
		}
	}
	return rest
}

// starts are the playbooks that the change from what was seen to a later state
// starts.
func (in *told) starts(now *state) []string {
	seen := in.seen
	var all []string
	add := func(book string, is bool) {
		if is {
			all = append(all, book)
		}
	}
	if seen == nil {
		if in.created.Before(monthBegan) {
			return nil
		}
		add("opened", now.severity == "high")
		add("any", true)
		return all
	}
	changed := func(a, b []string) bool { return len(lacks(a, b))+len(lacks(b, a)) > 0 }
	ours := func(tag string) bool { return strings.HasPrefix(tag, "by-us-") && !slices.Contains(seen.tags, tag) }
	tags := changed(slices.DeleteFunc(slices.Clone(now.tags), ours), seen.tags)
	add("raised", now.severity != seen.severity && now.severity == "high")
	add("joined", len(lacks(now.alerts, seen.alerts)) > 0 && now.devices)
	add("closed", now.status != seen.status && now.status == "resolved")
	add("tagged", tags && slices.Contains(now.tags, "vip"))
	add("merged", now.into != seen.into && now.into != "")
	add("any", now.severity != seen.severity || now.status != seen.status || tags ||
		changed(now.alerts, seen.alerts) || now.into != seen.into || now.title != seen.title)
	return all
}
