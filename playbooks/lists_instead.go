package playbooks

import (
	"fmt"

	"gopkg.in/yaml.v3"
)

// With is the list with other items, as a test gives them. A list that has only
// a name gets the type that its first item has.
func (l List) With(items []any) (List, error) {
	file := map[string]any{}
	if len(l.Source.Text) == 0 {
		file["name"], file["type"] = l.Name, typeSeen(items)
	} else if err := yaml.Unmarshal(l.Source.Text, &file); err != nil {
		return l, fmt.Errorf("list %s: %w", l.Name, err)
	}
	raw, err := Encode(items)
	if err != nil {
		return l, fmt.Errorf("list %s: %w", l.Name, err)
	}
	var given any
	if err := yaml.Unmarshal(raw, &given); err != nil { // JSON is YAML
		return l, fmt.Errorf("list %s: %w", l.Name, err)
	}
	file["items"] = given
	text, err := yaml.Marshal(file)
	if err != nil {
		return l, fmt.Errorf("list %s: %w", l.Name, err)
	}
	other, findings := LoadList(l.Source.File, text)
	for _, f := range findings {
		if f.Severity == SeverityError {
			return l, fmt.Errorf("list %s: %s", l.Name, f.Message)
		}
	}
	return other, nil
}

// typeSeen is the type of items, as a list's file writes it.
func typeSeen(items []any) any {
	if len(items) == 0 {
		return "string"
	}
	switch first := items[0].(type) {
	case int, int64:
		return "integer"
	case float64:
		return "number"
	case bool:
		return "boolean"
	case map[string]any:
		fields := map[string]any{}
		for name, v := range first {
			fields[name] = typeSeen([]any{v})
		}
		return fields
	}
	return "string"
}
