package connectors

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Code says what kind of failure an Error is. The words are fixed: the engine
// and playbooks compare them.
type Code string

// The codes.
const (
	Throttled    Code = "throttled"    // 429: later, see RetryAfter
	Unavailable  Code = "unavailable"  // no connection, or 5xx
	Timeout      Code = "timeout"      // no answer in time
	Unauthorized Code = "unauthorized" // no token, or one that is not taken
	Forbidden    Code = "forbidden"    // a permission is missing
	NotFound     Code = "not_found"    // 404
	Conflict     Code = "conflict"     // 409, 412, work already under way
	Locked       Code = "locked"       // 423 for a while
	Invalid      Code = "invalid"      // the request is wrong and stays so
	Refused      Code = "refused"      // this side did not send it
	Limit        Code = "limit"        // beyond a bound of ours or theirs
	Unknown      Code = "unknown"      // an effect nobody can tell about; given by the engine
	Failed       Code = "failed"       // anything else; final
)

// Error is a request that failed, in terms of what may be done about it. The
// engine asks for its methods, not for its type.
type Error struct {
	Op          string // the call, such as "graph: delete permission p1 of item i1"
	Code        Code
	Status      int    // HTTP; 0 without an answer
	ServiceCode string // error code as the service gave it
	InnerCode   string // the innermost of nested error codes, if another
	Message     string // one line, nothing secret
	Hint        string // what to do about it
	RequestID   string // the service's id of the request, else the one we sent
	Permission  string // with Forbidden: the least application permission the call needs

	Wait    time.Duration // the service asked to wait so long, at most MaxWait; 0: it named no time
	Open    bool          // a changing request that may have taken effect
	Running bool          // with Conflict: the same work is already under way
	Cause   error

	login      bool // it is about getting a token
	challenged bool // it came again after what the login wanted was given
}

// ErrorCode is the code as text.
func (e *Error) ErrorCode() string { return string(e.Code) }

// RetryAfter is how long the service asked to wait. False: it named no time,
// or trying again is of no use.
func (e *Error) RetryAfter() (time.Duration, bool) { return e.Wait, e.Wait > 0 }

// Unsure reports whether the request may have taken effect although it failed:
// its bytes left and no certain answer came back.
func (e *Error) Unsure() bool { return e.Open }

// InProgress reports that the service is already doing what was asked.
func (e *Error) InProgress() bool { return e.Running }

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Error is one line: the call, what happened, what to do, the request id.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Op != "" {
		b.WriteString(e.Op + ": ")
	}
	if e.Status != 0 {
		fmt.Fprintf(&b, "%d ", e.Status)
	}
	b.WriteString(string(e.Code))
	for _, part := range []string{e.ServiceCode, e.Message} {
		if part != "" && part != string(e.Code) {
			b.WriteString(": " + strings.TrimSuffix(part, "."))
		}
	}
	if e.Permission != "" {
		b.WriteString("; needs the application permission " + e.Permission)
	}
	if e.Wait > 0 {
		b.WriteString("; asked to wait " + e.Wait.String())
	}
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	if e.Open {
		b.WriteString("; it may have happened all the same")
	}
	if e.RequestID != "" {
		b.WriteString(" (request " + e.RequestID + ")")
	}
	return b.String()
}

// codeOf maps an HTTP status that is no success.
func codeOf(status int) Code {
	switch status {
	case http.StatusTooManyRequests:
		return Throttled
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return Timeout
	case http.StatusUnauthorized:
		return Unauthorized
	case http.StatusForbidden:
		return Forbidden
	case http.StatusNotFound:
		return NotFound
	case http.StatusConflict, http.StatusPreconditionFailed:
		return Conflict
	case http.StatusLocked:
		return Locked
	case http.StatusRequestEntityTooLarge, http.StatusInsufficientStorage, http.StatusRequestURITooLong,
		http.StatusRequestHeaderFieldsTooLarge:
		return Limit
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotAcceptable,
		http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return Invalid
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable:
		return Unavailable
	}
	return Failed
}

// tokenLike finds what looks like a bearer token, a pre-authenticated address
// or a client secret in somebody else's text.
var tokenLike = regexp.MustCompile(`(?i)eyJ[\w-]{8,}(\.[\w-]*){0,4}|(\b(?:temp_?auth|(?:access|refresh|id)_token|client_secret|client_assertion|sig)(?:=|["']\s*:\s*["']))[^&\s"',}]+`)

// line makes text of others fit to stand in one of our lines: at most limit
// bytes, no control characters, no tokens.
func line(text string, limit int) string {
	if len(text) > 4*limit { // what is cut below need not be searched
		text = text[:4*limit]
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	if strings.ContainsAny(text, "=:jJ") { // without these there is none
		text = tokenLike.ReplaceAllString(text, "${2}"+shown)
	}
	var b strings.Builder
	space := false
	for _, r := range text {
		if r == ' ' || r == '\n' || r == '\r' || r == '\t' {
			space = b.Len() > 0
			continue
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		if strconv.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
		if b.Len() > limit {
			return clip(b.String(), limit) + "…"
		}
	}
	return b.String()
}

// Plain makes text of others fit to stand in one line of an error or a log:
// short, without control characters, without tokens.
func Plain(text string) string { return line(text, 120) }

// clip cuts s to at most n bytes between runes.
func clip(s string, n int) string {
	for n > 0 && n < len(s) && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:min(n, len(s))]
}
