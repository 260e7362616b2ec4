package practicetest

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"

	"stanch/connectors/practice"
)

//go:embed testdata/graph-v1.0-subset.openapi.json
var subset []byte

// spec is the description of the served part of Graph v1.0, see
// testdata/SOURCES.txt.
var spec = sync.OnceValues(func() (*openapi3.T, error) { return openapi3.NewLoader().LoadFromData(subset) })

// described answers the path of the description and the operation that a call is,
// nil for a call of an API that none describes or one that met no route.
func described(x practice.Exchange) (string, *openapi3.Operation, error) {
	path := x.Request.URL.Path
	if x.Route == "" || strings.HasPrefix(path, "/api/") && !isFeed(x.Request.URL.Path) || strings.HasPrefix(path, "/v1/") || strings.Contains(path, "/_api/") {
		return "", nil, nil
	}
	doc, err := spec()
	if isAzure(x) {
		doc, err = azureSpec()
	} else if isFeed(x.Request.URL.Path) {
		doc, err = feedSpec()
	}
	if err != nil {
		return "", nil, err
	}
	for path, item := range doc.Paths.Map() {
		if !samePattern(path, x.Route) {
			continue
		}
		if op := item.GetOperation(x.Request.Method); op != nil {
			return path, op, nil
		}
	}
	return "", nil, fmt.Errorf("%s %s is not in the description of the API", x.Request.Method, x.Route)
}

func samePattern(a, b string) bool {
	left, right := strings.Split(strings.Trim(a, "/"), "/"), strings.Split(b, "/")
	if len(left) != len(right) {
		return false
	}
	for i := range left {
		if l, r := left[i][0] == '{', right[i][0] == '{'; l != r || !l && !strings.EqualFold(left[i], right[i]) {
			return false
		}
	}
	return true
}

// CheckRequest tells where a request that Graph, Sentinel or the activity feed has accepted breaks
// the description of its API: body missing, of the wrong shape, or not asked for.
func CheckRequest(x practice.Exchange) error {
	_, op, err := described(x)
	if op == nil {
		return err
	}
	if isAzure(x) || isFeed(x.Request.URL.Path) {
		if err := checkQuery(op, "request of "+x.Route, x.Request.URL.Query()); err != nil {
			return err
		}
	}
	if isFeed(x.Request.URL.Path) && op.RequestBody != nil && !op.RequestBody.Value.Required && len(x.RequestBody) == 0 {
		return nil
	}
	if op.RequestBody == nil {
		if len(x.RequestBody) > 0 && string(x.RequestBody) != "{}" {
			return fmt.Errorf("%s %s takes no body, got %s", x.Request.Method, x.Route, x.RequestBody)
		}
		return nil
	}
	if kind := x.Request.Header.Get("Content-Type"); !strings.HasPrefix(kind, "application/json") {
		return fmt.Errorf("%s %s: Content-Type is %q", x.Request.Method, x.Route, kind)
	}
	return visit(op.RequestBody.Value.Content["application/json"], x.RequestBody, "request of "+x.Route)
}

// CheckResponse tells where an answer breaks the description of Graph or
// Sentinel: a status that is not described, a body of the wrong shape, or a property that
// the API does not have.
func CheckResponse(x practice.Exchange) error {
	_, op, err := described(x)
	if op == nil {
		return err
	}
	where := fmt.Sprintf("answer %d of %s %s", x.Status, x.Request.Method, x.Route)
	answer := answerOf(op, x.Status)
	if answer == nil && x.Status == http.StatusNotModified {
		return nil
	}
	if answer == nil {
		return errors.New(where + ": the status is not described")
	}
	for name := range answer.Value.Headers {
		if x.Header.Get(name) == "" {
			return fmt.Errorf("%s: header %s is missing", where, name)
		}
	}
	content := answer.Value.Content
	if content == nil {
		if len(x.Body) > 0 {
			return fmt.Errorf("%s: a body that is not described: %s", where, x.Body)
		}
		return nil
	}
	if content["text/plain"] != nil {
		return nil
	}
	return visit(content["application/json"], x.Body, where)
}

// answerOf is the description of an answer of a status, nil where there is none.
func answerOf(op *openapi3.Operation, status int) *openapi3.ResponseRef {
	answer := op.Responses.Status(status)
	if answer == nil {
		answer = op.Responses.Value(fmt.Sprintf("%dXX", status/100))
	}
	if answer == nil && status >= http.StatusBadRequest {
		answer = op.Responses.Default()
	}
	return answer
}

func visit(media *openapi3.MediaType, body []byte, where string) error {
	if media == nil {
		return fmt.Errorf("%s: no JSON is described", where)
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	v = present(v)
	if err := media.Schema.Value.VisitJSON(v, openapi3.MultiErrors()); err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	if err := strangers(media.Schema.Value, v, ""); err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	return nil
}

// present is v without what is null: the services send null for complex
// properties too, which a $ref of OpenAPI 3.0 cannot allow.
func present(v any) any {
	switch v := v.(type) {
	case []any:
		for i, in := range v {
			v[i] = present(in)
		}
	case map[string]any:
		for k, in := range v {
			if in == nil {
				delete(v, k)
			} else {
				v[k] = present(in)
			}
		}
	}
	return v
}

// strangers finds properties that the schema does not know, which JSON schema
// alone lets pass. What has a discriminator, such as evidence, is judged by it.
func strangers(s *openapi3.Schema, v any, at string) error {
	switch v := v.(type) {
	case []any:
		for i, in := range v {
			if s.Items == nil {
				continue
			}
			if err := strangers(s.Items.Value, in, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	case map[string]any:
		if name, of := derived(s, v); of != nil {
			if s = of; s.VisitJSON(v) != nil {
				return fmt.Errorf("%s: %s: %w", at, name, s.VisitJSON(v))
			}
		}
		known, open := properties(s)
		for key, in := range v {
			p := known[key]
			if p == nil && !open && !strings.HasPrefix(key, "@odata.") {
				return fmt.Errorf("%s.%s is no property", at, key)
			}
			if p != nil {
				if err := strangers(p.Value, in, at+"."+key); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// derived answers the type that a value says to be of, nil where the schema has no
// such.
func derived(s *openapi3.Schema, v map[string]any) (string, *openapi3.Schema) {
	if s.Discriminator == nil {
		return "", nil
	}
	kind, _ := v[s.Discriminator.PropertyName].(string)
	to, is := s.Discriminator.Mapping[kind]
	if !is {
		return "", nil
	}
	doc, _ := spec()
	if s.Discriminator.PropertyName != "@odata.type" {
		doc, _ = azureSpec()
	}
	name := strings.TrimPrefix(to.Ref, components)
	return name, doc.Components.Schemas[name].Value
}

// components is where a description keeps its types.
const components = "#/components/schemas/"

// properties collects what a schema and those it extends know; open tells that
// others are welcome.
func properties(s *openapi3.Schema) (known map[string]*openapi3.SchemaRef, open bool) {
	known = map[string]*openapi3.SchemaRef{}
	maps.Copy(known, s.Properties)
	open = s.AdditionalProperties.Has != nil && *s.AdditionalProperties.Has || s.AdditionalProperties.Schema != nil || s.Type == nil && len(s.AllOf) == 0
	for _, base := range s.AllOf {
		more, o := properties(base.Value)
		maps.Copy(known, more)
		open = open || o
	}
	return known, open
}
