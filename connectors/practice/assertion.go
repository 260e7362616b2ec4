package practice

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// assertionType is the only client_assertion_type there is (RFC 7523).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// vouches checks that a certificate of the app has signed the assertion, for
// this token endpoint and for now
// (learn.microsoft.com/entra/identity-platform/certificate-credentials).
func (a App) vouches(assertion string, audiences []string, now time.Time) error {
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return errors.New("the assertion is no JWT")
	}
	var head struct {
		Algorithm string `json:"alg"`
	}
	var body struct {
		Audience  string `json:"aud"`
		Issuer    string `json:"iss"`
		Subject   string `json:"sub"`
		NotBefore int64  `json:"nbf"`
		Expires   int64  `json:"exp"`
	}
	if decodePart(parts[0], &head) != nil || decodePart(parts[1], &body) != nil {
		return errors.New("the assertion is no JWT")
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || !a.signed(head.Algorithm, parts[0]+"."+parts[1], signature) {
		return errors.New("the signature is not valid for any certificate of the application")
	}
	switch {
	case !strings.EqualFold(body.Issuer, a.ID) || !strings.EqualFold(body.Subject, a.ID):
		return errors.New("issuer and subject must be the client id")
	case !slices.Contains(audiences, body.Audience):
		return fmt.Errorf("the audience is %q, expected %q", body.Audience, audiences[0])
	case now.Unix() >= body.Expires || now.Add(5*time.Minute).Unix() < body.NotBefore:
		return errors.New("the assertion is not within its valid time range")
	}
	return nil
}

func decodePart(part string, v any) error {
	raw, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, v)
}

// signed reports whether one of the app's certificates made the signature, by
// RS256 or PS256.
func (a App) signed(algorithm, text string, signature []byte) bool {
	sum := sha256.Sum256([]byte(text))
	for _, text := range a.Certificates {
		key, err := publicKey(text)
		if err != nil {
			continue
		}
		switch algorithm {
		case "RS256":
			err = rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature)
		case "PS256":
			err = rsa.VerifyPSS(key, crypto.SHA256, sum[:], signature, nil)
		default:
			return false
		}
		if err == nil {
			return true
		}
	}
	return false
}

func publicKey(text string) (*rsa.PublicKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("no PEM")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, is := cert.PublicKey.(*rsa.PublicKey)
	if !is {
		return nil, errors.New("the certificate has no RSA key")
	}
	return key, nil
}
