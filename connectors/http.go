package connectors

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"stanch/connectors/egress"
)

// HTTPOptions say whom an HTTP reaches and how.
type HTTPOptions struct {
	Name    string        // how errors call it: "http", "notify"
	Dialer  egress.Dialer // judges every connection
	CA      []byte        // further certificates (PEM) to trust
	OnlyCA  bool          // the system's are not trusted
	Timeout time.Duration // one request, redirects included; default 30 s
	MaxBody int64         // one body, decompressed; default 1 MiB
	// Handler, where set, answers every request in this process in place of
	// the network. It is for rehearsals.
	Handler http.Handler
}

// HTTP does single requests of any kind at addresses that its guard lets
// through. Like Client it sends each request once and asks a change's bounds
// before the first byte. It is safe for concurrent use.
type HTTP struct {
	o    HTTPOptions
	wire *wire
}

// NewHTTP answers an HTTP; o.Dialer needs a guard.
func NewHTTP(o HTTPOptions) (*HTTP, error) {
	if o.Dialer.Guard == nil {
		return nil, fmt.Errorf("%s: no egress guard", o.Name)
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.MaxBody <= 0 {
		o.MaxBody = 1 << 20
	}
	h := &HTTP{o: o}
	if o.Handler != nil {
		h.wire = &wire{&http.Client{Transport: judged{&h.o.Dialer, inProcess{o.Handler}}}}
	} else {
		w, err := newWire(Cloud{Name: o.Name, CA: o.CA, OnlyCA: o.OnlyCA})
		if err != nil {
			return nil, err
		}
		transport, _ := w.http.Transport.(*http.Transport)
		transport.Proxy = nil
		transport.DialContext = h.dial
		h.wire = w
	}
	h.wire.http.CheckRedirect = follow
	return h, nil
}

func (h *HTTP) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := h.o.Dialer.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &gatedConn{Conn: c}, nil
}

// judged asks the guard about the host of what this process answers itself.
type judged struct {
	dialer *egress.Dialer
	next   http.RoundTripper
}

func (j judged) RoundTrip(r *http.Request) (*http.Response, error) {
	at, err := egress.HostPort(r.URL.Scheme, r.URL.Host)
	if err != nil {
		return nil, &egress.Refusal{Host: r.URL.Host, Why: err.Error()}
	}
	if !slices.Contains(j.dialer.Trusted, at) {
		if err := j.dialer.Guard.Host(r.URL.Hostname()); err != nil {
			return nil, err
		}
	}
	return j.next.RoundTrip(r)
}

// HTTPRequest is one request. Its Header, URL and Body are sent as they are.
type HTTPRequest struct {
	Op     string // what it does, without anything secret
	Method string
	URL    *url.URL
	Header http.Header
	Body   []byte
	// Bound is set where the request carries a credential: redirects are then
	// followed within its origin only.
	Bound   bool
	MaxBody int64         // default that of the HTTP
	Timeout time.Duration // default that of the HTTP
}

// HTTPReply is an answer of any status.
type HTTPReply struct {
	Status int
	Header http.Header
	Body   []byte
	// URL is who answered, after redirects.
	URL *url.URL
}

// Read does a GET or HEAD and follows at most 5 redirects: to https only, each
// judged by the guard when it is dialled. Any whole answer is a reply without
// an error.
func (h *HTTP) Read(ctx context.Context, r HTTPRequest) (HTTPReply, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return HTTPReply{}, h.call(r, nil).client.refused(Request{Op: r.Op}, fmt.Errorf("%s is no reading request", r.Method))
	}
	return h.do(ctx, r, nil)
}

// Send does any other request, once, within the bounds of change, and follows
// no redirect. The effect's id goes along as Idempotency-Key, so that a service
// that knows it takes a repetition for one
// (datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header).
func (h *HTTP) Send(ctx context.Context, change Change, r HTTPRequest) (HTTPReply, error) {
	c := h.call(r, nil).client
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return HTTPReply{}, c.refused(Request{Op: r.Op}, fmt.Errorf("%s is no changing request", r.Method))
	}
	if err := change.valid(); err != nil {
		return HTTPReply{}, c.refused(Request{Op: r.Op}, err)
	}
	if err := change.may(); err != nil {
		return HTTPReply{}, c.refused(Request{Op: r.Op}, err)
	}
	return h.do(ctx, r, &change)
}

// call is what the errors of one request are made from.
func (h *HTTP) call(r HTTPRequest, change *Change) *call {
	limit := h.o.MaxBody
	if r.MaxBody > 0 {
		limit = r.MaxBody
	}
	x := &call{client: &Client{api: API{Name: h.o.Name}, options: Options{MaxBody: limit}}, request: Request{Op: r.Op, Method: r.Method}, id: newID()}
	if r.URL != nil {
		x.host = r.URL.Host
	}
	if change != nil {
		x.id = change.ID
		x.gate = &gate{change: change, closed: true}
	}
	return x
}

func (h *HTTP) do(ctx context.Context, r HTTPRequest, change *Change) (HTTPReply, error) {
	x := h.call(r, change)
	timeout := h.o.Timeout
	if r.Timeout > 0 {
		timeout = r.Timeout
	}
	ctx, cancel := until(ctx, timeout, change)
	defer cancel()
	x.ctx = ctx
	ctx = context.WithValue(ctx, boundKey{}, bound{r.Bound, r.Header})
	if x.gate != nil {
		x.gate.ctx = ctx
		ctx = context.WithValue(ctx, gateKey{}, x.gate)
	}
	req, err := x.plainRequest(ctx, r)
	if err != nil {
		return HTTPReply{}, x.client.refused(x.request, err)
	}
	res, err := h.wire.Do(req)
	if err != nil {
		if res != nil && res.Body != nil {
			_ = res.Body.Close()
		}
		return HTTPReply{}, x.unreached(err)
	}
	defer func() { _ = res.Body.Close() }()
	reply := HTTPReply{Status: res.StatusCode, Header: res.Header, URL: res.Request.URL}
	if reply.Body, err = x.body(res); err != nil {
		e := x.unreadable(err)
		e.Status = res.StatusCode
		return reply, e
	}
	return reply, nil
}

func (x *call) plainRequest(ctx context.Context, r HTTPRequest) (*http.Request, error) {
	if r.URL == nil || r.URL.Host == "" || r.URL.Scheme != "https" && r.URL.Scheme != "http" {
		return nil, errors.New("the address is not https://host/path")
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL.String(), nil)
	if err != nil {
		return nil, errors.New("the address cannot be asked")
	}
	for name, values := range r.Header {
		req.Header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "Stanch/1.0")
	}
	req.Header.Set("Client-Request-Id", x.id)
	if x.gate != nil {
		// In small letters, by which net/http does not know it: it would repeat
		// the request by itself.
		req.Header["idempotency-key"] = []string{x.id}
	}
	if r.Body != nil {
		// Not given to NewRequest, which would let it be read again.
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(r.Body)), int64(len(r.Body))
	}
	return req, nil
}

// unreached is the error of a request without an answer; what the guard refused
// was not sent.
func (x *call) unreached(err error) *Error {
	e := x.unanswered(err)
	if refused, is := errors.AsType[*egress.Refusal](err); is {
		e.Code, e.Message, e.Hint = Refused, line(refused.Error(), maxMessage), refused.Hint
	} else if astray, is := errors.AsType[*astrayError](err); is {
		e.Code, e.Message, e.Hint = Refused, line(astray.Error(), maxMessage), "give the address that it leads to, if that is meant"
	} else if proxy, is := errors.AsType[*egress.ProxyError](err); is {
		e.Message, e.Hint = line(proxy.Error(), maxMessage), "see egress.proxy in the operator's file, and whether the proxy may connect there"
	} else if strings.HasPrefix(e.Message, "no connection to ") {
		e.Hint = "see the address and the firewall; a proxy is named in egress.proxy, that of the environment is not used here"
	}
	return e
}

// Judge makes the error of an answer that is not what was asked for; changed
// says that the request was a change, which then may have taken effect as HTTP
// says of its status.
func (h *HTTP) Judge(r HTTPRequest, reply HTTPReply, changed bool) *Error {
	var change *Change
	if changed {
		change = &Change{}
	}
	x := h.call(r, change)
	e := x.errorOf(Failed)
	e.Status, e.RequestID = reply.Status, ""
	x.status(e, reply.Header, reply.Body)
	switch {
	case reply.Status >= 200 && reply.Status < 300: // done, and not as it was expected
		e.Code, e.Message, e.Open = Failed, "the status is not one that was expected", false
	case e.Code == Unauthorized || e.Code == Forbidden:
		e.Hint = "see the credential of the service in the operator's file, and what it may do"
	case e.Status == http.StatusGone:
		e.Hint = ""
	case reply.Status >= 300 && reply.Status < 400:
		e.Open = false // a redirect of a change names another place to send it to
	}
	return e
}

type boundKey struct{}

// bound says how a request may be redirected: with a credential within its
// origin only; elsewhere its own headers do not go along.
type bound struct {
	only   bool
	header http.Header
}

// astrayError is a redirect that is not followed.
type astrayError struct{ why string }

func (e *astrayError) Error() string { return "it answered a redirect that is not followed: " + e.why }

const maxRedirects = 5

// follow judges a redirect by its form; the guard judges its address when it is
// dialled.
func follow(r *http.Request, via []*http.Request) error {
	if m := via[0].Method; m != http.MethodGet && m != http.MethodHead {
		return http.ErrUseLastResponse
	}
	limits, _ := r.Context().Value(boundKey{}).(bound)
	from, err := egress.HostPort(via[0].URL.Scheme, via[0].URL.Host)
	if err != nil {
		return &astrayError{"its begin has no host"}
	}
	to, err := egress.HostPort(r.URL.Scheme, r.URL.Host)
	elsewhere := from != to || via[0].URL.Scheme != r.URL.Scheme
	switch {
	case len(via) > maxRedirects:
		return &astrayError{fmt.Sprintf("there are more than %d", maxRedirects)}
	case r.URL.Scheme != "https" && (r.URL.Scheme != "http" || elsewhere):
		return &astrayError{"it does not lead to https"}
	case err != nil:
		return &astrayError{err.Error()}
	case r.URL.User != nil:
		return &astrayError{"its address is not one of https://host/path"}
	case limits.only && elsewhere:
		return &astrayError{"it leads to another host, " + r.URL.Host + ", for which the credential is not"}
	}
	r.Header.Del("Referer") // it would tell the query of the address before
	if elsewhere {
		for name := range limits.header {
			r.Header.Del(name)
		}
	}
	return nil
}
