package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"stanch/playbooks"
)

// callItem is what a called playbook begins with.
type callItem struct {
	Params json.RawMessage `json:"params"`
	Due    time.Time       `json:"due,omitzero"` // when its own timeout is over
}

// call opens the one child that runs another playbook, and takes in how it
// ended.
func (st *state) call(m *move, step *playbooks.Step, path string, p *progress) (bool, error) {
	if p.opened {
		return false, st.join(m, step, path, p)
	}
	due, err := st.deadline(step)
	if err != nil {
		return false, st.broken(m, path, err)
	}
	item, err := st.callItem(step.Call)
	if err != nil {
		return false, st.broken(m, path, err)
	}
	if err := st.emit(m, fact{Kind: kOpened, Path: path, Count: 1, Due: due}); err != nil {
		return false, err
	}
	m.then = &Then{Open: &Open{Path: path, Count: 1, Window: 1, Items: [][]byte{item}}}
	return true, nil
}

func (st *state) callItem(c *playbooks.Called) ([]byte, error) {
	given := map[string]any{}
	if c.With != nil {
		v, err := c.With.Eval(st.env())
		if err != nil {
			return nil, fmt.Errorf("with: %w", err)
		}
		given, _ = v.(map[string]any)
	}
	params, err := c.Book.GiveParams(given)
	if err != nil {
		return nil, &Fault{Code: "invalid", Message: err.Error()}
	}
	item := callItem{}
	if item.Params, err = playbooks.Encode(params); err != nil {
		return nil, fmt.Errorf("params of %s: %w", c.Playbook, err)
	}
	if c.Book.Timeout != nil {
		env := st.env()
		env.Names = st.calledNames(c.Book, params)
		v, err := c.Book.Timeout.Eval(env)
		if err != nil {
			return nil, fmt.Errorf("timeout of %s: %w", c.Playbook, err)
		}
		d, ok := v.(time.Duration)
		if !ok || d <= 0 {
			return nil, &Fault{Code: "invalid", Message: fmt.Sprintf("timeout of %s: %v is not a duration such as 90s, 4h or 7d", c.Playbook, v)}
		}
		item.Due = st.now.Add(d)
	}
	return json.Marshal(item)
}

// calledNames are the names that a called playbook knows at its beginning:
// those of the run, and its own params and lists.
func (st *state) calledNames(book *playbooks.Playbook, params map[string]any) map[string]any {
	names := maps.Clone(st.run.names)
	names["lists"] = book.ListValues()
	names["params"] = params
	return names
}

// called makes the strand one that runs another playbook: it shares the run
// with whoever calls it, and nothing that is set or found there.
func (st *state) called(raw json.RawMessage) ([]*playbooks.Step, error) {
	o := st.above.outline.calls[st.static[:len(st.static)-1]]
	if o == nil {
		return nil, fmt.Errorf("strand %q: the playbook that is called is not known", st.strand)
	}
	var item callItem
	if err := json.Unmarshal(raw, &item); err != nil {
		return nil, fmt.Errorf("strand %q: %w", st.strand, err)
	}
	params, err := o.book.DecodeParams(item.Params)
	if err != nil {
		return nil, fmt.Errorf("strand %q: %w", st.strand, err)
	}
	st.outline, st.static, st.due = o, "", item.Due
	st.vars, st.outs, st.names = map[string]any{}, map[string]any{}, st.calledNames(o.book, params)
	return o.book.Steps, nil
}

// books are the playbooks whose guardrails bind the strand: its own, and those
// that it was called from.
func (st *state) books() []*playbooks.Playbook {
	found := []*playbooks.Playbook{st.outline.book}
	for s := st; s.above != nil; s = s.above {
		if s.whole() {
			found = append(found, s.above.outline.book)
		}
	}
	return found
}
