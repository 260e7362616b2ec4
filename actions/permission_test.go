package actions_test

import (
	"testing"

	"stanch/actions"
)

func TestPermissionsCoverThoseOfTheirFamily(t *testing.T) {
	for _, c := range []struct {
		api, has, needs string
		covers          bool
	}{
		{"graph", "Files.Read.All", "Files.Read.All", true},
		{"graph", "Files.ReadWrite.All", "Files.Read.All", true},
		{"graph", "Files.Read.All", "Files.ReadWrite.All", false},
		{"graph", "Sites.FullControl.All", "Sites.Read.All", true},
		{"graph", "Sites.FullControl.All", "Sites.Manage.All", true},
		{"graph", "Sites.ReadWrite.All", "Files.Read.All", false},
		{"graph", "User.ReadWrite.All", "User.RevokeSessions.All", false},
		{"graph", "User.RevokeSessions.All", "User.Read.All", false},
		{"graph", "Mail.ReadWrite", "Mail.Read", true},
		{"graph", "Mail.ReadWrite", "Mail.Read.All", false},
		{"defender", "Machine.ReadWrite.All", "Machine.Read.All", true},
		{"defender", "Machine.Isolate", "Machine.Read.All", false},
		{"azure", "Microsoft Sentinel Contributor", "Microsoft Sentinel Reader", true},
		{"azure", "Microsoft Sentinel Reader", "Microsoft Sentinel Responder", false},
		{"azure", "Log Analytics Reader", "Microsoft Sentinel Reader", false},
		{"graph", "All", "All", true},
	} {
		p, q := actions.Permission{API: c.api, Name: c.has}, actions.Permission{API: c.api, Name: c.needs}
		if p.Covers(q) != c.covers {
			t.Errorf("%s covers %s: %v", c.has, c.needs, !c.covers)
		}
		q.API = "another"
		if p.Covers(q) {
			t.Errorf("%s covers %s of another API", c.has, c.needs)
		}
	}
}
