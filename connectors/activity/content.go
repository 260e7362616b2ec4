package activity

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"stanch/connectors"
)

// Bounds of the API and ours.
const (
	window      = 24 * time.Hour     // the longest span of one list
	available   = 7 * 24 * time.Hour // how long content can be had
	mostContent = 10_000             // of one reading
	// early keeps a list that begins seven days ago within them while it is on
	// its way, and where our clock is a little behind.
	early = 5 * time.Minute
)

// Available is when content that can still be had became available at the
// earliest.
func Available(now time.Time) time.Time { return now.Add(early - available) }

// Content is where events of a type are.
type Content struct {
	ID      string
	Created time.Time // when it became available
	Expires time.Time
	address string
}

type wireContent struct {
	ID      text   `json:"contentId"`
	Address text   `json:"contentUri"`
	Created moment `json:"contentCreated"`
	Expires moment `json:"contentExpiration"`
}

// Contents lists what became available at from or after and before to, each once,
// in windows of 24 hours. Events in it may be much older than it, and have no
// order.
//
// Source: learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-reference#list-available-content.
func (c *Client) Contents(ctx context.Context, t ContentType, from, to time.Time) ([]Content, error) {
	from, to = from.UTC().Truncate(time.Second), to.UTC().Truncate(time.Second).Add(time.Second)
	op := "list content of " + connectors.Plain(string(t))
	if span := to.Sub(from); span <= 0 || span > available+time.Hour {
		return nil, &connectors.Error{
			Op: "activity: " + op, Code: connectors.Invalid,
			Message: fmt.Sprintf("from %s to %s; expected a time to its end of at most seven days", from.Format(time.RFC3339), to.Format(time.RFC3339)),
		}
	}
	out, seen := []Content{}, map[string]bool{}
	for at := from; at.Before(to); at = at.Add(window) {
		if err := c.listed(ctx, op, t, [2]time.Time{at, earlier(at.Add(window), to)}, func(x Content) error {
			if !seen[x.ID] {
				seen[x.ID] = true
				out = append(out, x)
			}
			if len(out) > mostContent {
				return &connectors.Error{Op: "activity: " + op, Code: connectors.Limit, Message: fmt.Sprintf("more than %d contents", mostContent), Hint: "ask for less at once"}
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// listed yields the contents of one window.
func (c *Client) listed(ctx context.Context, op string, t ContentType, span [2]time.Time, each func(Content) error) error {
	r, err := c.request(ctx, op, "subscriptions", "content")
	if err != nil {
		return err
	}
	always := r.Query
	r = about(r, t)
	r.Query = append(r.Query[:1:1], connectors.Param{Key: "startTime", Value: stamp(span[0])}, connectors.Param{Key: "endTime", Value: stamp(span[1])})
	for page, err := range c.api.BarePages(ctx, r, always...) {
		if err != nil {
			return explained(err, t.permission())
		}
		for _, raw := range page.Items {
			var w wireContent
			if err := json.Unmarshal(raw, &w); err != nil || w.ID == "" || w.Address == "" {
				return &connectors.Error{Op: "activity: " + op, Code: connectors.Failed, RequestID: page.Reply.RequestID, Message: "an entry of the list has no contentId or no contentUri"}
			}
			if err := each(Content{ID: string(w.ID), Created: w.Created.Time, Expires: w.Expires.Time, address: string(w.Address)}); err != nil {
				return err
			}
		}
		if page.More {
			if err := c.waits(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// stamp is a time as the API takes one.
func stamp(t time.Time) string { return t.Format("2006-01-02T15:04:05") }

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// Events are events of data loss prevention. They are not to be changed.
type Events struct {
	Records []Record // by time
	// Unreadable counts events that could not be read, and content that was gone
	// before it was.
	Unreadable int
}

// DLP reads the events of data loss prevention that became available at from or
// after and before to, each once.
func (c *Client) DLP(ctx context.Context, from, to time.Time) (Events, error) {
	contents, err := c.Contents(ctx, DLP, from, to)
	if err != nil {
		return Events{}, err
	}
	out, seen := Events{Records: []Record{}}, map[string]bool{}
	for _, x := range contents {
		events, err := c.Read(ctx, x)
		if err != nil {
			return Events{}, err
		}
		out.Unreadable += events.Unreadable
		for _, r := range events.Records {
			if !seen[r.ID] {
				seen[r.ID] = true
				out.Records = append(out.Records, r)
			}
		}
	}
	slices.SortStableFunc(out.Records, func(a, b Record) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	return out, nil
}

// Read answers the events of one content, which is asked for once. Content that
// is gone counts as one that cannot be read.
//
// Source: learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-reference#retrieving-content.
func (c *Client) Read(ctx context.Context, x Content) (Events, error) {
	if known, is := c.kept.get(x.ID); is {
		return known, nil
	}
	r, err := c.request(ctx, "read content", "audit")
	if err != nil {
		return Events{}, err
	}
	r.Permission = ReadDLP
	var raw []json.RawMessage
	if _, err := c.api.ReadAt(ctx, r, x.address, &raw); err != nil {
		err = explained(discreet(err), ReadDLP)
		if e, is := errors.AsType[*connectors.Error](err); is && e.Code == connectors.NotFound && !NoSubscription(err) {
			return Events{Records: []Record{}, Unreadable: 1}, nil
		}
		return Events{}, err
	}
	out := Events{Records: []Record{}}
	for _, one := range raw {
		record, is := parse(one)
		if !is {
			out.Unreadable++
			continue
		}
		out.Records = append(out.Records, record)
	}
	c.kept.put(x, out)
	return out, nil
}
