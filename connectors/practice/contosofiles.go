package practice

import (
	"fmt"
	"slices"
	"time"
)

// The places that the built-in incidents name.
const (
	payrollFile  = "2026/Payroll November 2026.xlsx"
	designFolder = "Designs/Turbine Mk4"
)

func (g *generator) sites() []Site {
	out := []Site{
		{Path: "/sites/payroll", Title: "Payroll"},
		{Path: "/sites/legal-hold", Title: "Legal Hold"},
		{Path: "/sites/sales", Title: "Sales"},
		{Path: "/sites/engineering", Title: "Engineering"},
		{Path: "/sites/marketing", Title: "Marketing"},
		{Path: "/sites/project-falcon", Title: "Project Falcon"},
	}
	departments := []string{"Human Resources", "Legal", "Sales", "Engineering", "Marketing", "Finance"}
	for n := range out {
		out[n].Files = g.filler(departments[n], 42)
	}
	out[0].Files = append(out[0].Files, payrollWorkbook())
	out[0].Folders = []Folder{{Path: "2026", Shares: []Share{{Role: "read", Groups: []string{"internal-audit"}}}}}
	out[3].Files = append(out[3].Files, designFiles()...)
	for n, at := range map[int]int{0: 2, 1: 4, 2: 5} {
		out[at].Files = append(out[at].Files, oversharedFiles(n)...)
	}
	out[2].Folders = []Folder{{Path: "Reports", Shares: []Share{{Role: "read", To: []string{"kim.abercrombie@fabrikam.example"}}}}}
	for n := range out {
		out[n].Folders = append(out[n].Folders, Folder{Path: "Quarantine", Locked: true, Shares: []Share{{Role: "read", Groups: []string{"dlp-officers"}}}})
	}
	return out
}

// filler is n files of a department, of which some are shared.
func (g *generator) filler(department string, n int) []File {
	people := slices.DeleteFunc(slices.Clone(g.members), func(u User) bool { return u.Department != department })
	topics := []string{"Budget", "Forecast", "Minutes", "Contract", "Checklist", "Plan", "Report", "Review", "Summary", "Inventory"}
	endings := []string{".xlsx", ".docx", ".pptx", ".pdf", ".docx", ".xlsx", ".txt"}
	folders := []string{"Reports", "Archive/2025", "Working", "Templates"}
	var out []File
	for i := range n {
		made := g.day()
		f := File{
			Path: fmt.Sprintf("%s/%s %03d%s", pick(g, folders), pick(g, topics), i+1, pick(g, endings)),
			Size: int64(8_000 + g.rand.IntN(4_000_000)), Owner: pick(g, people).UPN, Created: made,
			Modified: made.Add(time.Duration(g.rand.IntN(72)) * time.Hour), Shares: g.shares(people),
		}
		if i < 4 { // each folder exists whatever the seed
			f.Path = fmt.Sprintf("%s/Read me %03d.docx", folders[i], i+1)
		}
		if e := extension(f.Path); e != ".txt" {
			f.Label = pick(g, []string{"", "Public", "General", "General", "General", "Confidential", "Highly Confidential"})
		}
		if i%14 == 13 {
			f.Retention = pick(g, []string{"Keep 7 years", "Working papers", "Board record"})
		}
		out = append(out, f)
	}
	return out
}

// shares are the shares of an ordinary file: most have none.
func (g *generator) shares(people []User) []Share {
	role := pick(g, []string{"read", "write"})
	switch g.rand.IntN(8) {
	case 0:
		return []Share{{Link: "organization", Role: role}}
	case 1:
		return []Share{{Role: role, To: []string{pick(g, g.guests).Mail}}}
	case 2:
		return []Share{{Link: "users", Role: role, To: []string{pick(g, people).UPN, pick(g, g.guests).Mail}}}
	case 3:
		return []Share{{Link: "anonymous", Role: "read"}}
	}
	return nil
}

// payrollWorkbook is the file of the external-share incident: one anonymous
// link, twelve permissions of guests, and some of people inside.
func payrollWorkbook() File {
	made := time.Date(2026, 11, 2, 8, 12, 0, 0, time.UTC)
	guests := contosoGuests()
	mails := func(from, to int) []string {
		var out []string
		for _, u := range guests[from:to] {
			out = append(out, u.Mail)
		}
		return out
	}
	return File{
		Path: payrollFile, Size: 1_482_331, Owner: "petra.novak@" + ContosoDomain, Label: "General",
		Created: made, Modified: made.AddDate(0, 0, 17),
		Shares: []Share{
			{Link: "anonymous", Role: "write"},
			{Role: "read", To: mails(0, 6)},
			{Role: "write", To: mails(6, 8)},
			{Link: "users", Role: "read", To: mails(8, 10)},
			{Link: "users", Role: "write", To: mails(10, 11)},
			{Link: "users", Role: "read", To: mails(11, 14)},
			{Link: "users", Role: "write", To: mails(14, 16)},
			{Role: "write", To: []string{"samuel.adeyemi@" + ContosoDomain, "greta.lindqvist@" + ContosoDomain}},
			{Role: "read", Groups: []string{"finance-all"}},
			{Link: "organization", Role: "read"},
		},
	}
}

// designFiles are the 60 drawings of the mass-download incident.
func designFiles() []File {
	parts := []string{"Rotor", "Stator", "Housing", "Blade", "Bearing", "Seal"}
	var out []File
	for n := range 60 {
		made := time.Date(2026, 6, 1+n%28, 9, n, 0, 0, time.UTC)
		out = append(out, File{
			Path: fmt.Sprintf("%s/%s drawing %02d.pdf", designFolder, parts[n%len(parts)], n+1),
			Size: int64(900_000 + 13_337*n), Owner: "lena.hoffmann@" + ContosoDomain, Label: "Highly Confidential",
			Created: made, Modified: made.Add(48 * time.Hour),
		})
	}
	return out
}

// oversharedFiles are the files of the oversharing incident in its first,
// second or third site: 40 in all, each open too widely in one of three ways.
func oversharedFiles(site int) []File {
	places := []struct {
		folder, name, owner string
		count               int
	}{
		{"Customers", "Customer list", "bianca.costa", 20},
		{"Launch", "Campaign audience", "paul.dubois", 12},
		{"Due diligence", "Target review", "greta.lindqvist", 8},
	}
	p, guests := places[site], contosoGuests()
	var out []File
	for n := range p.count {
		made := time.Date(2026, 9, 1+n%28, 10, n, 0, 0, time.UTC)
		f := File{
			Path: fmt.Sprintf("%s/%s %02d.xlsx", p.folder, p.name, n+1), Size: int64(40_000 + 977*n), Label: "General",
			Owner: p.owner + "@" + ContosoDomain, Created: made, Modified: made.Add(24 * time.Hour),
		}
		switch n % 3 {
		case 0:
			f.Shares = []Share{{Link: "anonymous", Role: "read"}}
		case 1:
			f.Shares = []Share{{Link: "organization", Role: "write"}}
		case 2:
			f.Shares = []Share{{Link: "users", Role: "read", To: []string{guests[n%len(guests)].Mail}}, {Role: "read", To: []string{guests[(n+5)%len(guests)].Mail}}}
		}
		out = append(out, f)
	}
	return out
}

// oneDrives are the personal libraries of some members.
func (g *generator) oneDrives() []OneDrive {
	var out []OneDrive
	for n, u := range g.members {
		if n%3 != 0 && u.Name != "Sam Ortiz" {
			continue
		}
		d := OneDrive{User: u.UPN}
		for i := range 5 {
			made := g.day()
			d.Files = append(d.Files, File{
				Path: fmt.Sprintf("Notes/%s %02d.docx", pick(g, []string{"Draft", "Ideas", "Feedback"}), i+1), Size: int64(5_000 + g.rand.IntN(90_000)),
				Owner: u.UPN, Label: pick(g, []string{"", "General"}), Created: made, Modified: made, Shares: g.shares(g.members),
			})
		}
		out = append(out, d)
	}
	return out
}
