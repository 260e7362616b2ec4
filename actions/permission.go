package actions

import "strings"

// Same reports whether p and other are the same permission of the same API.
func (p Permission) Same(other Permission) bool { return p.API == other.API && p.Name == other.Name }

// Covers reports whether who has p needs other no more: it is the same one, or
// a wider one of its family, as Files.ReadWrite.All is of Files.Read.All,
// Sites.FullControl.All of Sites.Manage.All, and Microsoft Sentinel Contributor
// of Microsoft Sentinel Responder. Families do not cover each other.
//
// Source: learn.microsoft.com/graph/permissions-reference,
// learn.microsoft.com/defender-endpoint/api/exposed-apis-list,
// learn.microsoft.com/azure/role-based-access-control/built-in-roles/security.
func (p Permission) Covers(other Permission) bool {
	if p.Same(other) {
		return true
	}
	family, width := p.family()
	others, least := other.family()
	return p.API == other.API && family != "" && family == others && width > least
}

// family answers what the permission is about and how much it allows there; an
// empty family is one of its own.
func (p Permission) family() (name string, width int) {
	const sentinel = "Microsoft Sentinel "
	if role, is := strings.CutPrefix(p.Name, sentinel); is && p.API == "azure" {
		return family(role, sentinel, "Reader", "Responder", "Contributor")
	}
	about, all := strings.CutSuffix(p.Name, ".All")
	at := strings.LastIndexByte(about, '.')
	if at < 0 {
		return "", 0
	}
	name = about[:at+1]
	if all {
		name += "All"
	}
	return family(about[at+1:], name, "Read", "ReadWrite", "Manage", "FullControl")
}

func family(has, name string, widths ...string) (string, int) {
	for i, w := range widths {
		if has == w {
			return name, i + 1
		}
	}
	return "", 0
}
