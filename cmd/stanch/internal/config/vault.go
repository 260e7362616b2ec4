package config

import (
	"net/url"
	"reflect"
	"regexp"
	"strings"

	"stanch/connectors"
)

// vaultName is how Key Vault names secrets and their versions.
//
// Source: learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates.
var vaultName = regexp.MustCompile(`^[0-9a-zA-Z-]{1,127}$`)

// Vaults reads secrets from Key Vault.
type Vaults struct {
	read func(vault, secret, version string) (connectors.Secret, error)
}

// UseVaults lets references to secrets in vaults be read, by read, each when it
// is asked for.
func (c *Config) UseVaults(read func(vault, secret, version string) (connectors.Secret, error)) {
	by := &Vaults{read}
	references(reflect.ValueOf(c).Elem(), "", func(_ string, r *Reference) {
		if r.Vault != "" {
			r.By = by
		}
	})
}

// references visits every reference to a secret below v.
func references(v reflect.Value, path string, visit func(path string, r *Reference)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			references(v.Elem(), path, visit)
		}
	case reflect.Struct:
		if r, is := v.Addr().Interface().(*Reference); is {
			visit(path, r)
			return
		}
		for f := range v.Type().Fields() {
			if name := f.Tag.Get("yaml"); name != "" && name != "-" {
				references(v.FieldByIndex(f.Index), join(path, name), visit)
			}
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			item := reflect.New(v.Type().Elem()).Elem()
			item.Set(v.MapIndex(key))
			references(item, join(path, key.String()), visit)
			v.SetMapIndex(key, item)
		}
	}
}

// checkVaults looks at the references to secrets in vaults.
func (c *Config) checkVaults(d *decoder) {
	references(reflect.ValueOf(c).Elem(), "", func(path string, r *Reference) {
		at := d.places[path]
		switch {
		case r.Vault == "" && (r.Secret != "" || r.Version != ""):
			d.fault(at, "such as {vault: https://contoso.vault.azure.net, secret: NAME}", "%s.vault is missing: which vault has the secret?", path)
		case r.Vault == "":
		case r.Env != "" || r.File != "":
			d.fault(at, "keep one of them", "%s names both a vault and env or file", path)
		case r.Secret == "":
			d.fault(at, "the name of the secret in the vault", "%s.secret is missing", path)
		case !vaultName.MatchString(r.Secret):
			d.fault(d.places[path+".secret"], "letters, digits and hyphens", "%s.secret: %q is no name of a secret in a vault", path, r.Secret)
		case r.Version != "" && !vaultName.MatchString(r.Version):
			d.fault(d.places[path+".version"], "32 digits and letters, or none for the newest", "%s.version: %q is no version of a secret", path, r.Version)
		case !c.HasTenant():
			d.fault(at, "say in tenant who reads it", "%s is in a vault, and there is no tenant whose app could read it", path)
		case c.opensVaults(path):
			d.fault(at, "use {env: NAME} or {file: PATH}, or a kind that needs no secret, such as managed or workload", "%s is in a vault that is opened with it", path)
		default:
			c.checkVault(d, path, r.Vault)
		}
	})
}

// opensVaults reports whether the secret at path is one that the app needs that
// reads vaults.
func (c *Config) opensVaults(path string) bool {
	opens := "tenant.auth."
	if c.Tenant.Apps.KeyVault != (Auth{}) {
		opens = "tenant.apps.keyvault."
	}
	return strings.HasPrefix(path, opens)
}

func (c *Config) checkVault(d *decoder, path, vault string) {
	u, err := url.Parse(vault)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		d.fault(d.places[path+".vault"], "such as https://contoso.vault.azure.net", "%s.vault must be https://NAME.vault.azure.net and no more", path)
		return
	}
	if cloud, err := connectors.CloudNamed(c.Tenant.Cloud); err == nil && !cloud.OwnsVault(u) {
		d.fault(d.places[path+".vault"], "a vault of this cloud ends in "+cloud.Vault.Base, "%s.vault: %s is no vault of cloud %s, and its token would go there", path, u.Host, c.Tenant.Cloud)
	}
}
