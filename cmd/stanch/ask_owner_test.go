package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"stanch/connectors/practice"
	"stanch/engine"
)

// replies lets a person answer the question that lies in their mailbox.
func (l *lab) replies(person, text string) {
	l.t.Helper()
	var inbox struct {
		Value []struct{ InternetMessageID string }
	}
	l.get("/v1.0/users/"+person+"/mailFolders/inbox/messages", &inbox)
	if len(inbox.Value) != 1 {
		l.t.Fatalf("%s has %d mails, want the question alone", person, len(inbox.Value))
	}
	body := fmt.Sprintf(`{"from":%q,"signed_in":%q,"to":"dana.officer@contoso.example","in_reply_to":%q,"body":%q}`, person, person, inbox.Value[0].InternetMessageID, text)
	if _, err := l.ask(http.MethodPost, "/practice/mail", body, ""); err != nil {
		l.t.Fatal(err)
	}
}

// asksOwner begins a run that asks once and waits for days, and awaits that it
// does.
func (l *lab) asksOwner() string {
	l.t.Helper()
	id := l.begin("notify.ask_owner", map[string]any{"channel": "email", "owner": faultUser, "file": "a.xlsx", "remind": "0s", "escalate": "0s", "timeout": "720h0m0s"})
	r := l.await(id, func(r engine.Run) bool { return r.Status == "waiting" && len(effects(r)) == 1 })
	if want := []string{"an answer of " + faultUser}; !slices.Equal(r.WaitsFor, want) || statuses(r) != "open" {
		l.t.Errorf("it waits for %q, its effect is %s", r.WaitsFor, statuses(r))
	}
	return id
}

// A question outlives its worker: the next one hears the answer and asks nobody
// again.
func TestAnOwnerIsAskedOnceThroughARestart(t *testing.T) {
	l := openLab(t, practice.FullApp(), nil)
	id := l.asksOwner()
	l.restart()
	l.replies(faultUser, "Remove external\nIt was a mistake.")
	r := l.await(id, engine.Run.Ended)
	if r.Status != "succeeded" || statuses(r) != "done" {
		t.Fatalf("the run is %s: %v; effects: %s", r.Status, r.Error, statuses(r))
	}
	var out struct{ Answer, Justification, By string }
	if err := json.Unmarshal(r.Steps[0].Output, &out); err != nil || out.Answer != "remove_external" || out.Justification != "It was a mistake." || out.By != faultUser {
		t.Errorf("%+v, %v", out, err)
	}
	l.audited(r, 0, false)
	l.settledIntents()
}

// Who cancels a run that waits for an answer waits for nobody.
func TestAQuestionHoldsNoRunThatIsCancelled(t *testing.T) {
	l := openLab(t, practice.FullApp(), nil)
	id := l.asksOwner()
	if err := l.engine.Cancel(t.Context(), id, "operator:alice", "enough"); err != nil {
		t.Fatal(err)
	}
	r := l.await(id, engine.Run.Ended)
	if r.Status != "cancelled" || statuses(r) != "done" || !strings.Contains(effects(r)[0].Why, "nobody waits any longer") {
		t.Errorf("the run is %s, its effect %s: %s", r.Status, statuses(r), effects(r)[0].Why)
	}
	l.audited(r, 0, false)
	l.settledIntents()
}
