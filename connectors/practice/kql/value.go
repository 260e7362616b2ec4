package kql

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

func spanOf(ns int64) time.Duration { return time.Duration(ns) }

// parseLiteral reads the inside of typ(…); nil for null.
func parseLiteral(typ Type, s string) (any, bool) {
	if s == "null" && typ != String {
		return nil, true
	}
	switch typ {
	case Bool:
		v := asBool(s)
		return v, v != nil
	case Int, Long:
		v, err := strconv.ParseInt(s, 0, 64)
		return v, err == nil && (typ == Long || int64(int32(v)) == v)
	case Real:
		if v, is := map[string]float64{"nan": math.NaN(), "+inf": math.Inf(1), "-inf": math.Inf(-1)}[s]; is {
			return v, true
		}
		v, err := strconv.ParseFloat(s, 64)
		return v, err == nil && !math.IsInf(v, 0) && !math.IsNaN(v)
	case DateTime:
		v := asTime(s)
		return v, v != nil
	case TimeSpan:
		v := asSpan(s)
		return v, v != nil
	case GUID:
		v := asGUID(s)
		return v, v != nil
	}
	return s, typ == String
}

// plain makes numbers of decoded JSON int64 where they are whole, else float64.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, err := v.Float64()
		if err != nil {
			return string(v)
		}
		return f
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	}
	return v
}

// parseJSON is parse_json: what is no JSON becomes a text.
func parseJSON(s string) any {
	if strings.TrimSpace(s) == "" {
		return nil
	}
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil || d.More() {
		return s
	}
	return plain(v)
}

const timeForm = "2006-01-02T15:04:05.0000000Z"

// asText is tostring.
func asText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		if v {
			return "true" // Kusto writes true, not True
		}
		return "false"
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		s := strconv.FormatFloat(v, 'g', -1, 64)
		if v == math.Trunc(v) && math.Abs(v) < 1e15 {
			s = strconv.FormatFloat(v, 'f', 1, 64)
		}
		return s
	case time.Time:
		return v.UTC().Format(timeForm)
	case time.Duration:
		return FormatSpan(v)
	}
	return string(JSON(v))
}

// JSON writes a value as the JSON of a dynamic.
func JSON(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(Plain(v)) != nil {
		return []byte("null")
	}
	return bytes.TrimSpace(b.Bytes())
}

// Plain makes a value one of JSON: times and timespans become texts, and so do
// numbers that are not finite.
func Plain(v any) any {
	switch v := v.(type) {
	case time.Time:
		return v.UTC().Format(timeForm)
	case time.Duration:
		return FormatSpan(v)
	case float64:
		switch {
		case math.IsNaN(v):
			return "NaN"
		case math.IsInf(v, 1):
			return "Infinity"
		case math.IsInf(v, -1):
			return "-Infinity"
		}
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = Plain(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			out[k] = Plain(v[k])
		}
		return out
	}
	return v
}

func asLong(v any) any {
	switch v := v.(type) {
	case int64:
		return v
	case bool:
		if v {
			return int64(1)
		}
		return int64(0)
	case float64:
		if math.IsNaN(v) || v >= 9.3e18 || v <= -9.3e18 {
			return nil
		}
		return int64(v)
	case string:
		s := strings.TrimSpace(v)
		if n, err := strconv.ParseInt(s, 0, 64); err == nil {
			return n
		}
		if f, err := strconv.ParseFloat(s, 64); err == nil && math.Abs(f) < 9.2e18 {
			return int64(f)
		}
	}
	return nil
}

func asInt(v any) any {
	n, is := asLong(v).(int64)
	if !is || int64(int32(n)) != n {
		return nil
	}
	return n
}

func asReal(v any) any {
	switch v := v.(type) {
	case float64:
		return v
	case int64:
		return float64(v)
	case bool:
		if v {
			return 1.0
		}
		return 0.0
	case string:
		if f, err := strconv.ParseFloat(strings.TrimSpace(v), 64); err == nil {
			return f
		}
	}
	return nil
}

func asBool(v any) any {
	switch v := v.(type) {
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		switch strings.ToLower(strings.TrimSpace(v)) {
		case "true", "1":
			return true
		case "false", "0":
			return false
		}
	}
	return nil
}

// asTime reads a time; without a zone it is UTC.
func asTime(v any) any {
	switch v := v.(type) {
	case time.Time:
		return v
	case string:
		s := strings.TrimSpace(v)
		for _, form := range []string{
			time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00",
			"2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02", "01/02/2006 15:04:05", "01/02/2006",
		} {
			if t, err := time.Parse(form, s); err == nil {
				return inRange(t.UTC())
			}
		}
	}
	return nil
}

// inRange is t, or null outside of the years that a datetime has.
func inRange(t time.Time) any {
	if y := t.Year(); y < 1 || y > 9999 {
		return nil
	}
	return t
}

func asGUID(v any) any {
	s, is := v.(string)
	s = strings.ToLower(strings.Trim(strings.TrimSpace(s), "{}"))
	if len(s) == 32 {
		s = s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
	}
	if !is || len(s) != 36 {
		return nil
	}
	for i := range len(s) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (s[i] == '-') || !dash && strings.IndexByte("0123456789abcdef", s[i]) < 0 {
			return nil
		}
	}
	return s
}

// converted is v as a value of typ, null where it is none.
func converted(v any, typ Type) any {
	switch typ {
	case Bool:
		return asBool(v)
	case Int:
		return asInt(v)
	case Long:
		return asLong(v)
	case Real:
		return asReal(v)
	case String:
		return asText(v)
	case DateTime:
		return asTime(v)
	case TimeSpan:
		return asSpan(v)
	case GUID:
		return asGUID(v)
	}
	return v
}

// compared orders two values of one type; false where they have no order.
func compared(a, b any) (int, bool) {
	switch a := a.(type) {
	case int64:
		if b, is := b.(int64); is {
			return cmp.Compare(a, b), true
		}
		if b, is := b.(float64); is {
			return cmp.Compare(float64(a), b), true
		}
	case float64:
		if b, is := asReal(b).(float64); is {
			return cmp.Compare(a, b), !math.IsNaN(a) && !math.IsNaN(b)
		}
	case string:
		if b, is := b.(string); is {
			return strings.Compare(a, b), true
		}
	case time.Time:
		if b, is := b.(time.Time); is {
			return a.Compare(b), true
		}
	case time.Duration:
		if b, is := b.(time.Duration); is {
			return cmp.Compare(a, b), true
		}
	case bool:
		if b, is := b.(bool); is {
			return cmp.Compare(asLong(a).(int64), asLong(b).(int64)), true
		}
	}
	return 0, false
}
