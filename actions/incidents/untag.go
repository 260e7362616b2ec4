package incidents

import (
	"context"
	"slices"

	"stanch/actions"
)

type untagParams struct {
	Incident string   `json:"incident" doc:"id of the incident, such as defender/123 or sentinel/workspace/guid"`
	Remove   []string `json:"remove" doc:"tags to take away; at least one"`
}

type untagged struct {
	Incident string   `json:"incident" doc:"id of the incident"`
	Tags     []string `json:"tags" doc:"all tags it has now"`
	Removed  []string `json:"removed" doc:"tags that were taken away now; empty when it had none of them"`
}

// Untag takes tags away from an incident.
func (s Shelf) Untag() actions.Action {
	return actions.Spec[untagParams, untagged]{
		Doc:   "Take tags away from an incident. All others stay, and those that the product sets itself.",
		Class: actions.Writes, Throttle: throttle, Cost: actions.Cost{Send: 2}, Elsewhere: azure(1, 2), Permissions: writes(),
		Repeat: actions.RepeatSame, Settling: settles, Writes: []string{"tags"}, Source: apiPage,
		Example: "incident: \"${{ incident.id }}\"\nremove: [needs-review]",
		Plan:    s.planUntag, Do: s.doTag, Check: s.checkTag, Undo: s.undoTag, Settle: settleUntag,
	}.Action()
}

func (s Shelf) planUntag(ctx context.Context, _ actions.Call, p untagParams) ([]actions.Effect, untagged, error) {
	if len(p.Remove) == 0 {
		return nil, untagged{}, problem("name at least one tag", "remove is empty")
	}
	if err := noneEmpty("remove", p.Remove); err != nil {
		return nil, untagged{}, err
	}
	in, err := s.writable(ctx, p.Incident)
	if err != nil {
		return nil, untagged{}, err
	}
	r := tagRequest{Incident: in.ID, Seen: in.UpdatedAt}
	for _, t := range in.Tags {
		if slices.Contains(p.Remove, t) {
			r.Remove = append(r.Remove, t)
		}
	}
	out := untagged{Incident: in.ID, Tags: r.merge(in.Tags), Removed: append([]string{}, r.Remove...)}
	if len(r.Remove) == 0 {
		return nil, out, nil
	}
	return []actions.Effect{r.effect(in)}, out, nil
}

// settleUntag tells which tags really were taken away.
func settleUntag(out untagged, effects []actions.Effect) untagged {
	t := settleTag(tagged{Tags: out.Tags, Added: out.Removed}, effects)
	out.Tags, out.Removed = t.Tags, t.Added
	return out
}
