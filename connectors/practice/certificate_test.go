package practice_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
)

func clientCertificate(t *testing.T) (*x509.Certificate, *rsa.PrivateKey, string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// A client whose certificate is registered gets a token by its assertion, one
// with another certificate does not.
func TestCertificatesInPlaceOfTheSecret(t *testing.T) {
	cert, key, text := clientCertificate(t)
	company := practice.Contoso(0)
	company.Apps[0].Certificates = []string{text}
	raw, err := json.Marshal(company)
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, practice.Options{Company: raw})
	c := newClient(t, s, practice.FullApp())
	get := func(cert *x509.Certificate, key *rsa.PrivateKey) (string, error) {
		credential, err := azidentity.NewClientCertificateCredential(practice.ContosoTenantID, practice.FullClientID, []*x509.Certificate{cert}, key,
			&azidentity.ClientCertificateCredentialOptions{
				ClientOptions:            azcore.ClientOptions{Transport: c.http, Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: s.URL}},
				DisableInstanceDiscovery: true,
			})
		if err != nil {
			t.Fatal(err)
		}
		token, err := credential.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{practicetest.Graph + "/.default"}})
		return token.Token, err
	}
	token, err := get(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	c.do(200, "GET", incidentPath, "", "Authorization", "Bearer "+token)
	other, otherKey, _ := clientCertificate(t)
	if _, err := get(other, otherKey); err == nil || !strings.Contains(err.Error(), "AADSTS700027") {
		t.Errorf("another certificate: %v", err)
	}
	company.Apps[0].Certificates = []string{"nonsense"}
	if raw, err = json.Marshal(company); err != nil {
		t.Fatal(err)
	}
	if _, err := practice.New(practice.Options{Company: raw}); err == nil || !strings.Contains(err.Error(), "apps[0].certificates[0]") {
		t.Errorf("a broken certificate: %v", err)
	}
}
