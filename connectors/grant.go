package connectors

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// Credential gives tokens; NewCredential makes one.
type Credential = azcore.TokenCredential

// Grant is what a token says that its bearer may do with one API.
type Grant struct {
	Client string   // application (client) id
	Tenant string   // tenant id
	Roles  []string // application permissions, in order
	// Scopes are delegated permissions, in order: somebody is signed in, as
	// with the Azure CLI, and no app. They bound what that person may do.
	Scopes []string
}

// Granted asks for a token of the API and reads what it grants. The roles of
// Azure itself are assigned there and stand in no token. Failures are *Error.
//
// Source: learn.microsoft.com/entra/identity-platform/access-token-claims-reference.
func Granted(ctx context.Context, cred Credential, api API) (Grant, error) {
	token, err := cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{api.Scope}, EnableCAE: true})
	if err != nil {
		return Grant{}, err
	}
	g, err := readGrant(token.Token)
	if err != nil {
		return Grant{}, &Error{
			Op: api.Name + ": read the token", Code: Failed, Message: "the token tells nothing of its permissions: " + err.Error(),
			Hint: "see them in Entra > Enterprise applications > Permissions",
		}
	}
	return g, nil
}

// readGrant reads the claims of a token without judging its signature: it is
// the API that must trust it.
func readGrant(token string) (Grant, error) {
	var in struct {
		AppID  string   `json:"appid"`
		Party  string   `json:"azp"` // in tokens of version 2.0
		Tenant string   `json:"tid"`
		Roles  []string `json:"roles"`
		Scopes string   `json:"scp"`
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return Grant{}, fmt.Errorf("it is no JWT")
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(body, &in) != nil {
		return Grant{}, fmt.Errorf("its claims cannot be read")
	}
	g := Grant{Client: line(in.AppID, 64), Tenant: line(in.Tenant, 64), Roles: plainAll(in.Roles), Scopes: plainAll(strings.Fields(in.Scopes))}
	if g.Client == "" {
		g.Client = line(in.Party, 64)
	}
	return g, nil
}

// plainAll makes names fit for lines, sorts them and leaves doubles out.
func plainAll(names []string) []string {
	out := make([]string, 0, len(names))
	for _, n := range names {
		out = append(out, Plain(n))
	}
	slices.Sort(out)
	return slices.Compact(out)
}
