package connectors

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// maxToken bounds an answer of the login.
const maxToken = 1 << 20

// GetToken answers a token for the scopes, from memory while it lasts.
func (c *credential) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	seen := &exchange{}
	t, err := c.current(ctx).GetToken(context.WithValue(ctx, exchangeKey{}, seen), o)
	if err != nil {
		return azcore.AccessToken{}, c.explain(ctx, err, seen)
	}
	if t.Token == "" || !t.ExpiresOn.After(time.Now()) {
		return azcore.AccessToken{}, &Error{
			Op: "login", Code: Unauthorized,
			Message: fmt.Sprintf("%s answered a token that has expired already", c.host),
			Hint:    "compare this machine's clock with the time; else ask who runs the login",
		}
	}
	return t, nil
}

// explain turns a failure to get a token into an Error without secrets: it is
// made of what went over the wire, not of the library's text, which may quote
// the request.
func (c *credential) explain(ctx context.Context, err error, seen *exchange) error {
	e := &Error{Op: "login", Code: Unauthorized, login: true}
	status, head, body, failure := seen.last()
	if failed, is := errors.AsType[*azidentity.AuthenticationFailedError](err); is && status == 0 && failed.RawResponse != nil {
		res := failed.RawResponse
		status, head = res.StatusCode, res.Header
		body, _ = runtime.Payload(res) // kept there, read before
	}
	switch {
	case failure != nil:
		e.Code, e.Message, e.Hint = noAnswer(failure, c.host)
		e.Cause = contextCause(failure)
	case status == 0 && ctx.Err() != nil:
		e.Code, e.Message, e.Hint = noAnswer(ctx.Err(), c.host)
		e.Cause = ctx.Err()
	case status >= 300:
		c.refusal(e, status, head, body)
	case status != 0:
		e.Code, e.Message = Unavailable, c.host+" answered something that is no token"
		if !json.Valid(body) { // JSON may be a token after all
			e.Message += ": " + excerpt(body)
		}
		e.Hint = "see that the login address is right and no proxy answers in its place"
	default:
		e.Message, e.Hint = line(err.Error(), maxMessage), c.localHint()
	}
	if why := c.kept(); why != "" {
		e.Hint = strings.TrimPrefix(e.Hint+"; ", "; ") + "what proves the app could not be read again: " + why
	}
	return e
}

// refusal reads the error body of the token endpoint
// (learn.microsoft.com/entra/identity-platform/reference-error-codes).
func (c *credential) refusal(e *Error, status int, head http.Header, body []byte) {
	var in struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Codes       []int  `json:"error_codes"`
		Trace       string `json:"trace_id"`
	}
	e.Status = status
	switch {
	case status == http.StatusTooManyRequests:
		e.Code = Throttled
	case status >= 500:
		e.Code = Unavailable
	}
	if e.Code == Unauthorized && c.auth.Kind == Managed {
		e.Hint = c.localHint()
	}
	if e.Code != Unauthorized {
		e.Wait, _ = retryAfter(head, time.Now())
	}
	if status < 400 {
		e.Message, e.Hint = c.host+" answered a redirect, which is not followed", "see that the login address is right"
		return
	}
	if json.Unmarshal(body, &in) != nil || in.Error == "" {
		e.Message = c.host + " did not say why"
		if len(body) > 0 && !json.Valid(body) {
			e.Message += ": " + excerpt(body)
		}
		return
	}
	e.ServiceCode, e.Message, e.RequestID = line(in.Error, 80), line(firstLine(in.Description), maxMessage), line(in.Trace, 64)
	for _, n := range in.Codes {
		if hint := c.hint(n); hint != "" {
			e.ServiceCode, e.Hint = "AADSTS"+strconv.Itoa(n), hint
			e.Message = strings.TrimPrefix(e.Message, e.ServiceCode+": ")
			return
		}
	}
}

func (c *credential) hint(code int) string {
	app := line(c.auth.Client, 80)
	switch code {
	case 7000215:
		return "the client secret of app " + app + " is wrong: give the secret's value, not its id"
	case 7000222:
		return "the client secret of app " + app + " has expired: make a new one in Entra > App registrations > Certificates & secrets"
	case 7000216:
		return "this login wants another kind of auth than " + string(c.auth.Kind)
	case 700016, 70001:
		return "there is no app " + app + " in tenant " + line(c.auth.Tenant, 80) + ": compare client id and tenant id with the app registration"
	case 7000112, 7000114:
		return "app " + app + " is disabled in Entra > Enterprise applications"
	case 90002, 900023, 9000231, 50059:
		return "there is no tenant " + line(c.auth.Tenant, 80) + " in cloud " + c.cloud + ": compare tenant id and cloud"
	case 700027, 7000275:
		return "the certificate is not registered with app " + app + ": upload its public part in Entra > App registrations > Certificates & secrets"
	case 700024:
		return "compare this machine's clock with the time, and see whether the certificate or federated token has expired"
	case 70021, 700211, 700212, 700213, 700223:
		return "the federated credential of app " + app + " does not match: compare issuer, subject and audience"
	case 500011:
		return "the API is not in tenant " + line(c.auth.Tenant, 80) + ": its licence is missing, or the cloud is wrong"
	case 53003, 530031, 530035:
		return "a conditional access policy for workload identities blocks app " + app
	}
	return ""
}

func (c *credential) localHint() string {
	switch c.auth.Kind {
	case CLI:
		return "run `az login`"
	case Workload:
		return "see that the federated token file is mounted and readable"
	case Managed:
		return "see that this machine has a managed identity"
	case Default:
		return "nothing here signs in: name one kind in tenant.auth, or run `az login`"
	}
	return "see tenant.auth in the config"
}

// exchange is what went over the wire for one token, the last of it.
type exchange struct {
	mu      sync.Mutex
	status  int
	head    http.Header
	body    []byte
	failure error
}

type exchangeKey struct{}

func (x *exchange) note(status int, head http.Header, body []byte, failure error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.status, x.head, x.body, x.failure = status, head, body, failure
}

func (x *exchange) last() (int, http.Header, []byte, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.status, x.head, x.body, x.failure
}

// loginWire sends what the credential library asks for, bounded, and keeps the
// answer in the exchange of the request's context.
type loginWire struct{ wire *wire }

func (w *loginWire) Do(r *http.Request) (*http.Response, error) {
	x, _ := r.Context().Value(exchangeKey{}).(*exchange)
	if x == nil {
		x = &exchange{}
	}
	res, err := w.wire.http.Do(r)
	if err != nil {
		x.note(0, nil, nil, err)
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxToken+1))
	_ = res.Body.Close()
	if err == nil && len(body) > maxToken {
		err = fmt.Errorf("an answer of more than %d bytes", maxToken)
	}
	if err != nil {
		x.note(0, nil, nil, err)
		return nil, err
	}
	if res.StatusCode == http.StatusOK && !strings.HasSuffix(r.URL.Path, "/token") && json.Valid(body) {
		x.note(0, nil, nil, nil) // a step before the token that went well explains no failure
	} else {
		x.note(res.StatusCode, res.Header, body, nil)
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, nil
}
