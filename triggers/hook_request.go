package triggers

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"stanch/connectors"
)

// The headers of a request, as Standard Webhooks names them.
const (
	headID        = "Webhook-Id"
	headTimestamp = "Webhook-Timestamp"
	headSignature = "Webhook-Signature"
	headAuth      = "Authorization"
)

const (
	mostDeliveryID = 256 // characters
	mostSignatures = 16  // of one request: those of old keys and new ones
)

// plainHead refuses headers that others on the way may read otherwise, and ids
// that could not be written on one line.
func plainHead(head http.Header) *problem {
	for _, name := range []string{headID, headTimestamp, headSignature, headAuth, "Content-Type"} {
		if len(head.Values(name)) > 1 {
			return refused(http.StatusBadRequest, "the header "+strings.ToLower(name)+" is there twice", "a doubled header")
		}
	}
	id := head.Get(headID)
	if len(id) > mostDeliveryID || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return refused(http.StatusBadRequest, "webhook-id has at most 256 characters, all printable ASCII without spaces", "its webhook-id")
	}
	return nil
}

// jsonHead refuses what is not plain JSON.
func jsonHead(head http.Header) *problem {
	kind, params, err := mime.ParseMediaType(head.Get("Content-Type"))
	charset, given := params["charset"]
	switch {
	case err != nil || kind != "application/json" || given && !strings.EqualFold(charset, "utf-8"):
		return refused(http.StatusUnsupportedMediaType, "content-type is application/json, in utf-8", "its content-type")
	case head.Get("Content-Encoding") != "" && !strings.EqualFold(head.Get("Content-Encoding"), "identity"):
		return refused(http.StatusUnsupportedMediaType, "the body is sent as it is, without content-encoding", "its content-encoding")
	}
	return nil
}

// readBody reads a body that is neither long nor slow.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, *problem) {
	tooLong := refused(http.StatusRequestEntityTooLarge, "a body has at most 1 MiB", "a body of more than 1 MiB")
	if r.ContentLength > mostHookBody {
		w.Header().Set("Connection", "close")
		return nil, tooLong
	}
	if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(slowestBody)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, later(1, "the body cannot be read now", err)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostHookBody))
	_, long := errors.AsType[*http.MaxBytesError](err)
	switch {
	case long:
		return nil, tooLong
	case errors.Is(err, os.ErrDeadlineExceeded):
		w.Header().Set("Connection", "close")
		return nil, refused(http.StatusRequestTimeout, "the body did not come within 10 seconds", "a slow body")
	case err != nil:
		return nil, refused(http.StatusBadRequest, "the body ends in the middle", "a body that ends in the middle")
	}
	return body, nil
}

// unproved is the one answer to whoever cannot prove where a request comes
// from. Why stands in the log.
func unproved(why string) *problem {
	return refused(http.StatusUnauthorized, "the request does not prove where it comes from", why)
}

// bearer proves a request by the secret itself.
func (hook *Hook) bearer(head http.Header) *problem {
	kind, token, _ := strings.Cut(head.Get(headAuth), " ")
	if !strings.EqualFold(kind, "Bearer") || !sameSecret([]byte(token), hook.key) {
		return unproved("no or another token")
	}
	return nil
}

// sameSecret compares in a time that tells nothing of either, not even which is
// longer.
func sameSecret(a, b []byte) bool {
	x, y := sha256.Sum256(a), sha256.Sum256(b)
	return hmac.Equal(x[:], y[:])
}

// signed proves a request by its signature, which is that of the body as it
// came.
func (hook *Hook) signed(head http.Header, body []byte, now time.Time) *problem {
	id, stamp := head.Get(headID), head.Get(headTimestamp)
	want := connectors.WebhookSignature(hook.key, id, stamp, body)
	fits := false
	signatures := strings.Fields(head.Get(headSignature))
	for _, s := range signatures[:min(len(signatures), mostSignatures)] {
		coded, is := strings.CutPrefix(s, "v1,")
		got, err := base64.StdEncoding.DecodeString(coded)
		if hmac.Equal(got, want) && is && err == nil {
			fits = true
		}
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	off := now.Sub(time.Unix(seconds, 0)).Abs()
	switch {
	case id == "" || !fits:
		return unproved("no or another signature")
	case err != nil:
		return unproved("its timestamp is no number")
	case off > hookWindow:
		return unproved("its timestamp is " + off.Round(time.Second).String() + " off")
	}
	return nil
}
