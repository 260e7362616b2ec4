package storetest

import (
	"fmt"
	"slices"
	"sync"

	"stanch/engine"
)

func windowLaws() []law {
	return []law{
		{name: "JoinFiresOnce", promise: "a join fires exactly once, after every opened child has ended, with all their results", judge: joinFiresOnce},
		{name: "JoinInEveryOrder", promise: "in whatever order children end, the join fires with the last of them", judge: joinInEveryOrder},
		{name: "JoinOfConcurrentEnds", promise: "children that end at the same time fire one join", judge: joinConcurrently},
		{name: "JoinWhateverIsLost", promise: "lost leases of children and of the parent lose no join and double none", judge: joinWithLosses},
		{name: "OpenNothing", promise: "an empty list joins at once", judge: openNothing},
		{name: "WindowIsNeverExceeded", promise: "at most Window children live at once, and each is opened once", judge: windowIsKept},
		{name: "ChildGetsItsItem", promise: "a child gets its own item, of many and of large ones", judge: childGetsItem},
		{name: "EndHandsOverTheNext", promise: "the end of a child hands its holder the next one under a lease of its own", judge: endHandsNext},
		{name: "Failfast", promise: "with Failfast no child starts after one has failed; those that live end in peace", judge: failfast},
		{name: "NestedOpens", promise: "a child can open children: each join is its own, and each strand sees the facts above it", judge: nestedOpens},
		{name: "OpensAfterOneAnother", promise: "a strand that joins can open again, and sees the last join's children only", judge: opensInTurn},
		{name: "ChildrenUntilTheNextSettle", promise: "who takes over a joined strand gets the children too", judge: childrenStay},
	}
}

func (h *holder) openMany(path string, count, window int) {
	h.Helper()
	items := make([][]byte, count)
	for i := range items {
		items[i] = fmt.Appendf(nil, "item %d", i)
	}
	h.open(engine.Open{Path: path, Count: count, Window: window, Items: items})
}

func joinFiresOnce(e *env) {
	root := e.started()
	root.openMany("x", 3, 3)
	root.lost()
	e.same("state while children live", e.strand(root.Run, "").State, "joining")
	children := e.claim(10)
	e.same("children", paths(children), []string{"x[0]", "x[1]", "x[2]"})
	if next := children[1].end("failed"); next != nil {
		e.Fatalf("after one of three children %q is handed over", next.st.Lease.Strand)
	}
	if next := children[0].end("skipped"); next != nil {
		e.Fatalf("after two of three children %q is handed over", next.st.Lease.Strand)
	}
	e.none()
	parent := children[2].end("rejected")
	if parent == nil || parent.st.Lease.Strand != "" || parent.st.Lease.Seq != 1 {
		e.Fatalf("after the last child the holder gets %+v, it must be the parent", parent)
	}
	e.same("children", parent.st.Children, []engine.Ended{
		{Index: 0, Outcome: "skipped", Result: []byte("result of x[0]")},
		{Index: 1, Outcome: "failed", Result: []byte("result of x[1]")},
		{Index: 2, Outcome: "rejected", Result: []byte("result of x[2]")},
	})
	e.none()
	parent.end("succeeded")
}

func joinInEveryOrder(e *env) {
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		e.started().openMany("x", 3, 3)
		children := e.claim(3)
		slices.SortFunc(children, func(a, b *holder) int { return slices.Compare([]byte(a.st.Lease.Strand), []byte(b.st.Lease.Strand)) })
		for k, i := range order {
			if next := children[i].end("succeeded"); (next != nil) != (k == 2) {
				e.Fatalf("order %v: after end %d the holder gets %+v", order, k, next)
			} else if next != nil {
				next.end("succeeded")
			}
		}
	}
}

func joinConcurrently(e *env) {
	const children = 40
	root := e.started()
	root.openMany("x", children, 8)
	var wg sync.WaitGroup
	var mu sync.Mutex
	joins, ended := 0, map[string]int{}
	for _, first := range e.claim(8) {
		wg.Go(func() {
			for h := first; h != nil; {
				in := engine.Settlement{Request: "end of " + h.st.Lease.Strand, Lease: h.st.Lease, Then: engine.Then{End: &engine.End{Outcome: "succeeded"}}}
				a, err := e.s.Settle(e.Context(), in)
				if err != nil {
					e.Error(err)
					return
				}
				mu.Lock()
				ended[h.st.Lease.Strand]++
				mu.Unlock()
				if a.Next == nil {
					return
				}
				h = &holder{env: e, st: a.Next}
				if a.Next.Lease.Strand == "" {
					mu.Lock()
					joins++
					mu.Unlock()
					return
				}
			}
		})
	}
	wg.Wait()
	if joins != 1 || len(ended) != children {
		e.Errorf("%d joins and %d ended children, it must be 1 and %d", joins, len(ended), children)
	}
	e.none()
}

func joinWithLosses(e *env) {
	root := e.started()
	root.openMany("x", 4, 2)
	joins := 0
	for range 40 { // each round loses whatever it claims but one
		held := e.claim(10)
		if len(held) == 0 {
			break
		}
		next := held[0].end("succeeded") // and the holder dies with what it is handed
		if held[0].st.Lease.Strand == "" {
			joins++
			break
		}
		_ = next
		e.clock.Advance(lease + 1)
		for _, h := range held[1:] {
			if c := e.strand(h.Run, h.st.Lease.Strand); c.State == "ended" {
				e.Fatalf("%s has ended without its holder", c.Path)
			}
		}
	}
	r := e.record(root.Run)
	if joins != 1 || r.Status != "succeeded" || len(r.Strands) != 5 {
		e.Errorf("joins: %d, the run: %+v", joins, r)
	}
}

func openNothing(e *env) {
	root := e.started()
	root.open(engine.Open{Path: "x"})
	h := e.one()
	if h.st.Lease.Strand != "" || h.st.Children == nil || len(h.st.Children) != 0 {
		e.Errorf("after an empty open %+v is due, with children %#v (none, but a list)", h.st.Lease, h.st.Children)
	}
	h.end("succeeded")
}

func windowIsKept(e *env) {
	const count, window = 30, 4
	root := e.started()
	root.openMany("x", count, window)
	live, seen := e.claim(100), map[string]bool{}
	if len(live) != window {
		e.Fatalf("%d children live, the window is %d", len(live), window)
	}
	ends := 0
	for len(live) > 0 {
		h := live[0]
		live = live[1:]
		if seen[h.st.Lease.Strand] {
			e.Fatalf("%s is opened twice", h.st.Lease.Strand)
		}
		seen[h.st.Lease.Strand] = true
		next := h.end("succeeded")
		ends++
		e.none()
		open := 0
		for _, st := range e.record(root.Run).Strands[1:] {
			if st.State != "ended" {
				open++
			}
		}
		if open > window || open != min(window, count-ends) {
			e.Fatalf("%d children live after %d ends, the window is %d", open, ends, window)
		}
		if next != nil && next.st.Lease.Strand != "" {
			live = append(live, next)
		} else if next != nil {
			e.same("joined children", len(next.st.Children), count)
		}
	}
	e.same("children that ended", ends, count)
}

func childGetsItem(e *env) {
	const count = 1203
	items := make([][]byte, count)
	for i := range items {
		items[i] = fmt.Appendf(nil, "item %d", i)
		if i%100 == 7 {
			items[i] = append(items[i], make([]byte, 50_000+i)...)
		}
	}
	root := e.started()
	root.open(engine.Open{Path: "x", Count: count, Window: 64, Items: items})
	live := e.claim(64)
	for ended := 0; ended < count; ended++ {
		h := live[0]
		live = live[1:]
		var i int
		if _, err := fmt.Sscanf(h.st.Lease.Strand, "x[%d]", &i); err != nil {
			e.Fatal(err)
		}
		if !slices.Equal(h.st.Item, items[i]) {
			e.Fatalf("%s gets an item of %d bytes beginning %.20q", h.st.Lease.Strand, len(h.st.Item), h.st.Item)
		}
		if next := h.end("succeeded"); next != nil {
			live = append(live, next)
		}
	}
	e.same("joined children", len(live[0].st.Children), count)
	e.same("item of the record", string(e.strand(root.Run, "x[1202]").Item), "item 1202")
}

func endHandsNext(e *env) {
	e.started().openMany("x", 2, 1)
	first := e.one()
	next := first.end("succeeded")
	if next == nil || next.st.Lease.Strand != "x[1]" || next.st.Token == first.st.Token || next.st.Lost != 0 {
		e.Fatalf("the holder gets %+v, it must be x[1] under a token of its own", next)
	}
	e.same("item", string(next.st.Item), "item 1")
	e.none()
	next.write("works under the lease")
	e.clock.Advance(lease + 1)
	e.one().end("succeeded").end("succeeded")
}

func failfast(e *env) {
	root := e.started()
	root.open(engine.Open{Path: "x", Count: 10, Window: 3, Failfast: true})
	children := e.claim(10)
	if next := children[1].end("failed"); next != nil {
		e.Fatalf("after a failure %q is handed over", next.st.Lease.Strand)
	}
	if next := children[0].end("succeeded"); next != nil {
		e.Fatalf("after a failure %q is handed over", next.st.Lease.Strand)
	}
	e.none()
	parent := children[2].end("succeeded")
	if parent == nil || len(parent.st.Children) != 3 {
		e.Fatalf("the join answers %+v, it must have the three that were opened", parent)
	}
	parent.open(engine.Open{Path: "y", Count: 3, Window: 1})
	for _, outcome := range []string{"failed", "rejected", "failed"} { // without Failfast all run
		h := e.claimOrNext(parent)
		parent = h.end(outcome)
	}
	e.same("joined children", len(parent.st.Children), 3)
}

// claimOrNext answers the strand that was handed over, or claims one.
func (e *env) claimOrNext(h *holder) *holder {
	e.Helper()
	if h != nil && h.st.Lease.Strand != "" {
		return h
	}
	return e.one()
}

func nestedOpens(e *env) {
	root := e.started()
	root.write("root fact")
	root.openMany("x", 2, 2)
	outer := e.claim(2)
	for _, h := range outer {
		h.write("fact of " + h.st.Lease.Strand)
		h.openMany(h.st.Lease.Strand+"/y", 2, 2)
	}
	inner := e.claim(10)
	e.same("grandchildren", paths(inner), []string{"x[0]/y[0]", "x[0]/y[1]", "x[1]/y[0]", "x[1]/y[1]"})
	joins := map[string]int{}
	var last *holder
	for _, h := range inner {
		if len(h.st.Above) != 2 {
			e.Fatalf("%s sees %d strands above, it must be 2", h.st.Lease.Strand, len(h.st.Above))
		}
		parent := h.st.Lease.Strand[:4]
		e.same("outermost", bodies(h.st.Above[0].Facts), []string{"root fact", "opened"})
		e.same("strand above", h.st.Above[1].Strand, parent)
		e.same("facts above", bodies(h.st.Above[1].Facts), []string{"fact of " + parent, "opened"})
		e.same("item above", string(h.st.Above[1].Item), "item "+parent[2:3])
		if next := h.end("succeeded"); next != nil {
			joins[next.st.Lease.Strand]++
			e.same("joined children", len(next.st.Children), 2)
			last = next.end("succeeded")
		}
	}
	e.same("joins", joins, map[string]int{"x[0]": 1, "x[1]": 1})
	if last == nil || last.st.Lease.Strand != "" {
		e.Fatalf("the last join hands over %+v, it must be the root", last)
	}
	last.end("succeeded")
}

func opensInTurn(e *env) {
	h := e.started()
	for i, path := range []string{"x", "y", "z"} {
		h.openMany(path, i+1, 8)
		var parent *holder
		for _, c := range e.claim(10) {
			parent = c.end("succeeded")
		}
		e.same("children of "+path, len(parent.st.Children), i+1)
		h = parent
	}
	h.yield("went on")
	h = e.one()
	e.same("children after a settle", len(h.st.Children), 0)
	h.end("succeeded")
}

func childrenStay(e *env) {
	e.started().openMany("x", 2, 2)
	var parent *holder
	for _, c := range e.claim(2) {
		parent = c.end("succeeded")
	}
	e.clock.Advance(lease + 1)
	heir := e.one()
	parent.lost()
	e.same("children", heir.st.Children, parent.st.Children)
	heir.write("took note of them")
	e.clock.Advance(lease + 1)
	heir = e.one()
	if heir.st.Children != nil {
		e.Errorf("after a settle the next holder still gets children: %+v", heir.st.Children)
	}
	heir.end("succeeded")
}
