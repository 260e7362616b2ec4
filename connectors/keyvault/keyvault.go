// Package keyvault reads secrets from Azure Key Vault. It writes nothing.
package keyvault

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"

	"stanch/connectors"
)

// Role is the least role of Azure on a vault that Secret needs.
const Role = "Key Vault Secrets User"

// version of the data plane's API.
const apiVersion = "7.4"

// Client reads from the vaults of one cloud. It is safe for concurrent use.
type Client struct {
	cloud connectors.Cloud
	cred  connectors.Credential

	mu     sync.Mutex
	vaults map[string]*connectors.Client
}

// New answers a client that reads as cred.
func New(cloud connectors.Cloud, cred connectors.Credential) *Client {
	return &Client{cloud: cloud, cred: cred, vaults: map[string]*connectors.Client{}}
}

// Secret reads a secret of a vault (https://NAME.vault.azure.net); an empty
// version is the newest. A vault that is none of the cloud is not asked: the
// token would go there.
//
// Source: learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret.
func (c *Client) Secret(ctx context.Context, vault, name, version string) (connectors.Secret, error) {
	api, host, err := c.vault(vault)
	if err != nil {
		return "", err
	}
	path := connectors.To("secrets", name)
	if version != "" {
		path = connectors.To("secrets", name, version)
	}
	var out struct {
		Value *connectors.Secret `json:"value"`
	}
	op := fmt.Sprintf("read secret %s of %s", connectors.Plain(name), host)
	if _, err := api.Read(ctx, connectors.Request{
		Op: op, Path: path, Query: []connectors.Param{{Key: "api-version", Value: apiVersion}}, Permission: Role,
	}, &out); err != nil {
		return "", err
	}
	if out.Value == nil {
		return "", &connectors.Error{Op: "keyvault: " + op, Code: connectors.Failed, Message: "the answer has no value", Hint: "see that the address is the vault's"}
	}
	return *out.Value, nil
}

func (c *Client) vault(address string) (*connectors.Client, string, error) {
	u, err := url.Parse(address)
	if err != nil || !c.cloud.OwnsVault(u) || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, "", &connectors.Error{
			Op: "keyvault", Code: connectors.Refused, Message: fmt.Sprintf("%q is no vault of cloud %s", connectors.Plain(address), c.cloud.Name),
			Hint: "expected https://NAME" + c.cloud.Vault.Base,
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.vaults[u.Host]; known != nil {
		return known, u.Host, nil
	}
	api := c.cloud.Vault
	api.Base = "https://" + u.Host
	made, err := connectors.New(c.cloud, api, c.cred, nil)
	if err != nil {
		return nil, "", err
	}
	c.vaults[u.Host] = made
	return made, u.Host, nil
}
