package connectors

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// Bounds of texts of others in our errors.
const (
	maxMessage = 300
	maxExcerpt = 200
)

// call is one request under way.
type call struct {
	client  *Client
	request Request
	host    string
	ctx     context.Context
	id      string // client-request-id
	gate    *gate  // nil for a read
}

// sent reports whether a change's bytes may have left.
func (x *call) sent() bool { return x.gate != nil && x.gate.passed() }

func (x *call) errorOf(code Code) *Error {
	return &Error{Op: x.client.op(x.request), Code: code, RequestID: x.id}
}

// unanswered is the error of a request without a response.
func (x *call) unanswered(err error) *Error {
	if x.gate != nil && x.gate.refusal() != nil {
		return x.client.refused(x.request, x.gate.refusal())
	}
	if login, is := errors.AsType[*Error](err); is { // no token: nothing was sent
		e := *login
		e.Op = x.client.op(x.request) + ": " + login.Op
		e.Open = x.sent() // a claims challenge came between
		return &e
	}
	e := x.errorOf(Unavailable)
	e.Code, e.Message, e.Hint = noAnswer(err, x.host)
	e.Open, e.Cause = x.sent(), contextCause(err)
	if x.ctx.Err() != nil && e.Cause == nil {
		e.Cause = x.ctx.Err()
	}
	if !e.Open {
		e.RequestID = ""
	}
	return e
}

// answered judges a response.
func (x *call) answered(res *http.Response, out any) (Reply, error) {
	reply := Reply{
		Status: res.StatusCode, RequestID: requestID(res.Header, x.id), Location: Location{Secret(res.Header.Get("Location"))},
		next: res.Header.Get("NextPageUri"),
	}
	res.Header.Del("Location")
	if x.request.copy != nil && res.StatusCode == http.StatusOK {
		return reply, x.download(res, reply)
	}
	body, err := x.body(res)
	if err != nil {
		e := x.unreadable(err)
		e.Status, e.RequestID = res.StatusCode, reply.RequestID
		if s := res.StatusCode; s >= 400 { // the status is certain, the body only explains it
			x.status(e, res.Header, nil)
		}
		return reply, e
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		e := x.errorOf(Failed)
		e.Status, e.RequestID = res.StatusCode, reply.RequestID
		x.status(e, res.Header, body)
		return reply, e
	}
	if x.request.copy != nil {
		e := x.errorOf(Failed)
		e.Status, e.RequestID, e.Message = res.StatusCode, reply.RequestID, "it answered no content to download"
		return reply, e
	}
	if err := x.decode(res, body, out); err != nil {
		if x.ctx.Err() != nil { // a service that sees us give up may end its answer as if it were whole
			e := x.unreadable(x.ctx.Err())
			e.Status, e.RequestID = res.StatusCode, reply.RequestID
			return reply, e
		}
		e := x.errorOf(Failed)
		e.RequestID, e.Open = reply.RequestID, x.gate != nil
		e.Status, e.Message = res.StatusCode, err.Error()
		if inner, is := errors.AsType[*Error](err); is {
			e.ServiceCode, e.InnerCode, e.Message = inner.ServiceCode, inner.InnerCode, inner.Message
		} else {
			e.Hint = "see that " + x.host + " is the API and no proxy answers in its place"
		}
		return reply, e
	}
	return reply, nil
}

// status fills e from a response that is no success.
func (x *call) status(e *Error, head http.Header, body []byte) {
	e.Code = codeOf(e.Status)
	said := parseFault(body)
	if said.code != "" || said.message != "" {
		e.ServiceCode, e.InnerCode, e.Message = said.code, said.inner, said.message
	} else if e.Message == "" {
		e.Message = "no reason given"
		if len(body) > 0 && !json.Valid(body) {
			e.Message = "no reason given, but: " + excerpt(body)
		}
	}
	if said.requestID != "" && e.RequestID == x.id {
		e.RequestID = said.requestID
	}
	if e.InnerCode != "" {
		e.Message = strings.TrimSuffix(e.InnerCode+": "+e.Message, ": ")
	}
	e.Open = x.gate != nil && (e.Status >= 500 || e.Status < 400 || e.Status == http.StatusRequestTimeout)
	switch e.Code {
	case Throttled, Unavailable, Timeout, Locked, Conflict:
		e.Wait, _ = retryAfter(head, time.Now())
	case Unauthorized:
		e.challenged = challenged(head)
		e.Hint = unauthorizedHint(head)
	case Forbidden:
		e.Permission = x.request.Permission
		if e.Permission != "" {
			e.Hint = "grant it in Entra > App registrations > API permissions with admin consent; a token made before does not have it for up to an hour"
			if x.client.api.Name == x.client.cloud.Azure.Name {
				e.Hint = "it is a role of Azure: assign it to the app under Access control (IAM) of the workspace; that takes up to ten minutes"
			}
		}
	case Failed:
		if e.Status >= 300 && e.Status < 400 {
			e.Message, e.Hint = "it answered a redirect, which is not followed", "see that the address of the API is right"
		}
		if e.Status == http.StatusGone {
			e.Hint = "this version of the API may have ended; see whether there is a newer Stanch"
		}
	}
}

// challenged reports whether the login wants more proof; azcore has asked it once
// more by then.
func challenged(head http.Header) bool {
	return strings.Contains(strings.Join(head.Values("WWW-Authenticate"), " "), "insufficient_claims")
}

func unauthorizedHint(head http.Header) string {
	if challenged(head) {
		return "the login wants more proof (continuous access evaluation): see Entra's sign-in log of this app"
	}
	if sent, err := http.ParseTime(head.Get("Date")); err == nil {
		if skew := time.Since(sent).Round(time.Second); skew.Abs() > 2*time.Minute {
			way := "ahead of"
			if skew < 0 {
				way = "behind"
			}
			return fmt.Sprintf("this machine's clock is %s %s the service's: set it right", skew.Abs(), way)
		}
	}
	return "the token was not taken: see that tenant and cloud fit this API"
}

// tooLargeError is a body beyond the client's bound.
type tooLargeError int64

func (e tooLargeError) Error() string {
	return fmt.Sprintf("the answer is larger than %d bytes", int64(e))
}

var errEncoding = errors.New("the answer is in an encoding that was not asked for")

// body reads at most MaxBody bytes; compression is undone by the transport, so
// that the bound is one of decompressed bytes.
func (x *call) body(res *http.Response) ([]byte, error) {
	if err := plainEncoding(res); err != nil {
		return nil, err
	}
	limit := x.client.options.MaxBody
	said := min(max(res.ContentLength, leastRoom), mostRoom)
	b, err := readAll(io.LimitReader(res.Body, limit+1), int(said))
	if err == nil && int64(len(b)) > limit {
		return nil, tooLargeError(limit)
	}
	return b, err
}

// What is made ready for a body of which only the head has come, in bytes.
const (
	leastRoom = 512
	mostRoom  = 64 << 10 // the length that its head says may be untrue
)

// readAll is io.ReadAll of what is probably so long: bodies that are kept for a
// while take no more room than they need.
func readAll(r io.Reader, long int) ([]byte, error) {
	b := make([]byte, 0, long+1)
	for {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case err == io.EOF: // not what wraps it, which may mean that the body was cut
			return b, nil
		case err != nil:
			return b, err
		case len(b) == cap(b):
			b = append(b, 0)[:len(b)]
		}
	}
}

// plainEncoding refuses a body in an encoding that the transport did not undo.
func plainEncoding(res *http.Response) error {
	if enc := res.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return fmt.Errorf("%w: %s", errEncoding, line(enc, 40))
	}
	return nil
}

// unreadable is the error of a body that did not arrive whole.
func (x *call) unreadable(err error) *Error {
	e := x.errorOf(Unavailable)
	e.Open = x.gate != nil
	if _, is := errors.AsType[tooLargeError](err); is {
		e.Code, e.Message = Limit, err.Error()
		if !e.Open {
			e.Hint = "ask for less at once"
		}
		return e
	}
	if errors.Is(err, errEncoding) {
		e.Code, e.Message = Failed, err.Error()
		return e
	}
	e.Code, e.Message, e.Hint = noAnswer(err, x.host)
	if e.Code == Unavailable {
		e.Message = "the answer was cut off: " + e.Message
	}
	e.Cause = contextCause(err)
	return e
}

// decode reads the body of a success into out. A change of which no answer is
// expected must have none: what has one may come from something that stands in
// the API's place.
func (x *call) decode(res *http.Response, body []byte, out any) error {
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if len(body) == 0 {
		if out == nil || res.StatusCode == http.StatusNoContent {
			return nil
		}
		return errors.New("the answer is empty; expected JSON")
	}
	if isJSON := kind == "application/json" || strings.HasSuffix(kind, "+json"); !isJSON {
		if out == nil && x.gate == nil && kind != "text/html" && kind != "application/xhtml+xml" {
			return nil
		}
		return fmt.Errorf("the answer is not JSON but %s: %s", orNothing(line(kind, 40)), excerpt(body))
	}
	fault, err := strictJSON(body)
	if err != nil {
		return fmt.Errorf("the answer is no sound JSON: %w", err) // and not shown: it may be an incident
	}
	if fault { // an error in the clothes of a success
		if said := parseFault(body); said.code != "" || said.message != "" {
			return &Error{ServiceCode: said.code, InnerCode: said.inner, Message: "answered as a success, but: " + said.message}
		}
	}
	if bytes.Equal(bytes.TrimSpace(body), []byte("null")) && out != nil {
		return errors.New("the answer is null; expected a value")
	}
	if out == nil {
		if x.gate != nil {
			return errors.New("the answer has a body, where none is due")
		}
		return nil
	}
	return shape(body, out)
}

// shape reads sound JSON into out.
func shape(body []byte, out any) error {
	if raw, is := out.(*json.RawMessage); is {
		*raw = body
		return nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("the answer has another shape than expected: %s", line(strings.TrimPrefix(err.Error(), "json: "), maxMessage))
	}
	return nil
}

func orNothing(kind string) string {
	if kind == "" {
		return "of no stated type"
	}
	return kind
}

// excerpt shows the begin of a body that is no JSON, escaped.
func excerpt(body []byte) string {
	if len(body) == 0 {
		return "(empty)"
	}
	return `"` + line(clip(string(body[:min(len(body), 2*maxExcerpt)]), maxExcerpt), maxExcerpt) + `"`
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	s, _, _ = strings.Cut(s, " Trace ID:")
	return s
}

func requestID(h http.Header, sent string) string {
	for _, name := range []string{"Request-Id", "X-Ms-Request-Id", "Sprequestguid"} {
		if id := line(h.Get(name), 64); id != "" {
			return id
		}
	}
	return sent
}

// contextCause answers the context error in err, so that a caller's
// cancellation is told from a failure of the service.
func contextCause(err error) error {
	for _, cause := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, cause) {
			return cause
		}
	}
	return nil
}

// noAnswer words a failure of the network on the way to host.
func noAnswer(err error, host string) (Code, string, string) {
	if wrapped, is := errors.AsType[*url.Error](err); is {
		err = wrapped.Err // its text quotes the address, which may hold a token
	}
	if _, is := errors.AsType[*net.DNSError](err); is {
		return Unavailable, "the name " + host + " cannot be resolved", "see DNS and the configured address"
	}
	if wrong, is := errors.AsType[*tls.CertificateVerificationError](err); is {
		return Unavailable, "the certificate of " + host + " is not trusted: " + line(wrong.Err.Error(), maxMessage), trustHint(wrong.Err)
	}
	if _, is := errors.AsType[tls.RecordHeaderError](err); is {
		return Unavailable, host + " does not speak TLS", "see the configured address and port"
	}
	timeout, slow := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	switch {
	case errors.Is(err, context.Canceled):
		return Unavailable, "given up before " + host + " answered", ""
	case slow && timeout.Timeout():
		return Timeout, "no whole answer from " + host + " in time", "see whether it can be reached from here, through firewall and proxy"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return Unavailable, host + " closed the connection", ""
	}
	if op, is := errors.AsType[*net.OpError](err); is {
		if op.Op == "dial" {
			return Unavailable, "no connection to " + host + ": " + line(op.Err.Error(), maxMessage), "see the address, firewall and proxy"
		}
		return Unavailable, "the connection to " + host + " broke: " + line(op.Err.Error(), maxMessage), ""
	}
	if strings.Contains(err.Error(), "server response headers exceeded") {
		return Limit, fmt.Sprintf("%s answered more than %d bytes of headers", host, maxHeaderBytes), ""
	}
	return Unavailable, "no answer from " + host + ": " + line(err.Error(), maxMessage), ""
}

func trustHint(err error) string {
	if _, is := errors.AsType[x509.HostnameError](err); is {
		return "it is for another name: see the configured address"
	}
	if invalid, is := errors.AsType[x509.CertificateInvalidError](err); is && invalid.Reason == x509.Expired {
		return "compare this machine's clock with the time; else its owner must renew it"
	}
	return "if a proxy or private authority signs it, name that authority's certificate in tenant.ca"
}
