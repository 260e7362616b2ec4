package triggers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"stanch/connectors"
	"stanch/engine"
)

// What is tried again, and what others lead to. A reading does both by itself,
// one after the other, once it has read on.

// mostLed is how many incidents others lead to, of one poll.
const mostLed = 100

// aside is an incident that could not be taken, though it is not at fault.
type aside struct {
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
	Tries  int       `json:"tries"`
	Next   time.Time `json:"next"`
}

// How often what was set aside is tried again, and how much is.
const (
	firstAgain = time.Minute
	lastAgain  = time.Hour
	mostAside  = 1000
)

// later is when it is tried again.
func (a aside) later(now time.Time, reason string) aside {
	wait := min(firstAgain<<min(a.Tries, 10), lastAgain)
	if a.Since.IsZero() {
		a.Since = now
	}
	a.Reason, a.Tries, a.Next = reason, a.Tries+1, now.Add(wait)
	return a
}

// sliceName begins the name of a slice of time that is set aside.
const sliceName = "slice/"

// single reports whether an error may be that of one incident alone: a part of
// the store that is damaged, or an API that answers for others.
func single(err error) bool {
	if errors.Is(err, errWaits) || errors.Is(err, errOvertaken) || errors.Is(err, engine.ErrDamaged) {
		return true
	}
	if e, is := errors.AsType[*connectors.Error](err); is {
		switch e.Code {
		case connectors.Throttled, connectors.Unauthorized, connectors.Forbidden:
			return false
		}
		return true
	}
	return false
}

// setAside notes an incident that is to be tried again.
func (r *reading) setAside(id string, why error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	was, known := r.mark.Aside[id]
	if !known {
		if len(r.mark.Aside) >= mostAside {
			return fmt.Errorf("%d incidents are set aside already: %w", mostAside, why)
		}
		if !errors.Is(why, errWaits) {
			r.feed.Log.Error("an incident cannot be taken now and is set aside; it is tried again", "incident", id, "error", why)
		}
		r.polled.Aside++
	}
	r.mark.Aside[id] = was.later(r.now, cutReason(why.Error()))
	return nil
}

// again tries what was set aside and is due.
func (r *reading) again(ctx context.Context) error {
	for _, id := range sortedKeys(r.mark.Aside) {
		a := r.mark.Aside[id]
		if a.Next.After(r.now) {
			continue
		}
		if err := r.retry(ctx, id); err != nil {
			return err
		}
	}
	return r.follow(ctx)
}

func (r *reading) retry(ctx context.Context, id string) error {
	if text, is := strings.CutPrefix(id, sliceName); is {
		return r.retrySlice(ctx, id, text)
	}
	g, err := r.sourceOf(id).one(ctx, id)
	e, answered := errors.AsType[*connectors.Error](err)
	switch {
	case answered && e.Code == connectors.NotFound:
		r.feed.Log.Info("an incident that was set aside is gone", "incident", id)
		delete(r.mark.Aside, id)
		return nil
	case answered && garbled(e):
		delete(r.mark.Aside, id)
		return r.poison(ctx, sighting{id: id, raw: []byte(e.Message)}, err)
	case err != nil && single(err):
		return r.setAside(id, err)
	case err != nil:
		return err
	}
	return r.one(ctx, g)
}

func (r *reading) retrySlice(ctx context.Context, id, text string) error {
	from, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return fmt.Errorf("watermark: %s is set aside: %w", id, err)
	}
	list, err := r.listed(ctx, from, from.Add(leastFaulty), leastFaulty)
	if err != nil {
		if single(err) {
			return r.setAside(id, err)
		}
		return err
	}
	delete(r.mark.Aside, id)
	return r.takeSome(ctx, list)
}

// lead notes an incident that something else led to. It answers false where that
// is one too many for this poll.
func (r *reading) lead(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.leads(id)
}

// leadOnce is lead, which answers false, too, where it was noted before.
func (r *reading) leadOnce(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, known := r.ask[id]
	return !known && r.leads(id)
}

func (r *reading) leads(id string) bool {
	_, known := r.ask[id]
	if !known && len(r.ask) >= mostLed {
		return false
	}
	if !known {
		r.ask[id] = true
	}
	return true
}

// follow reads the incidents that others led to: what those taken were merged
// into may not be on the list, and is what became of them.
func (r *reading) follow(ctx context.Context) error {
	for {
		var next []string
		for _, id := range sortedKeys(r.ask) {
			if r.ask[id] {
				next, r.ask[id] = append(next, id), false
			}
		}
		if len(next) == 0 {
			return nil
		}
		for _, id := range next {
			if err := r.retry(ctx, id); err != nil {
				return err
			}
		}
	}
}
