// Package incidents holds the actions on incidents of Microsoft Defender XDR:
// their status, owner, tags and comments.
//
// It reaches them through connectors/graph alone and knows nothing of
// playbooks, runs or the engine. Each effect names the fields of the incident
// model that it writes, so that whoever watches the incident does not take our
// own writing for news.
package incidents

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/graph"
	"stanch/connectors/incident"
)

// Shelf is the actions on incidents.
type Shelf struct{ Graph *graph.Client }

const (
	throttle = "graph.security"
	settles  = 10 * time.Second
	apiPage  = "https://learn.microsoft.com/graph/api/security-incident-update"
)

func reads() []actions.Permission {
	return []actions.Permission{{API: "graph", Name: "SecurityIncident.Read.All"}}
}

func writes() []actions.Permission {
	return []actions.Permission{{API: "graph", Name: "SecurityIncident.ReadWrite.All"}}
}

// problem is an error of this side: nothing was sent.
func problem(hint, format string, args ...any) error {
	return &connectors.Error{Op: "incidents", Code: connectors.Invalid, Message: fmt.Sprintf(format, args...), Hint: hint}
}

func notFound(err error) bool {
	e, is := errors.AsType[*connectors.Error](err)
	return is && e.Code == connectors.NotFound
}

// native is the id of one of our incidents in Defender.
func native(id string) (string, error) {
	source, number, err := incident.ParseID(id)
	if err != nil {
		return "", problem("take it from incident.id", "incident: %v", err)
	}
	if source != incident.Defender {
		return "", problem("", "incident %s is not one of Defender, the only source these actions write to", connectors.Plain(id))
	}
	return number, nil
}

// find reads an incident without its alerts, which may be many.
func (s Shelf) find(ctx context.Context, id string) (incident.Incident, error) {
	number, err := native(id)
	if err != nil {
		return incident.Incident{}, err
	}
	in, err := s.Graph.Incident(ctx, number)
	if err != nil {
		return incident.Incident{}, err
	}
	return head(in.Raw)
}

// head maps what an API answer says of the incident itself.
func head(body json.RawMessage) (incident.Incident, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return incident.Incident{}, unreadable(err)
	}
	for name := range fields {
		if name == "alerts" || strings.HasPrefix(name, "alerts@") {
			delete(fields, name)
		}
	}
	out, err := incident.FromGraph(actions.JSON(fields))
	if err != nil {
		return out, unreadable(err)
	}
	return out, nil
}

func unreadable(err error) error {
	return &connectors.Error{Op: "incidents", Code: connectors.Failed, Message: connectors.Plain(err.Error()), Cause: err}
}

// writable answers an incident that is still one of its own.
func (s Shelf) writable(ctx context.Context, id string) (incident.Incident, error) {
	in, err := s.find(ctx, id)
	if err == nil && in.RedirectedTo != nil && *in.RedirectedTo != "" {
		return in, problem("act on that one", "incident %s was merged into %s", connectors.Plain(in.ID), connectors.Plain(*in.RedirectedTo))
	}
	return in, err
}

// target is a part of an incident.
func target(in incident.Incident, part string) actions.Target {
	_, number, _ := strings.Cut(in.ID, "/")
	entity := actions.Entity{Kind: "incident", ID: in.ID, Name: in.Title, Aliases: []string{number}}
	if in.URL != nil && *in.URL != "" {
		entity.Aliases = append(entity.Aliases, *in.URL)
	}
	return actions.Target{
		Kind: "incident", ID: in.ID + "/" + part, Name: part + " of incident " + number + ": " + connectors.Plain(in.Title),
		Entities: []actions.Entity{entity},
	}
}

// happened reports whether an effect of the action was done.
func happened(effects []actions.Effect) bool {
	return slices.ContainsFunc(effects, func(e actions.Effect) bool { return e.Status == actions.Done })
}
