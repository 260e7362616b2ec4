package config

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"time"
)

// Evidence says where downloads are kept, sealed with which key, and how long.
type Evidence struct {
	Dir    string               `yaml:"dir" doc:"folder of this machine; every worker needs the same one"`
	Bucket Bucket               `yaml:"bucket" doc:"bucket of a service with the S3 protocol, in place of dir"`
	Keys   map[string]Reference `yaml:"keys" doc:"keys by their id, each 32 random bytes in base64, such as {\"2026\": {file: /etc/stanch/evidence-2026}}; old ones stay as long as something is sealed with them"`
	Key    string               `yaml:"key" doc:"id of the key that seals what is put in from now on"`
	MaxMB  int                  `yaml:"max_mb" doc:"most megabytes of one item; default 100"`
	Keep   time.Duration        `yaml:"keep" doc:"how long an item is kept since it was last put in; default 365d"`
}

// Bucket is a bucket that speaks the S3 protocol.
type Bucket struct {
	Endpoint  string    `yaml:"endpoint" doc:"https://host[:port] of the service, such as https://s3.eu-central-1.amazonaws.com"`
	Name      string    `yaml:"name" doc:"name of the bucket; it is addressed by path"`
	Region    string    `yaml:"region" doc:"region that requests are signed for, such as eu-central-1"`
	Prefix    string    `yaml:"prefix" doc:"what the names of items begin with, such as stanch/"`
	AccessKey string    `yaml:"access_key" doc:"id of the access key"`
	SecretKey Reference `yaml:"secret_key" doc:"where the secret of the access key is: {env: NAME} or {file: PATH}"`
	CA        string    `yaml:"ca" doc:"PEM file of further certificate authorities to trust"`
	Drafts    string    `yaml:"drafts" doc:"folder in which items are sealed before they are sent; default in the system's folder for temporary files"`
}

const (
	defaultMaxMB = 100
	mostMB       = 64 << 10
	defaultKeep  = 365 * 24 * time.Hour
)

// HasEvidence reports whether downloads can be kept.
func (c *Config) HasEvidence() bool {
	return c.Evidence.Dir != "" || c.Evidence.Bucket != (Bucket{})
}

// evidencePaths makes the paths of the evidence store absolute.
func (c *Config) evidencePaths(dir string) error {
	e := &c.Evidence
	var err error
	for _, p := range []*string{&e.Dir, &e.Bucket.CA, &e.Bucket.Drafts, &e.Bucket.SecretKey.File} {
		if *p, err = resolve(dir, *p); err != nil {
			return err
		}
	}
	for id, ref := range e.Keys {
		if ref.File, err = resolve(dir, ref.File); err != nil {
			return err
		}
		e.Keys[id] = ref
	}
	return nil
}

var keyID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func (c *Config) checkEvidence(d *decoder) {
	where, given := d.places["evidence"]
	if !given {
		return
	}
	e := c.Evidence
	switch {
	case (e.Dir == "") == (e.Bucket == Bucket{}):
		d.fault(where, "give dir: PATH, or bucket: {endpoint, name, region, access_key, secret_key}", "evidence needs either dir or bucket")
	case e.Bucket != Bucket{}:
		c.checkBucket(d)
	}
	for _, id := range slices.Sorted(maps.Keys(e.Keys)) {
		at := join("evidence.keys", id)
		if !keyID.MatchString(id) {
			d.fault(d.places[at], "such as 2026-1", "%q is no id of a key: expected letters, digits, dots and hyphens", id)
		} else if e.Keys[id].Empty() {
			d.fault(d.places[at], "{env: NAME} or {file: PATH}; the key itself never stands in this file", "%s names no place", at)
		}
		d.oneReference(at, e.Keys[id])
	}
	if _, is := e.Keys[e.Key]; !is {
		d.fault(where, "key: the id of one of evidence.keys", "evidence.key: there is no key %q", e.Key)
	}
	if e.MaxMB < 1 || e.MaxMB > mostMB {
		d.fault(d.places["evidence.max_mb"], "", "evidence.max_mb must be 1 to %d, not %d", mostMB, e.MaxMB)
	}
	if e.Keep < 24*time.Hour {
		d.fault(d.places["evidence.keep"], "such as 90d", "evidence.keep must be a day or longer")
	}
}

func (c *Config) checkBucket(d *decoder) {
	b := c.Evidence.Bucket
	where := d.places["evidence.bucket"]
	for key, missing := range map[string]bool{
		"endpoint": b.Endpoint == "", "name": b.Name == "", "region": b.Region == "", "access_key": b.AccessKey == "", "secret_key": b.SecretKey.Empty(),
	} {
		if missing {
			d.fault(where, "", "evidence.bucket.%s is missing", key)
		}
	}
	if u, err := url.Parse(b.Endpoint); b.Endpoint != "" && (err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Path != "" && u.Path != "/") {
		d.fault(d.places["evidence.bucket.endpoint"], "such as https://s3.eu-central-1.amazonaws.com", "evidence.bucket.endpoint must be https://host[:port]")
	}
	d.oneReference("evidence.bucket.secret_key", b.SecretKey)
}
