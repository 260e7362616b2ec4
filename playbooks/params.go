package playbooks

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// enumerated is the param's type with its enum in it.
func (p Param) enumerated() Type {
	if p.Type.kind != kindString || len(p.Enum) == 0 {
		return p.Type
	}
	values := make([]string, 0, len(p.Enum))
	for _, v := range p.Enum {
		if s, ok := v.(string); ok {
			values = append(values, s)
		}
	}
	return EnumOf("", values...)
}

// fault says what is wrong with a value of the param's type.
func (p Param) fault(v any) error {
	if n, ok := asNumber(v); ok {
		switch {
		case p.Minimum != nil && n < *p.Minimum:
			return fmt.Errorf("is %v; the least is %v", v, *p.Minimum)
		case p.Maximum != nil && n > *p.Maximum:
			return fmt.Errorf("is %v; the most is %v", v, *p.Maximum)
		}
	}
	if len(p.Enum) > 0 && !slices.ContainsFunc(p.Enum, func(e any) bool { return e == v }) {
		known := make([]string, len(p.Enum))
		for i, e := range p.Enum {
			known[i], _ = printed(e)
		}
		return fmt.Errorf("is not one of %s", strings.Join(known, ", "))
	}
	return nil
}

func asNumber(v any) (float64, bool) {
	switch x := v.(type) {
	case int:
		return float64(x), true
	case float64:
		return x, true
	}
	return 0, false
}

// BindParams makes the params of a run from texts, as the command line gives
// them, with defaults for those not given. A list is written as YAML,
// [a, b], or as a, b. The error names everything that is wrong.
func (p *Playbook) BindParams(given map[string]string) (map[string]any, error) {
	values, faults := map[string]any{}, []error{}
	names := []string{}
	for _, q := range p.Params {
		names = append(names, q.Name)
		text, ok := given[q.Name]
		switch {
		case ok:
			v, err := q.read(text)
			if err != nil {
				faults = append(faults, fmt.Errorf("param %s %w", q.Name, err))
			}
			values[q.Name] = v
		case q.Required:
			faults = append(faults, fmt.Errorf("param %s is missing; give it as --param %s=VALUE (%s)", q.Name, q.Name, q.Type))
		default:
			values[q.Name] = q.Default
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if slices.Contains(names, name) {
			continue
		}
		near := suggest(name, names)
		if near == "" {
			near = "it has " + strings.Join(names, ", ")
			if len(names) == 0 {
				near = "it has none"
			}
		}
		faults = append(faults, fmt.Errorf("playbook %s has no param %s; %s", p.ID, name, near))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return values, nil
}

// read makes a value of text.
func (p Param) read(text string) (any, error) {
	if p.Type.IsList() && !strings.HasPrefix(strings.TrimSpace(text), "[") {
		text = "[" + text + "]"
	}
	node := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Value: text, Line: 1, Column: 1}
	if p.Type.IsList() || p.Type.numeric() || p.Type.kind == kindBoolean {
		doc, err := decodeDocument(strings.NewReader(text))
		if err != nil || len(doc.Content) == 0 {
			return nil, fmt.Errorf("is %s; expected %s", quoted(text), p.Type)
		}
		node = doc.Content[0]
	}
	r := &report{src: newFileText("", []byte(text))}
	if p.Type.IsList() && !isPlainTree(node, 0) {
		return nil, fmt.Errorf("is %s; expected %s", quoted(text), p.Type)
	}
	v, ok := r.constant(node, p.Type, "value")
	if !ok {
		return nil, errors.New(strings.TrimPrefix(strings.TrimPrefix(r.findings[0].Message, "value "), "value: "))
	}
	if d, isDuration := v.(time.Duration); isDuration && d < 0 {
		return nil, fmt.Errorf("is %s; a duration is not negative", text)
	}
	return v, p.fault(v)
}

// isPlainTree reports whether a tree holds neither aliases nor tags.
func isPlainTree(n *yaml.Node, depth int) bool {
	if depth > MaxDepth || n.Kind == yaml.AliasNode || n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 {
		return false
	}
	return !slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return !isPlainTree(c, depth+1) })
}

// DecodeParams reads back params as Encode wrote them.
func (p *Playbook) DecodeParams(raw json.RawMessage) (map[string]any, error) {
	v, err := p.paramsType().Decode(raw)
	if err != nil {
		return nil, fmt.Errorf("params: %w", err)
	}
	return v.(map[string]any), nil
}

// paramsType is what `params` is in expressions.
func (p *Playbook) paramsType() Type {
	fields := make([]TypeField, len(p.Params))
	for i, q := range p.Params {
		fields[i] = TypeField{Name: q.Name, Type: q.Type, Doc: q.Description}
	}
	return RecordOf("", fields...)
}
