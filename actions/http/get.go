package http

import (
	"context"
	"encoding/json"

	"stanch/actions"
	"stanch/connectors"
)

type getParams struct {
	URL     string            `json:"url" lang:"url" doc:"https address, or with service a path below its base"`
	Service string            `json:"service,omitempty" doc:"service of the operator's file whose base and credential are used"`
	Method  string            `json:"method,omitempty" enum:"GET,HEAD" default:"GET" doc:"HEAD answers without a body"`
	Query   map[string]string `json:"query,omitempty" doc:"parameters of the address, as plain text"`
	Headers map[string]string `json:"headers,omitempty" doc:"headers, none of which carries a secret"`
	Expect  []int             `json:"expect,omitempty" doc:"statuses that are no failure; without it 200 to 299"`
	MaxSize int               `json:"max_size,omitempty" default:"1048576" doc:"most bytes of the answer, at most 4194304"`
}

type got struct {
	Status  int               `json:"status" doc:"status of the answer"`
	Headers map[string]string `json:"headers" doc:"content-type, date, etag, last-modified, link and others that hold no secret, in small letters"`
	Body    json.RawMessage   `json:"body" doc:"JSON as a value, other text as a text, null if there is none"`
}

// Get reads from an HTTP API.
func (s Shelf) Get() actions.Action {
	return actions.Spec[getParams, got]{
		Doc:   "Read from an HTTP API: a service that the operator named, or a public https address. The timeout of the step bounds it.",
		Class: actions.Reads, Throttle: throttle, Source: standard + "#name-get",
		Example: "service: tickets\nurl: /tickets\nquery: {incident: \"${{ incident.id }}\"}",
		Read:    s.get,
	}.Action()
}

func (s Shelf) get(ctx context.Context, _ actions.Call, p getParams) (got, error) {
	at := place{p.Service, p.URL, p.Query, p.Headers, p.Expect}
	if err := at.valid(); err != nil {
		return got{}, err
	}
	if p.Method == "" {
		p.Method = "GET"
	}
	if p.Method != "GET" && p.Method != "HEAD" {
		return got{}, problem("expected GET or HEAD; http.request and http.delete change something", "method is %q", connectors.Plain(p.Method))
	}
	r := at.request(p.Method)
	var err error
	if r.MaxBody, err = size(p.MaxSize, plainRead, mostRead); err != nil {
		return got{}, err
	}
	a, err := s.Web.Read(ctx, r)
	if err != nil {
		return got{}, err
	}
	body, err := value(a, "http: "+p.Method)
	return got{Status: a.Status, Headers: a.Header, Body: body}, err
}
