package incident

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// notJSON recognises what people and proxies take for JSON.
func notJSON(body []byte) string {
	trimmed := bytes.TrimSpace(body)
	switch {
	case bytes.HasPrefix(body, []byte("\xff\xfe")), bytes.HasPrefix(body, []byte("\xfe\xff")):
		return "the body is UTF-16, want UTF-8; save it as UTF-8 without BOM"
	case bytes.HasPrefix(body, []byte("\x1f\x8b")):
		return "the body is compressed with gzip, want JSON; unpack it first"
	case bytes.HasPrefix(trimmed, []byte("<")):
		return "line 1, column 1: the body is HTML or XML, want a JSON object; a sign-in page or a proxy may have answered"
	}
	return ""
}

// incidentFields tells an incident from what else the APIs send, and says what
// to do with that.
func incidentFields(root any) (map[string]any, error) {
	fields, ok := root.(map[string]any)
	if !ok {
		hint := ""
		if _, list := root.([]any); list {
			hint = "; give one incident of it"
		}
		return nil, fmt.Errorf("want one incident as JSON object, got %s%s", describe(root), hint)
	}
	kind, _ := fields["@odata.type"].(string)
	switch {
	case has(fields, "error") && !has(fields, "id"):
		failure, _ := fields["error"].(map[string]any)
		code, _ := failure["code"].(string)
		return nil, fmt.Errorf("this is an error answer of Graph (code %s), not an incident", quote(code))
	case has(fields, "value") && !has(fields, "id"):
		return nil, fmt.Errorf("this is a list answer: value holds %s; give one element of value", describe(fields["value"]))
	case has(fields, "properties") && !has(fields, "displayName"):
		return nil, errors.New("this is an Azure resource, such as a Sentinel incident; want an incident of the Graph security API")
	case strings.HasSuffix(kind, ".alert") || kind == "" && has(fields, "title") && has(fields, "incidentId"):
		of, _ := fields["incidentId"].(string)
		return nil, fmt.Errorf("this is an alert, not an incident; give its incident, which has the id %s", quote(of))
	case kind != "" && !strings.HasSuffix(kind, ".incident"):
		return nil, fmt.Errorf("@odata.type: want #microsoft.graph.security.incident, got %s", quote(kind))
	}
	switch id := fields["id"].(type) {
	case nil:
		return nil, errors.New("id: an incident has an id, this body has none")
	case string:
		if strings.TrimSpace(id) == "" {
			return nil, errors.New("id: the id of the incident is empty")
		}
	default:
		return nil, fmt.Errorf("id: want a text, got %s", describe(id))
	}
	if kind == "" && !slices.ContainsFunc(incidentProperties(), func(p string) bool { return has(fields, p) }) {
		return nil, fmt.Errorf("not an incident: of its properties (%s, …) this body has only id",
			strings.Join(incidentProperties(), ", "))
	}
	return fields, nil
}

// incidentProperties are those of which an incident has at least one.
func incidentProperties() []string {
	return []string{"displayName", "severity", "status", "createdDateTime", "lastUpdateDateTime", "incidentWebUrl", "alerts"}
}

func has(fields map[string]any, name string) bool {
	_, ok := fields[name]
	return ok
}

// withinLimits counts before anything is mapped.
func withinLimits(o *object) error {
	alerts, _ := o.fields["alerts"].([]any)
	evidence := 0
	for _, a := range alerts {
		fields, _ := a.(map[string]any)
		list, _ := fields["evidence"].([]any)
		evidence += len(list)
	}
	if len(alerts) > MaxAlerts || evidence > MaxEvidence {
		return fmt.Errorf("the incident has %d alerts with %d pieces of evidence, at most %d and %d are read; nothing was mapped",
			len(alerts), evidence, MaxAlerts, MaxEvidence)
	}
	return nil
}
