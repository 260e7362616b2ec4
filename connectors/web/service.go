package web

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"stanch/connectors"
	"stanch/connectors/egress"
)

// Service is an API that the operator named.
type Service struct {
	Base   string // https://host[:port][/path]; http:// only if Plain
	Plain  bool
	Auth   Auth
	CA     []byte // further certificates (PEM) to trust
	OnlyCA bool
}

// Auth is how a service knows us.
type Auth struct {
	Kind   AuthKind
	Name   string // of the header or query parameter
	User   string // with basic
	Secret connectors.Secret
}

// AuthKind is where the secret goes.
type AuthKind string

// The kinds of auth.
const (
	NoAuth AuthKind = ""
	Bearer AuthKind = "bearer" // Authorization: Bearer
	Basic  AuthKind = "basic"  // Authorization: Basic, with a user
	Header AuthKind = "header" // a header of its own
	Query  AuthKind = "query"  // a parameter of the address
)

// service is a Service with its wire.
type service struct {
	base *url.URL
	auth Auth
	http *connectors.HTTP
	hide *mask
}

func newService(name string, s Service, dialer egress.Dialer, handler http.Handler) (*service, error) {
	u, err := url.Parse(strings.TrimRight(s.Base, "/"))
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("base is no address; expected https://host[:port][/path] and no more")
	case u.Scheme != "https" && (u.Scheme != "http" || !s.Plain):
		return nil, errors.New("base does not begin with https://")
	case s.Auth.Kind != NoAuth && s.Auth.Secret == "":
		return nil, fmt.Errorf("auth of kind %s has no secret", s.Auth.Kind)
	case (s.Auth.Kind == Header || s.Auth.Kind == Query) && s.Auth.Name == "":
		return nil, fmt.Errorf("auth of kind %s has no name", s.Auth.Kind)
	case s.Auth.Kind == Basic && (s.Auth.User == "" || strings.Contains(s.Auth.User, ":")):
		return nil, fmt.Errorf("auth of kind basic needs a user without a colon")
	case strings.ContainsAny(string(s.Auth.Secret), "\r\n\x00"):
		return nil, fmt.Errorf("the secret has more than one line")
	}
	at, err := egress.HostPort(u.Scheme, u.Host)
	if err != nil {
		return nil, fmt.Errorf("base: %w", err)
	}
	dialer.Trusted = []string{at}
	h, err := connectors.NewHTTP(connectors.HTTPOptions{Name: "http " + name, Dialer: dialer, CA: s.CA, OnlyCA: s.OnlyCA, Timeout: longest, Handler: handler})
	if err != nil {
		return nil, err
	}
	return &service{base: u, auth: s.Auth, http: h, hide: newMask(s.Auth)}, nil
}

// sign adds the credential to a request.
func (s *service) sign(r *connectors.HTTPRequest) {
	secret := string(s.auth.Secret)
	switch s.auth.Kind {
	case Bearer:
		r.Header.Set("Authorization", "Bearer "+secret)
	case Basic:
		r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(s.auth.User+":"+secret)))
	case Header:
		r.Header.Set(s.auth.Name, secret)
	case Query:
		q := r.URL.Query()
		q.Set(s.auth.Name, secret)
		u := *r.URL
		u.RawQuery = q.Encode()
		r.URL = &u
	case NoAuth:
		return
	}
	r.Bound = true
}

// Request is one request that a playbook asks for.
type Request struct {
	Op      string
	Method  string
	Service string // "": URL is absolute
	URL     string // absolute, or a path below the service's base
	Query   map[string]string
	Header  map[string]string
	Body    []byte
	Type    string // of the body
	Expect  []int  // statuses; empty: 200 to 299
	MaxBody int64
	Timeout time.Duration
}

// Answer is what came back, without the service's credential.
type Answer struct {
	Status int
	Header map[string]string
	Body   []byte
	Type   string // media type, without its parameters
}

// Target answers the address that a request asks, without a credential.
func (c *Client) Target(r Request) (*url.URL, error) {
	base := (*url.URL)(nil)
	if r.Service != "" {
		s, known := c.services[r.Service]
		if !known {
			return nil, invalid(r.Op, among(c.services, "services"), "service: there is no service %q", connectors.Plain(r.Service))
		}
		base = s.base
	}
	u, err := address(r, base)
	if err != nil {
		return nil, err
	}
	if len(r.Query) == 0 {
		return u, nil
	}
	q := u.Query()
	for name, value := range r.Query {
		q.Set(name, value)
	}
	u.RawQuery = q.Encode()
	return u, nil
}

// address judges the form of a request's URL.
func address(r Request, base *url.URL) (*url.URL, error) {
	shown := connectors.Plain(r.URL)
	u, err := url.Parse(r.URL)
	if err != nil || strings.ContainsFunc(r.URL, func(c rune) bool { return c <= ' ' || c == 0x7f || c == '\\' }) {
		return nil, invalid(r.Op, "escape what is not plain ASCII, or give values in query", "url: %q is no address", shown)
	}
	if u.User != nil {
		return nil, invalid(r.Op, "name the address as a service with auth in the operator's file", "url: it holds a user or password")
	}
	if u.Fragment != "" {
		return nil, invalid(r.Op, "remove what stands behind #", "url: %q has a fragment, which is not sent", shown)
	}
	if base == nil {
		if u.Scheme != "https" || u.Host == "" {
			return nil, invalid(r.Op, "expected https://host/path, or a path with service", "url: %q is no https address", shown)
		}
		return u, nil
	}
	if u.Scheme != "" || u.Host != "" || u.Opaque != "" {
		return nil, invalid(r.Op, "expected a path such as /tickets/7", "url: %q is a whole address; with service it is a path below the base of that", shown)
	}
	for part := range strings.SplitSeq(u.Path, "/") {
		if part == ".." || part == "." {
			return nil, invalid(r.Op, "expected a path such as /tickets/7", "url: %q leaves the base of the service", shown)
		}
	}
	full := *base
	full.Path = strings.TrimRight(base.Path, "/") + "/" + strings.TrimLeft(u.Path, "/")
	full.RawPath = strings.TrimRight(base.EscapedPath(), "/") + "/" + strings.TrimLeft(u.EscapedPath(), "/")
	full.RawQuery = u.RawQuery
	return &full, nil
}

// made makes the request of r and who does it.
func (c *Client) made(r Request) (*connectors.HTTP, connectors.HTTPRequest, *mask, error) {
	u, err := c.Target(r)
	if err != nil {
		return nil, connectors.HTTPRequest{}, nil, err
	}
	out := connectors.HTTPRequest{Op: r.Op, Method: r.Method, URL: u, Header: http.Header{}, Body: r.Body, MaxBody: r.MaxBody, Timeout: r.Timeout}
	if err := headers(r, out.Header); err != nil {
		return nil, out, nil, err
	}
	if err := queryNames(r.Op, u.Query()); err != nil {
		return nil, out, nil, err
	}
	if r.Body != nil {
		out.Header.Set("Content-Type", r.Type)
	}
	if out.Header.Get("Accept") == "" {
		out.Header.Set("Accept", "application/json, */*;q=0.5")
	}
	s := c.services[r.Service]
	if s == nil {
		return c.free, out, newMask(Auth{}), nil
	}
	s.sign(&out)
	return s.http, out, s.hide, nil
}

// Check reports why a request cannot be made, as far as that can be told
// without sending it.
func (c *Client) Check(r Request) error {
	_, _, _, err := c.made(r)
	return err
}

// headers judges what a playbook may say in the head of a request.
func headers(r Request, out http.Header) error {
	for name, value := range r.Header {
		key := http.CanonicalHeaderKey(name)
		switch {
		case !token(name):
			return invalid(r.Op, "expected letters, digits and hyphens", "headers: %q is no name of a header", connectors.Plain(name))
		case strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }):
			return invalid(r.Op, "a header is one line", "headers.%s: the value holds a control character", name)
		case slices.Contains(credentials(), key):
			return invalid(r.Op, "secrets do not stand in playbooks: name the address as a service with auth in the operator's file",
				"headers.%s: it carries a credential", name)
		case slices.Contains(transports(), key):
			return invalid(r.Op, "leave it out", "headers.%s: it is set by who sends the request", name)
		}
		if out.Get(key) != "" {
			return invalid(r.Op, "keep one of them", "headers.%s: it stands there twice", name)
		}
		out.Set(key, value)
	}
	return nil
}

func token(s string) bool {
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return s != ""
}

// credentials are headers that carry one.
func credentials() []string {
	return []string{"Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key", "Api-Key", "X-Auth-Token", "X-Access-Token", "Ocp-Apim-Subscription-Key"}
}

// transports are headers that say how a request is sent.
func transports() []string {
	return []string{
		"Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Upgrade", "Te", "Trailer", "Expect",
		"Accept-Encoding", "Content-Type", "Client-Request-Id", "Idempotency-Key", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Original-Url", "X-Http-Method-Override",
	}
}

// queryNames refuses parameters that carry a credential: the address is kept
// with the run.
func queryNames(op string, q url.Values) error {
	for name := range q {
		if slices.Contains([]string{"access_token", "api_key", "apikey", "client_secret", "password", "sig"}, strings.ToLower(name)) {
			return invalid(op, "name the address as a service with auth of kind query in the operator's file", "query.%s: it carries a credential, and the address is kept with the run", connectors.Plain(name))
		}
	}
	return nil
}

// Read does a GET or HEAD. An answer of a status that was not expected is an
// error of its code.
func (c *Client) Read(ctx context.Context, r Request) (Answer, error) {
	h, out, hide, err := c.made(r)
	if err != nil {
		return Answer{}, err
	}
	reply, err := h.Read(ctx, out)
	return judged(h, out, reply, r, hide, false, err)
}

// Send does any other request once.
func (c *Client) Send(ctx context.Context, change connectors.Change, r Request) (Answer, error) {
	h, out, hide, err := c.made(r)
	if err != nil {
		return Answer{}, err
	}
	reply, err := h.Send(ctx, change, out)
	return judged(h, out, reply, r, hide, true, err)
}

func judged(h *connectors.HTTP, out connectors.HTTPRequest, reply connectors.HTTPReply, r Request, hide *mask, changed bool, err error) (Answer, error) {
	if err != nil {
		return Answer{}, hide.err(err)
	}
	if !expected(r.Expect, reply.Status) {
		reply.Body = hide.bytes(reply.Body)
		return Answer{Status: reply.Status}, hide.err(h.Judge(out, reply, changed))
	}
	kind, _, _ := strings.Cut(reply.Header.Get("Content-Type"), ";")
	return Answer{
		Status: reply.Status, Header: hide.header(reply.Header), Body: hide.bytes(reply.Body), Type: strings.ToLower(strings.TrimSpace(kind)),
	}, nil
}

func expected(statuses []int, got int) bool {
	if len(statuses) == 0 {
		return got >= 200 && got <= 299
	}
	return slices.Contains(statuses, got)
}

// Shown is an address as it may be told: host and path, cut.
func Shown(u *url.URL) string {
	return connectors.Plain(u.Scheme + "://" + u.Host + path.Clean("/"+u.EscapedPath()))
}
