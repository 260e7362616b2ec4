package engine

import (
	"encoding/json"
	"fmt"
	"time"

	"stanch/playbooks"
)

// awaited is what a step waits for: messages of a name and key that are kept at
// Since or later, and before Until (zero: as long as the run lasts).
type awaited struct {
	Name  string    `json:"name"`
	Key   string    `json:"key"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until,omitzero"`
}

// waitEvent moves a step on that waits for an event: it registers, looks at what
// is there, and looks again whenever something has come, and once its time is
// over. It answers true when the move is complete.
func (st *state) waitEvent(m *move, step *playbooks.Step, path string, p *progress) (bool, error) {
	switch a := p.await; {
	case st.run.planning():
		return false, st.emit(m, fact{Kind: kSkipped, Path: path, Why: NeedsLive + ": " + NoEvent, Planned: true})
	case a == nil:
		a, err := st.awaited(step.Wait)
		if err != nil {
			return false, st.broken(m, path, err)
		}
		m.task = &task{kind: tAwait, path: path, step: step, await: a}
		return true, nil
	case p.mail != nil:
		return false, st.received(m, step, path, p.mail)
	case p.looked.IsZero(), a.over(st.now) && p.looked.Before(a.Until):
		m.task = &task{kind: tLook, path: path, step: step, await: a}
		return true, nil
	case a.over(st.now):
		return false, st.notReceived(m, step, path, a)
	case a.Until.IsZero():
		st.waitEver(m, a.on())
	default:
		st.waitUntil(m, a.Until, a.on())
	}
	return true, nil
}

func (a *awaited) over(now time.Time) bool { return !a.Until.IsZero() && !now.Before(a.Until) }

func (a *awaited) on() string { return fmt.Sprintf("event %s %s", a.Name, a.Key) }

// takes reports whether a message is one of those that are waited for.
func (a *awaited) takes(m Message) bool { return !m.At.Before(a.Since) && !a.over(m.At) }

// awaited evaluates what is waited for, as it is from here on.
func (st *state) awaited(w *playbooks.Waiting) (*awaited, error) {
	a := &awaited{Name: w.Event, Since: st.run.beganAt()}
	if w.Key == nil {
		return nil, &Fault{Code: "invalid", Message: "key: it does not say for which of the events " + w.Event + " it waits"}
	}
	v, err := w.Key.Eval(st.env())
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	a.Key = fmt.Sprint(v)
	if err := (&Message{ID: "-", Name: a.Name, Key: a.Key}).check(); err != nil {
		return nil, &Fault{Code: "invalid", Message: err.Error()}
	}
	if w.Since != nil {
		if v, err = w.Since.Eval(st.env()); err != nil {
			return nil, fmt.Errorf("since: %w", err)
		}
		since, ok := v.(time.Time)
		if !ok {
			return nil, &Fault{Code: "invalid", Message: fmt.Sprintf("since: %v is not a time", v)}
		}
		a.Since = since
	}
	if w.Timeout == nil {
		return a, nil
	}
	d, err := st.duration(w.Timeout, 0)
	if err != nil {
		return nil, fmt.Errorf("timeout: %w", err)
	}
	a.Until = st.now.Add(d)
	return a, nil
}

// reply is the output of a step that waits for an event.
type reply struct {
	Outcome string          `json:"outcome"` // received | timed_out
	Data    json.RawMessage `json:"data,omitempty"`
	By      string          `json:"by,omitempty"`
	At      time.Time       `json:"at,omitzero"`
}

// received ends the step with the message that it has taken.
func (st *state) received(m *move, step *playbooks.Step, path string, got *Message) error {
	if t := step.Wait.Data; !t.IsZero() {
		data := got.Data
		if len(data) == 0 {
			data = json.RawMessage("null")
		}
		if _, err := t.Decode(data); err != nil {
			return st.emit(m, fact{Kind: kFailed, Path: path, Fault: &Fault{Step: path, Code: "invalid", Message: fmt.Sprintf("the data of event %s does not fit: %v", got.Name, err)}})
		}
	}
	out, err := json.Marshal(reply{Outcome: "received", Data: got.Data, By: got.By, At: got.At})
	if err != nil {
		return err
	}
	return st.emit(m, fact{Kind: kDone, Path: path, Out: out})
}

// notReceived ends the step as its on_timeout says.
func (st *state) notReceived(m *move, step *playbooks.Step, path string, a *awaited) error {
	why := fmt.Sprintf("event %s %s did not come in time", a.Name, a.Key)
	switch step.Wait.OnTimeout {
	case "continue":
		out, err := json.Marshal(reply{Outcome: "timed_out"})
		if err != nil {
			return err
		}
		return st.emit(m, fact{Kind: kDone, Path: path, Out: out, Why: why})
	case "stop":
		return st.emit(m, fact{Kind: kStopped, Path: path, Ending: "stopped", Why: why})
	}
	return st.emit(m, fact{Kind: kFailed, Path: path, Fault: &Fault{Step: path, Code: "timeout", Message: why}})
}
