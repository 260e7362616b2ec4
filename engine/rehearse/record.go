package rehearse

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stanch/actions"
	"stanch/engine"
	"stanch/playbooks"
)

// Recording is a real run to make a test of.
type Recording struct {
	Run      engine.Run
	Params   json.RawMessage     // as the run was begun with
	Book     *playbooks.Playbook // of its edition
	Playbook string              // its file, as the test file names it
	Fixture  string              // the fixture's file, likewise
}

// Recorded is a test made of a run: the test file, and the incident that it is
// about in the model. What is sensitive has stand-ins in both.
type Recorded struct{ Test, Fixture []byte }

// Record makes a test of a run that has ended. Actions answer what they did
// then, in the order of the playbook; expected is what came of it.
func Record(r Recording) (Recorded, error) {
	switch {
	case !r.Run.Ended():
		return Recorded{}, fmt.Errorf("run %s has not ended: it is %s", r.Run.ID, r.Run.Status)
	case r.Run.Undoes != "":
		return Recorded{}, fmt.Errorf("run %s takes back another: there is no playbook to test", r.Run.ID)
	case len(r.Run.Event.Incident) == 0:
		return Recorded{}, fmt.Errorf("run %s was not started for an incident: write its test by hand, with the event `%s`", r.Run.ID, r.Run.Event.Trigger)
	}
	m := newMask(string(r.Book.Text))
	about, err := playbooks.AnyType().Decode(r.Run.Event.Incident)
	if err != nil {
		return Recorded{}, fmt.Errorf("the incident of run %s: %w", r.Run.ID, err)
	}
	if tree, is := about.(map[string]any); is {
		id, _ := tree["id"].(string)
		m.put(id[strings.IndexByte(id, '/')+1:], "incident", func(n int) string { return fmt.Sprint(1000 + n) })
	}
	m.learn(about, "")
	w := &recorder{Recording: r, mask: m}
	if err := w.write(); err != nil {
		return Recorded{}, err
	}
	fixture, err := json.MarshalIndent(m.apply(about), "", "  ")
	return Recorded{Test: w.text.Bytes(), Fixture: append(fixture, '\n')}, err
}

// recorder writes a test file.
type recorder struct {
	Recording
	mask *mask
	text bytes.Buffer
}

func (w *recorder) line(indent int, format string, args ...any) {
	fmt.Fprintf(&w.text, "%s%s\n", strings.Repeat(" ", indent), fmt.Sprintf(format, args...))
}

// flow writes a value on one line, as JSON, which is YAML too.
func (w *recorder) flow(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(w.mask.apply(v)); err != nil { // it came out of JSON
		return "null"
	}
	return strings.TrimSpace(b.String())
}

func (w *recorder) value(raw json.RawMessage) any {
	v, err := playbooks.AnyType().Decode(raw)
	if err != nil {
		return nil
	}
	return v
}

func (w *recorder) write() error {
	run := w.Run
	w.line(0, "# Recorded from a run of %s; names, addresses and ids are stand-ins.", run.StartedAt.UTC().Format("2006-01-02"))
	w.line(0, "playbook: %s", quote(w.Playbook))
	w.line(0, "cases:")
	w.line(2, "- name: %s", quote("as recorded: "+run.Status))
	event := []string{"incident: " + quote(w.Fixture)}
	if k := run.Event.Kind; k != "" {
		event = append(event, "kind: "+k)
	}
	if run.Event.Kind == "updated" && len(run.Event.Changes) > 0 {
		event = append(event, "changes: "+w.flow(list(run.Event.Changes)))
	}
	w.line(4, "event: {%s}", strings.Join(event, ", "))
	if run.Mode != engine.ModeLive {
		w.line(4, "mode: %s", run.Mode)
	}
	w.line(4, "now: %s", quote(run.StartedAt.UTC().Format(time.RFC3339Nano)))
	if params, is := w.value(w.Params).(map[string]any); is && len(params) > 0 {
		w.line(4, "params: %s", w.flow(params))
	}
	if err := w.actions(); err != nil {
		return err
	}
	w.approvals()
	return w.expect()
}

func quote(s string) string {
	raw, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(raw)
}

func list(texts []string) []any {
	out := make([]any, len(texts))
	for i, s := range texts {
		out[i] = s
	}
	return out
}

// actions writes what each action answered, in order.
func (w *recorder) actions() error {
	var names []string
	replies := map[string][]string{}
	for _, s := range w.Run.Steps {
		if s.Kind == string(playbooks.Wait) && len(s.Output) > 0 {
			return errors.New("the run waited for an event at " + s.Path + ": record knows neither its key nor its sender; write the test by hand, with `events`")
		}
		if s.Uses == "" || s.Status == "skipped" || s.Status == "cancelled" {
			continue
		}
		if !slices.Contains(names, s.Uses) {
			names = append(names, s.Uses)
		}
		replies[s.Uses] = append(replies[s.Uses], w.replies(s)...)
	}
	if len(names) == 0 {
		return nil
	}
	w.line(4, "actions:")
	slices.Sort(names)
	for _, name := range names {
		w.line(6, "%s:", name)
		for _, reply := range replies[name] {
			w.line(8, "- %s", reply)
		}
	}
	return nil
}

// replies are the answers that make a step what it was.
func (w *recorder) replies(s engine.Step) []string {
	var out []string
	if effects := w.effects(s); effects != nil {
		out = append(out, fmt.Sprintf("{times: 1, output: %s, effects: %s}", w.flow(w.output(s)), w.flow(effects)))
	} else if s.Status == "succeeded" {
		out = append(out, fmt.Sprintf("{times: 1, output: %s}", w.flow(w.output(s))))
	}
	if s.Error == nil || s.Status == "succeeded" || s.Error.Code == "refused" {
		return out
	}
	at := ""
	if len(s.Effects) == 0 {
		at = ", at: look"
	}
	return append(out, fmt.Sprintf("{times: 1, error: {code: %s, message: %s%s}}", s.Error.Code, w.flow(s.Error.Message), at))
}

func (w *recorder) output(s engine.Step) any {
	if v := w.value(s.Output); v != nil {
		return v
	}
	return map[string]any{}
}

// effects are those of a step as a test says them, nil of a step without any.
func (w *recorder) effects(s engine.Step) []any {
	var out []any
	for _, e := range s.Effects {
		one := map[string]any{"target": e.Target.Name}
		if v := w.value(e.Before); v != nil {
			one["before"] = v
		}
		if v := w.value(e.After); v != nil {
			one["after"] = v
		}
		var entities []any
		for _, x := range e.Target.Entities {
			if x.Kind == "" || x.ID == "" {
				continue
			}
			entity := map[string]any{"kind": x.Kind, "id": x.ID}
			if x.Name != "" {
				entity["name"] = x.Name
			}
			entities = append(entities, entity)
		}
		if entities != nil {
			one["entities"] = entities
		}
		out = append(out, one)
	}
	return out
}

func (w *recorder) approvals() {
	told := false
	for _, s := range w.Run.Steps {
		a := s.Approval
		if a == nil {
			continue
		}
		outcome := a.Status
		if outcome == "waiting" || outcome == "cancelled" {
			continue
		}
		if !told {
			w.line(4, "approvals:")
			told = true
		}
		after := time.Duration(0)
		for _, d := range a.Decided {
			after = max(after, d.At.Sub(a.AskedAt))
		}
		word := fmt.Sprintf("{outcome: %s", outcome)
		if after >= time.Second {
			word += ", after: " + after.Round(time.Second).String()
		}
		w.line(6, "%s: %s}", quote(s.Path), word)
	}
}

func (w *recorder) expect() error {
	run := w.Run
	w.line(4, "expect:")
	w.line(6, "status: %s", run.Status)
	w.line(6, "steps:")
	for _, s := range run.Steps {
		w.line(8, "%s: %s", quote(s.Path), s.Status)
	}
	w.line(6, "effects:")
	count := 0
	for _, s := range run.Steps {
		for _, e := range s.Effects {
			switch e.Status {
			case actions.Done, actions.Undone, actions.AlreadySo:
			case actions.Planned:
				if run.Mode == engine.ModeLive {
					continue
				}
			default:
				continue
			}
			count++
			w.line(8, "- {action: %s, target: %s, step: %s}", e.Action, w.flow(e.Target.Name), quote(s.Path))
		}
	}
	if count == 0 {
		w.text.Truncate(w.text.Len() - len("      effects:\n"))
		w.line(6, "effects: []")
	}
	if len(run.Outputs) > 0 {
		outputs := map[string]any{}
		for name, raw := range run.Outputs {
			outputs[name] = w.value(raw)
		}
		w.line(6, "outputs: %s", w.flow(outputs))
	}
	if run.Error != nil {
		w.line(6, "error: {step: %s, code: %s}", quote(run.Error.Step), run.Error.Code)
	}
	return nil
}
