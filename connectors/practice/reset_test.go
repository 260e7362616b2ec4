package practice_test

import (
	"bytes"
	"net/http"
	"testing"

	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
)

// However much a rehearsal changes, the next finds the company of the start.
func TestResetForgetsWhatWasDone(t *testing.T) {
	server := practicetest.Start(t, practice.Options{})
	c := newClient(t, server, practice.FullApp())
	item := c.file(payrollURL)
	before := c.state()
	read := c.do(http.StatusOK, http.MethodGet, item+"/permissions", "").raw
	for round := range 3 {
		for _, p := range c.do(http.StatusOK, http.MethodGet, item+"/permissions", "").list() {
			if id, is := p["id"].(string); is && p["inheritedFrom"] == nil {
				if _, err := c.try(http.MethodDelete, item+"/permissions/"+id, ""); err != nil {
					t.Fatal(err)
				}
			}
		}
		c.do(http.StatusOK, http.MethodPatch, "/v1.0/security/incidents/40211", `{"customTags":["x"],"status":"resolved"}`)
		c.do(http.StatusNoContent, http.MethodDelete, item, "")
		if _, err := server.Tenant.Inject([]byte(`{"displayName":"new"}`)); err != nil {
			t.Fatal(err)
		}
		if c.state() == before {
			t.Fatal("nothing was changed: the test tells nothing")
		}
		if err := server.Tenant.Reset(); err != nil {
			t.Fatal(err)
		}
		if c.state() != before {
			t.Fatalf("round %d: the company is another than at the start", round)
		}
		if again := c.do(http.StatusOK, http.MethodGet, item+"/permissions", "").raw; !bytes.Equal(again, read) {
			t.Errorf("round %d: permissions\n%s\nwere\n%s", round, again, read)
		}
		if changes := c.audit(); len(changes) > 0 {
			t.Errorf("round %d: the audit tells of %d changes", round, len(changes))
		}
	}
}
