package connectors

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// inBatch is a request as it stands in a batch.
type inBatch struct {
	ID      string            `json:"id"`
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    json.RawMessage   `json:"body,omitempty"`
}

// post sends a batch and answers what came back.
func (b *batches) post(ctx context.Context, group []*rider) (*http.Response, error) {
	var body struct {
		Requests []inBatch `json:"requests"`
	}
	for n, r := range group {
		one, err := b.inBatch(r.req)
		if err != nil {
			return nil, err
		}
		one.ID = strconv.Itoa(n)
		body.Requests = append(body.Requests, one)
	}
	req, err := b.client.build(ctx, Request{Method: http.MethodPost, Path: To(b.o.Path), Body: body}, newID())
	if err != nil {
		return nil, err
	}
	res, err := b.client.pipeline.Do(req)
	if err != nil && res != nil && res.Body != nil {
		_ = res.Body.Close()
	}
	return res, err
}

// inBatch writes a request with a relative address, its own headers and its
// body. One that writes needs a body there, be it an empty one.
func (b *batches) inBatch(req *policy.Request) (inBatch, error) {
	raw := req.Raw()
	out := inBatch{Method: raw.Method, URL: b.relative(raw.URL.String()), Headers: map[string]string{}}
	for name, values := range raw.Header {
		switch name {
		case "Accept", "User-Agent", "Return-Client-Request-Id", "Content-Length":
		default:
			out.Headers[name] = strings.Join(values, ",")
		}
	}
	if body := req.Body(); body != nil {
		text, err := io.ReadAll(body)
		if err == nil {
			err = req.RewindBody()
		}
		if err != nil {
			return inBatch{}, err
		}
		out.Body = text
	} else if raw.Method != http.MethodGet && raw.Method != http.MethodDelete {
		out.Headers["Content-Type"], out.Body = "application/json", json.RawMessage("{}")
	}
	return out, nil
}

// relative is an address without the API's base; "" where it lies elsewhere.
func (b *batches) relative(address string) string {
	rest, is := strings.CutPrefix(address, b.client.base.String())
	if !is || !strings.HasPrefix(rest, "/") {
		return ""
	}
	return rest
}

// answerInBatch is the answer to a request of a batch.
type answerInBatch struct {
	ID      string                     `json:"id"`
	Status  int                        `json:"status"`
	Headers map[string]json.RawMessage `json:"headers"`
	Body    json.RawMessage            `json:"body"`
}

// tell tells each request of a batch what became of it, by its own answer. One
// without an answer, or without a status, is as open as if its connection had
// been cut. What the batch was refused with counts for each; but one that the API
// cannot take as a batch goes request by request.
func (b *batches) tell(group []*rider, res *http.Response, err error) {
	var body []byte
	if err == nil {
		body, err = (&call{client: b.client}).body(res)
		_ = res.Body.Close()
	}
	if err != nil {
		for _, r := range group {
			r.turn <- turn{err: err}
		}
		return
	}
	answers, err := readBatch(body)
	taken := res.StatusCode >= 200 && res.StatusCode < 300
	alone := err != nil && !taken && b.refused(res)
	for n, r := range group {
		a, is := answers[strconv.Itoa(n)]
		switch {
		case is:
			r.turn <- turn{res: a.response(res)} //nolint:bodyclose // who judges it closes it
		case err == nil:
			r.turn <- turn{err: errMissed}
		case taken:
			r.turn <- turn{err: err}
		case alone:
			r.turn <- turn{alone: true}
		default:
			r.turn <- turn{res: &http.Response{StatusCode: res.StatusCode, Header: res.Header.Clone(), Body: io.NopCloser(bytes.NewReader(body))}}
		}
	}
}

// refused reports whether an answer says that a batch as such was not taken, so
// that nothing of it was done, and its requests may be: one by one, or with
// another token.
func (b *batches) refused(res *http.Response) bool {
	switch res.StatusCode {
	case http.StatusUnauthorized:
		cred, is := b.client.cred.(*credential)
		return is && !challenged(res.Header) && cred.forget()
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		b.mu.Lock()
		defer b.mu.Unlock()
		b.off = true
		return true
	}
	return slices.Contains([]int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType}, res.StatusCode)
}

// readBatch reads the answers of a batch by their ids. One without a status, and
// one whose id stands twice, is none.
func readBatch(body []byte) (map[string]answerInBatch, error) {
	var in struct {
		Responses *[]answerInBatch `json:"responses"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, fmt.Errorf("the answer to the batch is no sound JSON: %w", err)
	}
	if in.Responses == nil {
		return nil, errors.New("the answer to the batch holds no answers")
	}
	out, times := map[string]answerInBatch{}, map[string]int{}
	for _, a := range *in.Responses {
		out[a.ID] = a
		times[a.ID]++
	}
	maps.DeleteFunc(out, func(id string, a answerInBatch) bool { return times[id] > 1 || a.Status < 100 || a.Status > 599 })
	return out, nil
}

// response is the answer as it would have come alone; its time is that of the
// batch.
func (a answerInBatch) response(outer *http.Response) *http.Response {
	h := http.Header{"Date": outer.Header.Values("Date")}
	for name, raw := range a.Headers {
		value := string(raw)
		var text string
		if json.Unmarshal(raw, &text) == nil {
			value = text
		}
		h.Set(name, value)
	}
	h.Del("Content-Encoding") // undone already
	body := a.Body
	kind, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	if string(body) == "null" && kind == "" { // so a batch writes that there is none
		body = nil
	}
	switch {
	case len(body) == 0:
	case body[0] == '"', string(body) == "null" && !strings.HasSuffix(kind, "json"):
		var text string
		_ = json.Unmarshal(body, &text) // it is one
		body = []byte(text)
		if decoded, err := base64.StdEncoding.DecodeString(text); err == nil {
			body = decoded
		}
	case kind == "":
		h.Set("Content-Type", "application/json")
	}
	return &http.Response{StatusCode: a.Status, Header: h, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body))}
}
