package incidents

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"slices"
	"strings"
	"unicode/utf8"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/incident"
	"stanch/connectors/sentinel"
)

// tries is how often a write to Sentinel is merged with what others wrote
// meanwhile before it is given up.
const tries = 5

// put reads an incident of Sentinel, changes what was read and writes it back
// whole, over exactly what was read: when somebody was faster it is read and
// changed again. A refusal for that is certain, so nothing happens twice. change
// answers false if there is nothing to write.
func (s Shelf) put(ctx context.Context, c actions.Call, at place, change func(now incident.Incident, p *sentinel.Properties) (bool, error)) (now incident.Incident, wrote bool, err error) {
	for range tries {
		in, err := s.Sentinel.Incident(ctx, at.name)
		if err != nil {
			return now, false, err
		}
		if now, err = s.modelOf(in); err != nil {
			return now, false, err
		}
		needed, err := change(now, &in.Properties)
		if err != nil || !needed {
			return now, false, err
		}
		out, err := s.Sentinel.PutIncident(ctx, connectors.Change(c.Sending), at.name, in.ETag, in.Properties)
		if err == nil {
			now, err = s.modelOf(out)
			return now, true, err
		}
		if e, is := errors.AsType[*connectors.Error](err); !is || e.Code != connectors.Conflict || e.Open {
			return now, false, err
		}
	}
	return now, false, &connectors.Error{
		Op: "incidents", Code: connectors.Conflict, Wait: settles,
		Message: fmt.Sprintf("the incident was changed by others each of the %d times that it was to be written", tries),
		Hint:    "nothing was changed; it can be tried again",
	}
}

// putFields gives an incident of Sentinel the fields. What others changed
// besides stays; where they changed these very fields, nothing is written.
func (s Shelf) putFields(ctx context.Context, c actions.Call, at place, e actions.Effect, set fields) (actions.Outcome, error) {
	before, err := actions.Kept[fields](e.Before, "state before")
	if err != nil {
		return actions.Outcome{}, err
	}
	if set.empty() {
		return actions.Outcome{}, problem("", "the effect's request has no field to write")
	}
	now, wrote, err := s.put(ctx, c, at, func(now incident.Incident, p *sentinel.Properties) (bool, error) {
		left := set.different(set.of(now))
		if left.empty() {
			return false, nil
		}
		for _, name := range before.different(set.of(now)).names() {
			if slices.Contains(left.names(), name) {
				return false, others(name, before, set.of(now), set)
			}
		}
		set.onto(p)
		return true, nil
	})
	if err != nil {
		return actions.Outcome{}, err
	}
	out := actions.Outcome{AlreadySo: !wrote}
	if state := set.of(now); !wrote || set.different(state).empty() {
		out.After = actions.JSON(state)
	}
	return out, nil
}

// others says that somebody else wrote a field which we were to write.
func others(name string, before, now, set fields) error {
	value := func(f fields) string {
		text := "nobody's"
		f.each(func(n string, v **string) {
			if n == name && *v != nil && **v != "" {
				text = connectors.Plain(**v)
			}
		})
		return text
	}
	return &connectors.Error{
		Op: "incidents", Code: connectors.Conflict,
		Message: fmt.Sprintf("%s was %s when it was looked at and is %s now: somebody changed it, and it was not made %s", strings.ReplaceAll(name, "_", " "), value(before), value(now), value(set)),
		Hint:    "look at the incident; run the step again to write it all the same",
	}
}

// putTags merges the difference into the labels of an incident of Sentinel.
func (s Shelf) putTags(ctx context.Context, c actions.Call, at place, r tagRequest) (actions.Outcome, error) {
	var tags []string
	_, wrote, err := s.put(ctx, c, at, func(now incident.Incident, p *sentinel.Properties) (bool, error) {
		tags = r.merge(now.Tags)
		if slices.Equal(tags, now.Tags) {
			return false, nil
		}
		labels := []sentinel.Label{}
		for _, l := range p.Labels {
			if slices.Contains(now.SystemTags, l.Name) {
				labels = append(labels, l)
			}
		}
		for _, t := range tags {
			labels = append(labels, sentinel.Label{Name: t})
		}
		p.Labels = labels
		return true, nil
	})
	if err != nil {
		return actions.Outcome{}, err
	}
	return actions.Outcome{AlreadySo: !wrote, After: actions.JSON(tagState{tags})}, nil
}

// sentinelComments are the comments of an incident of Sentinel.
func (s Shelf) sentinelComments(ctx context.Context, id string) ([]incident.Comment, error) {
	at, err := s.locate(id)
	if err != nil {
		return nil, err
	}
	list, err := s.Sentinel.Comments(ctx, at.name)
	out := []incident.Comment{}
	for _, c := range list {
		out = append(out, incident.Comment{Text: c.Text})
	}
	return out, err
}

// commentName is the name of the comment that an effect makes in Sentinel: the
// same each time it is sent.
func commentName(id, effect string) string {
	sum := sha256.Sum256([]byte("stanch comment\x00" + id + "\x00" + effect))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80 // a GUID of our own making (version 8)
	x := hex.EncodeToString(sum[:16])
	return x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:]
}

// checkNamedComment looks for the very comment that the effect makes.
func (s Shelf) checkNamedComment(ctx context.Context, e actions.Effect, r commentRequest, before commentState) (actions.Finding, error) {
	at, err := s.locate(r.Incident)
	if err != nil {
		return actions.Finding{}, err
	}
	c, err := s.Sentinel.Comment(ctx, at.name, commentName(r.Incident, e.ID))
	switch {
	case notFound(err): // the incident is there: it has been read
		return actions.Finding{Answer: actions.DidNot, Why: "the comment is not there"}, nil
	case err != nil:
		return actions.Finding{}, err
	}
	after := commentState{Comments: before.Comments + 1, Same: before.Same + 1, Added: c.Text}
	return actions.Finding{Answer: actions.Happened, After: actions.JSON(after), Why: "the comment is there"}, nil
}

// inert makes plain text what Sentinel shows as that very text: it takes
// comments for HTML and Markdown, and what stands in them may be an attacker's.
// What is longer than Sentinel takes is cut, with a mark.
func inert(text string) string {
	const mark = " … (cut)"
	escape := func(s string) string {
		s = html.EscapeString(s)
		return strings.NewReplacer("[", "&#91;", "]", "&#93;", "`", "&#96;", "*", "&#42;", "_", "&#95;", "\\", "&#92;").Replace(s)
	}
	out := escape(text)
	if utf8.RuneCountInString(out) <= sentinel.MaxComment {
		return out
	}
	var b strings.Builder
	left := sentinel.MaxComment - utf8.RuneCountInString(mark)
	for _, r := range text {
		one := escape(string(r))
		if left -= utf8.RuneCountInString(one); left < 0 {
			break
		}
		b.WriteString(one)
	}
	return b.String() + mark
}
