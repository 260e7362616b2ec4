package kql

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// key is the same for equal values and another for others.
func key(v any) string {
	switch v := v.(type) {
	case nil:
		return "-"
	case string:
		return "s" + v
	case time.Time:
		return "t" + strconv.FormatInt(v.UnixNano(), 36) + v.UTC().Format("2006")
	case int64:
		return "n" + strconv.FormatInt(v, 10)
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1e15 {
			return "n" + strconv.FormatInt(int64(v), 10)
		}
		return "n" + strconv.FormatFloat(v, 'g', -1, 64)
	case time.Duration:
		return "d" + strconv.FormatInt(int64(v), 36)
	case bool:
		return "b" + strconv.FormatBool(v)
	}
	return "j" + string(JSON(v))
}

// keyOf joins the keys of several values without ambiguity.
func keyOf(values []any) string {
	var b strings.Builder
	for _, v := range values {
		k := key(v)
		b.WriteString(strconv.Itoa(len(k)))
		b.WriteByte(':')
		b.WriteString(k)
	}
	return b.String()
}

// key is the key of a value, paid for.
func (r *run) key(v any) string {
	k := key(v)
	r.spend(len(k) / 64)
	return k
}

// keyOf is the key of several values, paid for.
func (r *run) keyOf(values []any) string {
	k := keyOf(values)
	r.spend(1 + len(k)/64)
	return k
}

// maxParts bounds how many values one dynamic holds. Values may share their
// parts, so that a short query could name more than any memory holds.
const maxParts = 1 << 20

// light reports whether a dynamic of these values would not be too large.
func (r *run) light(values []any) bool {
	n := weigh(values, maxParts)
	if !r.spend(n) || n > maxParts {
		r.bytes = -1
		return false
	}
	return true
}

// weigh counts the values in v, no further than most.
func weigh(v any, most int) int {
	n := 1
	switch v := v.(type) {
	case []any:
		for _, in := range v {
			if n > most {
				break
			}
			n += weigh(in, most-n)
		}
	case map[string]any:
		for _, in := range v {
			if n > most {
				break
			}
			n += weigh(in, most-n)
		}
	}
	return n
}
