package triggers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"stanch/connectors"
	"stanch/connectors/activity"
)

// pass reads the log from where the first of what is due has not been looked
// through, a stretch of it, and goes on with what has not come to its end.
func (l *looking) pass(ctx context.Context) error {
	from := l.now
	for _, w := range l.due {
		from = earliest(from, w.at)
	}
	contents, until, seen, err := l.contents(ctx, from)
	if err != nil {
		return err
	}
	l.read += len(contents)
	read := 0
	for i, x := range contents {
		if i > 0 && x.Created.After(contents[i-1].Created) && time.Now().After(l.over) {
			until, seen = x.Created, x.Created
			break
		}
		events, err := l.client.Read(ctx, x)
		if err == nil {
			read++
		} else if events, err = l.miss(ctx, x, err); err != nil {
			return err
		}
		l.sort(x, events)
	}
	if l.missed > 0 && read == 0 {
		return l.failed
	}
	if !l.again.IsZero() {
		seen = earliest(seen, l.again)
	}
	left := l.due[:0:0]
	for _, w := range l.due {
		w.at, w.From = latest(w.at, until), latest(w.From, seen)
		ends, err := l.settle(ctx, w)
		switch {
		case err != nil && !single(err):
			return err
		case err != nil:
			l.failed = errors.Join(l.failed, fmt.Errorf("incident %s: %w", w.id, err))
		case !ends:
			left = append(left, w)
		}
	}
	l.due = left
	return nil
}

// miss deals with content that could not be read: that one alone holds nothing
// up. What is wrong with itself is counted as unreadable, and so is what was not to
// be had for days. What the service does not hand out now is asked for again by the
// next look.
func (l *looking) miss(ctx context.Context, x activity.Content, err error) (activity.Events, error) {
	e, answered := errors.AsType[*connectors.Error](err)
	switch {
	case !answered || ctx.Err() != nil || !single(err) || activity.NoSubscription(err):
		return activity.Events{}, askedOf(classActivity, err)
	case garbled(e) || e.Code == connectors.Refused || l.now.Sub(x.Created) > longUnserved:
		return activity.Events{Unreadable: 1}, nil
	}
	if l.missed++; l.missed > mostUnserved {
		return activity.Events{}, askedOf(classActivity, err)
	}
	if l.again.IsZero() {
		l.again, l.failed = x.Created, errors.Join(l.failed, fmt.Errorf("content %s: %w", cutReason(x.ID), err))
	}
	l.again = earliest(l.again, x.Created)
	return activity.Events{}, nil
}

// contents lists what became available from a time on, in order of that, not more
// than a pass reads, and answers until when that is all there is: by our clock, and
// by what has been seen, for our clock may be ahead.
func (l *looking) contents(ctx context.Context, from time.Time) (list []activity.Content, until, seen time.Time, err error) {
	until = earliest(from.Add(passSpan), l.now)
	list, err = l.client.Contents(ctx, activity.DLP, from, until)
	for {
		e, is := errors.AsType[*connectors.Error](err)
		if !is || e.Code != connectors.Limit || until.Sub(from) <= leastSpan {
			break
		}
		until = from.Add(until.Sub(from) / 2)
		list, err = l.client.Contents(ctx, activity.DLP, from, until)
	}
	if err != nil {
		return nil, until, from, askedOf(classActivity, err)
	}
	for i, x := range list { // it was asked for what lies between
		list[i].Created = latest(from, earliest(x.Created, until))
	}
	slices.SortStableFunc(list, func(a, b activity.Content) int { return a.Created.Compare(b.Created) })
	n := min(len(list), l.feed.reads)
	for n > 0 && n < len(list) && list[n].Created.Equal(list[n-1].Created) {
		n++
	}
	if n < len(list) {
		until = latest(from, list[n].Created)
		return list[:n], until, until, nil
	}
	if n > 0 {
		return list, until, latest(from, list[n-1].Created.Add(-lookBehind)), nil
	}
	return list, until, from, nil
}

// sort gives events to the incidents that they are about.
func (l *looking) sort(x activity.Content, events activity.Events) {
	if events.Unreadable > 0 {
		for _, w := range l.due {
			w.Short = w.Short || !x.Created.Before(w.at)
		}
	}
	for _, e := range events.Records {
		for _, at := range l.index.Of(e) {
			l.owners[at].add(e)
		}
	}
}
