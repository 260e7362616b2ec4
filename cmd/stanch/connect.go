package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"stanch/actions"
	"stanch/actions/devices"
	"stanch/actions/files"
	"stanch/actions/http"
	"stanch/actions/hunting"
	"stanch/actions/incidents"
	"stanch/actions/mail"
	"stanch/actions/notify"
	"stanch/actions/users"
	"stanch/cmd/stanch/internal/config"
	"stanch/connectors"
	"stanch/connectors/activity"
	"stanch/connectors/defender"
	"stanch/connectors/evidence"
	"stanch/connectors/graph"
	"stanch/connectors/loganalytics"
	"stanch/connectors/practice"
	"stanch/connectors/sentinel"
	"stanch/connectors/sharepoint"
	"stanch/connectors/web"
	"stanch/triggers"
)

// maxPEM bounds a file of certificate authorities, in bytes.
const maxPEM = 1 << 20

// readsShared is how long the steps of a run share what they read.
const readsShared = 3 * time.Second

// clients are the connections to a tenant, and where in it the operator wants
// things to go. The zero value is enough to tell what actions there are.
type clients struct {
	graph      *graph.Client
	defender   *defender.Client
	sentinel   *sentinel.Client
	sharepoint *sharepoint.Client
	web        *web.Client
	logs       *loganalytics.Client
	activity   *activity.Client // nil: the cloud has none
	quarantine string           // path of a folder in each library; "": the default
	evidence   *evidence.Vault  // nil: downloads cannot be kept
}

// catalogOf answers the actions of this build, working through these clients.
func catalogOf(c clients, ownDomains []string) (*actions.Catalog, error) {
	catalog, err := actions.Collect(
		devices.Shelf{Defender: c.defender},
		files.Shelf{Graph: c.graph, SharePoint: c.sharepoint, QuarantineTo: c.quarantine, OwnDomains: ownDomains, Evidence: c.evidence},
		http.Shelf{Web: c.web},
		hunting.Shelf{Graph: c.graph, Logs: c.logs, Activity: c.activity},
		incidents.Shelf{Graph: c.graph, Sentinel: c.sentinel, Activity: c.activity},
		mail.Shelf{Graph: c.graph, OwnDomains: ownDomains, Evidence: c.evidence},
		notify.Shelf{Web: c.web, Graph: c.graph},
		users.Shelf{Graph: c.graph},
	)
	if err != nil {
		return nil, err
	}
	reads := connectors.NewReads(readsShared)
	catalog.Around(func(ctx context.Context, call actions.Call, fresh bool) context.Context {
		return reads.By(ctx, connectors.Reader{Run: call.Run, Step: call.Step, Now: call.Now, Fresh: fresh, Spends: call.Spent.Add})
	})
	return catalog, nil
}

// lookupIn is how a tenant is asked for what a person names.
func lookupIn(c clients, ownDomains []string) triggers.Lookup {
	found := incidents.Shelf{Graph: c.graph, Sentinel: c.sentinel}
	return triggers.Lookup{
		Incident: found.Whole,
		Alert:    found.OfAlert,
		User:     users.Shelf{Graph: c.graph}.Look,
		File:     files.Shelf{Graph: c.graph, OwnDomains: ownDomains}.Look,
		Device:   devices.Shelf{Defender: c.defender}.Look,
		Mailbox:  mail.Shelf{Graph: c.graph, OwnDomains: ownDomains}.Look,
	}
}

// errNoTenant says that nobody said which tenant.
var errNoTenant = errors.New("no tenant: name the operator's file with --config or $STANCH_CONFIG; examples/practice.yaml is the one of the practice tenant")

// connect makes the clients of the configured tenant. It signs in at the first
// request, not here; but what cannot work, such as a secret that is not there,
// is told at once.
func connect(c *config.Config) (clients, error) {
	if !c.HasTenant() {
		return clients{}, errNoTenant
	}
	s, err := signIn(c.Tenant)
	if err != nil {
		return clients{}, err
	}
	cloud := s.cloud
	g, err := graph.New(cloud, s.as("graph"), nil)
	if err != nil {
		return clients{}, err
	}
	out := clients{graph: g, quarantine: c.Quarantine}
	if at := workspaceOf(c); at != (sentinel.Workspace{}) {
		if out.sentinel, err = sentinel.New(cloud, s.as("azure"), at, nil); err != nil {
			return clients{}, fmt.Errorf("sentinel: %w", err)
		}
	}
	if out.logs, err = loganalytics.New(cloud, s.as("azure"), nil); err != nil {
		return clients{}, err
	}
	if out.sharepoint, err = sharepoint.New(cloud, s.as("sharepoint"), nil); err != nil {
		return clients{}, err
	}
	if out.web, err = webOf(c, cloud); err != nil {
		return clients{}, err
	}
	if out.evidence, err = vaultOf(c); err != nil {
		return clients{}, fmt.Errorf("evidence: %w", err)
	}
	if cloud.Activity != (connectors.API{}) { // China has none
		if out.activity, err = activity.New(cloud, s.as("activity"), nil); err != nil {
			return clients{}, err
		}
	}
	if cloud.Defender == (connectors.API{}) { // China has none
		return out, nil
	}
	out.defender, err = defender.New(cloud, s.as("defender"), nil)
	return out, err
}

// workspaceOf is the configured workspace of Sentinel; without one it is that
// of the practice tenant on that, else none.
func workspaceOf(c *config.Config) sentinel.Workspace {
	if c.Sentinel == (config.Sentinel{}) && c.Tenant.Cloud == config.Practice {
		return practiceWorkspace()
	}
	return sentinel.Workspace{Subscription: c.Sentinel.Subscription, ResourceGroup: c.Sentinel.ResourceGroup, Name: c.Sentinel.Workspace}
}

// hunter asks the logs of the configured tenant. Without a workspace of its own
// the practice tenant's is asked on that.
func hunter(cfg *config.Config, c clients) *triggers.Hunter {
	at := cfg.Hunting.Workspace
	if at == "" && cfg.Tenant.Cloud == config.Practice {
		at = practice.LogWorkspaceID(practice.ContosoTenantID)
	}
	return &triggers.Hunter{Graph: c.graph, Logs: c.logs, Workspace: at, OwnDomains: cfg.OwnDomains}
}

func practiceWorkspace() sentinel.Workspace {
	return sentinel.Workspace{Subscription: practice.ContosoSubscription, ResourceGroup: practice.ContosoResourceGroup, Name: practice.ContosoWorkspace}
}

// cloudOf answers the addresses of a tenant's cloud with what the operator
// changed in them.
func cloudOf(t config.Tenant) (connectors.Cloud, error) {
	var ca []byte
	if t.CA != "" {
		var err error
		if ca, err = readFile(t.CA, maxPEM); err != nil {
			return connectors.Cloud{}, fmt.Errorf("ca: %w", err)
		}
	}
	if t.Cloud == config.Practice {
		return practiceCloud(t.Authority, ca)
	}
	cloud, err := connectors.CloudNamed(t.Cloud)
	if err != nil {
		return cloud, err
	}
	cloud.CA = ca
	if t.Authority != "" {
		cloud.Login = strings.TrimRight(t.Authority, "/")
	}
	if t.InstanceDiscovery != nil {
		cloud.KnownAuthority = *t.InstanceDiscovery
	}
	return cloud, nil
}

// practiceCloud is the practice tenant at an address, trusted by the
// certificate that it keeps in the user's cache folder unless another is given.
func practiceCloud(at string, ca []byte) (connectors.Cloud, error) {
	if at == "" {
		at = "https://" + practiceAddress
	}
	if ca == nil {
		dir, err := practiceFolder()
		if err != nil {
			return connectors.Cloud{}, err
		}
		if _, ca, err = practice.Certificate(dir); err != nil {
			return connectors.Cloud{}, err
		}
	}
	return connectors.PracticeCloud(at, ca), nil
}
