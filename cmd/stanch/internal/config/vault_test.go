package config

import (
	"errors"
	"strings"
	"testing"

	"stanch/connectors"
)

const inVaults = `
store: redis://localhost
store_auth: {password: {vault: https://contoso.vault.azure.net, secret: redis}}
tenant:
  id: contoso.example
  auth: {kind: managed}
  apps:
    defender: {kind: client_secret, client: 11111111-2222-3333-4444-555555555555, secret: {vault: https://contoso.vault.azure.net, secret: containing, version: 4387e9f3d6e14c459867679a90fd0f79}}
services:
  tickets: {base: https://tickets.example, auth: {kind: bearer, secret: {vault: https://contoso.vault.azure.net, secret: tickets}}}
channels:
  soc: {kind: webhook, url: {env: SOC_URL}, key: {vault: https://contoso.vault.azure.net, secret: short}}
`

func TestSecretsInVaults(t *testing.T) {
	c, err := Parse("f", []byte(inVaults))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.StoreAuth.Password.Read(); err == nil || !strings.Contains(err.Error(), "secret redis of https://contoso.vault.azure.net: nobody here reads vaults") {
		t.Errorf("before UseVaults: %v", err)
	}
	asked := []string{}
	c.UseVaults(func(vault, secret, version string) (connectors.Secret, error) {
		asked = append(asked, secret+"/"+version)
		switch {
		case vault != "https://contoso.vault.azure.net":
			return "", errors.New("another vault")
		case secret == "short":
			return "short", nil
		}
		return connectors.Secret("value-of-" + secret), nil
	})
	if len(asked) > 0 {
		t.Errorf("read before they were asked for: %v", asked)
	}
	for want, r := range map[string]Reference{
		"redis": c.StoreAuth.Password, "containing": c.Tenant.Apps.Defender.Secret, "tickets": c.Services["tickets"].Auth.Secret,
	} {
		if got, err := r.Read(); err != nil || string(got) != "value-of-"+want {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := c.Channels["soc"].Key.Read(); err == nil || !strings.Contains(err.Error(), "holds less than 8 characters") {
		t.Errorf("a short secret: %v", err)
	}
	if !strings.Contains(strings.Join(asked, " "), "containing/4387e9f3d6e14c459867679a90fd0f79") {
		t.Errorf("asked for %v", asked)
	}
}

func TestMistakesOfAppsAndVaults(t *testing.T) {
	const managed = "tenant: {id: a.example, auth: {kind: managed}, apps: {graph: "
	vault := func(ref string) string {
		return "tenant: {id: a.example, auth: {kind: managed}}\nstore_auth: {password: " + ref + "}\n"
	}
	for name, c := range map[string]struct{ text, want string }{
		"no secret":       {managed + "{kind: client_secret, client: 11111111-2222-3333-4444-555555555555}}}\n", "tenant.apps.graph.secret is missing: client_secret needs it"},
		"no kind":         {managed + "{client: 11111111-2222-3333-4444-555555555555}}}\n", "tenant.apps.graph.kind is missing"},
		"kind":            {managed + "{kind: anything}}}\n", `tenant.apps.graph.kind must be one of client_secret, certificate, workload, managed, cli, default, not "anything"`},
		"client":          {managed + "{kind: default, client: 11111111-2222-3333-4444-555555555555}}}\n", "tenant.apps.graph.client means nothing for default"},
		"connector":       {"tenant: {id: a.example, auth: {kind: managed}, apps: {grahp: {kind: cli}}}\n", `unknown key "grahp" in tenant.apps`},
		"apps alone":      {"tenant: {id: a.example, apps: {graph: {kind: cli}}}\n", "tenant.auth is missing"},
		"own key":         {"tenant: {id: a.example, auth: {kind: client_secret, client: 11111111-2222-3333-4444-555555555555, secret: {vault: https://a.vault.azure.net, secret: s}}}\n", "tenant.auth.secret is in a vault that is opened with it"},
		"own key of apps": {"tenant: {id: a.example, auth: {kind: managed}, apps: {keyvault: {kind: client_secret, client: 11111111-2222-3333-4444-555555555555, secret: {vault: https://a.vault.azure.net, secret: s}}}}\n", "tenant.apps.keyvault.secret is in a vault that is opened with it"},
		"both":            {vault("{vault: https://a.vault.azure.net, secret: s, env: A}"), "store_auth.password names both a vault and env or file"},
		"no name":         {vault("{vault: https://a.vault.azure.net}"), "store_auth.password.secret is missing"},
		"no vault":        {vault("{secret: s}"), "store_auth.password.vault is missing: which vault has the secret?"},
		"name":            {vault("{vault: https://a.vault.azure.net, secret: a/b}"), `store_auth.password.secret: "a/b" is no name of a secret in a vault`},
		"version":         {vault("{vault: https://a.vault.azure.net, secret: s, version: ../x}"), `store_auth.password.version: "../x" is no version of a secret`},
		"address":         {vault("{vault: http://a.vault.azure.net, secret: s}"), "store_auth.password.vault must be https://NAME.vault.azure.net"},
		"path":            {vault("{vault: https://a.vault.azure.net/secrets, secret: s}"), "store_auth.password.vault must be https://NAME.vault.azure.net"},
		"elsewhere":       {vault("{vault: https://a.vault.example, secret: s}"), "a.vault.example is no vault of cloud global, and its token would go there"},
		"nobody":          {"store_auth: {password: {vault: https://a.vault.azure.net, secret: s}}\n", "store_auth.password is in a vault, and there is no tenant whose app could read it"},
	} {
		_, err := Parse("f", []byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
	}
	for _, text := range []string{
		"tenant: {id: a.example, cloud: gcc, auth: {kind: default}}\n",
		// With an app of its own for vaults, the tenant's secret may be in one.
		"tenant: {id: a.example, apps: {keyvault: {kind: managed}}, auth: {kind: client_secret, client: 11111111-2222-3333-4444-555555555555, secret: {vault: https://a.vault.azure.net, secret: s}}}\n",
	} {
		if _, err := Parse("f", []byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}
