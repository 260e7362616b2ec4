package rehearse

import (
	"context"
	"encoding/json"
	"fmt"

	"stanch/engine"
	"stanch/playbooks"
)

// post sends an event of the case to whoever waits for it.
func (p *play) post(ctx context.Context, e playbooks.CaseEventPosted) error {
	m := engine.Message{ID: fmt.Sprintf("case-%d", p.posted), Name: e.Name, By: e.By}
	if m.By == "" {
		m.By = "rehearsal"
	}
	switch key := e.Key.(type) {
	case nil:
	case string:
		m.Key = key
	default:
		m.Key = fmt.Sprint(key)
	}
	if e.Data != nil {
		raw, err := playbooks.Encode(e.Data)
		if err != nil {
			return fmt.Errorf("event %s: %w", e.Name, err)
		}
		m.Data = raw
	}
	if _, err := p.engine.Post(ctx, m); err != nil {
		return fmt.Errorf("event %s: %w", e.Name, err)
	}
	return nil
}

// faultsOf is the list of faults as the practice tenant takes it.
func faultsOf(list []playbooks.CaseFault) ([]byte, error) {
	out := make([]map[string]any, 0, len(list))
	for _, f := range list {
		one := map[string]any{"method": f.Method, "path": f.Path, "times": f.Times, "after": f.After, "status": f.Status, "cut": f.Cut, "stale_reads": f.StaleReads}
		if f.Headers != nil {
			one["headers"] = f.Headers
		}
		if f.Body != nil {
			one["body"] = f.Body
		}
		out = append(out, one)
	}
	return json.Marshal(out)
}
