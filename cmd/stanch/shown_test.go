package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"stanch/actions"
	"stanch/connectors/practice"
	"stanch/engine"
)

// shown are the examples with what their undo cannot bring back, as paths into
// the tenant's state.
func shown() map[string]struct {
	fixture string
	lost    []string
} {
	return map[string]struct {
		fixture string
		lost    []string
	}{
		"contain-external-share": {"external-share", []string{".incidents.comments"}},
		"mass-download-usb":      {"mass-download", []string{".incidents.comments", ".users.sessions_valid_from"}},
		"oversharing":            {"oversharing", []string{".incidents.comments"}},
	}
}

// operations are what an action's effects are called in the tenant's audit.
func operations() map[string][]string {
	return map[string][]string{
		"files.unshare": {"permission.delete"}, "files.share": {"permission.invite", "permission.createLink", "permission.update"},
		"files.set_sensitivity_label": {"label.assign"}, "files.remove_sensitivity_label": {"label.assign"},
		"files.delete": {"item.delete"}, "files.restore": {"item.restore"}, "files.quarantine": {"item.move"},
		"files.set_retention_label": {"retention.set"}, "files.remove_retention_label": {"retention.remove"},
		"files.lock_record": {"retention.lock"}, "files.unlock_record": {"retention.lock"},
		"incidents.update": {"incident.update"}, "incidents.assign": {"incident.update"}, "incidents.tag": {"incident.update"},
		"incidents.resolve": {"incident.update"}, "incidents.comment": {"incident.comment"},
		"devices.isolate": {"machine.isolate"}, "devices.release": {"machine.unisolate"}, "users.revoke_sessions": {"user.revokeSessions"},
	}
}

// TestWhatIsPlannedIsDoneAndUndone plans each example, does it, and undoes it,
// with the real binary: the plan changes nothing, the run makes exactly the
// planned changes, and the undo brings back all that is not declared lost.
func TestWhatIsPlannedIsDoneAndUndone(t *testing.T) {
	for name, c := range shown() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPerson(t, practice.Options{})
			book, fixture := example(name+".yaml"), example("fixtures/"+c.fixture+".json")
			if s := p.types("lint", book, "--config", "tenant.yaml", "--strict"); s.code != 0 && !strings.Contains(s.err, "unknown flag") {
				t.Errorf("lint: %s%s", s.out, s.err)
			}
			before := p.asks("/practice/state")
			planned := p.plans(book, fixture)
			if after := p.asks("/practice/state"); string(after) != string(before) || string(p.asks("/practice/audit")) != "[]\n" {
				t.Fatal("the plan has changed the tenant")
			}
			store := "sqlite:" + filepath.Join(p.dir, "stanch.db")
			s := p.approves(p.begins("run", book, "--incident", fixture, "--config", "tenant.yaml", "--store", store, "--live", "--output", "json"), store)
			var live engine.Run
			if err := json.Unmarshal([]byte(s.out), &live); err != nil || s.code != 0 || live.Status != "succeeded" {
				t.Fatalf("run: exit code %d, %v\n%s%s", s.code, err, s.out, s.err)
			}
			p.sameAsPlanned(planned, live)
			p.sameAsAudit(live, 0)
			p.undoes(live, before, store, c.lost)
		})
	}
}

// TestWhatIsDoneToFilesIsUndone is the same for what no example does.
func TestWhatIsDoneToFilesIsUndone(t *testing.T) {
	p := newPerson(t, practice.Options{})
	const place = "https://contoso.sharepoint.com/sites/"
	book := filepath.Join(p.dir, "all-that-files-can.yaml")
	text := `playbook: all-that-files-can
title: All that can be done to files
status: stable
on: {manual: {}, incident: {events: [created]}}
steps:
  - {uses: files.quarantine, with: {file: "` + place + `payroll/Shared Documents/2026/Payroll November 2026.xlsx"}}
  - {uses: files.set_retention_label, with: {file: "` + place + `engineering/Shared Documents/Designs/Turbine Mk4/Rotor drawing 01.pdf", label: Board record}}
  - {uses: files.remove_sensitivity_label, with: {file: "` + place + `engineering/Shared Documents/Designs/Turbine Mk4/Stator drawing 02.pdf", justification: It is published.}}
  - {uses: files.delete, with: {file: "` + place + `sales/Shared Documents/Reports/Read me 001.docx"}}
`
	if err := os.WriteFile(book, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	fixture := example("fixtures/external-share.json")
	before := p.asks("/practice/state")
	planned := p.plans(book, fixture)
	store := "sqlite:" + filepath.Join(p.dir, "stanch.db")
	var live engine.Run
	if s := p.reads(&live, "run", book, "--incident", fixture, "--config", "tenant.yaml", "--store", store, "--live", "--output", "json"); s.code != 0 || live.Status != "succeeded" {
		t.Fatalf("run: exit code %d, %s\n%s%s", s.code, live.Status, s.out, s.err)
	}
	p.sameAsPlanned(planned, live)
	p.sameAsAudit(live, 0)
	p.undoes(live, before, store, nil)
}

// plans answers the plan and holds it against what a plan promises.
func (p *person) plans(book, fixture string) engine.Run {
	p.t.Helper()
	var run engine.Run
	elsewhere := "sqlite:" + filepath.Join(p.dir, "plan.db")
	if s := p.reads(&run, "run", book, "--incident", fixture, "--config", "tenant.yaml", "--store", elsewhere, "--output", "json"); s.code != 0 {
		p.t.Fatalf("plan: exit code %d\n%s", s.code, s.err)
	}
	if run.Mode != "plan" || run.Status != "succeeded" {
		p.t.Errorf("the plan is of mode %s and %s", run.Mode, run.Status)
	}
	for _, e := range effects(run) {
		if e.Status != actions.Planned || len(e.Before) == 0 || len(e.After) == 0 || e.Target.Name == "" {
			p.t.Errorf("%s on %q is %s, %s → %s; want planned with before and after", e.Action, e.Target.Name, e.Status, e.Before, e.After)
		}
	}
	if len(effects(run)) == 0 {
		p.t.Error("the plan has no effects")
	}
	left, err := filepath.Glob(p.dir + "/*.db*")
	if err != nil || len(left) > 0 {
		p.t.Errorf("the plan has left %v, %v", left, err)
	}
	if _, err := os.Stat(p.dir + "/home"); err == nil {
		p.t.Error("the plan has left something in the home folder")
	}
	return run
}

// sameAsPlanned compares the effects of two runs but for their ids: the same
// targets from the same state, and what was foreseen has come true. Times that
// only the tenant knows are left out.
func (p *person) sameAsPlanned(planned, live engine.Run) {
	p.t.Helper()
	foreseen := map[string]json.RawMessage{}
	key := func(e engine.StepEffect) string {
		return fmt.Sprintf("%s on %s, was %s", e.Action, e.Target.ID, encoded(e.Before))
	}
	for _, e := range effects(planned) {
		foreseen[key(e)] = e.After
	}
	if n := len(effects(planned)); n != len(foreseen) {
		p.t.Errorf("the plan holds %d effects, %d different ones", n, len(foreseen))
	}
	for _, e := range effects(live) {
		after, is := foreseen[key(e)]
		delete(foreseen, key(e))
		switch {
		case !is:
			p.t.Errorf("done, not planned: %s", key(e))
		case e.Action != "users.revoke_sessions" && !within(decoded(p.t, after), decoded(p.t, e.After)):
			p.t.Errorf("%s: planned to become %s, has become %s", key(e), after, e.After)
		}
	}
	for k := range foreseen {
		p.t.Errorf("planned, not done: %s", k)
	}
}

func decoded(t *testing.T, raw json.RawMessage) any {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return v
}

// within reports whether all that a says is said by b too.
func within(a, b any) bool {
	x, is := a.(map[string]any)
	y, too := b.(map[string]any)
	if !is || !too {
		return slices.Equal(encoded(a), encoded(b))
	}
	for k := range x {
		if !within(x[k], y[k]) {
			return false
		}
	}
	return true
}

// sameAsAudit holds the tenant's audit from the entry skip on against the
// effects of a run, one to one.
func (p *person) sameAsAudit(run engine.Run, skip int) {
	p.t.Helper()
	byID := map[string]engine.StepEffect{}
	for _, e := range effects(run) {
		if e.Status != actions.Done {
			p.t.Errorf("%s on %s is %s: %s", e.Action, e.Target.Name, e.Status, e.Why)
		}
		byID[e.ID] = e
	}
	for _, c := range p.server.Tenant.Changes()[skip:] {
		e, is := byID[c.RequestID]
		if !is {
			p.t.Errorf("the audit holds %s on %s, which is no effect or is there twice", c.Operation, c.Target)
			continue
		}
		delete(byID, c.RequestID)
		if !slices.Contains(operations()[e.Action], c.Operation) {
			p.t.Errorf("%s stands as %s in the audit", e.Action, c.Operation)
		}
		if at := targetInAudit(e); !strings.Contains(strings.ToLower(c.Target), strings.ToLower(at)) {
			p.t.Errorf("%s on %s stands in the audit as on %s", e.Action, at, c.Target)
		}
	}
	for _, e := range byID {
		p.t.Errorf("%s on %s is not in the audit", e.Action, e.Target.Name)
	}
}

// targetInAudit is the part of a target's id that is in the tenant's path: of
// drive/item/permission the permission, or the item where the permission is yet
// to be made; of defender/40211/tags the number.
func targetInAudit(e engine.StepEffect) string {
	parts := strings.Split(e.Target.ID, "/")
	switch {
	case e.Action == "files.unshare":
		return parts[2]
	case e.Target.Kind == "isolation", e.Target.Kind == "sessions":
		return parts[0]
	}
	return parts[1]
}

// undoes takes a run back and compares the state with the one before.
func (p *person) undoes(live engine.Run, before []byte, store string, lost []string) {
	p.t.Helper()
	skip := len(p.server.Tenant.Changes())
	s := p.types("undo", live.ID, "--yes", "--store", store, "--config", "tenant.yaml", "--output", "json")
	var undo engine.Run
	if err := json.Unmarshal([]byte(s.out), &undo); err != nil || s.code != 0 || undo.Status != "succeeded" {
		p.t.Fatalf("undo: exit code %d, %v\n%s%s", s.code, err, s.out, s.err)
	}
	p.sameAsAudit(undo, skip)
	differs := map[string]bool{}
	var x, y any
	if err := json.Unmarshal(before, &x); err != nil {
		p.t.Fatal(err)
	}
	if err := json.Unmarshal(p.asks("/practice/state"), &y); err != nil {
		p.t.Fatal(err)
	}
	compare(differs, "", x, y)
	if got := slices.Sorted(maps.Keys(differs)); !slices.Equal(got, lost) {
		p.t.Errorf("after undo the state differs at %q, want only %q", got, lost)
	}
	if s := p.types("undo", live.ID, "--yes", "--store", store, "--config", "tenant.yaml"); s.code != 1 || !strings.Contains(s.err, "can be undone") {
		p.t.Errorf("undone a second time: exit code %d\n%s", s.code, s.err)
	}
	if n := len(p.server.Tenant.Changes()); n != skip+len(effects(undo)) {
		p.t.Errorf("the second undo has made %d changes", n-skip-len(effects(undo)))
	}
}

// compare notes where two states differ: the path without the numbers of lists.
func compare(differs map[string]bool, at string, a, b any) {
	switch x := a.(type) {
	case map[string]any:
		if y, is := b.(map[string]any); is && len(x) == len(y) {
			for k := range x {
				compare(differs, at+"."+k, x[k], y[k])
			}
			return
		}
	case []any:
		if y, is := b.([]any); is && len(x) == len(y) {
			for i := range x {
				compare(differs, at, x[i], y[i])
			}
			return
		}
	}
	if !slices.Equal(encoded(a), encoded(b)) {
		differs[at] = true
	}
}

func encoded(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}

// TestARejectedRunChangesNothingAndExitsWith4 says no where the example asks.
func TestARejectedRunChangesNothingAndExitsWith4(t *testing.T) {
	t.Parallel()
	p := newPerson(t, practice.Options{})
	store := "sqlite:" + filepath.Join(p.dir, "stanch.db")
	b := p.begins("run", example("contain-external-share.yaml"), "--incident", example("fixtures/external-share.json"), "--config", "tenant.yaml", "--store", store, "--live", "--output", "json")
	var list []engine.Approval
	p.polls("an approval", func() bool {
		s := p.types("approvals", "list", "--store", store, "--config", "tenant.yaml", "--output", "json")
		return s.code == 0 && json.Unmarshal([]byte(s.out), &list) == nil && len(list) == 1
	})
	if list[0].Quorum != 2 || !slices.Equal(list[0].Approvers, []string{"dlp-officers"}) || len(list[0].Targets) != 1 {
		t.Errorf("approvers %v, quorum %d, %d targets", list[0].Approvers, list[0].Quorum, len(list[0].Targets))
	}
	for _, stranger := range []string{"eve@fabrikam.example", "alice", ""} {
		if s := p.types("approvals", "approve", list[0].ID, "--as", stranger, "--store", store, "--config", "tenant.yaml"); s.code != 1 {
			t.Errorf("%q approves: exit code %d\n%s%s", stranger, s.code, s.out, s.err)
		}
	}
	if s := p.types("approvals", "approve", list[0].ID, "--as", "dana.officer@contoso.example", "--store", store, "--config", "tenant.yaml"); s.code != 0 {
		t.Errorf("approve: %s", s.err)
	}
	if s := p.types("approvals", "reject", list[0].ID, "--as", "omar.officer@contoso.example", "--reason", "meant so", "--store", store, "--config", "tenant.yaml"); s.code != 0 {
		t.Errorf("reject: %s", s.err)
	}
	s := p.wait(b)
	if s.code != 4 || len(p.server.Tenant.Changes()) != 0 {
		t.Errorf("exit code %d, %d changes; want 4 and none\n%s", s.code, len(p.server.Tenant.Changes()), s.err)
	}
}
