// Package kusto writes queries in the Kusto Query Language with bound values and
// reads the tables that answer them.
//
// Values come from incidents, which attackers write. They are never part of a
// query's text: each becomes a `let` of its own before it, as a literal whose
// form leaves them nothing to say.
package kusto

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds of what is bound.
const (
	MaxQuery  = 128 << 10 // bytes of a query
	maxValue  = 256 << 10 // bytes of one value's literal
	maxValues = 64
)

// Types are the types that a bound value may be given.
func Types() []string {
	return []string{"string", "bool", "int", "long", "real", "datetime", "timespan", "guid", "dynamic"}
}

var nameForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

// reserved are words that are no names in a query.
func reserved(name string) bool {
	return slices.Contains([]string{
		"and", "or", "by", "on", "in", "has", "has_any", "has_all", "contains", "startswith", "endswith", "between", "matches", "let", "where", "project",
		"extend", "summarize", "join", "union", "print", "range", "datatable", "take", "limit", "top", "order", "sort", "count", "distinct", "render", "kind",
		"asc", "desc", "true", "false", "null", "not", "bool", "boolean", "int", "long", "real", "double", "string", "datetime", "date", "timespan", "time", "guid", "dynamic",
		"toscalar", "materialize", "missing", "with", "of", "to", "from", "step", "set", "declare", "alias", "restrict", "access", "pattern",
	}, name)
}

// Bind writes a query with values declared before it, on its first line, in
// order of their names. Values are those of JSON (json.Number for numbers);
// types says by name which type a value has that JSON cannot tell, such as
// datetime. Its errors name the value, and show none.
//
// Source: learn.microsoft.com/kusto/query/let-statement.
func Bind(query string, values map[string]any, types map[string]string) (string, error) {
	switch {
	case strings.TrimSpace(query) == "":
		return "", fmt.Errorf("query is empty")
	case len(query) > MaxQuery:
		return "", fmt.Errorf("query has %d bytes; expected at most %d", len(query), MaxQuery)
	case !utf8.ValidString(query) || strings.ContainsRune(query, 0):
		return "", fmt.Errorf("query is no text: it holds bytes that are no characters")
	case len(values) > maxValues:
		return "", fmt.Errorf("let has %d values; expected at most %d", len(values), maxValues)
	}
	for _, name := range slices.Sorted(maps.Keys(types)) {
		if _, is := values[name]; !is {
			return "", fmt.Errorf("types.%s: let has no such value", name)
		}
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !IsName(name) {
			return "", fmt.Errorf("let: %q is no name for a value; expected letters, digits and _, and no word of the language", shortened(name))
		}
		if !Mentions(query, name) {
			return "", fmt.Errorf("let.%s: the query does not use it", name)
		}
		text, err := Literal(values[name], types[name])
		if err != nil {
			return "", fmt.Errorf("let.%s: %w", name, err)
		}
		b.WriteString("let " + name + " = " + text + "; ")
	}
	if b.Len() == 0 {
		return query, nil
	}
	return b.String() + "\n" + query, nil
}

func shortened(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}

// IsName reports whether a value may be bound to a name: letters, digits and _, at
// most 64, and no word of the language.
func IsName(name string) bool { return nameForm.MatchString(name) && !reserved(name) }

// Mentions reports whether the name stands in the query as a word.
func Mentions(query, name string) bool {
	for from := 0; ; {
		i := strings.Index(query[from:], name)
		if i < 0 {
			return false
		}
		i += from
		before, _ := utf8.DecodeLastRuneInString(query[:i])
		behind, _ := utf8.DecodeRuneInString(query[i+len(name):])
		if !wordRune(before) && !wordRune(behind) {
			return true
		}
		from = i + len(name)
	}
}

func wordRune(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// Literal writes a value as a literal of a type; "" takes the type that the
// value's own follows: a text is a string, a whole number a long, another a
// real, a list or record a dynamic.
//
// Source: learn.microsoft.com/kusto/query/scalar-data-types.
func Literal(v any, typ string) (string, error) {
	if typ == "" {
		typ = typeOf(v)
	}
	if v == nil && typ != "string" && slices.Contains(Types(), typ) {
		return typ + "(null)", nil
	}
	text, err := literal(v, typ)
	if err == nil && len(text) > maxValue {
		err = fmt.Errorf("it has %d bytes; expected at most %d", len(text), maxValue)
	}
	if err != nil {
		return "", err
	}
	return text, nil
}

func typeOf(v any) string {
	switch v := v.(type) {
	case string:
		return "string"
	case bool:
		return "bool"
	case int, int64:
		return "long"
	case float64:
		return "real"
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return "real"
		}
		return "long"
	case time.Time:
		return "datetime"
	case time.Duration:
		return "timespan"
	}
	return "dynamic"
}

func literal(v any, typ string) (string, error) {
	text, isText := v.(string)
	switch typ {
	case "string":
		if !isText {
			break
		}
		return quoted(text), nil
	case "bool":
		if b, is := v.(bool); is {
			return strconv.FormatBool(b), nil
		}
	case "int", "long":
		if n, ok := integer(v); ok && (typ == "long" || int64(int32(n)) == n) {
			return typ + "(" + strconv.FormatInt(n, 10) + ")", nil
		}
	case "real":
		if f, ok := float(v); ok {
			return "real(" + strconv.FormatFloat(f, 'g', -1, 64) + ")", nil
		}
	case "datetime":
		if t, ok := timeOf(v); ok {
			return "datetime(" + t.Format("2006-01-02T15:04:05.0000000Z") + ")", nil
		}
	case "timespan":
		if d, ok := duration(v); ok {
			return "timespan(" + span(d) + ")", nil
		}
	case "guid":
		if isText && guidForm.MatchString(text) {
			return "guid(" + strings.ToLower(text) + ")", nil
		}
	case "dynamic":
		var b bytes.Buffer
		if err := json.NewEncoder(&b).Encode(v); err != nil { // with <, > and & escaped
			return "", fmt.Errorf("it cannot be written as JSON: %w", err)
		}
		return "dynamic(" + strings.TrimSpace(b.String()) + ")", nil
	default:
		return "", fmt.Errorf("the type %q is not known; expected one of %s", shortened(typ), strings.Join(Types(), ", "))
	}
	return "", fmt.Errorf("it is no %s; %s", typ, expected(typ))
}

var guidForm = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

func expected(typ string) string {
	return map[string]string{
		"string": "expected a text", "bool": "expected true or false", "int": "expected a whole number of 32 bits",
		"long": "expected a whole number of 64 bits", "real": "expected a finite number",
		"datetime": "expected a time such as 2026-11-20T07:38:51Z", "timespan": "expected a duration such as 1h30m or 30d", "guid": "expected a GUID",
	}[typ]
}

// quoted writes a text between quotes, with everything escaped that could end
// it, break its line or hide.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r <= 0xFFFF && r != ' ' && !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func integer(v any) (int64, bool) {
	switch v := v.(type) {
	case int:
		return int64(v), true
	case int64:
		return v, true
	case json.Number:
		n, err := strconv.ParseInt(v.String(), 10, 64)
		return n, err == nil
	case float64:
		return int64(v), v == math.Trunc(v) && math.Abs(v) < 1<<53
	}
	return 0, false
}

func float(v any) (float64, bool) {
	if n, is := v.(json.Number); is {
		f, err := strconv.ParseFloat(n.String(), 64)
		return f, err == nil && !math.IsInf(f, 0) && !math.IsNaN(f)
	}
	if f, is := v.(float64); is {
		return f, !math.IsInf(f, 0) && !math.IsNaN(f)
	}
	n, is := integer(v)
	return float64(n), is
}

func timeOf(v any) (time.Time, bool) {
	switch v := v.(type) {
	case time.Time:
		return v.UTC(), v.UTC().Year() >= 1 && v.UTC().Year() <= 9999
	case string:
		t, err := time.Parse(time.RFC3339Nano, v)
		return t.UTC(), err == nil && t.UTC().Year() >= 1 && t.UTC().Year() <= 9999
	}
	return time.Time{}, false
}

var days = regexp.MustCompile(`^(\d{1,5})d(.*)$`)

// duration reads 1h30m, 30d or 1d12h, as playbooks write them.
func duration(v any) (time.Duration, bool) {
	switch v := v.(type) {
	case time.Duration:
		return v, true
	case string:
		rest, whole := strings.TrimPrefix(v, "-"), time.Duration(0)
		if m := days.FindStringSubmatch(rest); m != nil {
			n, _ := strconv.Atoi(m[1])
			whole, rest = time.Duration(n)*24*time.Hour, m[2]
		}
		d := time.Duration(0)
		if rest != "" {
			var err error
			if d, err = time.ParseDuration(rest); err != nil || d < 0 {
				return 0, false
			}
		}
		if d += whole; strings.HasPrefix(v, "-") {
			d = -d
		}
		return d, v != "" && v != "-"
	}
	return 0, false
}

// span writes [-]d.hh:mm:ss.fffffff.
func span(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign = "-"
	}
	ticks := uint64(max(d, -d)) / 100
	seconds := ticks / 10_000_000
	return fmt.Sprintf("%s%d.%02d:%02d:%02d.%07d", sign, seconds/86400, seconds/3600%24, seconds/60%60, seconds%60, ticks%10_000_000)
}
