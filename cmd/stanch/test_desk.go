package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"stanch/cmd/stanch/internal/config"
	"stanch/connectors"
	"stanch/connectors/activity"
	"stanch/connectors/defender"
	"stanch/connectors/evidence"
	"stanch/connectors/graph"
	"stanch/connectors/practice"
	"stanch/connectors/sentinel"
	"stanch/connectors/sharepoint"
	"stanch/engine/rehearse"
)

// rehearsalTokens is how long the practice tenant's tokens last in a rehearsal,
// whose clock may go years ahead.
const rehearsalTokens = 100 * 365 * 24 * time.Hour

// rehearsalDesk makes a practice tenant inside this process with the actions on
// it. Nothing goes over a socket.
func rehearsalDesk(cfg *config.Config) func(now func() time.Time) (rehearse.Desk, error) {
	return func(now func() time.Time) (rehearse.Desk, error) {
		tenant, err := practice.New(practice.Options{Now: now, TokenLife: rehearsalTokens})
		if err != nil {
			return rehearse.Desk{}, err
		}
		c, err := rehearsalClients(tenant)
		if err != nil {
			return rehearse.Desk{}, err
		}
		if c.web, err = rehearsalWeb(cfg, tenant.Handler()); err != nil {
			return rehearse.Desk{}, err
		}
		if c.evidence, err = evidence.Nowhere(); err != nil {
			return rehearse.Desk{}, err
		}
		catalog, err := catalogOf(c, rehearsalDomains(cfg))
		if err != nil {
			return rehearse.Desk{}, err
		}
		control := tenant.Control()
		return rehearse.Desk{
			Catalog: catalog,
			Reset:   tenant.Reset,
			Inject: func(id string, raw []byte) error {
				if tenant.Knows(id) {
					return nil
				}
				_, err := tenant.Inject(raw)
				return err
			},
			Faults: func(list []byte) error { return posted(control, "/practice/faults", list) },
		}, nil
	}
}

// rehearsalDomains are the organisation's own: without an operator's file those
// of the practice tenant.
func rehearsalDomains(cfg *config.Config) []string {
	if cfg.File == "" {
		return []string{practice.ContosoDomain}
	}
	return cfg.OwnDomains
}

// rehearsalLabels is the order of sensitivity labels: without an operator's file
// that of the practice tenant.
func rehearsalLabels(cfg *config.Config) []string {
	if cfg.File == "" {
		return []string{"Public", "General", "Confidential", "Highly Confidential"}
	}
	return cfg.Labels
}

// rehearsalClients are clients of a tenant in this process, signed in.
func rehearsalClients(tenant *practice.Tenant) (clients, error) {
	cloud := connectors.RehearsalCloud(tenant.Handler())
	credential, err := connectors.NewCredential(cloud, connectors.Auth{
		Kind: connectors.ClientSecret, Tenant: practice.ContosoTenantID, Client: practice.FullClientID, Secret: practice.FullClientSecret,
	})
	if err != nil {
		return clients{}, err
	}
	var c clients
	if c.graph, err = graph.New(cloud, credential, nil); err != nil {
		return c, err
	}
	if c.defender, err = defender.New(cloud, credential, nil); err != nil {
		return c, err
	}
	if c.sharepoint, err = sharepoint.New(cloud, credential, nil); err != nil {
		return c, err
	}
	if c.sentinel, err = sentinel.New(cloud, credential, practiceWorkspace(), nil); err != nil {
		return c, err
	}
	if c.activity, err = activity.New(cloud, credential, nil); err != nil {
		return c, err
	}
	// The first call signs in, at the time the tenant has now.
	ctx := context.Background()
	if _, err := c.graph.User(ctx, "breakglass@"+practice.ContosoDomain); err != nil {
		return c, fmt.Errorf("practice tenant: %w", err)
	}
	if _, err := c.defender.MachinesNamed(ctx, "byod-tablet."+practice.ContosoDomain); err != nil {
		return c, fmt.Errorf("practice tenant: %w", err)
	}
	for _, site := range []string{"https://contoso.sharepoint.com/sites/payroll", "https://contoso-my.sharepoint.com/personal/sam_ortiz_contoso_example"} {
		if _, err := c.sharepoint.Recycled(ctx, site, "none"); err != nil {
			return c, fmt.Errorf("practice tenant: %w", err)
		}
	}
	if _, err := c.sentinel.Rules(ctx); err != nil {
		return c, fmt.Errorf("practice tenant: %w", err)
	}
	if _, err := c.activity.Subscriptions(ctx); err != nil {
		return c, fmt.Errorf("practice tenant: %w", err)
	}
	return c, nil
}

// posted posts a body to a handler of this process.
func posted(h http.Handler, path string, body []byte) error {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://practice.invalid"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	answer := &answered{header: http.Header{}}
	h.ServeHTTP(answer, r)
	if answer.status >= http.StatusBadRequest {
		return fmt.Errorf("%s", strings.TrimSpace(answer.body.String()))
	}
	return nil
}

// answered is what a handler of this process has answered.
type answered struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answered) Header() http.Header         { return a.header }
func (a *answered) WriteHeader(status int)      { a.status = status }
func (a *answered) Write(b []byte) (int, error) { return a.body.Write(b) }
