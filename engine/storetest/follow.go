package storetest

import (
	"fmt"
	"sync"

	"stanch/engine"
)

func followLaws() []law {
	return []law{
		{name: "StreamIsState", promise: "who follows the stream from the beginning knows the whole state", judge: streamOfEverything},
		{name: "StreamGoesOn", promise: "who follows in pieces of any size gets each record once, in order, and goes on where it stopped", judge: streamGoesOn},
		{name: "StreamWhileActing", promise: "who follows while others act misses nothing", judge: streamWhileActing},
		{name: "StreamRefusesNonsense", promise: "a cursor that the store has not answered is refused", judge: func(e *env) {
			e.begin()
			for _, cursor := range []string{"x", "1", "1.", ".1", "1.1", "-1.-1", "999999999999999999999.1"} {
				if p, err := e.s.Follow(e.Context(), cursor, 10); err == nil {
					e.Errorf("cursor %q is answered with %d records", cursor, len(p.Records))
				}
			}
			if _, err := e.s.Follow(e.Context(), "", 0); err == nil {
				e.Error("a page of nothing is answered")
			}
		}},
	}
}

// folded is what a stream tells of a run.
type folded struct {
	head    engine.RunHead
	status  string
	cancel  engine.Cancel
	strands map[string]*foldedStrand
}

type foldedStrand struct {
	state, on string
	facts     []engine.Fact
	ended     *engine.Ended
}

// fold computes the state of all runs and documents from the stream.
func (e *env) fold(records []engine.Record) (map[string]*folded, map[[2]string]engine.Document) {
	e.Helper()
	runs, docs := map[string]*folded{}, map[[2]string]engine.Document{}
	last := int64(0)
	for _, r := range records {
		if r.Seq <= last || r.At.IsZero() {
			e.Fatalf("record %d of %s follows record %d", r.Seq, r.At, last)
		}
		last = r.Seq
		switch r.Kind {
		case "begin":
			runs[r.Run] = &folded{head: *r.Head, status: r.Status, strands: map[string]*foldedStrand{"": {state: "due"}}}
		case "run":
			runs[r.Run].status = r.Status
			if r.Cancel != "" {
				runs[r.Run].cancel = r.Cancel
			}
		case "strand":
			st := runs[r.Run].strands[r.Strand]
			if st == nil {
				st = &foldedStrand{}
				runs[r.Run].strands[r.Strand] = st
			}
			st.state, st.on, st.facts = r.State, r.On, append(st.facts, r.Facts...)
			if r.Ended != nil {
				if st.ended != nil {
					e.Fatalf("strand %s of %s ends twice", r.Strand, r.Run)
				}
				st.ended = r.Ended
			}
		case "document":
			key := [2]string{r.Document.Kind, r.Document.Key}
			if docs[key] = *r.Document; r.Deleted {
				delete(docs, key)
			}
		case "audit":
		default:
			e.Fatalf("record of kind %q", r.Kind)
		}
	}
	return runs, docs
}

// streamIsState fails if the stream tells another state than the store answers.
func (e *env) streamIsState() {
	e.Helper()
	records, _ := e.stream("", 97)
	runs, docs := e.fold(records)
	for id, run := range runs {
		r := e.record(id)
		e.same("head", run.head, r.RunHead)
		e.same("status of "+id, run.status, r.Status)
		e.same("mark of "+id, run.cancel, r.Cancel)
		for _, st := range r.Strands {
			told := run.strands[st.Path]
			if told == nil {
				e.Fatalf("the stream does not tell of strand %q (%s)", st.Path, st.State)
			}
			e.same("facts of "+st.Path, told.facts, st.Facts)
			e.same("end of "+st.Path, told.ended, st.Ended)
			if active(told.state) != active(st.State) && r.Status != "queued" {
				e.Fatalf("strand %q is %s, the stream tells %s", st.Path, st.State, told.state)
			}
			if st.State == "waiting" && r.Status != "queued" {
				e.same("what it waits for", told.on, st.On)
			}
			delete(run.strands, st.Path)
		}
		e.same("strands that are not there", len(run.strands), 0)
	}
	for key, d := range docs {
		got, err := e.s.Get(e.Context(), key[0], key[1])
		e.ok(err)
		e.same("document", got, d)
	}
}

// active is what a stream tells of a strand: claims leave no record.
func active(state string) string {
	if state == "leased" {
		return "due"
	}
	return state
}

// work lets runs do something of everything.
func (e *env) work(n int) {
	e.Helper()
	for i := range n {
		h := e.started(func(b *engine.Begin) { b.Subject = fmt.Sprint(i) })
		h.write("a", "b")
		e.signal(h.Run, "", "word")
		h.yield()
		h = e.one()
		h.openMany("x", 3, 2)
		for _, c := range e.claim(2) {
			for c != nil && c.st.Lease.Strand != "" {
				c = c.end("succeeded")
			}
			if c != nil && i%2 == 0 {
				c.end("succeeded")
			} else if c != nil {
				c.wait(engine.Wait{Ever: true, On: "a person"})
			}
		}
		v := e.put(engine.Document{Kind: "k", Key: fmt.Sprint(i), Body: []byte("1"), Version: 0})
		v = e.put(engine.Document{Kind: "k", Key: fmt.Sprint(i), Body: []byte("2"), Version: v})
		if i%3 == 0 {
			e.ok(e.s.Delete(e.Context(), "k", fmt.Sprint(i), v))
		}
		e.ok(e.s.Note(e.Context(), []byte("noted")))
	}
}

func streamOfEverything(e *env) {
	e.work(4)
	e.freeze("freeze")
	e.started().wait(engine.Wait{Ever: true, Thaw: true, On: "the thaw"})
	e.freeze("thaw")
	e.one().wait(engine.Wait{Ever: true})
	h := e.started(withKey("k"))
	e.begin(withKey("k"))
	third := e.begin(withKey("k"))
	e.cancel(third, engine.Terminated)
	e.cancel(h.Run, engine.Cancelled)
	h.end("cancelled")
	records, _ := e.stream("", 1000)
	runs, docs := e.fold(records)
	if len(runs) != 8 || len(docs) != 2 {
		e.Errorf("the stream tells of %d runs and %d documents, it must be 8 and 2", len(runs), len(docs))
	}
	e.streamIsState()
}

func streamGoesOn(e *env) {
	e.work(2)
	whole, cursor := e.stream("", 1000)
	for _, limit := range []int{1, 2, 7} {
		pieces, end := e.stream("", limit)
		e.same(fmt.Sprintf("in pieces of %d", limit), pieces, whole)
		e.same("cursor", end, cursor)
	}
	nothing, same := e.stream(cursor, 10)
	e.same("after the end", len(nothing), 0)
	e.same("cursor after the end", same, cursor)
	e.work(1)
	more, _ := e.stream(cursor, 10)
	again, _ := e.stream("", 1000)
	e.same("goes on", append(whole, more...), again)
}

func streamWhileActing(e *env) {
	const runs = 60
	var wg sync.WaitGroup
	for i := range runs {
		b := e.newBegin(func(b *engine.Begin) { b.Subject = fmt.Sprint(i) })
		wg.Go(func() {
			if _, err := e.s.Begin(e.Context(), b); err != nil {
				e.Error(err)
			}
		})
	}
	seen, cursor := 0, ""
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for last := false; ; {
		var records []engine.Record
		records, cursor = e.stream(cursor, 7)
		seen += len(records)
		if last {
			break
		}
		select {
		case <-done:
			last = true
		default:
		}
	}
	e.same("records", seen, runs)
}
