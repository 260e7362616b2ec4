package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Export is everything that is kept of a run: how it is read, what it was begun
// with, and every fact from which that follows. It holds no secrets, as no store
// does.
type Export struct {
	Run
	Params   json.RawMessage  `json:"params,omitempty"`
	Edition  json.RawMessage  `json:"edition"` // what it goes on with: the texts of the playbook and of all that it calls
	Cancel   Cancel           `json:"cancel,omitempty"`
	Strands  []ExportedStrand `json:"strands"`
	Exported int              `json:"export"` // of what form this is: 1
}

// ExportedStrand is one strand of an exported run.
type ExportedStrand struct {
	Path  string          `json:"path"` // "" is the root
	State string          `json:"state"`
	Item  json.RawMessage `json:"item,omitempty"`
	Facts []ExportedFact  `json:"facts"`
}

// ExportedFact is one thing that happened in a strand, as the store has it.
type ExportedFact struct {
	N      int64           `json:"n"`
	At     time.Time       `json:"at"`
	Signal bool            `json:"signal,omitempty"` // it came from outside
	Body   json.RawMessage `json:"body"`
}

// Export answers everything that is kept of a run, or ErrNotFound. The run may
// be alive: then it is what was kept at that moment.
func (e *Engine) Export(ctx context.Context, id string) (Export, error) {
	record, err := e.store.Run(ctx, id)
	if err != nil {
		return Export{}, fmt.Errorf("run %s: %w", id, err)
	}
	x := Export{Exported: 1, Cancel: record.Cancel, Strands: []ExportedStrand{}}
	if x.Run, err = e.describe(ctx, record); err != nil {
		return x, err
	}
	var head Head
	if err := json.Unmarshal(record.Head, &head); err != nil {
		return x, fmt.Errorf("run %s: head: %w", id, err)
	}
	x.Params = head.Params
	edition, err := e.docs.Get(ctx, docEdition, record.Edition)
	if err != nil {
		return x, fmt.Errorf("run %s: edition %s: %w", id, record.Edition, err)
	}
	x.Edition = edition.Body
	for _, s := range record.Strands {
		out := ExportedStrand{Path: s.Path, State: s.State, Item: s.Item, Facts: []ExportedFact{}}
		for _, f := range s.Facts {
			if !json.Valid(f.Body) {
				return x, fmt.Errorf("run %s: strand %q: fact %d is no JSON", id, s.Path, f.N)
			}
			out.Facts = append(out.Facts, ExportedFact{N: f.N, At: f.At, Signal: f.Signal, Body: f.Body})
		}
		x.Strands = append(x.Strands, out)
	}
	return x, nil
}
