package graph_test

import (
	"testing"
	"time"

	"stanch/connectors"
	"stanch/connectors/graph"
	"stanch/connectors/practice"
)

// Which file an address leads to is asked once, until that file changes: the
// change of another one beside it is no reason.
func TestAnAddressIsLookedUpAgainAfterAChangeOfItsFile(t *testing.T) {
	s := start(t, practice.FullApp(), practice.Options{})
	d := s.shared(t)
	other := must[graph.DriveItem](t)(s.Item(t.Context(), d.DriveID, d.ParentID))
	reads := connectors.NewReads(time.Hour)
	ctx := reads.By(t.Context(), connectors.Reader{Run: "r", Step: "each[0]/look"})
	beside := reads.By(t.Context(), connectors.Reader{Run: "r", Step: "each[1]/act"})
	look := func() int64 {
		before := s.Tenant.Spent()["sharepoint"]
		if got := must[graph.DriveItem](t)(s.ResolveFile(ctx, graph.FileRef{URL: d.WebURL})); got.ID != d.ID {
			t.Fatalf("the address leads to %s, not %s", got.ID, d.ID)
		}
		return s.Tenant.Spent()["sharepoint"] - before
	}
	link := graph.NewLink{Type: "view", Scope: "organization", KeepInherited: true}
	share := func(id string) {
		if _, _, err := s.CreateLink(beside, effect(), d.DriveID, id, link); err != nil {
			t.Fatal(err)
		}
	}
	if units := look(); units != 1 {
		t.Errorf("the first look cost %d units, not 1", units)
	}
	share(other.ID)
	if units := look(); units != 0 {
		t.Errorf("after a change of another item it cost %d", units)
	}
	share(d.ID)
	if units := look(); units != 1 {
		t.Errorf("after a change of the file it cost %d", units)
	}
}
