package practice

import (
	"net/http"
	"slices"
	"strings"
)

// vaultReader is the role of Azure that reads secrets of a vault.
const vaultReader = "Key Vault Secrets User"

// vaultSecret answers GET /secrets/{name}[/{version}] of the company's vault
// (learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret). Each
// secret has one version.
func (c *call) vaultSecret() (reply, error) {
	c.api = keyVault
	if _, err := c.authenticate(); err != nil {
		return reply{}, err
	}
	parts := strings.Split(strings.Trim(c.r.URL.Path, "/"), "/")
	switch {
	case c.r.Method != http.MethodGet:
		return reply{}, fail(http.StatusMethodNotAllowed, "MethodNotAllowed", "This vault only reads.")
	case !strings.HasPrefix(c.r.URL.Query().Get("api-version"), "7."):
		return reply{}, fail(http.StatusBadRequest, "BadParameter", "api-version must be specified")
	case !slices.Contains(c.app.Roles, vaultReader):
		return reply{}, fail(http.StatusForbidden, "Forbidden",
			"Caller is not authorized to perform action on resource. Action: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'")
	}
	name := parts[1]
	version := strings.ReplaceAll(guid(c.w.company.TenantID, "secret", name), "-", "")
	value, known := c.w.company.Secrets[name]
	if !known || len(parts) > 3 || len(parts) == 3 && parts[2] != version {
		return reply{}, fail(http.StatusNotFound, "SecretNotFound", "A secret with (name/id) %s was not found in this key vault.", strings.Join(parts[1:], "/"))
	}
	return ok(object{
		"value": value, "id": c.origin() + "/secrets/" + name + "/" + version,
		"attributes": object{"enabled": true, "created": c.now.Unix(), "updated": c.now.Unix(), "recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90},
	}), nil
}
