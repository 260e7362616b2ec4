package practice_test

import (
	"encoding/json"
	"fmt"

	"stanch/connectors/practice"
)

// The smallest company worth a try: two people, one site, one file with an
// anonymous link, and an app registration to call with.
func ExampleNew() {
	t, err := practice.New(practice.Options{Company: []byte(`{
	  "tenant_id": "11111111-2222-3333-4444-555555555555",
	  "name": "Tailspin", "domain": "tailspin.example", "sharepoint": "tailspin.sharepoint.com",
	  "labels": [{"name": "General"}, {"name": "Confidential", "protected": true}],
	  "users": [
	    {"upn": "ada@tailspin.example", "name": "Ada King"},
	    {"upn": "bob@tailspin.example", "name": "Bob Ray", "manager": "ada@tailspin.example"}
	  ],
	  "sites": [{"path": "/sites/hr", "title": "HR", "files": [{
	    "path": "2026/Salaries.xlsx", "size": 4711, "owner": "bob@tailspin.example", "label": "General",
	    "created": "2026-01-02T08:00:00Z", "modified": "2026-01-03T08:00:00Z",
	    "shares": [{"link": "anonymous", "role": "read"}, {"role": "write", "to": ["eve@elsewhere.example"]}]
	  }]}],
	  "apps": [{"id": "99999999-2222-3333-4444-555555555555", "name": "me", "secret": "s", "roles": ["Files.ReadWrite.All"]}]
	}`)})
	if err != nil {
		fmt.Println(err)
		return
	}
	var state struct {
		Sites []struct {
			URL   string
			Items []struct {
				Path, Label string
				Permissions []struct {
					Scope     string
					To, Roles []string
				}
			}
		}
	}
	if err := json.Unmarshal(t.State(), &state); err != nil {
		fmt.Println(err)
		return
	}
	file := state.Sites[0].Items[2]
	fmt.Println(state.Sites[0].URL + file.Path)
	for _, p := range file.Permissions {
		fmt.Printf("%q for %v as %v\n", p.Scope, p.To, p.Roles)
	}
	// Output:
	// https://tailspin.sharepoint.com/sites/hr/2026/Salaries.xlsx
	// "anonymous" for [] as [read]
	// "" for [bob@tailspin.example] as [owner]
	// "" for [eve@elsewhere.example] as [write]
}
