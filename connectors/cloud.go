package connectors

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// API is one service of a cloud: the address that its paths stand under and
// the scope of its tokens. The zero API is one that the cloud does not have.
type API struct {
	Name  string // "graph", "defender", "azure", "logs", "activity": how errors call it
	Base  string // https, no slash at the end
	Scope string // ends in /.default
}

// Cloud is where a tenant lives: the addresses of its login and its APIs. A
// config may change its fields, for a private endpoint or another authority.
//
// Source: learn.microsoft.com/graph/deployments,
// learn.microsoft.com/defender-endpoint/gov,
// learn.microsoft.com/azure/azure-government/compare-azure-government-global-azure,
// docs.azure.cn,
// learn.microsoft.com/azure/azure-monitor/logs/api/overview,
// learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates,
// learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-reference.
type Cloud struct {
	Name     string
	Login    string // base address of the token endpoint's authority
	Graph    API
	Defender API
	Azure    API // Azure Resource Manager, under which Sentinel stands
	Logs     API // queries of Log Analytics
	Activity API // Office 365 Management Activity API
	// Vault is Key Vault: its Base is the domain that vaults must lie in, such
	// as ".vault.azure.net", or with no dot in front one host (and port).
	Vault API
	// SharePoint is the domain that addresses of long-running SharePoint work
	// must lie in, such as ".sharepoint.com", or with no dot in front one host
	// (and port).
	SharePoint string
	// KnownAuthority is false where Login is not one of Microsoft's: then it
	// is not looked up in Microsoft's list of authorities, which needs the
	// Internet.
	KnownAuthority bool
	// CA holds further certificates (PEM) that connections to this cloud
	// trust; OnlyCA leaves the system's out.
	CA     []byte
	OnlyCA bool
	// Handler, where set, answers every request in this process in place of
	// the network. It is for rehearsals on a practice tenant.
	Handler http.Handler
}

// CloudNamed answers one of Microsoft's clouds: global, gcc, usgov (GCC High),
// dod, china. The practice tenant's is PracticeCloud.
func CloudNamed(name string) (Cloud, error) {
	clouds := withActivity(withVaults(withGCC(microsoft())))
	at := slices.IndexFunc(clouds, func(c Cloud) bool { return c.Name == name })
	if at < 0 {
		return Cloud{}, fmt.Errorf("cloud %q is not known; expected global, gcc, usgov, dod, china or practice", name)
	}
	return clouds[at], nil
}

func microsoft() []Cloud {
	graph := func(host string) API {
		return API{Name: "graph", Base: "https://" + host + "/v1.0", Scope: "https://" + host + "/.default"}
	}
	azure := func(host string) API {
		return API{Name: "azure", Base: "https://" + host, Scope: "https://" + host + "/.default"}
	}
	logs := func(host string) API {
		return API{Name: "logs", Base: "https://" + host + "/v1", Scope: "https://" + host + "/.default"}
	}
	gov := API{
		Name: "defender", Base: "https://api-gov.securitycenter.microsoft.us/api",
		Scope: "https://api-gov.securitycenter.microsoft.us/.default",
	}
	return []Cloud{
		{
			Name: "global", Login: "https://login.microsoftonline.com", KnownAuthority: true, Graph: graph("graph.microsoft.com"),
			Defender: API{
				Name: "defender", Base: "https://api.security.microsoft.com/api",
				Scope: "https://api.securitycenter.microsoft.com/.default",
			},
			Azure: azure("management.azure.com"), Logs: logs("api.loganalytics.azure.com"), SharePoint: ".sharepoint.com",
		},
		{
			Name: "usgov", Login: "https://login.microsoftonline.us", KnownAuthority: true,
			Graph: graph("graph.microsoft.us"), Defender: gov, Azure: azure("management.usgovcloudapi.net"), Logs: logs("api.loganalytics.us"), SharePoint: ".sharepoint.us",
		},
		{
			Name: "dod", Login: "https://login.microsoftonline.us", KnownAuthority: true,
			Graph: graph("dod-graph.microsoft.us"), Defender: gov, Azure: azure("management.usgovcloudapi.net"), Logs: logs("api.loganalytics.us"), SharePoint: ".sharepoint-mil.us",
		},
		{
			Name: "china", Login: "https://login.chinacloudapi.cn", KnownAuthority: true,
			Graph: graph("microsoftgraph.chinacloudapi.cn"),
			Azure: azure("management.chinacloudapi.cn"), Logs: logs("api.loganalytics.azure.cn"), SharePoint: ".sharepoint.cn",
		},
	}
}

// withGCC adds GCC, which is the global cloud but for Defender.
func withGCC(clouds []Cloud) []Cloud {
	gcc := clouds[slices.IndexFunc(clouds, func(c Cloud) bool { return c.Name == "global" })]
	gcc.Name = "gcc"
	gcc.Defender = API{
		Name: "defender", Base: "https://api-gcc.securitycenter.microsoft.us/api",
		Scope: "https://api-gcc.securitycenter.microsoft.us/.default",
	}
	return append(clouds, gcc)
}

// withVaults gives clouds their Key Vault.
func withVaults(clouds []Cloud) []Cloud {
	for i, c := range clouds {
		domain := "vault.azure.net"
		switch c.Name {
		case "usgov", "dod":
			domain = "vault.usgovcloudapi.net"
		case "china":
			domain = "vault.azure.cn"
		}
		clouds[i].Vault = API{Name: "keyvault", Base: "." + domain, Scope: "https://" + domain + "/.default"}
	}
	return clouds
}

// withActivity gives clouds the Activity API, which China does not have.
func withActivity(clouds []Cloud) []Cloud {
	hosts := map[string]string{
		"global": "manage.office.com", "gcc": "manage-gcc.office.com", "usgov": "manage.office365.us", "dod": "manage.protection.apps.mil",
	}
	for i, c := range clouds {
		if host, is := hosts[c.Name]; is {
			clouds[i].Activity = API{Name: "activity", Base: "https://" + host + "/api/v1.0", Scope: "https://" + host + "/.default"}
		}
	}
	return clouds
}

// PracticeCloud is a practice tenant served at base (scheme, host and port),
// trusted by the certificates of caPEM alone. Its scopes are those of the
// global cloud.
func PracticeCloud(base string, caPEM []byte) Cloud {
	base = strings.TrimRight(base, "/")
	_, host, _ := strings.Cut(base, "://")
	return Cloud{
		Name: "practice", Login: base,
		Graph:      API{Name: "graph", Base: base + "/v1.0", Scope: "https://graph.microsoft.com/.default"},
		Defender:   API{Name: "defender", Base: base + "/api", Scope: "https://api.securitycenter.microsoft.com/.default"},
		Azure:      API{Name: "azure", Base: base, Scope: "https://management.azure.com/.default"},
		Logs:       API{Name: "logs", Base: base + "/v1", Scope: "https://api.loganalytics.azure.com/.default"},
		Activity:   API{Name: "activity", Base: base + "/api/v1.0", Scope: "https://manage.office.com/.default"},
		Vault:      API{Name: "keyvault", Base: host, Scope: "https://vault.azure.net/.default"},
		SharePoint: host, CA: caPEM, OnlyCA: true,
	}
}

// RehearsalCloud is a practice tenant in this process: handler answers what
// would go over the wire.
func RehearsalCloud(handler http.Handler) Cloud {
	c := PracticeCloud("https://practice.invalid", nil)
	c.Handler = handler
	return c
}

// OwnsSharePoint reports whether u is an https address of the cloud's
// SharePoint, without a name or password in it.
func (c Cloud) OwnsSharePoint(u *url.URL) bool { return within(c.SharePoint, u) }

// OwnsVault reports whether u is the https address of a vault of the cloud,
// without a name or password in it.
func (c Cloud) OwnsVault(u *url.URL) bool { return within(c.Vault.Base, u) }

// within reports whether u lies in a domain that begins with a dot, at the port
// of https, or else at that host and port.
func within(domain string, u *url.URL) bool {
	if u.Scheme != "https" || u.User != nil || domain == "" {
		return false
	}
	host := strings.ToLower(u.Host)
	if strings.HasPrefix(domain, ".") {
		return u.Port() == "" && strings.HasSuffix(host, domain) && len(host) > len(domain)
	}
	return host == strings.ToLower(domain)
}

// roots answers the certificates that connections trust; nil is the system's.
func (c Cloud) roots() (*x509.CertPool, error) {
	if len(c.CA) == 0 {
		if c.OnlyCA {
			return nil, fmt.Errorf("cloud %s: no certificate to trust", c.Name)
		}
		return nil, nil
	}
	pool := x509.NewCertPool()
	if !c.OnlyCA {
		system, err := x509.SystemCertPool()
		if err != nil {
			return nil, fmt.Errorf("cloud %s: the system's certificates: %w", c.Name, err)
		}
		pool = system
	}
	if !pool.AppendCertsFromPEM(c.CA) {
		return nil, fmt.Errorf("cloud %s: no certificate found in the given CA; expected PEM (-----BEGIN CERTIFICATE-----)", c.Name)
	}
	return pool, nil
}

// address parses the base address of an API or login.
func address(what, base string) (*url.URL, error) {
	u, err := url.Parse(base)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: the address cannot be read: %w", what, errors.Unwrap(err))
	case u.Scheme != "https":
		return nil, fmt.Errorf("%s: the address %q does not begin with https://", what, base)
	case u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("%s: the address %q must be https://host[:port][/path] and no more", what, base)
	}
	return u, nil
}
