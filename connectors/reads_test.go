package connectors_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stanch/connectors"
)

// shelf is a service with things that have versions: GET /x/NAME answers that of
// the thing and that of the folder above all, POST /x/NAME makes a new one. GET
// /at/NAME answers the same: an address, of which only the answer tells whose.
type shelf struct {
	service *service
	client  *connectors.Client

	mu       sync.Mutex
	versions map[string]int
	asked    map[string]int
	fails    bool
	// slowly is called before a change is made, and when what was read is on its way.
	slowly func(method string)
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{versions: map[string]int{}, asked: map[string]int{}}
	s.service = serve(t, func(w http.ResponseWriter, r *http.Request) {
		name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
		if s.slowly != nil && r.Method != http.MethodGet {
			s.slowly(r.Method)
		}
		status, body := s.serve(r.Method, name)
		if s.slowly != nil && r.Method == http.MethodGet {
			s.slowly(r.Method)
		}
		reply(w, status, body)
	})
	s.client = s.service.client(t, &connectors.Options{
		Thing: func(path string) (string, string) {
			name, is := strings.CutPrefix(path, "/x/")
			if !is {
				return "thing", ""
			}
			return "thing", name
		},
		Found: func(path string, answer []byte) string {
			var out struct{ Name string }
			if !strings.HasPrefix(path, "/at/") || json.Unmarshal(answer, &out) != nil {
				return ""
			}
			return out.Name
		},
	})
	return s
}

func (s *shelf) serve(method, name string) (status int, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if method != http.MethodGet {
		s.versions[name]++
	} else {
		s.asked[name]++
	}
	if s.fails {
		return 503, `{}`
	}
	return 200, fmt.Sprintf(`{"name":%q,"v":%d,"folder":%d}`, name, s.versions[name], s.versions["folder"])
}

type seen struct{ V, Folder int }

func (s *shelf) read(ctx context.Context, name string) (seen, error) { return s.readAt(ctx, "x", name) }

// readAt reads a thing by its name, at "x", or by its address, at "at".
func (s *shelf) readAt(ctx context.Context, at, name string) (seen, error) {
	var out seen
	_, err := s.client.Read(ctx, connectors.Request{Op: "read " + name, Path: connectors.To(at, name)}, &out)
	return out, err
}

func (s *shelf) change(ctx context.Context, name string) error {
	ch := soon()
	_, err := s.client.Send(ctx, ch, connectors.Request{Op: "change " + name, Method: http.MethodPost, Path: connectors.To("x", name), Body: 1}, new(json.RawMessage))
	return err
}

func (s *shelf) times(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[name]
}

func TestARunReadsTheSameOnce(t *testing.T) {
	s := newShelf(t)
	reads, now := connectors.NewReads(time.Hour), time.Now()
	by := func(r connectors.Reader) context.Context {
		if r.Now.IsZero() {
			r.Now = now
		}
		return reads.By(t.Context(), r)
	}
	type R = connectors.Reader
	for _, x := range []struct {
		why  string
		by   R
		want int // times asked in all
	}{
		{"the first", R{Run: "r1", Step: "a"}, 1},
		{"the next step", R{Run: "r1", Step: "b"}, 1},
		{"a strand of it", R{Run: "r1", Step: "each[7]/a"}, 1},
		{"what is judged", R{Run: "r1", Step: "each[8]/a", Fresh: true}, 2},
		{"beside what was judged", R{Run: "r1", Step: "each[9]/a"}, 2},
		{"after what was judged", R{Run: "r1", Step: "each[8]/b"}, 3},
		{"a turn of a repeat", R{Run: "r1", Step: "poll#2/a"}, 4},
		{"another run", R{Run: "r2", Step: "a"}, 5},
		{"later in the run's time", R{Run: "r2", Step: "a", Now: now.Add(2 * time.Hour)}, 6},
		{"nobody's", R{}, 7},
		{"nobody's again", R{}, 8},
	} {
		ctx := t.Context()
		if x.by.Run != "" {
			ctx = by(x.by)
		}
		if _, err := s.read(ctx, "one"); err != nil || s.times("one") != x.want {
			t.Errorf("%s: asked %d times, want %d; %v", x.why, s.times("one"), x.want, err)
		}
	}
	other := connectors.Request{Op: "read", Path: connectors.To("x", "one"), Header: http.Header{"Prefer": {"x"}}}
	var out seen
	if _, err := s.client.Read(by(connectors.Reader{Run: "r2", Step: "a", Now: now.Add(2 * time.Hour)}), other, &out); err != nil || s.times("one") != 9 {
		t.Errorf("with another header: asked %d times; %v", s.times("one"), err)
	}
}

func TestSimultaneousReadsAreOne(t *testing.T) {
	s := newShelf(t)
	reads := connectors.NewReads(time.Hour)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			ctx := reads.By(t.Context(), connectors.Reader{Run: "r", Step: fmt.Sprintf("each[%d]/a", i)})
			if got, err := s.read(ctx, "one"); err != nil || got.V != 0 {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	wg.Wait()
	if s.times("one") != 1 {
		t.Errorf("asked %d times", s.times("one"))
	}
}

// What an address led to is read anew when that has changed, not when something
// else has.
func TestAnAddressIsSharedUntilItsThingChanges(t *testing.T) {
	s := newShelf(t)
	reads := connectors.NewReads(time.Hour)
	ctx := reads.By(t.Context(), connectors.Reader{Run: "r", Step: "each[1]/a"})
	beside := reads.By(t.Context(), connectors.Reader{Run: "r", Step: "each[2]/a"})
	for i, x := range []struct{ changed, want int }{{0, 1}, {0, 1}, {1, 2}} {
		name := []string{"two", "two", "one"}[i]
		if err := s.change(beside, name); err != nil {
			t.Fatal(err)
		}
		got, err := s.readAt(ctx, "at", "one")
		if err != nil || got.V != x.changed || s.times("one") != x.want {
			t.Errorf("after a change of %s: %+v, asked %d times, want version %d and %d; %v", name, got, s.times("one"), x.changed, x.want, err)
		}
	}
}

// What was read while the thing was changed may be from before: it is not shared,
// nor what an address led to then, of which only the answer tells what it is.
func TestWhatWasReadDuringAChangeIsNotShared(t *testing.T) {
	for _, at := range []string{"x", "at"} {
		for _, outer := range []string{http.MethodGet, http.MethodPost} {
			s := newShelf(t)
			reads := connectors.NewReads(time.Hour)
			ctx := reads.By(t.Context(), connectors.Reader{Run: "r", Step: "each[1]/a"})
			beside := reads.By(t.Context(), connectors.Reader{Run: "r", Step: "each[2]/a"})
			acts := map[string]func() error{
				http.MethodGet: func() error {
					got, err := s.readAt(ctx, at, "one")
					if got.V != 0 {
						t.Errorf("%s within %s: version %d is read before it is made", at, outer, got.V)
					}
					return err
				},
				http.MethodPost: func() error { return s.change(beside, "one") },
			}
			var within error
			var once sync.Once
			s.slowly = func(method string) {
				for other, act := range acts {
					if method == outer && other != outer {
						once.Do(func() { within = act() })
					}
				}
			}
			if err := acts[outer](); err != nil || within != nil {
				t.Fatal(err, within)
			}
			if got, err := s.readAt(ctx, at, "one"); err != nil || got.V != 1 {
				t.Errorf("%s, during a %s: after the change version %d is read; %v", at, outer, got.V, err)
			}
		}
	}
}

// A failure is not shared, and what is over not kept.
func TestAFailureIsNotShared(t *testing.T) {
	s := newShelf(t)
	s.fails = true
	reads := connectors.NewReads(time.Hour)
	ctx := reads.By(t.Context(), connectors.Reader{Run: "r", Step: "a"})
	for range 2 {
		_, err := s.read(ctx, "one")
		wantCode(t, err, connectors.Unavailable)
	}
	s.fails = false
	if _, err := s.read(ctx, "one"); err != nil || s.times("one") != 3 {
		t.Errorf("asked %d times; %v", s.times("one"), err)
	}
	var wrong struct{ V string }
	_, err := s.client.Read(ctx, connectors.Request{Op: "read", Path: connectors.To("x", "one")}, &wrong)
	wantCode(t, err, connectors.Failed, "another shape than expected")
	short := connectors.NewReads(time.Nanosecond)
	ctx = short.By(t.Context(), connectors.Reader{Run: "r", Step: "a"})
	for range 2 {
		if _, err := s.read(ctx, "two"); err != nil {
			t.Fatal(err)
		}
	}
	if s.times("two") != 2 {
		t.Errorf("what is over was shared: asked %d times", s.times("two"))
	}
}

// strand is one strand of a made-up run and what it must have seen of the folder.
type strand struct {
	path  string
	knows int
}

// TestNoStrandReadsWhatItHasChanged walks random runs: strands open others, read,
// change and join them. Each reads a thing as it is after every change of the run
// on it, and what lies above things at least as it is after each change that the
// strand knows of.
func TestNoStrandReadsWhatItHasChanged(t *testing.T) {
	shared := 0
	for seed := range uint64(30) {
		dice := rand.New(rand.NewPCG(seed, 3))
		s := newShelf(t)
		reads, n := connectors.NewReads(time.Hour), 0
		read := func(st *strand) {
			n++
			name := string(rune('a' + dice.IntN(3)))
			at := []string{"x", "at"}[dice.IntN(2)]
			got, err := s.readAt(reads.By(t.Context(), connectors.Reader{Run: "r", Step: st.path + "step"}), at, name)
			if err != nil {
				t.Fatal(err)
			}
			if got.V != s.versions[name] || got.Folder < st.knows {
				t.Fatalf("seed %d: %s read %s as %+v; it is %d and the folder at least %d", seed, st.path, name, got, s.versions[name], st.knows)
			}
		}
		change := func(st *strand) {
			name := []string{"a", "b", "c", "folder"}[dice.IntN(4)]
			ctx := reads.By(t.Context(), connectors.Reader{Run: "r", Step: st.path + "step"})
			if err := s.change(ctx, name); err != nil {
				t.Fatal(err)
			}
			if name == "folder" {
				st.knows = s.versions["folder"]
			}
		}
		var walk func(st *strand, depth int)
		walk = func(st *strand, depth int) {
			for step := range 4 {
				switch dice.IntN(5) {
				case 0:
					change(st)
				case 1:
					if depth == 2 {
						continue
					}
					children := map[int]*strand{} // in any order, a piece of each in turn
					for i := range 3 {
						children[i] = &strand{path: fmt.Sprintf("%sfan%d[%d]/", st.path, step, i), knows: st.knows}
					}
					for range 2 {
						for _, i := range dice.Perm(3) {
							walk(children[i], depth+1)
						}
					}
					for _, c := range slices.Collect(maps.Values(children)) {
						st.knows = max(st.knows, c.knows)
					}
				default:
					read(st)
				}
			}
		}
		walk(&strand{}, 0)
		sent := 0
		for _, times := range s.asked {
			sent += times
		}
		shared += n - sent
	}
	if shared < 50 {
		t.Errorf("only %d reads were shared: the test shows little", shared)
	}
}

// A change that may go on is followed by new reads, too.
func TestAfterAChangeThatFailedNothingOldIsRead(t *testing.T) {
	s := newShelf(t)
	reads := connectors.NewReads(time.Hour)
	ctx := reads.By(t.Context(), connectors.Reader{Run: "r", Step: "each[1]/a"})
	beside := reads.By(t.Context(), connectors.Reader{Run: "r", Step: "each[2]/a"})
	if _, err := s.read(ctx, "one"); err != nil {
		t.Fatal(err)
	}
	s.fails = true
	if err := s.change(ctx, "one"); err == nil {
		t.Fatal("no error")
	}
	s.fails = false
	got, err := s.read(beside, "one")
	if err = errors.Join(err); err != nil || got.V != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}
