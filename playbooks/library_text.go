package playbooks

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// textFunctions work on text. Positions and lengths count characters.
func textFunctions() map[string]function {
	text, whole, yes := StringType(), IntegerType(), BooleanType()
	change := func(doc, example string, f func(string) string) function {
		return function{params: []Type{text}, result: text, doc: doc, example: example, eval: onText(f)}
	}
	pair := func(result Type, doc, example string, f func(s, t string) any) function {
		return function{params: []Type{text, text}, result: result, doc: doc, example: example, eval: onTwoTexts(f)}
	}
	return map[string]function{
		"lower": change("The text in small letters.", `lower(file.name)`, strings.ToLower),
		"upper": change("The text in capital letters.", `upper("de")`, strings.ToUpper),
		"trim": {
			params: []Type{text, text}, min: 1, result: text, doc: "The text without blanks, or without these characters, at both ends.",
			example: `trim(" x ")`, eval: evalTrim,
		},
		"trimPrefix": pair(text, "The text without this beginning.", `trimPrefix(file.path, "/sites/")`, func(s, t string) any { return strings.TrimPrefix(s, t) }),
		"trimSuffix": pair(text, "The text without this end.", `trimSuffix(file.name, ".xlsx")`, func(s, t string) any { return strings.TrimSuffix(s, t) }),
		"hasPrefix":  pair(yes, "Whether the text begins so; as startsWith.", `hasPrefix(file.path, "/sites/hr")`, func(s, t string) any { return strings.HasPrefix(s, t) }),
		"hasSuffix":  pair(yes, "Whether the text ends so; as endsWith.", `hasSuffix(file.name, ".pst")`, func(s, t string) any { return strings.HasSuffix(s, t) }),
		"indexOf": pair(whole, "The position, from 0, where a part begins first, or -1.", `indexOf("a-b-c", "-")`, func(s, t string) any {
			return characters(s, strings.Index(s, t))
		}),
		"lastIndexOf": pair(whole, "The position, from 0, where a part begins last, or -1.", `lastIndexOf("a-b-c", "-")`, func(s, t string) any {
			return characters(s, strings.LastIndex(s, t))
		}),
		"split": {
			params: []Type{text, text}, result: ListOf(text), doc: "The parts between separators.",
			example: `split("a,b", ",")`, eval: evalSplit,
		},
		"join": {
			params: []Type{ListOf(text), text}, min: 1, result: text, doc: "The texts of a list, with a separator between them.",
			example: `join(incident.tags, ", ")`, eval: evalJoin,
		},
		"replace": {
			params: []Type{text, text, text}, result: text, doc: "The text with each old part replaced by the new one.",
			example: `replace("a b", " ", "_")`, eval: evalReplace,
		},
		"repeat": {
			params: []Type{text, whole}, result: text, doc: "The text so many times.",
			example: `repeat("-", 20)`, eval: evalRepeat,
		},
		"string": {
			min: 1, max: 1, sign: "(scalar) string", doc: "A number, boolean, time or duration as text; times in UTC by RFC 3339.",
			example: "string(42)", infer: inferString, eval: evalString,
		},
		"toJSON": {
			params: []Type{AnyType()}, result: text, doc: "Any value as JSON, keys in order.",
			example: "toJSON(permissions)", eval: evalToJSON,
		},
	}
}

// characters is a byte position as one of characters.
func characters(s string, at int) int {
	if at < 0 {
		return -1
	}
	return utf8.RuneCountInString(s[:at])
}

func onText(f func(string) string) evaluator {
	return func(b *budget, args []any) (any, error) {
		s, err := textArgument(args, 0)
		if err != nil {
			return nil, err
		}
		// Changing case may make a character longer.
		if err := b.text(len(s) + len(s)/2); err != nil {
			return nil, err
		}
		return f(s), nil
	}
}

func onTwoTexts(f func(s, t string) any) evaluator {
	return func(b *budget, args []any) (any, error) {
		s, t, err := b.twoTexts(args)
		if err != nil {
			return nil, err
		}
		return f(s, t), nil
	}
}

func (b *budget) twoTexts(args []any) (s, t string, err error) {
	if s, err = textArgument(args, 0); err != nil {
		return "", "", err
	}
	if t, err = textArgument(args, 1); err != nil {
		return "", "", err
	}
	return s, t, b.read(len(s) + len(t))
}

func evalTrim(b *budget, args []any) (any, error) {
	if len(args) == 1 {
		s, err := textArgument(args, 0)
		if err != nil {
			return nil, err
		}
		return strings.TrimSpace(s), b.read(len(s))
	}
	s, cut, err := b.twoTexts(args)
	if err != nil {
		return nil, err
	}
	return strings.Trim(s, cut), b.read(times(len(s), min(len(cut), 64)))
}

func evalSplit(b *budget, args []any) (any, error) {
	s, sep, err := b.twoTexts(args)
	if err != nil {
		return nil, err
	}
	n := strings.Count(s, sep) + 1
	if err := b.list(n); err != nil {
		return nil, err
	}
	if err := b.build(times(n, 32)); err != nil {
		return nil, err
	}
	out := make([]any, 0, n)
	for part := range strings.SplitSeq(s, sep) {
		out = append(out, part)
	}
	return out, nil
}

func evalJoin(b *budget, args []any) (any, error) {
	items, err := listArgument(args, 0)
	if err != nil {
		return nil, err
	}
	sep := ""
	if len(args) > 1 {
		if sep, err = textArgument(args, 1); err != nil {
			return nil, err
		}
	}
	if err := b.list(len(items)); err != nil {
		return nil, err
	}
	total, parts := 0, make([]string, len(items))
	for i := range items {
		if parts[i], err = textArgument(items, i); err != nil {
			return nil, err
		}
		total += len(parts[i]) + len(sep)
	}
	if err := b.text(total); err != nil {
		return nil, err
	}
	return strings.Join(parts, sep), nil
}

func evalReplace(b *budget, args []any) (any, error) {
	s, old, err := b.twoTexts(args)
	if err != nil {
		return nil, err
	}
	with, err := textArgument(args, 2)
	if err != nil {
		return nil, err
	}
	if err := b.text(len(s) + times(strings.Count(s, old), len(with))); err != nil {
		return nil, err
	}
	return strings.ReplaceAll(s, old, with), nil
}

func evalRepeat(b *budget, args []any) (any, error) {
	s, err := textArgument(args, 0)
	if err != nil {
		return nil, err
	}
	n, ok := args[1].(int)
	if !ok || n < 0 {
		return nil, fmt.Errorf("repeat needs a whole number from 0, not %s", describe(args[1]))
	}
	if err := b.text(times(len(s), n)); err != nil {
		return nil, err
	}
	if s == "" {
		return "", nil
	}
	return strings.Repeat(s, n), nil
}

func inferString(c *checker, k call, f flow) Type {
	t := c.present(k.args[0], c.infer(k.args[0], f))
	if !t.IsScalar() && t.kind != kindAny && t.kind != kindBroken {
		c.report(k.args[0], "E308", fmt.Sprintf("string takes text, numbers, booleans, times and durations, not %s", t.widen()),
			"toJSON(x) writes any value; join(xs, \", \") a list of texts")
	}
	return StringType()
}

func evalString(b *budget, args []any) (any, error) {
	s, ok := ScalarText(args[0])
	if !ok {
		return nil, fmt.Errorf("%s is not one piece of text", describe(args[0]))
	}
	return s, b.text(len(s))
}

// ScalarText is a scalar as it stands inside text, and whether v is one: times
// in UTC by RFC 3339, durations as 4h0m0s.
func ScalarText(v any) (string, bool) {
	switch x := v.(type) {
	case string:
		return x, true
	case int:
		return strconv.Itoa(x), true
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64), true
	case bool:
		return strconv.FormatBool(x), true
	case time.Time:
		return x.UTC().Format(time.RFC3339), true
	case time.Duration:
		return x.String(), true
	}
	return "", false
}

func evalToJSON(b *budget, args []any) (any, error) {
	e := encoder{limit: maxText}
	err := e.value(args[0], nil, 0)
	if charge := b.text(len(e.out)); charge != nil {
		return nil, charge
	}
	if err != nil {
		return nil, err
	}
	return string(e.out), nil
}
