package http

import (
	"context"

	"stanch/actions"
)

type deleteParams struct {
	URL     string            `json:"url" lang:"url" doc:"https address, or with service a path below its base"`
	Service string            `json:"service,omitempty" doc:"service of the operator's file whose base and credential are used"`
	Query   map[string]string `json:"query,omitempty" doc:"parameters of the address, as plain text"`
	Headers map[string]string `json:"headers,omitempty" doc:"headers, none of which carries a secret"`
	Expect  []int             `json:"expect,omitempty" doc:"statuses of a success; without it 200 to 299"`
	Check   *checkParams      `json:"check,omitempty" doc:"how to see that it is gone; without it the address itself is read, which then answers 404 or 410"`
}

// Delete deletes something by an HTTP API.
func (s Shelf) Delete() actions.Action {
	return actions.Spec[deleteParams, requested]{
		Doc:   "Delete something by an HTTP API (DELETE): at a service that the operator named, or at a public https address.",
		Class: actions.Destroys, Throttle: throttle, Source: standard + "#name-delete",
		NoUndo:  "what a service has deleted cannot be given back from here",
		Example: "service: tickets\nurl: /tickets/case-7",
		Plan:    s.planDelete, Do: s.doChange, Check: s.checkChange, Settle: settleRequest,
	}.Action()
}

func (s Shelf) planDelete(ctx context.Context, _ actions.Call, p deleteParams) ([]actions.Effect, requested, error) {
	c := change{Method: "DELETE", Place: place{p.Service, p.URL, p.Query, p.Headers, p.Expect}, MaxSize: mostChange}
	gone := []int{404, 410}
	c.Check = &look{Service: p.Service, URL: p.URL, Query: p.Query, Expect: gone}
	if p.Check != nil {
		c.Check = lookOf(*p.Check, gone)
	}
	return s.plan(ctx, c)
}
