package playbooks

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// GiveParams makes the params of a called playbook from the values that a `with`
// gave, with defaults for those not given. The error names everything that is
// wrong.
func (p *Playbook) GiveParams(given map[string]any) (map[string]any, error) {
	values, faults := map[string]any{}, []error{}
	for _, q := range p.Params {
		v, ok := given[q.Name]
		switch {
		case ok && (v != nil || q.Required):
			values[q.Name] = v
			if err := q.fault(v); err != nil {
				faults = append(faults, fmt.Errorf("param %s of %s %w", q.Name, p.ID, err))
			}
		case q.Required:
			faults = append(faults, fmt.Errorf("param %s of %s is missing", q.Name, p.ID))
		default:
			values[q.Name] = q.Default
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !slices.ContainsFunc(p.Params, func(q Param) bool { return q.Name == name }) {
			faults = append(faults, fmt.Errorf("playbook %s has no param %s", p.ID, name))
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return values, nil
}
