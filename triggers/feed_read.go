package triggers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"stanch/connectors"
	"stanch/connectors/incident"
	"stanch/engine"
)

// How much is read and taken at once.
const (
	mostListed  = 500         // of one list, unless it is of a minute
	leastSlice  = time.Minute // of time, of which a list may be as long as it is
	leastFaulty = time.Second // of time, of which a list that cannot be read is set aside
	chunk       = 256         // the watermark moves after so many
	atOnce      = 16
)

// reading is one poll of one source.
type reading struct {
	feed   *Feed
	source source
	mark   mark
	now    time.Time // the store's, when it began
	frozen bool
	packer packer
	known  map[string]string // digests of incidents that are set aside as unreadable, by id

	mu     sync.Mutex
	polled *Polled
	ask    map[string]bool // incidents that others led to; true: to be read
}

// lag is how long ago the source was last read to its end.
func (r *reading) lag(err error) time.Duration {
	if err == nil || r.mark.Read.IsZero() {
		return 0
	}
	return max(0, r.now.Sub(r.mark.Read))
}

// poll reads what has changed since the watermark, in slices of time that are
// not too long to be held, and what was set aside.
func (r *reading) poll(ctx context.Context) error {
	at, err := r.clock(ctx, r.source.class())
	if err != nil {
		return err
	}
	r.now = at
	if err := r.loadMark(ctx); err != nil {
		return err
	}
	if err := r.loadPoisoned(ctx); err != nil {
		return err
	}
	from := r.from()
	deep := from
	if ago := r.now.Sub(r.mark.Deep); ago >= deepEvery || ago < 0 {
		deep = latest(r.mark.Began, earliest(from, r.now.Add(-deepBack)))
	}
	if err := r.slices(ctx, deep); err != nil {
		return err
	}
	if deep.Before(from) || r.mark.Deep.IsZero() {
		r.mark.Deep = r.now
	}
	if err := r.alerts(ctx); err != nil {
		return err
	}
	if err := r.again(ctx); err != nil {
		return err
	}
	r.mark.Read = r.now
	return r.saveMark(ctx)
}

// clock answers the store's time: a node's own may be wrong.
func (r *reading) clock(ctx context.Context, class string) (time.Time, error) {
	frozen, err := r.feed.Store.Freeze(ctx, engine.Freeze{})
	if err != nil {
		return time.Time{}, fmt.Errorf("the freeze: %w", err)
	}
	r.frozen = frozen.On
	b := r.feed.budgets(class)[0]
	told, err := r.feed.Store.Draw(ctx, engine.Draw{Budget: b.Name})
	if err != nil {
		return time.Time{}, fmt.Errorf("the store's clock: %w", err)
	}
	return told.At, nil
}

// from is where a poll begins: the overlap behind the watermark, but not before
// the feed began. A watermark of when the store's clock was ahead is as good as
// the present.
func (r *reading) from() time.Time {
	return latest(earliest(r.mark.At, r.now).Add(-r.feed.Overlap), r.mark.Began)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// slices reads from a time until now, slice by slice. A slice with too many
// incidents is halved; so is one whose list cannot be read, until what is wrong
// with it has been left out.
func (r *reading) slices(ctx context.Context, from time.Time) error {
	width := max(r.now.Sub(from), leastSlice)
	for probed := false; ; {
		before := from.Add(width)
		if !before.Before(r.now) {
			before = time.Time{}
		}
		list, err := r.listed(ctx, from, before, width)
		e, answered := errors.AsType[*connectors.Error](err)
		switch {
		case errors.Is(err, errMany):
			width /= 2
			continue
		case answered && garbled(e) && (probed || r.probe(ctx)):
			probed = true
			if width > leastFaulty {
				width = max(min(width, r.now.Sub(from))/2, leastFaulty)
				continue
			}
			if err := r.setAside(sliceName+from.UTC().Format(time.RFC3339Nano), err); err != nil {
				return err
			}
		case err != nil:
			return err
		}
		if err := r.takeAll(ctx, list); err != nil {
			return err
		}
		if before.IsZero() {
			return nil
		}
		r.move(before)
		from, width = before, 2*width
	}
}

// listed reads a slice; where its answer cannot be read, once more without
// alerts, which are the larger part of it.
func (r *reading) listed(ctx context.Context, from, before time.Time, width time.Duration) ([]sighting, error) {
	most := mostListed
	if width <= leastSlice {
		most = 0
	}
	list, err := r.source.list(ctx, from, before, false, most)
	if e, is := errors.AsType[*connectors.Error](err); is && garbled(e) {
		list, err = r.source.list(ctx, from, before, true, most)
	}
	return list, err
}

// probe reports whether the API answers a list that nothing can be wrong with:
// one of the future.
func (r *reading) probe(ctx context.Context) bool {
	_, err := r.source.list(ctx, r.now.Add(deepBack), r.now.Add(2*deepBack), true, 0)
	return err == nil
}

// takeAll takes the incidents of a list, the oldest update first: what happened
// first is decided first, about. The watermark moves with them.
func (r *reading) takeAll(ctx context.Context, list []sighting) error {
	list = newestOf(list)
	r.count(func(p *Polled) { p.Seen += len(list) })
	for some := range slices.Chunk(list, chunk) {
		if err := r.takeSome(ctx, some); err != nil {
			return err
		}
		r.move(some[len(some)-1].at)
		if len(some) == chunk {
			if err := r.saveMark(ctx); err != nil {
				return err
			}
		}
	}
	return r.follow(ctx)
}

// newestOf keeps of each incident what was updated last, and sorts.
func newestOf(list []sighting) []sighting {
	slices.SortStableFunc(list, func(a, b sighting) int { return cmp.Or(strings.Compare(a.id, b.id), b.at.Compare(a.at)) })
	list = slices.CompactFunc(list, func(a, b sighting) bool { return a.id == b.id })
	slices.SortStableFunc(list, func(a, b sighting) int { return a.at.Compare(b.at) })
	return list
}

// takeSome takes incidents side by side. The first failure that is not one of a
// single incident ends it.
func (r *reading) takeSome(ctx context.Context, list []sighting) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var wg sync.WaitGroup
	next := make(chan sighting)
	for range min(atOnce, len(list)) {
		wg.Go(func() {
			for g := range next {
				if err := r.one(ctx, g); err != nil {
					stop(err)
				}
			}
		})
	}
	for _, g := range list {
		if ctx.Err() != nil {
			break
		}
		next <- g
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}

// one takes an incident. What stands in the way of this one alone sets it aside.
func (r *reading) one(ctx context.Context, g sighting) error {
	err := r.sort(ctx, g)
	switch {
	case err == nil:
		r.mu.Lock()
		delete(r.mark.Aside, g.id)
		r.mu.Unlock()
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, errFaulty):
		return r.poison(ctx, g, err)
	case single(err):
		return r.setAside(g.id, err)
	}
	return fmt.Errorf("incident %s: %w", g.id, err)
}

// sort sends a sighting its way: what cannot be read is set aside, and what
// Defender has, too, is taken as Defender's.
func (r *reading) sort(ctx context.Context, g sighting) error {
	switch {
	case g.fault != nil:
		return fmt.Errorf("%w: %w", errFaulty, g.fault)
	case g.twin != "":
		return r.takeTwin(ctx, g)
	}
	return r.take(ctx, r.sourceOf(g.id), g)
}

// sourceOf is the source of an incident: what one of Sentinel leads to may be
// Defender's.
func (r *reading) sourceOf(id string) source {
	if source, _, err := incident.ParseID(id); err == nil && source == incident.Defender && r.feed.Graph != nil {
		return r.feed.defender()
	}
	return r.source
}

func (r *reading) count(add func(*Polled)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	add(r.polled)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
