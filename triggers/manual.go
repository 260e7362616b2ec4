package triggers

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"stanch/connectors"
	"stanch/connectors/incident"
	"stanch/engine"
	"stanch/playbooks"
)

// Manual begins what people ask for.
type Manual struct {
	Tenant Lookup
}

// Lookup finds in the tenant what a run is to be about, by a name that a person
// gives. A function answers what evidence would have of it, and an error of the
// connectors where there is no such thing, or more than one.
type Lookup struct {
	Incident func(ctx context.Context, id string) (incident.Incident, error)
	Alert    func(ctx context.Context, id string) (incident.Incident, error) // the incident that it stands in
	User     func(ctx context.Context, name string) (incident.User, error)
	File     func(ctx context.Context, name string) (incident.File, error)
	Device   func(ctx context.Context, name string) (incident.Device, error)
	Mailbox  func(ctx context.Context, name string) (incident.Mailbox, error)
}

// Asking is a person's wish that a playbook runs.
type Asking struct {
	Book   *playbooks.Playbook
	On     string            // what it is to be about, as ParseReference reads it
	Params map[string]string // as people write them; those left out have their defaults
	By     string            // who asks, such as operator:alice
	Reason string            // why, in their words; may be empty
	Mode   string            // engine.ModePlan, engine.ModeShadow or engine.ModeLive
	// Key names the wish: asked again with the same key it begins no second run, and
	// engine.Start refuses another wish, with other params or on another thing,
	// under it. Empty: every time is one of its own.
	Key string
}

// AskError says what is wrong with a wish: asked so again, it fails again.
type AskError struct {
	Field   string // of Asking, in lower case: on, params, key
	Message string // one sentence, with what to do
}

func (e *AskError) Error() string { return e.Message }

func wrongly(field, format string, args ...any) error {
	return &AskError{Field: field, Message: fmt.Sprintf(format, args...)}
}

// Reference names what a run is to be about.
type Reference struct {
	Kind string // incident, alert, user, file, device, mailbox or none
	Name string // empty of none
}

// mostName bounds the name in a reference, in bytes.
const mostName = 4096

// references are the forms of a reference, by kind.
func references(kind string) string {
	forms := map[string]string{
		"incident": "incident:ID", "alert": "alert:ID", "user": "user:UPN or user:ID", "file": "file:URL",
		"device": "device:NAME or device:ID", "mailbox": "mailbox:ADDRESS", "none": "none",
	}
	return forms[kind]
}

// ParseReference reads a reference: user:UPN, user:ID, file:URL, device:NAME,
// device:ID, mailbox:ADDRESS, alert:ID, incident:ID or none. Its error is an
// *AskError.
func ParseReference(text string) (Reference, error) {
	kind, name, named := strings.Cut(strings.TrimSpace(text), ":")
	r := Reference{Kind: kind, Name: strings.TrimSpace(name)}
	form := references(kind)
	switch {
	case form == "":
		return r, wrongly("on", "%q does not say what to start on: give user:UPN, file:URL, device:NAME, mailbox:ADDRESS, alert:ID, incident:ID or none", connectors.Plain(text))
	case kind == "none" && named:
		return r, wrongly("on", "none is about nothing: write it without a name behind it")
	case kind != "none" && r.Name == "":
		return r, wrongly("on", "%s names nothing: give %s", connectors.Plain(text), form)
	case len(r.Name) > mostName:
		return r, wrongly("on", "the name of the %s has %d bytes; the most is %d", kind, len(r.Name), mostName)
	case strings.ContainsFunc(r.Name, unicode.IsControl):
		return r, wrongly("on", "the name of the %s holds a control character: give %s", kind, form)
	}
	return r, nil
}

// startKey is how a wish may be named.
var startKey = regexp.MustCompile(`^[!-~]{1,128}$`)

// Start answers how a wish is begun, by engine.Start. What it is about is looked
// up in the tenant. An *AskError says that the wish itself is wrong; another error
// is that of the lookup.
func (m Manual) Start(ctx context.Context, a Asking) (engine.Start, error) {
	ref, err := ParseReference(a.On)
	if err == nil {
		err = fits(a.Book, ref)
	}
	if err == nil && a.Key != "" && !startKey.MatchString(a.Key) {
		err = wrongly("key", "a start key is 1 to 128 characters of ASCII without spaces")
	}
	if err != nil {
		return engine.Start{}, err
	}
	params, err := a.Book.BindParams(a.Params)
	if err != nil {
		return engine.Start{}, wrongly("params", "%s: %s", a.Book.ID, err)
	}
	ev := playbooks.Event{ID: "manual/" + rand.Text(), Trigger: "manual", Kind: "manual", At: time.Now().UTC(), By: a.By, Reason: a.Reason}
	if a.Key != "" {
		ev.ID = "manual/key/" + a.Key
	}
	if err := m.about(ctx, ref, &ev); err != nil {
		return engine.Start{}, err
	}
	return engine.Start{Book: a.Book, Event: ev, Params: params, Mode: a.Mode, By: a.By, Key: a.Key}, nil
}

// fits finds a playbook that cannot be started on such a thing.
func fits(book *playbooks.Playbook, ref Reference) error {
	var takes []string
	if t := book.On.Manual; t != nil {
		takes = append(takes, cmp.Or(t.Subject, "incident"))
	}
	// What starts it by itself may start it by hand, too.
	if book.On.Incident != nil {
		takes = append(takes, "incident")
	}
	if book.On.Alert != nil {
		takes = append(takes, "alert")
	}
	switch {
	case slices.Contains(takes, ref.Kind):
		return nil
	case len(takes) == 0:
		return wrongly("on", "nobody starts %s by hand: it has no on.manual; write `manual: {subject: %s}` there to allow it", book.ID, ref.Kind)
	case takes[0] == "none":
		return wrongly("on", "%s is started on nothing: give none, not %s", book.ID, ref.Kind+":…")
	}
	return wrongly("on", "%s is started on one %s, and %s is another kind of thing: give %s", book.ID, takes[0], ref.named(), references(takes[0]))
}

func (r Reference) named() string {
	if r.Kind == "none" {
		return "none"
	}
	return r.Kind + ":" + connectors.Plain(r.Name)
}

// about looks up what is named and puts it into the event.
func (m Manual) about(ctx context.Context, ref Reference, ev *playbooks.Event) error {
	switch ref.Kind {
	case "none":
		return nil
	case "incident":
		in, err := m.Tenant.Incident(ctx, ref.Name)
		if err == nil {
			ev.Incident, err = json.Marshal(in)
		}
		return err
	case "alert":
		in, err := m.Tenant.Alert(ctx, ref.Name)
		if err != nil {
			return lookedUp(ref, err)
		}
		return onAlert(ev, in, ref.Name)
	}
	subject, err := m.entity(ctx, ref)
	if err != nil {
		return lookedUp(ref, err)
	}
	ev.Subject, err = json.Marshal(subject)
	return err
}

func (m Manual) entity(ctx context.Context, ref Reference) (any, error) {
	switch ref.Kind {
	case "user":
		return m.Tenant.User(ctx, ref.Name)
	case "file":
		return m.Tenant.File(ctx, ref.Name)
	case "device":
		return m.Tenant.Device(ctx, ref.Name)
	}
	return m.Tenant.Mailbox(ctx, ref.Name)
}

// onAlert puts an alert of an incident into the event, with the incident.
func onAlert(ev *playbooks.Event, in incident.Incident, id string) error {
	at := slices.IndexFunc(in.Alerts, func(a incident.Alert) bool { return a.ID == id })
	if at < 0 {
		return fmt.Errorf("alert %s is not in the incident %s that it says it stands in: try again in a minute", connectors.Plain(id), connectors.Plain(in.ID))
	}
	var err error
	if ev.Incident, err = json.Marshal(in); err != nil {
		return err
	}
	whole, err := alertEvent(*ev, in, in.Alerts[at])
	ev.Alert, ev.Evidence = whole.Alert, whole.Evidence
	return err
}

// lookedUp tells why nothing is found by a name.
func lookedUp(ref Reference, err error) error {
	e, is := errors.AsType[*connectors.Error](err)
	switch {
	case !is:
		return fmt.Errorf("%s: %w", ref.named(), err)
	case e.Code == connectors.Invalid:
		return wrongly("on", "%s: %s", ref.named(), err)
	case e.Code == connectors.NotFound:
		return fmt.Errorf("there is no such %s as %s in the tenant, or the app may not see it; give %s: %w", ref.Kind, connectors.Plain(ref.Name), references(ref.Kind), err)
	}
	return fmt.Errorf("%s cannot be looked up: %w", ref.named(), err)
}
