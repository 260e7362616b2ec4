package config

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestEvidence(t *testing.T) {
	dir := t.TempDir()
	c, err := Parse(filepath.Join(dir, "stanch.yaml"), []byte("evidence: {dir: kept, keys: {\"2026\": {file: k.key}}, key: \"2026\"}\n"))
	if err != nil {
		t.Fatal(err)
	}
	e := c.Evidence
	if e.Dir != filepath.Join(dir, "kept") || e.Keys["2026"].File != filepath.Join(dir, "k.key") || e.MaxMB != 100 || e.Keep != 365*24*time.Hour || !c.HasEvidence() {
		t.Errorf("%+v", e)
	}
	c, err = Parse(filepath.Join(dir, "stanch.yaml"), []byte(`evidence:
  bucket: {endpoint: "https://s3.example:9000", name: held, region: eu-central-1, prefix: stanch/, access_key: AKID, secret_key: {file: s3.key}, ca: ca.pem, drafts: drafts}
  keys: {old: {env: OLD}, new: {env: NEW}}
  key: new
  max_mb: 5
  keep: 30d
`))
	if err != nil {
		t.Fatal(err)
	}
	b := c.Evidence.Bucket
	if b.SecretKey.File != filepath.Join(dir, "s3.key") || b.CA != filepath.Join(dir, "ca.pem") || b.Drafts != filepath.Join(dir, "drafts") || c.Evidence.MaxMB != 5 {
		t.Errorf("%+v", c.Evidence)
	}
	if c, err = Parse("f", []byte("feed: {poll: 1m}\n")); err != nil || c.HasEvidence() {
		t.Errorf("without: %+v, %v", c, err)
	}
}

func TestEvidenceThatCannotBe(t *testing.T) {
	const bucket = `endpoint: "https://s3.example", name: held, region: r, access_key: a, secret_key: {env: S}`
	for text, want := range map[string]string{
		`{keys: {a: {env: K}}, key: a}`:                                   "evidence needs either dir or bucket",
		`{dir: d, bucket: {` + bucket + `}, keys: {a: {env: K}}, key: a}`: "evidence needs either dir or bucket",
		`{dir: d}`:                                            `there is no key ""`,
		`{dir: d, keys: {a: {env: K}}, key: b}`:               `there is no key "b"`,
		`{dir: d, keys: {a: {}}, key: a}`:                     "evidence.keys.a names no place",
		`{dir: d, keys: {a: {env: K, file: f}}, key: a}`:      "names both env and file",
		`{dir: d, keys: {"../a": {env: K}}, key: "../a"}`:     "is no id of a key",
		`{dir: d, keys: {a: {env: K}}, key: a, max_mb: 0}`:    "evidence.max_mb must be 1 to",
		`{dir: d, keys: {a: {env: K}}, key: a, keep: 1h}`:     "evidence.keep must be a day",
		`{bucket: {name: held}, keys: {a: {env: K}}, key: a}`: "evidence.bucket.endpoint is missing",
		`{bucket: {` + strings.Replace(bucket, "https", "http", 1) + `}, keys: {a: {env: K}}, key: a}`:              "must be https://host",
		`{bucket: {` + strings.Replace(bucket, "{env: S}", "hunter2hunter2", 1) + `}, keys: {a: {env: K}}, key: a}`: "must be keys with values",
	} {
		_, err := Parse("f", []byte("evidence: "+text+"\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %s", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the secret is told: %v", err)
		}
	}
}
