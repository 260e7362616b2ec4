// Package http holds the actions that ask any HTTP API: those of a service that
// the operator named, and public https addresses that the egress guard lets
// through.
//
// It reaches them through connectors/web alone and knows nothing of playbooks,
// runs or the engine. Secrets are never in a request of a playbook, in what is
// kept of it, or in what comes back: they stand with the service in the
// operator's file.
package http

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/web"
)

// Shelf is the actions on HTTP APIs.
type Shelf struct{ Web *web.Client }

const (
	throttle = "http"
	standard = "https://www.rfc-editor.org/rfc/rfc9110" // HTTP semantics

	mostRead   = 4 << 20  // of an answer that is read, in bytes
	leastBody  = 1 << 10  // the smallest bound that can be asked for
	plainRead  = 1 << 20  // default
	mostChange = 64 << 10 // of the answer to a change: it is kept with the effect
)

// problem is an error of this side: nothing was sent.
func problem(hint, format string, args ...any) error {
	return &connectors.Error{Op: "http", Code: connectors.Invalid, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// place is what every request names.
type place struct {
	Service string            `json:"service,omitempty"`
	URL     string            `json:"url"`
	Query   map[string]string `json:"query,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	Expect  []int             `json:"expect,omitempty"`
}

func (p place) request(method string) web.Request {
	return web.Request{Op: method, Method: method, Service: p.Service, URL: p.URL, Query: p.Query, Header: p.Headers, Expect: p.Expect}
}

func (p place) valid() error {
	if strings.TrimSpace(p.URL) == "" {
		return problem("expected https://host/path, or a path with service", "url is empty")
	}
	for _, status := range p.Expect {
		if status < 200 || status > 599 {
			return problem("expected statuses from 200 to 599", "expect: %d is no status of an answer", status)
		}
	}
	return nil
}

// size judges a bound of an answer.
func size(given, usual, most int) (int64, error) {
	switch {
	case given == 0:
		return int64(usual), nil
	case given < leastBody || given > most:
		return 0, problem(fmt.Sprintf("expected %d to %d bytes", leastBody, most), "max_size is %d", given)
	}
	return int64(given), nil
}

// value makes the body of an answer a value of the run: JSON as it is, other
// text as a text, nothing as null.
func value(a web.Answer, what string) (json.RawMessage, error) {
	isJSON := a.Type == "application/json" || strings.HasSuffix(a.Type, "+json")
	body := bytes.TrimSpace(a.Body)
	switch {
	case len(body) == 0:
		return json.RawMessage("null"), nil
	case isJSON && json.Valid(body):
		return body, nil
	case isJSON:
		return nil, unreadable(what, "the answer says that it is JSON and is not")
	case !utf8.Valid(a.Body) || bytes.IndexByte(a.Body, 0) >= 0:
		return nil, unreadable(what, "the answer is neither JSON nor text but "+orSome(connectors.Plain(a.Type)))
	}
	return actions.JSON(string(a.Body)), nil
}

func unreadable(op, format string) error {
	return &connectors.Error{Op: op, Code: connectors.Failed, Message: format, Hint: "these actions read JSON and text"}
}

func orSome(kind string) string {
	if kind == "" {
		return "of no stated type"
	}
	return kind
}

// look is how a service shows whether something is so.
type look struct {
	Service string            `json:"service,omitempty"`
	URL     string            `json:"url"`
	Query   map[string]string `json:"query,omitempty"`
	Expect  []int             `json:"expect"`
	Field   string            `json:"field,omitempty"`
	Equals  json.RawMessage   `json:"equals,omitempty"`
}

// seen is what a look saw.
type seen struct {
	So     bool            `json:"so"`
	Status int             `json:"status,omitempty"`
	Value  json.RawMessage `json:"value,omitempty"` // of Field
}

// looks reads whether it is so. A status that is neither expected nor a plain
// yes or no (2xx, 404, 410) is an error.
func (s Shelf) looks(ctx context.Context, l look) (seen, error) {
	r := place{Service: l.Service, URL: l.URL, Query: l.Query}.request("GET")
	r.Op, r.MaxBody, r.Expect = "look", plainRead, append([]int{404, 410}, l.Expect...)
	for status := 200; status < 300; status++ {
		r.Expect = append(r.Expect, status)
	}
	a, err := s.Web.Read(ctx, r)
	if err != nil {
		return seen{}, err
	}
	out := seen{So: slices.Contains(l.Expect, a.Status), Status: a.Status}
	if l.Field == "" {
		return out, nil
	}
	out.Value = pointed(a.Body, l.Field)
	out.So = out.So && equal(out.Value, l.Equals)
	return out, nil
}

// valid judges a look before anything is sent.
func (s Shelf) valid(l look) error {
	switch {
	case l.Field != "" && !strings.HasPrefix(l.Field, "/"):
		return problem("a JSON pointer (RFC 6901) such as /status or /items/0/state", "check.field: %q does not begin with a slash", connectors.Plain(l.Field))
	case l.Field != "" && len(l.Equals) == 0:
		return problem("say what the field is once it has happened", "check.equals is missing")
	case l.Field == "" && len(l.Equals) > 0:
		return problem("name the field, as /status", "check.field is missing")
	}
	err := s.Web.Check(place{Service: l.Service, URL: l.URL, Query: l.Query}.request("GET"))
	if e, is := errors.AsType[*connectors.Error](err); is {
		out := *e
		out.Op, out.Message = "http", "check."+e.Message
		return &out
	}
	return err
}

// pointed answers the value at a JSON pointer (RFC 6901), null where there is
// none.
func pointed(body []byte, pointer string) json.RawMessage {
	null := json.RawMessage("null")
	for _, part := range strings.Split(pointer, "/")[1:] {
		part = strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
		var fields map[string]json.RawMessage
		var items []json.RawMessage
		switch {
		case json.Unmarshal(body, &fields) == nil && fields[part] != nil:
			body = fields[part]
		case json.Unmarshal(body, &items) == nil:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(items) {
				return null
			}
			body = items[i]
		default:
			return null
		}
	}
	if !json.Valid(body) {
		return null
	}
	return slices.Clone(body)
}

// equal compares JSON values; numbers by their text.
func equal(a, b json.RawMessage) bool {
	decode := func(raw json.RawMessage) (any, bool) {
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		var v any
		return v, d.Decode(&v) == nil
	}
	x, okX := decode(a)
	y, okY := decode(b)
	return okX && okY && reflect.DeepEqual(x, y)
}
