package sqlitestore_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stanch/engine"
	"stanch/engine/sqlitestore"
)

func openBench(b *testing.B) *sqlitestore.Store {
	b.Helper()
	s, err := sqlitestore.Open(filepath.Join(b.TempDir(), "stanch.db"), sqlitestore.Options{Work: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s
}

func begin(b *testing.B, s *sqlitestore.Store, request string) {
	_, err := s.Begin(b.Context(), engine.Begin{Request: request, Playbook: "p", Subject: request, Dedupe: "1", Head: make([]byte, 2048)})
	if err != nil {
		b.Error(err)
	}
}

// inParallel makes b.N calls of f from as many goroutines.
func inParallel(b *testing.B, goroutines int, f func(g int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for g := range goroutines {
		wg.Go(func() {
			for next.Add(1) <= int64(b.N) {
				f(g)
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}

func BenchmarkSettle(b *testing.B) {
	for _, inFlight := range []int{1, 64, 256} {
		b.Run(strconv.Itoa(inFlight), func(b *testing.B) {
			s := openBench(b)
			for i := range inFlight {
				begin(b, s, strconv.Itoa(i))
			}
			c, err := s.Claim(b.Context(), engine.Claim{Max: inFlight, Last: time.Hour})
			if err != nil || len(c.Strands) != inFlight {
				b.Fatal(len(c.Strands), err)
			}
			fact := make([]byte, 190)
			seen := make([]int64, inFlight)
			b.ReportAllocs()
			inParallel(b, inFlight, func(g int) {
				l := &c.Strands[g].Lease
				a, err := s.Settle(b.Context(), engine.Settlement{Request: l.Token + strconv.FormatInt(l.Seq, 10), Lease: *l, Seen: seen[g], Facts: [][]byte{fact}})
				if err != nil {
					b.Error(err)
				}
				l.Seq, seen[g] = l.Seq+1, a.Seen
			})
		})
	}
}

func BenchmarkLimit(b *testing.B) {
	for _, inFlight := range []int{64, 256} {
		b.Run(strconv.Itoa(inFlight), func(b *testing.B) {
			for range b.N {
				n, err := sqlitestore.Limit(b.Context(), filepath.Join(b.TempDir(), "limit.db"), inFlight, 2*time.Second)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(n, "calls/s")
			}
		})
	}
}

// A run of ten steps of which each is settled, from Begin to its end.
func BenchmarkRun(b *testing.B) {
	s := openBench(b)
	fact := make([]byte, 190)
	var n atomic.Int64
	inParallel(b, 64, func(int) {
		begin(b, s, strconv.FormatInt(n.Add(1), 10))
		c, err := s.Claim(b.Context(), engine.Claim{Max: 1, Last: time.Hour})
		if err != nil {
			b.Error(err)
		}
		for _, st := range c.Strands {
			in := engine.Settlement{Lease: st.Lease, Facts: [][]byte{fact}}
			for i := range 10 {
				in.Request = st.Token + strconv.Itoa(i)
				if i == 9 {
					in.Then.End = &engine.End{Outcome: "succeeded"}
				}
				a, err := s.Settle(b.Context(), in)
				if err != nil {
					b.Error(err)
					return
				}
				in.Lease.Seq, in.Seen = in.Lease.Seq+1, a.Seen
			}
		}
	})
	b.ReportMetric(10*float64(b.N)/b.Elapsed().Seconds(), "steps/s")
}

func BenchmarkBegin(b *testing.B) {
	s := openBench(b)
	var n atomic.Int64
	inParallel(b, 64, func(int) { begin(b, s, strconv.FormatInt(n.Add(1), 10)) })
}

// Fan-out of 1,000 children with a window of 64, from Open to the join.
func BenchmarkFanOut(b *testing.B) {
	s := openBench(b)
	items := make([][]byte, 1000)
	for i := range items {
		items[i] = fmt.Appendf(make([]byte, 0, 200), "%0200d", i)
	}
	for i := range b.N {
		begin(b, s, strconv.Itoa(i))
		c, err := s.Claim(b.Context(), engine.Claim{Max: 1, Last: time.Hour})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Settle(b.Context(), engine.Settlement{Request: "open", Lease: c.Strands[0].Lease, Then: engine.Then{Open: &engine.Open{Path: "x", Count: len(items), Window: 64, Items: items}}}); err != nil {
			b.Fatal(err)
		}
		if c, err = s.Claim(b.Context(), engine.Claim{Max: 64, Last: time.Hour}); err != nil {
			b.Fatal(err)
		}
		var joins atomic.Int64
		var wg sync.WaitGroup
		for _, first := range c.Strands {
			wg.Go(func() {
				for st := &first; st != nil; {
					in := engine.Settlement{Request: st.Token, Lease: st.Lease, Then: engine.Then{End: &engine.End{Outcome: "succeeded", Result: items[0]}}}
					if st.Lease.Strand == "" {
						joins.Add(1)
					}
					a, err := s.Settle(b.Context(), in)
					if err != nil {
						b.Error(err)
					}
					st = a.Next
				}
			})
		}
		wg.Wait()
		if joins.Load() != 1 {
			b.Fatal(joins.Load())
		}
	}
}

func BenchmarkClaimOf100000(b *testing.B) {
	s := openBench(b)
	var wg sync.WaitGroup
	for g := range 100 {
		wg.Go(func() {
			for i := range 1000 {
				begin(b, s, fmt.Sprint(g, i))
			}
		})
	}
	wg.Wait()
	inParallel(b, 1, func(int) {
		c, err := s.Claim(b.Context(), engine.Claim{Max: 1, Last: time.Hour})
		if err != nil || len(c.Strands) != 1 {
			b.Fatal(err)
		}
		if _, err := s.Settle(b.Context(), engine.Settlement{Request: "y", Lease: c.Strands[0].Lease, Then: engine.Then{Yield: true}}); err != nil {
			b.Fatal(err)
		}
	})
}

// How fast a follower reads the stream of runs.
func BenchmarkFollow(b *testing.B) {
	s := openBench(b)
	for i := range 5000 {
		if err := s.Note(b.Context(), []byte("x")); err != nil {
			b.Fatal(err)
		}
		begin(b, s, strconv.Itoa(i))
		if i == 500 {
			break
		}
	}
	c, err := s.Claim(b.Context(), engine.Claim{Max: 100, Last: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, st := range c.Strands {
		wg.Go(func() {
			in := engine.Settlement{Lease: st.Lease, Facts: [][]byte{make([]byte, 190)}}
			for i := range 200 {
				in.Request = strconv.Itoa(i)
				a, err := s.Settle(b.Context(), in)
				if err != nil {
					b.Error(err)
					return
				}
				in.Lease.Seq, in.Seen = in.Lease.Seq+1, a.Seen
			}
		})
	}
	wg.Wait()
	b.ResetTimer()
	records := 0
	for range b.N {
		for cursor := ""; ; {
			p, err := s.Follow(b.Context(), cursor, 1000)
			if err != nil {
				b.Fatal(err)
			}
			records += len(p.Records)
			if cursor = p.Cursor; !p.More {
				break
			}
		}
	}
	b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
}
