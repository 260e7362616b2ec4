package triggers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"stanch/connectors/activity"
	"stanch/connectors/graph"
	"stanch/connectors/incident"
	"stanch/connectors/sentinel"
	"stanch/engine"
	"stanch/playbooks"
)

// The bounds of a feed that nobody sets otherwise.
const (
	shortestOverlap = 10 * time.Minute // the store may forget that long, and updates arrive late
	defaultPoll     = 30 * time.Second
	defaultLease    = 30 * time.Second
	defaultQuota    = 50 // requests a minute: Microsoft lists no number for incidents
	azureQuota      = 300
	activityQuota   = 200
	defaultLoops    = 10

	deepEvery = time.Hour // so often a poll looks deepBack back, for what came later than the overlap
	deepBack  = 24 * time.Hour
)

// Feed brings the incidents of one tenant from Defender XDR and from Sentinel.
// One that Sentinel has from Defender is one incident, Defender's. Of all the
// nodes that run a feed on a store, one polls at a time; another takes over
// within a lease.
type Feed struct {
	Graph    *graph.Client    // nil: Defender is not read
	Sentinel *sentinel.Client // nil: Sentinel is not read
	Engine   *engine.Engine
	Store    engine.Store
	Docs     engine.Documents
	Books    []*playbooks.Playbook
	Activity *activity.Client // audit log, for details of alerts that their sources do not tell; nil: it is not read
	Rules    *RuleSet         // asked about every revision before playbooks are; nil: none
	Poll     time.Duration    // between polls; default 30 s
	Overlap  time.Duration    // default and least 10 min
	Lease    time.Duration    // after which another node takes over; default 30 s

	// Since is where a feed without watermark begins; zero: now. An incident
	// that was opened before and is first seen later starts nothing. A feed
	// that began later than Since reads again from there.
	Since time.Time

	// Quota, AzureQuota and ActivityQuota are how many requests a minute the
	// feed makes to Graph, to Azure and to the audit log; default 50, 300 and
	// 200. Shared are the budgets that they draw on, too, by throttling class:
	// graph.security, azure, activity.
	Quota, AzureQuota, ActivityQuota int64

	Shared map[string]engine.Budget

	// Loops is how many runs of one playbook begin for one incident within an
	// hour; default 10. The next is held: it may be our own doing.
	Loops int

	Holder string // name of this node
	Log    *slog.Logger

	reads int // contents of the log in a pass over it; default 100
}

// Polled is what one poll came to.
type Polled struct {
	Holder   bool // this node is the feeder
	Seen     int  // incidents that the sources answered
	New      int
	Changed  int
	Started  int
	Held     int // runs that were not begun: a loop was suspected
	Poisoned int // incidents that cannot be read, told for the first time
	Aside    int // incidents that could not be taken now: they are tried again
	Detailed int // incidents whose alerts were filled from the audit log
	// Lag is how long ago the sources were last read to their end, of the one
	// for which that is longest.
	Lag time.Duration
}

// leaseName is what the feeder of a store holds.
const leaseName = "feed"

// errLost says that another node is the feeder by now.
var errLost = errors.New("another node feeds now")

// Run polls until ctx ends, while this node is the feeder. A source that does
// not answer is asked again when it said, else after the poll time.
func (f *Feed) Run(ctx context.Context) error {
	f.fill()
	quiet := told{log: f.Log}
	for ctx.Err() == nil {
		token, err := f.Docs.Hold(ctx, leaseName, f.Holder, f.Lease)
		if err == nil && token != 0 {
			err = f.lead(ctx, token)
		}
		if ctx.Err() == nil {
			quiet.tell("the incident feed", err)
			pause(ctx, f.Lease/3)
		}
	}
	return f.release()
}

// lead polls until ctx ends or the lease is lost.
func (f *Feed) lead(ctx context.Context, token int64) error {
	ctx, stop := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { stop(f.renew(ctx, token)) })
	wg.Go(func() { f.looks(ctx) })
	defer wg.Wait()
	defer stop(nil)
	f.Log.Info("this node feeds incidents", "holder", f.Holder)
	quiet := map[string]*told{}
	for {
		polled, failed := f.poll(ctx)
		if ctx.Err() != nil {
			return f.leaves(ctx)
		}
		wait := f.Poll
		for name, err := range failed {
			if quiet[name] == nil {
				quiet[name] = &told{log: f.Log}
			}
			quiet[name].tell(name, err)
			wait = max(wait, retryAfter(err))
		}
		if polled.New+polled.Changed+polled.Poisoned+polled.Held+polled.Aside > 0 {
			f.Log.Info("incidents", "new", polled.New, "changed", polled.Changed, "runs", polled.Started,
				"held", polled.Held, "poisoned", polled.Poisoned, "aside", polled.Aside, "lag", polled.Lag.String())
		}
		if !pause(ctx, wait) {
			return f.leaves(ctx)
		}
	}
}

func (f *Feed) leaves(ctx context.Context) error {
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// renew holds the lease until ctx ends, and answers why it could not.
func (f *Feed) renew(ctx context.Context, token int64) error {
	held := time.Now()
	for pause(ctx, f.Lease/3) {
		now, err := f.Docs.Hold(ctx, leaseName, f.Holder, f.Lease)
		switch {
		case err == nil && now == token:
			held = time.Now()
		case err == nil:
			return errLost
		case time.Since(held) > f.Lease:
			return fmt.Errorf("hold the feed: %w", err)
		}
	}
	return nil
}

func (f *Feed) release() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if _, err := f.Docs.Hold(ctx, leaseName, f.Holder, 0); err != nil {
		return fmt.Errorf("give the feed back: %w", err)
	}
	return nil
}

func (f *Feed) fill() {
	setDefault(&f.Poll, defaultPoll)
	setDefault(&f.Lease, defaultLease)
	setDefault(&f.Quota, defaultQuota)
	setDefault(&f.AzureQuota, azureQuota)
	setDefault(&f.ActivityQuota, activityQuota)
	setDefault(&f.reads, mostRead)
	setDefault(&f.Loops, defaultLoops)
	f.Overlap = max(f.Overlap, shortestOverlap)
	if f.Log == nil {
		f.Log = slog.New(slog.DiscardHandler)
	}
}

func setDefault[T comparable](at *T, v T) {
	if *at == *new(T) {
		*at = v
	}
}

// pause waits; false: ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// told says once that something fails, and once that it works again.
type told struct {
	log  *slog.Logger
	down bool
}

func (t *told) tell(what string, err error) {
	switch {
	case err != nil && !t.down:
		t.log.Error("incidents cannot be read; trying again", "of", what, "error", err)
	case err == nil && t.down:
		t.log.Info("incidents are read again", "of", what)
	}
	t.down = err != nil
}

func retryAfter(err error) time.Duration {
	if r, ok := errors.AsType[interface {
		error
		RetryAfter() (time.Duration, bool)
	}](err); ok {
		d, _ := r.RetryAfter()
		return d
	}
	return 0
}

// PollOnce reads what is new, looks for details that are due, and begins the runs
// that it asks for. Where one source fails, the others are read.
func (f *Feed) PollOnce(ctx context.Context) (Polled, error) {
	f.fill()
	token, err := f.Docs.Hold(ctx, leaseName, f.Holder, max(f.Lease, 2*f.Poll+time.Minute))
	if err != nil || token == 0 {
		return Polled{}, err
	}
	polled, failed := f.poll(ctx)
	failed[lookedKey] = f.lookOnce(ctx, &polled)
	return polled, errors.Join(slices.Collect(maps.Values(failed))...)
}

// poll reads every source once, and answers how each has failed, or nil.
func (f *Feed) poll(ctx context.Context) (Polled, map[string]error) {
	p := Polled{Holder: true}
	failed := map[string]error{}
	for _, s := range f.sources() {
		r := &reading{feed: f, source: s, polled: &p, ask: map[string]bool{}}
		err := r.poll(ctx)
		if err != nil {
			f.refused(ctx, err)
		}
		failed[s.name()] = err
		p.Lag = max(p.Lag, r.lag(err))
	}
	return p, failed
}

// sources are those of the tenant: Defender first, for it has more to tell of
// what both have.
func (f *Feed) sources() []source {
	var all []source
	if f.Graph != nil {
		all = append(all, f.defender())
	}
	if f.Sentinel != nil {
		all = append(all, sentinelSource{client: f.Sentinel, draw: f.drawer(classAzure), twins: f.Graph != nil})
	}
	return all
}

func (f *Feed) defender() graphSource {
	return graphSource{client: f.Graph, draw: f.drawer(classGraph)}
}

// sighting is an incident as a source's list shows it.
type sighting struct {
	id    string    // ours; of what has none that could be read, "" or a made-up one
	at    time.Time // of its last update; zero: not told
	raw   []byte
	bare  bool   // raw is without its alerts
	twin  string // our id of the same incident in Defender, where that is read, too
	fault error  // why it cannot be read
}

// source is an API that tells of incidents. Every request draws on the feed's
// quota before it is made.
type source interface {
	name() string  // of its watermark: feed/…
	class() string // throttling class of its requests
	// list answers the incidents updated from a time on and before another,
	// zero for none; errMany, if there are more than most.
	list(ctx context.Context, from, before time.Time, bare bool, most int) ([]sighting, error)
	// one reads one incident by our id.
	one(ctx context.Context, id string) (sighting, error)
	// whole maps a sighting, reading what the list does not have of it.
	whole(ctx context.Context, g sighting) (incident.Incident, error)
}
