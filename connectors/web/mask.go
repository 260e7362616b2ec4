package web

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"stanch/connectors"
)

// mask takes a secret out of what a service answers: some show the request they
// got. It finds the secret as it is, in base64 with its user, in a URL and in
// JSON.
type mask struct{ forms []string }

const hidden = "[secret]"

func newMask(a Auth) *mask {
	m := &mask{}
	secret := string(a.Secret)
	if secret == "" {
		return m
	}
	inJSON, _ := json.Marshal(secret)
	for _, form := range []string{
		secret, url.QueryEscape(secret), url.PathEscape(secret), strings.Trim(string(inJSON), `"`),
		base64.StdEncoding.EncodeToString([]byte(a.User + ":" + secret)), base64.StdEncoding.EncodeToString([]byte(secret)),
		base64.RawURLEncoding.EncodeToString([]byte(secret)),
	} {
		if !slices.Contains(m.forms, form) {
			m.forms = append(m.forms, form)
		}
	}
	// The longest first: a form may be a part of another.
	slices.SortFunc(m.forms, func(a, b string) int { return len(b) - len(a) })
	return m
}

func (m *mask) text(s string) string {
	for _, form := range m.forms {
		s = strings.ReplaceAll(s, form, hidden)
	}
	return s
}

func (m *mask) bytes(b []byte) []byte {
	for _, form := range m.forms {
		b = bytes.ReplaceAll(b, []byte(form), []byte(hidden))
	}
	return b
}

// err hides the secret in the texts of an error.
func (m *mask) err(err error) error {
	e, is := errors.AsType[*connectors.Error](err)
	if !is || len(m.forms) == 0 {
		return err
	}
	out := *e
	out.Message, out.Hint, out.ServiceCode, out.InnerCode, out.RequestID = m.text(e.Message), m.text(e.Hint), m.text(e.ServiceCode), m.text(e.InnerCode), m.text(e.RequestID)
	return &out
}

// kept are the headers of an answer that a run may see. Others can hold
// cookies, tokens or addresses with signatures.
func kept() []string {
	return []string{"Content-Type", "Content-Language", "Date", "Etag", "Last-Modified", "Retry-After", "Link", "X-Request-Id", "X-Total-Count", "Ratelimit-Limit", "Ratelimit-Remaining", "Ratelimit-Reset"}
}

func (m *mask) header(h http.Header) map[string]string {
	out := map[string]string{}
	for _, name := range kept() {
		if v := h.Get(name); v != "" {
			out[strings.ToLower(name)] = m.text(v)
		}
	}
	return out
}
