package triggers

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"stanch/connectors"
	"stanch/connectors/graph"
	"stanch/connectors/incident"
	"stanch/connectors/sentinel"
	"stanch/engine"
)

// The throttling classes of the sources' requests, as actions name them.
const (
	classGraph = "graph.security"
	classAzure = "azure"

	classActivity = "activity" // of the audit log, which tells details
)

// feedLane is the lane of the feed's requests: what contains goes before.
const feedLane = 1

var (
	// errMany says that a list is longer than was asked for.
	errMany = errors.New("too many incidents at once")
	// errFaulty wraps why the body of an incident is refused, now and always.
	errFaulty = errors.New("the incident cannot be read")
)

// drawer answers what a source calls before each request: it waits for its turn.
func (f *Feed) drawer(class string) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, b := range f.budgets(class) {
			if err := f.turn(ctx, b); err != nil {
				return err
			}
		}
		return nil
	}
}

// budgets are those that a request of a class draws on: the feed's own first,
// then that which all of Stanch share.
func (f *Feed) budgets(class string) []engine.Budget {
	units := f.Quota
	switch class {
	case classAzure:
		units = f.AzureQuota
	case classActivity:
		units = f.ActivityQuota
	}
	all := []engine.Budget{{Name: "feed/" + class, Windows: []engine.Window{{Units: units, Per: time.Minute}}}}
	if b, limited := f.Shared[class]; limited {
		all = append(all, b)
	}
	return all
}

func (f *Feed) turn(ctx context.Context, b engine.Budget) error {
	d := engine.Draw{Budget: b.Name, Request: "feed/" + rand.Text(), Units: 1, Windows: b.Windows, Lane: feedLane, By: "feed"}
	for {
		drawn, err := f.Store.Draw(ctx, d)
		switch {
		case err != nil:
			return fmt.Errorf("the feed's turn: %w", err)
		case drawn.Go:
			return nil
		case !pause(ctx, drawn.Wait):
			return ctx.Err()
		}
	}
}

// asked is an error of an API with the throttling class of what it was asked for:
// what one source leads to may be another's.
type asked struct {
	class string
	err   error
}

func (a *asked) Error() string { return a.err.Error() }
func (a *asked) Unwrap() error { return a.err }

// askedOf notes the class of a request on its error.
func askedOf(class string, err error) error {
	if err == nil {
		return nil
	}
	return &asked{class, err}
}

// refused tells all of Stanch that an API has refused a request of ours as one
// too many: the budgets of the class that was asked rest.
func (f *Feed) refused(ctx context.Context, err error) {
	from, told := errors.AsType[*asked](err)
	if !told {
		return
	}
	e, is := errors.AsType[*connectors.Error](from)
	if !is || e.Code != connectors.Throttled {
		return
	}
	for _, b := range f.budgets(from.class) {
		if _, err := f.Store.Draw(ctx, engine.Draw{Budget: b.Name, Pause: e.Wait, Refused: true}); err != nil {
			f.Log.Error("the budget of an API could not be told that it refuses", "budget", b.Name, "error", err)
		}
	}
}

// graphSource is Defender XDR.
type graphSource struct {
	client *graph.Client
	draw   func(context.Context) error
}

func (s graphSource) name() string  { return "feed/defender" }
func (s graphSource) class() string { return classGraph }

func (s graphSource) list(ctx context.Context, from, before time.Time, bare bool, most int) ([]sighting, error) {
	if err := s.draw(ctx); err != nil {
		return nil, err
	}
	var all []sighting
	for page, err := range s.client.Incidents(ctx, graph.IncidentQuery{Since: from, Before: before, Bare: bare}) {
		if err != nil {
			return nil, askedOf(s.class(), err)
		}
		for _, one := range page.Incidents {
			all = append(all, sighting{id: incident.NewID(incident.Defender, one.ID), at: one.LastUpdate, raw: one.Raw, bare: bare})
		}
		for _, one := range page.Faulty {
			all = append(all, faulty(incident.Defender, one.ID, one.Raw, one.Err))
		}
		if err := more(ctx, page.More, len(all), most, s.draw); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// more draws for the next page, if there is one and it is wanted.
func more(ctx context.Context, follows bool, have, most int, draw func(context.Context) error) error {
	if !follows {
		return nil
	}
	if most > 0 && have >= most {
		return errMany
	}
	return draw(ctx)
}

// faulty is the sighting of what is no incident.
func faulty(s incident.Source, native string, raw []byte, err error) sighting {
	if native == "" {
		native = "unnamed-" + digestOf(raw)[:16]
	}
	return sighting{id: incident.NewID(s, native), raw: raw, fault: err}
}

func digestOf(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

func (s graphSource) one(ctx context.Context, id string) (sighting, error) {
	_, native, err := incident.ParseID(id)
	if err != nil {
		return sighting{}, err
	}
	if err := s.draw(ctx); err != nil {
		return sighting{}, err
	}
	in, err := s.client.Incident(ctx, native)
	if err != nil {
		return sighting{}, askedOf(s.class(), err)
	}
	return sighting{id: incident.NewID(incident.Defender, in.ID), at: in.LastUpdate, raw: in.Raw}, nil
}

func (s graphSource) whole(ctx context.Context, g sighting) (incident.Incident, error) {
	if g.bare {
		full, err := s.one(ctx, g.id)
		if err != nil {
			return incident.Incident{}, unread(err)
		}
		g = full
	}
	in, err := incident.FromGraph(g.raw)
	if err != nil {
		return in, fmt.Errorf("%w: %w", errFaulty, err)
	}
	return in, nil
}

// unread marks an error of reading one incident that is there at every try.
func unread(err error) error {
	if e, is := errors.AsType[*connectors.Error](err); is && garbled(e) {
		return fmt.Errorf("%w: %w", errFaulty, err)
	}
	return err
}

// garbled reports whether an answer came and is not what it should be.
func garbled(e *connectors.Error) bool {
	return e.Code == connectors.Limit || e.Code == connectors.Failed && e.Status < 300
}

// sentinelSource is a workspace of Sentinel.
type sentinelSource struct {
	client *sentinel.Client
	draw   func(context.Context) error
	twins  bool // Defender is read, too
}

func (s sentinelSource) name() string  { return "feed/sentinel/" + s.client.Workspace().Name }
func (s sentinelSource) class() string { return classAzure }

func (s sentinelSource) list(ctx context.Context, from, before time.Time, _ bool, most int) ([]sighting, error) {
	if err := s.draw(ctx); err != nil {
		return nil, err
	}
	var all []sighting
	for page, err := range s.client.Incidents(ctx, sentinel.Query{Since: from, Before: before}) {
		if err != nil {
			return nil, askedOf(s.class(), err)
		}
		for _, one := range page.Incidents {
			all = append(all, s.sighting(one))
		}
		for _, one := range page.Faulty {
			name := ""
			if one.Name != "" {
				name = s.client.Workspace().Name + "/" + one.Name
			}
			all = append(all, faulty(incident.Sentinel, name, one.Raw, one.Err))
		}
		if err := more(ctx, page.More, len(all), most, s.draw); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (s sentinelSource) sighting(one sentinel.Incident) sighting {
	g := sighting{id: sentinelID(s.client.Workspace().Name, one.Name), at: one.LastUpdate, raw: one.Raw}
	if number := one.Defender(); number != "" && s.twins {
		g.twin = incident.NewID(incident.Defender, number)
	}
	return g
}

func (s sentinelSource) one(ctx context.Context, id string) (sighting, error) {
	if err := s.draw(ctx); err != nil {
		return sighting{}, err
	}
	one, err := s.client.Incident(ctx, nameIn(id))
	if err != nil {
		return sighting{}, askedOf(s.class(), err)
	}
	return s.sighting(one), nil
}

// whole asks for what the list does not have: alerts, entities and comments.
func (s sentinelSource) whole(ctx context.Context, g sighting) (incident.Incident, error) {
	name := nameIn(g.id)
	body := incident.SentinelBody{Workspace: s.client.Workspace().Name, Incident: g.raw}
	for _, part := range []struct {
		into *[]json.RawMessage
		read func(context.Context, string) ([]json.RawMessage, error)
	}{{&body.Alerts, s.client.Alerts}, {&body.Entities, s.client.Entities}, {&body.Comments, s.comments}} {
		if err := s.draw(ctx); err != nil {
			return incident.Incident{}, err
		}
		list, err := part.read(ctx, name)
		if err != nil {
			return incident.Incident{}, unread(askedOf(s.class(), err))
		}
		*part.into = list
	}
	in, err := incident.FromSentinel(body)
	if err != nil {
		return in, fmt.Errorf("%w: %w", errFaulty, err)
	}
	return in, nil
}

func (s sentinelSource) comments(ctx context.Context, name string) ([]json.RawMessage, error) {
	list, err := s.client.Comments(ctx, name)
	raw := make([]json.RawMessage, len(list))
	for i, c := range list {
		raw[i] = c.Raw
	}
	return raw, err
}
