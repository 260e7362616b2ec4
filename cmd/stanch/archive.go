package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"stanch/engine"
)

// archive writes ended runs into a folder, a file for each day, one run a line.
// What it has answered for is on the disk.
type archive struct {
	folder string
}

// write appends runs to the file of today. A run may be there twice, if whoever
// asked has not heard the answer.
func (a archive) write(_ context.Context, runs []engine.RunRecord) error {
	var lines []byte
	for i := range runs {
		raw, err := json.Marshal(runs[i])
		if err != nil {
			return fmt.Errorf("run %s: %w", runs[i].ID, err)
		}
		lines = append(append(lines, raw...), '\n')
	}
	if err := os.MkdirAll(a.folder, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(a.folder, "runs-"+time.Now().UTC().Format(time.DateOnly)+".jsonl"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(lines)
	return errors.Join(err, f.Sync(), f.Close())
}
