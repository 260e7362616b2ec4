package mail_test

import (
	"testing"

	shelves "stanch/actions/mail"
	"stanch/actions/shelftest"
	"stanch/connectors/practice"
)

// A mailbox is found by whom it belongs to; who has none has none.
func TestAMailboxIsLookedUpAsEvidenceHasIt(t *testing.T) {
	x := shelftest.Start(t, practice.Options{})
	s := shelves.Shelf{Graph: x.Full.Graph}
	m, err := s.Look(t.Context(), "Dana.Officer@contoso.example")
	if err != nil || m.ID != officer || *m.Address != officer || *m.UPN != officer || m.Alerts == nil {
		t.Errorf("%+v, %v", m, err)
	}
	if m, err := s.Look(t.Context(), "nobody@contoso.example"); err == nil || shelftest.Code(err) != "not_found" {
		t.Errorf("nobody's: %+v, %v", m, err)
	}
	x.Break(shelftest.Fault{Method: "GET", Path: "/v1.0/users/*/mailFolders/inbox", Status: 404, Body: map[string]any{
		"error": map[string]any{"code": "MailboxNotEnabledForRESTAPI", "message": "The mailbox is either inactive, soft-deleted, or is hosted on-premise."},
	}})
	if m, err := s.Look(t.Context(), officer); err == nil || shelftest.Code(err) != "not_found" {
		t.Errorf("of who has none: %+v, %v", m, err)
	}
}
