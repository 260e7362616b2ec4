package triggers

import (
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"

	"stanch/connectors"
)

// problem is why a request was not taken.
type problem struct {
	status int
	detail string // for the sender
	why    string // for the log
	again  int    // seconds after which the sender is to come again; 0: it need not
	err    error
}

func refused(status int, detail, why string) *problem {
	return &problem{status: status, detail: detail, why: why}
}

// later asks the sender to come again.
func later(seconds int, detail string, err error) *problem {
	return &problem{status: http.StatusServiceUnavailable, detail: detail, why: detail, again: seconds, err: err}
}

// refuse answers a problem and logs it. Guesses that come faster than the pace
// learn nothing from the answer, and fill no log.
func (h *Hooks) refuse(w http.ResponseWriter, r *http.Request, hook *Hook, p *problem) {
	guess := p.status == http.StatusNotFound || p.status == http.StatusUnauthorized || p.status == http.StatusMethodNotAllowed
	told := !guess || h.pace.allows(time.Now())
	if !told {
		p = &problem{status: http.StatusTooManyRequests, detail: "there are too many requests that are refused", again: 1}
	}
	if told {
		args := []any{"status", p.status, "why", p.why, "from", r.RemoteAddr}
		if hook != nil {
			args = append(args, "hook", hook.Path)
		}
		if p.err != nil {
			args = append(args, "error", connectors.Plain(p.err.Error()))
		}
		h.o.Log.Warn("a request to a hook is not taken", args...)
	}
	if p.again > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(p.again))
	}
	if p.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	writeJSON(w, p.status, "application/problem+json", map[string]any{
		"type": "about:blank", "title": http.StatusText(p.status), "status": p.status, "detail": p.detail,
	})
}

// writeJSON writes an answer. That the sender is gone is no error of ours.
func writeJSON(w http.ResponseWriter, status int, kind string, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

// How many guesses are answered.
const (
	paceBurst  = 50.0
	pacePerSec = 10.0
)

// pace is a bucket of guesses that are answered and logged.
type pace struct {
	mu   sync.Mutex
	left float64
	at   time.Time
}

func (p *pace) allows(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.at.IsZero() {
		p.left = min(paceBurst, p.left+pacePerSec*max(0, now.Sub(p.at).Seconds()))
	}
	p.at = now
	if p.left < 1 {
		return false
	}
	p.left--
	return true
}
