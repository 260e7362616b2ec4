package triggers

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"stanch/connectors"
)

// validationToken is what Graph asks to be answered when somebody subscribes.
const validationToken = "validationToken"

const (
	mostValidation    = 4096 // characters
	mostNotifications = 1000 // of one request
)

// validate answers that this address is ours, as Graph asks before it makes a
// subscription.
//
// Source: learn.microsoft.com/graph/change-notifications-delivery-webhooks.
func validate(w http.ResponseWriter, r *http.Request) *problem {
	all := r.URL.Query()[validationToken]
	foreign := func(r rune) bool { return r < ' ' || r > '~' || r == '<' || r == '>' }
	if len(all) != 1 || all[0] == "" || len(all[0]) > mostValidation || strings.ContainsFunc(all[0], foreign) {
		return refused(http.StatusBadRequest, "validationToken is one text of at most 4096 printable characters", "its validationToken")
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write([]byte(all[0])) //nolint:gosec // Graph asks for its own words, and as text without < and > they are no script
	return nil
}

// notification is one change that Graph tells of, or what becomes of the
// subscription.
//
// Source: learn.microsoft.com/graph/api/resources/changenotification,
// learn.microsoft.com/graph/change-notifications-lifecycle-events.
type notification struct {
	ID             string          `json:"id"`
	SubscriptionID string          `json:"subscriptionId"`
	ClientState    string          `json:"clientState"`
	TenantID       string          `json:"tenantId"`
	Lifecycle      string          `json:"lifecycleEvent"`
	Encrypted      json.RawMessage `json:"encryptedContent"`
}

// notified begins a run for every notification of a request. What is not ours is
// left out, and answered as what is: Graph would send it again for hours.
func (h *Hooks) notified(ctx context.Context, hook *Hook, body json.RawMessage) *problem {
	var all struct {
		Value []json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(body, &all); err != nil || len(all.Value) == 0 || len(all.Value) > mostNotifications {
		return refused(http.StatusBadRequest, "value is a list of 1 to 1000 notifications", "no list of notifications")
	}
	left := map[string]int{}
	for _, raw := range all.Value {
		why, p := h.notification(ctx, hook, raw)
		if p != nil && p.again > 0 {
			return p
		}
		if p != nil {
			why = p.why
		}
		if why != "" {
			left[why]++
		}
	}
	for why, n := range left {
		h.o.Log.Warn("notifications of Graph are left out", "hook", hook.Path, "why", why, "count", n)
	}
	return nil
}

// notification takes one, or says why it is left out.
func (h *Hooks) notification(ctx context.Context, hook *Hook, raw json.RawMessage) (why string, p *problem) {
	var n notification
	if err := json.Unmarshal(raw, &n); err != nil {
		return "it is no notification", nil
	}
	switch {
	case !sameSecret([]byte(n.ClientState), hook.key):
		return "no or another clientState", nil
	case h.o.Tenant != "" && !strings.EqualFold(n.TenantID, h.o.Tenant):
		return "another tenant", nil
	case len(hook.Subscriptions) > 0 && !slices.ContainsFunc(hook.Subscriptions, func(id string) bool { return strings.EqualFold(id, n.SubscriptionID) }):
		return "another subscription", nil
	case n.Lifecycle != "":
		h.lifecycle(hook, n)
		return "", nil
	case len(n.Encrypted) > 0:
		return "it has encrypted content: subscribe without resource data", nil
	}
	body, id, err := withoutProof(raw, n)
	if err != nil {
		return "it is no notification", nil
	}
	_, p = h.begin(ctx, hook, id, body)
	return "", p
}

// withoutProof is a notification as playbooks see it, and by what it is known
// again when Graph sends it once more.
func withoutProof(raw json.RawMessage, n notification) (json.RawMessage, string, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, "", err
	}
	for name := range fields {
		if strings.EqualFold(name, "clientState") {
			delete(fields, name)
		}
	}
	body, err := json.Marshal(fields)
	if err != nil {
		return nil, "", err
	}
	same := []byte("id\x00" + strings.ToLower(n.SubscriptionID) + "\x00" + n.ID)
	if n.ID == "" {
		same = append([]byte("body\x00"), body...)
	}
	return body, digestOf(same)[:32], nil
}

// lifecycle tells the operator what becomes of a subscription: whoever made it
// renews it. A notification that was missed is none that could be read again,
// so it says so.
func (h *Hooks) lifecycle(hook *Hook, n notification) {
	advice := map[string]string{
		"reauthorizationRequired": "renew it: POST /subscriptions/{id}/reauthorize, or PATCH its expirationDateTime",
		"subscriptionRemoved":     "it is gone: make it again, and look at what changed meanwhile",
		"missed":                  "notifications were lost: look at what changed meanwhile",
	}[n.Lifecycle]
	if advice == "" {
		advice = "this lifecycle event is not known"
	}
	h.o.Log.Warn("a subscription of Graph wants attention", "hook", hook.Path, "subscription", connectors.Plain(n.SubscriptionID),
		"event", connectors.Plain(n.Lifecycle), "advice", advice)
}
