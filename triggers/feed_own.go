package triggers

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"stanch/connectors/incident"
	"stanch/engine"
)

// mostOwn is how many of our writings to one incident are looked at. Sentinel
// takes 100 comments, and there are eight fields.
const mostOwn = 200

// own answers what Stanch itself last wrote to an incident, without what others
// have changed since: that is told by before and after, and kept.
func (r *reading) own(ctx context.Context, before incident.Incident, after *stored) (incident.Written, error) {
	prefix := before.ID + "/"
	docs, err := r.feed.Docs.Each(ctx, engine.DocOwn, prefix, mostOwn)
	if err != nil {
		return nil, fmt.Errorf("own writes: %w", err)
	}
	own := incident.Written{}
	over := maps.Clone(after.Over)
	for _, d := range docs {
		field, is := strings.CutPrefix(d.Key, prefix)
		if !is {
			break
		}
		var w engine.OwnWrite
		var v any
		err := json.Unmarshal(d.Body, &w)
		if err == nil {
			err = json.Unmarshal(w.Value, &v)
		}
		if err != nil {
			return nil, fmt.Errorf("own write to %s: %w", field, err)
		}
		if name, _, added := strings.Cut(field, "/"); added {
			texts, _ := own[name].([]any)
			more, _ := v.([]any)
			own[name] = append(texts, more...)
			continue
		}
		if over[field] == w.Effect {
			continue
		}
		own[field] = v
		if own.Holds(before, field) && !own.Holds(after.Incident, field) {
			if over == nil {
				over = map[string]string{}
			}
			over[field] = w.Effect
		}
	}
	after.Over = over
	return own, nil
}
