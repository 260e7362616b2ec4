package files_test

import (
	"encoding/json"
	"strings"
	"testing"

	"stanch/actions/files"
	"stanch/actions/shelftest"
	"stanch/connectors/practice"
)

const payrollID = "https://contoso.sharepoint.com/sites/payroll/shared%20documents/2026/payroll%20november%202026.xlsx"

// A file is found by its address, by a link to it and by its ids, and is as
// evidence has it each time; Office's page for it is no address.
func TestAFileIsLookedUpAsEvidenceHasIt(t *testing.T) {
	x := shelftest.Start(t, practice.Options{})
	s := files.Shelf{Graph: x.Full.Graph, OwnDomains: []string{practice.ContosoDomain}}
	first, err := s.Look(t.Context(), payroll)
	if err != nil || first.ID != payrollID || *first.Path != "/Shared Documents/2026/Payroll November 2026.xlsx" || *first.Site != "/sites/payroll" || *first.Size != 1_482_331 {
		t.Fatalf("%+v, %v", first, err)
	}
	ids := *first.DriveID + "/" + *first.ItemID
	d := x.Open(shelf(x.Full)...)
	var link string
	for _, p := range list(t, d, payroll).Permissions {
		if p.Link != nil && p.Scope == "anonymous" {
			link = p.ID
		}
	}
	var shared struct{ Link struct{ WebURL string } }
	if err := json.Unmarshal(x.Call("GET", "/v1.0/drives/"+*first.DriveID+"/items/"+*first.ItemID+"/permissions/"+link, ""), &shared); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{ids, shared.Link.WebURL} {
		if got, err := s.Look(t.Context(), name); err != nil || got.ID != payrollID {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	var item map[string]any
	if err := json.Unmarshal(x.Call("GET", "/v1.0/drives/"+*first.DriveID+"/items/"+*first.ItemID, ""), &item); err != nil {
		t.Fatal(err)
	}
	item["webUrl"] = "https://contoso.sharepoint.com/sites/payroll/_layouts/15/Doc.aspx?sourcedoc=%7B1%7D&file=Payroll.xlsx"
	x.Break(shelftest.Fault{Method: "GET", Path: "/v1.0/drives/*/items/*", Status: 200, Body: item})
	if got, err := s.Look(t.Context(), ids); err != nil || got.ID != payrollID || *got.URL != *first.URL {
		t.Errorf("by Office's page: %+v, %v", got, err)
	}
}

func TestAFileThatCannotBeLookedUp(t *testing.T) {
	x := shelftest.Start(t, practice.Options{})
	s := files.Shelf{Graph: x.Full.Graph}
	for name, want := range map[string]string{
		"https://contoso.sharepoint.com/sites/payroll/none.xlsx": "not_found",
		"pay.xlsx": "invalid",
		"https://contoso.sharepoint.com/sites/payroll/Shared Documents": "refused",
	} {
		if got, err := s.Look(t.Context(), name); err == nil || shelftest.Code(err) != want {
			t.Errorf("%s: %+v, %v; want %s", name, got, err, want)
		}
	}
	if _, err := s.Look(t.Context(), "pay.xlsx"); !strings.Contains(err.Error(), "its https address, or <drive id>/<item id>") {
		t.Error(err)
	}
}
