package connectors

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// Options bound a client. The zero value is fit for use.
type Options struct {
	Timeout   time.Duration // one request from dial to the end of its body; default 30 s
	MaxBody   int64         // one body, decompressed; default 32 MiB
	MaxPages  int           // one list; default 1,000
	UserAgent string        // default "NONISV|Stanch|Stanch/1.0", the form SharePoint asks for
	Batching  *Batching     // how requests go together; nil: each goes alone
	// Thing answers what a path below the base, unescaped, is about: a kind, and which one
	// where that is certain. A change of another kind, or of another one, leaves
	// it as it is. Nil: nobody knows. See Reads.
	Thing func(path string) (kind, id string)
	// Found answers which one of its kind the answer to a GET is about, where the
	// path is only an address of it; empty: that is not certain. Nil: it never is.
	Found func(path string, answer []byte) (id string)
	// Cost answers as how many units of which throttling class the service counts a
	// request for a path below the base, unescaped; no class: nobody knows. Nil:
	// of none.
	Cost func(method, path string) (class string, units int64)
}

// Copy answers options to be changed; of nil, the zero value.
func (o *Options) Copy() Options {
	if o == nil {
		return Options{}
	}
	return *o
}

func (o *Options) filled() Options {
	out := Options{Timeout: 30 * time.Second, MaxBody: 32 << 20, MaxPages: 1000, UserAgent: "NONISV|Stanch|Stanch/1.0"}
	if o == nil {
		return out
	}
	if o.Timeout > 0 {
		out.Timeout = o.Timeout
	}
	if o.MaxBody > 0 {
		out.MaxBody = o.MaxBody
	}
	if o.MaxPages > 0 {
		out.MaxPages = o.MaxPages
	}
	if o.UserAgent != "" {
		out.UserAgent = o.UserAgent
	}
	out.Batching, out.Thing, out.Found, out.Cost = o.Batching, o.Thing, o.Found, o.Cost
	return out
}

// Client speaks JSON with one API. It sends each request once: no retry, no
// redirect, no wait; only what comes back because its token is not taken is sent
// once more with a new one. It is safe for concurrent use.
type Client struct {
	api      API
	base     *url.URL
	options  Options
	cloud    Cloud
	cred     azcore.TokenCredential
	pipeline runtime.Pipeline
	bare     runtime.Pipeline // without bearer token
	batches  *batches         // nil: each request goes alone
}

// New answers a client of one API of the cloud, as `New(cloud, cloud.Graph, …)`.
func New(cloud Cloud, api API, cred azcore.TokenCredential, o *Options) (*Client, error) {
	fail := func(format string, args ...any) (*Client, error) {
		return nil, &Error{Op: api.Name, Code: Invalid, Message: fmt.Sprintf(format, args...)}
	}
	if api.Base == "" {
		return fail("cloud %s has no such API", cloud.Name)
	}
	if cred == nil {
		return fail("no credential")
	}
	base, err := address("cloud "+cloud.Name+": "+api.Name, strings.TrimRight(api.Base, "/"))
	if err != nil {
		return fail("%v", err)
	}
	w, err := newWire(cloud)
	if err != nil {
		return fail("%v", err)
	}
	c := &Client{api: api, base: base, options: o.filled(), cloud: cloud, cred: cred}
	settings := &policy.ClientOptions{
		Retry:     policy.RetryOptions{MaxRetries: -1},
		Telemetry: policy.TelemetryOptions{Disabled: true},
		Transport: w,
	}
	c.pipeline = runtime.NewPipeline("stanch", "1", runtime.PipelineOptions{
		PerRetry: []policy.Policy{runtime.NewBearerTokenPolicy(cred, []string{api.Scope}, nil)},
	}, settings)
	c.bare = runtime.NewPipeline("stanch", "1", runtime.PipelineOptions{}, settings)
	c.batches = newBatches(c, c.options.Batching)
	return c, nil
}

// Request is one call. Values of the query are plain text, its keys are sent as
// they are.
type Request struct {
	Op     string // what it does, such as "delete permission p1 of item i1"
	Method string // default GET
	Path   Path
	Query  []Param
	Header http.Header
	Body   any // marshalled as JSON; nil: none
	// Permission is the least application permission, named when the service
	// forbids the call.
	Permission string
	// Reads names a POST that changes nothing, so that it needs no Change.
	Reads bool

	bare  bool  // without bearer token
	copy  *Copy // where the body goes in place of JSON
	moved bool  // the answer is a redirect
}

// Param is one query option.
type Param struct{ Key, Value string }

// Reply is what came with the body.
type Reply struct {
	Status    int
	RequestID string
	Location  Location // where accepted work (202) can be asked for

	next string // where the header NextPageUri says that the list goes on
}

// Read does a call that changes nothing: a GET, or a POST marked Reads. The
// body is decoded into out (*json.RawMessage keeps it as it came); nil drops
// it.
func (c *Client) Read(ctx context.Context, r Request, out any) (Reply, error) {
	if m := r.method(); m != http.MethodGet && (m != http.MethodPost || !r.Reads) {
		return Reply{}, c.refused(r, fmt.Errorf("%s is no reading request", m))
	}
	ask := func(out any) (Reply, error) { return c.do(ctx, r, nil, out) }
	at := readingOf(ctx)
	if !at.shares(r, out) {
		return ask(out)
	}
	reply, body, err := at.read(ctx, c, r, ask)
	if err == nil && body != nil {
		err = c.shaped(r, reply, body, out)
	}
	return reply, err
}

// untaken reports whether the token was not taken and a new one may be: then
// nothing was done.
func (c *Client) untaken(err error) bool {
	e, is := errors.AsType[*Error](err)
	if !is || e.Status != http.StatusUnauthorized || e.Code != Unauthorized || e.login || e.challenged {
		return false
	}
	cred, is := c.cred.(*credential)
	return is && cred.forget()
}

// Send does a call that changes something, once, within the bounds of change.
// With nil out, a success must have no body.
// After any error, (*Error).Unsure tells whether it may have happened.
func (c *Client) Send(ctx context.Context, change Change, r Request, out any) (Reply, error) {
	if m := r.method(); m == http.MethodGet || r.Reads {
		return Reply{}, c.refused(r, fmt.Errorf("%s is no changing request", m))
	}
	if err := change.valid(); err != nil {
		return Reply{}, c.refused(r, err)
	}
	if err := change.may(); err != nil {
		return Reply{}, c.refused(r, err)
	}
	if at := readingOf(ctx); at != nil {
		what := c.thing(r)
		at.s.changed(at, what)
		defer at.s.changed(at, what)
	}
	return c.do(ctx, r, &change, out)
}

// Location is where a service tells how work that it accepted goes on. It may
// hold a token: it cannot be shown or stored.
type Location struct{ address Secret }

// Known reports whether the service named a location.
func (l Location) Known() bool { return l.address != "" }

// Ask reads a location, which must lie in the cloud's SharePoint, without a
// bearer token.
//
// Source: learn.microsoft.com/graph/long-running-actions-overview.
func (c *Client) Ask(ctx context.Context, op string, at Location, out any) (Reply, error) {
	u, err := url.Parse(string(at.address))
	if err != nil || !c.cloud.OwnsSharePoint(u) {
		where := "nowhere"
		if err == nil && u.Host != "" {
			where = "at " + line(u.Scheme+"://"+u.Host, 120)
		}
		return Reply{}, &Error{
			Op: c.api.Name + ": " + op, Code: Refused,
			Message: "the work is to be asked for " + where + ", which is not the SharePoint of this cloud",
			Hint:    "it is not asked for there; read the state back instead",
		}
	}
	return c.do(ctx, Request{Op: op, Path: Path{link: u.String()}, bare: true}, nil, out)
}

// do does a call, and once more with a new token where its own was not taken.
func (c *Client) do(ctx context.Context, r Request, change *Change, out any) (Reply, error) {
	reply, err := c.attempt(ctx, r, change, out)
	if r.bare || !c.untaken(err) || change != nil && change.may() != nil {
		return reply, err
	}
	return c.attempt(ctx, r, change, out)
}

func (c *Client) attempt(ctx context.Context, r Request, change *Change, out any) (Reply, error) {
	timeout := c.options.Timeout
	if r.copy != nil {
		timeout = max(timeout, downloadTimeout)
	}
	ctx, cancel := until(ctx, timeout, change)
	defer cancel()
	x := &call{client: c, request: r, host: c.base.Host, ctx: ctx, id: newID()}
	if change != nil {
		x.id = change.ID
		x.gate = &gate{change: change, ctx: ctx, closed: true, once: r.copy != nil}
		ctx = context.WithValue(ctx, gateKey{}, x.gate)
	}
	req, err := c.build(ctx, r, x.id)
	if err != nil {
		return Reply{}, c.refused(r, err)
	}
	x.host = req.Raw().URL.Host
	c.spends(ctx, r)
	res, err := c.send(x, req)
	if err != nil {
		if res != nil && res.Body != nil {
			_ = res.Body.Close()
		}
		return Reply{}, x.unanswered(err)
	}
	defer func() { _ = res.Body.Close() }()
	return x.answered(res, out)
}

func (c *Client) build(ctx context.Context, r Request, id string) (*policy.Request, error) {
	if r.Path.err != nil {
		return nil, r.Path.err
	}
	target := r.Path.link
	if target == "" {
		target = c.base.String() + r.Path.text + query(r.Query)
	}
	req, err := runtime.NewRequest(ctx, r.method(), target)
	if err != nil {
		return nil, fmt.Errorf("the address cannot be made: %w", err)
	}
	h := req.Raw().Header
	for key, values := range r.Header {
		h[http.CanonicalHeaderKey(key)] = slices.Clone(values)
	}
	h.Set("Accept", "application/json")
	if r.copy != nil {
		h.Set("Accept", "*/*")
	}
	h.Set("User-Agent", c.options.UserAgent)
	h.Set("Client-Request-Id", id)
	h.Set("Return-Client-Request-Id", "true")
	if c.api.Name == c.cloud.Azure.Name { // the common headers of Azure Resource Manager
		h.Set("X-Ms-Client-Request-Id", id)
		h.Set("X-Ms-Return-Client-Request-Id", "true")
	}
	if r.Body != nil {
		if err := runtime.MarshalAsJSON(req, r.Body); err != nil {
			return nil, fmt.Errorf("the body cannot be made: %w", err)
		}
	}
	runtime.SkipBodyDownload(req) // we bound it ourselves
	return req, nil
}

func (r Request) method() string {
	if r.Method == "" {
		return http.MethodGet
	}
	return r.Method
}

// refused is the error for a request that this side did not send.
func (c *Client) refused(r Request, err error) *Error {
	e := &Error{Op: c.op(r), Code: Refused, Message: line(err.Error(), maxMessage), Cause: err}
	switch {
	case errors.Is(err, errTooLate):
		e.Message = "not sent: " + e.Message
		e.Hint = "nothing was changed; it can be tried again"
	default:
		if _, is := errors.AsType[frozenError](err); is {
			e.Message = "not sent: " + e.Message
		} else {
			e.Code = Invalid
		}
	}
	return e
}

func (c *Client) op(r Request) string { return c.api.Name + ": " + r.Op }

// query writes options as OData wants them: a plus sign is no space there.
func query(params []Param) string {
	var b strings.Builder
	for i, p := range params {
		b.WriteByte("?&"[min(i, 1)])
		b.WriteString(p.Key + "=" + strings.ReplaceAll(url.QueryEscape(p.Value), "+", "%20"))
	}
	return b.String()
}

// Quote writes an OData string literal.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
