package http

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/web"
)

type requestParams struct {
	URL     string            `json:"url" lang:"url" doc:"https address, or with service a path below its base"`
	Service string            `json:"service,omitempty" doc:"service of the operator's file whose base and credential are used"`
	Method  string            `json:"method,omitempty" enum:"POST,PUT,PATCH" default:"POST" doc:"what is done there; http.get reads, http.delete deletes"`
	Query   map[string]string `json:"query,omitempty" doc:"parameters of the address, as plain text"`
	Headers map[string]string `json:"headers,omitempty" doc:"headers, none of which carries a secret"`
	Body    json.RawMessage   `json:"body,omitempty" doc:"value that is sent as JSON"`
	Expect  []int             `json:"expect,omitempty" doc:"statuses of a success; without it 200 to 299"`
	MaxSize int               `json:"max_size,omitempty" default:"65536" doc:"most bytes of the answer, at most 65536"`
	Check   *checkParams      `json:"check,omitempty" doc:"how to see that it has happened; without it a person decides when no answer came"`
}

type checkParams struct {
	URL     string            `json:"url" doc:"address that is read: https, or with service a path below its base; it has to show a change at once"`
	Service string            `json:"service,omitempty" doc:"service whose base and credential are used"`
	Query   map[string]string `json:"query,omitempty" doc:"parameters of the address, as plain text"`
	Expect  []int             `json:"expect,omitempty" doc:"statuses that it has once it has happened; without it 200 to 299, for http.delete 404 and 410"`
	Field   string            `json:"field,omitempty" doc:"JSON pointer into its answer, such as /status"`
	Equals  json.RawMessage   `json:"equals,omitempty" doc:"what stands there once it has happened"`
}

type requested struct {
	Sent    bool              `json:"sent" doc:"whether the request was needed and has happened"`
	Status  int               `json:"status,omitempty" doc:"status of the answer; 0 if nothing was sent, or if the answer was lost and check saw that it has happened"`
	Headers map[string]string `json:"headers" doc:"headers of the answer that hold no secret, in small letters"`
	Body    json.RawMessage   `json:"body" doc:"JSON as a value, other text as a text, null if there is none"`
}

// change is a changing request as an effect keeps it: no secret is in it.
type change struct {
	Method  string          `json:"method"`
	Place   place           `json:"place"`
	Body    json.RawMessage `json:"body,omitempty"`
	MaxSize int64           `json:"max_size"`
	Check   *look           `json:"check,omitempty"`
}

// state is what is known of a change: what the service shows, where it can be
// looked at, and what it answered.
type state struct {
	Sent   bool       `json:"sent"`
	Seen   *seen      `json:"seen,omitempty"`
	Answer *requested `json:"answer,omitempty"`
}

const unknownInverse = "what a request did at a service is not known here: a step of the playbook can send the request that takes it back"

// Request changes something by an HTTP API.
func (s Shelf) Request() actions.Action {
	return actions.Spec[requestParams, requested]{
		Doc:   "Send a changing request (POST, PUT, PATCH) to an HTTP API: a service that the operator named, or a public https address.",
		Class: actions.Writes, Throttle: throttle, Source: standard + "#name-method-definitions",
		NoUndo:  unknownInverse, // Repeat: never, only check tells whether it happened
		Example: "service: tickets\nmethod: PUT\nurl: /tickets/case-7\nbody: {title: \"${{ incident.title }}\", state: open}\ncheck: {service: tickets, url: /tickets/case-7}",
		Plan:    s.planRequest, Do: s.doChange, Check: s.checkChange, Settle: settleRequest,
	}.Action()
}

func (s Shelf) planRequest(ctx context.Context, _ actions.Call, p requestParams) ([]actions.Effect, requested, error) {
	if p.Method == "" {
		p.Method = "POST"
	}
	if !slices.Contains([]string{"POST", "PUT", "PATCH"}, p.Method) {
		return nil, requested{}, problem("expected POST, PUT or PATCH; http.get reads, http.delete deletes", "method is %q", connectors.Plain(p.Method))
	}
	c := change{Method: p.Method, Place: place{p.Service, p.URL, p.Query, p.Headers, p.Expect}, Body: p.Body}
	var err error
	if c.MaxSize, err = size(p.MaxSize, mostChange, mostChange); err != nil {
		return nil, requested{}, err
	}
	if p.Check != nil {
		c.Check = lookOf(*p.Check, twoHundreds())
	}
	return s.plan(ctx, c)
}

func twoHundreds() []int {
	var all []int
	for status := 200; status < 300; status++ {
		all = append(all, status)
	}
	return all
}

func lookOf(p checkParams, expect []int) *look {
	if len(p.Expect) > 0 {
		expect = p.Expect
	}
	return &look{Service: p.Service, URL: p.URL, Query: p.Query, Expect: expect, Field: p.Field, Equals: p.Equals}
}

// plan reads the state before and answers the effect, none if it is so already.
func (s Shelf) plan(ctx context.Context, c change) ([]actions.Effect, requested, error) {
	out := requested{Headers: map[string]string{}, Body: json.RawMessage("null")}
	if err := c.Place.valid(); err != nil {
		return nil, out, err
	}
	if err := s.Web.Check(c.request()); err != nil {
		return nil, out, err
	}
	at, err := s.Web.Target(c.request())
	if err != nil {
		return nil, out, err
	}
	before, after := state{}, state{Sent: true}
	if c.Check != nil {
		if err := s.valid(*c.Check); err != nil {
			return nil, out, err
		}
		found, err := s.looks(ctx, *c.Check)
		if err != nil {
			return nil, out, err
		}
		if found.So {
			return nil, out, nil
		}
		before.Seen, after.Seen = &found, &seen{So: true, Value: c.Check.Equals}
	}
	out.Sent = true
	return []actions.Effect{{
		Target: target(c.Method, at), Before: actions.JSON(before), After: actions.JSON(after), Request: actions.JSON(c),
	}}, out, nil
}

// target is the address that a request changes.
func target(method string, at *url.URL) actions.Target {
	return actions.Target{
		Kind: "request", ID: method + " " + at.String(), Name: method + " " + web.Shown(at),
		Entities: []actions.Entity{{Kind: "host", ID: at.Host, Name: at.Hostname()}},
	}
}

func (c change) request() web.Request {
	r := c.Place.request(c.Method)
	r.MaxBody = c.MaxSize
	if len(c.Body) > 0 {
		r.Body, r.Type = c.Body, "application/json"
	}
	return r
}

func (s Shelf) doChange(ctx context.Context, call actions.Call, e actions.Effect) (actions.Outcome, error) {
	c, err := actions.Kept[change](e.Request, "request")
	if err != nil {
		return actions.Outcome{}, err
	}
	a, err := s.Web.Send(ctx, connectors.Change(call.Sending), c.request())
	if err != nil {
		if failed, is := errors.AsType[*connectors.Error](err); is && c.Method == "DELETE" && (failed.Status == 404 || failed.Status == 410) {
			return actions.Outcome{AlreadySo: true}, nil
		}
		return actions.Outcome{}, err
	}
	body, err := value(a, "http: "+c.Method)
	if err != nil { // it has happened: what cannot be read is left out
		body = json.RawMessage("null")
	}
	after := state{Sent: true, Answer: &requested{Sent: true, Status: a.Status, Headers: a.Header, Body: body}}
	if planned, err := actions.Kept[state](e.After, "state after"); err == nil {
		after.Seen = planned.Seen
	}
	return actions.Outcome{After: actions.JSON(after)}, nil
}

// checkChange looks where the playbook said that it shows.
func (s Shelf) checkChange(ctx context.Context, _ actions.Call, e actions.Effect) (actions.Finding, error) {
	c, err := actions.Kept[change](e.Request, "request")
	if err != nil {
		return actions.Finding{}, err
	}
	if c.Check == nil {
		return actions.Finding{Answer: actions.CannotTell, Why: "the step gives no check by which it could be seen"}, nil
	}
	found, err := s.looks(ctx, *c.Check)
	if err != nil {
		return actions.Finding{}, err
	}
	if found.So {
		return actions.Finding{Answer: actions.Happened, After: actions.JSON(state{Sent: true, Seen: &found}), Why: "the check shows it"}, nil
	}
	return actions.Finding{Answer: actions.DidNot, Why: "the check does not show it"}, nil
}

// settleRequest fills the output with what was answered.
func settleRequest(out requested, effects []actions.Effect) requested {
	for _, e := range effects {
		if e.Status != actions.Done {
			out.Sent = false
			continue
		}
		if s, err := actions.Kept[state](e.After, "state after"); err == nil && s.Answer != nil {
			out = *s.Answer
		}
	}
	return out
}
