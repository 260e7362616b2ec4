package storetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"stanch/engine"
)

func documentLaws() []law {
	return []law{
		{name: "DocumentIsKept", promise: "a document is kept byte for byte, with version and time", judge: documentIsKept},
		{name: "DocumentVersions", promise: "a document changes only from the version that was seen", judge: documentVersions},
		{name: "DocumentsConcurrently", promise: "of many who change one version, one does", judge: documentsConcurrently},
		{name: "DocumentExpires", promise: "a document is gone when its time is over", judge: documentExpires},
		{name: "DocumentDelete", promise: "a document is deleted at the version seen; what is not there is no error", judge: documentDelete},
		{name: "DocumentEach", promise: "documents of a kind are listed in key order, piece by piece", judge: documentEach},
		{name: "HoldIsExclusive", promise: "a named lease has one holder, and its token rises with each change", judge: holdIsExclusive},
		{name: "NoteIsKept", promise: "an audit record is in the stream as it was noted", judge: noteIsKept},
	}
}

func (e *env) put(d engine.Document) int64 {
	e.Helper()
	v, err := e.s.Put(e.Context(), d)
	e.ok(err)
	if v <= 0 {
		e.Fatalf("version %d", v)
	}
	return v
}

func (e *env) get(kind, key string) engine.Document {
	e.Helper()
	d, err := e.s.Get(e.Context(), kind, key)
	e.ok(err)
	return d
}

func documentIsKept(e *env) {
	_, err := e.s.Get(e.Context(), "incident", "1")
	e.is(err, engine.ErrNotFound)
	for _, body := range []string{"b\x00\xff", "", string(make([]byte, 3<<20))} {
		v := e.put(engine.Document{Kind: "incident", Key: "ключ/1\x00", Body: []byte(body), Version: engine.AnyVersion})
		d := e.get("incident", "ключ/1\x00")
		if string(d.Body) != body || d.Version != v || d.At.IsZero() || d.Expires != 0 || d.Kind != "incident" {
			e.Errorf("a document of %d bytes comes back with %d, version %d, %s", len(body), len(d.Body), d.Version, d.At)
		}
	}
	if _, err := e.s.Put(e.Context(), engine.Document{Key: "k"}); err == nil {
		e.Error("a document without a kind is accepted")
	}
}

func documentVersions(e *env) {
	put := func(version int64) (int64, error) {
		return e.s.Put(e.Context(), engine.Document{Kind: "k", Key: "1", Body: fmt.Append(nil, version), Version: version})
	}
	e.unchanged(func() {
		_, err := put(7)
		e.is(err, engine.ErrConflict)
	})
	v1, err := put(0)
	e.ok(err)
	e.unchanged(func() {
		_, err := put(0)
		e.is(err, engine.ErrConflict)
	})
	v2, err := put(v1)
	e.ok(err)
	if v2 <= v1 {
		e.Errorf("version %d follows %d", v2, v1)
	}
	e.unchanged(func() {
		_, err := put(v1)
		e.is(err, engine.ErrConflict)
	})
	e.ok(e.s.Delete(e.Context(), "k", "1", v2))
	v3, err := put(0)
	e.ok(err)
	e.unchanged(func() {
		for _, old := range []int64{v1, v2} { // a deletion forgets no version
			_, err := put(old)
			e.is(err, engine.ErrConflict)
		}
	})
	if v4, err := put(engine.AnyVersion); err != nil || v4 <= v3 {
		e.Errorf("AnyVersion answers %d, %v", v4, err)
	}
}

func documentsConcurrently(e *env) {
	v := e.put(engine.Document{Kind: "k", Key: "1", Version: engine.AnyVersion})
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for range 8 {
		wg.Go(func() {
			_, err := e.s.Put(e.Context(), engine.Document{Kind: "k", Key: "1", Version: v})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if !errors.Is(err, engine.ErrConflict) {
				e.Error(err)
			}
		})
	}
	wg.Wait()
	e.same("changes", won, 1)
}

func documentExpires(e *env) {
	e.put(engine.Document{Kind: "k", Key: "1", Body: []byte("b"), Version: engine.AnyVersion, Expires: time.Hour})
	e.put(engine.Document{Kind: "k", Key: "2", Version: engine.AnyVersion})
	e.clock.Advance(40 * time.Minute)
	if d := e.get("k", "1"); d.Expires <= 15*time.Minute || d.Expires > 20*time.Minute {
		e.Errorf("%s are left, it must be 20m", d.Expires)
	}
	e.clock.Advance(21 * time.Minute)
	_, err := e.s.Get(e.Context(), "k", "1")
	e.is(err, engine.ErrNotFound)
	docs, err := e.s.Each(e.Context(), "k", "", 10)
	e.ok(err)
	e.same("documents", len(docs), 1)
	e.put(engine.Document{Kind: "k", Key: "1", Body: []byte("new"), Version: 0})
	e.clock.Advance(1000 * time.Hour)
	e.same("without expiry", string(e.get("k", "1").Body), "new")
	e.put(engine.Document{Kind: "k", Key: "3", Version: 0, Expires: time.Minute})
	e.clock.Advance(2 * time.Minute)
	e.none() // a worker's Claim sweeps
	e.ok(e.s.Delete(e.Context(), "k", "3", 5))
}

func documentDelete(e *env) {
	e.ok(e.s.Delete(e.Context(), "k", "1", engine.AnyVersion))
	e.ok(e.s.Delete(e.Context(), "k", "1", 5))
	v := e.put(engine.Document{Kind: "k", Key: "1", Version: 0})
	e.unchanged(func() { e.is(e.s.Delete(e.Context(), "k", "1", v+1), engine.ErrConflict) })
	e.ok(e.s.Delete(e.Context(), "k", "1", v))
	_, err := e.s.Get(e.Context(), "k", "1")
	e.is(err, engine.ErrNotFound)
	e.put(engine.Document{Kind: "k", Key: "1", Version: 0})
	e.ok(e.s.Delete(e.Context(), "k", "1", engine.AnyVersion))
}

func documentEach(e *env) {
	for i := range 25 {
		e.put(engine.Document{Kind: "k", Key: fmt.Sprintf("%02d", 24-i), Version: 0})
		e.put(engine.Document{Kind: "other", Key: fmt.Sprintf("%02d", i), Version: 0})
	}
	var keys []string
	for after := ""; ; {
		docs, err := e.s.Each(e.Context(), "k", after, 10)
		e.ok(err)
		for _, d := range docs {
			keys = append(keys, d.Key)
			after = d.Key
		}
		if len(docs) < 10 {
			break
		}
	}
	var want []string
	for i := range 25 {
		want = append(want, fmt.Sprintf("%02d", i))
	}
	e.same("keys", keys, want)
}

func holdIsExclusive(e *env) {
	hold := func(holder string, last time.Duration) int64 {
		e.Helper()
		token, err := e.s.Hold(e.Context(), "feeder", holder, last)
		e.ok(err)
		return token
	}
	a := hold("a", time.Minute)
	if a <= 0 {
		e.Fatalf("token %d", a)
	}
	e.same("another while it is held", hold("b", time.Minute), int64(0))
	e.clock.Advance(40 * time.Second)
	e.same("renewed", hold("a", time.Minute), a)
	e.clock.Advance(40 * time.Second)
	e.same("another after a renewal", hold("b", time.Minute), int64(0))
	e.same("given back by another", hold("b", 0), int64(0))
	e.same("still held", hold("a", time.Minute), a)
	e.clock.Advance(2 * time.Minute)
	b := hold("b", time.Minute)
	if b <= a {
		e.Errorf("the token of a new holder is %d, the old one's %d", b, a)
	}
	e.same("the old holder", hold("a", time.Minute), int64(0))
	hold("b", 0)
	if again := hold("a", time.Minute); again <= b {
		e.Errorf("the token after giving back is %d, before it was %d", again, b)
	}
	other, err := e.s.Hold(e.Context(), "sealer", "b", time.Minute)
	e.ok(err)
	if other <= 0 {
		e.Errorf("another name is held too: %d", other)
	}
	if _, err := e.s.Hold(e.Context(), "feeder", "", time.Minute); err == nil {
		e.Error("a holder without a name is accepted")
	}
}

func noteIsKept(e *env) {
	var want []string
	for _, body := range []string{"a", "", "\x00"} {
		e.ok(e.s.Note(e.Context(), []byte(body)))
		want = append(want, body)
	}
	var got []string
	records, _ := e.stream("", 2)
	for _, r := range records {
		if r.Kind == "audit" {
			got = append(got, string(r.Body))
		}
	}
	e.same("records", got, want)
}
