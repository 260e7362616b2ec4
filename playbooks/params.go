package playbooks

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// enumerated is the param's type with its enum in it.
func (p Param) enumerated() Type {
	if p.item().kind != kindString || len(p.Enum) == 0 {
		return p.Type
	}
	values := make([]string, 0, len(p.Enum))
	for _, v := range p.Enum {
		if s, ok := v.(string); ok {
			values = append(values, s)
		}
	}
	if p.Type.IsList() {
		return ListOf(EnumOf("", values...))
	}
	return EnumOf("", values...)
}

// Fits says what is wrong with a plain value as the param's, or nil: its type,
// and every constraint. The error reads on from the param's name: "is 5; the
// least is 10".
func (p Param) Fits(v any) error {
	if v == nil {
		if p.Required {
			return fmt.Errorf("is missing; expected %s", p.Type)
		}
		return nil
	}
	raw, err := Encode(v)
	if err != nil {
		return fmt.Errorf("is no plain value: %w", err)
	}
	typed, err := p.Type.Decode(raw)
	if err != nil {
		return fmt.Errorf("does not fit: %w", err)
	}
	return p.fault(typed)
}

// fault says what is wrong with a value of the param's type.
func (p Param) fault(v any) error {
	items, isList := v.([]any)
	if !isList {
		return p.faultOfOne(v)
	}
	switch {
	case p.MinItems != nil && len(items) < *p.MinItems:
		return fmt.Errorf("has %d items; the least is %d", len(items), *p.MinItems)
	case p.MaxItems != nil && len(items) > *p.MaxItems:
		return fmt.Errorf("has %d items; the most is %d", len(items), *p.MaxItems)
	}
	seen := map[any]bool{}
	for i, item := range items {
		if err := p.faultOfOne(item); err != nil {
			return fmt.Errorf("has an item that does not fit: item %d %w", i+1, err)
		}
		if !p.Unique {
			continue
		}
		if seen[item] {
			text, _ := printed(item)
			return fmt.Errorf("has %s twice", text)
		}
		seen[item] = true
	}
	return nil
}

func (p Param) faultOfOne(v any) error {
	if n, ok := asNumber(v); ok {
		switch {
		case p.Minimum != nil && n < *p.Minimum:
			return fmt.Errorf("is %v; the least is %s", v, p.bound(*p.Minimum))
		case p.Maximum != nil && n > *p.Maximum:
			return fmt.Errorf("is %v; the most is %s", v, p.bound(*p.Maximum))
		}
	}
	if s, ok := v.(string); ok {
		if err := p.faultOfText(s); err != nil {
			return err
		}
	}
	if len(p.Enum) > 0 && !slices.Contains(p.Enum, v) {
		known := make([]string, len(p.Enum))
		for i, e := range p.Enum {
			known[i], _ = printed(e)
		}
		return fmt.Errorf("is not one of %s", strings.Join(known, ", "))
	}
	return nil
}

// bound prints a minimum or maximum in the unit of the param.
func (p Param) bound(n float64) string {
	if p.item().kind == kindDuration {
		return shortDuration(time.Duration(n))
	}
	return strconv.FormatFloat(n, 'f', -1, 64)
}

func (p Param) faultOfText(s string) error {
	length := utf8.RuneCountInString(s)
	switch {
	case p.MinLength != nil && length < *p.MinLength:
		return fmt.Errorf("has %d characters; the least is %d", length, *p.MinLength)
	case p.MaxLength != nil && length > *p.MaxLength, length > maxParamText:
		most := maxParamText
		if p.MaxLength != nil {
			most = *p.MaxLength
		}
		return fmt.Errorf("has %d characters; the most is %d", length, most)
	case p.Format != "" && !hasFormat(s, p.Format):
		return fmt.Errorf("is %q, which is no %s", shorten(s), p.Format)
	case p.Pattern != nil && !p.Pattern.MatchString(s):
		return fmt.Errorf("is %q, which does not match %s", shorten(s), p.Pattern)
	}
	return nil
}

var (
	guidPattern   = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	domainPattern = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)+$`)
	localPattern  = regexp.MustCompile(`^[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}$`)
)

// hasFormat reports whether a text is of one of ParamFormats.
func hasFormat(s, format string) bool {
	switch format {
	case "email", "upn":
		local, domain, cut := strings.Cut(s, "@")
		return cut && localPattern.MatchString(local) && hasFormat(domain, "domain")
	case "guid":
		return guidPattern.MatchString(s)
	case "domain":
		return len(s) <= 253 && domainPattern.MatchString(s)
	case "url":
		u, err := url.Parse(s)
		return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.User == nil
	case "kebab":
		return kebabPattern.MatchString(s)
	}
	return false
}

func asNumber(v any) (float64, bool) {
	switch x := v.(type) {
	case int:
		return float64(x), true
	case float64:
		return x, true
	case time.Duration:
		return float64(x), true
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
			v, err := q.Read(text)
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

// Read makes the param's value of a text, as a person writes it: a list as YAML,
// [a, b], or as a, b; an entity as JSON. The error reads on from the param's name.
func (p Param) Read(text string) (any, error) {
	p.Type = p.Type.Present()
	if p.item().IsRecord() {
		v, err := p.Type.Decode(json.RawMessage(text))
		if err != nil {
			return nil, fmt.Errorf("is JSON of %s: %w", p.Type, err)
		}
		return v, p.fault(v)
	}
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
	params := v.(map[string]any)
	for _, q := range p.Params {
		if err := q.fault(params[q.Name]); params[q.Name] != nil && err != nil {
			return nil, fmt.Errorf("param %s %w", q.Name, err)
		}
	}
	return params, nil
}

// paramsType is what `params` is in expressions.
func (p *Playbook) paramsType() Type {
	fields := make([]TypeField, len(p.Params))
	for i, q := range p.Params {
		fields[i] = TypeField{Name: q.Name, Type: q.Type, Doc: q.Description}
	}
	return RecordOf("", fields...)
}
