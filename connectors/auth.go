package connectors

import (
	"errors"
	"fmt"
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
}

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
	fresh := func() (azcore.TokenCredential, error) { return auth.credential(base, !c.KnownAuthority) }
	inner, err := fresh()
	if err != nil {
		return fail(err)
	}
	return &credential{inner: inner, fresh: fresh, auth: auth, host: login.Host, cloud: c.Name}, nil
}

func (a Auth) credential(o policy.ClientOptions, undiscovered bool) (azcore.TokenCredential, error) {
	switch a.Kind {
	case ClientSecret:
		return azidentity.NewClientSecretCredential(a.Tenant, a.Client, string(a.Secret),
			&azidentity.ClientSecretCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: undiscovered})
	case Certificate:
		pem, err := os.ReadFile(a.CertificateFile)
		if err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
		certs, key, err := azidentity.ParseCertificates(pem, []byte(a.CertificatePassword))
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
	case Managed, CLI:
	default:
		return fmt.Errorf("auth kind %q is not known; expected client_secret, certificate, workload, managed or cli", a.Kind)
	}
	if a.Kind == ClientSecret && a.Secret == "" {
		return errors.New("auth client_secret: the secret is empty; see that its environment variable or file is there")
	}
	if a.Kind == Certificate && a.CertificateFile == "" {
		return errors.New("auth certificate: no certificate file")
	}
	return nil
}
