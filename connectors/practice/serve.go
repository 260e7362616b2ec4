package practice

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
)

// maxBody bounds what a request may send, in bytes.
const maxBody = 4 << 20

// api is a family of calls with one audience, one form of errors and one code
// for a missing role.
type api int

const (
	security api = iota
	files
	directory
	mailbox
	defender
	azure
	logs // Log Analytics
	keyVault
	sharepoint
	notices      // subscriptions to changes
	activityFeed // Office 365 Management Activity API
)

// call is one request while it is applied, under the tenant's lock.
type call struct {
	t            *Tenant
	w            *world
	r            *http.Request
	id, clientID string
	now          time.Time
	api          api
	app          App
	pattern      string
	args         map[string]string
	query        url.Values
	body         []byte
	// lag is how many reads after a write of this call see what was before.
	lag int
	// behind makes this call read what was before the last write.
	behind bool
	// left is what Azure says of the budget for such requests.
	left string
	// crowded says that its mailbox served as many calls as it does at once.
	crowded bool
}

// serveCloud answers one request of the cloud's protocols, after the latency
// and the faults that were asked for.
func (t *Tenant) serveCloud(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	c := &call{t: t, r: r, body: body, id: uuid.NewString(), clientID: r.Header.Get("client-request-id")}
	if apiOf(r.URL.Path) == azure {
		c.clientID = r.Header.Get("x-ms-client-request-id")
	}
	if c.clientID == "" {
		c.clientID = c.id
	}
	f := t.fault(r)
	t.enter(c)
	defer t.leave(c)
	t.hold(c, t.o.Latency+f.delay())
	if f.cuts(cutBefore) {
		panic(http.ErrAbortHandler)
	}
	var out reply
	switch {
	case f.answers():
		c.now, c.api = t.o.Now(), apiOf(r.URL.Path)
		out = c.faulty(f)
	case err != nil:
		c.now, c.api = t.o.Now(), apiOf(r.URL.Path)
		out = c.errorReply(fail(http.StatusRequestEntityTooLarge, "requestEntityTooLarge", "The request body is longer than %d bytes.", maxBody))
	case isBatch(r.URL.Path):
		out = t.batch(c)
	default:
		out = t.apply(c, f)
	}
	answer := c.encode(out)
	if t.o.Observe != nil {
		t.o.Observe(c.exchange(answer, f, false))
	}
	answer.write(w, f)
}

// hold holds a call up for the latency, and before that until it has a place.
func (t *Tenant) hold(c *call, latency time.Duration) {
	if t.places == nil {
		delay(latency)
		return
	}
	n := 1
	if isBatch(c.r.URL.Path) {
		n = batchSize(c.body)
	}
	t.queue <- struct{}{}
	for range n {
		t.places <- struct{}{}
		time.AfterFunc(latency, func() { <-t.places })
	}
	<-t.queue
	delay(latency)
}

// delay holds a request up, also for a client that has gone: it is on its way.
func delay(d time.Duration) { time.Sleep(d) }

// exchange is what an observer is told of the call.
func (c *call) exchange(answer sent, f *fault, batched bool) Exchange {
	return Exchange{
		Request: c.r, RequestBody: c.body, Route: c.pattern, Args: c.args, Status: answer.status, Header: answer.header, Body: answer.body,
		Faulty: f != nil, Batched: batched,
	}
}

// write sends the answer, or as much of it as the fault lets through.
func (s sent) write(w http.ResponseWriter, f *fault) {
	// Without a body, the head alone would be the whole answer.
	if f.cuts(cutAfter) || f.cuts(cutMiddle) && len(s.body) < 2 {
		panic(http.ErrAbortHandler)
	}
	for k, v := range s.header {
		w.Header()[http.CanonicalHeaderKey(k)] = v
	}
	if f.cuts(cutMiddle) {
		w.Header().Set("Content-Length", itoa(len(s.body)))
		w.WriteHeader(s.status)
		w.Write(s.body[:len(s.body)/2])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(s.status)
	w.Write(s.body)
}

// apply runs the request against the world.
func (t *Tenant) apply(c *call, f *fault) reply {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.now, c.w, c.lag = t.o.Now(), t.world, t.o.StaleReads
	if f != nil && f.StaleReads > 0 {
		c.lag, c.behind = f.StaleReads, true
	}
	t.world.settle(c.now)
	t.lapse(c.now)
	defer t.dispatchNotices()
	out, err := c.dispatch()
	if err == nil {
		return out
	}
	if fail, is := errors.AsType[*failure](err); is {
		return c.errorReply(fail)
	}
	return c.errorReply(fail(http.StatusInternalServerError, "generalException", "%v", err))
}

// dispatch finds the route and runs it behind the gates that every call
// passes: token, role, limit.
func (c *call) dispatch() (reply, error) {
	path := c.r.URL.Path
	c.api = apiOf(path)
	if out, is, err := c.open(path); is {
		return out, err
	}
	var err error
	if c.query, err = url.ParseQuery(c.r.URL.RawQuery); err != nil {
		return reply{}, badRequest("The query string can't be parsed: %v.", err)
	}
	rt, err := c.route(path)
	if rt != nil {
		c.api = rt.api
	}
	roles, authErr := c.authenticate()
	if authErr != nil {
		return reply{}, authErr
	}
	if err != nil {
		return reply{}, err
	}
	c.t.limits.count(rt)
	if f := c.t.limits.take(c, rt); f != nil {
		return reply{}, f
	}
	if f := c.authorize(rt, roles); f != nil {
		return reply{}, f
	}
	if f := checkOptions(c.query, rt.options); f != nil {
		return reply{}, f
	}
	return rt.do(c)
}

// open answers what needs no bearer token: token endpoint, discovery, monitor,
// and what is not Microsoft's APIs.
func (c *call) open(path string) (reply, bool, error) {
	switch {
	case strings.HasSuffix(path, "/oauth2/v2.0/token"):
		return c.token(), true, nil
	case strings.HasSuffix(path, "/v2.0/.well-known/openid-configuration"):
		return c.discovery(), true, nil
	case strings.HasPrefix(path, "/_api/v2.0/monitor/"):
		out, err := c.monitor()
		return out, true, err
	case strings.HasPrefix(path, "/secrets/"):
		out, err := c.vaultSecret()
		return out, true, err
	case path == downloadPath:
		out, err := c.downloaded()
		return out, true, err
	}
	return c.beside(path)
}

func apiOf(path string) api {
	lower := strings.ToLower(path)
	switch {
	case strings.HasPrefix(lower, "/subscriptions/"):
		return azure
	case isFeed(path):
		return activityFeed
	case strings.HasPrefix(lower, "/api/"):
		return defender
	case strings.HasPrefix(lower, "/v1/"):
		return logs
	case isSharePoint(path):
		return sharepoint
	case strings.Contains(lower, "/drive"), strings.Contains(lower, "/sites/"), strings.Contains(lower, "/shares/"):
		return files
	case strings.Contains(lower, "/security/"):
		return security
	}
	return directory
}

// origin is the address the client sees us under.
func (c *call) origin() string { return "https://" + c.r.Host }
