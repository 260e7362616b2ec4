package keyvault_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"stanch/connectors"
	"stanch/connectors/keyvault"
	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
)

func start(t *testing.T, app practice.App) (*practicetest.Server, *keyvault.Client) {
	t.Helper()
	s := practicetest.Start(t, practice.Options{})
	cloud := connectors.PracticeCloud(s.URL, s.CAPEM)
	cred, err := connectors.NewCredential(cloud, connectors.Auth{
		Kind: connectors.ClientSecret, Tenant: practice.ContosoTenantID, Client: app.ID, Secret: connectors.Secret(app.Secret),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, keyvault.New(cloud, cred)
}

func wantCode(t *testing.T, err error, code connectors.Code, says string) {
	t.Helper()
	e, is := errors.AsType[*connectors.Error](err)
	if !is || e.Code != code || !strings.Contains(e.Error(), says) {
		t.Errorf("error %v; want one that is %s and says %q", err, code, says)
	}
}

func TestSecret(t *testing.T) {
	s, c := start(t, practice.FullApp())
	got, err := c.Secret(t.Context(), s.URL, "tickets", "")
	if err != nil || string(got) != practice.DeskToken {
		t.Errorf("not the secret: %v", err)
	}
	if strings.Contains(fmt.Sprintf("%v %#v", got, got), practice.DeskToken) {
		t.Error("the secret is shown")
	}
	_, err = c.Secret(t.Context(), s.URL, "none", "")
	wantCode(t, err, connectors.NotFound, "SecretNotFound")
	_, err = c.Secret(t.Context(), s.URL, "tickets", "00000000000000000000000000000000")
	wantCode(t, err, connectors.NotFound, "tickets/00000000000000000000000000000000")
	for _, name := range []string{"", "..", "a/b", "a?b"} {
		if _, err := c.Secret(t.Context(), s.URL, name, ""); err == nil {
			t.Errorf("a secret named %q is read", name)
		}
	}
}

func TestWhoMayNotReadIsTold(t *testing.T) {
	s, c := start(t, practice.ReaderApp())
	_, err := c.Secret(t.Context(), s.URL, "tickets", "")
	wantCode(t, err, connectors.Forbidden, keyvault.Role)
}

// The token goes to vaults of the cloud only.
func TestNoTokenForOthers(t *testing.T) {
	global, err := connectors.CloudNamed("global")
	if err != nil {
		t.Fatal(err)
	}
	c := keyvault.New(global, nil)
	for _, vault := range []string{
		"https://evil.example", "https://vault.azure.net.evil.example", "https://vault.azure.net", "http://contoso.vault.azure.net",
		"https://u:p@contoso.vault.azure.net", "https://contoso.vault.azure.net:8443", "https://contoso.vault.azure.net/x",
		"https://contoso.vault.azure.net?x", "https://contoso.vault.usgovcloudapi.net", "", "https://contoso.vault.azure.net\x00",
	} {
		_, err := c.Secret(t.Context(), vault, "tickets", "")
		wantCode(t, err, connectors.Refused, "is no vault of cloud global")
	}
}
