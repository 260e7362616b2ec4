package playbooks

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

// books are so many copies of a real playbook, each with an id of its own.
func manyBooks(tb testing.TB, n int) []Source {
	text := readFile(tb, "testdata/good/contain-external-share.yaml")
	files := make([]Source, n)
	for i := range files {
		id := fmt.Appendf(nil, "playbook: contain-%d", i)
		files[i] = Source{fmt.Sprintf("contain-%d.yaml", i), bytes.Replace(text, []byte("playbook: contain-external-share"), id, 1)}
	}
	return files
}

// BenchmarkLint200 is what `stanch lint` does with 200 playbooks: 300 ms are
// allowed, the start of the process included.
func BenchmarkLint200(b *testing.B) {
	files, world := manyBooks(b, 200), testWorld()
	b.ReportAllocs()
	for b.Loop() {
		if _, findings := LoadAll(files, world); len(findings) > 0 {
			b.Fatal(allText(findings))
		}
	}
}

// BenchmarkMatch is 1,000 incidents against 200 playbooks: 2 s are allowed.
func BenchmarkMatch(b *testing.B) {
	books, findings := LoadAll(manyBooks(b, 200), testWorld())
	if len(findings) > 0 {
		b.Fatal(allText(findings))
	}
	ev := exampleEvent(b)
	for b.Loop() {
		for range 1000 {
			names, err := books[0].EventNames(ev)
			if err != nil {
				b.Fatal(err)
			}
			for _, p := range books {
				if v, err := p.Matches(ev, names, nil, time.Unix(0, 0)); !v.Matched || err != nil {
					b.Fatal(v, err)
				}
			}
		}
	}
}
