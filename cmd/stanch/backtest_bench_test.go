package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"stanch/cmd/stanch/internal/terminal"
	"stanch/connectors/incident"
	"stanch/engine"
	"stanch/engine/sqlitestore"
)

// BenchmarkBacktest is what `stanch backtest` does for a month of 10,000 incidents
// in a store in a file, of which a tenth or all start a run: it looks at a file,
// decides, takes access away, labels, tags and comments. The promise is 10 s on two
// processors where a tenth does.
func BenchmarkBacktest(b *testing.B) {
	const incidents = 10_000
	for name, every := range map[string]int{"tenth": 10, "all": 1} {
		b.Run(name, func(b *testing.B) {
			t := monthOf(b, incidents, every)
			for b.Loop() {
				r, err := t.run(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				s := r.Summary
				if s.Incidents != incidents || s.Runs != incidents/every || s.Partly > 0 || len(s.Actions) != 4 || s.Statuses[0].Count != s.Runs {
					b.Fatalf("%+v", s)
				}
			}
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/backtest")
		})
	}
}

// monthOf keeps as many incidents in a store, of which every so many is severe
// enough for the example.
func monthOf(tb testing.TB, n, every int) *trial {
	tb.Helper()
	dir := tb.TempDir()
	body, err := os.ReadFile("../../examples/fixtures/external-share.json")
	if err != nil {
		tb.Fatal(err)
	}
	like, err := incident.FromGraph(body)
	if err != nil {
		tb.Fatal(err)
	}
	text, err := os.ReadFile("../../examples/contain-external-share.yaml")
	if err != nil {
		tb.Fatal(err)
	}
	book := filepath.Join(dir, "book.yaml")
	if err := os.WriteFile(book, bytes.ReplaceAll(text, []byte(`in ["high", "medium"]`), []byte(`in ["high"]`)), 0o600); err != nil {
		tb.Fatal(err)
	}
	file := filepath.Join(dir, "stanch.db")
	store, err := sqlitestore.Open(file, sqlitestore.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	begun := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	for i := range n {
		in := like
		in.ID, in.CreatedAt, in.Severity = fmt.Sprintf("defender/%d", i), begun.Add(time.Duration(i)*time.Minute), "medium"
		in.UpdatedAt = in.CreatedAt.Add(time.Hour)
		if i%every == 0 {
			in.Severity = "high"
		}
		body, err := json.Marshal(map[string]any{"incident": in})
		if err == nil {
			_, err = store.Put(tb.Context(), engine.Document{Kind: "incident", Key: in.ID, Body: body, Version: engine.AnyVersion})
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	if err := store.Close(); err != nil {
		tb.Fatal(err)
	}
	quiet := terminal.On(io.Discard, func(string) string { return "" })
	sh := &shell{in: &bytes.Buffer{}, out: quiet, err: quiet, storeURL: "sqlite:" + file}
	t, err := sh.trial(tb.Context(), backtestOptions{playbook: book, reads: "recorded", as: "opened"})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(t.close)
	t.recorded = func(context.Context, string) ([]engine.Answer, error) {
		return []engine.Answer{{
			Action: "files.list_permissions", Params: json.RawMessage(`{"file":"` + like.Evidence.Files[0].ID + `"}`),
			Out: json.RawMessage(`{"file":{"id":"f","alerts":[],"roles":[]},"permissions":[{"id":"p1","scope":"anonymous","via":"link","roles":["write"],"grantees":[],"inherited":false,"owner":false}]}`),
		}}, nil
	}
	return t
}
