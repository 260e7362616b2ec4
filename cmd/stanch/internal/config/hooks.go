package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Hook is an address under /hooks/ to which other systems send requests.
type Hook struct {
	Kind          string    `yaml:"kind" doc:"playbook: a request starts the playbook whose on.webhook has this path; sentinel: a playbook of Microsoft Sentinel tells of an incident, which is read and offered to all; default playbook" enum:"playbook,sentinel"`
	Auth          string    `yaml:"auth" doc:"of kind sentinel, how a request shows where it comes from: token or hmac; default token. Of a playbook, the playbook says" enum:"token,hmac"`
	Secret        Reference `yaml:"secret" doc:"where the secret is that proves a request, at least 24 characters: {env: NAME}, {file: PATH} or {vault: URL, secret: NAME}"`
	Subscriptions []string  `yaml:"subscriptions" doc:"of a playbook with auth: graph, the ids of the subscriptions that may tell; default any of the tenant"`
}

// The kinds of hooks.
const (
	HookPlaybook = "playbook"
	HookSentinel = "sentinel"
)

// hookPath is the path of a hook, as playbooks write it.
var hookPath = regexp.MustCompile(`^[a-z0-9]+([-/][a-z0-9]+)*$`)

func (c *Config) fillHooks() {
	for path, h := range c.Hooks {
		setDefault(&h.Kind, HookPlaybook)
		if h.Kind == HookSentinel {
			setDefault(&h.Auth, "token")
		}
		c.Hooks[path] = h
	}
}

// hookPaths makes the paths of secrets absolute.
func (c *Config) hookPaths(dir string) error {
	for path, h := range c.Hooks {
		at, err := resolve(dir, h.Secret.File)
		if err != nil {
			return err
		}
		h.Secret.File = at
		c.Hooks[path] = h
	}
	return nil
}

func (c *Config) checkHooks(d *decoder) {
	for _, path := range slices.Sorted(maps.Keys(c.Hooks)) {
		c.checkHook(d, join("hooks", path), path, c.Hooks[path])
	}
}

func (c *Config) checkHook(d *decoder, at, path string, h Hook) {
	where := d.places[at]
	if !hookPath.MatchString(path) {
		d.fault(where, "lower case letters and digits in words joined by - or /, such as dlp or purview/alerts", "hooks: %q is no path of a hook", path)
	}
	if h.Secret.Empty() {
		d.fault(where, "secret: {env: NAME} or {file: PATH}; `openssl rand -base64 32` makes one", "%s.secret is missing: nobody could prove a request", at)
	}
	d.oneReference(at+".secret", h.Secret)
	if !oneOf(d, at+".kind", h.Kind, HookPlaybook, HookSentinel) {
		return
	}
	switch {
	case h.Kind == HookPlaybook && h.Auth != "":
		d.fault(d.places[at+".auth"], "remove it, and say it in the playbook's on.webhook", "%s.auth means nothing for a playbook: it says itself how a request is proved", at)
	case h.Kind == HookSentinel && c.Sentinel == (Sentinel{}) && c.Tenant.Cloud != Practice:
		d.fault(where, "add sentinel: {subscription: GUID, resource_group: NAME, workspace: NAME}", "%s tells of incidents of Sentinel, and no workspace is named where they are read", at)
	case h.Kind == HookSentinel:
		oneOf(d, at+".auth", h.Auth, "token", "hmac")
	}
	if h.Kind == HookSentinel && len(h.Subscriptions) > 0 {
		d.fault(d.places[at+".subscriptions"], "remove it", "%s.subscriptions means nothing for sentinel", at)
	}
	for i, id := range h.Subscriptions {
		if !guid.MatchString(id) {
			d.fault(d.places[fmt.Sprintf("%s.subscriptions[%d]", at, i)], "the id that Graph gave it, a GUID", "%s.subscriptions: %q is no id of a subscription", at, strings.TrimSpace(id))
		}
	}
}
