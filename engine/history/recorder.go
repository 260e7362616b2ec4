package history

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"stanch/engine"
)

// waker is a store that can say when something may have become due.
type waker interface {
	Wait(ctx context.Context, until time.Time) error
}

// Recorder is a store and its documents that write down what they are asked and
// what they answer. Each line is one write to a file opened for appending, with
// nothing buffered: it outlives a kill of the process, and several processes may
// share the file. An act is written down before it is done; one that cannot be
// is not done. Where its answer cannot be written down the answer is an error,
// so nobody acts on what the history does not know. Reading acts other than Run
// leave no lines.
type Recorder struct {
	store engine.Store
	docs  engine.Documents
	file  *os.File
	node  string
	life  string
	n     atomic.Int64

	mu     sync.Mutex
	broken error // of the first line that could not be written
}

var (
	_ engine.Store     = (*Recorder)(nil)
	_ engine.Documents = (*Recorder)(nil)
)

// New records the acts of a node on a store into a file, which is made with
// mode 0600 if it is not there. Close of the Recorder closes store and file.
func New(store engine.Store, docs engine.Documents, file, node string) (*Recorder, error) {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	return &Recorder{store: store, docs: docs, file: f, node: node, life: strings.ToLower(rand.Text()[:8])}, nil
}

// Store answers the Recorder as the engine is to use it: it can Wait if the
// store that is recorded can.
func (r *Recorder) Store() engine.Store {
	if w, ok := r.store.(waker); ok {
		return waking{r, w}
	}
	return r
}

// waking is a Recorder of a store that wakes.
type waking struct {
	*Recorder
	waker
}

// call is an act under way.
type call struct {
	r  *Recorder
	n  int64
	ev string
}

// invoke writes that an act is about to be done.
func (r *Recorder) invoke(l Line) (*call, error) {
	c := &call{r: r, n: r.n.Add(1), ev: l.Ev}
	l.N = c.n
	return c, r.write(l)
}

// complete writes how the act ended and answers its error, or why that could
// not be written.
func (c *call) complete(l Line, err error) error {
	l.N, l.Ev, l.End = c.n, c.ev, OK
	if err != nil {
		l = Line{N: c.n, Ev: c.ev, End: ending(err), Why: brief(err)}
	}
	return errors.Join(err, c.r.write(l))
}

// unknown writes that nobody knows all of what the act has done.
func (c *call) unknown(why error) error {
	return c.r.write(Line{N: c.n, Ev: c.ev, End: Info, Why: brief(why)})
}

// ending tells what certainly changed nothing from what may have been done.
func ending(err error) string {
	if errors.Is(err, engine.ErrUnheard) {
		return Info
	}
	for _, certain := range []error{engine.ErrLeaseLost, engine.ErrConflict, engine.ErrNotFound, engine.ErrEnded, engine.ErrRefused} {
		if errors.Is(err, certain) {
			return Fail
		}
	}
	return Info
}

func brief(err error) string {
	const enough = 120
	text := strings.ToValidUTF8(err.Error(), "?")
	if len(text) > enough {
		text = strings.ToValidUTF8(text[:enough], "") + "…"
	}
	return text
}

// write appends one line by one write.
func (r *Recorder) write(l Line) error {
	l.Node, l.Life, l.At = r.node, r.life, time.Now().UnixNano()
	b, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken != nil {
		return r.broken
	}
	if _, err := r.file.Write(append(b, '\n')); err != nil {
		r.broken = fmt.Errorf("history: %w", err)
	}
	return r.broken
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func place(l engine.Lease) Place {
	return Place{Run: l.Run, Strand: l.Strand, Seq: l.Seq, Token: shortUnless(l.Token)}
}

func grant(s *engine.Strand) Grant {
	g := Grant{Place: place(s.Lease), Lane: s.Lane, Lost: s.Lost, Mark: string(s.Cancel), Edition: shortUnless(s.Head.Edition)}
	if s.Children != nil {
		children := writeChildren(s.Children)
		g.Children = &children
	}
	return g
}

func begin(b engine.Begin) Begin {
	out := Begin{
		Playbook: b.Playbook, Edition: shortUnless(b.Edition),
		Replace: b.Key != "" && b.WhenBusy == "replace", After: int64(b.After), Lane: b.Lane,
	}
	switch {
	case b.Key == "":
	case b.Wide:
		out.Key, out.Wide = short(b.Key), true
	default:
		out.Key = short(b.Subject, b.Key) // one of each subject
	}
	if b.Dedupe != "" {
		out.Dedupe = short(b.Playbook, b.Subject, b.Dedupe)
	}
	return out
}

func take(t engine.Take) Take {
	out := Take{Name: t.Name, Limit: t.Limit, Effect: t.Effect, Window: int64(t.Window), Back: t.Back}
	for _, target := range t.Targets {
		out.Targets = append(out.Targets, short(target))
	}
	return out
}

func then(t engine.Then) *Then {
	switch {
	case t.Yield:
		return &Then{Kind: "yield"}
	case t.Wait != nil:
		return &Then{Kind: "wait", For: int64(t.Wait.For), Ever: t.Wait.Ever, Thaw: t.Wait.Thaw}
	case t.Open != nil:
		return &Then{Kind: "open", Path: t.Open.Path, Count: t.Open.Count, Window: t.Open.Window, Failfast: t.Open.Failfast}
	case t.End != nil:
		return &Then{Kind: "end", Outcome: t.End.Outcome}
	}
	return nil
}

// said answers what audit records say that a check needs. A record of another
// form says nothing.
func said(records [][]byte) []Said {
	var all []Said
	for _, record := range records {
		var a engine.Audit
		if json.Unmarshal(record, &a) != nil {
			continue
		}
		s := Said{Kind: a.Kind}
		switch a.Kind {
		case "effect.intent", "effect.result", "effect.open", "effect.resolve":
			s.Effect, s.Class, s.Status = a.Effect, string(a.Class), a.Status
		case "approval.asked":
			s.Question, s.Hash = a.Question, shortUnless(a.Hash)
		case "approval.decision":
			s.Question, s.Hash, s.Status, s.By = a.Question, shortUnless(a.Hash), a.Status, person(a.By)
		case "run.begin":
			s.By = person(a.By)
		default:
			continue
		}
		all = append(all, s)
	}
	return all
}

func words(seen int64, bodies [][]byte) *Words {
	w := &Words{Seen: seen, Facts: len(bodies)}
	if len(bodies) > 0 {
		texts := make([]string, len(bodies))
		for i, b := range bodies {
			texts[i] = string(b)
		}
		w.Digest = short(texts...)
	}
	return w
}
