package config

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"stanch/connectors"
	"stanch/connectors/egress"
)

// Egress says which addresses the actions http.* may reach. Services and
// channels are the operator's word and not bound by it.
type Egress struct {
	Hosts    []string    `yaml:"hosts" doc:"the only hosts that may be asked, such as [api.example.com, \"*.example.org\"]; default any that is public"`
	Networks []string    `yaml:"networks" doc:"networks that may be reached although they are not public, such as [10.20.0.0/16]; metadata services only by their very address"`
	Proxy    EgressProxy `yaml:"proxy" doc:"proxy of the actions http.* and notify.*; that of the environment is not used for them"`
}

// EgressProxy is a proxy that is asked with CONNECT.
type EgressProxy struct {
	Address  string    `yaml:"address" doc:"such as http://proxy.example.com:3128"`
	Except   []string  `yaml:"except" doc:"hosts that are reached without it"`
	ByName   bool      `yaml:"by_name" doc:"true: it is asked for names and not for the addresses that were judged here, so it has to refuse internal addresses itself; default false"`
	User     string    `yaml:"user" doc:"its user, where it asks for one"`
	Password Reference `yaml:"password" doc:"where the user's password is: {env: NAME}, {file: PATH} or {vault: URL, secret: NAME}"`
	CA       string    `yaml:"ca" doc:"PEM file of the certificate authorities that it is trusted by, where it is reached by https"`
}

// Service is an HTTP API that playbooks name.
type Service struct {
	Base  string      `yaml:"base" doc:"https://host[:port][/path]; in the practice tenant, its desk for tickets where it is left out"`
	Plain bool        `yaml:"plain_http" doc:"true: base may begin with http://, and what is sent can be read on the way; default false"`
	CA    string      `yaml:"ca" doc:"PEM file of further certificate authorities to trust"`
	Auth  ServiceAuth `yaml:"auth" doc:"the credential that is sent along"`
}

// ServiceAuth is how a service knows us.
type ServiceAuth struct {
	Kind   string    `yaml:"kind" doc:"bearer, basic, header or query" enum:"bearer,basic,header,query"`
	Name   string    `yaml:"name" doc:"name of the header or parameter"`
	User   string    `yaml:"user" doc:"the user, with basic"`
	Secret Reference `yaml:"secret" doc:"where the secret is: {env: NAME}, {file: PATH} or {vault: URL, secret: NAME}"`
}

// Channel is where messages go.
type Channel struct {
	Kind string    `yaml:"kind" doc:"teams, slack, webhook or email" enum:"teams,slack,webhook,email"`
	URL  Reference `yaml:"url" doc:"where its address is, a secret: {env: NAME}, {file: PATH} or {vault: URL, secret: NAME}; in the practice tenant, its own channel where it is left out"`
	Key  Reference `yaml:"key" doc:"where the key is that signs a webhook: {env: NAME}, {file: PATH} or {vault: URL, secret: NAME}"`
	From string    `yaml:"from" doc:"of kind email: primary address of the mailbox that sends and gets answers; in the practice tenant, an officer's where it is left out"`
	To   []string  `yaml:"to" doc:"of kind email: addresses that notify.email sends to, 20 at most"`
}

// outsidePaths makes the paths of services, channels and proxy absolute.
func (c *Config) outsidePaths(dir string) error {
	var failed error
	absolute := func(p *string) {
		at, err := resolve(dir, *p)
		if *p = at; err != nil {
			failed = err
		}
	}
	absolute(&c.Egress.Proxy.CA)
	absolute(&c.Egress.Proxy.Password.File)
	for name, s := range c.Services {
		absolute(&s.CA)
		absolute(&s.Auth.Secret.File)
		c.Services[name] = s
	}
	for name, ch := range c.Channels {
		absolute(&ch.URL.File)
		absolute(&ch.Key.File)
		c.Channels[name] = ch
	}
	return failed
}

func (c *Config) checkOutside(d *decoder) {
	c.checkEgress(d)
	for _, name := range slices.Sorted(maps.Keys(c.Services)) {
		if at := join("services", name); d.goodName(at, name) {
			c.checkService(d, at, c.Services[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Channels)) {
		if at := join("channels", name); d.goodName(at, name) {
			c.checkChannel(d, at, c.Channels[name])
		}
	}
}

func (d *decoder) goodName(path, name string) bool {
	if groupName.MatchString(name) {
		return true
	}
	d.fault(d.places[path], "such as soc-alerts", "%q is no name: expected small letters, digits and hyphens", name)
	return false
}

func (c *Config) checkEgress(d *decoder) {
	e := c.Egress
	for i, host := range e.Hosts {
		if _, err := egress.Pattern(host); err != nil {
			d.fault(d.places[fmt.Sprintf("egress.hosts[%d]", i)], "", "egress.hosts: %v", err)
		}
	}
	for i, network := range e.Networks {
		if _, err := egress.Network(network); err != nil {
			d.fault(d.places[fmt.Sprintf("egress.networks[%d]", i)], "", "egress.networks: %v", err)
		}
	}
	for i, host := range e.Proxy.Except {
		if _, err := egress.Pattern(host); err != nil {
			d.fault(d.places[fmt.Sprintf("egress.proxy.except[%d]", i)], "", "egress.proxy.except: %v", err)
		}
	}
	where, given := d.places["egress.proxy"]
	if !given {
		return
	}
	if e.Proxy.Address == "" {
		d.fault(where, "such as http://proxy.example.com:3128", "egress.proxy.address is missing")
	} else if u, err := url.Parse(e.Proxy.Address); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		d.fault(d.places["egress.proxy.address"], "user and password have keys of their own", "egress.proxy.address must be http://host:port or https://host:port")
	}
	if (e.Proxy.User == "") != e.Proxy.Password.Empty() {
		d.fault(where, "give both, or none", "egress.proxy: a user needs a password, and a password a user")
	}
	d.oneReference("egress.proxy.password", e.Proxy.Password)
}

// oneReference refuses a reference that names two places.
func (d *decoder) oneReference(path string, r Reference) {
	if r.Env != "" && r.File != "" {
		d.fault(d.places[path], "keep one of them", "%s names both env and file", path)
	}
}

func (c *Config) checkService(d *decoder, at string, s Service) {
	where := d.places[at]
	u, err := url.Parse(s.Base)
	switch {
	case s.Base == "" && c.Tenant.Cloud != Practice:
		d.fault(where, "such as https://tickets.example.com/api", "%s.base is missing", at)
	case s.Base != "" && (err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != ""):
		d.fault(d.places[at+".base"], "a credential has its place in auth", "%s.base must be https://host[:port][/path] and no more", at)
	case s.Base != "" && u.Scheme != "https" && (u.Scheme != "http" || !s.Plain):
		d.fault(d.places[at+".base"], "plain_http: true allows http://, which anybody on the way can read", "%s.base must begin with https://", at)
	}
	a := s.Auth
	if a == (ServiceAuth{}) {
		return
	}
	if !oneOf(d, at+".auth.kind", a.Kind, "bearer", "basic", "header", "query") {
		return
	}
	named := a.Kind == "header" || a.Kind == "query"
	for _, key := range []struct {
		name          string
		needed, given bool
	}{{"secret", true, !a.Secret.Empty()}, {"name", named, a.Name != ""}, {"user", a.Kind == "basic", a.User != ""}} {
		switch {
		case key.needed && !key.given:
			d.fault(d.places[at+".auth"], "", "%s.auth.%s is missing: %s needs it", at, key.name, a.Kind)
		case !key.needed && key.given:
			d.fault(d.places[at+".auth."+key.name], "remove it, or change the kind", "%s.auth.%s means nothing for %s", at, key.name, a.Kind)
		}
	}
	if named && strings.ContainsFunc(a.Name, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("()<>@,;:\\\"/[]?={}", r) }) {
		d.fault(d.places[at+".auth.name"], "such as X-Api-Key", "%s.auth.name: %q is no name of a header or parameter", at, a.Name)
	}
	d.oneReference(at+".auth.secret", a.Secret)
}

func (c *Config) checkChannel(d *decoder, at string, ch Channel) {
	where := d.places[at]
	if ch.Kind == "" {
		d.fault(where, "teams, slack, webhook or email", "%s.kind is missing", at)
		return
	}
	if !oneOf(d, at+".kind", ch.Kind, "teams", "slack", "webhook", "email") {
		return
	}
	if c.checkMailbox(d, at, ch); ch.Kind == "email" {
		return
	}
	own := c.Tenant.Cloud == Practice && ch.URL.Empty()
	switch {
	case ch.URL.Empty() && !own:
		d.fault(where, "url: {env: NAME} or {file: PATH}; whoever knows the address can post, so it never stands in this file", "%s.url is missing", at)
	case ch.Key.Empty() && ch.Kind == "webhook" && !own:
		d.fault(where, "key: {env: NAME} or {file: PATH}; `openssl rand -base64 32` makes one", "%s.key is missing: a webhook is signed", at)
	case !ch.Key.Empty() && ch.Kind != "webhook":
		d.fault(d.places[at+".key"], "remove it, or change the kind", "%s.key means nothing for %s", at, ch.Kind)
	}
	d.oneReference(at+".url", ch.URL)
	d.oneReference(at+".key", ch.Key)
}

// maxRecipients bounds how many addresses a channel sends to.
const maxRecipients = 20

// checkMailbox judges what only a channel of mail has.
func (c *Config) checkMailbox(d *decoder, at string, ch Channel) {
	is := ch.Kind == "email"
	for _, key := range []struct {
		name    string
		strange bool
	}{{"from", ch.From != "" && !is}, {"to", len(ch.To) > 0 && !is}, {"url", !ch.URL.Empty() && is}, {"key", !ch.Key.Empty() && is}} {
		if key.strange {
			d.fault(d.places[at+"."+key.name], "remove it, or change the kind", "%s.%s means nothing for %s", at, key.name, ch.Kind)
		}
	}
	if !is {
		return
	}
	if ch.From == "" && c.Tenant.Cloud != Practice {
		d.fault(d.places[at], "the mailbox that sends, such as dlp@contoso.com", "%s.from is missing", at)
	} else if ch.From != "" && !connectors.IsAddress(ch.From) {
		d.fault(d.places[at+".from"], "expected an address such as dlp@contoso.com", "%s.from: %q is no address", at, ch.From)
	}
	if len(ch.To) > maxRecipients {
		d.fault(d.places[at+".to"], "send it to a group", "%s.to has %d addresses; expected at most %d", at, len(ch.To), maxRecipients)
	}
	for i, a := range ch.To {
		if !connectors.IsAddress(a) {
			d.fault(d.places[fmt.Sprintf("%s.to[%d]", at, i)], "expected an address such as ann@contoso.com", "%s.to: %q is no address", at, a)
		}
	}
}
