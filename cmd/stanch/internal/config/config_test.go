package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const whole = `store: sqlite:runs.db
playbooks: [books]
tenant:
  id: contoso.example
  cloud: usgov
  authority: https://login.microsoftonline.us
  instance_discovery: false
  auth: {kind: client_secret, client: 11111111-2222-3333-4444-555555555555, secret: {env: STANCH_SECRET}}
feed: {poll: 30s, overlap: 15m, since: 7d, quota: 20}
groups:
  dlp-officers: [dana.officer@contoso.example, omar.officer@contoso.example]
own_domains: [contoso.example]
guardrails:
  max_targets: {files: 50, users: 5}
  protect: {users: [breakglass@contoso.example], sites: [/sites/legal-hold]}
undo: {approval: none}
hooks:
  purview/dlp: {secret: {file: dlp.key}, subscriptions: [11111111-2222-3333-4444-555555555555]}
worker: {concurrency: 16, lease: 30s, grace: 1m, connectors: {graph: 8}, lanes: {others: 4, low: 16}}
`

func TestParseKeepsEveryKey(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "books"), 0o700); err != nil {
		t.Fatal(err)
	}
	got, err := Parse(filepath.Join(dir, "stanch.yaml"), []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		File:      filepath.Join(dir, "stanch.yaml"),
		Store:     "sqlite:" + filepath.Join(dir, "runs.db"),
		Playbooks: []string{filepath.Join(dir, "books")},
		Tenant: Tenant{
			ID: "contoso.example", Cloud: "usgov", Authority: "https://login.microsoftonline.us", InstanceDiscovery: got.Tenant.InstanceDiscovery,
			Auth: Auth{Kind: "client_secret", Client: "11111111-2222-3333-4444-555555555555", Secret: Reference{Env: "STANCH_SECRET"}},
		},
		Feed:       Feed{Poll: 30 * time.Second, Overlap: 15 * time.Minute, Since: 7 * 24 * time.Hour, Sources: []string{"defender", "sentinel"}, Quota: 20, AzureQuota: 300, Lease: 30 * time.Second, Loops: 10},
		Groups:     map[string][]string{"dlp-officers": {"dana.officer@contoso.example", "omar.officer@contoso.example"}},
		OwnDomains: []string{"contoso.example"},
		Guardrails: Guardrails{
			MaxTargets: map[string]int{"files": 50, "users": 5},
			Protect:    map[string][]string{"users": {"breakglass@contoso.example"}, "sites": {"/sites/legal-hold"}},
		},
		Undo: Undo{Approval: "none"},
		Hooks: map[string]Hook{"purview/dlp": {
			Kind: HookPlaybook, Secret: Reference{File: filepath.Join(dir, "dlp.key")}, Subscriptions: []string{"11111111-2222-3333-4444-555555555555"},
		}},
		Durability: Durability{Destroys: DestroysAcknowledged, Replicas: 1, Within: 2 * time.Second},
		Worker:     Worker{Concurrency: 16, Lease: 30 * time.Second, Grace: time.Minute, Connectors: map[string]int{"graph": 8}, Lanes: map[string]int{"others": 4, "low": 16}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got.Tenant.InstanceDiscovery == nil || *got.Tenant.InstanceDiscovery {
		t.Error("instance_discovery: false was lost")
	}
}

func TestDefaults(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n"} {
		c, err := Parse("stanch.yaml", []byte(text))
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if c.Feed.Poll != time.Minute || c.Undo.Approval != "one" || c.HasTenant() {
			t.Errorf("%q: defaults are %+v", text, c)
		}
	}
}

func TestThrottleIsKept(t *testing.T) {
	c, err := Parse("f", []byte("throttle: {sharepoint: {units: 3750, per: 1m}}\n"))
	if err != nil || c.Throttle["sharepoint"] != (Throttle{Units: 3750, Per: time.Minute}) {
		t.Errorf("%+v, %v", c, err)
	}
}

// Every mistake is told with its place and with what to do.
func TestMistakes(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"unknown key", "tennant: {}\n", `f:1:1: unknown key "tennant"|hint: did you mean "tenant"?`},
		{"unknown key inside", "tenant:\n  cloud: global\n  idd: x.example\n", `f:3:3: unknown key "idd" in tenant|did you mean "id"?`},
		{"far key", "zzzzzzzz: 1\n", `f:1:1: unknown key "zzzzzzzz"|known here: store, store_auth`},
		{"twice", "store: sqlite:a\nstore: sqlite:b\n", `f:2:1: "store" stands here twice, first on line 1`},
		{"null", "store:\n", `f:1:7: store is empty|give it a value or remove the key`},
		{"not a list", "own_domains: contoso.example\n", `f:1:14: own_domains must be a list, such as [a, b], not "contoso.example"|hint: own_domains is: domains that are not external`},
		{"not a map", "tenant: [a]\n", "f:1:9: tenant must be keys with values, not a list"},
		{"not a file of keys", "- a\n", "f:1:1: the file must be keys with values, not a list"},
		{"no unit", "feed: {poll: 30}\n", `f:1:14: feed.poll must be a duration with its unit, such as 90s, 10m, 24h or 7d, not "30"`},
		{"negative", "feed: {poll: -3s}\n", `f:1:14: feed.poll must be a duration`},
		{"no quota", "feed: {quota: 0}\n", `f:1:15: feed.quota must be 1 or more, not 0`},
		{"no such source", "feed: {sources: [defendr]}\n", `f:1:18: feed.sources[0] must be one of defender, sentinel, not "defendr"`},
		{"no source", "feed: {sources: []}\n", `f:1:17: feed.sources names no source`},
		{"no audit log", "tenant: {cloud: china}\nfeed: {details: true}\n", `f:2:17: feed.details is true, and the cloud china has no Office 365 Management Activity API`},
		{"no lease", "feed: {lease: 1ms}\n", `f:1:15: feed.lease must be from 1s to 1h, not 1ms`},
		{"too fast", "feed: {poll: 1ms}\n", `f:1:14: feed.poll must be from 1s to 24h, not 1ms`},
		{"not a bool", "tenant: {instance_discovery: \"no\"}\n", `tenant.instance_discovery must be true or false, not "no"`},
		{"not a number", "guardrails: {max_targets: {files: many}}\n", `guardrails.max_targets.files must be a whole number, not "many"`},
		{"cap of nothing", "guardrails: {max_targets: {files: 0}}\n", "guardrails.max_targets.files must be 1 or more"},
		{"kind of cap", "guardrails: {max_targets: {file: 3}}\n", `f:1:28: guardrails.max_targets: "file" is not a kind of target|did you mean "files"?`},
		{"kind of protection", "guardrails: {protect: {people: [a@b.example]}}\n", `guardrails.protect: "people" is not a kind of target|known here: files`},
		{"protects nothing", "guardrails: {protect: {users: []}}\n", "guardrails.protect.users is empty"},
		{"cloud", "tenant: {id: a.example, cloud: globl, auth: {kind: cli}}\n", `f:1:32: tenant.cloud must be one of global, gcc, usgov, dod, china, practice, not "globl"|did you mean "global"?`},
		{"authority", "tenant: {id: a.example, authority: http://x, auth: {kind: cli}}\n", "tenant.authority must be an https address"},
		{"no id", "tenant: {cloud: global, auth: {kind: cli}}\n", "f:1:9: tenant.id is missing"},
		{"no auth", "tenant: {id: a.example}\n", "f:1:9: tenant.auth is missing"},
		{"no kind", "tenant: {id: a.example, auth: {client: 11111111-2222-3333-4444-555555555555}}\n", "tenant.auth.kind is missing"},
		{"no secret", "tenant: {id: a.example, auth: {kind: client_secret, client: 11111111-2222-3333-4444-555555555555}}\n", "tenant.auth.secret is missing: client_secret needs it|the secret itself never stands in this file"},
		{"secret in clear", "tenant: {auth: {secret: hunter22hunter22}}\n", "tenant.auth.secret must be keys with values"},
		{"two places", "tenant: {id: a.example, auth: {kind: client_secret, client: 11111111-2222-3333-4444-555555555555, secret: {env: A, file: b}}}\n", "tenant.auth.secret names both env and file"},
		{"secret for cli", "tenant: {id: a.example, auth: {kind: cli, secret: {env: A}}}\n", "tenant.auth.secret means nothing for cli"},
		{"client", "tenant: {id: a.example, auth: {kind: managed, client: me}}\n", `tenant.auth.client must be a GUID, not "me"`},
		{"group name", "groups: {DLP: [a@b.example]}\n", `a group's name has small letters`},
		{"empty group", "groups: {dlp: []}\n", "group dlp has no members: nobody could approve"},
		{"member", "groups: {dlp: [dana]}\n", `f:1:16: "dana" is not a user principal name`},
		{"member twice", "groups: {dlp: [a@b.example, A@B.example]}\n", "A@B.example is in group dlp twice"},
		{"quarantine", "quarantine: Locked/../x\n", `"Locked/../x" is no path of a folder in a library|hint: such as Quarantine`},
		{"domain", "own_domains: ['@contoso.example']\n", `"@contoso.example" is not a domain`},
		{"undo", "undo: {approval: two}\n", `undo.approval must be one of none, one, not "two"`},
		{"store", "store: /var/x.db\n", `f:1:8: store: "/var/x.db" has no scheme: write sqlite:/var/x.db`},
		{"open redis", "store: redis://redis.example\n", "f:1:8: store: redis.example:6379 is on the network and would be used without password and without TLS"},
		{"password in the address", "store: redis://:hunter22@localhost\n", "a user or password does not belong into the address of a store|store_auth: {username: NAME, password: {env: NAME}}"},
		{"auth of a file", "store: sqlite:a\nstore_auth: {username: a}\n", "f:2:13: store_auth means nothing for a SQLite file"},
		{"user without password", "store_auth: {username: a}\n", "f:1:24: store_auth.password is missing: a user signs in with one"},
		{"password in clear", "store_auth: {password: hunter22hunter22}\n", "f:1:24: store_auth.password must be keys with values, not one text"},
		{"password of sentinels in clear", "store_auth: {sentinel_password: hunter22hunter22}\n", "store_auth.sentinel_password must be keys with values, not one text"},
		{"password in two places", "store_auth: {password: {env: A, file: b}}\n", "store_auth.password names both env and file"},
		{"sentinels' password", "store: redis://localhost\nstore_auth: {sentinel_password: {env: A}}\n", "f:2:33: store_auth.sentinel_password means nothing: the store is not behind sentinels"},
		{"ca without TLS", "store: redis://localhost\nstore_auth: {ca: config_test.go}\n", "f:2:18: store_auth.ca means nothing: the store is used without TLS"},
		{"ca", "store_auth: {ca: none.pem}\n", "f:1:18: store_auth.ca: stat"},
		{"key without certificate", "store_auth: {key: config_test.go}\n", "store_auth.certificate is missing: it goes with store_auth.key"},
		{"durability", "durability: {destroys: replicatet}\n", `f:1:24: durability.destroys must be one of acknowledged, replicated, not "replicatet"|did you mean "replicated"?`},
		{"replicas", "durability: {replicas: 2}\n", "f:1:24: durability.replicas means nothing without destroys: replicated"},
		{"within", "durability: {destroys: replicated, within: 2h}\n", "durability.within must be from 10ms to 1m0s, not 2h0m0s"},
		{"durability of a file", "store: sqlite:a\ndurability: {destroys: replicated}\n", "f:2:13: durability means nothing for a SQLite file"},
		{"concurrency", "worker: {concurrency: 5000}\n", "f:1:23: worker.concurrency must be from 1 to 1000, not 5000"},
		{"lease", "worker: {lease: 10ms}\n", "f:1:17: worker.lease must be from 1s to 10m0s, not 10ms"},
		{"no concurrency", "worker: {concurrency: 0}\n", "f:1:23: worker.concurrency must be from 1 to 1000, not 0"},
		{"no grace", "worker: {grace: 0s}\n", "f:1:17: worker.grace must be from 1ms to 1h0m0s, not 0s"},
		{"connector", "worker: {connectors: {grph: 3}}\n", `f:1:23: worker.connectors.grph must be one of azure, defender, graph, http, notify, not "grph"|did you mean "graph"?`},
		{"connector of none", "worker: {connectors: {graph: 0}}\n", "worker.connectors.graph must be 1 or more|stanch freeze"},
		{"throttle of no API", "throttle: {sharepont: {units: 5, per: 1m}}\n", `throttle.sharepont must be one of|did you mean "sharepoint"?`},
		{"throttle of nothing", "throttle: {sharepoint: {units: 0, per: 1m}}\n", "f:1:12: throttle.sharepoint: units must be 1 or more and per from 1s to 31d, not 0 in 1m0s|such as {units: 5000, per: 1m}"},
		{"lane", "worker: {lanes: {hunting: 8}}\n", `f:1:18: worker.lanes.hunting must be one of high, medium, low, others, not "hunting"`},
		{"lane misspelt", "worker:\n  lanes:\n    other: 8\n", `f:3:5: worker.lanes.other must be one of high, medium, low, others, not "other"|did you mean "others"?`},
		{"lane of none", "worker: {concurrency: 8, lanes: {low: 0}}\n", "f:1:34: worker.lanes.low must be from 1 to worker.concurrency, which is 8, not 0|leave it out"},
		{"lane of less", "worker: {lanes: {low: -1}}\n", "f:1:18: worker.lanes.low must be from 1 to worker.concurrency, which is 64, not -1"},
		{"lane of more than there is", "worker: {concurrency: 4, lanes: {high: 4, others: 5}}\n", "f:1:43: worker.lanes.others must be from 1 to worker.concurrency, which is 4, not 5"},
		{"lane of a text", "worker: {lanes: {low: many}}\n", `f:1:23: worker.lanes.low must be a whole number, not "many"`},
		{"lanes of a number", "worker: {lanes: 4}\n", "f:1:17: worker.lanes must be names with values"},
		{"workspace to hunt in", "hunting: {workspace: contoso-sentinel}\n", `f:1:22: hunting.workspace cannot be "contoso-sentinel"|not its name`},
		{"sentinel of nobody", "sentinel: {subscription: 11111111-2222-3333-4444-555555555555, resource_group: a, workspace: abcd}\n", "sentinel is named without a tenant"},
		{"sentinel is half", "tenant: {cloud: practice}\nsentinel: {resource_group: a}\n", "f:2:11: sentinel.subscription is missing|sentinel.workspace is missing|not its id"},
		{"sentinel is empty", "tenant: {cloud: practice}\nsentinel: {}\n", "f:2:11: sentinel names no workspace"},
		{"subscription", "tenant: {cloud: practice}\nsentinel: {subscription: prod, resource_group: a, workspace: abcd}\n", `f:2:26: sentinel.subscription cannot be "prod"|a GUID`},
		{"resource group", "tenant: {cloud: practice}\nsentinel: {subscription: 11111111-2222-3333-4444-555555555555, resource_group: a/b, workspace: abcd}\n", `sentinel.resource_group cannot be "a/b"`},
		{"workspace", "tenant: {cloud: practice}\nsentinel: {subscription: 11111111-2222-3333-4444-555555555555, resource_group: a, workspace: ../x}\n", `sentinel.workspace cannot be "../x"`},
		{"folder", "playbooks: [nowhere]\n", "f:1:13: playbooks[0]: stat"},
		{"listen", "listen: here\n", "listen must be HOST:PORT"},
		{"hook without secret", "hooks: {dlp: {}}\n", "f:1:9: hooks.dlp.secret is missing: nobody could prove a request"},
		{"hook's path", "hooks: {/DLP: {secret: {env: A}}}\n", `f:1:9: hooks: "/DLP" is no path of a hook`},
		{"hook's secret itself", "hooks: {dlp: {secret: tell-nobody}}\n", "f:1:23: hooks.dlp.secret must be"},
		{"hook of two secrets", "hooks: {dlp: {secret: {env: A, file: b}}}\n", "hooks.dlp.secret names both env and file"},
		{"hook of another kind", "hooks: {dlp: {kind: slack, secret: {env: A}}}\n", `hooks.dlp.kind must be one of playbook, sentinel, not "slack"`},
		{"hook's auth", "hooks: {dlp: {auth: hmac, secret: {env: A}}}\n", "hooks.dlp.auth means nothing for a playbook"},
		{"hook of no Sentinel", "hooks: {a: {kind: sentinel, secret: {env: A}}}\n", "no workspace is named where they are read"},
		{"hook of Sentinel with auth", "tenant: {cloud: practice}\nhooks: {a: {kind: sentinel, auth: graph, secret: {env: A}}}\n", `hooks.a.auth must be one of token, hmac, not "graph"`},
		{"subscriptions of Sentinel", "tenant: {cloud: practice}\nhooks: {a: {kind: sentinel, secret: {env: A}, subscriptions: [11111111-2222-3333-4444-555555555555]}}\n", "hooks.a.subscriptions means nothing for sentinel"},
		{"subscription's id", "hooks: {a: {secret: {env: A}, subscriptions: [mine]}}\n", `"mine" is no id of a subscription`},
		{"anchor", "store: &a sqlite:a\n", "anchors and aliases are not allowed"},
		{"tag", "store: !!binary aGk=\n", "the tag !!binary is not allowed"},
		{"merge", "tenant: {<<: {id: a.example}}\n", "a key is a plain name"},
		{"two documents", "store: sqlite:a\n---\nstore: sqlite:b\n", "a second document begins here"},
		{"tab", "tenant:\n\tid: x\n", "f:2:1: this is not YAML"},
		{"latin-1", "store: sqlite:\xe4\n", "the file is not UTF-8"},
		{"nul", "store: \"a\x00b\"\n", "this is not YAML"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("f", []byte(c.text))
			if _, is := errors.AsType[*Error](err); !is {
				t.Fatalf("got %v, want faults", err)
			}
			for want := range strings.SplitSeq(c.want, "|") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got\n%v\nwant it to say\n%s", err, want)
				}
			}
		})
	}
}

func TestAllMistakesAtOnceInOrder(t *testing.T) {
	_, err := Parse("f", []byte("tenant:\n  clod: global\nfeed: {poll: 3}\nzzzz: 1\nstore: [a]\n"))
	faults, is := errors.AsType[*Error](err)
	if !is || len(faults.Faults) != 4 {
		t.Fatalf("got %v, want four faults", err)
	}
	for i, line := range []int{2, 3, 4, 5} {
		if faults.Faults[i].Line != line {
			t.Errorf("fault %d is on line %d, want %d", i, faults.Faults[i].Line, line)
		}
	}
}

func TestPracticeNeedsNoAuth(t *testing.T) {
	c, err := Parse("f", []byte("tenant: {cloud: practice}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Tenant.Cloud != Practice {
		t.Errorf("cloud is %q", c.Tenant.Cloud)
	}
}

func TestFindAndLoad(t *testing.T) {
	home := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", home)
	t.Setenv("HOME", home)
	t.Setenv(EnvFile, "")
	find := func(given, want string) {
		t.Helper()
		if got, err := Find(given); err != nil || got != want {
			t.Errorf("Find(%q) = %q, %v; want %q", given, got, err, want)
		}
	}
	find("", "")
	usual := filepath.Join(home, "stanch", "config.yaml")
	if err := os.MkdirAll(filepath.Dir(usual), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(usual, []byte("own_domains: [a.example]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	find("", usual)
	t.Setenv(EnvFile, "named.yaml")
	find("", "named.yaml")
	find("given.yaml", "given.yaml")

	if c, err := Load(usual); err != nil || len(c.OwnDomains) != 1 {
		t.Errorf("Load = %v, %v", c, err)
	}
	if _, err := Load(filepath.Join(home, "missing.yaml")); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "missing.yaml") {
		t.Errorf("a missing file: %v", err)
	}
	if err := os.WriteFile(usual, []byte("# "+strings.Repeat("x", maxFile)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(usual); err == nil || !strings.Contains(err.Error(), "is longer than") {
		t.Errorf("a huge file: %v", err)
	}
}

func TestStoreAt(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv(EnvStore, "")
	at := func(c *Config, given, want string) {
		t.Helper()
		if got, err := c.StoreAt(given); err != nil || got.Path != want {
			t.Errorf("StoreAt(%q) = %v, %v; want %s", given, got, err, want)
		}
	}
	at(&Config{}, "", filepath.Join(home, ".local/state/stanch/stanch.db"))
	at(&Config{Store: "sqlite:/a/b.db"}, "", "/a/b.db")
	t.Setenv(EnvStore, "sqlite:/env.db")
	at(&Config{Store: "sqlite:/a/b.db"}, "", "/env.db")
	at(&Config{}, "sqlite:///given.db", "/given.db")
	at(&Config{}, "sqlite:~/x.db", filepath.Join(home, "x.db"))
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	at(&Config{}, "sqlite:x.db", filepath.Join(wd, "x.db"))
	for _, bad := range []string{"x.db", "sqlite:", "redis://h", "redis+sentinel://h", "postgres://h", "sqlite:a?mode=ro"} {
		if _, err := (&Config{}).StoreAt(bad); err == nil || !strings.HasPrefix(err.Error(), "--store: ") {
			t.Errorf("StoreAt(%q): %v", bad, err)
		}
	}
}

func TestSecretsComeByReferenceOnly(t *testing.T) {
	const value = "s3cr3t-value-nobody-sees"
	dir := t.TempDir()
	file := filepath.Join(dir, "secret")
	write := func(path, text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	write(file, value+"\n", 0o600)
	t.Setenv("STANCH_TEST_SECRET", value)
	for _, r := range []Reference{{File: file}, {Env: "STANCH_TEST_SECRET"}} {
		s, err := r.Read()
		if err != nil || string(s) != value {
			t.Errorf("%s: %v", r, err)
		}
		if text := fmt.Sprintf("%v %+v %#v %s %q", s, s, s, s, s); strings.Contains(text, value) {
			t.Errorf("%s shows the secret: %s", r, text)
		}
	}
	refused := func(r Reference, want string) {
		t.Helper()
		_, err := r.Read()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), value) {
			t.Errorf("%s: got %v, want %q", r, err, want)
		}
	}
	refused(Reference{Env: "STANCH_TEST_UNSET"}, "STANCH_TEST_UNSET is not set")
	refused(Reference{File: filepath.Join(dir, "none")}, "none")
	refused(Reference{File: dir}, "is not a file")
	write(file, value, 0o644)
	refused(Reference{File: file}, "others can read "+file+" (mode 0644): run `chmod 600")
	write(file, "short\n", 0o600)
	refused(Reference{File: file}, "less than 8 characters")

	outside := filepath.Join(t.TempDir(), "elsewhere")
	write(outside, value, 0o600)
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	refused(Reference{File: filepath.Join(dir, "link")}, "escapes")
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte("a: &x [*x]"))
	f.Add([]byte("{{{{"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse("f", text)
		if (c == nil) == (err == nil) {
			t.Fatalf("Parse answers %v and %v", c, err)
		}
	})
}
