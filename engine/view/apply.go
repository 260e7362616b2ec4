package view

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"stanch/connectors/incident"
	"stanch/engine"
)

// The kinds of documents that the view shows.
const (
	docIncident = "incident"
	docApproval = "approval"
)

// batch applies records inside one transaction.
type batch struct {
	ctx        context.Context
	tx         *sql.Tx
	statements map[string]*sql.Stmt
}

func (b *batch) close() {
	for _, s := range b.statements {
		s.Close()
	}
}

func (b *batch) exec(q string, args ...any) error {
	s := b.statements[q]
	if s == nil {
		var err error
		if s, err = b.tx.PrepareContext(b.ctx, q); err != nil {
			return err
		}
		b.statements[q] = s
	}
	_, err := s.ExecContext(b.ctx, args...)
	return err
}

func (b *batch) take(records []engine.Record) error {
	for i := range records {
		if err := b.one(&records[i]); err != nil {
			return fmt.Errorf("record %d (%s): %w", records[i].Seq, records[i].Kind, err)
		}
	}
	return nil
}

// one applies a record. One that cannot be read is set aside by name: it must
// not keep the others from being seen.
func (b *batch) one(r *engine.Record) error {
	switch r.Kind {
	case "run":
		return b.run(r)
	case "audit":
		return b.audit(r)
	case "document":
		return b.document(r)
	}
	return nil
}

func (b *batch) unread(r *engine.Record, what string, cause error) error {
	return b.exec("INSERT OR REPLACE INTO view_unread VALUES (?, ?, ?, ?)", r.Partition, r.Seq, what, cause.Error())
}

func (b *batch) run(r *engine.Record) error {
	if r.Deleted {
		return b.forget(r.Run)
	}
	var head engine.Head
	if err := json.Unmarshal(r.Head.Head, &head); err != nil {
		if err := b.unread(r, "head of run "+r.Run, err); err != nil {
			return err
		}
	}
	h := r.Head
	err := b.exec("INSERT OR REPLACE INTO view_runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		h.ID, h.Playbook, h.Subject, head.Event.SubjectName(), h.Edition, h.Mode, head.StartedBy, head.Undoes, head.Event.Trigger, r.Status, string(r.Cancel), r.Active, stamp(h.BegunAt), stamp(r.EndedAt))
	if err == nil {
		err = b.exec("DELETE FROM view_waits WHERE run = ?", h.ID)
	}
	for _, w := range r.Waits {
		if err == nil {
			err = b.exec("INSERT OR IGNORE INTO view_waits VALUES (?, ?)", h.ID, w)
		}
	}
	return err
}

// forget drops a run that the store no longer keeps.
func (b *batch) forget(run string) error {
	for _, q := range []string{"DELETE FROM view_runs WHERE id = ?", "DELETE FROM view_waits WHERE run = ?", "DELETE FROM view_effects WHERE run = ?"} {
		if err := b.exec(q, run); err != nil {
			return err
		}
	}
	return nil
}

// audit takes note of what became of an effect.
func (b *batch) audit(r *engine.Record) error {
	var a engine.Audit
	if err := json.Unmarshal(r.Body, &a); err != nil {
		return b.unread(r, "audit record", err)
	}
	if a.Effect == "" {
		return nil
	}
	status := a.Status
	if a.Kind == "effect.intent" {
		status = "begun"
	}
	target, id := []byte("{}"), ""
	if a.Target != nil {
		var err error
		if target, err = json.Marshal(a.Target); err != nil {
			return b.unread(r, "target of effect "+a.Effect, err)
		}
		id = a.Target.ID
	}
	at := stamp(r.At)
	return b.exec(`INSERT INTO view_effects VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT(id) DO UPDATE SET status = excluded.status, why = excluded.why, at = excluded.at`,
		a.Effect, a.Run, a.Step, a.Playbook, a.Action, string(a.Class), string(target), id, status, a.Why, at, at)
}

func (b *batch) document(r *engine.Record) error {
	d := r.Document
	switch {
	case d.Kind == docApproval && r.Deleted:
		return b.exec("DELETE FROM view_approvals WHERE id = ?", d.Key)
	case d.Kind == docApproval:
		var a engine.Approval
		if err := json.Unmarshal(d.Body, &a); err != nil {
			return b.unread(r, "approval "+d.Key, err)
		}
		return b.exec("INSERT OR REPLACE INTO view_approvals VALUES (?, ?, ?, ?, ?)", d.Key, a.Run, a.Status, stamp(a.AskedAt), d.Body)
	case d.Kind == docIncident:
		return b.incident(r)
	}
	return nil
}

func (b *batch) incident(r *engine.Record) error {
	d := r.Document
	if err := b.exec("DELETE FROM view_facets WHERE incident = ?", d.Key); err != nil {
		return err
	}
	if err := b.exec("DELETE FROM view_words WHERE rowid = (SELECT rowid FROM view_incidents WHERE id = ?)", d.Key); err != nil {
		return err
	}
	if r.Deleted {
		return b.exec("DELETE FROM view_incidents WHERE id = ?", d.Key)
	}
	var stored struct {
		Incident json.RawMessage `json:"incident"`
	}
	var in incident.Incident
	err := json.Unmarshal(d.Body, &stored)
	if err == nil {
		err = json.Unmarshal(stored.Incident, &in)
	}
	if err != nil {
		return b.unread(r, "incident "+d.Key, err)
	}
	assignee := ""
	if in.AssignedTo != nil {
		assignee = strings.ToLower(*in.AssignedTo)
	}
	err = b.exec("INSERT OR REPLACE INTO view_incidents VALUES (?, ?, ?, ?, ?, ?, ?, ?)", d.Key, strings.ToLower(string(in.Status)),
		strings.ToLower(string(in.Severity)), assignee, stamp(in.CreatedAt), stamp(in.UpdatedAt), words(in), []byte(stored.Incident))
	if err != nil {
		return err
	}
	if err := b.exec("INSERT INTO view_words (rowid, words) SELECT rowid, words FROM view_incidents WHERE id = ?", d.Key); err != nil {
		return err
	}
	for kind, values := range facets(in) {
		for _, v := range values {
			if err := b.exec("INSERT OR IGNORE INTO view_facets VALUES (?, ?, ?)", kind, strings.ToLower(v), d.Key); err != nil {
				return err
			}
		}
	}
	return nil
}

// facets are what an incident is filtered by. A user is found by the UPN and by
// what stands before its @.
func facets(in incident.Incident) map[string][]string {
	f := map[string][]string{"policy": in.Policies, "tag": in.Tags, "source": {string(in.Source)}}
	for _, s := range in.ServiceSources {
		f["source"] = append(f["source"], string(s))
	}
	for _, u := range in.Evidence.Users {
		if u.UPN != nil {
			name, _, _ := strings.Cut(*u.UPN, "@")
			f["user"] = append(f["user"], *u.UPN, name)
		}
	}
	return f
}

// words are what a search by text looks at, in lower case, one after another.
func words(in incident.Incident) string {
	all := slices.Concat([]string{in.ID, in.Title}, in.Policies, in.Tags)
	add := func(s *string) {
		if s != nil {
			all = append(all, *s)
		}
	}
	add(in.Description)
	add(in.AssignedTo)
	for _, a := range in.Alerts {
		all = append(all, a.Title)
		add(a.ProviderID)
	}
	for _, u := range in.Evidence.Users {
		add(u.UPN)
		add(u.Name)
	}
	for _, f := range in.Evidence.Files {
		add(f.Name)
		add(f.Path)
	}
	return strings.ToLower(strings.Join(all, "\n"))
}
