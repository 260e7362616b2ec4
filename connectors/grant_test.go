package connectors_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"stanch/connectors"
)

func TestATokenTellsWhatItGrants(t *testing.T) {
	jwt := func(claims string) string {
		return "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
	}
	for name, c := range map[string]struct {
		token string
		want  connectors.Grant
		says  string
	}{
		"an app": {
			token: jwt(`{"appid":"a-1","tid":"t-1","roles":["Sites.Read.All","Files.Read.All","Sites.Read.All"]}`),
			want:  connectors.Grant{Client: "a-1", Tenant: "t-1", Roles: []string{"Files.Read.All", "Sites.Read.All"}, Scopes: []string{}},
		},
		"a person": {
			token: jwt(`{"azp":"a-2","tid":"t-1","scp":"User.Read Files.Read.All"}`),
			want:  connectors.Grant{Client: "a-2", Tenant: "t-1", Roles: []string{}, Scopes: []string{"Files.Read.All", "User.Read"}},
		},
		"control characters": {
			token: jwt(`{"appid":"a\u001b[2J","roles":["x\ny"]}`),
			want:  connectors.Grant{Client: `a\x1b[2J`, Roles: []string{"x y"}, Scopes: []string{}},
		},
		"opaque":    {token: "opaque", says: "it is no JWT"},
		"no claims": {token: "a.b!.c", says: "its claims cannot be read"},
		"a list":    {token: jwt(`[]`), says: "its claims cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, nil)
			s.login = func(w http.ResponseWriter, _ *http.Request) {
				reply(w, 200, fmt.Sprintf(`{"token_type":"Bearer","expires_in":3600,"access_token":%q}`, c.token))
			}
			got, err := connectors.Granted(t.Context(), s.credential(t), s.cloud.Graph)
			if c.says != "" {
				wantCode(t, err, connectors.Failed, c.says, "Enterprise applications")
				return
			}
			if err != nil || got.Client != c.want.Client || got.Tenant != c.want.Tenant ||
				!slices.Equal(got.Roles, c.want.Roles) || !slices.Equal(got.Scopes, c.want.Scopes) {
				t.Errorf("%+v, %v; want %+v", got, err, c.want)
			}
		})
	}
	s := serve(t, nil)
	s.login = func(w http.ResponseWriter, _ *http.Request) { reply(w, 503, `{}`) }
	_, err := connectors.Granted(t.Context(), s.credential(t), s.cloud.Graph)
	wantCode(t, err, connectors.Unavailable)
}
