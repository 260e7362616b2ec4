package incident

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxProblems is the number of problems that an error lists one by one.
const maxProblems = 20

// Problem is one value of a body that is not what its field holds.
type Problem struct {
	Path string // such as alerts[0].evidence[2].fileDetails.fileSize
	Text string // what was expected and what was there
}

// BodyError lists what is wrong with the values of an otherwise readable body.
type BodyError struct {
	Problems []Problem // the first twenty
	Count    int       // of all
}

func (e *BodyError) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(p.Path + ": " + p.Text)
	}
	if more := e.Count - len(e.Problems); more > 0 {
		fmt.Fprintf(&b, "; and %d more", more)
	}
	return b.String()
}

// report gathers the problems of one body, one per path.
type report struct {
	BodyError
	paths map[string]bool
}

func (r *report) add(path, format string, args ...any) {
	if r.paths[path] {
		return
	}
	if r.paths == nil {
		r.paths = map[string]bool{}
	}
	r.paths[path] = true
	if r.Count++; len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, Problem{path, fmt.Sprintf(format, args...)})
	}
}

func (r *report) err() error {
	if r.Count == 0 {
		return nil
	}
	return &r.BodyError
}

// object is a JSON object and its place in the body. Its methods read one
// property each: what is missing, null or empty is absent, what has the wrong
// type is reported. All of them may be called on nil, which has no properties.
type object struct {
	report *report
	fields map[string]any
	up     *object
	key    string
	index  int // in the list named key; -1 when key is no list
}

// path names the property key of o; "" is o itself.
func (o *object) path(key string) string {
	own := ""
	if o.up != nil {
		own = o.up.path(o.key)
		if o.index >= 0 {
			own += "[" + strconv.Itoa(o.index) + "]"
		}
	}
	if own == "" || key == "" {
		return own + key
	}
	return own + "." + key
}

func (o *object) wrong(key, want string, got any) {
	o.report.add(o.path(key), "want %s, got %s", want, describe(got))
}

func (o *object) value(key string) any {
	if o == nil {
		return nil
	}
	return o.fields[key]
}

// text reads a text. One of spaces only counts as empty.
func (o *object) text(key string) *string {
	switch v := o.value(key).(type) {
	case nil:
	case string:
		if strings.TrimSpace(v) != "" {
			return &v
		}
	default:
		o.wrong(key, "a text", v)
	}
	return nil
}

// word reads a text, "" when absent.
func (o *object) word(key string) string {
	if s := o.text(key); s != nil {
		return *s
	}
	return ""
}

// first reads the first property that is there.
func (o *object) first(keys ...string) *string {
	var found *string
	for _, key := range keys {
		if s := o.text(key); found == nil {
			found = s
		}
	}
	return found
}

// whole reads a whole number of 64 bits.
func (o *object) whole(key string) *int64 {
	switch v := o.value(key).(type) {
	case nil:
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return &n
		}
		o.wrong(key, "a whole number of at most 64 bits", v)
	default:
		o.wrong(key, "a whole number", v)
	}
	return nil
}

// digits reads a number that names something: its text, whatever its length.
func (o *object) digits(key string) *string {
	switch v := o.value(key).(type) {
	case nil:
	case json.Number:
		if !strings.ContainsAny(v.String(), ".eE") {
			return new(v.String())
		}
		o.wrong(key, "a whole number", v)
	default:
		o.wrong(key, "a whole number", v)
	}
	return nil
}

// when reads a date. Graph writes up to seven digits after the second; a date
// without zone is taken as UTC; year 1 is the way of .NET to say none.
func (o *object) when(key string) *time.Time {
	s := o.text(key)
	if s == nil {
		return nil
	}
	t, err := time.Parse(time.RFC3339Nano, *s)
	if err != nil {
		t, err = time.Parse("2006-01-02T15:04:05.999999999", *s)
	}
	t = t.UTC()
	switch {
	case err != nil || t.Year() > 9999:
		o.wrong(key, "a date such as 2026-03-01T09:30:00Z", *s)
		return nil
	case t.Year() <= 1:
		return nil
	}
	return &t
}

// list reads a list; {} stands for an empty one.
func (o *object) list(key string) []any {
	switch v := o.value(key).(type) {
	case nil:
	case []any:
		return v
	case string:
		if v != "" {
			o.wrong(key, "a list", v)
		}
	case map[string]any:
		if len(v) > 0 {
			o.wrong(key, "a list", v)
		}
	default:
		o.wrong(key, "a list", v)
	}
	return nil
}

// texts reads a list of texts, without the empty ones and repetitions.
func (o *object) texts(key string) []string {
	texts := []string{}
	seen := map[string]bool{}
	for i, v := range o.list(key) {
		switch v := v.(type) {
		case nil:
		case string:
			if strings.TrimSpace(v) != "" && !seen[v] {
				seen[v] = true
				texts = append(texts, v)
			}
		default:
			o.wrong(key+"["+strconv.Itoa(i)+"]", "a text", v)
		}
	}
	return texts
}

// object reads an object; nil when it is absent or empty.
func (o *object) object(key string) *object {
	switch v := o.value(key).(type) {
	case nil:
	case map[string]any:
		if len(v) > 0 {
			return &object{report: o.report, fields: v, up: o, key: key, index: -1}
		}
	case string:
		if v != "" {
			o.wrong(key, "an object", v)
		}
	case []any:
		if len(v) > 0 {
			o.wrong(key, "an object", v)
		}
	default:
		o.wrong(key, "an object", v)
	}
	return nil
}

// objects reads a list of objects, without the nulls.
func (o *object) objects(key string) []*object {
	var list []*object
	for i, v := range o.list(key) {
		switch v := v.(type) {
		case nil:
		case map[string]any:
			list = append(list, &object{report: o.report, fields: v, up: o, key: key, index: i})
		default:
			o.wrong(key+"["+strconv.Itoa(i)+"]", "an object", v)
		}
	}
	return list
}

// choice reads an enum, "unknown" when absent.
func choice[E enum](o *object, key string) E {
	if s := o.text(key); s != nil {
		return parseEnum[E](*s)
	}
	return "unknown"
}

// choiceOf reads an enum that may be absent.
func choiceOf[E enum](o *object, key string) *E {
	if s := o.text(key); s != nil {
		return new(parseEnum[E](*s))
	}
	return nil
}

// choices reads a list of enums.
func choices[E enum](o *object, key string) []E {
	list := []E{}
	for _, s := range o.texts(key) {
		list = append(list, parseEnum[E](s))
	}
	return list
}

// describe says what a JSON value is, for a person.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case string:
		return "the text " + quote(v)
	case json.Number:
		return "the number " + shorten(v.String())
	case []any:
		return fmt.Sprintf("a list of %d", len(v))
	case map[string]any:
		return fmt.Sprintf("an object of %d properties", len(v))
	}
	return fmt.Sprintf("%T", v)
}
