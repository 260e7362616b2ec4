package practice

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

const (
	// answersWithin is how long an endpoint has to answer.
	answersWithin = 10 * time.Second
	// retriedFor is how long a notification that was not taken is sent again.
	retriedFor = 4 * time.Hour
	// firstRetry and longestRetry bound the time between two tries, which no page
	// tells.
	firstRetry   = 10 * time.Second
	longestRetry = 10 * time.Minute
	// authorizeBefore is how long before a subscription ends its app is told to
	// authorize it again, which no page tells.
	authorizeBefore = time.Hour
)

// notice is a notification on its way.
type notice struct {
	address  string
	body     object
	born     time.Time
	next     time.Time // when it is sent, again
	tries    int
	outlook  string // address that is told of one that is missed; empty: nobody
	whenLost object
}

// event is a change that is told.
type event struct {
	watch  watch
	change string
	data   object // resourceData; nil: of a drive
	path   string // of what has changed; empty: the subscription's resource
}

// happened answers the events of a change.
func (c *call) happened(x Change) []event {
	s := strings.Split(strings.Trim(x.Target, "/"), "/")
	switch {
	case len(s) >= 4 && s[0] == "drives" && x.Operation != "item.download":
		return []event{{watch: watch{kind: "drive", id: s[1]}, change: "updated"}}
	case len(s) == 2 && s[0] == "users":
		return []event{{watch: watch{kind: "users", id: s[1]}, change: "updated", path: "Users/" + s[1], data: object{
			"@odata.type": "#Microsoft.Graph.User", "@odata.id": "Users/" + s[1], "id": s[1], "organizationId": c.w.company.TenantID,
		}}}
	case x.Operation == "message.delete":
		before, _ := x.Before.(object)
		return []event{gone(s[1], textOf(before["folder"]), c.args["message"])}
	case x.Operation == "message.move": // it has another id then
		from, _ := x.Before.(string)
		out := []event{gone(s[1], from, c.args["message"])}
		if m := c.w.messageByID(s[3]); m != nil {
			out = append(out, arrived(m))
		}
		return out
	}
	return nil
}

func arrived(m *message) event { return mailEvent(m.userID, m.folder, m.id, "created") }

func gone(user, folder, id string) event { return mailEvent(user, folder, id, "deleted") }

func mailEvent(user, folder, id, change string) event {
	path := "Users/" + user + "/Messages/" + id
	return event{watch: watch{kind: "messages", id: user, folder: folder}, change: change, path: path, data: object{
		"@odata.type": "#Microsoft.Graph.Message", "@odata.id": path, "@odata.etag": fmt.Sprintf("W/\"%s\"", hexID(id, change)[:24]), "id": id,
	}}
}

// sees reports whether who watches w is told of an event.
func (w watch) sees(e event) bool {
	return w.kind == e.watch.kind && (w.id == e.watch.id || w.id == "") && (w.folder == "" || strings.EqualFold(w.folder, e.watch.folder))
}

// tell puts notifications of events on their way.
func (c *call) tell(events ...event) {
	for _, e := range events {
		for _, s := range c.w.subscriptions {
			if !s.watch.sees(e) || !slices.Contains(s.changes, e.change) {
				continue
			}
			body := s.head(c.w.company.TenantID)
			body["id"], body["changeType"], body["resource"], body["resourceData"] = uuid.NewString(), e.change, e.path, e.data
			if e.data == nil {
				body["resource"], body["resourceData"] = strings.Trim(s.resource, "/"), object{"@odata.type": "#Microsoft.Graph.DriveItem"}
			}
			n := notice{address: s.notify, body: body, born: c.now, next: c.now}
			if s.watch.kind == "messages" {
				n.outlook, n.whenLost = s.lifecycle, s.event(c.w.company.TenantID, "missed")
			}
			c.t.outbox = append(c.t.outbox, n)
		}
	}
}

// head is what every notification says of its subscription.
func (s *subscription) head(tenant string) object {
	return object{
		"subscriptionId": s.id, "subscriptionExpirationDateTime": stamp(s.expires), "clientState": text(s.state), "tenantId": tenant,
	}
}

func (s *subscription) event(tenant, kind string) object {
	out := s.head(tenant)
	out["lifecycleEvent"], out["resource"] = kind, s.resource
	return out
}

// lapse ends subscriptions whose time is over and warns those whose is soon.
func (t *Tenant) lapse(now time.Time) {
	for id, s := range t.world.subscriptions {
		if !now.Before(s.expires) {
			delete(t.world.subscriptions, id)
			continue
		}
		if now.Before(s.expires.Add(-authorizeBefore)) || s.reauthorize || s.lifecycle == "" {
			continue
		}
		s.reauthorize = true
		t.tellLifecycle(s, "reauthorizationRequired", now)
	}
}

func (t *Tenant) tellLifecycle(s *subscription, kind string, now time.Time) {
	if s.lifecycle != "" {
		t.outbox = append(t.outbox, notice{address: s.lifecycle, body: s.event(t.world.company.TenantID, kind), born: now, next: now})
	}
}

// Lifecycle does to a subscription what Graph itself does later, as POST
// /practice/subscriptions/{id}/lifecycle does: reauthorizationRequired and missed
// are told, subscriptionRemoved is told and removes it.
func (t *Tenant) Lifecycle(id, kind string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.world.subscriptions[strings.ToLower(id)]
	switch {
	case s == nil:
		return fmt.Errorf("there is no subscription %q", id)
	case !slices.Contains([]string{"reauthorizationRequired", "missed", "subscriptionRemoved"}, kind):
		return fmt.Errorf("lifecycleEvent is %q; expected reauthorizationRequired, missed or subscriptionRemoved", kind)
	}
	t.tellLifecycle(s, kind, t.o.Now())
	if kind == "subscriptionRemoved" {
		delete(t.world.subscriptions, s.id)
	}
	t.dispatchNotices()
	return nil
}

// dispatchNotices sends what is due, one after another, on a goroutine of its own
// that ends with it. What was not taken is due again later, and is sent when the
// tenant is next asked for something then.
func (t *Tenant) dispatchNotices() {
	if t.sending || len(t.outbox) == 0 {
		return
	}
	t.sending = true
	go func() {
		for {
			n, is := t.nextNotice()
			if !is {
				return
			}
			t.delivered(n, t.post(n.address, n.body) == nil)
		}
	}()
}

// nextNotice takes the first that is due.
func (t *Tenant) nextNotice() (notice, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.o.Now()
	at := slices.IndexFunc(t.outbox, func(n notice) bool { return !n.next.After(now) })
	if at < 0 {
		t.sending = false
		return notice{}, false
	}
	n := t.outbox[at]
	t.outbox = slices.Delete(t.outbox, at, at+1)
	return n, true
}

// delivered keeps a notification that was not taken for later, until it is given
// up; of a mailbox that is told.
func (t *Tenant) delivered(n notice, taken bool) {
	if taken {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.o.Now()
	n.next = now.Add(min(firstRetry<<min(n.tries, 10), longestRetry))
	n.tries++
	if n.next.Sub(n.born) <= retriedFor {
		t.outbox = append(t.outbox, n)
	} else if n.outlook != "" {
		t.outbox = append(t.outbox, notice{address: n.outlook, body: n.whenLost, born: now, next: now})
	}
}

// post sends one notification; any 2xx takes it.
func (t *Tenant) post(address string, body object) error {
	raw, err := json.Marshal(object{"value": []object{body}})
	if err != nil {
		return err
	}
	status, _, err := t.request(address, "application/json", raw)
	if err == nil && (status < 200 || status > 299) {
		err = fmt.Errorf("status %d", status)
	}
	return err
}

// request posts to an endpoint and answers status, type and text of the answer.
func (t *Tenant) request(address, kind string, body []byte) (int, [2]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), answersWithin)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return 0, [2]string{}, err
	}
	r.Header.Set("Content-Type", kind)
	res, err := t.o.Notify.Do(r)
	if err != nil {
		return 0, [2]string{}, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	return res.StatusCode, [2]string{res.Header.Get("Content-Type"), string(text)}, err
}

// handshake asks endpoints whether they want notifications: each answers 200 and
// the token of the query, decoded, as plain text. Others are served meanwhile.
func (c *call) handshake(addresses ...string) error {
	c.t.mu.Unlock()
	defer func() {
		c.t.mu.Lock()
		c.w = c.t.world
	}()
	for _, address := range addresses {
		if address == "" {
			continue
		}
		token := "Validation: Testing client application reachability for subscription Request-Id: " + c.id
		mark := "?"
		if strings.Contains(address, mark) {
			mark = "&"
		}
		status, said, err := c.t.request(address+mark+"validationToken="+url.QueryEscape(token), "text/plain; charset=utf-8", nil)
		switch {
		case err != nil:
			return fail(http.StatusBadRequest, "ValidationError", "Subscription validation request timed out.")
		case status != http.StatusOK:
			return fail(http.StatusBadRequest, "ValidationError", "Subscription validation request failed. Notification endpoint must respond with 200 OK to validation request.")
		case said[1] != token || !strings.HasPrefix(said[0], "text/plain"):
			return fail(http.StatusBadRequest, "ValidationError", "Subscription validation request failed. Response must exactly match validationToken query parameter.")
		}
	}
	return nil
}
