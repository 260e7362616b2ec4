// Histcheck decides which laws of the engine a recorded history breaks, and
// prints each violation in one line with the last events of its run before it.
// It exits with 0 if there is none, 1 if there are, 2 on wrong usage and 3 if a
// file cannot be read.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"stanch/engine"
	"stanch/engine/history"
)

const usage = `usage: histcheck [--dump FILE] [--witness FILE] [--late DURATION] HISTORY…

  --dump FILE      the store's runs at the end: JSON lines of engine.RunRecord
  --witness FILE   the practice tenant's audit: a JSON array, or JSON lines
  --late DURATION  how long after its time something may wait for a claim with room (1m)
`

// The exit codes.
const (
	kept       = 0
	broken     = 1
	badUsage   = 2
	unreadable = 3
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, out, log io.Writer) int {
	flags := flag.NewFlagSet("histcheck", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	dump := flags.String("dump", "", "")
	witness := flags.String("witness", "", "")
	late := flags.Duration("late", time.Minute, "")
	if err := flags.Parse(args); err != nil || flags.NArg() == 0 || *late <= 0 {
		if err != nil && !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(log, "histcheck:", err)
		}
		fmt.Fprint(log, usage)
		return badUsage
	}
	var files [][]history.Line
	for _, path := range flags.Args() {
		lines, err := readHistory(path)
		if err != nil {
			fmt.Fprintf(log, "histcheck: %s: %v\n", path, err)
			return unreadable
		}
		files = append(files, lines)
	}
	final, err := readJSON[engine.RunRecord](*dump)
	if err == nil {
		var seen []history.Witness
		if seen, err = readJSON[history.Witness](*witness); err == nil {
			lines := history.Merge(files...)
			found := history.Bounds{Late: *late}.Check(lines, final, seen)
			report(out, lines, found)
			summary(out, lines, len(found))
			if len(found) > 0 {
				return broken
			}
			return kept
		}
	}
	fmt.Fprintln(log, "histcheck:", err)
	return unreadable
}

func readHistory(path string) ([]history.Line, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return history.Read(f)
}

// readJSON reads values one after the other, or arrays of them. It answers nil
// for no file, and never nil for one.
func readJSON[T any](path string) ([]T, error) {
	if path == "" {
		return nil, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	all := []T{}
	d := json.NewDecoder(bytes.NewReader(b))
	for {
		var raw json.RawMessage
		if err := d.Decode(&raw); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		var some []T
		if raw[0] != '[' {
			some = make([]T, 1)
			err = json.Unmarshal(raw, &some[0])
		} else {
			err = json.Unmarshal(raw, &some)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, some...)
	}
}
