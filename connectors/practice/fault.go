package practice

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"
)

const (
	cutBefore = "before"
	cutAfter  = "after"
	cutMiddle = "middle"
)

// fault is one entry of POST /practice/faults: what goes wrong with which
// requests.
type fault struct {
	// Method of the requests; empty means any.
	Method string `json:"method"`
	// Path is a pattern over the decoded path in which * stands for any text
	// without a slash and ** for any text.
	Path string `json:"path"`
	// Times is how often it happens; 0 means always.
	Times int `json:"times"`
	// After is how many matching requests pass first.
	After int `json:"after"`
	// Status answers with this status in place of applying the request.
	Status int `json:"status"`
	// Headers are set on an answer by Status.
	Headers map[string]string `json:"headers"`
	// Body is the answer's body: a text as it is, anything else as JSON.
	// Without it the error body of the API is sent.
	Body json.RawMessage `json:"body"`
	// Zeros makes the body of an answer by Status: so many bytes of nothing,
	// compressed a thousand times by gzip.
	Zeros int `json:"zeros"`
	// Delay holds the request up, a Go duration ("1.5s") or seconds. It is
	// applied after that even if the client has gone meanwhile.
	Delay duration `json:"delay"`
	// Cut ends the connection: before the request is applied, after it without
	// an answer, or in the middle of the answer.
	Cut string `json:"cut"`
	// StaleReads: after a write that matches, so many reads see what was
	// before; a read that matches sees what was before the last write.
	StaleReads int `json:"stale_reads"`

	seen int
}

type duration time.Duration

func (d *duration) UnmarshalJSON(b []byte) error {
	var s float64
	if err := json.Unmarshal(b, &s); err == nil {
		*d = duration(s * float64(time.Second))
		return nil
	}
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return fmt.Errorf("delay is %s; expected a duration like \"1.5s\" or seconds", b)
	}
	v, err := time.ParseDuration(text)
	if err != nil || v < 0 {
		return fmt.Errorf("delay is %q; expected a duration like \"1.5s\"", text)
	}
	*d = duration(v)
	return nil
}

func (d duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

func (f *fault) valid() error {
	switch {
	case f.Path == "":
		return fmt.Errorf("path is missing; ** matches every path")
	case f.Times < 0 || f.After < 0 || f.StaleReads < 0 || f.Delay < 0 || f.Zeros < 0 || f.Zeros > maxZeros:
		return fmt.Errorf("times, after, delay, stale_reads and zeros are not negative, and zeros at most %d", maxZeros)
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("status is %d; expected 200 to 599", f.Status)
	case f.Cut != "" && f.Cut != cutBefore && f.Cut != cutAfter && f.Cut != cutMiddle:
		return fmt.Errorf("cut is %q; expected before, after or middle", f.Cut)
	}
	return nil
}

func (f *fault) matches(r *http.Request) bool {
	return (f.Method == "" || strings.EqualFold(f.Method, r.Method)) && glob(f.Path, r.URL.Path)
}

// glob matches text against a pattern with * and **.
func glob(pattern, text string) bool {
	before, after, deep := strings.Cut(pattern, "**")
	if !deep {
		is, err := path.Match(escapeGlob(pattern), text)
		return err == nil && is
	}
	for cut := 0; cut <= len(text); cut++ {
		if is, err := path.Match(escapeGlob(before), text[:cut]); err != nil || !is {
			continue
		}
		for rest := cut; rest <= len(text); rest++ {
			if glob(after, text[rest:]) {
				return true
			}
		}
	}
	return false
}

// escapeGlob leaves * as the only wildcard: ids hold ! and files hold [.
func escapeGlob(s string) string {
	return strings.NewReplacer(`\`, `\\`, `[`, `\[`, `?`, `\?`).Replace(s)
}

// fault answers the first fault that strikes r, nil for none.
func (t *Tenant) fault(r *http.Request) *fault {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range t.faults {
		if !f.matches(r) {
			continue
		}
		f.seen++
		if f.seen <= f.After || (f.Times > 0 && f.seen > f.After+f.Times) {
			continue
		}
		struck := *f
		return &struck
	}
	return nil
}

func (f *fault) delay() time.Duration {
	if f == nil {
		return 0
	}
	return time.Duration(f.Delay)
}

func (f *fault) cuts(where string) bool { return f != nil && f.Cut == where }
func (f *fault) answers() bool          { return f != nil && f.Status != 0 }

// faulty is the answer of a fault with a status.
func (c *call) faulty(f *fault) reply {
	code := faultCode(f.Status)
	if c.api == activityFeed {
		code = cmp.Or(map[int]string{
			http.StatusForbidden: "AF10001", http.StatusNotFound: "AF20050", http.StatusTooManyRequests: "AF429",
			http.StatusInternalServerError: "AF50000", http.StatusServiceUnavailable: "AF50000",
		}[f.Status], code)
	}
	out := c.errorReply(fail(f.Status, code, "The service answers %d %s: a fault set on the practice tenant.", f.Status, http.StatusText(f.Status)))
	if len(f.Body) > 0 {
		out.body = []byte(f.Body)
		var text string
		if json.Unmarshal(f.Body, &text) == nil {
			out.body = []byte(text)
		}
	}
	if f.Zeros > 0 {
		out = out.with("Content-Encoding", "gzip")
		out.body = zeros(f.Zeros)
	}
	for k, v := range f.Headers {
		out = out.with(k, v)
	}
	return out
}

// maxZeros bounds what a fault's body unpacks to, in bytes.
const maxZeros = 16 << 30

// zeros is a gzip file of so many bytes at least, made of many of a mebibyte
// (RFC 1952, section 2.2: members follow each other).
func zeros(n int) []byte {
	const one = 1 << 20
	var member bytes.Buffer
	z := gzip.NewWriter(&member)
	_, _ = z.Write(make([]byte, one)) // into memory: it cannot fail
	_ = z.Close()
	return bytes.Repeat(member.Bytes(), (n+one-1)/one)
}

func faultCode(status int) string {
	switch status {
	case http.StatusTooManyRequests:
		return "TooManyRequests"
	case http.StatusServiceUnavailable:
		return "serviceNotAvailable"
	case http.StatusLocked:
		return "resourceLocked"
	case http.StatusForbidden:
		return "accessDenied"
	case http.StatusNotFound:
		return "itemNotFound"
	case http.StatusUnauthorized:
		return "InvalidAuthenticationToken"
	}
	return "generalException"
}
