package devices

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/defender"
	"stanch/connectors/incident"
)

type tagParams struct {
	Device actions.Ref[incident.Device] `json:"device" entity:"device" doc:"device of the evidence, its Defender id, entra:<device id>, or its DNS name"`
	Add    []string                     `json:"add,omitempty" doc:"tags to add; those it has stay"`
	Remove []string                     `json:"remove,omitempty" doc:"tags to take away; those it has not are no error"`
}

type tagged struct {
	Device  string   `json:"device" doc:"Defender's id of the device"`
	Name    string   `json:"name" doc:"DNS name of the device"`
	Tags    []string `json:"tags" doc:"all tags it has now"`
	Added   []string `json:"added" doc:"tags that were added now; empty when it had all of them"`
	Removed []string `json:"removed" doc:"tags that were taken away now; empty when it had none of them"`
}

// Bounds of tags of our own, far above what device groups are made of.
const (
	maxTags = 20
	maxTag  = 200
)

// tagRequest is one tag: Defender changes one at a time.
type tagRequest struct {
	Machine string `json:"machine"`
	Tag     string `json:"tag"`
	Remove  bool   `json:"remove,omitempty"`
}

type tagState struct {
	Tag string `json:"tag"`
	Set bool   `json:"set"`
}

// Tag gives a device tags and takes others away.
func (s Shelf) Tag() actions.Action {
	return actions.Spec[tagParams, tagged]{
		Doc:   "Add tags to a device and take others away, as device groups and filters use them.",
		Class: actions.Writes, Throttle: throttle, Permissions: permissions("Machine.ReadWrite.All"),
		Repeat: actions.RepeatSame, Settling: settles, // a device has a tag once
		Source:  "https://learn.microsoft.com/defender-endpoint/api/add-or-remove-machine-tags",
		Example: "device: \"${{ device }}\"\nadd: [under-investigation]",
		Plan:    s.planTag, State: s.stateTag, Do: s.doTag, Check: s.checkTag, Undo: s.undoTag, Settle: settleTag,
	}.Action()
}

func (s Shelf) planTag(ctx context.Context, _ actions.Call, p tagParams) ([]actions.Effect, tagged, error) {
	if err := p.valid(); err != nil {
		return nil, tagged{}, err
	}
	m, e, err := s.find(ctx, p.Device)
	if err != nil {
		return nil, tagged{}, err
	}
	out := tagged{Device: m.ID, Name: m.Name, Tags: append([]string{}, m.Tags...), Added: []string{}, Removed: []string{}}
	var effects []actions.Effect
	for _, tag := range p.Remove {
		if at := slices.Index(out.Tags, tag); at >= 0 {
			out.Tags, out.Removed = slices.Delete(out.Tags, at, at+1), append(out.Removed, tag)
			effects = append(effects, tagRequest{m.ID, tag, true}.effect(m, e))
		}
	}
	for _, tag := range p.Add {
		if !slices.Contains(out.Tags, tag) {
			out.Tags, out.Added = append(out.Tags, tag), append(out.Added, tag)
			effects = append(effects, tagRequest{m.ID, tag, false}.effect(m, e))
		}
	}
	return effects, out, nil
}

// valid answers which tag cannot be one.
func (p tagParams) valid() error {
	switch n := len(p.Add) + len(p.Remove); {
	case n == 0:
		return problem(connectors.Invalid, "name at least one tag in add or remove", "add and remove are empty")
	case n > maxTags:
		return problem(connectors.Invalid, "use several steps", "add and remove have %d tags; expected at most %d", n, maxTags)
	}
	for i, tag := range p.Add {
		if err := validTag(fmt.Sprintf("add[%d]", i), tag); err != nil {
			return err
		}
	}
	for i, tag := range p.Remove {
		if err := validTag(fmt.Sprintf("remove[%d]", i), tag); err != nil {
			return err
		}
		if slices.Contains(p.Add, tag) {
			return problem(connectors.Invalid, "name it once", "tag %q stands in add and in remove", connectors.Plain(tag))
		}
	}
	return nil
}

func validTag(at, tag string) error {
	switch {
	case strings.TrimSpace(tag) == "":
		return problem(connectors.Invalid, "leave it out", "%s is empty", at)
	case tag != strings.TrimSpace(tag) || strings.ContainsFunc(tag, unicode.IsControl):
		return problem(connectors.Invalid, "expected a tag without spaces around it and without control characters", "%s is %q", at, connectors.Plain(tag))
	case len(tag) > maxTag:
		return problem(connectors.Invalid, "expected a word or two", "%s has %d bytes; expected at most %d", at, len(tag), maxTag)
	}
	return nil
}

func (r tagRequest) state(set bool) tagState { return tagState{Tag: r.Tag, Set: set} }

func (r tagRequest) effect(m defender.Machine, e actions.Entity) actions.Effect {
	return actions.Effect{
		Target: actions.Target{Kind: "tag", ID: m.ID + "/tags/" + r.Tag, Name: "tag " + r.Tag + " of " + m.Name, Entities: []actions.Entity{e}},
		Before: actions.JSON(r.state(r.Remove)), After: actions.JSON(r.state(!r.Remove)), Request: actions.JSON(r),
	}
}

func (s Shelf) stateTag(ctx context.Context, _ actions.Call, p tagParams) (any, error) {
	return s.seen(ctx, p.Device)
}

func (s Shelf) doTag(ctx context.Context, c actions.Call, e actions.Effect) (actions.Outcome, error) {
	r, err := actions.Kept[tagRequest](e.Request, "request")
	if err != nil {
		return actions.Outcome{}, err
	}
	_, err = s.Defender.Tag(ctx, connectors.Change(c.Sending), r.Machine, r.Tag, r.Remove)
	return actions.Outcome{}, err
}

func (s Shelf) checkTag(ctx context.Context, _ actions.Call, e actions.Effect) (actions.Finding, error) {
	r, err := actions.Kept[tagRequest](e.Request, "request")
	if err != nil {
		return actions.Finding{}, err
	}
	m, err := s.Defender.Machine(ctx, r.Machine)
	if notFound(err) {
		return actions.Finding{Answer: actions.CannotTell, Why: "Defender no longer knows the device"}, nil
	}
	if err != nil {
		return actions.Finding{}, err
	}
	if set := slices.Contains(m.Tags, r.Tag); set == r.Remove {
		return actions.Finding{Answer: actions.DidNot, Why: fmt.Sprintf("the tags of the device are %q", m.Tags)}, nil
	}
	return actions.Finding{Answer: actions.Happened, After: actions.JSON(r.state(!r.Remove)), Why: "the device has the tag, or has it no more, as asked"}, nil
}

func (s Shelf) undoTag(ctx context.Context, _ actions.Call, e actions.Effect) (actions.Inverse, error) {
	r, err := actions.Kept[tagRequest](e.Request, "request")
	if err != nil {
		return actions.Inverse{}, err
	}
	m, err := s.Defender.Machine(ctx, r.Machine)
	if notFound(err) {
		return forgotten(), nil
	}
	if err != nil {
		return actions.Inverse{}, err
	}
	set := slices.Contains(m.Tags, r.Tag)
	present := actions.JSON(r.state(set))
	if set == r.Remove {
		return actions.Inverse{Changed: true, Present: present, Why: "somebody has changed the tag since"}, nil
	}
	back := tagRequest{Machine: r.Machine, Tag: r.Tag, Remove: !r.Remove}
	return actions.Inverse{Present: present, Effect: &actions.Effect{
		Action: "devices.tag", Class: actions.Writes, Target: e.Target,
		Before: present, After: actions.JSON(back.state(!back.Remove)), Request: actions.JSON(back),
	}}, nil
}

// settleTag tells which tags really were changed.
func settleTag(out tagged, effects []actions.Effect) tagged {
	for _, e := range effects {
		r, err := actions.Kept[tagRequest](e.Request, "request")
		if err != nil || e.Status == actions.Done {
			continue
		}
		is := func(tag string) bool { return tag == r.Tag }
		out.Added, out.Removed = slices.DeleteFunc(out.Added, is), slices.DeleteFunc(out.Removed, is)
		switch {
		case e.Status == actions.AlreadySo: // as predicted, by somebody else
		case r.Remove:
			out.Tags = append(out.Tags, r.Tag)
		default:
			out.Tags = slices.DeleteFunc(out.Tags, is)
		}
	}
	return out
}
