package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"stanch/playbooks"
)

// FormField is a field of an approval's form: what whoever approves fills in.
type FormField struct {
	Name        string   `json:"name"`
	Type        string   `json:"type"`
	Required    bool     `json:"required,omitempty"`
	Default     any      `json:"default,omitempty"`
	Description string   `json:"description,omitempty"`
	Minimum     *float64 `json:"minimum,omitempty"`
	Maximum     *float64 `json:"maximum,omitempty"`
	Enum        []any    `json:"enum,omitempty"`
}

// formOf answers the form of an approval as people are shown it.
func formOf(a *playbooks.Approval) []FormField {
	var form []FormField
	for _, p := range a.Form {
		f := FormField{Name: p.Name, Type: p.Type.String(), Required: p.Required, Default: p.Default, Description: p.Description, Minimum: p.Minimum, Maximum: p.Maximum, Enum: p.Enum}
		if d, is := f.Default.(time.Duration); is {
			f.Default = d.String()
		}
		form = append(form, f)
	}
	return form
}

// filled answers the form as those have filled it in who approve so far, with
// who did; nil: nobody has. All of them approve the same.
func (q *questionState) filled(void []string) (json.RawMessage, string) {
	for _, d := range q.decisions {
		gone := slices.ContainsFunc(void, func(p string) bool { return strings.EqualFold(p, d.By) })
		if d.Decision == "approve" && d.Hash == q.Hash && len(d.Form) > 0 && !gone {
			return d.Form, d.By
		}
	}
	return nil, ""
}

// fillIn answers the form that a decision records, or why it may not: the first
// to approve fills it in, the others approve what they see.
func (e *Engine) fillIn(ctx context.Context, run RunRecord, a Approval, q *questionState, d Decision) (json.RawMessage, error) {
	switch {
	case len(d.Form) > 0 && !d.Approve:
		return nil, fmt.Errorf("%w: approval %s: who rejects fills in nothing; give a reason", ErrRefused, a.ID)
	case len(d.Form) > 0 && len(q.Form) == 0:
		return nil, fmt.Errorf("%w: approval %s has no form to fill in", ErrRefused, a.ID)
	case len(q.Form) == 0 || !d.Approve:
		return nil, nil
	}
	of, err := e.context(ctx, run.RunHead)
	if err != nil {
		return nil, fmt.Errorf("approval %s: %w", a.ID, err)
	}
	step := of.outline.find(staticPath(a.Step))
	if step == nil || step.Approve == nil {
		return nil, fmt.Errorf("approval %s: %w", a.ID, ErrNotFound)
	}
	if form, by := q.filled(e.void(q)); form != nil {
		return form, sameForm(step.Approve, form, by, a, d)
	}
	values, err := step.Approve.BindForm(d.Form)
	if err != nil {
		return nil, fmt.Errorf("%w: approval %s: %w", ErrRefused, a.ID, err)
	}
	return playbooks.Encode(values)
}

// sameForm refuses another value than the one that was filled in before.
func sameForm(step *playbooks.Approval, form json.RawMessage, by string, a Approval, d Decision) error {
	values, err := step.ReadForm(d.Form)
	if err != nil {
		return fmt.Errorf("%w: approval %s: %w", ErrRefused, a.ID, err)
	}
	var before map[string]json.RawMessage
	if err := json.Unmarshal(form, &before); err != nil {
		return fmt.Errorf("approval %s: form: %w", a.ID, err)
	}
	for name, v := range values {
		raw, err := playbooks.Encode(v)
		if err != nil {
			return err
		}
		if !bytes.Equal(raw, before[name]) {
			return fmt.Errorf("%w: approval %s: %s has filled in %s as %s: approve that, by leaving it out, or reject", ErrRefused, a.ID, by, name, before[name])
		}
	}
	return nil
}

// output is that of an approve step: the outcome, who decided, and the form. In
// a plan nobody is asked, and the form has samples.
func (q *questionState) output(outcome string, by []string, plan *playbooks.Approval) (json.RawMessage, error) {
	out := map[string]any{}
	form, _ := q.filled(nil)
	switch {
	case plan != nil:
		raw, err := playbooks.Encode(plan.SampleForm())
		if err != nil {
			return nil, err
		}
		form = raw
	case outcome == "approved":
		for _, d := range q.decisions { // of one whose word counts
			if slices.Contains(by, d.By) && len(d.Form) > 0 {
				form = d.Form
			}
		}
	default:
		form = nil
	}
	if form != nil {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(form, &fields); err != nil {
			return nil, err
		}
		for name, v := range fields {
			out[name] = v
		}
	}
	out["outcome"] = outcome
	if len(by) > 0 {
		out["by"] = by
	}
	return json.Marshal(out)
}
