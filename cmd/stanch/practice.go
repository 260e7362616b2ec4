package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"stanch/connectors/practice"
)

// practiceAddress is where the practice tenant is served, and where `cloud:
// practice` looks for it, unless something else is said.
const practiceAddress = "127.0.0.1:8910"

type practiceOptions struct {
	listen  string
	company string
	tenant  practice.Options
}

func practiceCommand(sh *shell) *cobra.Command {
	var o practiceOptions
	c := &cobra.Command{
		Use:     "practice",
		GroupID: "try",
		Short:   "Serve the practice tenant: a made-up company behind Microsoft's protocols",
		Long: `Serve a made-up company that speaks the protocols of Microsoft's services, to
try playbooks on:

  sign-in           tokens of Entra, by secret or certificate
  Microsoft Graph   incidents, files, mail, people, labels, hunting
  Defender          devices and what is done to them
  Sentinel          incidents, comments, rules, by Azure Resource Manager
  Log Analytics     queries of Sentinel's workspace
  SharePoint        recycle bins
  Key Vault         secrets
  channels          workflows of Teams, webhooks of Slack, signed webhooks
  a ticket desk     for http.get, http.request and http.delete

It changes through these protocols only; what happened is told at /practice/audit
and what is now at /practice/state (plain http is enough for these two). It ends
with Ctrl-C and forgets everything.`,
		Example: `  stanch practice
  stanch run examples/contain-external-share.yaml --config examples/practice.yaml \
      --incident examples/fixtures/external-share.json
  stanch incidents show --config examples/practice.yaml \
      sentinel/contoso-sentinel/e42eb458-da2f-4dd7-84af-843627fa528f
  curl http://127.0.0.1:8910/practice/audit`,
		Args: noArgs,
		RunE: verb(func(ctx context.Context, _ []string) error { return sh.practice(ctx, o) }),
	}
	f := c.Flags()
	f.StringVar(&o.listen, "listen", practiceAddress, "`ADDRESS` to serve at; port 0 takes a free one")
	f.StringVar(&o.company, "company", "", "company `FILE` (JSON) in place of the built-in Contoso")
	f.Uint64Var(&o.tenant.Seed, "seed", 0, "vary what is generated: the same `NUMBER` gives the same company")
	f.Float64Var(&o.tenant.Throttle, "throttle", 0, "request limits as `FACTOR` of the published ones; 0 sets none")
	f.IntVar(&o.tenant.StaleReads, "stale-reads", 0, "answer the first `N` reads after a write with the state before")
	f.DurationVar(&o.tenant.Latency, "latency", 0, "delay each answer by `DURATION`")
	return c
}

// practice serves until ctx ends.
func (sh *shell) practice(ctx context.Context, o practiceOptions) error {
	if o.tenant.Throttle < 0 || o.tenant.StaleReads < 0 || o.tenant.Latency < 0 {
		return misused("--throttle, --stale-reads and --latency are not negative")
	}
	if o.company != "" {
		var err error
		if o.tenant.Company, err = readFile(o.company, maxCompany); err != nil {
			return fmt.Errorf("company: %w", err)
		}
	}
	dir, err := practiceFolder()
	if err != nil {
		return err
	}
	served, err := openPractice(o.listen, dir, o.tenant)
	if err != nil {
		return err
	}
	at := served.address()
	sh.err.Printf("practice tenant at https://%s\nits changes: curl http://%s/practice/audit\nend it with Ctrl-C\n", at, at)
	return served.serve(ctx)
}

// maxCompany bounds a company file, in bytes.
const maxCompany = 64 << 20

// practiceServer is a practice tenant that listens, and what clients trust it
// by.
type practiceServer struct {
	tenant *practice.Tenant
	listen net.Listener
	ca     []byte
	serve  func(context.Context) error
}

// openPractice makes a practice tenant that listens at an address of this
// machine, with the certificate that is kept in dir.
func openPractice(address, dir string, o practice.Options) (*practiceServer, error) {
	cert, ca, err := practice.Certificate(dir)
	if err != nil {
		return nil, err
	}
	tenant, err := practice.New(o)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		if op, is := errors.AsType[*net.OpError](err); is {
			err = op.Err
		}
		return nil, fmt.Errorf("practice tenant at %s: %w: give another address with --listen", address, err)
	}
	return &practiceServer{
		tenant: tenant, listen: l, ca: ca,
		serve: func(ctx context.Context) error { return practice.Serve(ctx, l, tenant, cert) },
	}, nil
}

// address is where it listens, as clients write it.
func (p *practiceServer) address() string {
	at := p.listen.Addr().(*net.TCPAddr)
	if at.IP.IsUnspecified() {
		return fmt.Sprintf("localhost:%d", at.Port)
	}
	return at.String()
}

// practiceFolder is where the certificate of the practice tenant is kept.
func practiceFolder() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no place for the practice tenant's certificate: %w", err)
	}
	return filepath.Join(dir, "stanch"), nil
}
