package graph

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"strconv"
	"time"

	"stanch/connectors"
)

// IncidentQuery selects incidents. Graph lists the newest first and allows in
// Filter assignedTo, classification, createdDateTime, determination,
// lastUpdateDateTime, severity and status.
type IncidentQuery struct {
	Since  time.Time // last updated at or after; zero: all
	Before time.Time // last updated before; zero: until now
	Filter string    // further OData, joined with and
	Top    int       // incidents per page; 0: the service's number
	Bare   bool      // without the alerts
}

// Incident is an incident as the API sent it, its alerts expanded unless it was
// asked for without.
type Incident struct {
	ID         string
	LastUpdate time.Time
	Raw        json.RawMessage
}

// IncidentPage is one page of the list.
type IncidentPage struct {
	Incidents []Incident
	Faulty    []Faulty
	More      bool // another page follows: one more request
	RequestID string
}

// Faulty is an entry of the list that is no incident as the API describes it.
type Faulty struct {
	ID  string // "" where it has none that could be read
	Raw json.RawMessage
	Err error
}

// evolving asks for members that enumerations got after clients were built.
const evolving = "include-unknown-enum-members"

// Incidents yields the pages of the incidents, newest first. After an error
// the list is incomplete; an entry that cannot be read is none.
//
// Source: learn.microsoft.com/graph/api/security-list-incidents.
func (c *Client) Incidents(ctx context.Context, q IncidentQuery) iter.Seq2[IncidentPage, error] {
	r := connectors.Request{
		Op: "list incidents", Path: connectors.To("security", "incidents"), Permission: incidentRead,
		Header: http.Header{"Prefer": {evolving}},
	}
	if !q.Bare {
		r.Query = []connectors.Param{{Key: "$expand", Value: "alerts"}}
	}
	filter := connectors.ChangedSince("lastUpdateDateTime", q.Since, connectors.ChangedBefore("lastUpdateDateTime", q.Before, q.Filter))
	if filter != "" {
		r.Query = append(r.Query, connectors.Param{Key: "$filter", Value: filter})
	}
	if q.Top > 0 {
		r.Query = append(r.Query, connectors.Param{Key: "$top", Value: strconv.Itoa(q.Top)})
	}
	read := func(raw json.RawMessage, request string) (Incident, error) { return incident(r.Op, raw, request) }
	return func(yield func(IncidentPage, error) bool) {
		for page, err := range connectors.PagesOf(ctx, c.api, r, read) {
			out := IncidentPage{Incidents: page.Items, More: page.More, RequestID: page.RequestID}
			for _, f := range page.Faulty {
				out.Faulty = append(out.Faulty, Faulty{ID: idOf(f.Raw), Raw: f.Raw, Err: f.Err})
			}
			if !yield(out, err) {
				return
			}
		}
	}
}

// Incident reads one incident with its alerts. One that was merged into
// another answers with status redirected.
//
// Source: learn.microsoft.com/graph/api/security-incident-get.
func (c *Client) Incident(ctx context.Context, id string) (Incident, error) {
	var raw json.RawMessage
	op := "get incident " + connectors.Plain(id)
	reply, err := c.api.Read(ctx, connectors.Request{
		Op: op, Path: connectors.To("security", "incidents", id), Permission: incidentRead,
		Header: http.Header{"Prefer": {evolving}},
		Query:  []connectors.Param{{Key: "$expand", Value: "alerts"}},
	}, &raw)
	if err != nil {
		return Incident{}, err
	}
	return sameIncident(op, id, raw, reply)
}

// IncidentPatch is what of an incident is written; nil fields stay.
type IncidentPatch struct {
	AssignedTo     *string // "" takes the assignment away
	Status         *string // active, inProgress, resolved
	Classification *string
	Determination  *string
	Tags           *[]string // all custom tags: replaces the list
}

// MarshalJSON writes the fields that are set, in the API's names.
func (p IncidentPatch) MarshalJSON() ([]byte, error) {
	body := map[string]any{}
	for name, v := range map[string]*string{
		"status": p.Status, "classification": p.Classification, "determination": p.Determination,
	} {
		if v != nil {
			body[name] = *v
		}
	}
	if p.AssignedTo != nil {
		body["assignedTo"] = nil
		if *p.AssignedTo != "" {
			body["assignedTo"] = *p.AssignedTo
		}
	}
	if p.Tags != nil {
		body["customTags"] = append([]string{}, *p.Tags...)
	}
	return json.Marshal(body)
}

// UpdateIncident writes fields of an incident and answers it as it is then,
// without alerts. There is no etag: the last writer wins.
//
// Source: learn.microsoft.com/graph/api/security-incident-update.
func (c *Client) UpdateIncident(ctx context.Context, ch connectors.Change, id string, p IncidentPatch) (Incident, error) {
	op := "update incident " + connectors.Plain(id)
	if p == (IncidentPatch{}) {
		return Incident{}, invalid(op, "no field to write")
	}
	var raw json.RawMessage
	reply, err := c.api.Send(ctx, ch, connectors.Request{
		Op: op, Method: http.MethodPatch, Path: connectors.To("security", "incidents", id), Permission: incidentWrite,
		Header: http.Header{"Prefer": {evolving}}, Body: p,
	}, &raw)
	if err != nil {
		return Incident{}, err
	}
	in, err := sameIncident(op, id, raw, reply)
	return in, open(err)
}

// Comment is a comment of an incident or alert.
type Comment struct {
	Text string
	By   string
	At   time.Time
}

// UnmarshalJSON reads the names of v1.0 and those of the preview, which some
// tenants still send.
func (c *Comment) UnmarshalJSON(b []byte) error {
	var w struct {
		Comment              string    `json:"comment"`
		CreatedByDisplayName string    `json:"createdByDisplayName"`
		CreatedBy            string    `json:"createdBy"`
		CreatedDateTime      time.Time `json:"createdDateTime"`
		CreatedTime          time.Time `json:"createdTime"`
	}
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	*c = Comment{Text: w.Comment, By: w.CreatedByDisplayName, At: w.CreatedDateTime}
	if c.By == "" {
		c.By = w.CreatedBy
	}
	if c.At.IsZero() {
		c.At = w.CreatedTime
	}
	return nil
}

// CommentIncident adds a comment and answers all of them. Doing it twice adds
// two.
//
// Source: learn.microsoft.com/graph/api/security-incident-post-comments.
func (c *Client) CommentIncident(ctx context.Context, ch connectors.Change, id, text string) ([]Comment, error) {
	op := "comment incident " + connectors.Plain(id)
	if text == "" {
		return nil, invalid(op, "the comment is empty")
	}
	var out struct {
		Value []Comment `json:"value"`
	}
	reply, err := c.api.Send(ctx, ch, connectors.Request{
		Op: op, Method: http.MethodPost, Path: connectors.To("security", "incidents", id, "comments"), Permission: incidentWrite,
		Body: map[string]string{"@odata.type": "microsoft.graph.security.alertComment", "comment": text},
	}, &out)
	if err == nil && len(out.Value) == 0 {
		err = unsaid(op, "which comments the incident has", reply)
	}
	return out.Value, err
}

func incident(op string, raw json.RawMessage, request string) (Incident, error) {
	var head struct {
		ID         string    `json:"id"`
		LastUpdate time.Time `json:"lastUpdateDateTime"`
	}
	if err := json.Unmarshal(raw, &head); err != nil || head.ID == "" {
		return Incident{}, unreadable(op, "an incident", err, request)
	}
	return Incident{ID: head.ID, LastUpdate: head.LastUpdate, Raw: raw}, nil
}

// idOf is the id of what is no incident, as far as it has one.
func idOf(raw json.RawMessage) string {
	var head struct {
		ID string `json:"id"`
	}
	_ = json.Unmarshal(raw, &head) // what cannot be read of it stays empty
	return head.ID
}

func sameIncident(op, id string, raw json.RawMessage, reply connectors.Reply) (Incident, error) {
	in, err := incident(op, raw, reply.RequestID)
	if err == nil && in.ID != id {
		err = other(op, id, in.ID, reply.RequestID)
	}
	return in, err
}
