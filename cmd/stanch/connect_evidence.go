package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"stanch/actions"
	"stanch/cmd/stanch/internal/config"
	"stanch/connectors"
	"stanch/connectors/egress"
	"stanch/connectors/evidence"
	"stanch/engine"
)

// vaultOf makes the evidence store that the operator's file says, nil where it
// says none. Keys that are not there are told at once.
func vaultOf(c *config.Config) (*evidence.Vault, error) {
	if !c.HasEvidence() {
		return nil, nil
	}
	e := c.Evidence
	o := evidence.Options{Keys: map[string]connectors.Secret{}, Key: e.Key, MaxSize: int64(e.MaxMB) << 20, Keep: e.Keep}
	for id, ref := range e.Keys {
		key, err := ref.Read()
		if err != nil {
			return nil, fmt.Errorf("keys.%s: %w", id, err)
		}
		o.Keys[id] = key
	}
	if e.Dir != "" {
		place, err := evidence.NewFolder(e.Dir)
		if err != nil {
			return nil, fmt.Errorf("dir: %w", err)
		}
		o.Place = place
		return evidence.New(o)
	}
	place, err := bucketOf(c)
	if err != nil {
		return nil, fmt.Errorf("bucket: %w", err)
	}
	o.Place = place
	return evidence.New(o)
}

func bucketOf(c *config.Config) (*evidence.Bucket, error) {
	b := c.Evidence.Bucket
	secret, err := b.SecretKey.Read()
	if err != nil {
		return nil, fmt.Errorf("secret_key: %w", err)
	}
	ca, err := pemOf(b.CA)
	if err != nil {
		return nil, err
	}
	guard, err := egress.New(egress.Policy{Hosts: c.Egress.Hosts, Networks: c.Egress.Networks})
	if err != nil {
		return nil, err
	}
	dialer := egress.Dialer{Guard: guard}
	if c.Egress.Proxy.Address != "" {
		if dialer.Proxy, err = proxyOf(c.Egress.Proxy); err != nil {
			return nil, err
		}
		for _, host := range c.Egress.Proxy.Except {
			direct, err := egress.Pattern(host)
			if err != nil {
				return nil, err
			}
			dialer.Direct = append(dialer.Direct, direct)
		}
	}
	return evidence.NewBucket(evidence.BucketOptions{
		Endpoint: b.Endpoint, Bucket: b.Name, Region: b.Region, Prefix: b.Prefix, AccessKey: b.AccessKey, Secret: secret, CA: ca, Dialer: dialer,
		Drafts: cmp.Or(b.Drafts, filepath.Join(os.TempDir(), fmt.Sprintf("stanch-evidence-%d", os.Getuid()))),
	})
}

// accessed writes into the audit log who put evidence in or took it out.
func (d *desk) accessed(ctx context.Context, a evidence.Access) error {
	record := engine.Audit{Kind: a.Kind, By: cmp.Or(a.By, "stanch"), Run: a.About.Run, Step: a.About.Step, Effect: a.About.Effect}
	if a.SHA256 != "" {
		record.Target = &actions.Target{Kind: "evidence", ID: a.SHA256, Name: a.About.Name}
	}
	var err error
	record.After, err = json.Marshal(struct {
		Size   int64     `json:"size,omitempty"`
		Source string    `json:"source,omitempty"`
		At     time.Time `json:"at"`
	}{a.Size, a.About.Source, a.At})
	if err != nil {
		return err
	}
	raw, err := json.Marshal(record)
	if err != nil {
		return err
	}
	return d.store.Note(ctx, raw)
}

// sweepEvery is how often evidence is looked through for what is kept no longer.
const sweepEvery = time.Hour

// sweeps deletes evidence whose time is over, for as long as this process works.
func (d *desk) sweeps(ctx context.Context) error {
	for {
		gone, err := d.tenant.evidence.Sweep(ctx, "stanch")
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			d.log.Error("evidence cannot be swept; it is tried again in an hour", "error", err)
		case gone > 0:
			d.log.Info("evidence was swept", "items", gone)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(sweepEvery):
		}
	}
}
