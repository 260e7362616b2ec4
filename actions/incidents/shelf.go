// Package incidents holds the actions on incidents of Microsoft Defender XDR and
// of Microsoft Sentinel: their status, verdict, severity, owner, tags and
// comments. Which of the two is acted on follows from the incident's id. One that
// the Defender XDR connector has brought to Sentinel is written on one side only:
// the connector carries it over.
//
// It reaches them through connectors/graph and connectors/sentinel, what the
// audit log tells of their alerts through connectors/activity, and knows nothing
// of playbooks, runs or the engine. Each effect names the fields of the incident
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
	"stanch/connectors/activity"
	"stanch/connectors/graph"
	"stanch/connectors/incident"
	"stanch/connectors/sentinel"
)

// Shelf is the actions on incidents.
type Shelf struct {
	Graph    *graph.Client
	Sentinel *sentinel.Client // nil: no workspace is configured
	Activity *activity.Client // nil: the cloud has no audit log to ask
}

const (
	throttle = "graph.security"
	settles  = 10 * time.Second
	apiPage  = "https://learn.microsoft.com/graph/api/security-incident-update" // Sentinel's: learn.microsoft.com/rest/api/securityinsights/incidents/create-or-update

	onDefender = "on incidents of Defender"
	onSentinel = "on incidents of Sentinel"
)

func reads() []actions.Permission {
	return []actions.Permission{
		{API: "graph", Name: "SecurityIncident.Read.All", When: onDefender}, {API: "azure", Name: "Microsoft Sentinel Reader", When: onSentinel},
	}
}

func writes() []actions.Permission {
	return []actions.Permission{
		{API: "graph", Name: "SecurityIncident.ReadWrite.All", When: onDefender}, {API: "azure", Name: "Microsoft Sentinel Responder", When: onSentinel},
	}
}

// azure tells what an action costs on an incident of Sentinel, in calls of Azure
// Resource Manager. A change there reads the incident and writes it back whole.
func azure(look, send int64) actions.Elsewhere {
	return actions.Elsewhere{Class: "azure", Param: "incident", First: string(incident.Sentinel), Cost: actions.Cost{Look: look, Send: send}}
}

// problem is an error of this side: nothing was sent.
func problem(hint, format string, args ...any) error {
	return &connectors.Error{Op: "incidents", Code: connectors.Invalid, Message: fmt.Sprintf(format, args...), Hint: hint}
}

func notFound(err error) bool {
	e, is := errors.AsType[*connectors.Error](err)
	return is && e.Code == connectors.NotFound
}

// place is where one of our incidents is written.
type place struct {
	source incident.Source
	name   string // Defender: its number; Sentinel: its GUID
}

// locate says where the incident of an id is, and refuses one that this shelf
// does not reach.
func (s Shelf) locate(id string) (place, error) {
	source, native, err := incident.ParseID(id)
	if err != nil {
		return place{}, problem("take it from incident.id", "incident: %v", err)
	}
	if source == incident.Defender {
		return place{source, native}, nil
	}
	workspace, name, _ := strings.Cut(native, "/")
	if err := s.inWorkspace(workspace); err != nil {
		return place{}, err
	}
	return place{source, name}, nil
}

// inWorkspace refuses what needs Sentinel where none is configured; workspace
// is the one that is meant, empty for any.
func (s Shelf) inWorkspace(workspace string) error {
	if s.Sentinel == nil {
		return problem("name the workspace in the operator's file: sentinel: {subscription: GUID, resource_group: NAME, workspace: NAME}",
			"this is about Sentinel, and no workspace of Sentinel is configured")
	}
	if have := s.Sentinel.Workspace().Name; workspace != "" && !strings.EqualFold(workspace, have) {
		return problem("run it where that workspace is configured", "the incident is one of the workspace %s; configured is %s", connectors.Plain(workspace), have)
	}
	return nil
}

// subject is an incident that is acted on.
type subject struct {
	incident.Incident
	// twin is our id of the same incident in Defender, where the one of Sentinel
	// came from there.
	twin string
}

// own says that an effect writes a field of the incident: what the feed sees of
// it is no news, neither here nor, in Defender's words, at its twin.
func (in subject) own(field string, value any) []actions.Own {
	adds := field == "comments"
	out := []actions.Own{{Incident: in.ID, Field: field, Value: actions.JSON(value), Adds: adds}}
	if in.twin == "" {
		return out
	}
	if field == "determination" { // which Sentinel does not tell Defender
		value = "unknown"
	}
	return append(out, actions.Own{Incident: in.twin, Field: field, Value: actions.JSON(value), Adds: adds})
}

// find reads an incident without its alerts, which may be many; one of Sentinel
// without its comments, too.
func (s Shelf) find(ctx context.Context, id string) (subject, error) {
	at, err := s.locate(id)
	if err != nil {
		return subject{}, err
	}
	if at.source == incident.Sentinel {
		in, err := s.Sentinel.Incident(ctx, at.name)
		if err != nil {
			return subject{}, err
		}
		out, err := s.modelOf(in)
		return subject{out, twin(in)}, err
	}
	in, err := s.Graph.Incident(ctx, at.name)
	if err != nil {
		return subject{}, err
	}
	out, err := head(in.Raw)
	return subject{Incident: out}, err
}

// twin is the id of the incident in Defender from which one of Sentinel was made;
// empty for any other.
func twin(in sentinel.Incident) string {
	if number := in.Defender(); number != "" {
		return incident.NewID(incident.Defender, number)
	}
	return ""
}

// modelOf maps what Sentinel says of the incident itself.
func (s Shelf) modelOf(in sentinel.Incident) (incident.Incident, error) {
	out, err := incident.FromSentinel(incident.SentinelBody{Workspace: s.Sentinel.Workspace().Name, Incident: in.Raw})
	if err != nil {
		return out, unreadable(err)
	}
	return out, nil
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
func (s Shelf) writable(ctx context.Context, id string) (subject, error) {
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

// OfAlert reads the incident in which an alert of Defender stands, as Whole does.
func (s Shelf) OfAlert(ctx context.Context, alert string) (incident.Incident, error) {
	a, err := s.Graph.Alert(ctx, alert)
	if err != nil {
		return incident.Incident{}, err
	}
	if a.Incident == "" {
		return incident.Incident{}, &connectors.Error{
			Op: "incidents", Code: connectors.NotFound, Message: "the alert " + connectors.Plain(alert) + " stands in no incident yet",
			Hint: "try again in some minutes",
		}
	}
	return s.Whole(ctx, incident.NewID(incident.Defender, a.Incident))
}
