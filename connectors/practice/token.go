package practice

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// audience is a resource that tokens are asked for: whose calls it opens and
// under which addresses it is known.
type audience int

const (
	graphAudience audience = iota
	defenderAudience
	azureAudience
	logsAudience
	feedAudience
	vaultAudience
	sharePointAudience
)

// audienceOf reads a resource as named in a scope or a token, in any of the
// national clouds [graph-docs concepts/deployments.md; defender-docs
// defender-endpoint/gov.md].
func audienceOf(resource string) (audience, bool) {
	switch strings.TrimRight(strings.ToLower(resource), "/") {
	case "https://graph.microsoft.com", "https://graph.microsoft.us", "https://dod-graph.microsoft.us",
		"https://microsoftgraph.chinacloudapi.cn", "00000003-0000-0000-c000-000000000000":
		return graphAudience, true
	case "https://api.securitycenter.microsoft.com", "https://api.security.microsoft.com",
		"https://api-gcc.securitycenter.microsoft.us", "https://api-gov.securitycenter.microsoft.us",
		"https://securitycenter.onmicrosoft.com/windowsatpservice":
		return defenderAudience, true
	case "https://management.azure.com", "https://management.core.windows.net",
		"https://management.usgovcloudapi.net", "https://management.core.usgovcloudapi.net",
		"https://management.chinacloudapi.cn", "https://management.core.chinacloudapi.cn":
		return azureAudience, true
	case "https://manage.office.com", "https://manage-gcc.office.com", "https://manage.office365.us", "https://manage.protection.apps.mil",
		"c5393580-f805-4401-95e8-94b7a6ef2fc2":
		return feedAudience, true
	case "https://api.loganalytics.io", "https://api.loganalytics.azure.com", "https://api.loganalytics.us", "https://api.loganalytics.azure.cn":
		return logsAudience, true
	case "https://vault.azure.net", "https://vault.usgovcloudapi.net", "https://vault.azure.cn":
		return vaultAudience, true
	}
	if u, err := url.Parse(strings.ToLower(resource)); err == nil && u.Scheme == "https" {
		for _, domain := range []string{".sharepoint.com", ".sharepoint.us", ".sharepoint-mil.us", ".sharepoint.cn"} {
			if strings.HasSuffix(u.Host, domain) {
				return sharePointAudience, true
			}
		}
	}
	return 0, false
}

type claims struct {
	Audience  string   `json:"aud"`
	Issuer    string   `json:"iss"`
	IssuedAt  int64    `json:"iat"`
	NotBefore int64    `json:"nbf"`
	Expires   int64    `json:"exp"`
	AppID     string   `json:"appid"`
	AppName   string   `json:"app_displayname"`
	IDType    string   `json:"idtyp"`
	ObjectID  string   `json:"oid"`
	Roles     []string `json:"roles,omitempty"`
	Subject   string   `json:"sub"`
	TenantID  string   `json:"tid"`
	Version   string   `json:"ver"`
}

// token answers POST /{tenant}/oauth2/v2.0/token for the client credentials
// grant with a shared secret or a certificate's assertion, with the errors of
// Entra
// (learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow).
func (c *call) token() reply {
	if c.r.Method != http.MethodPost {
		return c.refuseToken(http.StatusBadRequest, "invalid_request", 900561, "The endpoint only accepts POST requests. Received a %s request.", c.r.Method)
	}
	tenant := strings.Split(strings.Trim(c.r.URL.Path, "/"), "/")[0]
	if !strings.EqualFold(tenant, c.w.company.TenantID) && !strings.EqualFold(tenant, c.w.company.Domain) {
		return c.refuseToken(http.StatusBadRequest, "invalid_request", 90002, "Tenant '%s' not found. Check to make sure you have the correct tenant ID.", tenant)
	}
	form, err := url.ParseQuery(string(c.body))
	if err != nil {
		return c.refuseToken(http.StatusBadRequest, "invalid_request", 900144, "The request body can't be parsed as a form.")
	}
	for _, field := range []string{"grant_type", "client_id", "scope"} {
		if form.Get(field) == "" {
			return c.refuseToken(http.StatusBadRequest, "invalid_request", 900144, "The request body must contain the following parameter: '%s'.", field)
		}
	}
	if g := form.Get("grant_type"); g != "client_credentials" {
		return c.refuseToken(http.StatusBadRequest, "unsupported_grant_type", 70003, "The app requested an unsupported grant type '%s'.", g)
	}
	app, known := c.w.apps[strings.ToLower(form.Get("client_id"))]
	if !known {
		return c.refuseToken(http.StatusBadRequest, "unauthorized_client", 700016, "Application with identifier '%s' was not found in the directory '%s'.", form.Get("client_id"), c.w.company.Name)
	}
	if refused, is := c.refuseClient(app, form); is {
		return refused
	}
	return c.issue(app, form.Get("scope"))
}

// refuseClient checks how the client proves who it is.
func (c *call) refuseClient(app App, form url.Values) (reply, bool) {
	if form.Get("client_assertion") != "" && form.Get("client_assertion_type") == assertionType {
		base := c.origin() + strings.TrimSuffix(c.r.URL.Path, "/oauth2/v2.0/token")
		err := app.vouches(form.Get("client_assertion"), []string{base + "/oauth2/v2.0/token", base + "/v2.0"}, c.now)
		if err == nil {
			return reply{}, false
		}
		return c.refuseToken(http.StatusUnauthorized, "invalid_client", 700027, "Client assertion failed signature validation: %v.", err), true
	}
	if form.Get("client_secret") == "" {
		return c.refuseToken(http.StatusUnauthorized, "invalid_client", 7000216, "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type."), true
	}
	if subtle.ConstantTimeCompare([]byte(form.Get("client_secret")), []byte(app.Secret)) != 1 {
		return c.refuseToken(http.StatusUnauthorized, "invalid_client", 7000215, "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '%s'.", app.ID), true
	}
	return reply{}, false
}

func (c *call) issue(app App, scope string) reply {
	resource := ""
	for s := range strings.FieldsSeq(scope) {
		switch s {
		case "openid", "profile", "offline_access":
			continue
		}
		before, is := strings.CutSuffix(s, "/.default")
		if !is || resource != "" {
			return c.refuseToken(http.StatusBadRequest, "invalid_scope", 1002012, "The provided value for scope %s is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).", scope)
		}
		resource = before
	}
	aud, known := audienceOf(resource)
	if !known || aud == sharePointAudience && !c.w.ownHost(resource) {
		return c.refuseToken(http.StatusBadRequest, "invalid_resource", 500011, "The resource principal named %s was not found in the tenant named %s.", resource, c.w.company.Name)
	}
	now := c.now
	token := c.t.sign(claims{
		Audience: strings.TrimRight(resource, "/"), Issuer: c.origin() + "/" + c.w.company.TenantID + "/v2.0",
		IssuedAt: now.Unix(), NotBefore: now.Add(-time.Minute).Unix(), Expires: now.Add(c.t.o.TokenLife).Unix(),
		AppID: app.ID, AppName: app.Name, IDType: "app", ObjectID: guid(app.ID, "principal"), Subject: guid(app.ID, "principal"),
		Roles: rolesFor(app, aud), TenantID: c.w.company.TenantID, Version: "1.0",
	})
	life := int64(c.t.o.TokenLife / time.Second)
	return ok(object{"token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": token})
}

// rolesFor answers the app's roles at a resource: Defender's are the Machine
// roles, those of the Management APIs the ActivityFeed roles, SharePoint's own have the names of Graph's for sites, everything else
// is Graph's. Azure's roles, whose names have spaces, are assigned there and stand
// in no token.
func rolesFor(app App, aud audience) []string {
	var out []string
	for _, r := range app.Roles {
		if isAzureRole(r) {
			continue
		}
		at := graphAudience
		switch {
		case strings.HasPrefix(r, "Machine."):
			at = defenderAudience
		case strings.HasPrefix(r, "ActivityFeed."):
			at = feedAudience
		}
		if at == aud || aud == sharePointAudience && strings.HasPrefix(r, "Sites.") {
			out = append(out, r)
		}
	}
	return out
}

func (c *call) refuseToken(status int, code string, number int, format string, args ...any) reply {
	text := fmt.Sprintf("AADSTS%d: %s Trace ID: %s Correlation ID: %s Timestamp: %s", number,
		fmt.Sprintf(format, args...), c.id, c.clientID, c.now.UTC().Format("2006-01-02 15:04:05Z"))
	return reply{status: status, body: object{
		"error": code, "error_description": text, "error_codes": []int{number},
		"timestamp": c.now.UTC().Format("2006-01-02 15:04:05Z"), "trace_id": c.id, "correlation_id": c.clientID,
	}}
}

// discovery answers the OpenID configuration, issuer and endpoints under our
// own address.
func (c *call) discovery() reply {
	tenant := strings.Split(strings.Trim(c.r.URL.Path, "/"), "/")[0]
	base := c.origin() + "/" + tenant
	return ok(object{
		"issuer": base + "/v2.0", "token_endpoint": base + "/oauth2/v2.0/token",
		"authorization_endpoint":                base + "/oauth2/v2.0/authorize",
		"jwks_uri":                              base + "/discovery/v2.0/keys",
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt"},
		"response_types_supported":              []string{"code"}, "subject_types_supported": []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"}, "scopes_supported": []string{"openid"},
		"claims_supported": []string{"aud", "iss", "iat", "exp", "roles", "tid"},
	})
}

// sign makes a JWT signed with HS256: the server is its only reader.
func (t *Tenant) sign(c claims) string {
	head := base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"HS256"}`))
	body, _ := json.Marshal(c)
	text := head + "." + base64.RawURLEncoding.EncodeToString(body)
	return text + "." + t.signature(text)
}

func (t *Tenant) signature(text string) string {
	mac := hmac.New(sha256.New, t.key)
	mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// claims answers what a token that the tenant has issued says, or what is wrong
// with it. Those that it has read before are known; the lock is held.
func (t *Tenant) claims(token string) (who claims, wrong string) {
	if who, known := t.tokens[token]; known {
		return who, ""
	}
	at := strings.LastIndexByte(token, '.')
	if at < 0 || !hmac.Equal([]byte(t.signature(token[:at])), []byte(token[at+1:])) {
		return who, "Access token validation failure. Invalid signature."
	}
	_, body, _ := strings.Cut(token[:at], ".")
	raw, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || json.Unmarshal(raw, &who) != nil {
		return who, "IDX14100: JWT is not well formed."
	}
	if len(t.tokens) >= tokensKnown {
		clear(t.tokens)
	}
	t.tokens[token] = who
	return who, ""
}

// tokensKnown bounds how many tokens a tenant knows without reading them.
const tokensKnown = 64

// authenticate reads the bearer token and answers its roles.
func (c *call) authenticate() ([]string, error) {
	token, is := strings.CutPrefix(c.r.Header.Get("Authorization"), "Bearer ")
	if !is || token == "" {
		return nil, c.unauthorized("Access token is empty.")
	}
	who, wrong := c.t.claims(token)
	if wrong != "" {
		return nil, c.unauthorized(wrong)
	}
	if c.now.Unix() >= who.Expires {
		return nil, c.unauthorized("Lifetime validation failed, the token is expired.")
	}
	if c.now.Unix() < who.NotBefore {
		return nil, c.unauthorized("Lifetime validation failed, the token is not yet valid.")
	}
	want := graphAudience
	switch c.api {
	case defender:
		want = defenderAudience
	case azure:
		want = azureAudience
	case logs:
		want = logsAudience
	case keyVault:
		want = vaultAudience
	case sharepoint:
		want = sharePointAudience
	case activityFeed:
		want = feedAudience
	}
	if aud, _ := audienceOf(who.Audience); aud != want {
		if c.api == logs {
			return nil, fail(http.StatusForbidden, "InvalidAuthenticationTokenAudience", "The audience '%s' of the token is not the one of this API.", who.Audience)
		}
		return nil, c.unauthorized("Access token validation failure. Invalid audience.")
	}
	app, known := c.w.apps[strings.ToLower(who.AppID)]
	if !known {
		return nil, c.unauthorized("The application of the access token is unknown.")
	}
	c.app = app
	return who.Roles, nil
}

func (c *call) unauthorized(message string) *failure {
	code := "InvalidAuthenticationToken"
	switch c.api {
	case defender, keyVault, activityFeed:
		code = "Unauthorized"
	case azure:
		code = azureUnauthorized(message)
	}
	f := fail(http.StatusUnauthorized, code, "%s", message)
	f.header = http.Header{"Www-Authenticate": {fmt.Sprintf(
		`Bearer realm="", authorization_uri="%s/common/oauth2/authorize", client_id="00000003-0000-0000-c000-000000000000", error="invalid_token", error_description="%s"`,
		c.origin(), message)}}
	return f
}

// authorize refuses a call that none of the token's roles allows, naming the
// roles that would.
func (c *call) authorize(rt *route, roles []string) *failure {
	if rt.api == azure {
		return c.authorizeAzure(rt)
	}
	if rt.api == activityFeed && !slices.Contains(roles, feedRead) {
		return c.lacksFeed(feedRead)
	}
	if rt.api == logs { // roles of Azure are assigned there
		roles = c.app.Roles
	}
	if slices.ContainsFunc(rt.roles, func(r string) bool { return slices.Contains(roles, r) }) {
		return nil
	}
	code := "Forbidden"
	switch rt.api {
	case logs:
		return fail(http.StatusForbidden, "InsufficientAccessError", "The provided credentials have insufficient access to perform the requested operation")
	case files:
		code = "accessDenied"
	case sharepoint:
		code = "-2147024891, System.UnauthorizedAccessException"
	case directory:
		code = "Authorization_RequestDenied"
	case mailbox:
		code = "ErrorAccessDenied"
	}
	return fail(http.StatusForbidden, code, "Missing application roles. API required roles: %s, application roles: %s.",
		strings.Join(rt.roles, ","), strings.Join(roles, ","))
}
