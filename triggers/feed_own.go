package triggers

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"stanch/connectors/incident"
	"stanch/engine"
)

// How many of our writings to one incident are looked at, in all and at once: they
// are kept for a month, and each comment is one.
const (
	mostOwn = 5000
	someOwn = 200
)

// ownWrite is one writing of ours to an incident.
type ownWrite struct {
	engine.OwnWrite
	field string
	at    time.Time // when it was told
	value any
}

// writes reads what is told of our writings to an incident, by their keys.
func (r *reading) writes(ctx context.Context, kind, id string) (map[string]ownWrite, error) {
	prefix, all := id+"/", map[string]ownWrite{}
	for after := prefix; len(all) < mostOwn; {
		docs, err := r.feed.Docs.Each(ctx, kind, after, someOwn)
		if err != nil {
			return nil, fmt.Errorf("own writes: %w", err)
		}
		for _, d := range docs {
			key, is := strings.CutPrefix(d.Key, prefix)
			if !is {
				return all, nil
			}
			if all[key], err = readOwn(key, d); err != nil {
				return nil, err
			}
			after = d.Key
		}
		if len(docs) < someOwn {
			break
		}
	}
	return all, nil
}

func readOwn(key string, d engine.Document) (ownWrite, error) {
	w := ownWrite{at: d.At}
	w.field, _, _ = strings.Cut(key, "/")
	err := json.Unmarshal(d.Body, &w.OwnWrite)
	if err == nil {
		err = json.Unmarshal(w.Value, &w.value)
	}
	if err != nil {
		return w, fmt.Errorf("own write to %s: %w", key, err)
	}
	return w, nil
}

// own answers what Stanch itself last wrote to an incident, without what others
// have changed since: that is told by before and after, and kept. What is on its
// way is ours, too, where the incident has it already.
func (r *reading) own(ctx context.Context, before incident.Incident, after *stored) (incident.Written, error) {
	// In this order: what is announced no longer has been written by then.
	onTheWay, err := r.writes(ctx, engine.DocOwning, before.ID)
	if err != nil {
		return nil, err
	}
	written, err := r.writes(ctx, engine.DocOwn, before.ID)
	if err != nil {
		return nil, err
	}
	own := incident.Written{}
	over := maps.Clone(after.Over)
	for _, key := range sortedKeys(written) {
		w := written[key]
		switch {
		case w.field != key: // added to the field
			add(own, w)
		case over[w.field] != w.Effect:
			own[w.field] = w.value
			if own.Holds(before, w.field) && !own.Holds(after.Incident, w.field) {
				if over == nil {
					over = map[string]string{}
				}
				over[w.field] = w.Effect
			}
		}
	}
	for _, key := range sortedKeys(onTheWay) {
		w := onTheWay[key]
		_, known := written[key]
		last, told := written[w.field]
		_, adds := w.value.([]any)
		switch {
		case adds && w.field == "comments":
			if !known {
				add(own, w)
			}
		case told && !w.at.After(last.at):
		case (incident.Written{w.field: w.value}).Holds(after.Incident, w.field):
			own[w.field] = w.value
		}
	}
	after.Over = over
	return own, nil
}

// add adds to what we wrote into a field that takes more and more.
func add(own incident.Written, w ownWrite) {
	texts, _ := own[w.field].([]any)
	more, _ := w.value.([]any)
	own[w.field] = append(texts, more...)
}
