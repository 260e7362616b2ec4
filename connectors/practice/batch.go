package practice

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// maxBatch is how many requests a batch holds at most.
const maxBatch = 20

// batchRequest is one request of a batch, and what became of it.
//
// [graph-docs concepts/json-batching.md]
type batchRequest struct {
	ID        string            `json:"id"`
	Method    string            `json:"method"`
	URL       string            `json:"url"`
	Headers   map[string]string `json:"headers"`
	Body      json.RawMessage   `json:"body"`
	DependsOn []string          `json:"dependsOn"`

	call   *call
	fault  *fault
	done   bool
	answer sent
}

// isBatch reports whether a request is a batch of Graph's.
func isBatch(path string) bool { return path == "/v1.0/$batch" || path == "/beta/$batch" }

// batch answers 200 with an answer for each request; only a batch that cannot
// be read, or whose token is not taken, is refused as a whole. What is
// independent runs at the same time. The requests are counted, authorized and
// audited one by one, by their own client-request-id.
func (t *Tenant) batch(c *call) reply {
	list, err := t.openBatch(c)
	if err != nil {
		if f, is := errors.AsType[*failure](err); is {
			return c.errorReply(f)
		}
		return c.errorReply(badRequest("%v", err))
	}
	out := []object{}
	for len(list) > len(out) {
		now := slices.DeleteFunc(slices.Clone(list), func(b *batchRequest) bool { return b.done || !b.ready(list) })
		if len(now) == 0 {
			return c.errorReply(badRequest("The requests of the batch depend on each other in a circle."))
		}
		now = fewMailboxes(now)
		t.runBatch(now, list)
		slices.Reverse(now) // they "might appear in a different order than the requests"
		for _, b := range now {
			b.done = true
			out = append(out, b.wire())
		}
	}
	return ok(object{"responses": slices.DeleteFunc(out, func(o object) bool { return o == nil })})
}

// batchSize is how many requests a batch holds; 0 where it cannot be read.
func batchSize(body []byte) int {
	var in struct {
		Requests []json.RawMessage `json:"requests"`
	}
	if json.Unmarshal(body, &in) != nil {
		return 0
	}
	return len(in.Requests)
}

// openBatch reads and judges a batch as a whole.
func (t *Tenant) openBatch(c *call) ([]*batchRequest, error) {
	c.now, c.api = t.o.Now(), apiOf(c.r.URL.Path)
	t.mu.Lock()
	c.w = t.world
	_, err := c.authenticate()
	t.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if c.r.Method != http.MethodPost {
		return nil, fail(http.StatusMethodNotAllowed, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.")
	}
	c.pattern = "$batch"
	var in struct {
		Requests []*batchRequest `json:"requests"`
	}
	if err := json.Unmarshal(c.body, &in); err != nil || len(in.Requests) == 0 {
		return nil, badRequest("Invalid batch payload format.")
	}
	if len(in.Requests) > maxBatch {
		return nil, badRequest("Number of requests inside batch exceed the limit.")
	}
	ids := map[string]bool{}
	for _, b := range in.Requests {
		if b == nil || b.ID == "" || b.Method == "" || b.URL == "" {
			return nil, badRequest("Invalid batch payload format.")
		}
		id := strings.ToLower(b.ID)
		if ids[id] {
			return nil, badRequest("Request id '%s' stands twice in the batch.", b.ID)
		}
		ids[id] = true
	}
	for _, b := range in.Requests {
		if err := b.open(c, ids); err != nil {
			return nil, err
		}
	}
	return in.Requests, nil
}

// open makes the call of a request of the batch c.
func (b *batchRequest) open(c *call, ids map[string]bool) error {
	for _, id := range b.DependsOn {
		if !ids[strings.ToLower(id)] || strings.EqualFold(id, b.ID) {
			return badRequest("Request '%s' depends on '%s', which is no other request of the batch.", b.ID, id)
		}
	}
	h := http.Header{}
	for name, value := range b.Headers {
		h.Set(name, value)
	}
	writes := b.Method == http.MethodPost || b.Method == http.MethodPatch || b.Method == http.MethodPut
	if empty := len(b.Body) == 0 || string(b.Body) == "null"; (writes || !empty) && (empty || h.Get("Content-Type") == "") {
		return badRequest("Write request id : %s does not contain Content-Type header or body.", b.ID)
	}
	h.Set("Authorization", c.r.Header.Get("Authorization"))
	version, _, _ := strings.Cut(c.r.URL.Path[1:], "/")
	u, err := url.Parse("/" + version + "/" + strings.TrimPrefix(b.URL, "/"))
	if err != nil || strings.Contains(b.URL, "://") || isBatch(u.Path) {
		return badRequest("The url of request '%s' is not a relative URL of a resource.", b.ID)
	}
	r := c.r.Clone(c.r.Context())
	r.Method, r.URL, r.RequestURI, r.Header = strings.ToUpper(b.Method), u, u.RequestURI(), h
	b.call = &call{t: c.t, r: r, body: b.Body, id: uuid.NewString(), clientID: h.Get("client-request-id"), api: apiOf(u.Path)}
	if b.call.clientID == "" {
		b.call.clientID = c.clientID
	}
	return nil
}

// ready reports whether all that a request depends on has been done.
func (b *batchRequest) ready(list []*batchRequest) bool {
	return !slices.ContainsFunc(list, func(on *batchRequest) bool { return b.dependsOn(on) && !on.done })
}

func (b *batchRequest) dependsOn(on *batchRequest) bool {
	return slices.ContainsFunc(b.DependsOn, func(id string) bool { return strings.EqualFold(id, on.ID) })
}

// runBatch does requests that depend on nothing that is still to be done, at the
// same time as the service does: all are there before the first is applied.
func (t *Tenant) runBatch(now, list []*batchRequest) {
	var longest time.Duration
	for _, b := range now {
		b.fault = t.fault(b.call.r)
		longest = max(longest, b.fault.delay())
		t.enter(b.call)
	}
	delay(longest)
	for _, b := range now {
		failed := slices.ContainsFunc(list, func(on *batchRequest) bool { return b.dependsOn(on) && !on.succeeded() })
		b.answer = b.run(t, failed)
		if t.o.Observe != nil && !b.fault.cuts(cutBefore) {
			t.o.Observe(b.call.exchange(b.answer, b.fault, true))
		}
	}
	for _, b := range now {
		t.leave(b.call)
	}
}

// run does one request of a batch.
func (b *batchRequest) run(t *Tenant, failed bool) sent {
	c := b.call
	c.now = t.o.Now()
	switch {
	case failed:
		return c.encode(c.errorReply(fail(http.StatusFailedDependency, "FailedDependency", "A request that this one depends on has failed.")))
	case b.fault.cuts(cutBefore):
		return sent{}
	case b.fault.answers():
		return c.encode(c.faulty(b.fault))
	}
	return c.encode(t.apply(c, b.fault))
}

func (b *batchRequest) succeeded() bool {
	return b.answer.status >= 200 && b.answer.status < 400
}

// wire is the answer as it stands in that of the batch; nil where it is missing
// there.
func (b *batchRequest) wire() object {
	if b.fault.cuts(cutBefore) || b.fault.cuts(cutAfter) {
		return nil
	}
	headers := object{}
	for name, values := range b.answer.header {
		headers[name] = strings.Join(values, ",")
	}
	out := object{"id": b.ID, "headers": headers}
	if b.fault.cuts(cutMiddle) {
		return out
	}
	out["status"] = b.answer.status
	switch body := b.answer.body; {
	case len(body) == 0:
	case json.Valid(body):
		out["body"] = json.RawMessage(body)
	default:
		out["body"] = body // in base64
	}
	return out
}

// mailboxConcurrency is how many requests of an app a mailbox serves at once, and
// how many of a batch go to Outlook at once, whatever the mailbox
// [graph-docs includes/throttling-outlook.md, concepts/known-issues.md].
const mailboxConcurrency = 4

// fewMailboxes leaves out what has to wait for Outlook.
func fewMailboxes(now []*batchRequest) []*batchRequest {
	n := 0
	return slices.DeleteFunc(now, func(b *batchRequest) bool {
		if mailboxOf(b.call) == "" {
			return false
		}
		n++
		return n > mailboxConcurrency
	})
}

// mailboxOf names the mailbox of a call, by the app that asks.
func mailboxOf(c *call) string {
	_, rest, _ := strings.Cut(strings.TrimPrefix(c.r.URL.Path, "/"), "/")
	parts := strings.Split(rest, "/")
	if len(parts) < 3 || parts[0] != "users" || !slices.Contains([]string{"messages", "mailFolders", "sendMail"}, parts[2]) {
		return ""
	}
	return fmt.Sprintf("%s at %s", strings.ToLower(parts[1]), c.r.Header.Get("Authorization"))
}

// enter counts a call among those that a mailbox serves.
func (t *Tenant) enter(c *call) {
	box := mailboxOf(c)
	if box == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.limits.serving[box]++
	c.crowded = t.limits.scale > 0 && t.limits.serving[box] > mailboxConcurrency
}

func (t *Tenant) leave(c *call) {
	box := mailboxOf(c)
	if box == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.limits.serving[box]--; t.limits.serving[box] == 0 {
		delete(t.limits.serving, box)
	}
}
