package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"stanch/actions"
	"stanch/playbooks"
)

// Run is a run as people and programs read it.
type Run struct {
	ID         string                     `json:"id"`
	Playbook   PlaybookRef                `json:"playbook"`
	Mode       string                     `json:"mode"`
	Status     string                     `json:"status"` // queued | running | waiting | succeeded | failed | rejected | cancelled
	Event      playbooks.Event            `json:"event"`
	Subject    string                     `json:"subject"`
	StartedBy  string                     `json:"started_by"`
	Undoes     string                     `json:"undoes,omitempty"`
	Retries    string                     `json:"retries,omitempty"`   // the run from whose failed step it goes on
	Resubmits  string                     `json:"resubmits,omitempty"` // the run that it begins again
	StartedAt  time.Time                  `json:"started_at"`
	FinishedAt *time.Time                 `json:"finished_at"`
	BeginsAt   *time.Time                 `json:"begins_at,omitempty"` // of a run that waits for its time
	WaitsFor   []string                   `json:"waits_for,omitempty"`
	Reason     string                     `json:"reason,omitempty"` // what stop or a rejection said
	Error      *Fault                     `json:"error,omitempty"`
	Steps      []Step                     `json:"steps"`
	Outputs    map[string]json.RawMessage `json:"outputs"`
}

// PlaybookRef names the playbook and the edition of a run.
type PlaybookRef struct {
	ID     string `json:"id"`
	Digest string `json:"digest"`
}

// Step is one step of a run.
type Step struct {
	Path       string          `json:"path"`
	ID         string          `json:"id,omitempty"`
	Kind       string          `json:"kind"`
	Uses       string          `json:"uses,omitempty"`
	Status     string          `json:"status"` // queued running waiting succeeded failed skipped rejected cancelled unknown
	Attempts   int             `json:"attempts"`
	StartedAt  *time.Time      `json:"started_at"`
	FinishedAt *time.Time      `json:"finished_at"`
	Output     json.RawMessage `json:"output,omitempty"`
	Why        string          `json:"why,omitempty"`
	KeptFrom   string          `json:"kept_from,omitempty"` // the run that did it, of which this one keeps it
	Error      *Fault          `json:"error,omitempty"`
	Approval   *Approval       `json:"approval,omitempty"`
	Effects    []StepEffect    `json:"effects,omitempty"`
}

// StepEffect is one effect of a step.
type StepEffect struct {
	ID     string          `json:"id"`
	Action string          `json:"action"`
	Class  actions.Class   `json:"class"`
	Target actions.Target  `json:"target"`
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
	Status actions.Status  `json:"status"`
	Why    string          `json:"why,omitempty"`
	Lost   []actions.Lost  `json:"lost,omitempty"`
	Undoes string          `json:"undoes,omitempty"`
	Until  *time.Time      `json:"until,omitempty"`    // when it is taken back
	UndoBy string          `json:"undo_run,omitempty"` // the run that does so; to keep the effect, cancel it
}

// Ended reports whether nothing more will happen in the run.
func (r Run) Ended() bool { return ended(r.Status) }

func ended(status string) bool {
	switch status {
	case "succeeded", "failed", "rejected", "cancelled":
		return true
	}
	return false
}

// strandState is a strand of a record with what its facts amount to.
type strandState struct {
	record StrandRecord
	st     *state
}

// states computes the state of every strand of a run, the strands around a
// strand before it.
func (e *Engine) states(ctx context.Context, record RunRecord) ([]strandState, error) {
	return e.replay(ctx, record, watch{})
}

// replay is states while somebody watches.
func (e *Engine) replay(ctx context.Context, record RunRecord, w watch) ([]strandState, error) {
	run, err := e.context(ctx, record.RunHead)
	if err != nil {
		return nil, err
	}
	strands := slices.Clone(record.Strands)
	slices.SortFunc(strands, func(a, b StrandRecord) int {
		if d := strings.Count(a.Path, "[") - strings.Count(b.Path, "["); d != 0 {
			return d
		}
		return comparePaths(a.Path, b.Path)
	})
	byPath := map[string]*state{}
	all := make([]strandState, 0, len(strands))
	for _, s := range strands {
		var above *state
		if parent, ok := parentStrand(s.Path); ok {
			above = byPath[parent]
		}
		st, err := newState(run, s.Path, above, s.Item)
		if err == nil {
			err = st.applyEach(s.Facts, w)
		}
		if err != nil {
			return nil, fmt.Errorf("run %s: strand %q: %w", record.ID, s.Path, err)
		}
		st.cancel = record.Cancel
		byPath[s.Path] = st
		all = append(all, strandState{record: s, st: st})
	}
	return all, nil
}

// Run answers a run as it stands.
func (e *Engine) Run(ctx context.Context, id string) (Run, error) {
	record, err := e.store.Run(ctx, id)
	if err != nil {
		return Run{}, fmt.Errorf("run %s: %w", id, err)
	}
	return e.describe(ctx, record)
}

func (e *Engine) describe(ctx context.Context, record RunRecord) (Run, error) {
	var head Head
	if err := json.Unmarshal(record.Head, &head); err != nil {
		return Run{}, fmt.Errorf("run %s: head: %w", record.ID, err)
	}
	r := Run{
		ID: record.ID, Playbook: PlaybookRef{ID: record.Playbook, Digest: record.Edition}, Mode: record.Mode,
		Status: record.Status, Event: head.Event, Subject: record.Subject, StartedBy: head.StartedBy, Undoes: head.Undoes,
		Retries: head.Retries, Resubmits: head.Resubmits,
		StartedAt: record.BegunAt, Steps: []Step{}, Outputs: map[string]json.RawMessage{},
	}
	if !record.EndedAt.IsZero() {
		r.FinishedAt = &record.EndedAt
	}
	res, err := decodeResult(record.Result)
	if err != nil {
		return r, fmt.Errorf("run %s: %w", record.ID, err)
	}
	r.Error, r.Reason = res.Fault, res.Why
	if res.Outputs != nil {
		r.Outputs = res.Outputs
	}
	states, err := e.states(ctx, record)
	if err != nil {
		return r, err
	}
	waiting := 0
	live := 0
	for _, s := range states {
		switch s.record.State {
		case "waiting":
			if record.Status == "queued" && !s.record.Due.IsZero() {
				r.BeginsAt = &s.record.Due
			}
			waiting++
			live++
			r.WaitsFor = append(r.WaitsFor, s.record.On)
		case "due", "leased":
			live++
		}
		steps, err := e.steps(ctx, s)
		if err != nil {
			return r, err
		}
		r.Steps = append(r.Steps, steps...)
	}
	if r.Status == "running" && waiting > 0 && waiting == live {
		r.Status = "waiting"
	}
	if len(states) > 0 {
		outline := states[0].st.run.outline
		slices.SortFunc(r.Steps, func(a, b Step) int { return outline.comparePlaces(a.Path, b.Path) })
	}
	return r, nil
}

// OpenEffect is an effect that was begun and has no certain outcome.
type OpenEffect struct {
	Run    string         `json:"run"`
	Step   string         `json:"step"`
	Effect string         `json:"effect"`
	Action string         `json:"action"`
	Target actions.Target `json:"target"`
	Status actions.Status `json:"status"` // begun | open | unknown
	Since  time.Time      `json:"since"`
	Why    string         `json:"why,omitempty"`
}

// OpenEffects answers the effects of these runs that have no certain outcome.
func (e *Engine) OpenEffects(ctx context.Context, runs []string) ([]OpenEffect, error) {
	found := []OpenEffect{}
	for _, id := range runs {
		record, err := e.store.Run(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("run %s: %w", id, err)
		}
		states, err := e.states(ctx, record)
		if err != nil {
			return nil, err
		}
		for _, s := range states {
			p := s.st.open
			if p == nil {
				continue
			}
			for _, eff := range p.effects {
				if !eff.settled() {
					found = append(found, OpenEffect{Run: id, Step: p.path, Effect: eff.ID, Action: eff.Action, Target: eff.Target, Status: eff.Status, Since: eff.at, Why: eff.why})
				}
			}
		}
	}
	return found, nil
}

// Await answers the run once it has ended, telling every change meanwhile.
func (e *Engine) Await(ctx context.Context, id string, changed func(Run)) (Run, error) {
	var last string
	wait := soonest
	for {
		r, err := e.Run(ctx, id)
		if err != nil {
			return r, err
		}
		if now := fingerprint(r); now != last {
			last, wait = now, soonest
			if changed != nil {
				changed(r)
			}
		}
		if r.Ended() {
			return r, nil
		}
		if !sleep(ctx, wait) {
			return r, fmt.Errorf("waiting for run %s: %w", id, ctx.Err())
		}
		wait = min(wait*5/4, time.Second) // what has been quiet for long is looked at more seldom
	}
}

// soonest is how soon a run is looked at again after a change.
const soonest = 50 * time.Millisecond

func fingerprint(r Run) string {
	var b strings.Builder
	b.WriteString(r.Status)
	for _, s := range r.Steps {
		fmt.Fprintf(&b, "|%s %s", s.Path, s.Status)
		for _, e := range s.Effects {
			fmt.Fprintf(&b, " %s", e.Status)
		}
	}
	return b.String()
}
