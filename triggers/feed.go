package triggers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"stanch/connectors/graph"
	"stanch/connectors/incident"
	"stanch/engine"
	"stanch/playbooks"
)

// The kinds of documents that the feed keeps.
const (
	docIncident  = "incident"
	docWatermark = "watermark"
	docPoisoned  = "poisoned"
)

// shortestOverlap is how far back every poll reads again at least: the store
// may forget that long, and updates arrive late.
const shortestOverlap = 10 * time.Minute

// Feed brings the incidents of one tenant's Defender XDR. Of all the nodes
// that run one, one polls at a time; another takes over within a lease.
type Feed struct {
	Graph   *graph.Client
	Engine  *engine.Engine
	Docs    engine.Documents
	Books   []*playbooks.Playbook
	Poll    time.Duration // between polls; default 30 s
	Overlap time.Duration // default and least 10 min
	Since   time.Time     // where a feed without watermark begins; zero: now
	Holder  string        // name of this node
	Log     *slog.Logger
}

// Polled is what one poll came to.
type Polled struct {
	Holder   bool // this node is the feeder
	Seen     int
	New      int
	Changed  int
	Started  int
	Poisoned int
}

// stored is the body of an incident document.
type stored struct {
	Incident incident.Incident `json:"incident"`
	Digest   string            `json:"digest"` // of the body as the API sent it
}

// watermark is how far the feed has read.
type watermark struct {
	At time.Time `json:"at"`
}

const feedName = "feed/defender"

// Run polls until ctx ends. An API that does not answer is asked again when it
// said, else after the poll time; it is logged once.
func (f *Feed) Run(ctx context.Context) error {
	f.fill()
	down := false
	for {
		wait := f.Poll
		polled, err := f.poll(ctx)
		switch {
		case ctx.Err() != nil:
			return f.release()
		case err != nil:
			if !down {
				f.Log.Error("the incident feed cannot read; trying again", "error", err)
			}
			down = true
			wait = max(wait, retryAfter(err))
		default:
			if down {
				f.Log.Info("the incident feed reads again")
			}
			down = false
			if polled.New+polled.Changed+polled.Poisoned > 0 {
				f.Log.Info("incidents", "new", polled.New, "changed", polled.Changed, "runs", polled.Started, "poisoned", polled.Poisoned)
			}
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return f.release()
		case <-t.C:
		}
	}
}

func (f *Feed) release() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if _, err := f.Docs.Hold(ctx, feedName, f.Holder, 0); err != nil {
		return fmt.Errorf("give the feed back: %w", err)
	}
	return nil
}

func (f *Feed) fill() {
	if f.Poll == 0 {
		f.Poll = 30 * time.Second
	}
	f.Overlap = max(f.Overlap, shortestOverlap)
	if f.Log == nil {
		f.Log = slog.New(slog.DiscardHandler)
	}
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

// PollOnce reads what is new and begins the runs that it asks for.
func (f *Feed) PollOnce(ctx context.Context) (Polled, error) {
	f.fill()
	return f.poll(ctx)
}

func (f *Feed) poll(ctx context.Context) (Polled, error) {
	var p Polled
	token, err := f.Docs.Hold(ctx, feedName, f.Holder, 2*f.Poll+time.Minute)
	if err != nil || token == 0 {
		return p, err
	}
	p.Holder = true
	mark, version, err := f.mark(ctx)
	if err != nil {
		return p, err
	}
	bodies, err := f.read(ctx, mark.Add(-f.Overlap))
	if err != nil {
		return p, err
	}
	last := mark
	for _, b := range bodies {
		p.Seen++
		if err := f.take(ctx, b, &p); err != nil {
			return p, err
		}
		if b.LastUpdate.After(last) {
			last = b.LastUpdate
		}
	}
	// After every run of the page is begun, and never beyond the present: a
	// date in the future would hide what comes before it.
	if now := time.Now(); last.After(now) {
		last = now
	}
	if last.After(mark) || version == 0 {
		return p, f.move(ctx, last, version)
	}
	return p, nil
}

// mark answers the watermark and its version, 0 if there is none.
func (f *Feed) mark(ctx context.Context) (time.Time, int64, error) {
	doc, err := f.Docs.Get(ctx, docWatermark, feedName)
	if errors.Is(err, engine.ErrNotFound) {
		if f.Since.IsZero() {
			f.Since = time.Now()
		}
		return f.Since.Add(f.Overlap), 0, nil
	}
	if err != nil {
		return time.Time{}, 0, fmt.Errorf("watermark: %w", err)
	}
	var w watermark
	if err := json.Unmarshal(doc.Body, &w); err != nil {
		return time.Time{}, 0, fmt.Errorf("watermark: %w", err)
	}
	return w.At, doc.Version, nil
}

func (f *Feed) move(ctx context.Context, to time.Time, version int64) error {
	body, err := json.Marshal(watermark{At: to})
	if err != nil {
		return err
	}
	_, err = f.Docs.Put(ctx, engine.Document{Kind: docWatermark, Key: feedName, Body: body, Version: version})
	if errors.Is(err, engine.ErrConflict) {
		return nil // another node feeds now
	}
	if err != nil {
		return fmt.Errorf("watermark: %w", err)
	}
	return nil
}

// read answers every incident updated since, the oldest update first: what
// happened first is decided first.
func (f *Feed) read(ctx context.Context, since time.Time) ([]graph.Incident, error) {
	var all []graph.Incident
	for page, err := range f.Graph.Incidents(ctx, graph.IncidentQuery{Since: since}) {
		if err != nil {
			return nil, err
		}
		all = append(all, page.Incidents...)
	}
	slices.SortStableFunc(all, func(a, b graph.Incident) int { return a.LastUpdate.Compare(b.LastUpdate) })
	return all, nil
}
