package redisstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"stanch/connectors/incident"
	"stanch/engine"
	"stanch/playbooks"
)

// stubborn is a store as the driver uses it: what was not answered is asked for
// again, under the same request, until it is answered.
type stubborn struct {
	engine.Store
}

// again repeats a call until its answer is known.
func again[T any](ctx context.Context, call func() (T, error)) (T, error) {
	for {
		v, err := call()
		certain := false
		for _, is := range []error{engine.ErrConflict, engine.ErrNotFound, engine.ErrEnded, engine.ErrRefused} {
			certain = certain || errors.Is(err, is)
		}
		if err == nil || certain || ctx.Err() != nil {
			return v, err
		}
		select {
		case <-ctx.Done():
			return v, err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s stubborn) Begin(ctx context.Context, b engine.Begin) (engine.Begun, error) {
	return again(ctx, func() (engine.Begun, error) { return s.Store.Begin(ctx, b) })
}

func (s stubborn) Signal(ctx context.Context, in engine.Signal) (engine.Signalled, error) {
	return again(ctx, func() (engine.Signalled, error) { return s.Store.Signal(ctx, in) })
}

func (s stubborn) Freeze(ctx context.Context, f engine.Freeze) (engine.Frozen, error) {
	return again(ctx, func() (engine.Frozen, error) { return s.Store.Freeze(ctx, f) })
}

// chaosDriver is whoever uses the store beside the workers: it begins runs,
// answers questions, cancels, freezes. It records all of it.
type chaosDriver struct {
	t      *testing.T
	engine *engine.Engine
	store  *chaosStore
	books  map[string]*playbooks.Playbook
	ids    []string // of the books
	pace   time.Duration

	mu     sync.Mutex
	dice   *rand.Rand
	serial int
	begun  []string // runs
	busy   int
	failed map[string]int // what was answered with an error, by what it was
	stop   context.CancelFunc
	all    sync.WaitGroup
}

func newChaosDriver(t *testing.T, place chaosPlace, seed uint64) *chaosDriver {
	t.Helper()
	s, err := place.open(t.Context(), place.Redis.options(false))
	if err != nil {
		t.Fatal(err)
	}
	d := &chaosDriver{t: t, store: s, dice: rand.New(rand.NewPCG(seed, 3)), failed: map[string]int{}, pace: 70 * time.Millisecond}
	d.engine = engine.New(stubborn{s.store}, s.docs, chaosLink{place.World}.catalog(), engine.Options{
		Groups: map[string][]string{"officers": {"dana@c.example", "omar@c.example"}}, Log: slog.New(slog.DiscardHandler),
	})
	d.books = loadChaos(t, d.engine)
	d.ids = slices.DeleteFunc(slices.Sorted(maps.Keys(d.books)), func(id string) bool { return id == "steady" }) // see TestSoak
	return d
}

// roll answers a number below n.
func (d *chaosDriver) roll(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dice.IntN(n)
}

// drive begins to do all of it, until rest.
func (d *chaosDriver) drive() {
	ctx, stop := context.WithCancel(d.t.Context())
	d.stop = stop
	d.every(ctx, d.pace, func() { d.all.Go(func() { d.begin(d.t.Context()) }) })
	d.every(ctx, 900*time.Millisecond, func() { d.answer(ctx) })
	d.every(ctx, 400*time.Millisecond, func() { d.cancel(d.t.Context()) })
	d.every(ctx, 4*time.Second, func() { d.freeze(d.t.Context()) })
}

func (d *chaosDriver) every(ctx context.Context, pause time.Duration, f func()) {
	d.all.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
				f()
			}
		}
	})
}

// rest ends all of it, and returns when everything that was asked is answered.
func (d *chaosDriver) rest() {
	if d.stop != nil {
		d.stop()
	}
	d.all.Wait()
}

// began notes how something went.
func (d *chaosDriver) went(what string, err error) {
	if err == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failed[what]++
}

// known answers the runs that were begun so far.
func (d *chaosDriver) known() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.begun
}

// begin begins a run of any playbook.
func (d *chaosDriver) begin(ctx context.Context) { d.beginOne(ctx, d.ids[d.roll(len(d.ids))]) }

func (d *chaosDriver) beginOne(ctx context.Context, id string) {
	d.mu.Lock()
	d.serial++
	n, book := d.serial, d.books[id]
	in := incident.Incident{ID: fmt.Sprintf("defender/%d", n), Source: "defender", Title: fmt.Sprint("t", d.dice.IntN(4)), Severity: "high"}
	if book.ID == "narrow" {
		in.ID = fmt.Sprintf("defender/n%d", d.dice.IntN(5))
	}
	files := 2
	if book.ID == "fan" {
		files = 30
	}
	lane := d.dice.IntN(4)
	d.mu.Unlock()
	for i := range files {
		id := fmt.Sprintf("e%d-f%d", n, i)
		in.Evidence.Files = append(in.Evidence.Files, incident.File{ID: id, Name: &id})
	}
	raw, err := json.Marshal(in)
	if err != nil {
		d.t.Error(err)
		return
	}
	s := engine.Start{
		Book: book, Event: playbooks.Event{ID: fmt.Sprint("e", n), Trigger: "incident", Kind: "created", At: time.Now(), Incident: raw},
		Mode: engine.ModeLive, By: "trigger:incident", Lane: lane,
	}
	begun, err := again(ctx, func() (engine.Begun, error) { return d.engine.Start(ctx, s) })
	d.went("begin", err)
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case err != nil:
	case begun.Busy:
		d.busy++
	default:
		d.begun = append(d.begun, begun.Run)
	}
}

// answer answers every question that is asked, in one way or the other.
func (d *chaosDriver) answer(ctx context.Context) {
	asked, err := d.engine.Approvals(ctx, false)
	d.went("approvals", err)
	for _, a := range asked {
		_, err := d.engine.Decide(ctx, engine.Decision{Approval: a.ID, By: "dana@c.example", Via: "operator:dana", Approve: d.roll(3) > 0})
		d.went("decide", err)
	}
}

// cancel cancels one of the newest runs, or ends it at once.
func (d *chaosDriver) cancel(ctx context.Context) {
	d.mu.Lock()
	run := ""
	if n := len(d.begun); n > 0 {
		run = d.begun[n-1-d.dice.IntN(min(n, 40))]
	}
	hard := d.dice.IntN(4) == 0
	d.mu.Unlock()
	if run == "" {
		return
	}
	mark := d.engine.Cancel
	if hard {
		mark = d.engine.Terminate
	}
	err := mark(ctx, run, "operator:omar", "chaos")
	if !errors.Is(err, engine.ErrEnded) {
		d.went("cancel", err)
	}
}

// freeze stops all effects for a moment.
func (d *chaosDriver) freeze(ctx context.Context) {
	_, err := d.engine.Freeze(ctx, true, "operator:omar", "chaos")
	d.went("freeze", err)
	<-time.After(time.Duration(100+d.roll(500)) * time.Millisecond)
	_, err = d.engine.Freeze(ctx, false, "operator:omar", "chaos")
	d.went("thaw", err)
}
