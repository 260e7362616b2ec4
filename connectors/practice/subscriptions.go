package practice

import (
	"cmp"
	"maps"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Change notifications of Graph: subscriptions to the drives, mailboxes and users
// of the company. Incidents and alerts have none in Graph, and so are refused;
// groups, lists and what else Graph has are refused, too, for nothing here changes
// them. A permission of a drive's file that changes is told as the file.
//
// [graph-docs api/subscription-post-subscriptions.md,
// concepts/change-notifications-delivery-webhooks.md,
// concepts/change-notifications-lifecycle-events.md,
// concepts/includes/change-notifications-{supported-resources-expanded,subscription-lifetime}.md].
// The pages tell no errors; their words are as recorded answers have them where
// there are any, else ours.

// watch is what a subscription is about: kind is drive, messages or users. An
// empty id is every user.
type watch struct{ kind, id, folder string }

type subscription struct {
	id, by      string // by: id of the app
	watch       watch
	resource    string // as it was asked for
	changes     []string
	notify      string // address
	lifecycle   string // address, may be empty
	state, tls  string
	expires     time.Time
	reauthorize bool // that it must be was told
}

// longest is how long a subscription lives at most.
func (w watch) longest() time.Duration {
	return map[string]time.Duration{"drive": 42_300 * time.Minute, "messages": 4_230 * time.Minute, "users": 41_760 * time.Minute}[w.kind]
}

// readers are the roles that may subscribe.
func (w watch) readers() []string {
	return map[string][]string{
		"drive": {"Files.ReadWrite.All"}, "messages": {"Mail.Read", "Mail.ReadWrite"},
		"users": {"User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"},
	}[w.kind]
}

func subscriptionRoutes() []route {
	all := slices.Concat(watch{kind: "drive"}.readers(), watch{kind: "messages"}.readers(), watch{kind: "users"}.readers())
	const one = "subscriptions/{subscription}"
	return []route{
		{notices, http.MethodGet, "subscriptions", all, []string{"$select"}, cost{}, listSubscriptions},
		{notices, http.MethodPost, "subscriptions", all, nil, cost{}, createSubscription},
		{notices, http.MethodGet, one, all, []string{"$select"}, cost{}, getSubscription},
		{notices, http.MethodPatch, one, all, nil, cost{}, patchSubscription},
		{notices, http.MethodDelete, one, all, nil, cost{}, deleteSubscription},
		{notices, http.MethodPost, one + "/reauthorize", all, nil, cost{}, reauthorizeSubscription},
	}
}

func (s *subscription) target() string { return "/subscriptions/" + s.id }

func (s *subscription) wire() object {
	return object{
		"id": s.id, "resource": s.resource, "applicationId": s.by, "changeType": strings.Join(s.changes, ","), "clientState": text(s.state),
		"notificationUrl": s.notify, "lifecycleNotificationUrl": text(s.lifecycle), "expirationDateTime": stamp(s.expires),
		"creatorId": guid(s.by, "principal"), "latestSupportedTlsVersion": cmp.Or(s.tls, "v1_2"), "includeResourceData": false,
		"encryptionCertificate": nil, "encryptionCertificateId": nil, "notificationQueryOptions": nil, "notificationUrlAppId": nil,
	}
}

// subscriptionAsk is the body of a POST or PATCH.
type subscriptionAsk struct {
	ChangeType   string     `json:"changeType"`
	Notify       string     `json:"notificationUrl"`
	Lifecycle    string     `json:"lifecycleNotificationUrl"`
	Resource     string     `json:"resource"`
	Expires      *time.Time `json:"expirationDateTime"`
	State        string     `json:"clientState"`
	TLS          string     `json:"latestSupportedTlsVersion"`
	WithResource bool       `json:"includeResourceData"`
}

func invalidSubscription(format string, args ...any) *failure {
	return fail(http.StatusBadRequest, "InvalidRequest", format, args...)
}

func createSubscription(c *call) (reply, error) {
	var in subscriptionAsk
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	s, err := c.subscriptionOf(in)
	if err != nil {
		return reply{}, err
	}
	if err := c.handshake(s.notify, s.lifecycle); err != nil {
		return reply{}, err
	}
	c.w.subscriptions[s.id] = s
	c.record(Change{Operation: "subscription.create", Target: s.target(), After: object{"resource": s.resource, "notificationUrl": s.notify}, Status: http.StatusCreated})
	out, err := c.entity(s.wire())
	out.status = http.StatusCreated
	return out, err
}

// subscriptionOf judges what is asked for.
func (c *call) subscriptionOf(in subscriptionAsk) (*subscription, error) {
	for name, v := range map[string]string{"changeType": in.ChangeType, "notificationUrl": in.Notify, "resource": in.Resource} {
		if v == "" {
			return nil, invalidSubscription("The required property '%s' is missing.", name)
		}
	}
	if in.Expires == nil {
		return nil, invalidSubscription("The required property 'expirationDateTime' is missing.")
	}
	if in.WithResource {
		return nil, invalidSubscription("Resource data is not supported for '%s'.", in.Resource)
	}
	w, err := c.watched(in.Resource)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(w.readers(), func(r string) bool { return slices.Contains(c.app.Roles, r) }) {
		return nil, fail(http.StatusForbidden, "Forbidden", "Missing application roles. API required roles: %s, application roles: %s.", strings.Join(w.readers(), ","), strings.Join(rolesFor(c.app, graphAudience), ","))
	}
	s := &subscription{
		by: c.app.ID, watch: w, resource: in.Resource, notify: in.Notify, lifecycle: in.Lifecycle, state: in.State, tls: in.TLS,
	}
	for word := range strings.SplitSeq(in.ChangeType, ",") {
		word = strings.TrimSpace(word)
		if !slices.Contains([]string{"created", "updated", "deleted"}, word) || w.kind == "drive" && word != "updated" || w.kind == "users" && word == "created" {
			return nil, invalidSubscription("The change type '%s' is not supported for '%s'.", word, in.Resource)
		}
		s.changes = append(s.changes, word)
	}
	if len(in.State) > 128 {
		return nil, invalidSubscription("The value of 'clientState' is longer than 128 characters.")
	}
	if s.expires, err = c.expiry(w, in.Expires); err != nil {
		return nil, err
	}
	for _, address := range []string{in.Notify, in.Lifecycle} {
		if f := reachable(address); f != nil {
			return nil, f
		}
	}
	c.t.serial++
	s.id = guid(c.w.company.TenantID, "subscription", itoa(c.t.serial))
	return s, nil
}

func (c *call) expiry(w watch, at *time.Time) (time.Time, error) {
	switch {
	case !at.After(c.now):
		return time.Time{}, invalidSubscription("Subscription expiration must be in the future.")
	case at.After(c.now.Add(w.longest())):
		return time.Time{}, invalidSubscription("Subscription expiration can only be %d minutes in the future.", int(w.longest()/time.Minute))
	}
	return at.UTC(), nil
}

// reachable judges an address that is to be notified: https, or on this machine
// plain http, which Graph does not take.
func reachable(address string) *failure {
	if address == "" {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return invalidSubscription("The notification address '%.200s' is not valid.", address)
	}
	ip := net.ParseIP(u.Hostname())
	here := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !here) {
		return invalidSubscription("The notification address must begin with https.")
	}
	return nil
}

var mailFolderNamed = regexp.MustCompile(`(?i)^mailFolders\('([^']*)'\)$`)

// watched reads the resource of a subscription.
func (c *call) watched(resource string) (watch, error) {
	s := normalize(strings.Trim(resource, "/"))
	if len(s) > 2 {
		if in := mailFolderNamed.FindStringSubmatch(s[2]); in != nil {
			s = slices.Concat(s[:2], []string{"mailFolders", in[1]}, s[3:])
		}
	}
	is := func(n int, word string) bool { return n < len(s) && strings.EqualFold(s[n], word) }
	switch {
	case len(s) == 4 && is(0, "drives") && is(2, "items") && is(3, "root"):
		c.args = map[string]string{"drive": s[1]}
		d, err := c.drive()
		if err != nil {
			return watch{}, err
		}
		return watch{kind: "drive", id: d.id}, nil
	case len(s) == 1 && is(0, "users"):
		return watch{kind: "users"}, nil
	case len(s) < 2 || !is(0, "users") || len(s) > 2 && !(is(2, "messages") && len(s) == 3 || is(2, "mailFolders") && is(4, "messages") && len(s) == 5):
		return watch{}, invalidSubscription("Subscriptions to the resource '%.200s' are not supported.", resource)
	}
	u := c.w.user(s[1])
	if u == nil {
		return watch{}, resourceNotFound(s[1])
	}
	w := watch{kind: "users", id: u.ID}
	if len(s) > 2 {
		w.kind = "messages"
	}
	if len(s) == 5 {
		if w.folder = c.w.folder(u.ID, s[3]); w.folder == "" {
			return watch{}, fail(http.StatusNotFound, "ErrorItemNotFound", "The specified object was not found in the store.")
		}
	}
	return w, nil
}

// subscription is the one of the path, which an app sees if it has made it.
func (c *call) subscription() (*subscription, error) {
	s := c.w.subscriptions[strings.ToLower(c.args["subscription"])]
	if s == nil || !strings.EqualFold(s.by, c.app.ID) {
		return nil, fail(http.StatusNotFound, "ResourceNotFound", "The object was not found.")
	}
	return s, nil
}

func listSubscriptions(c *call) (reply, error) {
	list := []*subscription{}
	for _, id := range slices.Sorted(maps.Keys(c.w.subscriptions)) {
		if s := c.w.subscriptions[id]; strings.EqualFold(s.by, c.app.ID) {
			list = append(list, s)
		}
	}
	return page(c, list, paging{size: 1000, max: 1000}, func(s *subscription) object { return c.selector(s.wire) })
}

func getSubscription(c *call) (reply, error) {
	s, err := c.subscription()
	if err != nil {
		return reply{}, err
	}
	return c.entity(s.wire())
}

// patchSubscription renews, or moves the notifications to another address.
func patchSubscription(c *call) (reply, error) {
	s, err := c.subscription()
	if err != nil {
		return reply{}, err
	}
	var in subscriptionAsk
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if in.Expires == nil && in.Notify == "" || in.ChangeType != "" || in.Resource != "" || in.Lifecycle != "" || in.State != "" {
		return reply{}, invalidSubscription("Only 'expirationDateTime' and 'notificationUrl' of a subscription can be updated.")
	}
	before, expires := s.wire(), s.expires
	if in.Expires != nil {
		if expires, err = c.expiry(s.watch, in.Expires); err != nil {
			return reply{}, err
		}
	}
	if in.Notify != "" {
		if f := reachable(in.Notify); f != nil {
			return reply{}, f
		}
		if err := c.handshake(in.Notify); err != nil {
			return reply{}, err
		}
		if s, err = c.subscription(); err != nil { // it may have gone meanwhile
			return reply{}, err
		}
		s.notify = in.Notify
	}
	s.expires, s.reauthorize = expires, false
	c.record(Change{
		Operation: "subscription.update", Target: s.target(), Status: http.StatusOK,
		Before: object{"expirationDateTime": before["expirationDateTime"]}, After: object{"expirationDateTime": stamp(s.expires)},
	})
	return c.entity(s.wire())
}

func deleteSubscription(c *call) (reply, error) {
	s, err := c.subscription()
	if err != nil {
		return reply{}, err
	}
	delete(c.w.subscriptions, s.id)
	c.record(Change{Operation: "subscription.delete", Target: s.target(), Before: object{"resource": s.resource}, Status: http.StatusNoContent})
	return noContent(), nil
}

func reauthorizeSubscription(c *call) (reply, error) {
	s, err := c.subscription()
	if err != nil {
		return reply{}, err
	}
	s.reauthorize = false
	c.record(Change{Operation: "subscription.reauthorize", Target: s.target(), Status: http.StatusNoContent})
	return noContent(), nil
}
