package engine_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"stanch/engine"
	"stanch/engine/sqlitestore"
)

// partial is a store of which a part is silent, or all, as it is told.
type partial struct {
	engine.Store
	mu     sync.Mutex
	silent error
	failed error
}

func (p *partial) set(silent, failed error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent, p.failed = silent, failed
}

func (p *partial) Claim(ctx context.Context, c engine.Claim) (engine.Claimed, error) {
	p.mu.Lock()
	silent, failed := p.silent, p.failed
	p.mu.Unlock()
	if failed != nil {
		return engine.Claimed{}, failed
	}
	claimed, err := p.Store.Claim(ctx, c)
	claimed.Silent = silent
	return claimed, err
}

func (p *partial) Settle(ctx context.Context, in engine.Settlement) (engine.Settled, error) {
	p.mu.Lock()
	silent, failed := p.silent, p.failed
	p.mu.Unlock()
	if err := errors.Join(silent, failed); err != nil {
		return engine.Settled{}, err
	}
	return p.Store.Settle(ctx, in)
}

// TestTheOutageOfAPartIsToldOnce lets a part of a store fall silent, then all of
// it, then a part, with a run that cannot settle.
func TestTheOutageOfAPartIsToldOnce(t *testing.T) {
	w := newWorld(map[string]string{"x": "a"})
	synctest.Test(t, func(t *testing.T) {
		inner, err := sqlitestore.OpenMemory(time.Now)
		if err != nil {
			t.Fatal(err)
		}
		defer inner.Close()
		store, log := &partial{Store: inner}, &bytes.Buffer{}
		o := engine.Options{Log: slog.New(slog.NewTextHandler(log, nil))}
		b := &bench{t: t, w: w, store: inner, engine: engine.New(store, inner, w.catalog(), o)}
		b.work()
		silent := errors.New("no answer")
		for _, now := range [][2]error{{silent, nil}, {silent, silent}, {silent, nil}, {nil, nil}, {nil, silent}, {nil, nil}} {
			store.set(now[0], now[1])
			id := b.start(putX, 0)
			<-time.After(10 * time.Minute)
			if now[0] == nil && now[1] == nil {
				b.await(id)
			}
		}
		b.end()
		var told []string
		for line := range strings.Lines(log.String()) {
			if _, rest, is := strings.Cut(line, `msg="`); is && strings.Contains(rest, "store") {
				message, _, _ := strings.Cut(rest, `"`)
				told = append(told, message)
			}
		}
		want := []string{
			"some of the store does not answer; the rest goes on",
			"the store does not answer; waiting",
			"some of the store does not answer; the rest goes on",
			"the whole store answers again",
			"the store does not answer; waiting",
			"the store answers again",
		}
		if !slices.Equal(told, want) {
			t.Errorf("told:\n%s", log)
		}
	})
}
