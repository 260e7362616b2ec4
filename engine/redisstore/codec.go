package redisstore

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"stanch/engine"
)

// errDamaged says that what is in Redis is not what this store writes.
var errDamaged = fmt.Errorf("%w: it cannot be read, somebody else may have written to it", engine.ErrDamaged)

// packFacts writes facts behind one another, each after its length.
func packFacts(facts [][]byte) string {
	if len(facts) == 0 {
		return ""
	}
	size := 0
	for _, f := range facts {
		size += len(f) + binary.MaxVarintLen32
	}
	b := make([]byte, 0, size)
	for _, f := range facts {
		b = binary.AppendUvarint(b, uint64(len(f)))
		b = append(b, f...)
	}
	return string(b)
}

// unpackFacts reads a field of facts: time, count, h or s, and the facts. n is
// the number of the first.
func unpackFacts(field string, n int64) ([]engine.Fact, error) {
	head, rest, ok := cut(field)
	when, err := strconv.ParseInt(head, 10, 64)
	count, rest, ok2 := cut(rest)
	how, body, ok3 := cut(rest)
	if !ok || !ok2 || !ok3 || err != nil {
		return nil, errDamaged
	}
	if how == "s" {
		return []engine.Fact{{N: n, At: at(when), Signal: true, Body: []byte(body)}}, nil
	}
	many, err := strconv.Atoi(count)
	if err != nil {
		return nil, errDamaged
	}
	facts := make([]engine.Fact, 0, min(many, len(body)))
	b := []byte(body)
	for len(b) > 0 {
		size, k := binary.Uvarint(b)
		if k <= 0 || size > uint64(len(b)-k) {
			return nil, errDamaged
		}
		end := k + int(size)
		facts = append(facts, engine.Fact{N: n, At: at(when), Body: b[k:end:end]})
		b = b[end:]
		n++
	}
	if len(facts) != many {
		return nil, errDamaged
	}
	return facts, nil
}

func cut(s string) (before, after string, ok bool) { return strings.Cut(s, " ") }

// at is a time of the store, which counts microseconds.
func at(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// micros is a duration as scripts take it, rounded up: what waits is not early.
func micros(d time.Duration) int64 {
	us := d.Microseconds()
	if time.Duration(us)*time.Microsecond < d {
		us++
	}
	return us
}

// fields are the fields of a hash as scripts answer them.
type fields map[string]string

func fieldsOf(reply any) (fields, error) {
	list, ok := reply.([]any)
	if !ok || len(list)%2 != 0 {
		return nil, errDamaged
	}
	f := make(fields, len(list)/2)
	for i := 0; i < len(list); i += 2 {
		name, ok1 := list[i].(string)
		value, ok2 := list[i+1].(string)
		if !ok1 || !ok2 {
			return nil, errDamaged
		}
		f[name] = value
	}
	return f, nil
}

func (f fields) int(name string) int64 {
	n, _ := strconv.ParseInt(f[name], 10, 64)
	return n
}

// place answers the position of a strand and the number of its facts.
func (f fields) place() (position, n int64) {
	first, second, _ := strings.Cut(f["h"], " ")
	position, _ = strconv.ParseInt(first, 10, 64)
	n, _ = strconv.ParseInt(second, 10, 64)
	return position, n
}

// dueAt is the time of the act that made a strand due: of the one that woke it,
// or of the last settle.
func (f fields) dueAt() time.Time {
	settled, _, _ := strings.Cut(f["z"], " ")
	n, _ := strconv.ParseInt(settled, 10, 64)
	return at(max(f.int("a"), n))
}

// facts answers the facts among the fields of a strand, in order.
func (f fields) facts() ([]engine.Fact, error) {
	_, n := f.place()
	if n == 0 {
		return nil, nil
	}
	all := make([]engine.Fact, 0, n)
	for i := int64(1); i <= n; {
		field, ok := f["f"+strconv.FormatInt(i, 10)]
		if !ok {
			return nil, fmt.Errorf("fact %d of %d is missing: %w", i, n, errDamaged)
		}
		some, err := unpackFacts(field, i)
		if err != nil {
			return nil, err
		}
		if len(some) == 0 {
			return nil, errDamaged
		}
		all = append(all, some...)
		i += int64(len(some))
	}
	return all, nil
}

// list is a reply of several values. Reading beyond it, or something that is
// not what was to be there, is remembered.
type list struct {
	values []any
	bad    bool
}

func listOf(reply any) *list {
	values, ok := reply.([]any)
	return &list{values: values, bad: !ok}
}

func (l *list) at(i int) any {
	if i >= len(l.values) {
		l.bad = true
		return nil
	}
	return l.values[i]
}

// text answers a value as text; one that is not there is empty.
func (l *list) text(i int) string {
	switch v := l.at(i).(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case nil:
		return ""
	}
	l.bad = true
	return ""
}

func (l *list) int(i int) int64 {
	switch v := l.at(i).(type) {
	case int64:
		return v
	case string:
		n, err := strconv.ParseInt(v, 10, 64)
		l.bad = l.bad || err != nil && v != ""
		return n
	case nil:
		return 0
	}
	l.bad = true
	return 0
}

func (l *list) list(i int) *list { return listOf(l.at(i)) }

// texts answers a value that is a list of texts.
func (l *list) texts(i int) []string {
	inner := l.list(i)
	out := make([]string, len(inner.values))
	for k := range inner.values {
		out[k] = inner.text(k)
	}
	l.bad = l.bad || inner.bad
	return out
}

func (l *list) err() error {
	if l.bad {
		return errDamaged
	}
	return nil
}

// nets writes texts behind one another, each after its length and a colon.
func nets(texts ...string) string {
	var b strings.Builder
	for _, t := range texts {
		b.WriteString(strconv.Itoa(len(t)))
		b.WriteByte(':')
		b.WriteString(t)
	}
	return b.String()
}

// unnets is the inverse of nets, of at most n texts, and what is behind them.
func unnets(s string, n int) (texts []string, rest string, err error) {
	for len(s) > 0 && len(texts) < n {
		digits, after, ok := strings.Cut(s, ":")
		size, err := strconv.Atoi(digits)
		if !ok || err != nil || size < 0 || size > len(after) {
			return nil, "", errDamaged
		}
		texts = append(texts, after[:size])
		s = after[size:]
	}
	return texts, s, nil
}
