package files_test

import (
	"strings"
	"testing"

	"stanch/actions/files"
	"stanch/actions/shelftest"
	"stanch/connectors/practice"
)

func TestListPermissionsTellsHowFarEachReaches(t *testing.T) {
	d := open(t)
	l := list(t, d, payroll)
	count := map[string]int{}
	for _, p := range l.Permissions {
		if !p.Inherited {
			count[p.Scope]++
		}
		if (p.Scope == "anonymous") != (p.Link != nil && p.Link.Scope == "anonymous") {
			t.Errorf("%+v", p)
		}
		for _, g := range p.Grantees {
			if strings.HasSuffix(g, ".example") && !strings.HasSuffix(g, "@contoso.example") && p.Scope != "external" {
				t.Errorf("%s is outside, the permission is said to be %s", g, p.Scope)
			}
		}
	}
	want := map[string]int{"anonymous": 1, "external": 12, "organization": 1, "internal": 4} // owner, two colleagues, a group
	for scope, n := range want {
		if count[scope] != n {
			t.Errorf("%d %s permissions, want %d", count[scope], scope, n)
		}
	}
	if owners := l.ids(func(p permission) bool { return p.Owner && !p.Inherited }); len(owners) != 1 {
		t.Errorf("owners: %v", owners)
	}
}

func TestListPermissionsTellsWhatIsInherited(t *testing.T) {
	d := open(t)
	l := list(t, d, report)
	at := l.ids(func(p permission) bool { return p.Inherited && p.Scope == "external" })
	if len(at) != 1 {
		t.Fatalf("inherited from the folder: %v", at)
	}
	for _, p := range l.Permissions {
		if p.ID != at[0] {
			continue
		}
		folder := list(t, d, p.InheritedFrom)
		if own := folder.ids(outside); len(own) != 1 || own[0] != at[0] {
			t.Errorf("%s: %v", p.InheritedFrom, own)
		}
	}
}

func TestWithoutOwnDomainsNobodyIsTakenForAnOutsider(t *testing.T) {
	x := shelftest.Start(t, practice.Options{})
	d := x.Open(files.Shelf{Graph: x.Full.Graph})
	_, err := d.Read("files.list_permissions", map[string]any{"file": payroll})
	if shelftest.Code(err) != "invalid" || !strings.Contains(err.Error(), "own domains") {
		t.Errorf("error: %v", err)
	}
}

func TestReadersMayListByIDsAndByURL(t *testing.T) {
	x := shelftest.Start(t, practice.Options{})
	d := x.Open(shelf(x.Reader)...)
	for _, file := range []string{payroll, id(x, payroll)} {
		if l := list(t, d, file); len(l.Permissions) == 0 {
			t.Errorf("%s: no permissions", file)
		}
	}
}
