package incident

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// longText is the number of characters after which a text of raw evidence is
// replaced by its length and hash.
const longText = 256

// Raw is a JSON object as its source sent it. Its numbers are json.Number, so
// that long ids stay exact.
type Raw map[string]any

// UnmarshalJSON reads an object.
func (r *Raw) UnmarshalJSON(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	return dec.Decode((*map[string]any)(r))
}

// newRaw keeps the fields of evidence without bags and long texts, but for
// those in leave.
func newRaw(fields map[string]any, leave ...string) Raw {
	clean, _ := prune(fields).(map[string]any)
	for _, key := range leave {
		delete(clean, key)
	}
	return clean
}

// digest is a hash of the object's canonical form: compact, keys sorted.
func (r Raw) digest() string {
	b, _ := json.Marshal(map[string]any(r)) // parsed JSON can always be written again
	return hash(string(b))
}

// prune copies a JSON value, leaving out open bags, which may hold matched
// content, and what is long enough to be content.
func prune(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for key, value := range v {
			if strings.EqualFold(key, "additionalData") || strings.EqualFold(key, "customDetails") {
				continue
			}
			if utf8.RuneCountInString(key) > longText {
				key = "sha256:" + hash(key)
			}
			m[key] = prune(value)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = prune(v[i])
		}
		return list
	case string:
		if n := utf8.RuneCountInString(v); n > longText {
			return map[string]any{"length": json.Number(strconv.Itoa(n)), "sha256": hash(v)}
		}
	}
	return v
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// shorten cuts a text for a place where the whole is not needed.
func shorten(s string) string {
	if n := utf8.RuneCountInString(s); n > longText {
		return fmt.Sprintf("%s… (%d characters)", string([]rune(s)[:longText]), n)
	}
	return s
}

// quote shows a text of unknown origin in an error: short, and with anything
// that could steer a terminal escaped.
func quote(s string) string {
	const most = 40
	if utf8.RuneCountInString(s) > most {
		return fmt.Sprintf("%+q…", string([]rune(s)[:most]))
	}
	return fmt.Sprintf("%+q", s)
}
