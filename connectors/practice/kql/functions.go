package kql

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

func floorOf(f float64) float64 { return math.Floor(f) }

func conversions() map[string]function {
	to := func(t Type) function {
		return function{"a", t, func(_ *run, a []any) any { return converted(a[0], t) }}
	}
	parsed := function{"a", Dynamic, func(r *run, a []any) any {
		if s, is := a[0].(string); is {
			if !r.built(len(s)) {
				return nil
			}
			return parseJSON(s)
		}
		return a[0]
	}}
	empty := func(not bool) function {
		return function{"a", Bool, func(_ *run, a []any) any { return (asText(a[0]) == "") != not }}
	}
	null := func(not bool) function {
		return function{"a", Bool, func(_ *run, a []any) any { return (a[0] == nil) != not }}
	}
	return map[string]function{
		"tostring": to(String), "toint": to(Int), "tolong": to(Long), "todouble": to(Real), "toreal": to(Real),
		"tobool": to(Bool), "toboolean": to(Bool), "todatetime": to(DateTime), "totimespan": to(TimeSpan), "toguid": to(GUID),
		"parse_json": parsed, "parsejson": parsed, "todynamic": parsed, "toobject": parsed,
		"isempty": empty(false), "isnotempty": empty(true), "notempty": empty(true),
		"isnull": null(false), "isnotnull": null(true), "notnull": null(true),
		"not": {"b", Bool, func(_ *run, a []any) any {
			v, is := a[0].(bool)
			if !is {
				return nil
			}
			return !v
		}},
		"gettype": {"a", String, func(_ *run, a []any) any { return typeOf(a[0]) }},
		"round": {"n.n", Real, func(_ *run, a []any) any {
			f, is := asReal(a[0]).(float64)
			places := 0.0
			if len(a) > 1 {
				places, _ = asReal(a[1]).(float64)
			}
			if !is || math.Abs(places) > 15 {
				return nil
			}
			p := math.Pow(10, math.Trunc(places))
			return math.Round(f*p) / p
		}},
		"hash_sha256": {"s", String, func(_ *run, a []any) any {
			h := sha256.Sum256([]byte(a[0].(string)))
			return hex.EncodeToString(h[:])
		}},
	}
}

func typeOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "bool"
	case int64:
		return "long"
	case float64:
		return "double"
	case string:
		return "string"
	case time.Time:
		return "datetime"
	case time.Duration:
		return "timespan"
	case []any:
		return "array"
	}
	return "dictionary"
}

func textFunctions() map[string]function {
	of := func(f func(string) string) function {
		return function{"s", String, func(_ *run, a []any) any { return f(a[0].(string)) }}
	}
	trim := func(cut func(s, what string) string) function {
		return function{"ss", String, func(_ *run, a []any) any { return cut(a[1].(string), a[0].(string)) }}
	}
	return map[string]function{
		"strcat":       {"a*", String, func(r *run, a []any) any { return joined(r, a, "") }},
		"strcat_delim": {"saa*", String, func(r *run, a []any) any { return joined(r, a[1:], a[0].(string)) }},
		"strcat_array": {"js", String, func(r *run, a []any) any {
			list, _ := a[0].([]any)
			return joined(r, list, a[1].(string))
		}},
		"tolower": of(strings.ToLower), "toupper": of(strings.ToUpper),
		"strlen":    {"s", Long, func(_ *run, a []any) any { return int64(utf8.RuneCountInString(a[0].(string))) }},
		"substring": {"sn.n", String, func(_ *run, a []any) any { return substring(a) }},
		"split":     {"ss.n", Dynamic, func(r *run, a []any) any { return split(r, a) }},
		"replace_string": {"sss", String, func(r *run, a []any) any {
			s, old, by := a[0].(string), a[1].(string), a[2].(string)
			if old == "" || !r.built(len(s)+strings.Count(s, old)*len(by)) {
				return s
			}
			return strings.ReplaceAll(s, old, by)
		}},
		"indexof": {"ss", Long, func(_ *run, a []any) any {
			i := strings.Index(a[0].(string), a[1].(string))
			if i > 0 {
				i = utf8.RuneCountInString(a[0].(string)[:i])
			}
			return int64(i)
		}},
		"countof": {"ss", Long, func(_ *run, a []any) any {
			if a[1] == "" {
				return int64(0)
			}
			return int64(strings.Count(a[0].(string), a[1].(string)))
		}},
		"trim": trim(trimText), "trim_start": trim(strings.TrimPrefix), "trim_end": trim(strings.TrimSuffix),
		"url_decode": of(func(s string) string {
			if out, err := url.QueryUnescape(s); err == nil {
				return out
			}
			return s
		}),
		"url_encode": of(url.PathEscape),
		"base64_decode_tostring": of(func(s string) string {
			out, err := base64.StdEncoding.DecodeString(s)
			if err != nil || !utf8.Valid(out) {
				return ""
			}
			return string(out)
		}),
		"base64_encode_tostring": of(func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }),
	}
}

// trimText cuts what from both ends once; Kusto takes a regular expression
// there, of which only plain texts are understood.
func trimText(s, what string) string { return strings.TrimSuffix(strings.TrimPrefix(s, what), what) }

func joined(r *run, values []any, by string) string {
	n := 0
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = asText(v)
		n += len(texts[i]) + len(by)
	}
	if n > 4<<20 || !r.spend(n/64) { // built is told of by the caller
		r.bytes = -1
		return ""
	}
	return strings.Join(texts, by)
}

func substring(a []any) any {
	runes := []rune(a[0].(string))
	at, _ := asLong(a[1]).(int64)
	if at < 0 {
		at = max(0, at+int64(len(runes)))
	}
	at = min(at, int64(len(runes)))
	n := int64(len(runes)) - at
	if len(a) > 2 {
		want, _ := asLong(a[2]).(int64)
		n = max(0, min(n, want))
	}
	return string(runes[at : at+n])
}

func split(r *run, a []any) any {
	s, by := a[0].(string), a[1].(string)
	if !r.built(len(s) + 16*strings.Count(s, by)) {
		return nil
	}
	parts := []string{s}
	if by != "" {
		parts = strings.Split(s, by)
	}
	out := make([]any, len(parts))
	for i := range parts {
		out[i] = parts[i]
	}
	if len(a) > 2 {
		n, _ := asLong(a[2]).(int64)
		if n < 0 || n >= int64(len(out)) {
			return []any{}
		}
		return out[n : n+1]
	}
	return out
}

func timeFunctions() map[string]function {
	starts := func(f func(time.Time) time.Time) function {
		return function{"t", DateTime, func(_ *run, a []any) any {
			t, is := a[0].(time.Time)
			if !is {
				return nil
			}
			return inRange(f(t.UTC()))
		}}
	}
	day := func(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC) }
	part := func(f func(time.Time) int) function {
		return function{"t", Int, func(_ *run, a []any) any {
			t, is := a[0].(time.Time)
			if !is {
				return nil
			}
			return int64(f(t.UTC()))
		}}
	}
	return map[string]function{
		"now": {".d", DateTime, func(r *run, a []any) any {
			if len(a) == 0 {
				return r.o.Now.UTC()
			}
			return shifted(r.o.Now.UTC(), a[0], 1)
		}},
		"ago":          {"d", DateTime, func(r *run, a []any) any { return shifted(r.o.Now.UTC(), a[0], -1) }},
		"startofday":   starts(day),
		"startofmonth": starts(func(t time.Time) time.Time { return day(t).AddDate(0, 0, 1-t.Day()) }),
		"startofweek":  starts(func(t time.Time) time.Time { return day(t).AddDate(0, 0, -int(t.Weekday())) }),
		"startofyear":  starts(func(t time.Time) time.Time { return day(t).AddDate(0, 0, 1-t.YearDay()) }),
		"endofday":     starts(func(t time.Time) time.Time { return day(t).AddDate(0, 0, 1).Add(-100) }),
		"hourofday":    part(time.Time.Hour), "dayofmonth": part(time.Time.Day), "dayofyear": part(time.Time.YearDay),
		"monthofyear": part(func(t time.Time) int { return int(t.Month()) }), "getyear": part(time.Time.Year),
		"dayofweek": {"t", TimeSpan, func(_ *run, a []any) any {
			t, is := a[0].(time.Time)
			if !is {
				return nil
			}
			return time.Duration(t.UTC().Weekday()) * 24 * time.Hour
		}},
		"datetime_diff": {"stt", Long, func(_ *run, a []any) any { return difference(a) }},
		"format_datetime": {"ts", String, func(_ *run, a []any) any {
			t, is := a[0].(time.Time)
			if !is {
				return ""
			}
			return t.UTC().Format(strings.NewReplacer("yyyy", "2006", "MM", "01", "dd", "02", "HH", "15", "mm", "04", "ss", "05").Replace(a[1].(string)))
		}},
	}
}

// difference is how many boundaries of the unit lie between two times.
func difference(a []any) any {
	x, is := a[1].(time.Time)
	y, too := a[2].(time.Time)
	if !is || !too {
		return nil
	}
	x, y = x.UTC(), y.UTC()
	months := int64(x.Year()-y.Year())*12 + int64(x.Month()) - int64(y.Month())
	unit := map[string]time.Duration{
		"week": 7 * 24 * time.Hour, "day": 24 * time.Hour, "hour": time.Hour, "minute": time.Minute, "second": time.Second, "millisecond": time.Millisecond,
	}[strings.ToLower(a[0].(string))]
	switch strings.ToLower(a[0].(string)) {
	case "year":
		return int64(x.Year() - y.Year())
	case "quarter":
		return int64(x.Year()-y.Year())*4 + int64(x.Month()-1)/3 - int64(y.Month()-1)/3
	case "month":
		return months
	}
	if unit == 0 {
		return nil
	}
	return int64(x.Truncate(unit).Sub(y.Truncate(unit)) / unit)
}

func dynamicFunctions() map[string]function {
	pack := function{"sa*", Dynamic, func(r *run, a []any) any {
		if !r.light(a) {
			return nil
		}
		out := map[string]any{}
		for i := 0; i+1 < len(a); i += 2 {
			out[asText(a[i])] = a[i+1]
		}
		return out
	}}
	return map[string]function{
		"pack": pack, "bag_pack": pack, "pack_dictionary": pack,
		"pack_array": {"a*", Dynamic, func(r *run, a []any) any {
			if !r.light(a) {
				return nil
			}
			return slices.Clone(a)
		}},
		"array_length": {"j", Long, func(_ *run, a []any) any {
			list, is := a[0].([]any)
			if !is {
				return nil
			}
			return int64(len(list))
		}},
		"bag_keys": {"j", Dynamic, func(_ *run, a []any) any {
			m, is := a[0].(map[string]any)
			if !is {
				return nil
			}
			out := []any{}
			for _, k := range slices.Sorted(maps.Keys(m)) {
				out = append(out, k)
			}
			return out
		}},
		"set_has_element": {"ja", Bool, func(r *run, a []any) any {
			list, is := a[0].([]any)
			if !is || !r.spend(len(list)) {
				return nil
			}
			want := r.key(a[1])
			return slices.ContainsFunc(list, func(v any) bool { return r.key(v) == want })
		}},
		"array_concat": {"jj*", Dynamic, func(r *run, a []any) any {
			out := []any{}
			for _, l := range a {
				list, _ := l.([]any)
				if !r.built(16 * len(list)) {
					return nil
				}
				out = append(out, list...)
			}
			return out
		}},
	}
}
