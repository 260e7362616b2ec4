package redisstore_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"stanch/engine/history"
)

// chaosWorld is what the effects of the chaos tests change: things with a value,
// behind a socket. It lives in the test's own process, which is never hurt, and
// is the witness of everything that was done.
type chaosWorld struct {
	addr string

	mu      sync.Mutex
	dice    *rand.Rand
	values  map[string]string
	witness []history.Witness
	late    int // requests that came after their time and were refused
	calm    bool
}

// chaosAsk is a request to the world.
type chaosAsk struct {
	Do     string // an effect: its id
	Class  string
	Thing  string
	To     string
	DoneBy int64 // when whoever asks has gone, ns; as an API knows by an etag
}

// chaosSaid is its answer.
type chaosSaid struct {
	Value   string
	Refused bool
}

func newChaosWorld(t *testing.T, dir string, seed uint64) *chaosWorld {
	t.Helper()
	w := &chaosWorld{addr: filepath.Join(dir, "world"), dice: rand.New(rand.NewPCG(seed, 2)), values: map[string]string{}}
	l, err := net.Listen("unix", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { w.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		serving.Wait()
	})
	return w
}

// serve answers one request, if nothing goes wrong with it.
func (w *chaosWorld) serve(c net.Conn) {
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	var ask chaosAsk
	if json.NewDecoder(c).Decode(&ask) != nil {
		return
	}
	said, wait, drop := w.act(ask)
	<-time.After(wait)
	if !drop {
		json.NewEncoder(c).Encode(said)
	}
}

// act does what is asked, and says what goes wrong with the answer.
func (w *chaosWorld) act(ask chaosAsk) (said chaosSaid, wait time.Duration, drop bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ask.Do == "" {
		return chaosSaid{Value: w.values[ask.Thing]}, 0, false
	}
	if time.Now().UnixNano() > ask.DoneBy {
		w.late++
		return said, 0, true
	}
	fate := w.dice.IntN(100)
	if w.calm {
		fate = 99
	}
	if fate < 3 {
		return chaosSaid{Refused: true}, 0, false
	}
	w.witness = append(w.witness, history.Witness{RequestID: ask.Do, Operation: ask.Class, Target: ask.Thing, At: time.Now(), Status: 200})
	w.values[ask.Thing] = ask.To
	switch {
	case fate < 6:
		return said, 0, true
	case fate < 9:
		return said, time.Duration(w.dice.IntN(2500)) * time.Millisecond, false
	}
	return chaosSaid{Value: ask.To}, 0, false
}

// rest lets nothing go wrong any more.
func (w *chaosWorld) rest() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calm = true
}

// seen answers what was done so far.
func (w *chaosWorld) seen() []history.Witness {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]history.Witness{}, w.witness...)
}

// count is how often something was done so far.
func (w *chaosWorld) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.witness)
}

// twice counts the effects that were done more than once. Those that destroy are
// none of them; see law 6.
func (w *chaosWorld) twice() int {
	n := map[string]int{}
	for _, s := range w.seen() {
		n[s.RequestID]++
	}
	twice := 0
	for _, times := range n {
		if times > 1 {
			twice++
		}
	}
	return twice
}

// things answers how often each thing was changed by effects of different ids:
// an effect that was planned anew although it was done is found so.
func (w *chaosWorld) things() map[string]int {
	ids := map[string]map[string]bool{}
	for _, s := range w.seen() {
		if ids[s.Target] == nil {
			ids[s.Target] = map[string]bool{}
		}
		ids[s.Target][s.RequestID] = true
	}
	n := map[string]int{}
	for thing, all := range ids {
		n[thing] = len(all)
	}
	return n
}

func (w *chaosWorld) String() string {
	w.mu.Lock()
	n, late := len(w.witness), w.late
	w.mu.Unlock()
	return fmt.Sprintf("%d effects, %d of them more than once, %d requests came late and were refused", n, w.twice(), late)
}
