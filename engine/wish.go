package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// docWish is the kind of what was first asked for under a key, by tenant, playbook
// and key.
const docWish = "wish"

// keptWish is how long a key is known. After it, another wish may have it.
const keptWish = 180 * 24 * time.Hour

// wish is what a person asks for under a key.
type wish struct {
	On     string          `json:"on"` // the thing that the run is to be about
	Mode   string          `json:"mode"`
	Params json.RawMessage `json:"params"`
}

// wished takes the key for what is asked, and makes that one begin one run. It
// refuses (ErrRefused) a key under which something else was asked for.
func (e *Engine) wished(ctx context.Context, s Start, params json.RawMessage, b *Begin) error {
	now := wish{On: thing(s), Mode: s.Mode, Params: params}
	body, err := json.Marshal(now)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	b.Dedupe += "/" + hex.EncodeToString(sum[:16])
	doc := Document{Kind: docWish, Key: e.o.Tenant + "/" + s.Book.ID + "/" + s.Key, Body: body, Expires: keptWish}
	for range 2 { // one that has just run out is taken anew
		_, err = e.docs.Put(ctx, doc)
		if !errors.Is(err, ErrConflict) {
			break
		}
		var known Document
		if known, err = e.docs.Get(ctx, docWish, doc.Key); errors.Is(err, ErrNotFound) {
			continue
		}
		var first wish
		if err == nil {
			err = json.Unmarshal(known.Body, &first)
		}
		if err == nil {
			return first.same(now, s)
		}
		break
	}
	if err != nil {
		return fmt.Errorf("the key of a run of %s: %w", s.Book.ID, err)
	}
	return nil
}

// same refuses another wish under the key of the first, and says in what they
// differ.
func (first wish) same(now wish, s Start) error {
	var other []string
	tell := func(what, was, is string) {
		if was != is {
			other = append(other, fmt.Sprintf("%s was %s and is now %s", what, shortly(was), shortly(is)))
		}
	}
	tell("what it is about", first.On, now.On)
	tell("the mode", first.Mode, now.Mode)
	if !bytes.Equal(first.Params, now.Params) {
		var was, is map[string]json.RawMessage
		if err := errors.Join(json.Unmarshal(first.Params, &was), json.Unmarshal(now.Params, &is)); err != nil {
			return fmt.Errorf("params under the key %s: %w", s.Key, err)
		}
		all := maps.Clone(is)
		maps.Copy(all, was)
		for _, name := range slices.Sorted(maps.Keys(all)) {
			tell("params."+name, string(was[name]), string(is[name]))
		}
	}
	if len(other) == 0 {
		return nil
	}
	return fmt.Errorf("%w: the key %s was given for another run of %s before: %s; give another key for this one", ErrRefused, s.Key, s.Book.ID, strings.Join(other, ", "))
}

// shortly is a value as a sentence has it.
func shortly(value string) string {
	const most = 100
	switch all := []rune(value); {
	case value == "":
		return "absent"
	case len(all) > most:
		return string(all[:most]) + "…"
	}
	return value
}

// thing names what a run is to be about, among all that its playbook may be started
// on.
func thing(s Start) string {
	if id := idOf(s.Event.Alert); id != "" {
		return "alert/" + id
	}
	if id := idOf(s.Event.Incident); id != "" {
		return id
	}
	if id := idOf(s.Event.Subject); id != "" && s.Book.On.Manual != nil {
		return s.Book.On.Manual.Subject + "/" + id
	}
	return "nothing"
}
