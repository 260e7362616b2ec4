package practice_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"stanch/connectors/practice"
)

// receiver is an endpoint for notifications: it answers validations and hands
// over what it is sent, each as "path body".
type receiver struct {
	*httptest.Server
	validate func(http.ResponseWriter, *http.Request)
	refuse   chan int // a status for each notification that is to be refused
	got      chan string
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	x := &receiver{refuse: make(chan int, 64), got: make(chan string, 256), validate: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, r.URL.Query().Get("validationToken"))
	}}
	x.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("validationToken") {
			if r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/plain") {
				t.Errorf("validation by %s of type %q", r.Method, r.Header.Get("Content-Type"))
			}
			x.validate(w, r)
			return
		}
		body, _ := io.ReadAll(r.Body)
		select {
		case status := <-x.refuse:
			w.WriteHeader(status)
		default:
			w.WriteHeader(http.StatusAccepted)
		}
		x.got <- r.URL.Path + " " + string(body)
	}))
	t.Cleanup(x.Close)
	return x
}

// next is the one notification of the next delivery, and where it came.
func (x *receiver) next(t *testing.T) (string, map[string]any) {
	t.Helper()
	select {
	case text := <-x.got:
		path, body, _ := strings.Cut(text, " ")
		var in struct{ Value []map[string]any }
		if err := json.Unmarshal([]byte(body), &in); err != nil || len(in.Value) != 1 {
			t.Fatalf("%s: %v", text, err)
		}
		return path, in.Value[0]
	case <-time.After(20 * time.Second):
		t.Fatal("no notification came")
	}
	return "", nil
}

func noticeCalls(c *client, hook *receiver) []exchange {
	ask := `{"changeType":"updated","notificationUrl":"` + hook.URL + `/n","resource":"users","expirationDateTime":"2026-11-24T09:00:00Z"}`
	one := "/v1.0/subscriptions/" + c.do(201, "POST", "/v1.0/subscriptions", ask).body["id"].(string)
	return []exchange{
		{201, "POST", "/v1.0/subscriptions", ask},
		{200, "GET", "/v1.0/subscriptions", ""},
		{200, "GET", one, ""},
		{200, "PATCH", one, `{"expirationDateTime":"2026-11-25T09:00:00Z"}`},
		{204, "POST", one + "/reauthorize", ""},
		{204, "DELETE", one, ""},
	}
}

// subscriber is a tenant with an endpoint that hears of it.
func subscriber(t *testing.T) (*client, *receiver, *clock) {
	t.Helper()
	hook, clock := newReceiver(t), newClock()
	return full(t, practice.Options{Now: clock.Now, TokenLife: 240 * time.Hour, Notify: hook.Client()}), hook, clock
}

func asks(hook *receiver, resource, changes, until, more string) string {
	return `{"changeType":"` + changes + `","notificationUrl":"` + hook.URL + `/n","lifecycleNotificationUrl":"` + hook.URL + `/life","resource":"` + resource + `","expirationDateTime":"` + until + `","clientState":"s3cret"` + more + `}`
}

// [graph-docs concepts/change-notifications-delivery-webhooks.md]
func TestChangesAreTold(t *testing.T) {
	c, hook, _ := subscriber(t)
	sam := c.do(200, "GET", "/v1.0/users/sam.ortiz@contoso.example", "").body["id"].(string)
	petra := c.do(200, "GET", "/v1.0/users/petra.novak@contoso.example", "").body["id"].(string)
	item := c.file(payrollURL)
	drive := item[len("/v1.0/"):strings.Index(item, "/items/")]
	const until = "2026-11-25T09:00:00Z"
	for _, x := range []struct {
		resource, changes string
		change            func()
		kind, data        string
		id                string
	}{
		{"/" + drive + "/root", "updated", func() {
			c.do(204, "DELETE", item+"/permissions/"+c.permission(item, scoped("anonymous"))["id"].(string), "")
		}, "updated", "#Microsoft.Graph.DriveItem", ""},
		{"sites/contoso.sharepoint.com:/sites/payroll:/drive/root", "updated", func() { c.do(200, "PATCH", item, `{"name":"renamed.xlsx"}`) }, "updated", "#Microsoft.Graph.DriveItem", ""},
		{"users", "updated,deleted", func() { c.do(204, "PATCH", "/v1.0/users/"+sam, `{"accountEnabled":false}`) }, "updated", "#Microsoft.Graph.User", sam},
		{"users/sam.ortiz@contoso.example", "updated", func() { c.do(200, "POST", "/v1.0/users/"+sam+"/revokeSignInSessions", "") }, "updated", "#Microsoft.Graph.User", sam},
		{"users/" + petra + "/mailFolders('Inbox')/messages", "created", func() {
			c.do(202, "POST", "/v1.0/users/"+sam+"/sendMail", `{"message":{"subject":"a","body":{"contentType":"Text","content":"b"},"toRecipients":[{"emailAddress":{"address":"petra.novak@contoso.example"}}]}}`)
		}, "created", "#Microsoft.Graph.Message", "new"},
		{"users/" + petra + "/messages", "deleted", func() {
			c.do(204, "DELETE", "/v1.0/users/"+petra+"/messages/"+c.do(200, "GET", "/v1.0/users/"+petra+"/mailFolders/inbox/messages", "").list()[0]["id"].(string), "")
		}, "deleted", "#Microsoft.Graph.Message", "old"},
	} {
		made := c.do(201, "POST", "/v1.0/subscriptions", asks(hook, x.resource, x.changes, until, "")).body
		x.change()
		path, n := hook.next(t)
		if path != "/n" || n["subscriptionId"] != made["id"] || n["clientState"] != "s3cret" || n["changeType"] != x.kind || n["tenantId"] != practice.ContosoTenantID ||
			at(n, "resourceData", "@odata.type") != x.data || n["subscriptionExpirationDateTime"] != "2026-11-25T09:00:00Z" || n["id"] == "" {
			t.Errorf("%s: %s %v", x.resource, path, n)
		}
		id, _ := at(n, "resourceData", "id").(string)
		switch x.id {
		case "":
		case "new":
			c.do(200, "GET", "/v1.0/users/"+petra+"/messages/"+id, "")
		case "old":
			c.do(404, "GET", "/v1.0/users/"+petra+"/messages/"+id, "")
		default:
			if id != x.id {
				t.Errorf("%s: about %q, want %q", x.resource, id, x.id)
			}
		}
		c.do(204, "DELETE", "/v1.0/subscriptions/"+made["id"].(string), "")
	}
	// Another drive, another user and another folder are not told of.
	c.do(201, "POST", "/v1.0/subscriptions", asks(hook, "users/"+petra+"/mailFolders/sentitems/messages", "created", until, ""))
	c.do(201, "POST", "/v1.0/subscriptions", asks(hook, "users/"+petra, "updated", until, ""))
	c.do(204, "PATCH", "/v1.0/users/"+sam, `{"accountEnabled":true}`)
	c.do(204, "PATCH", "/v1.0/users/"+petra, `{"accountEnabled":false}`)
	if _, n := hook.next(t); at(n, "resourceData", "id") != petra {
		t.Errorf("%v", n)
	}
	if len(hook.got) != 0 {
		t.Errorf("%s", <-hook.got)
	}
}

func TestWhatCannotBeSubscribedTo(t *testing.T) {
	c, hook, _ := subscriber(t)
	const until = "2026-11-24T09:00:00Z"
	for _, x := range []struct{ body, want string }{
		{asks(hook, "/security/incidents", "updated", until, ""), "are not supported"},
		{asks(hook, "security/alerts_v2", "created,updated", until, ""), "are not supported"},
		{asks(hook, "groups", "updated", until, ""), "are not supported"},
		{asks(hook, "me/messages", "created", until, ""), "are not supported"},
		{asks(hook, "users", "created", until, ""), "change type 'created'"},
		{asks(hook, "users", "moved", until, ""), "change type 'moved'"},
		{asks(hook, "users", "updated", "2026-11-23T08:59:59Z", ""), "in the future"},
		{asks(hook, "users", "updated", "2027-11-23T08:59:59Z", ""), "41760 minutes"},
		{asks(hook, "users/sam.ortiz@contoso.example/messages", "created", "2026-11-27T09:00:00Z", ""), "4230 minutes"},
		{asks(hook, "users", "updated", until, `,"includeResourceData":true`), "Resource data"},
		{asks(hook, "users", "", until, ""), "'changeType' is missing"},
		{strings.Replace(asks(hook, "users", "updated", until, ""), "s3cret", strings.Repeat("x", 129), 1), "128 characters"},
		{strings.ReplaceAll(asks(hook, "users", "updated", until, ""), hook.URL, "http://hook.example"), "must begin with https"},
		{`{"changeType":"updated","notificationUrl":"` + hook.URL + `","resource":"users"}`, "'expirationDateTime' is missing"},
	} {
		if got := c.do(400, "POST", "/v1.0/subscriptions", x.body); got.code() != "InvalidRequest" || !strings.Contains(got.message(), x.want) {
			t.Errorf("%s: %s; want %s", x.body, got.raw, x.want)
		}
	}
	c.do(404, "POST", "/v1.0/subscriptions", asks(hook, "users/nobody@contoso.example/messages", "created", until, ""))
	c.do(404, "POST", "/v1.0/subscriptions", asks(hook, "drives/none/root", "updated", until, ""))
	reader := newClient(t, c.s, practice.ReaderApp())
	if got := reader.do(403, "POST", "/v1.0/subscriptions", asks(hook, "users/sam.ortiz@contoso.example/drive/root", "updated", until, "")); !strings.Contains(got.message(), "Files.ReadWrite.All") {
		t.Errorf("%s", got.raw)
	}
	// An app sees its own only.
	id := c.do(201, "POST", "/v1.0/subscriptions", asks(hook, "users", "updated", until, "")).body["id"].(string)
	reader.do(404, "GET", "/v1.0/subscriptions/"+id, "")
	reader.do(404, "DELETE", "/v1.0/subscriptions/"+id, "")
	if got := reader.do(200, "GET", "/v1.0/subscriptions", "").list(); len(got) != 0 {
		t.Errorf("%v", got)
	}
	if got := c.do(400, "PATCH", "/v1.0/subscriptions/"+id, `{"resource":"users"}`); !strings.Contains(got.message(), "can be updated") {
		t.Errorf("%s", got.raw)
	}
}

// [graph-docs concepts/includes/change-notifications-delivery-notificationurl-validation.md]
func TestTheEndpointMustWantIt(t *testing.T) {
	c, hook, _ := subscriber(t)
	body := asks(hook, "users", "updated", "2026-11-24T09:00:00Z", "")
	for want, answer := range map[string]func(http.ResponseWriter, *http.Request){
		"must respond with 200 OK": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) },
		"must exactly match": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, r.URL.RawQuery[len("validationToken="):]) // not decoded
		},
		"must exactly match validationToken": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, r.URL.Query().Get("validationToken"))
		},
		"timed out": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		hook.validate = answer
		if got := c.do(400, "POST", "/v1.0/subscriptions", body); got.code() != "ValidationError" || !strings.Contains(got.message(), want) {
			t.Errorf("%s; want %s", got.raw, want)
		}
	}
	// Both addresses are asked, and others are served meanwhile.
	asked := []string{}
	hook.validate = func(w http.ResponseWriter, r *http.Request) {
		c.do(200, "GET", "/v1.0/organization", "")
		asked = append(asked, r.URL.Path)
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, r.URL.Query().Get("validationToken"))
	}
	c.do(201, "POST", "/v1.0/subscriptions", body)
	if strings.Join(asked, " ") != "/n /life" {
		t.Errorf("asked %v", asked)
	}
	if ops := operations(c.audit()); ops != "subscription.create" {
		t.Errorf("audit: %s", ops)
	}
}

// A notification that is not taken comes again, up to four hours; of a mailbox it
// is then told as missed.
func TestNotificationsComeAgain(t *testing.T) {
	c, hook, clock := subscriber(t)
	sam := c.do(200, "GET", "/v1.0/users/sam.ortiz@contoso.example", "").body["id"].(string)
	c.do(201, "POST", "/v1.0/subscriptions", asks(hook, "users/"+sam+"/messages", "created", "2026-11-25T09:00:00Z", ""))
	for range 40 {
		hook.refuse <- http.StatusServiceUnavailable
	}
	c.do(202, "POST", "/v1.0/users/"+sam+"/sendMail", `{"message":{"subject":"a","body":{"contentType":"Text","content":"b"},"toRecipients":[{"emailAddress":{"address":"kim@fabrikam.example"}}]}}`)
	_, first := hook.next(t)
	tries := 1
	for range 60 {
		for c.s.Tenant.Sending() {
			runtime.Gosched()
		}
		clock.Advance(11 * time.Minute)
		c.do(200, "GET", "/v1.0/organization", "")
		path, n := hook.next(t)
		if path == "/life" {
			if n["lifecycleEvent"] != "missed" || n["subscriptionId"] != first["subscriptionId"] || n["clientState"] != "s3cret" {
				t.Errorf("%v", n)
			}
			if tries < 15 || tries > 40 {
				t.Errorf("%d tries", tries)
			}
			return
		}
		if n["id"] != first["id"] {
			t.Fatalf("%v, want %v again", n, first)
		}
		tries++
	}
	t.Error("never told as missed")
}

// [graph-docs concepts/change-notifications-lifecycle-events.md]
func TestLifecycleOfASubscription(t *testing.T) {
	c, hook, clock := subscriber(t)
	id := c.do(201, "POST", "/v1.0/subscriptions", asks(hook, "users", "updated", "2026-11-23T12:00:00Z", "")).body["id"].(string)
	one := "/v1.0/subscriptions/" + id
	warned := func(kind string) {
		t.Helper()
		if path, n := hook.next(t); path != "/life" || n["lifecycleEvent"] != kind || n["subscriptionId"] != id {
			t.Errorf("%s %v; want %s", path, n, kind)
		}
	}
	clock.Advance(2*time.Hour + time.Minute)
	c.do(200, "GET", one, "")
	warned("reauthorizationRequired")
	c.do(200, "GET", one, "") // told once
	c.do(204, "POST", one+"/reauthorize", "")
	c.do(200, "GET", one, "")
	warned("reauthorizationRequired")
	if got := c.do(200, "PATCH", one, `{"expirationDateTime":"2026-11-23T20:00:00Z"}`).body; got["expirationDateTime"] != "2026-11-23T20:00:00Z" {
		t.Errorf("%v", got)
	}
	c.plain(202, "POST", "/practice/subscriptions/"+id+"/lifecycle", `{"lifecycleEvent":"missed"}`)
	warned("missed")
	c.plain(400, "POST", "/practice/subscriptions/"+id+"/lifecycle", `{"lifecycleEvent":"lost"}`)
	c.plain(400, "POST", "/practice/subscriptions/x/lifecycle", `{"lifecycleEvent":"missed"}`)
	c.plain(202, "POST", "/practice/subscriptions/"+id+"/lifecycle", `{"lifecycleEvent":"subscriptionRemoved"}`)
	warned("subscriptionRemoved")
	c.do(404, "GET", one, "")
	// One that nobody renews ends by itself.
	id = c.do(201, "POST", "/v1.0/subscriptions", asks(hook, "users", "updated", "2026-11-23T12:00:00Z", "")).body["id"].(string)
	clock.Advance(24 * time.Hour)
	c.do(404, "PATCH", "/v1.0/subscriptions/"+id, `{"expirationDateTime":"2026-11-25T20:00:00Z"}`)
	if len(hook.got) != 0 {
		t.Errorf("%s", <-hook.got)
	}
}

// Nobody is waited for: an endpoint that does not answer holds no call up.
func TestADeafEndpointHoldsNothingUp(t *testing.T) {
	hook := newReceiver(t)
	asked, hang := make(chan struct{}, 8), make(chan struct{})
	through := hook.Client().Transport
	c := full(t, practice.Options{Notify: &http.Client{Transport: tripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Query().Has("validationToken") {
			return through.RoundTrip(r)
		}
		asked <- struct{}{}
		<-hang
		return nil, errors.New("no answer")
	})}})
	defer close(hang)
	c.do(201, "POST", "/v1.0/subscriptions", asks(hook, "users", "updated", time.Now().Add(time.Hour*2).UTC().Format(time.RFC3339), ""))
	for _, enabled := range []string{"false", "true"} {
		c.do(204, "PATCH", "/v1.0/users/sam.ortiz@contoso.example", `{"accountEnabled":`+enabled+`}`)
	}
	<-asked
	c.do(200, "GET", "/v1.0/organization", "")
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
