package playbooks

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// BindForm makes the fields of the form from texts, with defaults for those not
// given. The error names everything that is wrong.
func (a *Approval) BindForm(given map[string]string) (map[string]any, error) {
	values, err := a.ReadForm(given)
	faults := []error{err}
	for _, q := range a.Form {
		if _, is := given[q.Name]; is {
			continue
		}
		switch {
		case q.Required:
			faults = append(faults, fmt.Errorf("field %s is missing (%s)", q.Name, q.Type))
		case q.Default != nil:
			values[q.Name] = q.Default
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return values, nil
}

// ReadForm makes fields of the form from texts, only those that are given.
func (a *Approval) ReadForm(given map[string]string) (map[string]any, error) {
	values, faults, names := map[string]any{}, []error{}, []string{}
	for _, q := range a.Form {
		names = append(names, q.Name)
		text, is := given[q.Name]
		if !is {
			continue
		}
		v, err := q.Read(text)
		if err == nil && q.Required && strings.TrimSpace(text) == "" {
			err = errors.New("is empty")
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("field %s %w", q.Name, err))
		}
		values[q.Name] = v
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if slices.Contains(names, name) {
			continue
		}
		near := suggest(name, names)
		if near == "" {
			near = "it has " + strings.Join(names, ", ")
		}
		if len(names) == 0 {
			near = "it has none"
		}
		faults = append(faults, fmt.Errorf("the form has no field %s; %s", name, near))
	}
	return values, errors.Join(faults...)
}

// SampleForm is a form filled in with values that only show its types: what a
// plan goes on with, where nobody has been asked.
func (a *Approval) SampleForm() map[string]any {
	values := map[string]any{}
	for _, q := range a.Form {
		values[q.Name] = q.sample()
	}
	return values
}

func (p Param) sample() any {
	switch {
	case p.Default != nil:
		return p.Default
	case len(p.Enum) > 0:
		return p.Enum[0]
	}
	least := 0.0
	if p.Minimum != nil {
		least = *p.Minimum
	}
	switch p.Type.kind {
	case kindInteger, kindSize:
		return int(least)
	case kindNumber:
		return least
	case kindBoolean:
		return false
	case kindTime:
		return time.Unix(0, 0).UTC()
	case kindDuration:
		return time.Duration(0)
	}
	return "(" + p.Name + ")"
}
