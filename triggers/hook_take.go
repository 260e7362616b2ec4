package triggers

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"stanch/connectors/sentinel"
)

// Told takes in what hooks tell of, as the feed takes in what it reads: under
// its quota, and each incident once.
type Told struct {
	feed   *Feed
	client *sentinel.Client
	feeds  bool // the feed reads Sentinel, too
}

// NewTold takes in incidents of Sentinel beside a feed, which need not read it.
func NewTold(f *Feed, c *sentinel.Client) *Told {
	own := *f
	own.fill()
	own.Sentinel = c
	return &Told{feed: &own, client: c, feeds: f.Sentinel != nil}
}

// errNotBegun says that what is old cannot be told from what is new yet.
var errNotBegun = errors.New("the incident feed has not begun yet")

// TakeIn reads an incident of Sentinel by our id and begins the runs that it
// asks for. One that it has from Defender is taken as that.
func (t *Told) TakeIn(ctx context.Context, id string) error {
	err := t.takeIn(ctx, id)
	t.feed.refused(ctx, err)
	return err
}

func (t *Told) takeIn(ctx context.Context, id string) error {
	f := t.feed
	from := t.source()
	r := &reading{feed: f, source: from, polled: &Polled{}, ask: map[string]bool{}}
	var err error
	if r.now, err = r.clock(ctx, from.class()); err != nil {
		return err
	}
	if err := r.loadMark(ctx); err != nil {
		return err
	}
	switch {
	case !t.feeds:
		r.mark.Began = time.Time{} // nothing else tells what is old
	case r.mark.version == 0:
		return errNotBegun
	}
	if err := r.loadPoisoned(ctx); err != nil {
		return err
	}
	g, err := from.one(ctx, id)
	if err != nil {
		return err
	}
	if err := r.sort(ctx, g); errors.Is(err, errFaulty) {
		return r.poison(ctx, g, err)
	} else if err != nil {
		return err
	}
	return r.follow(ctx)
}

func (t *Told) source() sentinelSource {
	return sentinelSource{client: t.client, draw: t.feed.drawer(classAzure), twins: t.feed.Graph != nil}
}

// How far an alert's incident is looked for: it was made or changed when the
// alert came.
const (
	alertBack   = 24 * time.Hour
	mostOfAlert = 50 // incidents whose alerts are read
)

// OfAlert answers our id of the incident that an alert belongs to, by the
// alert's SystemAlertId: of those that were modified within a day, the one
// modified last. It is "" where none of the last 50 has it. Errors are those of
// the connector.
func (t *Told) OfAlert(ctx context.Context, alert string) (string, error) {
	s := t.source()
	if err := s.draw(ctx); err != nil {
		return "", err
	}
	for page, err := range t.client.Incidents(ctx, sentinel.Query{Since: time.Now().Add(-alertBack), Top: mostOfAlert}) {
		if err != nil {
			err = askedOf(s.class(), err)
			t.feed.refused(ctx, err)
			return "", err
		}
		for _, in := range page.Incidents {
			if has, err := t.hasAlert(ctx, s, in.Name, alert); err != nil || has {
				return sentinelID(t.client.Workspace().Name, in.Name), err
			}
		}
		break // of one page
	}
	return "", nil
}

func (t *Told) hasAlert(ctx context.Context, s sentinelSource, name, alert string) (bool, error) {
	if err := s.draw(ctx); err != nil {
		return false, err
	}
	alerts, err := t.client.Alerts(ctx, name)
	if err != nil {
		err = askedOf(s.class(), err)
		t.feed.refused(ctx, err)
		return false, err
	}
	for _, raw := range alerts {
		var a struct {
			Properties struct {
				ID string `json:"systemAlertId"`
			} `json:"properties"`
		}
		if json.Unmarshal(raw, &a) == nil && strings.EqualFold(a.Properties.ID, alert) {
			return true, nil
		}
	}
	return false, nil
}
