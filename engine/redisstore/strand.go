package redisstore

import (
	"context"
	"strconv"
	"strings"
	"sync"

	"stanch/engine"
)

// The states of a strand.
const (
	stQueued  = "0" // its run waits for a key or a time
	stDue     = "1"
	stLeased  = "2"
	stWaiting = "3"
	stJoining = "4"
	stEnded   = "5"
)

// known is what need not be read again for each strand of a fan-out: heads, and
// facts of the strands around with their number, by run and path.
type known struct {
	mu    sync.Mutex
	heads map[string]headKnown
	above map[string]aboveKnown
}

type headKnown struct {
	engine.RunHead
	lane int
}

type aboveKnown struct {
	n    int64
	item []byte
	all  []engine.Fact
}

const mostKnown = 1024

func (k *known) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.heads, k.above = map[string]headKnown{}, map[string]aboveKnown{}
}

func (k *known) head(run string) (headKnown, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	h, ok := k.heads[run]
	return h, ok
}

func (k *known) keepHead(h headKnown) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.heads) >= mostKnown {
		clear(k.heads)
	}
	k.heads[h.ID] = h
}

func (k *known) around(run, path string, n int64) (aboveKnown, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	a, ok := k.above[run+":"+path]
	return a, ok && a.n == n
}

func (k *known) keepAround(run, path string, a aboveKnown) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.above) >= mostKnown {
		clear(k.above)
	}
	k.above[run+":"+path] = a
}

// headOf reads the head of a run from the fields of its root.
func headOf(run string, f fields) (engine.RunHead, error) {
	head, err := expand(f["hd"])
	return engine.RunHead{
		ID: run, Playbook: f["pb"], Subject: f["sb"], Edition: f["ed"], Mode: f["md"],
		Head: head, BegunAt: at(f.int("bg")), Queued: f["qd"] == "1",
	}, err
}

// laneOf reads the lane of a run from the fields of its root.
func laneOf(f fields) int { return min(max(0, int(f.int("ln"))), engine.Lanes-1) }

// strand completes a strand that a script has leased: see held in lib.lua.
func (s *Store) strand(ctx context.Context, reply any) (*engine.Strand, error) {
	l := listOf(reply)
	run, path := l.text(0), l.text(1)
	f, err := fieldsOf(l.at(3))
	if err != nil || l.err() != nil {
		return nil, errDamaged
	}
	position, _ := f.place()
	st := &engine.Strand{
		Lease: engine.Lease{Run: run, Strand: path, Token: l.text(2), Seq: position},
		At:    f.dueAt(), Lost: int(f.int("x")), Cancel: engine.Cancel(f["c"]),
	}
	if st.Facts, err = f.facts(); err != nil {
		return nil, err
	}
	if path == "" {
		if st.Head, err = headOf(run, f); err != nil {
			return nil, err
		}
		st.Lane = laneOf(f)
	} else if err := s.child(ctx, st, l); err != nil {
		return nil, err
	}
	s.holds.add(st, f["dd"])
	if open, ok := f["w"]; ok {
		if st.Children, err = s.children(ctx, run, open); err != nil {
			return nil, err
		}
	}
	return st, nil
}

// child adds what a child has beyond what a root has.
func (s *Store) child(ctx context.Context, st *engine.Strand, l *list) error {
	st.Cancel = engine.Cancel(l.text(4))
	if st.Cancel != engine.NotCancelled {
		st.Under = engine.Cancel(l.text(5))
	}
	if item, ok := l.at(6).(string); ok {
		st.Item = []byte(item)
	}
	around := l.list(7)
	if l.err() != nil || len(around.values)%2 != 0 {
		return errDamaged
	}
	head, err := s.headAbove(ctx, st.Run)
	if err != nil {
		return err
	}
	st.Head, st.Lane = head.RunHead, head.lane
	for i := len(around.values) - 2; i >= 0; i -= 2 {
		a, err := s.above(ctx, st.Run, around.text(i), around.int(i+1))
		if err != nil {
			return err
		}
		st.Above = append(st.Above, a)
	}
	return around.err()
}

// headAbove answers the head of a run, of which a child is held.
func (s *Store) headAbove(ctx context.Context, run string) (headKnown, error) {
	if h, ok := s.known.head(run); ok {
		return h, nil
	}
	f, _, err := s.root(ctx, run)
	if err != nil {
		return headKnown{}, err
	}
	head, err := headOf(run, f)
	h := headKnown{head, laneOf(f)}
	if err == nil {
		s.known.keepHead(h)
	}
	return h, err
}

// above answers the first n facts of a strand around one that is held. It may
// have more by now: who is told of n does not miss the others.
func (s *Store) above(ctx context.Context, run, path string, n int64) (engine.AboveFacts, error) {
	a, ok := s.known.around(run, path, n)
	if !ok {
		f, item, err := s.strandFields(ctx, run, path)
		if err != nil {
			return engine.AboveFacts{}, err
		}
		_, have := f.place()
		a = aboveKnown{n: have, item: item}
		if a.all, err = f.facts(); err != nil {
			return engine.AboveFacts{}, err
		}
		s.known.keepAround(run, path, a)
	}
	return engine.AboveFacts{Strand: path, Facts: a.all[:len(a.all):len(a.all)], Item: a.item}, nil
}

// strandFields reads a strand that has not ended, with its item.
func (s *Store) strandFields(ctx context.Context, run, path string) (fields, []byte, error) {
	if path == "" {
		f, _, err := s.root(ctx, run)
		return f, nil, err
	}
	open, index, ok := parent(path)
	if !ok {
		return nil, nil, errDamaged
	}
	l, err := s.do(ctx, s.partOfRun(run), "read", run, open, index, index+1, "")
	if err != nil {
		return nil, nil, err
	}
	c := l.list(0)
	f, err := fieldsOf(c.at(2))
	if err != nil {
		return nil, nil, err
	}
	var item []byte
	if text, ok := c.at(3).(string); ok {
		item = []byte(text)
	}
	return f, item, l.err()
}

// parent takes the path of a child apart: the path under which it was opened and
// its number.
func parent(path string) (open string, index int, ok bool) {
	i := strings.LastIndexByte(path, '[')
	if i < 0 || !strings.HasSuffix(path, "]") {
		return "", 0, false
	}
	index, err := strconv.Atoi(path[i+1 : len(path)-1])
	return path[:i], index, err == nil
}

func childPath(open string, i int) string { return open + "[" + strconv.Itoa(i) + "]" }

// perRead is how many children one act reads.
const perRead = 200

// children answers how the children of a window that has joined ended.
func (s *Store) children(ctx context.Context, run, open string) ([]engine.Ended, error) {
	ended := []engine.Ended{}
	for from := 0; ; from += perRead {
		l, err := s.do(ctx, s.partOfRun(run), "read", run, open, from, from+perRead, "1")
		if err != nil {
			return nil, err
		}
		for i := range l.values {
			text, ok := l.list(i).at(1).(string)
			if !ok {
				return ended, l.err()
			}
			e, err := endOf(text)
			if err != nil {
				return nil, err
			}
			ended = append(ended, engine.Ended{Index: from + i, Outcome: e[0], Result: bytesOf(e[1])})
		}
		if l.err() != nil {
			return nil, errDamaged
		}
	}
}

// endOf takes the end of a child apart: outcome, result, position, number of
// facts, time, last request, its answer; facts by their fields.
func endOf(text string) ([]string, error) {
	parts, _, err := unnets(text, 1<<20)
	if err == nil && len(parts) < 7 {
		err = errDamaged
	}
	return parts, err
}

func bytesOf(s string) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}
