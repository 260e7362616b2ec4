package sentinel

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"stanch/connectors"
)

// Incident is an incident without its alerts, entities and comments.
type Incident struct {
	Name       string // a GUID: what the API's paths take
	ETag       string // of what was read; an update brings it back
	Number     int64  // what people see
	LastUpdate time.Time
	Provider   string // Microsoft XDR, Azure Sentinel
	ProviderID string // of Microsoft XDR: the number of Graph's incident
	Properties Properties
	Raw        json.RawMessage
}

// Properties are what can be written of an incident. A write replaces all of
// them: what is empty is cleared.
//
// Source: azure-rest-api-specs, IncidentProperties.
type Properties struct {
	Title                 string  `json:"title"`
	Description           string  `json:"description,omitempty"`
	Severity              string  `json:"severity"`                 // High, Medium, Low, Informational
	Status                string  `json:"status"`                   // New, Active, Closed
	Classification        string  `json:"classification,omitempty"` // Undetermined, TruePositive, BenignPositive, FalsePositive
	ClassificationReason  string  `json:"classificationReason,omitempty"`
	ClassificationComment string  `json:"classificationComment,omitempty"`
	Labels                []Label `json:"labels,omitempty"`
	Owner                 *Owner  `json:"owner,omitempty"`
	FirstActivity         string  `json:"firstActivityTimeUtc,omitempty"`
	LastActivity          string  `json:"lastActivityTimeUtc,omitempty"`
}

// Label is a tag. Kind is User or, of those that Sentinel sets itself,
// AutoAssigned; it is not written.
type Label struct {
	Name string
	Kind string
}

// UnmarshalJSON reads the API's names.
func (l *Label) UnmarshalJSON(b []byte) error {
	var w struct {
		Name string `json:"labelName"`
		Kind string `json:"labelType"`
	}
	err := json.Unmarshal(b, &w)
	*l = Label{w.Name, w.Kind}
	return err
}

// MarshalJSON writes the name.
func (l Label) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"labelName": l.Name})
}

// Owner is who works on an incident. Any one of its fields is enough to name
// somebody; the service completes them.
type Owner struct {
	ObjectID string `json:"objectId,omitempty"`
	Email    string `json:"email,omitempty"`
	Name     string `json:"assignedTo,omitempty"`
	UPN      string `json:"userPrincipalName,omitempty"`
}

// Query selects incidents.
type Query struct {
	Since  time.Time // last modified at or after; zero: all
	Before time.Time // last modified before; zero: until now
	Filter string    // further OData over properties/…, joined with and
	Top    int       // incidents per page, at most 1,000; 0: the service's number
}

// Page is one page of the list.
type Page struct {
	Incidents []Incident
	Faulty    []Faulty
	More      bool // another page follows: one more request
	RequestID string
}

// Faulty is an entry of the list that is no incident as the API describes it.
type Faulty struct {
	Name string // "" where it has none that could be read
	Raw  json.RawMessage
	Err  error
}

// Incidents yields the pages of the incidents, the last modified first. After
// an error the list is incomplete; an entry that cannot be read is none.
//
// Source: learn.microsoft.com/rest/api/securityinsights/incidents/list.
func (c *Client) Incidents(ctx context.Context, q Query) iter.Seq2[Page, error] {
	more := []connectors.Param{{Key: "$orderby", Value: "properties/lastModifiedTimeUtc desc"}}
	const modified = "properties/lastModifiedTimeUtc"
	if filter := connectors.ChangedSince(modified, q.Since, connectors.ChangedBefore(modified, q.Before, q.Filter)); filter != "" {
		more = append(more, connectors.Param{Key: "$filter", Value: filter})
	}
	if q.Top > 0 {
		more = append(more, connectors.Param{Key: "$top", Value: strconv.Itoa(q.Top)})
	}
	r := connectors.Request{Op: "list incidents", Path: c.path("incidents"), Query: query(more...), Permission: reader}
	read := func(raw json.RawMessage, request string) (Incident, error) { return incident(r.Op, "", raw, request) }
	return func(yield func(Page, error) bool) {
		for page, err := range connectors.PagesOf(ctx, c.api, r, read) {
			out := Page{Incidents: page.Items, More: page.More, RequestID: page.RequestID}
			for _, f := range page.Faulty {
				out.Faulty = append(out.Faulty, Faulty{Name: nameOf(f.Raw), Raw: f.Raw, Err: f.Err})
			}
			if !yield(out, err) {
				return
			}
		}
	}
}

// Incident reads one incident by its name.
//
// Source: learn.microsoft.com/rest/api/securityinsights/incidents/get.
func (c *Client) Incident(ctx context.Context, name string) (Incident, error) {
	op := "get incident " + connectors.Plain(name)
	raw, request, err := c.get(ctx, op, []string{"incidents", name})
	if err != nil {
		return Incident{}, err
	}
	return incident(op, name, raw, request)
}

// PutIncident replaces what can be written of an incident and answers it as it
// is then. It is refused with the code conflict when the incident is another
// than that of the etag: nothing was written then.
//
// Source: learn.microsoft.com/rest/api/securityinsights/incidents/create-or-update.
func (c *Client) PutIncident(ctx context.Context, ch connectors.Change, name, etag string, p Properties) (Incident, error) {
	op := "update incident " + connectors.Plain(name)
	switch {
	case etag == "":
		return Incident{}, invalid(op, "no etag: it would make or overwrite an incident unseen")
	case p.Title == "" || p.Severity == "" || p.Status == "":
		return Incident{}, invalid(op, "title, severity and status must stand in it; they are %q, %q and %q", connectors.Plain(p.Title), p.Severity, p.Status)
	}
	if p.Owner != nil && *p.Owner == (Owner{}) {
		p.Owner = nil
	}
	var raw json.RawMessage
	reply, err := c.api.Send(ctx, ch, connectors.Request{
		Op: op, Method: http.MethodPut, Path: c.path("incidents", name), Query: query(), Permission: responder,
		Body: map[string]any{"etag": etag, "properties": p},
	}, &raw)
	if err != nil {
		return Incident{}, err
	}
	in, err := incident(op, name, raw, reply.RequestID)
	return in, open(err)
}

// nameOf is the name of what is no incident, as far as it has one.
func nameOf(raw json.RawMessage) string {
	var r struct {
		Name string `json:"name"`
	}
	_ = json.Unmarshal(raw, &r) // what cannot be read of it stays empty
	return r.Name
}

// Defender is the number of the incident in Defender XDR from which its
// connector made this one; empty for any other.
//
// Source: learn.microsoft.com/azure/sentinel/microsoft-365-defender-sentinel-integration.
func (in Incident) Defender() string {
	if !strings.EqualFold(in.Provider, "Microsoft XDR") && !strings.EqualFold(in.Provider, "Microsoft 365 Defender") {
		return ""
	}
	if strings.Trim(in.ProviderID, "0123456789") != "" {
		return ""
	}
	return in.ProviderID
}

func incident(op, name string, raw json.RawMessage, request string) (Incident, error) {
	in := Incident{Raw: raw}
	var w struct {
		Properties
		Number     int64      `json:"incidentNumber"`
		LastUpdate *time.Time `json:"lastModifiedTimeUtc"`
		Provider   string     `json:"providerName"`
		ProviderID string     `json:"providerIncidentId"`
	}
	r, err := read(op, "an incident", name, raw, request, &w)
	if err != nil {
		return Incident{}, err
	}
	if r.ETag == "" {
		return Incident{}, unreadable(op, "an incident", "it has no etag", request)
	}
	if w.LastUpdate != nil {
		in.LastUpdate = *w.LastUpdate
	}
	in.Name, in.ETag, in.Number, in.Provider, in.ProviderID, in.Properties = r.Name, r.ETag, w.Number, w.Provider, w.ProviderID, w.Properties
	return in, nil
}

// Alerts are the alerts of an incident, entities of the kind SecurityAlert.
//
// Source: learn.microsoft.com/rest/api/securityinsights/incidents/list-alerts.
func (c *Client) Alerts(ctx context.Context, name string) ([]json.RawMessage, error) {
	return c.ask(ctx, "list alerts of incident "+connectors.Plain(name), "value", "incidents", name, "alerts")
}

// Entities are what the alerts of an incident are about.
//
// Source: learn.microsoft.com/rest/api/securityinsights/incidents/list-entities.
func (c *Client) Entities(ctx context.Context, name string) ([]json.RawMessage, error) {
	return c.ask(ctx, "list entities of incident "+connectors.Plain(name), "entities", "incidents", name, "entities")
}

// Bookmarks are the hunting bookmarks of an incident.
//
// Source: learn.microsoft.com/rest/api/securityinsights/incidents/list-bookmarks.
func (c *Client) Bookmarks(ctx context.Context, name string) ([]json.RawMessage, error) {
	return c.ask(ctx, "list bookmarks of incident "+connectors.Plain(name), "value", "incidents", name, "bookmarks")
}
