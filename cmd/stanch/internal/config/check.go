package config

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"stanch/playbooks"
)

var (
	groupName  = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	domainName = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)+$`)
	guid       = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
)

// check looks at what the types of the file cannot say.
func (c *Config) check(d *decoder) {
	c.checkStore(d)
	if c.Listen != "" {
		if _, _, err := net.SplitHostPort(c.Listen); err != nil {
			d.fault(d.places["listen"], "such as 127.0.0.1:8080", "listen must be HOST:PORT, not %q", c.Listen)
		}
	}
	c.checkFolders(d)
	c.checkFeed(d)
	c.checkPeople(d)
	c.checkGuardrails(d)
	c.checkOutside(d)
	c.checkEvidence(d)
	c.checkHooks(d)
	oneOf(d, "undo.approval", c.Undo.Approval, "none", "one")
	if c.HasTenant() {
		c.checkTenant(d)
	}
	c.checkVaults(d)
	c.checkSentinel(d)
	c.checkHunting(d)
}

func oneOf(d *decoder, path, got string, want ...string) bool {
	if slices.Contains(want, got) {
		return true
	}
	hint := ""
	if near := playbooks.Nearest(got, want); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	d.fault(d.places[path], hint, "%s must be one of %s, not %q", path, strings.Join(want, ", "), got)
	return false
}

func (c *Config) checkFolders(d *decoder) {
	folders(d, "playbooks", c.Playbooks)
	folders(d, "lists", c.Lists)
}

func folders(d *decoder, key string, all []string) {
	for i, dir := range all {
		path := fmt.Sprintf("%s[%d]", key, i)
		switch info, err := os.Stat(dir); {
		case err != nil:
			d.fault(d.places[path], "paths are meant from the folder of this file", "%s: %v", path, err)
		case !info.IsDir() && !slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(dir)):
			d.fault(d.places[path], "name the folder "+filepath.Dir(dir), "%s: %s is neither a folder nor a YAML file", path, dir)
		}
	}
}

// The bounds of the feed: Microsoft's services answer a few dozen calls per
// minute, and what a store may forget must be read again.
const (
	leastPoll    = time.Second
	mostPoll     = 24 * time.Hour
	mostLookBack = 180 * 24 * time.Hour
)

func (c *Config) checkFeed(d *decoder) {
	if c.Feed.Poll < leastPoll || c.Feed.Poll > mostPoll {
		d.fault(d.places["feed.poll"], "1m is a good start", "feed.poll must be from %s to 24h, not %s", leastPoll, c.Feed.Poll)
	}
	if c.Feed.Overlap > mostPoll {
		d.fault(d.places["feed.overlap"], "10m is a good start", "feed.overlap must be at most 24h, not %s", c.Feed.Overlap)
	}
	if len(c.Feed.Sources) == 0 {
		d.fault(d.places["feed.sources"], "such as [defender]", "feed.sources names no source: nothing would be read")
	}
	for i, name := range c.Feed.Sources {
		oneOf(d, fmt.Sprintf("feed.sources[%d]", i), name, Sources()...)
	}
	least(d, "feed.quota", c.Feed.Quota, 1)
	least(d, "feed.azure_quota", c.Feed.AzureQuota, 1)
	least(d, "feed.loops", c.Feed.Loops, 1)
	if c.Feed.Details && c.Tenant.Cloud == "china" {
		d.fault(d.places["feed.details"], "leave it out", "feed.details is true, and the cloud china has no Office 365 Management Activity API")
	}
	if c.Feed.Lease < leastPoll || c.Feed.Lease > time.Hour {
		d.fault(d.places["feed.lease"], "30s is a good start", "feed.lease must be from 1s to 1h, not %s", c.Feed.Lease)
	}
	if c.Feed.Since > mostLookBack {
		d.fault(d.places["feed.since"], "", "feed.since must be at most 180d: the service keeps incidents no longer")
	}
}

func least[N int | int64](d *decoder, path string, got, want N) {
	if got < want {
		d.fault(d.places[path], "", "%s must be %d or more, not %d", path, want, got)
	}
}

func (c *Config) checkPeople(d *decoder) {
	for _, name := range slices.Sorted(maps.Keys(c.Groups)) {
		path := join("groups", name)
		if !groupName.MatchString(name) {
			d.fault(d.places[path], "such as dlp-officers", "a group's name has small letters, digits and hyphens: %q has not", name)
		}
		if len(c.Groups[name]) == 0 {
			d.fault(d.places[path], "name somebody, or remove the group", "group %s has no members: nobody could approve", name)
		}
		seen := map[string]bool{}
		for i, upn := range c.Groups[name] {
			at := d.places[fmt.Sprintf("%s[%d]", path, i)]
			local, domain, has := strings.Cut(upn, "@")
			if !has || local == "" || !domainName.MatchString(domain) {
				d.fault(at, "such as dana.officer@contoso.example", "%q is not a user principal name", upn)
			} else if seen[strings.ToLower(upn)] {
				d.fault(at, "each person counts once", "%s is in group %s twice", upn, name)
			}
			seen[strings.ToLower(upn)] = true
		}
	}
	for i, label := range c.Labels {
		same := func(other string) bool { return strings.EqualFold(label, other) }
		if label == "" || slices.ContainsFunc(c.Labels[:i], same) {
			d.fault(d.places[fmt.Sprintf("labels[%d]", i)], "name each label once, the least protected first", "%q is no label of its own", label)
		}
	}
	if c.Quarantine != "" && slices.ContainsFunc(strings.Split(strings.Trim(c.Quarantine, "/"), "/"), func(name string) bool {
		return name == "" || name == "." || name == ".." || strings.ContainsAny(name, `\*:<>?|"`)
	}) {
		d.fault(d.places["quarantine"], "such as Quarantine or Security/Quarantine", "%q is no path of a folder in a library", c.Quarantine)
	}
	for i, domain := range c.OwnDomains {
		if !domainName.MatchString(domain) {
			d.fault(d.places[fmt.Sprintf("own_domains[%d]", i)], "such as contoso.example", "%q is not a domain", domain)
		}
	}
}

func (c *Config) checkGuardrails(d *decoder) {
	kinds := []string{"files", "users", "devices", "mailboxes", "sites", "labels", "incidents"}
	for _, kind := range slices.Sorted(maps.Keys(c.Guardrails.MaxTargets)) {
		path := join("guardrails.max_targets", kind)
		if oneOfKinds(d, path, kind, kinds) && c.Guardrails.MaxTargets[kind] < 1 {
			d.fault(d.places[path], "to stop every effect, use `stanch freeze`", "%s must be 1 or more", path)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(c.Guardrails.Protect)) {
		path := join("guardrails.protect", kind)
		if oneOfKinds(d, path, kind, kinds) && len(c.Guardrails.Protect[kind]) == 0 {
			d.fault(d.places[path], "name what is protected, or remove the key", "%s is empty", path)
		}
	}
}

func oneOfKinds(d *decoder, path, kind string, kinds []string) bool {
	if slices.Contains(kinds, kind) {
		return true
	}
	hint := "known here: " + strings.Join(kinds, ", ")
	if near := playbooks.Nearest(kind, kinds); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	d.fault(d.places[path], hint, "%s: %q is not a kind of target", strings.TrimSuffix(path, "."+kind), kind)
	return false
}

func (c *Config) checkTenant(d *decoder) {
	t := c.Tenant
	oneOf(d, "tenant.cloud", t.Cloud, "global", "gcc", "usgov", "dod", "china", Practice)
	if t.Authority != "" {
		if u, err := url.Parse(t.Authority); err != nil || u.Scheme != "https" || u.Host == "" {
			d.fault(d.places["tenant.authority"], "such as https://login.microsoftonline.com", "tenant.authority must be an https address, not %q", t.Authority)
		}
	}
	if t.CA != "" {
		if _, err := os.Stat(t.CA); err != nil {
			d.fault(d.places["tenant.ca"], "", "tenant.ca: %v", err)
		}
	}
	for name, auth := range c.Tenant.Apps.each {
		c.checkAuth(d, "tenant.apps."+name, *auth)
	}
	if t.Cloud == Practice && t.Auth == (Auth{}) {
		return
	}
	switch {
	case t.ID == "" && t.Cloud != Practice:
		d.fault(d.places["tenant"], "the Directory (tenant) ID of the Entra overview page", "tenant.id is missing")
	case t.ID != "" && !guid.MatchString(t.ID) && !domainName.MatchString(t.ID):
		d.fault(d.places["tenant.id"], "", "tenant.id must be a GUID or a domain of the tenant, not %q", t.ID)
	}
	if _, given := d.places["tenant.auth"]; !given {
		d.fault(d.places["tenant"], "such as auth: {kind: client_secret, client: ID, secret: {env: STANCH_CLIENT_SECRET}}", "tenant.auth is missing: how should the app sign in?")
		return
	}
	c.checkAuth(d, "tenant.auth", t.Auth)
}

func (c *Config) checkAuth(d *decoder, path string, a Auth) {
	where := d.places[path]
	if a.Kind == "" {
		d.fault(where, "client_secret, certificate, workload, managed, cli or default", "%s.kind is missing", path)
		return
	}
	if !oneOf(d, path+".kind", a.Kind, "client_secret", "certificate", "workload", "managed", "cli", "default") {
		return
	}
	need := func(key string, missing bool, hint string) {
		if missing {
			d.fault(where, hint, "%s.%s is missing: %s needs it", path, key, a.Kind)
		}
	}
	refuse := func(key string, given bool) {
		if given {
			d.fault(d.places[path+"."+key], "remove it, or change the kind", "%s.%s means nothing for %s", path, key, a.Kind)
		}
	}
	need("client", a.Client == "" && (a.Kind == "client_secret" || a.Kind == "certificate"), "the Application (client) ID of the app registration")
	need("secret", a.Secret.Empty() && a.Kind == "client_secret", "secret: {env: NAME} or {file: PATH}; the secret itself never stands in this file")
	need("certificate", a.Certificate == "" && a.Kind == "certificate", "the path of a PEM or PKCS#12 file")
	refuse("client", a.Client != "" && (a.Kind == "cli" || a.Kind == "default"))
	refuse("secret", !a.Secret.Empty() && a.Kind != "client_secret")
	refuse("certificate", a.Certificate != "" && a.Kind != "certificate")
	refuse("password", !a.Password.Empty() && a.Kind != "certificate")
	refuse("token_file", a.TokenFile != "" && a.Kind != "workload")
	if a.Client != "" && !guid.MatchString(a.Client) {
		d.fault(d.places[path+".client"], "", "%s.client must be a GUID, not %q", path, a.Client)
	}
	for key, ref := range map[string]Reference{"secret": a.Secret, "password": a.Password} {
		if ref.Env != "" && ref.File != "" {
			d.fault(d.places[path+"."+key], "keep one of them", "%s.%s names both env and file", path, key)
		}
	}
}
