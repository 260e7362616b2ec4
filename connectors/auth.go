package connectors

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// AuthKind is how the app proves who it is.
type AuthKind string

// The kinds of authentication.
const (
	ClientSecret AuthKind = "client_secret"
	Certificate  AuthKind = "certificate"
	Workload     AuthKind = "workload" // a federated token file, as Kubernetes mounts it
	Managed      AuthKind = "managed"  // the identity of the Azure machine it runs on
	CLI          AuthKind = "cli"      // whoever is logged in with `az login`: for trying out
	// Default tries what the environment gives, in the order of Azure's
	// DefaultAzureCredential: its variables (AZURE_CLIENT_ID and so on), a
	// federated token, the machine's identity, `az login`. It keeps to the
	// first that works.
	Default AuthKind = "default"
)

// Auth says who asks for tokens and how it proves that.
type Auth struct {
	Kind   AuthKind
	Tenant string // GUID or domain
	Client string // application (client) id; for managed only if user-assigned
	Secret Secret // client_secret

	CertificateFile     string // certificate: PEM or PKCS#12 with the private key
	CertificatePassword Secret // of PKCS#12
	TokenFile           string // workload; empty: AZURE_FEDERATED_TOKEN_FILE

	// Proof, where set, answers the secrets as they stand now. It is asked
	// before each login, so that they can be changed while we run; where it
	// fails, those from before stay. The certificate's file is read before each
	// login too.
	Proof func(context.Context) (Proof, error)
}

// Proof is what an app proves itself with.
type Proof struct{ Secret, CertificatePassword Secret }

// maxCertificate bounds the file of a certificate.
const maxCertificate = 1 << 20

// loginTimeout bounds one request for a token whose caller sets no nearer end.
const loginTimeout = 30 * time.Second

// NewCredential answers what gives tokens for auth in that cloud. It asks for
// none yet. Tokens are kept until they expire and asked for once however many
// wait. Failures to get one are *Error with the code unauthorized, or
// unavailable if the login cannot be reached.
func NewCredential(c Cloud, auth Auth) (azcore.TokenCredential, error) {
	fail := func(err error) (azcore.TokenCredential, error) {
		return nil, &Error{Op: "login", Code: Invalid, Message: line(err.Error(), maxMessage)}
	}
	if err := auth.valid(); err != nil {
		return fail(err)
	}
	login, err := address("cloud "+c.Name+": login", c.Login)
	if err != nil {
		return fail(err)
	}
	w, err := newWire(c)
	if err != nil {
		return fail(err)
	}
	base := policy.ClientOptions{
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: c.Login},
		Retry:     policy.RetryOptions{MaxRetries: -1},
		Telemetry: policy.TelemetryOptions{Disabled: true},
		Transport: &loginWire{wire: w},
	}
	out := &credential{auth: auth, host: login.Host, cloud: c.Name}
	out.fresh = func(e evidence) (azcore.TokenCredential, error) {
		return auth.credential(e, base, !c.KnownAuthority)
	}
	if out.shown, err = auth.given(); err != nil {
		return fail(err)
	}
	if out.inner, err = out.fresh(out.shown); err != nil {
		return fail(err)
	}
	return out, nil
}

// evidence is what a credential of the library is made of and may change.
type evidence struct {
	Proof
	certificate string // PEM or PKCS#12
}

// given answers the evidence of the start.
func (a Auth) given() (evidence, error) {
	e := evidence{Proof: Proof{Secret: a.Secret, CertificatePassword: a.CertificatePassword}}
	if a.Kind != Certificate {
		return e, nil
	}
	f, err := os.Open(a.CertificateFile)
	if err != nil {
		return e, fmt.Errorf("certificate: %w", err)
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxCertificate))
	if err != nil {
		return e, fmt.Errorf("certificate: %w", err)
	}
	e.certificate = string(text)
	return e, nil
}

// now answers the evidence as it stands now.
func (a Auth) now(ctx context.Context) (evidence, error) {
	if a.Proof != nil {
		p, err := a.Proof(ctx)
		if err != nil {
			return evidence{}, err
		}
		a.Secret, a.CertificatePassword = p.Secret, p.CertificatePassword
	}
	return a.given()
}

func (a Auth) credential(e evidence, o policy.ClientOptions, undiscovered bool) (azcore.TokenCredential, error) {
	switch a.Kind {
	case ClientSecret:
		return azidentity.NewClientSecretCredential(a.Tenant, a.Client, string(e.Secret),
			&azidentity.ClientSecretCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: undiscovered})
	case Certificate:
		certs, key, err := azidentity.ParseCertificates([]byte(e.certificate), []byte(e.CertificatePassword))
		if err != nil {
			return nil, fmt.Errorf("certificate %s: expected PEM or PKCS#12 with certificate and private key: %s", a.CertificateFile, Plain(err.Error()))
		}
		return azidentity.NewClientCertificateCredential(a.Tenant, a.Client, certs, key,
			&azidentity.ClientCertificateCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: undiscovered})
	case Workload:
		return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
			ClientOptions: o, DisableInstanceDiscovery: undiscovered,
			TenantID: a.Tenant, ClientID: a.Client, TokenFilePath: a.TokenFile,
		})
	case Managed:
		o.Transport = o.Transport.(*loginWire).wire.http // Service Fabric's certificate is pinned on the client itself
		m := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: o}
		if a.Client != "" {
			m.ID = azidentity.ClientID(a.Client)
		}
		return azidentity.NewManagedIdentityCredential(m)
	case Default:
		o.Transport = o.Transport.(*loginWire).wire.http // as for managed; and what a way that is not there says explains no failure
		return azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{
			ClientOptions: o, DisableInstanceDiscovery: undiscovered, TenantID: a.Tenant,
		})
	default:
		return azidentity.NewAzureCLICredential(&azidentity.AzureCLICredentialOptions{TenantID: a.Tenant})
	}
}

func (a Auth) valid() error {
	switch a.Kind {
	case ClientSecret, Certificate, Workload:
		if a.Tenant == "" {
			return fmt.Errorf("auth %s: no tenant id", a.Kind)
		}
		if a.Client == "" {
			return fmt.Errorf("auth %s: no client id", a.Kind)
		}
	case Managed, CLI, Default:
	default:
		return fmt.Errorf("auth kind %q is not known; expected client_secret, certificate, workload, managed, cli or default", a.Kind)
	}
	if a.Kind == ClientSecret && a.Secret == "" {
		return errors.New("auth client_secret: the secret is empty; see that its environment variable or file is there")
	}
	if a.Kind == Certificate && a.CertificateFile == "" {
		return errors.New("auth certificate: no certificate file")
	}
	return nil
}
