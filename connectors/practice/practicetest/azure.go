package practicetest

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"

	"stanch/connectors/practice"
)

//go:embed testdata/sentinel-securityinsights-2024-09-01.swagger.json
var securityInsights []byte

// azureSpec is the description of the served part of Sentinel, see
// testdata/SOURCES.txt.
var azureSpec = sync.OnceValues(func() (*openapi3.T, error) {
	var doc openapi2.T
	if err := json.Unmarshal(securityInsights, &doc); err != nil {
		return nil, err
	}
	out, err := openapi2conv.ToV3(&doc)
	if err != nil {
		return nil, err
	}
	return out, specialize(out)
})

// specialize gives the discriminators of a Swagger document their mapping: the
// types that extend one name their value themselves.
func specialize(doc *openapi3.T) error {
	for name, s := range doc.Components.Schemas {
		value, is := s.Value.Extensions["x-ms-discriminator-value"].(string)
		if !is {
			continue
		}
		for _, base := range s.Value.AllOf {
			d := base.Value.Discriminator
			if d == nil {
				return fmt.Errorf("%s extends a type without discriminator", name)
			}
			if d.Mapping == nil {
				d.Mapping = map[string]openapi3.MappingRef{}
			}
			d.Mapping[value] = openapi3.MappingRef{Ref: "#/components/schemas/" + name}
		}
	}
	return nil
}

// isAzure reports whether the call is one of Azure Resource Manager.
func isAzure(x practice.Exchange) bool {
	return strings.HasPrefix(x.Request.URL.Path, "/subscriptions/")
}

// checkQuery tells which options of a call to Azure are not described, and
// which that it needs are missing.
func checkQuery(op *openapi3.Operation, at string, q url.Values) error {
	var known []string
	for _, p := range op.Parameters {
		if p.Value.In != "query" {
			continue
		}
		known = append(known, p.Value.Name)
		if p.Value.Required && q.Get(p.Value.Name) == "" {
			return fmt.Errorf("%s: the query option %s is missing", at, p.Value.Name)
		}
	}
	for name := range q {
		if !slices.Contains(known, name) {
			return fmt.Errorf("%s: the query option %s is not described", at, name)
		}
	}
	return nil
}

// AzureOperations are the calls that the description of Sentinel has, as
// method and path.
func AzureOperations() ([]string, error) {
	doc, err := azureSpec()
	if err != nil {
		return nil, err
	}
	var out []string
	for path, item := range doc.Paths.Map() {
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete} {
			if item.GetOperation(method) != nil {
				out = append(out, method+" "+path)
			}
		}
	}
	slices.Sort(out)
	return out, nil
}
