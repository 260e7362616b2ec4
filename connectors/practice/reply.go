package practice

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"
)

// object is a JSON object.
type object = map[string]any

// reply is what a handler answers; body is marshalled unless it is bytes.
type reply struct {
	status int
	header http.Header
	body   any
}

func ok(body any) reply      { return reply{status: http.StatusOK, body: body} }
func created(body any) reply { return reply{status: http.StatusCreated, body: body} }
func noContent() reply       { return reply{status: http.StatusNoContent} }

func (r reply) with(name, value string) reply {
	h := r.header.Clone()
	if h == nil {
		h = http.Header{}
	}
	h.Set(name, value)
	r.header = h
	return r
}

// failure is an answer that is an error of the protocol.
type failure struct {
	status        int
	code, message string
	header        http.Header
	inner         object // of Log Analytics: innererror
}

func (f *failure) Error() string { return f.code + ": " + f.message }

func fail(status int, code, format string, args ...any) *failure {
	return &failure{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) *failure {
	return fail(http.StatusBadRequest, "BadRequest", format, args...)
}

// stamp prints a time as Graph does.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.9999999Z") }

// errorReply dresses f as the error body of the API.
//
// SharePoint: {"odata.error":{code,message{lang,value}}}. Graph:
// {"error":{code,message,innerError{date,request-id,client-request-id}}}
// [graph-docs concepts/errors.md]; Defender: {"error":{code,message,target}}
// [defender-docs defender-endpoint/api/common-errors.md]; Azure Resource Manager:
// and the Activity API {"error":{code,message}} [azure-rest-api-specs, CloudError;
// office-365-management-activity-api-reference.md]; Log Analytics:
// {"error":{message,code,correlationId,innererror}} [azure-monitor
// logs/api/errors.md].
func (c *call) errorReply(f *failure) reply {
	body := object{"code": f.code, "message": f.message}
	switch c.api {
	case sharepoint:
		body["message"] = object{"lang": "en-US", "value": f.message}
		return reply{status: f.status, header: f.header, body: object{"odata.error": body}}
	case defender:
		body["target"] = c.id
	case azure, activityFeed:
	case logs:
		body["correlationId"] = c.id
		if f.inner != nil {
			body["innererror"] = f.inner
		}
	default:
		body["innerError"] = object{
			"date": c.now.UTC().Format("2006-01-02T15:04:05"), "request-id": c.id, "client-request-id": c.clientID,
		}
	}
	return reply{status: f.status, header: f.header, body: object{"error": body}}
}

// sent is an answer as it goes out.
type sent struct {
	status int
	header http.Header
	body   []byte
}

// encode settles the headers and bytes of r.
func (c *call) encode(r reply) sent {
	h := http.Header{}
	if r.header != nil {
		maps.Copy(h, r.header)
	}
	if c.api == azure {
		c.azureHeaders(h)
	} else {
		h.Set("request-id", c.id)
		h.Set("client-request-id", c.clientID)
	}
	h.Set("Date", c.now.UTC().Format(http.TimeFormat))
	h.Set("Cache-Control", "no-store")
	var body []byte
	switch b := r.body.(type) {
	case nil:
	case []byte:
		body = b
	default:
		var text bytes.Buffer
		e := json.NewEncoder(&text)
		e.SetEscapeHTML(false)
		if err := e.Encode(b); err != nil {
			r.status, body = http.StatusInternalServerError, []byte(`{"error":{"code":"generalException","message":"The practice tenant can't encode its answer."}}`)
			break
		}
		body = bytes.TrimSpace(text.Bytes())
	}
	if len(body) > 0 && h.Get("Content-Type") == "" {
		kind := "application/json; odata.metadata=minimal; odata.streaming=true; IEEE754Compatible=false; charset=utf-8"
		if c.api == azure || c.api == logs || c.api == activityFeed || strings.HasPrefix(c.r.URL.Path, "/_api/") {
			kind = "application/json; charset=utf-8"
		}
		h.Set("Content-Type", kind)
	}
	return sent{r.status, h, body}
}
