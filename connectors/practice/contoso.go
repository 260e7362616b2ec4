package practice

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"time"
)

// The built-in company and its app registrations. The secrets are as
// public as this file: they open nothing but a practice tenant.
const (
	ContosoTenantID = "9a3b7c51-5e0d-4c58-8f0e-5d2f1c7b6a10"
	ContosoDomain   = "contoso.example"

	// FullClientID has every role the runner may need.
	FullClientID     = "5b1c9f04-7d3e-4f6a-9c21-0a8e4d7f1b01"
	FullClientSecret = "practice-full-secret"
	// ReaderClientID reads only.
	ReaderClientID     = "5b1c9f04-7d3e-4f6a-9c21-0a8e4d7f1b02"
	ReaderClientSecret = "practice-reader-secret"
	// AnalystClientID is somebody else, who reads and writes.
	AnalystClientID     = "5b1c9f04-7d3e-4f6a-9c21-0a8e4d7f1b03"
	AnalystClientSecret = "practice-analyst-secret"
)

// FullApp is the app registration with every role of the runner.
func FullApp() App {
	return App{ID: FullClientID, Name: "practice-full", Secret: FullClientSecret, Roles: []string{
		"SecurityIncident.ReadWrite.All", "SecurityAlert.ReadWrite.All", "ThreatHunting.Read.All", "Files.ReadWrite.All",
		"Sites.Read.All", "Sites.FullControl.All", "User.RevokeSessions.All", "User.EnableDisableAccount.All", "User.Read.All", "GroupMember.Read.All",
		"IdentityRiskyUser.Read.All", "IdentityRiskyUser.ReadWrite.All", "User-LifeCycleInfo.Read.All", "Mail.Read", "Mail.ReadWrite", "Mail.Send", "SensitivityLabels.Read.All", "AuditLogsQuery.Read.All",
		"SecurityAnalyzedMessage.ReadWrite.All", "Machine.Read.All", "Machine.ReadWrite.All", "Machine.Isolate",
		"Machine.RestrictExecution", "Machine.Scan", "Machine.CollectForensics", logReader, vaultReader, sentinelResponder,
		feedRead, feedDLP,
	}, Feeds: []string{dlpContent}}
}

// ReaderApp is the app registration whose roles only read. It cannot resolve
// a URL by /shares, for which Graph has no role that only reads.
func ReaderApp() App {
	return App{ID: ReaderClientID, Name: "practice-reader", Secret: ReaderClientSecret, Roles: []string{
		"SecurityIncident.Read.All", "SecurityAlert.Read.All", "ThreatHunting.Read.All", "Files.Read.All", "Sites.Read.All",
		"User.Read.All", "GroupMember.Read.All", "IdentityRiskyUser.Read.All", "User-LifeCycleInfo.Read.All", "Mail.Read", "SensitivityLabels.Read.All",
		"AuditLogsQuery.Read.All", "Machine.Read.All", logReader, sentinelReader,
	}}
}

// AnalystApp is somebody else at work in the tenant: the app registration of
// the tool that analysts write with.
func AnalystApp() App {
	return App{ID: AnalystClientID, Name: "practice-analyst", Secret: AnalystClientSecret, Roles: []string{
		"SecurityIncident.ReadWrite.All", "SecurityAlert.ReadWrite.All", "Files.ReadWrite.All", "Sites.Read.All", "User.Read.All",
		"Machine.Read.All", "Machine.Isolate", sentinelResponder,
	}}
}

// The incidents of the built-in company are the fixtures of the examples.
//
//go:embed incidents/*.json
var fixtures embed.FS

// Contoso is the built-in company. What the incidents name is always the same;
// seed varies the rest.
func Contoso(seed uint64) Company {
	g := &generator{rand: rand.New(rand.NewPCG(seed, 0x5741_4e43))}
	c := Company{
		TenantID: ContosoTenantID, Name: "Contoso", Domain: ContosoDomain, SharePoint: "contoso.sharepoint.com",
		Secrets: map[string]string{"tickets": DeskToken, "siem-signing": WebhookKey, "analyst": AnalystClientSecret},
		Labels: []Label{
			{ID: "0f6f4b1e-3c2a-4a57-9d0b-1c5e7a9b2d01", Name: "Public", Description: "Prepared for the public."},
			{ID: "0f6f4b1e-3c2a-4a57-9d0b-1c5e7a9b2d02", Name: "General", Description: "Business data not meant for the public."},
			{ID: "0f6f4b1e-3c2a-4a57-9d0b-1c5e7a9b2d03", Name: "Confidential", Description: "Harm if it leaves the company.", Protected: true},
			{ID: "0f6f4b1e-3c2a-4a57-9d0b-1c5e7a9b2d04", Name: "Highly Confidential", Description: "Grave harm if it leaves a small circle.", Protected: true},
		},
		RetentionLabels: []RetentionLabel{
			{Name: "Keep 7 years", Behavior: "retain", DeleteAllowed: false},
			{Name: "Working papers", Behavior: "doNotRetain", DeleteAllowed: true},
			{Name: "Board record", Behavior: "retainAsRecord", DeleteAllowed: false},
		},
		Apps: []App{FullApp(), ReaderApp(), AnalystApp()},
	}
	c.Users = append(contosoUsers(), contosoGuests()...)
	c.Groups = contosoGroups(c.Users)
	g.members, g.guests = c.Users[:len(c.Users)-len(contosoGuests())], contosoGuests()
	c.Sites = g.sites()
	c.OneDrives = g.oneDrives()
	c.Devices = g.devices()
	c.Mail = g.mail()
	c.Incidents = fixtureIncidents()
	c.Sentinel = contosoWorkspace()
	return c
}

func fixtureIncidents() []json.RawMessage {
	names, err := fs.Glob(fixtures, "incidents/*.json")
	if err != nil {
		panic(err) // the pattern is constant
	}
	var out []json.RawMessage
	for _, n := range names {
		b, err := fixtures.ReadFile(n)
		if err != nil {
			panic(err) // embedded
		}
		out = append(out, b)
	}
	return out
}

// contosoUsers: the first of each department leads it and reports to the
// chief.
func contosoUsers() []User {
	departments := []struct{ name, title, people string }{
		{"Executive", "Chief Executive", "Amara Diallo"},
		{"Information Protection", "Data Protection Officer", "Dana Officer, Omar Officer, Ines Castellano, Yusuf Demir"},
		{"Finance", "Controller", "Greta Lindqvist, Tomasz Wójcik, Priya Raman, Leon Fischer, Mei Tanaka, Carlos Medina"},
		{"Human Resources", "HR Partner", "Petra Novak, Samuel Adeyemi, Julia Brandt, Nadia Rahman, Oliver Stone"},
		{"Legal", "Counsel", "Henrik Dahl, Fatima Zahra, Ruth Goldberg, Marco Bianchi"},
		{"Engineering", "Engineer", "Sam Ortiz, Lena Hoffmann, Raj Patel, Chloe Martin, Ivan Petrov, Aiko Sato, Noah Williams, Sofia Rossi, Kwame Mensah"},
		{"Sales", "Account Manager", "Bianca Costa, Daniel Kim, Eva Jansen, Mohammed Ali, Grace Chen, Viktor Olsen, Hanna Virtanen"},
		{"Marketing", "Campaign Manager", "Paul Dubois, Zoe Walker, Anna Kowalska, Diego Herrera"},
		{"IT", "Administrator", "Jonas Weber, Aisha Khan, Peter Svensson, Maria Silva"},
	}
	var out []User
	for n, d := range departments {
		lead := ""
		for i, name := range strings.Split(d.people, ", ") {
			u := User{UPN: address(name, ContosoDomain), Name: name, Department: d.name, Title: d.title, Manager: lead}
			if i == 0 && n > 0 {
				u.Manager, u.Title, lead = out[0].UPN, "Head of "+d.name, u.UPN
			}
			out = append(out, u)
		}
	}
	out = append(out,
		User{UPN: "breakglass@" + ContosoDomain, Name: "Break Glass", Department: "IT", Title: "Emergency account", Roles: []string{"Global Administrator"}},
		User{UPN: "tim.leaver@" + ContosoDomain, Name: "Tim Leaver", Department: "Sales", Title: "Account Manager", Manager: address("Bianca Costa", ContosoDomain), LeaveDate: "2026-12-31T00:00:00Z"},
		User{UPN: "former.employee@" + ContosoDomain, Name: "Former Employee", Department: "Marketing", Title: "Campaign Manager", Manager: address("Paul Dubois", ContosoDomain), Disabled: true})
	for i := range out {
		switch out[i].Name {
		case "Jonas Weber", "Aisha Khan": // who administer the directory
			out[i].Roles = []string{"User Administrator"}
		case "Ivan Petrov":
			out[i].Risk = &Risk{State: "atRisk", Level: "medium"}
		case "Eva Jansen":
			out[i].Risk = &Risk{State: "dismissed", Level: "none", Detail: "adminDismissedAllRiskForUser"}
		}
	}
	return out
}

func address(name, domain string) string {
	plain := strings.NewReplacer("ó", "o", "é", "e").Replace(strings.ToLower(name))
	return strings.ReplaceAll(plain, " ", ".") + "@" + domain
}

// contosoGuests are the outsiders that files are shared with.
func contosoGuests() []User {
	var out []User
	for _, p := range []struct{ domain, people string }{
		{"fabrikam.example", "Kim Abercrombie, Lee Gu, Terry Adams, Jay Hamlin"},
		{"northwind.example", "Nancy Davolio, Andrew Fuller, Janet Leverling, Margaret Peacock"},
		{"adatum.example", "Ann Beebe, Scott Cooper, Robin Counts"},
		{"tailspin.example", "Toby Nixon, Cynthia Randall, Wendy Kahn"},
		{"litware.example", "Josh Bailey, Linda Mitchell"},
	} {
		for name := range strings.SplitSeq(p.people, ", ") {
			mail := address(name, p.domain)
			out = append(out, User{
				UPN: strings.ReplaceAll(mail, "@", "_") + "#EXT#@" + ContosoDomain, Name: name, Mail: mail, Guest: true,
			})
		}
	}
	return out
}

func contosoGroups(users []User) []Group {
	out := []Group{
		{Name: "dlp-officers", Members: []string{"dana.officer@" + ContosoDomain, "omar.officer@" + ContosoDomain}},
		{Name: "internal-audit", Members: []string{address("Ruth Goldberg", ContosoDomain), address("Priya Raman", ContosoDomain)}},
	}
	byDepartment := map[string]int{}
	for _, u := range users {
		if u.Guest || u.Department == "" {
			continue
		}
		at, known := byDepartment[u.Department]
		if !known {
			at = len(out)
			byDepartment[u.Department] = at
			out = append(out, Group{Name: strings.ReplaceAll(strings.ToLower(u.Department), " ", "-") + "-all"})
		}
		out[at].Members = append(out[at].Members, u.UPN)
	}
	return append(out,
		Group{Name: "payroll-readers", Members: []string{address("Petra Novak", ContosoDomain)}, Groups: []string{"finance-all"}},
		Group{Name: "restricted-data", Groups: []string{"payroll-readers"}},
	)
}

// generator makes up what varies.
type generator struct {
	rand            *rand.Rand
	members, guests []User
}

func pick[T any](g *generator, list []T) T { return list[g.rand.IntN(len(list))] }

func (g *generator) day() time.Time {
	return time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC).Add(time.Duration(g.rand.IntN(300*24*60)) * time.Minute)
}

func (g *generator) devices() []Device {
	start, seen := time.Date(2025, 3, 3, 7, 30, 0, 0, time.UTC), time.Date(2026, 11, 20, 6, 0, 0, 0, time.UTC)
	var out []Device
	for n, u := range g.members {
		if n == len(g.members)-3 {
			break // the emergency account and those who left have none
		}
		user, _, _ := strings.Cut(u.UPN, "@")
		first, last, _ := strings.Cut(user, ".")
		d := Device{
			Name: fmt.Sprintf("wks-%s%s.%s", first[:1], last, ContosoDomain), OS: "Windows11", Version: "24H2", Build: 26100,
			IP: fmt.Sprintf("10.20.%d.%d", n/200, 10+n%200), ExternalIP: "203.0.113.24", Users: []string{u.UPN},
			FirstSeen: start.AddDate(0, 0, n), LastSeen: seen.Add(time.Duration(n) * time.Minute),
		}
		if u.Name != "Sam Ortiz" {
			d.Risk = pick(g, []string{"None", "None", "Low", "Medium"})
			d.Health = pick(g, []string{"Active", "Active", "Active", "Active", "Inactive"})
		}
		out = append(out, d)
	}
	for n := range 4 {
		out = append(out, Device{
			Name: fmt.Sprintf("srv-file-%02d.%s", n+1, ContosoDomain), OS: "WindowsServer2022", Version: "21H2", Build: 20348,
			IP: fmt.Sprintf("10.10.0.%d", 20+n), ExternalIP: "203.0.113.10", FirstSeen: start, LastSeen: seen, Tags: []string{"server"},
		})
	}
	return append(out, Device{
		Name: "byod-tablet." + ContosoDomain, OS: "Android", Onboarding: "CanBeOnboarded", IP: "10.99.0.7", FirstSeen: start, LastSeen: seen,
	})
}

func (g *generator) mail() []Mail {
	subjects := []string{"Quarterly numbers", "Contract draft", "Applicant list", "Re: invoice", "Roadmap", "Travel plans"}
	var out []Mail
	for n := range 30 {
		from, to := pick(g, g.members), pick(g, g.members).UPN
		if n%3 == 0 {
			to = pick(g, g.guests).Mail
		}
		out = append(out, Mail{
			Mailbox: from.UPN, Folder: "sentitems", InternetID: fmt.Sprintf("<%s@%s>", guid("mail", itoa(n)), ContosoDomain),
			Subject: pick(g, subjects), From: from.UPN, To: []string{to}, Body: "Please find the document attached.", SentAt: g.day(),
		})
	}
	return out
}
