package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"

	"stanch/cmd/stanch/internal/config"
	"stanch/engine/redisstore"
)

// openRedis opens a store in Redis. Many processes may work on one.
func (d *desk) openRedis(ctx context.Context, n need, log *slog.Logger) error {
	o, err := redisOptions(d.cfg, d.at.Redis)
	if err != nil {
		return err
	}
	o.Work, o.ReadOnly, o.Lease = n.works, n.looks, d.cfg.Worker.Lease
	waits := false
	o.Waits = func(err error) {
		waits = true
		log.Error("the store does not answer; waiting", "error", err)
	}
	found, err := redisstore.Look(ctx, o)
	if err != nil {
		return fmt.Errorf("store %s: %w", d.at, err)
	}
	if waits {
		log.Info("the store answers again")
	}
	if !found && (n.looks || n.exists) {
		return noStore(d.at.String())
	}
	if n.works {
		if err := d.remembers(&o); err != nil {
			return err
		}
		if d.cfg.Archive != "" {
			o.Archive = archive{d.cfg.Archive}.write
		}
	}
	store, err := redisstore.Open(ctx, o)
	if err != nil {
		return err
	}
	d.store, d.worker = store, n.works
	return nil
}

// redisOptions says how Redis is reached, with the secrets that the operator's
// file refers to.
func redisOptions(cfg *config.Config, r *config.Redis) (redisstore.Options, error) {
	a := cfg.StoreAuth
	o := redisstore.Options{Addrs: r.Addrs, Cluster: r.Cluster, Sentinel: r.Primary, DB: r.DB, Prefix: r.Prefix, Username: a.Username}
	for _, secret := range []struct {
		name string
		from config.Reference
		to   *string
	}{{"password", a.Password, &o.Password}, {"sentinel_password", a.SentinelPassword, &o.SentinelPassword}} {
		if secret.from.Empty() {
			continue
		}
		value, err := secret.from.Read()
		if err != nil {
			return o, fmt.Errorf("store_auth.%s: %w", secret.name, err)
		}
		*secret.to = string(value)
	}
	if r.TLS {
		var err error
		if o.TLS, err = redisTLS(a, r.CA); err != nil {
			return o, err
		}
	}
	if cfg.Durability.Destroys == config.DestroysReplicated {
		o.Replicas, o.ProveWithin = cfg.Durability.Replicas, cfg.Durability.Within
	}
	return o, nil
}

// redisTLS says whom to trust and who we are. What the address names goes before
// what the file names.
func redisTLS(a config.StoreAuth, ca string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca == "" {
		ca = a.CA
	}
	if ca != "" {
		pem, err := readFile(ca, maxPEM)
		if err != nil {
			return nil, fmt.Errorf("certificate authorities of the store: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("certificate authorities of the store: %s holds no certificate in PEM", ca)
		}
	}
	if a.Certificate == "" {
		return c, nil
	}
	if err := config.Private(a.Key); err != nil {
		return nil, fmt.Errorf("store_auth.key: %w", err)
	}
	own, err := tls.LoadX509KeyPair(a.Certificate, a.Key)
	if err != nil {
		return nil, errors.Join(errors.New("store_auth.certificate and store_auth.key do not go together"), err)
	}
	c.Certificates = []tls.Certificate{own}
	return c, nil
}
