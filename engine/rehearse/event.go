package rehearse

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"stanch/connectors/incident"
	"stanch/playbooks"
)

// scene is the event of a case, ready to start a run.
type scene struct {
	event playbooks.Event
	graph []byte // the incident as the practice tenant is to have it
	id    string // its id there
}

// sceneOf makes the event of a case. Files are read beside the test file.
func (p *play) sceneOf() (scene, error) {
	e := p.c.Event
	s := scene{event: playbooks.Event{
		ID: "case/" + p.c.Name, Trigger: "incident", Kind: "created", At: p.c.Now, Changes: e.Changes, NewAlerts: e.NewAlerts,
		By: e.By, Reason: e.Reason,
	}}
	if e.Kind != "" {
		s.event.Kind = e.Kind
	}
	if e.Kind == "manual" {
		s.event.Trigger = "manual"
	}
	if p.book.OnlyCalled() {
		s.event.Trigger, s.event.Kind = "call", "called"
	}
	var err error
	switch {
	case e.Incident != nil:
		err = p.incident(&s, e.Incident)
	case e.Alert != nil:
		err = p.alert(&s, e.Alert)
	case !e.ScheduledAt.IsZero():
		s.event.Trigger, s.event.Kind, s.event.Scheduled = "schedule", "tick", e.ScheduledAt
		s.at(e.ScheduledAt)
	case e.Row != nil:
		s.event.Trigger, s.event.Kind = "hunting", "rows"
		s.event.Row, err = playbooks.Encode(e.Row)
	case e.Rows != nil:
		s.event.Trigger, s.event.Kind = "hunting", "rows"
		s.event.Rows, err = playbooks.Encode(e.Rows)
	case e.Body != nil:
		s.event.Trigger, s.event.Kind = "webhook", "call"
		s.event.Body, err = playbooks.Encode(e.Body)
	case e.Subject != nil:
		s.event.Trigger, s.event.Kind = "manual", "manual"
		s.event.Subject, err = playbooks.Encode(e.Subject)
	}
	if err != nil {
		return s, fmt.Errorf("event: %w", err)
	}
	s.at(beginning())
	if s.event.Kind == "updated" && s.event.Changes == nil {
		s.event.Changes = []string{"alerts", "evidence", "severity"}
	}
	return s, nil
}

// at dates the event unless it has a time.
func (s *scene) at(t time.Time) {
	if s.event.At.IsZero() {
		s.event.At = t.UTC()
	}
}

// incident reads `incident:` of an event.
func (p *play) incident(s *scene, given any) error {
	about, graph, err := p.incidentOf(given)
	if err != nil {
		return err
	}
	s.at(latest(about))
	return s.in(about, graph)
}

// in gives the event its incident, and the practice tenant its body, made of the
// model where there is none.
func (s *scene) in(about incident.Incident, graph []byte) (err error) {
	if s.graph = graph; graph == nil {
		if s.graph, err = graphOf(about); err != nil {
			return err
		}
	}
	if _, s.id, err = incident.ParseID(about.ID); err != nil {
		return err
	}
	s.event.Incident, err = json.Marshal(about)
	return err
}

func latest(i incident.Incident) time.Time {
	if i.UpdatedAt.After(i.CreatedAt) {
		return i.UpdatedAt
	}
	if i.CreatedAt.Year() < 1970 {
		return beginning()
	}
	return i.CreatedAt
}

// incidentOf answers the incident that a case gives: a file, a file with
// changes, or the model itself; and the Graph body where there is one.
func (p *play) incidentOf(given any) (incident.Incident, []byte, error) {
	switch x := given.(type) {
	case string:
		return p.fixture(x)
	case map[string]any:
		file, is := x["fixture"].(string)
		if !is {
			about, err := modelled(x)
			return about, nil, err
		}
		for key := range x {
			if key != "fixture" && key != "set" {
				return incident.Incident{}, nil, fmt.Errorf("incident has no key %q beside fixture: it takes set", key)
			}
		}
		about, graph, err := p.fixture(file)
		if err != nil {
			return about, nil, err
		}
		set, is := x["set"].(map[string]any)
		if x["set"] != nil && !is {
			return about, nil, errors.New("incident.set is a mapping of paths of the model to values")
		}
		about, err = overridden(about, set)
		return about, graph, err
	}
	return incident.Incident{}, nil, fmt.Errorf("incident is %T; it is a file or a mapping", given)
}

// fixture reads an incident as its source sends it.
func (p *play) fixture(file string) (incident.Incident, []byte, error) {
	raw, err := p.lane.o.Read(filepath.Join(p.suite.Dir, filepath.FromSlash(file)))
	if err != nil {
		return incident.Incident{}, nil, fmt.Errorf("fixture: %w", err)
	}
	var sentinel struct {
		Type       string          `json:"type"`
		Properties json.RawMessage `json:"properties"`
	}
	if json.Unmarshal(raw, &sentinel) == nil && (strings.Contains(sentinel.Type, "SecurityInsights") || sentinel.Properties != nil) {
		return incident.Incident{}, nil, fmt.Errorf("fixture %s is an incident of Sentinel, which this version does not read yet: give the incident of Defender, or write it in the model", file)
	}
	var model struct {
		Source   incident.Source `json:"source"`
		Evidence json.RawMessage `json:"evidence"`
	}
	if json.Unmarshal(raw, &model) == nil && model.Source != "" && model.Evidence != nil {
		v, err := playbooks.AnyType().Decode(raw)
		tree, _ := v.(map[string]any)
		if err != nil {
			return incident.Incident{}, nil, fmt.Errorf("fixture %s: %w", file, err)
		}
		about, err := strict(tree)
		return about, nil, err
	}
	about, err := incident.FromGraph(raw)
	if err != nil {
		return about, nil, fmt.Errorf("fixture %s: %w", file, err)
	}
	return about, raw, nil
}

// modelled makes an incident of what a case says of it.
func modelled(given map[string]any) (incident.Incident, error) {
	base := incident.Incident{
		ID: "defender/1", Source: incident.Defender, Title: "Rehearsal", Severity: "medium", Status: "active",
		Classification: "unknown", Determination: "unknown", CreatedAt: beginning(), UpdatedAt: beginning(),
	}
	return merged(base, given)
}

// merged lays fields of the model over an incident; a field that the model has
// not is an error.
func merged(base incident.Incident, given map[string]any) (incident.Incident, error) {
	tree, err := treeOf(base)
	if err != nil {
		return base, err
	}
	for key, v := range given {
		tree[key] = v
	}
	return strict(tree)
}

// overridden sets paths of the model: evidence.files[0].url, severity.
func overridden(base incident.Incident, set map[string]any) (incident.Incident, error) {
	if len(set) == 0 {
		return base, nil
	}
	tree, err := treeOf(base)
	if err != nil {
		return base, err
	}
	for _, path := range slices.Sorted(maps.Keys(set)) {
		v, err := copied(set[path])
		if err == nil {
			err = put(tree, path, v)
		}
		if err != nil {
			return base, fmt.Errorf("incident.set: %w", err)
		}
	}
	return strict(tree)
}

func treeOf(i incident.Incident) (map[string]any, error) {
	raw, err := json.Marshal(i)
	if err != nil {
		return nil, err
	}
	v, err := playbooks.AnyType().Decode(raw) // whole numbers stay whole
	tree, _ := v.(map[string]any)
	return tree, err
}

// strict reads the model back; what it does not know is an error.
func strict(tree map[string]any) (incident.Incident, error) {
	raw, err := playbooks.Encode(tree)
	if err != nil {
		return incident.Incident{}, err
	}
	type plain incident.Incident // without the reader that fills lists
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	var looked plain
	if err := d.Decode(&looked); err != nil && !errors.Is(err, io.EOF) {
		return incident.Incident{}, fmt.Errorf("incident: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	var out incident.Incident
	return out, json.Unmarshal(raw, &out)
}

// copied is a value that may be changed: what a case says is shared.
func copied(v any) (any, error) {
	raw, err := playbooks.Encode(v)
	if err != nil {
		return nil, err
	}
	return playbooks.AnyType().Decode(raw)
}

// put sets what stands at a path.
func put(tree map[string]any, path string, v any) error {
	var at any = tree
	parts := strings.Split(strings.ReplaceAll(strings.ReplaceAll(path, "[", "."), "]", ""), ".")
	for i, part := range parts {
		last := i == len(parts)-1
		switch x := at.(type) {
		case map[string]any:
			if last {
				x[part] = v
				return nil
			}
			if x[part] == nil {
				x[part] = map[string]any{}
			}
			at = x[part]
		case []any:
			n, err := strconv.Atoi(part)
			if err != nil || n < 0 || n >= len(x) {
				return fmt.Errorf("%s: there is no item %s: the list has %d", path, part, len(x))
			}
			if last {
				x[n] = v
				return nil
			}
			at = x[n]
		default:
			return fmt.Errorf("%s: %s has no fields", path, strings.Join(parts[:i], "."))
		}
	}
	return nil
}

// graphOf is an incident as the practice tenant needs it, so that actions on it
// find it: without its evidence, which expressions take from the event.
func graphOf(i incident.Incident) ([]byte, error) {
	_, id, err := incident.ParseID(i.ID)
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{
		"id": id, "displayName": i.Title, "severity": i.Severity, "status": i.Status, "classification": i.Classification,
		"determination": i.Determination, "assignedTo": i.AssignedTo, "customTags": append([]string{}, i.Tags...),
		"createdDateTime": i.CreatedAt.UTC().Format(time.RFC3339), "lastUpdateDateTime": i.UpdatedAt.UTC().Format(time.RFC3339),
		"alerts": []any{map[string]any{"title": i.Title, "severity": i.Severity, "serviceSource": "dataLossPrevention"}},
	})
}

// alert reads `alert:` of an event.
func (p *play) alert(s *scene, given any) error {
	s.event.Trigger = "alert"
	x, is := given.(map[string]any)
	if !is {
		return fmt.Errorf("alert is %T; it is a mapping", given)
	}
	if file, is := x["fixture"].(string); is {
		return p.alertOf(s, file, x["id"])
	}
	x = maps.Clone(x)
	fields := map[string]any{"alerts": []any{x}}
	if evidence, given := x["evidence"]; given {
		fields["evidence"] = evidence
		delete(x, "evidence")
	}
	about, err := modelled(fields)
	if err != nil {
		return err
	}
	return s.fromAlert(about, about.Alerts[0], about.Evidence)
}

// alertOf takes an alert of an incident's file, the first unless its id is given,
// with the evidence that it names.
func (p *play) alertOf(s *scene, file string, id any) error {
	about, graph, err := p.fixture(file)
	if err != nil {
		return err
	}
	if err := s.in(about, graph); err != nil {
		return err
	}
	for _, a := range about.Alerts {
		if id == nil || a.ID == id {
			return s.fromAlert(about, a, about.Evidence.Of(a.ID))
		}
	}
	return fmt.Errorf("fixture %s has no alert %v", file, id)
}

func (s *scene) fromAlert(about incident.Incident, a incident.Alert, evidence incident.Evidence) error {
	s.at(latest(about))
	return s.event.GiveAlert(a, evidence)
}
