package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"stanch/playbooks"
)

// Retry is a wish to go on with a run that did not end well.
type Retry struct {
	Run    string
	From   string // a step of the playbook's own list: it and all behind it are done anew; "": what failed is
	By     string
	Reason string
}

// Retry begins a run that goes on from the step at which another failed or was
// cancelled: with the same edition, event and params. What succeeded there is
// kept and not done again: in items, branches and what is called, too. All else
// is done anew, and so are what tidies up, and approvals that cover more than is
// kept with them. The earlier run stays as it is.
//
// A run is retried by one other; that is retried in its turn. While that one is
// alive a repeat answers it (Begun.New is false). Retry refuses (ErrRefused)
// every other run, and a step that is not there, and says what to do.
func (e *Engine) Retry(ctx context.Context, r Retry) (Begun, error) {
	record, head, err := e.before(ctx, r.Run)
	if err != nil {
		return Begun{}, err
	}
	if err := mayRetry(record); err != nil {
		return Begun{}, err
	}
	k, err := e.keepable(ctx, record, r.From)
	if err != nil {
		return Begun{}, err
	}
	digest, err := e.keepKept(ctx, k)
	if err != nil {
		return Begun{}, err
	}
	of, err := e.context(ctx, record.RunHead)
	if err != nil {
		return Begun{}, err
	}
	key, wide, err := of.key()
	if err != nil {
		return Begun{}, fmt.Errorf("run %s: %w", r.Run, err)
	}
	next := head.next(r.By, r.Reason)
	next.Retries, next.First, next.FirstAt, next.Kept = r.Run, of.capped(), of.beganAt(), digest
	begun, err := e.begin(ctx, Begin{
		Playbook: record.Playbook, Subject: record.Subject, Dedupe: "retry/" + r.Run, Edition: record.Edition,
		Mode: ModeLive, Key: key, Wide: wide, WhenBusy: "queue",
	}, next)
	if err != nil || begun.New || begun.Busy {
		return begun, err
	}
	other, err := e.store.Run(ctx, begun.Run)
	switch {
	case err != nil:
		return Begun{}, fmt.Errorf("run %s: %w", begun.Run, err)
	case other.Status == "succeeded":
		return Begun{}, fmt.Errorf("%w: run %s was retried by run %s, which has succeeded", ErrRefused, r.Run, begun.Run)
	case ended(other.Status):
		return Begun{}, fmt.Errorf("%w: run %s was retried by run %s, which is %s: retry that", ErrRefused, r.Run, begun.Run, other.Status)
	}
	return begun, nil
}

// mayRetry answers why a run that has ended is not retried, or nil.
func mayRetry(record RunRecord) error {
	again := "`stanch runs resubmit " + record.ID + "` begins it again"
	switch {
	case record.Mode != ModeLive:
		return fmt.Errorf("%w: run %s was a %s and has changed nothing: %s", ErrRefused, record.ID, record.Mode, again)
	case record.Status == "succeeded":
		return fmt.Errorf("%w: run %s has succeeded, there is nothing to retry: %s", ErrRefused, record.ID, again)
	case record.Status == "rejected":
		return fmt.Errorf("%w: run %s was rejected by people, which no retry passes over: %s, and asks again", ErrRefused, record.ID, again)
	}
	return nil
}

// maxKept bounds what a run takes over, as JSON.
const maxKept = 64 << 20

// keepKept stores what a run takes over and answers its digest.
func (e *Engine) keepKept(ctx context.Context, k *kept) (string, error) {
	body, err := json.Marshal(k)
	if err != nil {
		return "", err
	}
	if len(body) > maxKept {
		return "", fmt.Errorf("%w: what succeeded in run %s has %d bytes, at most %d can be kept: `stanch runs resubmit %s` begins it again", ErrRefused, k.Of, len(body), maxKept, k.Of)
	}
	sum := sha256.Sum256(body)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	_, err = e.docs.Put(ctx, Document{Kind: docKept, Key: digest, Body: body})
	if err != nil && !errors.Is(err, ErrConflict) {
		return "", fmt.Errorf("what is kept of run %s: %w", k.Of, err)
	}
	return digest, nil
}

// firstAnew answers the names of the steps that are done anew from one of the
// playbook's own list on.
func firstAnew(root *state, from string) (map[string]bool, error) {
	anew := map[string]bool{}
	if from == "" {
		return anew, nil
	}
	list := root.outline.book.Steps
	reached := []string{}
	for _, s := range list {
		if p := root.steps[s.Name]; p != nil && p.begun {
			reached = append(reached, s.Name)
		}
	}
	at := slices.IndexFunc(list, func(s *playbooks.Step) bool { return s.Name == from })
	switch {
	case len(reached) == 0:
		return nil, fmt.Errorf("%w: run %s has reached no step: retry it without --from", ErrRefused, root.run.id)
	case at < 0:
		return nil, fmt.Errorf("%w: %s has no step %q of its own list; run %s has reached %s", ErrRefused, root.run.head.Playbook, from, root.run.id, strings.Join(reached, ", "))
	case !slices.Contains(reached, from):
		return nil, fmt.Errorf("%w: run %s has not reached step %q; it has reached %s", ErrRefused, root.run.id, from, strings.Join(reached, ", "))
	}
	for _, s := range list[at:] {
		anew[s.Name] = true
	}
	return anew, nil
}
