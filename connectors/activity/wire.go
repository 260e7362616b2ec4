package activity

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Records differ in form between workloads and years: a number may be a text, a
// lone value stand for a list. What a scalar is told by is read in any form; what
// is no scalar is an error, which is never shown.

var errForm = errors.New("another form")

// mostText bounds each text, in bytes.
const mostText = 4096

// text is a text, a number, a boolean or null.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	switch b[0] {
	case '{', '[':
		return errForm
	case '"':
		var s string
		if json.Unmarshal(b, &s) != nil {
			return errForm
		}
		*t = text(clipped(s))
	case 'n':
		*t = ""
	default:
		*t = text(clipped(string(b)))
	}
	return nil
}

func clipped(s string) string {
	n := min(len(s), mostText)
	for n > 0 && n < len(s) && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func lower(t text) string { return strings.ToLower(string(t)) }

// number is a whole number, perhaps in a text; nil where there is none.
type number struct{ *int64 }

func (n *number) UnmarshalJSON(b []byte) error {
	var t text
	if err := t.UnmarshalJSON(b); err != nil {
		return err
	}
	if v, err := strconv.ParseInt(strings.TrimSpace(string(t)), 10, 64); err == nil {
		n.int64 = &v
	}
	return nil
}

func (n number) value() int64 {
	if n.int64 == nil {
		return 0
	}
	return *n.int64
}

// flag is true or false, perhaps in a text; nil where it is neither.
type flag struct{ *bool }

func (f *flag) UnmarshalJSON(b []byte) error {
	var t text
	if err := t.UnmarshalJSON(b); err != nil {
		return err
	}
	if v, err := strconv.ParseBool(string(t)); err == nil {
		f.bool = &v
	}
	return nil
}

// moment is a time in UTC, which most records write without zone; zero where
// there is none.
type moment struct{ time.Time }

func (m *moment) UnmarshalJSON(b []byte) error {
	var t text
	if err := t.UnmarshalJSON(b); err != nil {
		return err
	}
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if v, err := time.Parse(form, string(t)); err == nil {
			if v = v.UTC(); v.Year() > 0 && v.Year() <= 9999 { // else JSON has no form for it
				m.Time = v
			}
			return nil
		}
	}
	return nil
}

// texts is a list of texts, or one in place of it.
type texts []string

func (l *texts) UnmarshalJSON(b []byte) error {
	var list []text
	if b[0] != '[' {
		var one text
		if err := one.UnmarshalJSON(b); err != nil {
			return err
		}
		list = []text{one}
	} else if json.Unmarshal(b, &list) != nil {
		return errForm
	}
	*l = nil
	for _, t := range list {
		if t != "" {
			*l = append(*l, string(t))
		}
	}
	return nil
}

// names are those of pairs of name and value; the values are not read.
type names []string

func (l *names) UnmarshalJSON(b []byte) error {
	var pairs []struct {
		Name text `json:"Name"`
	}
	if json.Unmarshal(b, &pairs) != nil {
		return errForm
	}
	*l = nil
	for _, p := range pairs {
		if p.Name != "" {
			*l = append(*l, string(p.Name))
		}
	}
	return nil
}
