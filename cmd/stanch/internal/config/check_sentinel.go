package config

import "regexp"

// Names of Azure's resource groups and workspaces
// (learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules).
var (
	groupResource = regexp.MustCompile(`^[\p{L}\p{N}_().-]{0,89}[\p{L}\p{N}_()-]$`)
	workspaceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]$`)
)

func (c *Config) checkSentinel(d *decoder) {
	s := c.Sentinel
	if s == (Sentinel{}) {
		if at, given := d.places["sentinel"]; given {
			d.fault(at, "subscription, resource_group and workspace", "sentinel names no workspace")
		}
		return
	}
	if !c.HasTenant() {
		d.fault(d.places["sentinel"], "say how to sign in there", "sentinel is named without a tenant")
	}
	for _, x := range []struct {
		key, value, hint string
		form             *regexp.Regexp
	}{
		{"subscription", s.Subscription, "the Subscription ID of the workspace's overview page, a GUID", guid},
		{"resource_group", s.ResourceGroup, "the name of the resource group, such as contoso-security", groupResource},
		{"workspace", s.Workspace, "the name of the workspace, such as contoso-sentinel; not its id", workspaceName},
	} {
		switch {
		case x.value == "":
			d.fault(d.places["sentinel"], x.hint, "sentinel.%s is missing", x.key)
		case !x.form.MatchString(x.value):
			d.fault(d.places["sentinel."+x.key], x.hint, "sentinel.%s cannot be %q", x.key, x.value)
		}
	}
}

func (c *Config) checkHunting(d *decoder) {
	if w := c.Hunting.Workspace; w != "" && !guid.MatchString(w) {
		d.fault(d.places["hunting.workspace"], "the Workspace ID of its overview page, a GUID; not its name", "hunting.workspace cannot be %q", w)
	}
}
