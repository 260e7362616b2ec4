package shelftest_test

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"stanch/actions"
	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
)

var update = flag.Bool("update", false, "write testdata/never-seen.txt anew")

const neverSeen = "testdata/never-seen.txt"

const neverSeenHead = `# What the actions, each done, looked at and undone once, never use of the descriptions of
# Graph, Sentinel and the activity feed in connectors/practice/practicetest/testdata. No action calls an
# operation that stands here. A field that stands here is one that no request has, or that
# no answer of the practice tenant fills, of a type that was sent or answered: nothing
# shows that it is written or read rightly. Below it nothing is told. Defender, Log
# Analytics and SharePoint have no description: of them documented requests are tried.
# Written by: go test ./actions/shelftest -run TestNeverSeen -update

`

// use is an action that is done once, and undone where it can be.
type use struct {
	action string
	params func(*wire) any
}

// TestNeverSeen does every action on Microsoft's APIs and holds what the
// descriptions have besides against a list, so that who adds a call or a field sees
// what it lacks.
func TestNeverSeen(t *testing.T) {
	var seen practicetest.Coverage
	done := map[string]bool{}
	all := uses()
	for _, s := range samples() {
		if s.refused == "" {
			all = append(all, use{s.action, s.params})
		}
	}
	for _, u := range all {
		done[u.action] = true
		t.Run(u.action, func(t *testing.T) { u.into(t, &seen) })
	}
	for _, name := range collect(t).Names() {
		shelf, _, _ := strings.Cut(name, ".")
		if !done[name] && shelf != "http" && shelf != "notify" {
			t.Errorf("%s is not tried", name)
		}
	}
	got, err := seen.NeverSeen()
	if err != nil {
		t.Fatal(err)
	}
	got = neverSeenHead + got
	if *update {
		if err := os.WriteFile(neverSeen, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(neverSeen)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s is not what was never seen; write it with -update and look at what has changed:\n%s", neverSeen, changes(string(want), got))
	}
}

// into does the action on a tenant of its own, and shows the calls.
func (u use) into(t *testing.T, seen *practicetest.Coverage) {
	w := tap(t, practice.Options{Company: company(t), Now: func() time.Time { return time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC) }})
	params := u.params(w)
	w.mu.Lock()
	from := len(w.calls) // what the test itself asks does not count
	w.mu.Unlock()
	_, r := w.act(u.action, params)
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	for _, e := range r.Effects {
		a, _ := w.desk.Catalog.Lookup(e.Action)
		if _, err := a.Check(t.Context(), actions.Call{Now: w.Now()}, e); err != nil {
			t.Error(err)
		}
	}
	if len(r.Effects) > 0 && r.Action.Undoable() {
		w.desk.Undo(r)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range w.calls[from:] {
		if err := seen.Add(x); err != nil {
			t.Error(err)
		}
	}
}

// changes are the lines of each text that the other has not.
func changes(before, after string) string {
	var out []string
	a, b := strings.Split(before, "\n"), strings.Split(after, "\n")
	for _, line := range a {
		if !slices.Contains(b, line) {
			out = append(out, "- "+line)
		}
	}
	for _, line := range b {
		if !slices.Contains(a, line) {
			out = append(out, "+ "+line)
		}
	}
	return strings.Join(out, "\n")
}
