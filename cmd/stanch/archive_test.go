package main

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"stanch/engine"
)

// What goes to the archive is there as it was kept, one run a line, for the
// operator alone.
func TestArchive(t *testing.T) {
	a := archive{filepath.Join(t.TempDir(), "archive")}
	ended := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	run := func(id string) engine.RunRecord {
		return engine.RunRecord{
			RunHead: engine.RunHead{ID: id, Playbook: "p", Head: []byte("head\x00")}, Status: "succeeded", EndedAt: ended,
			Strands: []engine.StrandRecord{{Facts: []engine.Fact{{N: 1, Body: []byte("fact")}}}},
		}
	}
	for _, runs := range [][]engine.RunRecord{{run("a"), run("b")}, {run("c")}} {
		if err := a.write(t.Context(), runs); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(filepath.Join(a.folder, "runs-*.jsonl"))
	if err != nil || len(files) == 0 || len(files) > 2 { // two around midnight
		t.Fatalf("files: %v, %v", files, err)
	}
	var ids string
	for _, file := range files {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", file, info.Mode(), err)
		}
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			var r engine.RunRecord
			if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
				t.Fatal(err)
			}
			ids += r.ID
			if string(r.Head) != "head\x00" || string(r.Strands[0].Facts[0].Body) != "fact" || !r.EndedAt.Equal(ended) {
				t.Errorf("archived: %+v", r)
			}
		}
	}
	if ids != "abc" {
		t.Errorf("runs %s", ids)
	}
	if err := (archive{os.DevNull}).write(t.Context(), []engine.RunRecord{run("d")}); err == nil {
		t.Error("a folder that is none is no error")
	}
}
