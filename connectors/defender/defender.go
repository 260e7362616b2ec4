// Package defender is the API of Microsoft Defender for Endpoint as far as the
// actions use it: machines and machine actions. Methods that change something
// take a connectors.Change and send one request, once.
//
// It knows nothing of playbooks, actions or the incident model.
package defender

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"stanch/connectors"
)

// Client is Defender for Endpoint for one tenant. It is safe for concurrent
// use.
type Client struct{ api *connectors.Client }

// New answers a client of the cloud's Defender; nil options are the default
// ones. China has none.
func New(cloud connectors.Cloud, cred azcore.TokenCredential, o *connectors.Options) (*Client, error) {
	api, err := connectors.New(cloud, cloud.Defender, cred, o)
	if err != nil {
		return nil, err
	}
	return &Client{api: api}, nil
}

// Least application permissions (learn.microsoft.com/defender-endpoint/api).
const (
	machineRead     = "Machine.Read.All"
	machineWrite    = "Machine.ReadWrite.All"
	machineIsolate  = "Machine.Isolate"
	machineRestrict = "Machine.RestrictExecution"
	machineScan     = "Machine.Scan"
	machineCollect  = "Machine.CollectForensics"
)

// Machine is a device known to Defender.
type Machine struct {
	ID           string    `json:"id"` // 40 hex digits: mdeDeviceId of evidence
	Name         string    `json:"computerDnsName"`
	OS           string    `json:"osPlatform"`
	Version      string    `json:"version"`
	Health       string    `json:"healthStatus"`
	Risk         string    `json:"riskScore"`
	Exposure     string    `json:"exposureLevel"`
	Onboarding   string    `json:"onboardingStatus"`
	EntraID      string    `json:"aadDeviceId"`
	LastIP       string    `json:"lastIpAddress"`
	LastPublicIP string    `json:"lastExternalIpAddress"`
	Group        string    `json:"rbacGroupName"`
	Tags         []string  `json:"machineTags"`
	FirstSeen    time.Time `json:"firstSeen"`
	LastSeen     time.Time `json:"lastSeen"`
}

// Machine reads a machine by its id.
//
// Source: learn.microsoft.com/defender-endpoint/api/get-machine-by-id.
func (c *Client) Machine(ctx context.Context, id string) (Machine, error) {
	var m Machine
	op := "get machine " + connectors.Plain(id)
	reply, err := c.api.Read(ctx, connectors.Request{Op: op, Path: connectors.To("machines", id), Permission: machineRead}, &m)
	if err == nil && !strings.EqualFold(m.ID, id) {
		return Machine{}, other(op, id, m.ID, reply.RequestID)
	}
	return m, err
}

// MachinesNamed lists the machines of that DNS name; several if it was
// reinstalled, none if none was seen lately.
//
// Source: learn.microsoft.com/defender-endpoint/api/get-machines.
func (c *Client) MachinesNamed(ctx context.Context, dnsName string) ([]Machine, error) {
	return c.machines(ctx, "computerDnsName", dnsName, connectors.Quote(dnsName))
}

// MachinesOfEntra lists the machines of that Entra device id.
//
// Source: learn.microsoft.com/defender-endpoint/api/get-machines.
func (c *Client) MachinesOfEntra(ctx context.Context, deviceID string) ([]Machine, error) {
	if !connectors.IsGUID(deviceID) {
		return nil, &connectors.Error{
			Op: "defender: find machine", Code: connectors.Invalid,
			Message: fmt.Sprintf("%q is no Entra device id; expected a GUID", connectors.Plain(deviceID)),
		}
	}
	return c.machines(ctx, "aadDeviceId", deviceID, deviceID)
}

func (c *Client) machines(ctx context.Context, property, value, literal string) ([]Machine, error) {
	if value == "" {
		return nil, &connectors.Error{Op: "defender: find machine", Code: connectors.Invalid, Message: property + " is empty"}
	}
	found, err := connectors.List[Machine](ctx, c.api, connectors.Request{
		Op: "find machine by " + property + " " + connectors.Plain(value), Path: connectors.To("machines"), Permission: machineRead,
		Query: []connectors.Param{{Key: "$filter", Value: property + " eq " + literal}},
	})
	// The page says: 404 when no recent machines are found.
	if e, is := errors.AsType[*connectors.Error](err); is && e.Code == connectors.NotFound {
		return []Machine{}, nil
	}
	return found, err
}

// MachineAction is work that Defender does on a machine.
type MachineAction struct {
	ID        string    `json:"id"`
	Type      string    `json:"type"`   // Isolate, Unisolate, …
	Scope     string    `json:"scope"`  // of Isolate: Full, Selective; of RunAntiVirusScan: Quick, Full
	Status    string    `json:"status"` // Pending, InProgress, Succeeded, Failed, TimeOut, Cancelled
	MachineID string    `json:"machineId"`
	Machine   string    `json:"computerDnsName"`
	Requestor string    `json:"requestor"`
	Comment   string    `json:"requestorComment"`
	CreatedAt time.Time `json:"creationDateTimeUtc"`
	UpdatedAt time.Time `json:"lastUpdateDateTimeUtc"`
	// CancelledBy and CancelledWhy are of one that is cancelled.
	CancelledBy  string `json:"cancellationRequestor"`
	CancelledWhy string `json:"cancellationComment"`
}

// Ended reports whether nothing more will happen.
func (a MachineAction) Ended() bool {
	switch strings.ToLower(a.Status) {
	case "succeeded", "failed", "timeout", "timedout", "cancelled":
		return true
	}
	return false
}

// Succeeded reports whether it was done.
func (a MachineAction) Succeeded() bool { return strings.EqualFold(a.Status, "Succeeded") }

// MachineAction reads one machine action.
//
// Source: learn.microsoft.com/defender-endpoint/api/get-machineaction-object.
func (c *Client) MachineAction(ctx context.Context, id string) (MachineAction, error) {
	var a MachineAction
	op := "get machine action " + connectors.Plain(id)
	reply, err := c.api.Read(ctx, connectors.Request{Op: op, Path: connectors.To("machineactions", id), Permission: machineRead}, &a)
	if err == nil && !strings.EqualFold(a.ID, id) {
		return MachineAction{}, other(op, id, a.ID, reply.RequestID)
	}
	return a, err
}

// MachineActions lists the actions of one type on a machine, newest first; all
// types if kind is empty.
//
// Source: learn.microsoft.com/defender-endpoint/api/get-machineactions-collection.
func (c *Client) MachineActions(ctx context.Context, machine, kind string) ([]MachineAction, error) {
	op := "list machine actions of machine " + connectors.Plain(machine)
	if machine == "" {
		return nil, &connectors.Error{Op: "defender: " + op, Code: connectors.Invalid, Message: "the machine id is empty"}
	}
	filter := "machineId eq " + connectors.Quote(machine)
	if kind != "" {
		filter += " and type eq " + connectors.Quote(kind)
	}
	return c.actions(ctx, op, filter)
}
