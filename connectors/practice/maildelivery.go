package practice

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/mail"
	"slices"
	"strings"
	"time"
)

// delivery is a mail that comes to a mailbox of the company, as people write
// one: POST /practice/mail.
type delivery struct {
	From string `json:"from"` // address, as the mail says
	// SignedIn is the mailbox of the company from which it is sent. Empty: it
	// comes from the Internet, whatever From says. Another than From sends on
	// behalf of From.
	SignedIn  string            `json:"signed_in"`
	To        string            `json:"to"` // mailbox
	Subject   string            `json:"subject"`
	Body      string            `json:"body"`
	HTML      bool              `json:"html"`        // what Body is
	InReplyTo string            `json:"in_reply_to"` // Message-ID of a mail that is known here: its subject, its conversation, and it is quoted
	Headers   map[string]string `json:"headers"`     // that the sender gives
	At        time.Time         `json:"at"`          // default now
}

func (t *Tenant) postMail(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		complain(w, "the mail can't be read: %v", err)
		return
	}
	id, err := t.Deliver(raw)
	if err != nil {
		complain(w, "mail: %v", err)
		return
	}
	answer(w, http.StatusCreated, object{"internetMessageId": id})
}

// Deliver puts a mail into a mailbox, as POST /practice/mail does, and answers
// its Message-ID. It is no write of an application and not in the audit.
func (t *Tenant) Deliver(body []byte) (string, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	var in delivery
	if err := d.Decode(&in); err != nil {
		return "", fmt.Errorf("%w; expected {from, signed_in, to, subject, body, html, in_reply_to, headers, at}", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if in.At.IsZero() {
		in.At = t.o.Now()
	}
	t.serial++
	m, err := t.world.arriving(in, fmt.Sprintf("<%s@%s>", guid("arrived", itoa(t.serial)), domainOf(in.From)))
	if err != nil {
		return "", err
	}
	t.amended = true
	t.world.messages[m.id] = m
	return m.InternetID, nil
}

// arriving is a mail as it lies in the inbox.
func (w *world) arriving(in delivery, id string) (*message, error) {
	if a, err := mail.ParseAddress(in.From); err != nil || a.Address != in.From {
		return nil, fmt.Errorf("from %q is no address", in.From)
	}
	u := w.userByName(in.To)
	if u == nil || u.Guest {
		return nil, fmt.Errorf("to %q is no mailbox of the company", in.To)
	}
	m := &message{
		Mail:   Mail{Mailbox: u.UPN, Folder: "inbox", InternetID: id, Subject: in.Subject, From: in.From, To: []string{u.Mail}, Body: in.Body, SentAt: in.At.UTC()},
		userID: u.ID, folder: "inbox", born: "inbox", change: 1, html: in.HTML, id: "AAMk" + hexID("arrived", u.ID, id),
	}
	as := "Anonymous"
	if in.SignedIn != "" {
		signed := w.userByName(in.SignedIn)
		if signed == nil || signed.Guest {
			return nil, fmt.Errorf("signed_in %q is no mailbox of the company", in.SignedIn)
		}
		as, m.sender = "Internal", signed.Mail
	}
	for name, value := range in.Headers {
		if in.SignedIn != "" || len(name) < len(organization) || !strings.EqualFold(name[:len(organization)], organization) {
			m.headers = append(m.headers, header{name, value})
		}
	}
	slices.SortFunc(m.headers, func(a, b header) int { return cmp.Compare(a.name, b.name) })
	m.headers = append(m.headers, header{authAs, as}, header{"Message-ID", id})
	if in.InReplyTo == "" {
		return m, nil
	}
	return m, w.answers(m, in.InReplyTo)
}

// answers makes the mail a reply to another, which it quotes.
func (w *world) answers(m *message, id string) error {
	var to *message
	for _, one := range w.messages {
		if one.InternetID == id {
			to = one
		}
	}
	if to == nil {
		return fmt.Errorf("in_reply_to %q is no mail of the company", id)
	}
	m.Subject = cmp.Or(m.Subject, "Re: "+to.Subject)
	m.thread = cmp.Or(to.thread, to.InternetID)
	m.headers = append(m.headers, header{"In-Reply-To", id})
	m.own = m.Body
	head := fmt.Sprintf("From: %s\r\nSent: %s\r\nSubject: %s", to.From, to.SentAt.UTC().Format(time.RFC1123), to.Subject)
	quoted := to.Body
	switch {
	case m.html && !to.html:
		quoted = html.EscapeString(quoted)
	case !m.html && to.html:
		quoted = withoutTags(quoted)
	}
	if m.html {
		m.Body += "<hr><div>" + strings.ReplaceAll(html.EscapeString(head), "\r\n", "<br>") + "</div>" + quoted
	} else {
		m.Body += "\r\n\r\n________________________________\r\n" + head + "\r\n\r\n" + quoted
	}
	return nil
}
