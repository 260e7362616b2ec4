package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"stanch/playbooks"
)

type place struct{ line, column int }

// decoder fills a Config from YAML nodes. It goes on after a fault, so that a
// file's faults are told all at once, and notes the place of every key and
// value by its path (tenant.auth.kind, playbooks[0]).
type decoder struct {
	file   string
	places map[string]place
	faults []Fault
}

func (d *decoder) fault(at place, hint, format string, args ...any) {
	d.faults = append(d.faults, Fault{
		File: d.file, Line: at.line, Column: at.column, Message: fmt.Sprintf(format, args...), Hint: hint,
	})
}

func (d *decoder) sorted() []Fault {
	slices.SortStableFunc(d.faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return d.faults
}

// yamlLine finds the line in an error of the YAML library, which has no place
// of its own.
var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

func (d *decoder) decode(text []byte, into *Config) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if !utf8.Valid(text) {
		d.fault(place{1, 1}, "save the file as UTF-8", "the file is not UTF-8")
		return
	}
	reader := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	switch err := reader.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return // an empty file: all defaults
	case err != nil:
		d.syntax(err)
		return
	}
	var more yaml.Node
	if err := reader.Decode(&more); err == nil {
		d.fault(at(&more), "keep one of them", "a second document begins here: the operator's file is one document")
	} else if !errors.Is(err, io.EOF) {
		d.syntax(err)
	}
	root := doc.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return
	}
	d.value(root, "", reflect.ValueOf(into).Elem(), "")
}

func (d *decoder) syntax(err error) {
	line := 1
	m := yamlLine.FindStringSubmatch(err.Error())
	if len(m) == 2 && m[1] != "" {
		line, _ = strconv.Atoi(m[1])
	}
	d.fault(place{line, 1}, "the mistake is on this line or the one before: look at indentation, quotes and colons",
		"this is not YAML: %s", strings.TrimPrefix(yamlLine.ReplaceAllString(err.Error(), ""), "yaml: "))
}

func at(n *yaml.Node) place { return place{n.Line, n.Column} }

// value decodes one node into v.
func (d *decoder) value(n *yaml.Node, path string, v reflect.Value, doc string) {
	if _, known := d.places[path]; !known {
		d.places[path] = at(n)
	}
	if !d.plain(n) {
		return
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		d.fault(at(n), "give it a value or remove the key", "%s is empty", cmp.Or(path, "the file"))
		return
	}
	switch {
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, path, v.Elem(), doc)
	case v.Kind() == reflect.Struct:
		d.record(n, path, v, doc)
	case v.Kind() == reflect.Slice:
		d.list(n, path, v, doc)
	case v.Kind() == reflect.Map:
		d.mapping(n, path, v, doc)
	default:
		d.scalar(n, path, v, doc)
	}
}

// plain refuses what makes a value differ from what the reader sees.
func (d *decoder) plain(n *yaml.Node) bool {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		d.fault(at(n), "write the value out", "anchors and aliases are not allowed here")
	case n.Style&yaml.TaggedStyle != 0:
		d.fault(at(n), "remove it", "the tag %s is not allowed here", n.Tag)
	default:
		return true
	}
	return false
}

func (d *decoder) record(n *yaml.Node, path string, v reflect.Value, doc string) {
	if n.Kind != yaml.MappingNode {
		d.mismatch(n, path, "keys with values", doc)
		return
	}
	fields := map[string]reflect.StructField{}
	var names []string
	for f := range v.Type().Fields() {
		if name := f.Tag.Get("yaml"); name != "-" {
			fields[name] = f
			names = append(names, name)
		}
	}
	for key, val := range d.pairs(n) {
		f, known := fields[key.Value]
		if !known {
			hint := "known here: " + strings.Join(names, ", ")
			if near := playbooks.Nearest(key.Value, names); near != "" {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			d.fault(at(key), hint, "unknown key %q%s", key.Value, inside(path))
			continue
		}
		below := join(path, key.Value)
		d.places[below] = at(val)
		d.value(val, below, v.FieldByIndex(f.Index), f.Tag.Get("doc"))
	}
}

func (d *decoder) mapping(n *yaml.Node, path string, v reflect.Value, doc string) {
	if n.Kind != yaml.MappingNode {
		d.mismatch(n, path, "names with values", doc)
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for key, val := range d.pairs(n) {
		d.places[join(path, key.Value)] = at(key)
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(val, join(path, key.Value), item, doc)
		v.SetMapIndex(reflect.ValueOf(key.Value), item)
	}
}

// pairs yields the keys of a mapping with their values; a key that is no text
// or stands there twice is a fault.
func (d *decoder) pairs(n *yaml.Node) func(func(key, val *yaml.Node) bool) {
	return func(yield func(key, val *yaml.Node) bool) {
		seen := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, val := n.Content[i], n.Content[i+1]
			if !d.plain(key) {
				continue
			}
			if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
				d.fault(at(key), "", "a key is a plain name")
				continue
			}
			if line, twice := seen[key.Value]; twice {
				d.fault(at(key), "keep one of them", "%q stands here twice, first on line %d", key.Value, line)
				continue
			}
			seen[key.Value] = key.Line
			if !yield(key, val) {
				return
			}
		}
	}
}

func (d *decoder) list(n *yaml.Node, path string, v reflect.Value, doc string) {
	if n.Kind != yaml.SequenceNode {
		d.mismatch(n, path, "a list, such as [a, b]", doc)
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		d.value(item, fmt.Sprintf("%s[%d]", path, i), v.Index(i), doc)
	}
}

func (d *decoder) scalar(n *yaml.Node, path string, v reflect.Value, doc string) {
	if n.Kind != yaml.ScalarNode {
		d.mismatch(n, path, "one value", doc)
		return
	}
	switch v.Interface().(type) {
	case string:
		if n.Value == "" {
			d.fault(at(n), "give it a value or remove the key", "%s is empty", path)
			return
		}
		v.SetString(n.Value)
	case bool:
		b, err := strconv.ParseBool(n.Value)
		if err != nil || n.Tag != "!!bool" {
			d.mismatch(n, path, "true or false", doc)
			return
		}
		v.SetBool(b)
	case int, int64:
		i, err := strconv.ParseInt(n.Value, 10, v.Type().Bits())
		if err != nil || n.Tag != "!!int" {
			d.mismatch(n, path, "a whole number", doc)
			return
		}
		v.SetInt(i)
	case time.Duration:
		t, err := playbooks.ParseDuration(n.Value)
		if err != nil || t < 0 {
			d.mismatch(n, path, "a duration with its unit, such as 90s, 10m, 24h or 7d", doc)
			return
		}
		v.SetInt(int64(t))
	}
}

func (d *decoder) mismatch(n *yaml.Node, path, want, doc string) {
	got := "keys with values"
	switch n.Kind {
	case yaml.SequenceNode:
		got = "a list"
	case yaml.ScalarNode:
		got = strconv.Quote(n.Value)
		if strings.HasSuffix(path, "secret") || strings.HasSuffix(path, "password") || strings.HasPrefix(path, "channels.") || strings.HasPrefix(path, "evidence.") {
			got = "one text" // it may be the secret itself
		}
	}
	hint := ""
	if doc != "" {
		hint = path + " is: " + doc
	}
	d.fault(at(n), hint, "%s must be %s, not %s", cmp.Or(path, "the file"), want, got)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func inside(path string) string {
	if path == "" {
		return ""
	}
	return " in " + path
}
