package incidents

import (
	"context"
	"slices"
	"strings"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/graph"
	"stanch/connectors/incident"
)

type tagParams struct {
	Incident string   `json:"incident" doc:"id of the incident, such as defender/123 or sentinel/workspace/guid"`
	Add      []string `json:"add" doc:"tags to add; at least one"`
}

type tagged struct {
	Incident string   `json:"incident" doc:"id of the incident"`
	Tags     []string `json:"tags" doc:"all tags it has now"`
	Added    []string `json:"added" doc:"tags that were added now; empty when it had all of them"`
}

// tagRequest is a difference, not a list: the list is read again right before
// it is written, so that tags of others survive.
type tagRequest struct {
	Incident string    `json:"incident"`
	Add      []string  `json:"add,omitempty"`
	Remove   []string  `json:"remove,omitempty"`
	Seen     time.Time `json:"seen"` // when the incident that was read had changed last
}

type tagState struct {
	Tags []string `json:"tags"`
}

// Tag adds tags to an incident.
func (s Shelf) Tag() actions.Action {
	return actions.Spec[tagParams, tagged]{
		Doc:   "Add tags to an incident. Those it has stay.",
		Class: actions.Writes, Throttle: throttle, Cost: actions.Cost{Send: 2}, Elsewhere: azure(1, 2), Permissions: writes(),
		Repeat: actions.RepeatSame, Settling: settles, Writes: []string{"tags"}, Source: apiPage,
		Example: "incident: \"${{ incident.id }}\"\nadd: [contained-by-stanch]",
		Plan:    s.planTag, Do: s.doTag, Check: s.checkTag, Undo: s.undoTag, Settle: settleTag,
	}.Action()
}

func (s Shelf) planTag(ctx context.Context, _ actions.Call, p tagParams) ([]actions.Effect, tagged, error) {
	if len(p.Add) == 0 {
		return nil, tagged{}, problem("name at least one tag", "add is empty")
	}
	if err := noneEmpty("add", p.Add); err != nil {
		return nil, tagged{}, err
	}
	in, err := s.writable(ctx, p.Incident)
	if err != nil {
		return nil, tagged{}, err
	}
	r := tagRequest{Incident: in.ID, Add: missing(p.Add, in.Tags), Seen: in.UpdatedAt}
	out := tagged{Incident: in.ID, Tags: r.merge(in.Tags), Added: r.Add}
	if len(r.Add) == 0 {
		return nil, out, nil
	}
	return []actions.Effect{r.effect(in)}, out, nil
}

func noneEmpty(param string, tags []string) error {
	for i, tag := range tags {
		if strings.TrimSpace(tag) == "" {
			return problem("", "%s[%d] is empty", param, i)
		}
	}
	return nil
}

// missing are the tags that have lacks, each once, never nil.
func missing(tags, have []string) []string {
	out := []string{}
	for _, t := range tags {
		if !slices.Contains(have, t) && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

// merge applies the difference to a list.
func (r tagRequest) merge(tags []string) []string {
	out := []string{}
	for _, t := range tags {
		if !slices.Contains(r.Remove, t) {
			out = append(out, t)
		}
	}
	return append(out, missing(r.Add, out)...)
}

func (r tagRequest) effect(in subject) actions.Effect {
	after := r.merge(in.Tags)
	return actions.Effect{
		Target: target(in.Incident, "tags"), Before: actions.JSON(tagState{append([]string{}, in.Tags...)}), After: actions.JSON(tagState{after}), Request: actions.JSON(r),
		Own: in.own("tags", after),
	}
}

// doTag reads the list again, merges and writes it. Sentinel takes it only over
// what was read; Graph has no etag here: a tag that somebody sets between this read and the write is lost. A read that
// is older than the one before is not built upon.
func (s Shelf) doTag(ctx context.Context, c actions.Call, e actions.Effect) (actions.Outcome, error) {
	r, err := actions.Kept[tagRequest](e.Request, "request")
	if err != nil {
		return actions.Outcome{}, err
	}
	at, err := s.locate(r.Incident)
	if err != nil {
		return actions.Outcome{}, err
	}
	if at.source == incident.Sentinel {
		return s.putTags(ctx, c, at, r)
	}
	in, err := s.writable(ctx, r.Incident)
	if err != nil {
		return actions.Outcome{}, err
	}
	if in.UpdatedAt.Before(r.Seen) {
		return actions.Outcome{}, &connectors.Error{
			Op: "incidents", Code: connectors.Unavailable, Wait: settles,
			Message: "Graph answers with the incident as it was before its last change", Hint: "nothing was changed; it can be tried again",
		}
	}
	tags := r.merge(in.Tags)
	if slices.Equal(tags, in.Tags) {
		return actions.Outcome{AlreadySo: true, After: actions.JSON(tagState{tags})}, nil
	}
	if _, err := s.Graph.UpdateIncident(ctx, connectors.Change(c.Sending), at.name, graph.IncidentPatch{Tags: &tags}); err != nil {
		return actions.Outcome{}, err
	}
	return actions.Outcome{After: actions.JSON(tagState{tags})}, nil
}

func (s Shelf) checkTag(ctx context.Context, _ actions.Call, e actions.Effect) (actions.Finding, error) {
	r, err := actions.Kept[tagRequest](e.Request, "request")
	if err != nil {
		return actions.Finding{}, err
	}
	in, err := s.find(ctx, r.Incident)
	if err != nil {
		return actions.Finding{}, err
	}
	now := actions.JSON(tagState{append([]string{}, in.Tags...)})
	if slices.Equal(r.merge(in.Tags), in.Tags) {
		return actions.Finding{Answer: actions.Happened, After: now, Why: "the incident has the tags"}, nil
	}
	return actions.Finding{Answer: actions.DidNot, Why: "the tags of the incident are " + string(now)}, nil
}

// undoTag takes back the tags that we added and that are still there, and
// gives back those we removed; tags of others stay.
func (s Shelf) undoTag(ctx context.Context, _ actions.Call, e actions.Effect) (actions.Inverse, error) {
	r, err := actions.Kept[tagRequest](e.Request, "request")
	if err != nil {
		return actions.Inverse{}, err
	}
	in, err := s.find(ctx, r.Incident)
	if notFound(err) {
		return actions.Inverse{Changed: true, Present: actions.JSON(nil), Why: "the incident is gone"}, nil
	}
	if err != nil {
		return actions.Inverse{}, err
	}
	back := tagRequest{Incident: r.Incident, Add: missing(r.Remove, in.Tags), Seen: in.UpdatedAt}
	for _, t := range r.Add {
		if slices.Contains(in.Tags, t) {
			back.Remove = append(back.Remove, t)
		}
	}
	effect := back.effect(in)
	effect.Action, effect.Class = "incidents.tag", actions.Writes
	if len(back.Add)+len(back.Remove) == 0 {
		return actions.Inverse{Changed: true, Present: effect.Before, Why: "the tags have been taken away since"}, nil
	}
	return actions.Inverse{Present: effect.Before, Effect: &effect}, nil
}

// settleTag tells which tags really were added.
func settleTag(out tagged, effects []actions.Effect) tagged {
	for _, e := range effects {
		state := e.After
		if e.Status != actions.Done {
			out.Added = []string{}
		}
		if e.Status != actions.Done && e.Status != actions.AlreadySo {
			state = e.Before
		}
		if t, err := actions.Kept[tagState](state, "state"); err == nil {
			out.Tags = t.Tags
		}
	}
	return out
}
