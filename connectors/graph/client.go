package graph

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"stanch/connectors"
)

// Client is Microsoft Graph for one tenant. It is safe for concurrent use.
type Client struct {
	api     *connectors.Client
	hunting *connectors.Client // the same, for calls that take minutes

	labels sync.Mutex
	known  []Label
	asked  time.Time
}

// New answers a client of the cloud's Graph; nil options are the default ones.
func New(cloud connectors.Cloud, cred azcore.TokenCredential, o *connectors.Options) (*Client, error) {
	api, err := connectors.New(cloud, cloud.Graph, cred, o)
	if err != nil {
		return nil, err
	}
	hunting, err := connectors.New(cloud, cloud.Graph, cred, patient(o))
	if err != nil {
		return nil, err
	}
	return &Client{api: api, hunting: hunting}, nil
}

// Least application permissions (devx-content permissions/new/permissions.json).
const (
	incidentRead   = "SecurityIncident.Read.All"
	incidentWrite  = "SecurityIncident.ReadWrite.All"
	filesRead      = "Files.Read.All"
	filesWrite     = "Files.ReadWrite.All"
	sitesRead      = "Sites.Read.All"
	labelsRead     = "SensitivityLabels.Read.All"
	userRead       = "User.Read.All"
	userEnable     = "User.EnableDisableAccount.All"
	revokeSessions = "User.RevokeSessions.All"
	membersRead    = "GroupMember.Read.All"
	lifeCycleRead  = "User-LifeCycleInfo.Read.All"
	riskRead       = "IdentityRiskyUser.Read.All"
	riskWrite      = "IdentityRiskyUser.ReadWrite.All"
	huntingRead    = "ThreatHunting.Read.All"
)

// invalid is an argument that no request can be made of.
func invalid(op, format string, args ...any) error {
	return &connectors.Error{Op: "graph: " + op, Code: connectors.Invalid, Message: fmt.Sprintf(format, args...)}
}

// other is an answer about something else than was asked for.
func other(op, asked, got, request string) error {
	return &connectors.Error{
		Op: "graph: " + op, Code: connectors.Failed, RequestID: request,
		Message: fmt.Sprintf("the answer is about %q; asked was %q", connectors.Plain(got), connectors.Plain(asked)),
	}
}

func list[T any](ctx context.Context, c *Client, r connectors.Request) ([]T, error) {
	return connectors.List[T](ctx, c.api, r)
}

// unsaid is a success of a change that does not say what it is documented to
// say: it may have taken effect.
func unsaid(op, what string, reply connectors.Reply) error {
	return &connectors.Error{
		Op: "graph: " + op, Code: connectors.Failed, Status: reply.Status, RequestID: reply.RequestID, Open: true,
		Message: "the answer does not say " + what,
	}
}

// open marks an error about the answer to a change: it may have taken effect.
func open(err error) error {
	if e, is := errors.AsType[*connectors.Error](err); is {
		e.Open = true
	}
	return err
}
