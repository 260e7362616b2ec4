package practice

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Certificate answers the certificate for 127.0.0.1, ::1 and localhost that is
// kept in dir, and its PEM, which clients trust. It is made at the first call
// and again when it has expired or can't be read; the key has mode 0600.
// Several processes may call it at once: one of them makes it.
func Certificate(dir string) (cert tls.Certificate, caPEM []byte, err error) {
	path := filepath.Join(dir, "practice.pem")
	if cert, caPEM, err = loadCertificate(path); err == nil {
		return cert, caPEM, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return cert, nil, fmt.Errorf("practice certificate: %w", err)
	}
	both, err := makeCertificate(time.Now())
	if err != nil {
		return cert, nil, fmt.Errorf("practice certificate: %w", err)
	}
	if err := replace(path, both); err != nil {
		return cert, nil, fmt.Errorf("practice certificate: %w", err)
	}
	if cert, caPEM, err = loadCertificate(path); err != nil {
		return cert, nil, fmt.Errorf("practice certificate: %w", err)
	}
	return cert, caPEM, nil
}

// loadCertificate reads key and certificate from one file, so that they never
// differ.
func loadCertificate(path string) (tls.Certificate, []byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return tls.Certificate{}, nil, fmt.Errorf("%s: %w: others can read the key", path, fs.ErrPermission)
	}
	both, err := os.ReadFile(path)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	cert, err := tls.X509KeyPair(both, both)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("%s: %w", path, err)
	}
	if time.Now().After(cert.Leaf.NotAfter.Add(-24 * time.Hour)) {
		return tls.Certificate{}, nil, errors.New(path + ": the certificate has expired")
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
	return cert, ca, nil
}

func makeCertificate(now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Stanch practice tenant"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(2, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...), nil
}

// replace writes the file whole or not at all.
func replace(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".practice-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err := f.Write(b); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
