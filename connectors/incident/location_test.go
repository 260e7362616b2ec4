package incident

import (
	"errors"
	"strings"
	"testing"
)

// Where a file lies is told from folder and name, and an address that could
// lead to another file is never made.
func TestLocate(t *testing.T) {
	const sp = "https://contoso.sharepoint.com/"
	for _, c := range []struct {
		title, folder, name string
		want                location // key left out
	}{
		{"SharePoint", sp + "sites/payroll/Shared Documents/2026", "pay.xlsx", location{name: "pay.xlsx", url: sp + "sites/payroll/Shared%20Documents/2026/pay.xlsx", site: "/sites/payroll", path: "/Shared Documents/2026/pay.xlsx"}},
		{"escaped", sp + "sites/payroll/Shared%20Documents/", "Lohn%20Juni.xlsx", location{name: "Lohn Juni.xlsx", url: sp + "sites/payroll/Shared%20Documents/Lohn%20Juni.xlsx", site: "/sites/payroll", path: "/Shared Documents/Lohn Juni.xlsx"}},
		{"OneDrive", "https://contoso-my.sharepoint.com/personal/jo_contoso_com/Documents", "a.docx", location{name: "a.docx", url: "https://contoso-my.sharepoint.com/personal/jo_contoso_com/Documents/a.docx", site: "/personal/jo_contoso_com", path: "/Documents/a.docx"}},
		{"Teams site", sp + "teams/x/Docs", "a", location{name: "a", url: sp + "teams/x/Docs/a", site: "/teams/x", path: "/Docs/a"}},
		{"root site", sp + "Shared Documents", "a.docx", location{name: "a.docx", url: sp + "Shared%20Documents/a.docx", site: "/", path: "/Shared Documents/a.docx"}},
		{"other cloud", "https://drop.example/sites/", "a.docx", location{name: "a.docx", url: "https://drop.example/sites/a.docx", path: "/sites/a.docx"}},
		{"folder named as the file in it", sp + "sites/x/D/a.docx", "a.docx", location{name: "a.docx", url: sp + "sites/x/D/a.docx/a.docx", site: "/sites/x", path: "/D/a.docx/a.docx"}},
		{"no name", sp + "sites/x/D/a.docx", "", location{name: "a.docx", url: sp + "sites/x/D/a.docx", site: "/sites/x", path: "/D/a.docx"}},
		{"address as name", "", sp + "sites/x/D/a.docx", location{name: "a.docx", url: sp + "sites/x/D/a.docx", site: "/sites/x", path: "/D/a.docx"}},
		{"query", sp + "sites/x/D?web=1", "a", location{name: "a", url: sp + "sites/x/D/a", site: "/sites/x", path: "/D/a"}},
		{"number sign", sp + "sites/x/C# notes", "a#1.txt", location{name: "a#1.txt", url: sp + "sites/x/C%23%20notes/a%231.txt", site: "/sites/x", path: "/C# notes/a#1.txt"}},
		{"percent sign", sp + "sites/x/D", "100%.txt", location{name: "100%.txt", url: sp + "sites/x/D/100%25.txt", site: "/sites/x", path: "/D/100%.txt"}},
		{"host in capitals", "HTTPS://Contoso.SharePoint.com/sites/x/D", "a", location{name: "a", url: sp + "sites/x/D/a", site: "/sites/x", path: "/D/a"}},
		{"Windows", `C:\Users\jo`, "a.xlsx", location{name: "a.xlsx", path: `C:\Users\jo\a.xlsx`}},
		{"Windows root", `E:\`, "a.xlsx", location{name: "a.xlsx", path: `E:\a.xlsx`}},
		{"share", `\\server\hr`, "a.xlsx", location{name: "a.xlsx", path: `\\server\hr\a.xlsx`}},
		{"Windows without name", `C:\Users\jo\a.xlsx`, "", location{name: "a.xlsx", path: `C:\Users\jo\a.xlsx`}},
		{"macOS", "/Users/jo", "a.xlsx", location{name: "a.xlsx", path: "/Users/jo/a.xlsx"}},
		{"name only", "", "a.xlsx", location{name: "a.xlsx"}},
		{"nothing", "", "", location{}},
		{"host hidden", "https://contoso.sharepoint.com@evil.example/x", "a", location{name: "a", path: "https://contoso.sharepoint.com@evil.example/x/a"}},
		{"climbs", sp + "sites/payroll/../hr/D", "a", location{name: "a", path: sp + "sites/payroll/../hr/D/a"}},
		{"climbs in disguise", sp + "sites/payroll/%2e%2E/hr/D", "a", location{name: "a", path: sp + "sites/payroll/%2e%2E/hr/D/a"}},
		{"name that climbs", sp + "sites/payroll/D", "../../hr/a", location{name: "../../hr/a", path: sp + "sites/payroll/D/../../hr/a"}},
		{"escaped separator", sp + "sites/payroll/D", "b%2Fa", location{name: "b%2Fa", path: sp + "sites/payroll/D/b%2Fa"}},
		{"line break", sp + "sites/payroll/D", "a%0Ab", location{name: "a%0Ab", path: sp + "sites/payroll/D/a%0Ab"}},
		{"no host", "https:///sites/x", "a", location{name: "a", path: "https:///sites/x/a"}},
		{"host only", "https://contoso.sharepoint.com", "", location{name: "", path: "https://contoso.sharepoint.com/"}},
	} {
		t.Run(c.title, func(t *testing.T) {
			have := locate(c.folder, c.name)
			have.key = ""
			if have != c.want {
				t.Errorf("\n have %+v\n want %+v", have, c.want)
			}
		})
	}
}

// Spellings of one place are one place, different places are not.
func TestLocateKey(t *testing.T) {
	const sp = "https://contoso.sharepoint.com/sites/x/D"
	for _, c := range []struct {
		a, b [2]string
		same bool
	}{
		{[2]string{sp, "Übung.txt"}, [2]string{"https://CONTOSO.sharepoint.com/Sites/X/d/", "U%CC%88BUNG.txt"}, true},
		{[2]string{sp, "a b.txt"}, [2]string{sp, "a%20b.txt"}, true},
		{[2]string{sp, "a.txt"}, [2]string{sp + "/a", ".txt"}, false},
		{[2]string{`C:\Tmp`, "A.txt"}, [2]string{`c:\tmp\`, "a.TXT"}, true},
		{[2]string{"/tmp", "A.txt"}, [2]string{"/tmp", "a.txt"}, false},
		{[2]string{"/tmp", "\u00fc"}, [2]string{"/tmp/", "u\u0308"}, true},
	} {
		a, b := locate(c.a[0], c.a[1]), locate(c.b[0], c.b[1])
		if (a.key == b.key) != c.same {
			t.Errorf("%q, %q: want same %v", a.key, b.key, c.same)
		}
	}
}

func TestFold(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"Jo.Müller@Contoso.example", " jo.mu\u0308ller@CONTOSO.example ", true},
		{"ΣΊΣΥΦΟΣ", "σίσυφος", true},
		{"\u212a", "k", true}, // Kelvin sign
		{"ſ", "s", true},
		{"ı", "i", false}, // two people in Türkiye
		{"İ", "i", false},
		{"ß", "ss", false},
		{"Ω", "\u2126", true}, // Ohm sign
		{"а", "a", false},     // Cyrillic
	} {
		if (Fold(c.a) == Fold(c.b)) != c.same {
			t.Errorf("Fold(%q) = %q, Fold(%q) = %q; want same %v", c.a, Fold(c.a), c.b, Fold(c.b), c.same)
		}
		if Fold(Fold(c.a)) != Fold(c.a) {
			t.Errorf("Fold(%q) changes when folded again", c.a)
		}
	}
}

func TestParseID(t *testing.T) {
	for _, c := range []struct{ id, source, native, err string }{
		{"defender/2972395", "defender", "2972395", ""},
		{"defender/a/b=", "defender", "a/b=", ""},
		{"sentinel/ws/73e01a99", "sentinel", "ws/73e01a99", ""},
		{"sentinel/ws", "", "", "want sentinel/<workspace>/<guid>"},
		{"2972395", "", "", `"2972395": want defender/<id> or sentinel/<workspace>/<guid>`},
		{"defender/", "", "", "want defender/<id>"},
		{"splunk/1", "", "", `the source "splunk" is not known, want defender or sentinel`},
		{"", "", "", "want defender/<id>"},
	} {
		source, native, err := ParseID(c.id)
		if string(source) != c.source || native != c.native || (err == nil) != (c.err == "") {
			t.Errorf("%q: %q, %q, %v", c.id, source, native, err)
		}
		if err != nil && (!errors.Is(err, ErrID) || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%q: %v, want %s", c.id, err, c.err)
		}
	}
}
