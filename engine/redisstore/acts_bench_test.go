package redisstore_test

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"stanch/engine"
	"stanch/engine/redisstore"
)

// BenchmarkActs measures each act by itself: what a run of ten steps costs is a
// begin, a claim, nine settles, an end and its packing.
func BenchmarkActs(b *testing.B) {
	s, server := benchStore(b, "everysec")
	head := make([]byte, 2000)
	fact := [][]byte{make([]byte, 190)}
	each := func(n int, f func(i int)) {
		var wg sync.WaitGroup
		for g := range 128 {
			wg.Go(func() {
				for i := g; i < n; i += 128 {
					f(i)
				}
			})
		}
		wg.Wait()
	}
	serial := 0
	begin := func(b *testing.B, n int) {
		from := serial
		serial += n
		each(n, func(i int) {
			id := strconv.Itoa(from + i)
			if _, err := s.Begin(b.Context(), engine.Begin{Request: id, Playbook: "p", Subject: id, Dedupe: id, Edition: "e", Mode: "live", Head: head, Key: "p"}); err != nil {
				b.Error(err)
			}
		})
	}
	claim := func(b *testing.B, n int) []engine.Strand {
		var all []engine.Strand
		for len(all) < n {
			c, err := s.Claim(b.Context(), engine.Claim{Worker: "w", Max: min(256, n-len(all)), Last: time.Hour})
			if err != nil {
				b.Fatal(err)
			}
			all = append(all, c.Strands...)
		}
		return all
	}
	settle := func(b *testing.B, all []engine.Strand, then engine.Then) {
		each(len(all), func(i int) {
			st := &all[i]
			a, err := s.Settle(b.Context(), engine.Settlement{Request: st.Run + strconv.FormatInt(st.Seq, 10), Lease: st.Lease, Seen: int64(st.Lost), Facts: fact, Then: then})
			if err != nil {
				b.Error(err)
			}
			st.Seq, st.Lost = st.Seq+1, int(a.Seen)
		})
	}
	b.Run("begin", func(b *testing.B) { measured(b, server, func() { begin(b, b.N) }) })
	claim(b, serial)
	b.Run("claim", func(b *testing.B) {
		begin(b, b.N)
		measured(b, server, func() { claim(b, b.N) })
	})
	b.Run("settle", func(b *testing.B) {
		begin(b, b.N)
		all := claim(b, b.N)
		measured(b, server, func() { settle(b, all, engine.Then{}) })
	})
	b.Run("end", func(b *testing.B) {
		begin(b, b.N)
		all := claim(b, b.N)
		measured(b, server, func() { settle(b, all, engine.Then{End: &engine.End{Outcome: "succeeded"}}) })
	})
	b.Run("pack", func(b *testing.B) {
		begin(b, b.N)
		all := claim(b, b.N)
		for range 9 {
			settle(b, all, engine.Then{})
		}
		settle(b, all, engine.Then{End: &engine.End{Outcome: "succeeded"}})
		measured(b, server, func() {
			if err := s.Pack(b.Context()); err != nil {
				b.Error(err)
			}
		})
	})
}

var _ = redisstore.DefaultPartitions
