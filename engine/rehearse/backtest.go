package rehearse

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"sync"
	"time"

	"stanch/connectors/incident"
	"stanch/engine"
	"stanch/playbooks"
)

// Backtest is what playbooks are tried on past incidents in: what would they have
// done? Each incident that starts a playbook is run as a plan, in the real engine,
// at the time of the incident. Nothing is sent to anybody.
type Backtest struct {
	Books      []Candidate
	World      playbooks.World // what the playbooks are checked against; its Catalog is replaced
	Guardrails playbooks.Guardrails
	// Desk makes the world of one lane: with Practice it answers what is read, else
	// only its Catalog is used.
	Desk func(now func() time.Time) (Desk, error)
	// Practice lets the desk answer what actions read. Without, they are answered as
	// Recorded says that they were in past runs on the incident, the earliest first.
	Practice bool
	Recorded func(ctx context.Context, incident string) ([]engine.Answer, error)
	// AsKept takes incidents as they are now, not as they were opened.
	AsKept bool
	Lanes  int       // incidents at once; default: as many as processors
	Done   func(int) // is told how many incidents are done
	// Repeated is told the id of an incident each time that it comes again.
	Repeated func(incident string)
}

// Candidate is a checked playbook with its params as BindParams gives them.
type Candidate struct {
	Book   *playbooks.Playbook
	Params map[string]any
}

// ErrNotTriedSo is wrapped where no incident starts a playbook.
var ErrNotTriedSo = errors.New("cannot be tried on incidents")

// MayTry says why a playbook cannot be tried on past incidents, or nil.
func MayTry(b *playbooks.Playbook) error {
	switch on := b.On; {
	case on.Incident != nil || on.Alert != nil:
		return nil
	case on.Hunting != nil:
		return fmt.Errorf("%s %w: rows of a query start it; `stanch hunt` shows what its query finds now", b.File, ErrNotTriedSo)
	case on.Schedule != nil:
		return fmt.Errorf("%s %w: the clock starts it; `stanch schedules run` plans it now", b.File, ErrNotTriedSo)
	case on.Webhook != nil:
		return fmt.Errorf("%s %w: requests start it, and those are not kept; write a case with `event: {body: …}` and use `stanch test`", b.File, ErrNotTriedSo)
	case on.Manual != nil:
		return fmt.Errorf("%s %w: only people start it; `stanch run` plans it on one incident", b.File, ErrNotTriedSo)
	}
	return fmt.Errorf("%s %w: only other playbooks start it; try those that call it", b.File, ErrNotTriedSo)
}

// Run tries all playbooks on all incidents, several at once, and answers for each
// playbook what it would have done about each incident, in the order in which they
// were opened. An incident that comes twice is tried once. The error says that
// the backtest could not be made.
func (b Backtest) Run(ctx context.Context, past iter.Seq2[incident.Incident, error]) ([][]Tried, error) {
	for _, c := range b.Books {
		if err := MayTry(c.Book); err != nil {
			return nil, err
		}
	}
	within := ctx
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	lanes := cmp.Or(max(b.Lanes, 0), runtime.GOMAXPROCS(0))
	next := make(chan incident.Incident, lanes)
	found := make([][][]Tried, lanes)
	told := teller{done: b.Done}
	var wg sync.WaitGroup
	for i := range lanes {
		wg.Go(func() {
			var err error
			if found[i], err = b.lane(ctx, next, told.one); err != nil {
				stop(err)
			}
		})
	}
	err := b.hand(ctx, past, next)
	close(next)
	wg.Wait()
	switch {
	case within.Err() != nil:
		return nil, within.Err()
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, err
	}
	return b.gathered(found), nil
}

// hand gives the lanes each incident once.
func (b Backtest) hand(ctx context.Context, past iter.Seq2[incident.Incident, error], next chan<- incident.Incident) error {
	seen := map[string]bool{}
	for in, err := range past {
		if err != nil {
			return err
		}
		if seen[in.ID] {
			if b.Repeated != nil {
				b.Repeated(in.ID)
			}
			continue
		}
		seen[in.ID] = true
		select {
		case next <- in:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// teller tells how far the work is, whichever lane has done it.
type teller struct {
	mu   sync.Mutex
	n    int
	done func(int)
}

func (t *teller) one() {
	if t.done == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n++
	t.done(t.n)
}

// lane tries the incidents that it gets, one after the other.
func (b Backtest) lane(ctx context.Context, next <-chan incident.Incident, done func()) ([][]Tried, error) {
	out := make([][]Tried, len(b.Books))
	t, err := newTrack(b)
	if err != nil {
		return nil, fmt.Errorf("backtest: %w", err)
	}
	defer t.close()
	for in := range next {
		if err := t.bring(in); err != nil {
			return nil, fmt.Errorf("incident %s: %w", in.ID, err)
		}
		for i, s := range t.sides {
			tried, err := s.try(ctx)
			if err != nil {
				return nil, fmt.Errorf("incident %s: %w", in.ID, err)
			}
			out[i] = append(out[i], tried)
		}
		done()
	}
	return out, nil
}

// gathered joins what the lanes found, by playbook and in order.
func (b Backtest) gathered(found [][][]Tried) [][]Tried {
	all := make([][]Tried, len(b.Books))
	for i := range all {
		all[i] = []Tried{}
		for _, lane := range found {
			all[i] = append(all[i], lane[i]...)
		}
		slices.SortFunc(all[i], func(a, b Tried) int {
			return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.Incident, b.Incident))
		})
	}
	return all
}
