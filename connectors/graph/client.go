package graph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
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
// Where they do not say how requests go together, it is as Batches says.
func New(cloud connectors.Cloud, cred azcore.TokenCredential, o *connectors.Options) (*Client, error) {
	api, err := connectors.New(cloud, cloud.Graph, cred, together(o))
	if err != nil {
		return nil, err
	}
	hunting, err := connectors.New(cloud, cloud.Graph, cred, patient(o))
	if err != nil {
		return nil, err
	}
	return &Client{api: api, hunting: hunting}, nil
}

// together is o with batches.
func together(o *connectors.Options) *connectors.Options {
	out := o.Copy()
	if out.Batching == nil {
		out.Batching = Batches()
	}
	out.Thing, out.Found, out.Cost = thingOf, foundOf, costOf
	return &out
}

// Batches is how requests of Graph go together: so many at once go alone, and the
// rest by twenties.
func Batches() *connectors.Batching {
	return &connectors.Batching{Path: "$batch", Most: 20, Alone: 32, Lane: mailboxOf}
}

// mailboxRequests is how many requests of an app a mailbox serves at once.
//
// Source: learn.microsoft.com/graph/throttling-limits#outlook-service-limits.
const mailboxRequests = 4

// mailboxOf names the mailbox that an address below the base is about.
func mailboxOf(path string) (name string, most int) {
	parts := strings.Split(path, "/")
	if len(parts) < 4 || parts[1] != "users" {
		return "", 0
	}
	switch parts[3] {
	case "messages", "mailFolders", "sendMail":
		return strings.ToLower(parts[2]), mailboxRequests
	}
	return "", 0
}

// thingOf answers what a path below the base is about. A file is told from
// another by its ids; who inherits permissions of a folder is not known.
func thingOf(path string) (kind, id string) {
	path, _, _ = strings.Cut(path, "?")
	parts := strings.Split(strings.Trim(path, "/"), "/")
	below := ""
	if len(parts) > 2 {
		below = parts[2]
	}
	switch parts[0] {
	case "drives":
		if below != "items" || len(parts) < 4 || strings.EqualFold(parts[3], "root") || strings.Contains(parts[3], ":") {
			return "files", ""
		}
		if len(parts) == 4 || parts[4] == "permissions" || parts[4] == "retentionLabel" || len(parts) == 5 && parts[4] != "children" && !strings.Contains(parts[4], "(") {
			return "files", parts[1] + "/" + parts[3]
		}
		return "files", ""
	case "shares", "sites":
		return "files", ""
	case "users":
		switch below {
		case "messages", "mailFolders", "sendMail":
			return "mail", ""
		case "drive":
			return "files", ""
		}
		return "people", ""
	case "groups", "organization", "identityProtection":
		return "people", ""
	case "security":
		return "security", ""
	}
	return "", ""
}

// costOf answers the resource units of a request for files: 1 to get an item, 2 to
// list, create, change or delete, 5 for anything about permissions.
//
// Source: learn.microsoft.com/sharepoint/dev/general-development/how-to-avoid-getting-throttled-or-blocked-in-sharepoint-online.
func costOf(method, path string) (class string, units int64) {
	begin, _, _ := strings.Cut(path, "(") // a link to the next page may write drives('d') for drives/d
	if kind, _ := thingOf(begin); kind != "files" {
		return "", 0
	}
	path, _, _ = strings.Cut(path, "?")
	parts := strings.Split("/"+strings.Trim(path, "/"), "/")
	before, last := parts[len(parts)-2], parts[len(parts)-1]
	switch {
	case last == "permissions", before == "permissions", last == "createLink", last == "invite":
		return connectors.ClassSharePoint, 5
	case method != http.MethodGet, last == "children", last == "drives", last == "retentionLabel", strings.Contains(last, "search("):
		return connectors.ClassSharePoint, 2
	}
	return connectors.ClassSharePoint, 1
}

// foundOf answers which file the address of one led to.
func foundOf(path string, answer []byte) (id string) {
	if !strings.HasPrefix(path, "/shares/") || !strings.HasSuffix(path, "/driveItem") {
		return ""
	}
	var item struct {
		ID     string `json:"id"`
		Parent struct {
			DriveID string `json:"driveId"`
		} `json:"parentReference"`
	}
	if json.Unmarshal(answer, &item) != nil || item.ID == "" || item.Parent.DriveID == "" {
		return ""
	}
	return item.Parent.DriveID + "/" + item.ID
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

// unreadable is an entry of an answer that is not what it should be.
func unreadable(op, what string, err error, request string) error {
	reason := "it has no id"
	if err != nil {
		reason = connectors.Plain(err.Error())
	}
	return &connectors.Error{
		Op: "graph: " + op, Code: connectors.Failed, RequestID: request, Message: what + " of the answer cannot be read: " + reason,
	}
}

// open marks an error about the answer to a change: it may have taken effect.
func open(err error) error {
	if e, is := errors.AsType[*connectors.Error](err); is {
		e.Open = true
	}
	return err
}
