package engine

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Message is an event for whoever waits for it by name and key. It is kept for
// a day, whether anybody waits or not.
type Message struct {
	ID   string          `json:"id"` // the sender's; a second one under the same name and key is no other. "": a new one
	Name string          `json:"name"`
	Key  string          `json:"key"`
	Data json.RawMessage `json:"data,omitempty"` // any JSON value, at most 64 KiB
	By   string          `json:"by,omitempty"`
	At   time.Time       `json:"at,omitzero"` // when it was kept, by the store's clock; not the sender's to set
}

// Posted answers Post.
type Posted struct {
	ID   string
	New  bool     // false: it was sent before
	Runs []string // those that were waiting for it; a run takes it only once
}

// The kinds of document that the mailbox is made of. The key of each begins
// with the box, which is the hash of name and key, and a slash.
const (
	docMessage = "message" // box/id: what was sent
	docPost    = "post"    // box/id: what is to be sent, until every waiting strand has been told
	docWaiter  = "waiter"  // box/run/strand/step: who waits
	docTaken   = "taken"   // box/id/run: which step of the run took it
)

const (
	keptMessage = 24 * time.Hour
	maxMessage  = 64 << 10
	maxInBox    = 1000 // messages under one name and key
	page        = 200
)

// waiter is the body of a docWaiter: a strand that is to be told.
type waiter struct {
	Run    string `json:"run"`
	Strand string `json:"strand"`
	Path   string `json:"path"`
}

// box is where messages of a name and key are kept.
func box(name, key string) string {
	sum := sha256.Sum256([]byte(name + "\x00" + key))
	return hex.EncodeToString(sum[:16])
}

// Post sends a message. Once it has answered without an error nothing is lost:
// whoever waits now or within a day gets it. It refuses (ErrRefused) what is no
// message.
func (e *Engine) Post(ctx context.Context, m Message) (Posted, error) {
	if m.ID == "" {
		m.ID = newID()
	}
	if err := m.check(); err != nil {
		return Posted{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	at := box(m.Name, m.Key) + "/" + m.ID
	switch known, err := e.each(ctx, docMessage, box(m.Name, m.Key)+"/"); {
	case err != nil:
		return Posted{}, fmt.Errorf("post %s: %w", m.Name, err)
	case slices.ContainsFunc(known, func(d Document) bool { return d.Key == at }):
		return Posted{ID: m.ID}, nil
	case len(known) >= maxInBox:
		return Posted{}, fmt.Errorf("%w: %d messages are kept under %s %s already, none is taken for a day", ErrRefused, len(known), m.Name, m.Key)
	}
	m.At = time.Time{}
	body, err := json.Marshal(m)
	if err != nil {
		return Posted{}, fmt.Errorf("post %s: %w", m.Name, err)
	}
	// Should this process end before all that wait are told, a worker goes on.
	if _, err := e.docs.Put(ctx, Document{Kind: docPost, Key: at, Body: body, Version: AnyVersion}); err != nil {
		return Posted{}, fmt.Errorf("post %s: %w", m.Name, err)
	}
	return e.deliver(ctx, at, m, body)
}

// check answers why a message is none.
func (m *Message) check() error {
	text := func(what, s string, most int) error {
		switch {
		case s == "":
			return fmt.Errorf("the %s of the event is empty", what)
		case len(s) > most:
			return fmt.Errorf("the %s of the event has %d bytes, at most %d are allowed", what, len(s), most)
		case strings.ContainsFunc(s, unicode.IsControl):
			return fmt.Errorf("the %s of the event has a control character", what)
		}
		return nil
	}
	if err := cmp.Or(text("name", m.Name, 200), text("key", m.Key, 1000), text("id", m.ID, 200)); err != nil {
		return err
	}
	switch {
	case len(m.Data) > maxMessage:
		return fmt.Errorf("the data of the event has %d bytes, at most %d are allowed", len(m.Data), maxMessage)
	case len(m.Data) > 0 && !json.Valid(m.Data):
		return errors.New("the data of the event is no JSON")
	}
	return nil
}

// deliver keeps a message and tells those who wait. It may be done again.
func (e *Engine) deliver(ctx context.Context, at string, m Message, body []byte) (Posted, error) {
	posted := Posted{ID: m.ID, New: true}
	_, err := e.docs.Put(ctx, Document{Kind: docMessage, Key: at, Body: body, Expires: keptMessage})
	if errors.Is(err, ErrConflict) {
		posted.New, err = false, nil
	}
	if err != nil {
		return posted, fmt.Errorf("post %s: %w", m.Name, err)
	}
	waiting, err := e.each(ctx, docWaiter, box(m.Name, m.Key)+"/")
	if err != nil {
		return posted, fmt.Errorf("post %s: %w", m.Name, err)
	}
	for _, d := range waiting {
		var w waiter
		if err := json.Unmarshal(d.Body, &w); err != nil {
			return posted, fmt.Errorf("waiter %s: %w", d.Key, err)
		}
		told, err := e.tell(ctx, at, d, w)
		if err != nil {
			return posted, fmt.Errorf("post %s: run %s: %w", m.Name, w.Run, err)
		}
		if told && !slices.Contains(posted.Runs, w.Run) {
			posted.Runs = append(posted.Runs, w.Run)
		}
	}
	if err := e.docs.Delete(ctx, docPost, at, AnyVersion); err != nil {
		return posted, fmt.Errorf("post %s: %w", m.Name, err)
	}
	return posted, nil
}

// tell makes a waiting strand look into its box. One that has ended waits no
// more.
func (e *Engine) tell(ctx context.Context, at string, d Document, w waiter) (bool, error) {
	_, err := e.store.Signal(ctx, Signal{
		Request: "post " + at + " " + d.Key, Run: w.Run, Strand: w.Strand, Seen: AnyVersion,
		Body: fact{Kind: kMail, Path: w.Path}.encode(),
	})
	if errors.Is(err, ErrEnded) || errors.Is(err, ErrNotFound) {
		return false, e.docs.Delete(ctx, docWaiter, d.Key, AnyVersion)
	}
	return err == nil, err
}

// each answers the documents of a kind whose keys begin so.
func (e *Engine) each(ctx context.Context, kind, prefix string) ([]Document, error) {
	var all []Document
	for after := prefix; ; {
		docs, err := e.docs.Each(ctx, kind, after, page)
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			if !strings.HasPrefix(d.Key, prefix) {
				return all, nil
			}
			all, after = append(all, d), d.Key
		}
		if len(docs) < page {
			return all, nil
		}
	}
}

// messages answers what is kept in a box, the oldest first.
func (e *Engine) messages(ctx context.Context, in string) ([]Message, error) {
	docs, err := e.each(ctx, docMessage, in+"/")
	if err != nil {
		return nil, err
	}
	// Of those that were kept at the same moment the first comes first.
	slices.SortFunc(docs, func(a, b Document) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Version, b.Version)) })
	all := make([]Message, len(docs))
	for i, d := range docs {
		if err := json.Unmarshal(d.Body, &all[i]); err != nil {
			return nil, fmt.Errorf("message %s: %w", d.Key, err)
		}
		all[i].At = d.At
	}
	return all, nil
}

// sweepEvery is how often workers look for messages whose sender has gone.
const sweepEvery = 10 * time.Second

// sweep delivers, until ctx ends, what senders that have gone have left behind.
func (e *Engine) sweep(ctx context.Context) {
	for sleep(ctx, sweepEvery) {
		left, err := e.docs.Each(ctx, docPost, "", page)
		if err != nil && ctx.Err() == nil {
			e.silent(err)
		}
		err = e.deliverLeft(ctx, left)
		switch {
		case err == nil || ctx.Err() != nil:
		case errors.Is(err, ErrDamaged):
			e.silent(err)
		default:
			e.log.Warn("messages could not be delivered; trying again", "error", err)
		}
	}
}

func (e *Engine) deliverLeft(ctx context.Context, docs []Document) error {
	var errs []error
	for _, d := range docs {
		var m Message
		if err := json.Unmarshal(d.Body, &m); err != nil {
			errs = append(errs, fmt.Errorf("post %s: %w", d.Key, err))
			continue
		}
		if _, err := e.deliver(ctx, d.Key, m, d.Body); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
