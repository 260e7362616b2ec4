// Package config reads the operator's file: which store, which tenant and how
// to sign in there, who may approve, and the limits that no playbook can
// loosen. It is strict (an unknown key is a fault), tells all faults at once
// with their places, and keeps secrets by reference only: it knows where a
// secret is, and reads it when somebody signs in.
//
// It knows nothing of flags, and it opens neither stores nor connections.
package config

import (
	"slices"
	"time"
)

// Config is the operator's file with defaults filled in. Paths are absolute:
// the file means them relative to its own folder.
type Config struct {
	// File is where it was read; empty means built-in defaults.
	File string `yaml:"-"`

	Store      string              `yaml:"store" doc:"where runs are kept, such as sqlite:/var/lib/stanch/stanch.db or rediss://redis.example:6379"`
	StoreAuth  StoreAuth           `yaml:"store_auth" doc:"how to sign in to a store in Redis"`
	Durability Durability          `yaml:"durability" doc:"what must be on replicas before it counts, with a store in Redis"`
	Worker     Worker              `yaml:"worker" doc:"how much a worker does at once"`
	Playbooks  []string            `yaml:"playbooks" doc:"folders and files of playbooks that serve runs"`
	Listen     string              `yaml:"listen" doc:"address where serve takes requests to hooks, such as 127.0.0.1:8080"`
	Hooks      map[string]Hook     `yaml:"hooks" doc:"who may send requests: the path of each hook under /hooks/, with its secret"`
	Tenant     Tenant              `yaml:"tenant" doc:"the Microsoft 365 tenant and how to sign in"`
	Tenants    []string            `yaml:"tenants" doc:"operator's files of further tenants that stanch serve serves in the same process, each with a store of its own"`
	Sentinel   Sentinel            `yaml:"sentinel" doc:"the workspace of Microsoft Sentinel, where its incidents are acted on"`
	Hunting    Hunting             `yaml:"hunting" doc:"what playbooks with on.hunting ask"`
	Feed       Feed                `yaml:"feed" doc:"how incidents are fetched"`
	Groups     map[string][]string `yaml:"groups" doc:"who may approve: group name and its user principal names"`
	OwnDomains []string            `yaml:"own_domains" doc:"domains that are not external"`
	Quarantine string              `yaml:"quarantine" doc:"path, in each library, of the locked folder that files.quarantine moves files to; default Quarantine"`
	Labels     []string            `yaml:"labels" doc:"sensitivity labels, the least protected first"`
	Throttle   map[string]Throttle `yaml:"throttle" doc:"what the tenant's APIs allow, by class, where it is more than Microsoft publishes for the smallest tenants, such as {sharepoint: {units: 5000, per: 1m}}; of the practice tenant, which throttles nothing unless it is told to, only what stands here limits"`
	Guardrails Guardrails          `yaml:"guardrails" doc:"limits that no playbook can loosen"`
	Undo       Undo                `yaml:"undo" doc:"what undoing needs"`
	Egress     Egress              `yaml:"egress" doc:"which addresses the actions http.* may reach"`
	Services   map[string]Service  `yaml:"services" doc:"HTTP APIs that playbooks name, with their credentials"`
	Channels   map[string]Channel  `yaml:"channels" doc:"where the actions notify.* send messages"`
	Evidence   Evidence            `yaml:"evidence" doc:"where the actions mail.download and files.download keep what they download, encrypted"`
	Lists      []string            `yaml:"lists" doc:"folders of reference lists"`
	Archive    string              `yaml:"archive" doc:"folder to which a store in Redis moves runs that ended 30 days ago; without it they stay"`
}

// StoreAuth says how to sign in to a store in Redis. Passwords stand elsewhere.
type StoreAuth struct {
	Username         string    `yaml:"username" doc:"the user of Redis; default its default user"`
	Password         Reference `yaml:"password" doc:"where the user's password is: {env: NAME}, {file: PATH} or {vault: URL, secret: NAME}"`
	SentinelPassword Reference `yaml:"sentinel_password" doc:"where the password of the sentinels is: {env: NAME}, {file: PATH} or {vault: URL, secret: NAME}"`
	CA               string    `yaml:"ca" doc:"PEM file of the certificate authorities to trust; default the system's"`
	Certificate      string    `yaml:"certificate" doc:"PEM file with our own certificate, where Redis asks for one"`
	Key              string    `yaml:"key" doc:"PEM file with its private key, which only its owner can read"`
}

// Durability says what must be on replicas before it counts.
type Durability struct {
	Destroys string        `yaml:"destroys" doc:"acknowledged: by the server; replicated: intents to destroy are on replicas, too, before they are carried out; default acknowledged" enum:"acknowledged,replicated"`
	Replicas int           `yaml:"replicas" doc:"on how many replicas; default 1"`
	Within   time.Duration `yaml:"within" doc:"how long the replicas may take; default 2s"`
}

// What Durability.Destroys may say.
const (
	DestroysAcknowledged = "acknowledged"
	DestroysReplicated   = "replicated"
)

// Worker says how much a worker does at once.
type Worker struct {
	Concurrency int            `yaml:"concurrency" doc:"steps of how many strands at once; default 64"`
	Lease       time.Duration  `yaml:"lease" doc:"after which time another worker takes over from one that is lost; default 15s"`
	Grace       time.Duration  `yaml:"grace" doc:"how long what is under way may take when the worker is told to end; default 20s"`
	Connectors  map[string]int `yaml:"connectors" doc:"most calls at once by connector, such as {graph: 16, defender: 4}; default no limit of its own"`
	Lanes       map[string]int `yaml:"lanes" doc:"most strands at once of runs of a lane, by the severity of their incident: high, medium, low or others, such as {others: 4}; default no limit of its own"`
}

// Sources are the names that Feed.Sources may have.
func Sources() []string { return []string{"defender", "sentinel"} }

// Connectors are the names that Worker.Connectors may have.
func Connectors() []string { return []string{"azure", "defender", "graph", "http", "notify"} }

// Lanes are the names that Worker.Lanes may have, in the order of the lanes.
func Lanes() []string { return []string{"high", "medium", "low", "others"} }

// Tenant names the tenant and the app that acts there.
type Tenant struct {
	ID                string `yaml:"id" doc:"tenant id (a GUID) or one of its domains"`
	Cloud             string `yaml:"cloud" doc:"global, gcc, usgov (GCC High), dod, china or practice" enum:"global,gcc,usgov,dod,china,practice"`
	Authority         string `yaml:"authority" doc:"https address of the sign-in service, where it is not the cloud's own; of a practice tenant, its address"`
	CA                string `yaml:"ca" doc:"PEM file of further certificate authorities to trust"`
	InstanceDiscovery *bool  `yaml:"instance_discovery" doc:"false where the sign-in service is not one that Microsoft lists"`
	Auth              Auth   `yaml:"auth" doc:"how the app signs in"`
	Apps              Apps   `yaml:"apps" doc:"other apps for single connectors, such as one that only reads and one that contains"`
}

// Apps are the apps of connectors that do not sign in as tenant.auth says.
type Apps struct {
	Graph      Auth `yaml:"graph" doc:"how the app for Microsoft Graph signs in"`
	Defender   Auth `yaml:"defender" doc:"how the app for Defender for Endpoint signs in"`
	Azure      Auth `yaml:"azure" doc:"how the app for Azure signs in: Sentinel, Log Analytics"`
	SharePoint Auth `yaml:"sharepoint" doc:"how the app for SharePoint's recycle bins signs in: with a certificate, SharePoint takes no other"`
	Activity   Auth `yaml:"activity" doc:"how the app for the Office 365 Management APIs signs in: the audit log's events of data loss prevention"`
	KeyVault   Auth `yaml:"keyvault" doc:"how the app that reads secrets from Key Vault signs in"`
}

// each yields the apps that are given, with the name of their connector.
func (a *Apps) each(yield func(connector string, auth *Auth) bool) {
	for _, app := range []struct {
		name string
		auth *Auth
	}{{"graph", &a.Graph}, {"defender", &a.Defender}, {"azure", &a.Azure}, {"sharepoint", &a.SharePoint}, {"activity", &a.Activity}, {"keyvault", &a.KeyVault}} {
		if *app.auth != (Auth{}) && !yield(app.name, app.auth) {
			return
		}
	}
}

// Of answers how the app of a connector signs in, and whether it has one of its
// own.
func (t Tenant) Of(connector string) (Auth, bool) {
	for name, auth := range t.Apps.each {
		if name == connector {
			return *auth, true
		}
	}
	return t.Auth, false
}

// Auth says how the app signs in.
type Auth struct {
	Kind        string    `yaml:"kind" doc:"client_secret, certificate, workload, managed, cli, or default: what the environment gives" enum:"client_secret,certificate,workload,managed,cli,default"`
	Client      string    `yaml:"client" doc:"application (client) id"`
	Secret      Reference `yaml:"secret" doc:"where the client secret is: {env: NAME} or {file: PATH}; in tenant.apps also {vault: URL, secret: NAME}"`
	Certificate string    `yaml:"certificate" doc:"PEM or PKCS#12 file with certificate and private key"`
	Password    Reference `yaml:"password" doc:"where the password of the certificate is: {env: NAME} or {file: PATH}; in tenant.apps also {vault: URL, secret: NAME}"`
	TokenFile   string    `yaml:"token_file" doc:"federated token of a workload; default $AZURE_FEDERATED_TOKEN_FILE"`
}

// Sentinel names the Log Analytics workspace in which Microsoft Sentinel is.
type Sentinel struct {
	Subscription  string `yaml:"subscription" doc:"id (a GUID) of the Azure subscription"`
	ResourceGroup string `yaml:"resource_group" doc:"name of the resource group"`
	Workspace     string `yaml:"workspace" doc:"name of the Log Analytics workspace"`
}

// Hunting says what on.hunting asks.
type Hunting struct {
	Workspace string `yaml:"workspace" doc:"id (a GUID) of the Log Analytics workspace that source: logs asks"`
}

// Feed says how incidents are fetched.
type Feed struct {
	Poll    time.Duration `yaml:"poll" doc:"time between two polls; default 1m"`
	Overlap time.Duration `yaml:"overlap" doc:"how far each poll looks back behind the last; default 10m"`
	Since   time.Duration `yaml:"since" doc:"how far back the first poll looks; default: it begins with what happens from then on"`

	Sources    []string      `yaml:"sources" doc:"which of defender and sentinel are read; default both, Sentinel where a workspace is configured"`
	Quota      int64         `yaml:"quota" doc:"requests a minute to Graph; default 50"`
	AzureQuota int64         `yaml:"azure_quota" doc:"requests a minute to Azure, for incidents of Sentinel; default 300"`
	Lease      time.Duration `yaml:"lease" doc:"after which time another node takes the feed over from one that is lost; default 30s"`
	Details    bool          `yaml:"details" doc:"whether what alerts of data loss prevention lack (rule, sensitive types, activities, overrides) is filled in from the audit log, which hunting.start_dlp_feed subscribes to; default false"`
	Loops      int           `yaml:"loops" doc:"most runs of one playbook that one incident starts within an hour: the next is held as a suspected loop; default 10"`
}

// Reads reports whether the feed reads a source.
func (f Feed) Reads(source string) bool { return slices.Contains(f.Sources, source) }

// Guardrails are the operator's limits; a playbook's own stand beside them and
// the stricter wins.
type Guardrails struct {
	MaxTargets map[string]int      `yaml:"max_targets" doc:"most targets of one run by kind, such as {files: 50}"`
	Protect    map[string][]string `yaml:"protect" doc:"what no effect may touch by kind, such as {users: [breakglass@contoso.example]}"`
}

// Throttle is what an API allows all workers together.
type Throttle struct {
	Units int64         `yaml:"units" doc:"calls, or resource units where the API counts those"`
	Per   time.Duration `yaml:"per" doc:"in any time of this length, such as 1m"`
}

// Undo says what undoing needs.
type Undo struct {
	Approval string `yaml:"approval" doc:"none, or one: an inverse that widens access needs one approval; default one" enum:"none,one"`
}

// The defaults of what the file leaves out.
const (
	defaultPoll    = time.Minute
	defaultOverlap = 10 * time.Minute
	defaultQuota   = 50
	defaultAzure   = 300
	defaultTake    = 30 * time.Second
	defaultLoops   = 10

	defaultConcurrency = 64
	defaultLease       = 15 * time.Second
	defaultGrace       = 20 * time.Second
	defaultReplicas    = 1
	defaultWithin      = 2 * time.Second
)

// Practice is the cloud of the practice tenant, which needs no auth of its own.
const Practice = "practice"

// fill gives the defaults to what the file leaves out. A zero that is given
// stays, where it would be taken for something else.
func (c *Config) fill(given func(key string) bool) {
	setDefault(&c.Feed.Poll, defaultPoll)
	setDefault(&c.Feed.Overlap, defaultOverlap)
	setMissing(&c.Feed.Quota, defaultQuota, given("feed.quota"))
	setMissing(&c.Feed.AzureQuota, defaultAzure, given("feed.azure_quota"))
	setMissing(&c.Feed.Lease, defaultTake, given("feed.lease"))
	setMissing(&c.Feed.Loops, defaultLoops, given("feed.loops"))
	setMissing(&c.Feed.Sources, Sources(), given("feed.sources"))
	setDefault(&c.Undo.Approval, "one")
	setDefault(&c.Durability.Destroys, DestroysAcknowledged)
	setMissing(&c.Durability.Replicas, defaultReplicas, given("durability.replicas"))
	setMissing(&c.Durability.Within, defaultWithin, given("durability.within"))
	setMissing(&c.Worker.Concurrency, defaultConcurrency, given("worker.concurrency"))
	setMissing(&c.Worker.Lease, defaultLease, given("worker.lease"))
	setMissing(&c.Worker.Grace, defaultGrace, given("worker.grace"))
	c.fillHooks()
	if c.HasEvidence() {
		setMissing(&c.Evidence.MaxMB, defaultMaxMB, given("evidence.max_mb"))
		setMissing(&c.Evidence.Keep, defaultKeep, given("evidence.keep"))
	}
	if c.HasTenant() {
		setDefault(&c.Tenant.Cloud, "global")
	}
}

func setDefault[T comparable](at *T, v T) {
	if *at == *new(T) {
		*at = v
	}
}

func setMissing[T any](at *T, v T, given bool) {
	if !given {
		*at = v
	}
}

// HasTenant reports whether the file says anything of a tenant.
func (c *Config) HasTenant() bool { return c.Tenant != (Tenant{}) }
