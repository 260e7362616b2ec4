package main

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"stanch/cmd/stanch/internal/config"
	"stanch/connectors"
	"stanch/connectors/keyvault"
	"stanch/connectors/practice"
)

// appSet is a tenant's cloud and the apps that sign in there.
type appSet struct {
	cloud connectors.Cloud
	creds map[string]connectors.Credential // by connector; "": all others
}

// signIn makes the credentials of the configured apps; the first token is asked
// for when one is needed.
func signIn(t config.Tenant) (appSet, error) {
	cloud, err := cloudOf(t)
	if err != nil {
		return appSet{}, fmt.Errorf("tenant: %w", err)
	}
	s := appSet{cloud: cloud, creds: map[string]connectors.Credential{}}
	for _, connector := range []string{"", "graph", "defender", "azure", "sharepoint", "activity"} {
		a, own := t.Of(connector)
		if connector != "" && !own {
			continue
		}
		where := "tenant.auth"
		if own {
			where = "tenant.apps." + connector
		}
		auth, err := authOf(t, a)
		if err != nil {
			return s, fmt.Errorf("%s: %w", where, err)
		}
		if s.creds[connector], err = connectors.NewCredential(cloud, auth); err != nil {
			return s, fmt.Errorf("%s: %w", where, err)
		}
	}
	return s, nil
}

// as answers the credential that a connector uses.
func (s appSet) as(connector string) connectors.Credential {
	if own, is := s.creds[connector]; is {
		return own
	}
	return s.creds[""]
}

// apis are the APIs that tokens tell permissions for, by the word of Permission.
func (s appSet) apis() map[string]connectors.API {
	apis := map[string]connectors.API{"graph": s.cloud.Graph, "defender": s.cloud.Defender, "activity": s.cloud.Activity}
	maps.DeleteFunc(apis, func(_ string, api connectors.API) bool { return api == connectors.API{} })
	return apis
}

// authOf reads the secrets that an app's auth refers to, and again before each
// login. The practice tenant has an app whose secret everybody knows.
func authOf(t config.Tenant, a config.Auth) (connectors.Auth, error) {
	if t.Cloud == config.Practice && a == (config.Auth{}) {
		return connectors.Auth{
			Kind: connectors.ClientSecret, Tenant: practice.ContosoTenantID,
			Client: practice.FullClientID, Secret: practice.FullClientSecret,
		}, nil
	}
	auth := connectors.Auth{
		Kind: connectors.AuthKind(a.Kind), Tenant: t.ID, Client: a.Client,
		CertificateFile: a.Certificate, TokenFile: a.TokenFile,
	}
	if auth.Tenant == "" && t.Cloud == config.Practice {
		auth.Tenant = practice.ContosoTenantID
	}
	now, err := proofOf(a)
	if err != nil {
		return auth, err
	}
	auth.Secret, auth.CertificatePassword = now.Secret, now.CertificatePassword
	if a.Kind == string(connectors.ClientSecret) || a.Kind == string(connectors.Certificate) {
		auth.Proof = func(context.Context) (connectors.Proof, error) { return proofOf(a) }
	}
	return auth, nil
}

// proofOf reads what proves an app as it stands now.
func proofOf(a config.Auth) (connectors.Proof, error) {
	var p connectors.Proof
	var err error
	if !a.Secret.Empty() {
		if p.Secret, err = a.Secret.Read(); err != nil {
			return p, err
		}
	}
	if a.Certificate != "" {
		if err := config.Private(a.Certificate); err != nil {
			return p, fmt.Errorf("certificate: %w", err)
		}
	}
	if !a.Password.Empty() {
		p.CertificatePassword, err = a.Password.Read()
	}
	return p, err
}

// vaultTimeout bounds the read of one secret from a vault, sign-in included.
const vaultTimeout = 30 * time.Second

// vaultReader answers how secrets of vaults are read: as the app that the
// operator's file names for it, which signs in when the first is asked for.
func vaultReader(t config.Tenant) func(vault, secret, version string) (connectors.Secret, error) {
	open := sync.OnceValues(func() (*keyvault.Client, error) {
		cloud, err := cloudOf(t)
		if err != nil {
			return nil, fmt.Errorf("tenant: %w", err)
		}
		a, _ := t.Of("keyvault")
		auth, err := authOf(t, a)
		if err != nil {
			return nil, fmt.Errorf("the app that reads vaults: %w", err)
		}
		cred, err := connectors.NewCredential(cloud, auth)
		if err != nil {
			return nil, err
		}
		return keyvault.New(cloud, cred), nil
	})
	return func(vault, secret, version string) (connectors.Secret, error) {
		c, err := open()
		if err != nil {
			return "", err
		}
		ctx, cancel := context.WithTimeout(context.Background(), vaultTimeout)
		defer cancel()
		return c.Secret(ctx, vault, secret, version)
	}
}
