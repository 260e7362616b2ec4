package storetest

import (
	"fmt"
	"slices"
	"sync"

	"stanch/engine"
)

func followLaws() []law {
	return []law{
		{name: "StreamIsState", promise: "who follows the stream from the beginning knows the whole state", judge: streamOfEverything},
		{name: "StreamGoesOn", promise: "who follows in pieces of any size knows the same, and goes on where it stopped", judge: streamGoesOn},
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

// fold computes the state of all runs and documents from the stream, and the
// audit records in their order.
func (e *env) fold(records []engine.Record) (runs map[string]engine.Record, docs map[[2]string]engine.Document, audit []string) {
	e.Helper()
	runs, docs = map[string]engine.Record{}, map[[2]string]engine.Document{}
	last := map[int]int64{}
	for _, r := range records {
		if r.Seq <= last[r.Partition] || r.At.IsZero() {
			e.Fatalf("record %d of %s follows record %d of partition %d", r.Seq, r.At, last[r.Partition], r.Partition)
		}
		last[r.Partition] = r.Seq
		switch r.Kind {
		case "run":
			if runs[r.Run] = r; r.Deleted {
				delete(runs, r.Run)
			}
		case "document":
			key := [2]string{r.Document.Kind, r.Document.Key}
			if docs[key] = *r.Document; r.Deleted {
				delete(docs, key)
			}
		case "audit":
			audit = append(audit, string(r.Body))
		default:
			e.Fatalf("record of kind %q", r.Kind)
		}
	}
	return runs, docs, audit
}

// streamIsState fails if the stream tells another state than the store answers.
func (e *env) streamIsState() {
	e.Helper()
	records, _ := e.stream("", 97)
	runs, docs, _ := e.fold(records)
	for id, told := range runs {
		r := e.record(id)
		e.same("head", *told.Head, r.RunHead)
		e.same("status of "+id, told.Status, r.Status)
		e.same("mark of "+id, told.Cancel, r.Cancel)
		e.same("end of "+id, told.EndedAt, r.EndedAt)
		active, waits := false, []string{}
		for _, st := range r.Strands {
			active = active || st.State == "due" || st.State == "leased"
			if st.State == "waiting" && st.On != "" {
				waits = append(waits, st.On)
			}
		}
		slices.Sort(waits)
		e.same("a strand of "+id+" can go on", told.Active, active)
		e.same("what "+id+" waits for", told.Waits, slices.Compact(waits))
	}
	for key, d := range docs {
		got, err := e.s.Get(e.Context(), key[0], key[1])
		e.ok(err)
		e.same("document", got, d)
	}
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
	runs, docs, audit := e.fold(records)
	e.same("audit records", len(audit), 4)
	if len(runs) != 8 || len(docs) != 2 {
		e.Errorf("the stream tells of %d runs and %d documents, it must be 8 and 2", len(runs), len(docs))
	}
	e.streamIsState()
}

func streamGoesOn(e *env) {
	e.work(2)
	whole, cursor := e.stream("", 1000)
	knows := func(records []engine.Record) []any {
		runs, docs, audit := e.fold(records)
		return []any{runs, docs, audit}
	}
	for _, limit := range []int{1, 2, 7} {
		pieces, end := e.stream("", limit)
		e.same(fmt.Sprintf("in pieces of %d", limit), knows(pieces), knows(whole))
		e.same("cursor", end, cursor)
	}
	nothing, same := e.stream(cursor, 10)
	e.same("after the end", len(nothing), 0)
	e.same("cursor after the end", same, cursor)
	e.work(1)
	more, _ := e.stream(cursor, 10)
	again, _ := e.stream("", 1000)
	e.same("goes on", knows(append(whole, more...)), knows(again))
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
	seen, cursor := map[string]bool{}, ""
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for last := false; ; {
		var records []engine.Record
		records, cursor = e.stream(cursor, 7)
		for _, r := range records {
			seen[r.Run] = true
		}
		if last {
			break
		}
		select {
		case <-done:
			last = true
		default:
		}
	}
	e.same("runs", len(seen), runs)
}
