package sentinelrules

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Source is an automation rule as Sentinel's API or the export of its portal
// wrote it.
type Source struct {
	ID    string // its GUID, mostly
	title string
	order int
	rule  trigger
	does  []action
}

// Title is the rule's name as people see it.
func (s Source) Title() string { return s.title }

type trigger struct {
	Enabled    bool        `json:"isEnabled"`
	Expires    string      `json:"expirationTimeUtc"`
	On         string      `json:"triggersOn"`
	When       string      `json:"triggersWhen"`
	Conditions []condition `json:"conditions"`
}

type condition struct {
	Type  string          `json:"conditionType"`
	Parts json.RawMessage `json:"conditionProperties"`
}

type action struct {
	Order int             `json:"order"`
	Type  string          `json:"actionType"`
	Parts json.RawMessage `json:"actionConfiguration"`
}

// wire is a rule, or what holds rules: the answer of a list, or a template of
// Azure Resource Manager as the portal exports it.
type wire struct {
	Name      string            `json:"name"`
	Type      string            `json:"type"`
	Value     []json.RawMessage `json:"value"`
	Resources []json.RawMessage `json:"resources"`
	Rule      *struct {
		Title   string   `json:"displayName"`
		Order   int      `json:"order"`
		Trigger *trigger `json:"triggeringLogic"`
		Actions []action `json:"actions"`
	} `json:"properties"`
}

var guid = regexp.MustCompile(`(?i)[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}`)

// Read reads the automation rules of a text: one rule, the answer of a list, a
// JSON list of rules, or an exported template, of which other resources are left
// out.
//
// Source: azure-rest-api-specs, Microsoft.SecurityInsights 2024-09-01,
// AutomationRules.json.
func Read(text []byte) ([]Source, error) {
	text = bytes.TrimPrefix(bytes.TrimSpace(text), []byte("\ufeff"))
	if len(text) == 0 {
		return nil, errors.New("want automation rules as JSON, got nothing")
	}
	if text[0] == '[' {
		var list []json.RawMessage
		if err := decode(text, &list); err != nil {
			return nil, err
		}
		return each(list, "rule", false)
	}
	var w wire
	if err := decode(text, &w); err != nil {
		return nil, err
	}
	switch {
	case w.Value != nil:
		return each(w.Value, "value", false)
	case w.Resources != nil:
		return each(w.Resources, "resources", true)
	}
	one, err := w.source()
	if err != nil {
		return nil, err
	}
	return []Source{one}, nil
}

func each(list []json.RawMessage, name string, others bool) ([]Source, error) {
	all := []Source{}
	for i, raw := range list {
		var head struct {
			Type string `json:"type"`
		}
		if others && decode(raw, &head) == nil && !strings.HasSuffix(strings.ToLower(head.Type), "/automationrules") {
			continue
		}
		var w wire
		err := decode(raw, &w)
		if err == nil {
			var one Source
			if one, err = w.source(); err == nil {
				all = append(all, one)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", name, i, err)
		}
	}
	return all, nil
}

func (w wire) source() (Source, error) {
	switch {
	case w.Rule == nil:
		return Source{}, errors.New("properties: an automation rule has properties; this has none")
	case w.Rule.Trigger == nil:
		return Source{}, errors.New("properties.triggeringLogic: an automation rule says there what triggers it; this has none")
	}
	id := w.Name
	if found := guid.FindAllString(w.Name, -1); len(found) > 0 { // an exported one is an expression around it
		id = found[len(found)-1]
	}
	s := Source{ID: id, title: strings.TrimSpace(w.Rule.Title), order: w.Rule.Order, rule: *w.Rule.Trigger, does: w.Rule.Actions}
	if s.title == "" {
		s.title = id
	}
	if s.title == "" {
		return s, errors.New("properties.displayName: an automation rule has a name; this has none")
	}
	return s, nil
}

// decode reads JSON and tells in our words where it is another shape.
func decode(raw []byte, into any) error {
	err := json.Unmarshal(raw, into)
	if wrong, is := errors.AsType[*json.UnmarshalTypeError](err); is {
		at := wrong.Field
		if at == "" {
			at = "the text"
		}
		return fmt.Errorf("%s: a %s stands where an automation rule has %s", at, wrong.Value, wanted(wrong.Type.Kind().String()))
	}
	if err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	return nil
}

func wanted(kind string) string {
	switch kind {
	case "string":
		return "a text"
	case "int":
		return "a whole number"
	case "bool":
		return "true or false"
	case "slice":
		return "a list"
	}
	return "an object"
}
