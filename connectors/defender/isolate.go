package defender

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"stanch/connectors"
)

// Isolation is how far a machine is cut off.
type Isolation string

// The kinds of isolation.
const (
	Full      Isolation = "Full"
	Selective Isolation = "Selective" // Outlook, Teams and Skype go on working
)

// Isolate asks for a machine to be cut off from the network, but for Defender
// itself. The answer is work under way. If such work is under way already, the
// error is a conflict that is InProgress.
//
// Source: learn.microsoft.com/defender-endpoint/api/isolate-machine.
func (c *Client) Isolate(ctx context.Context, ch connectors.Change, machine, comment string, how Isolation) (MachineAction, error) {
	if how != Full && how != Selective {
		return MachineAction{}, &connectors.Error{
			Op: "defender: isolate machine " + connectors.Plain(machine), Code: connectors.Invalid,
			Message: fmt.Sprintf("isolation %q; expected Full or Selective", string(how)),
		}
	}
	return c.act(ctx, ch, machine, "isolate", machineIsolate, struct{ Comment, IsolationType string }{comment, string(how)})
}

// Unisolate asks for a machine to be let back into the network.
//
// Source: learn.microsoft.com/defender-endpoint/api/unisolate-machine.
func (c *Client) Unisolate(ctx context.Context, ch connectors.Change, machine, comment string) (MachineAction, error) {
	return c.act(ctx, ch, machine, "unisolate", machineIsolate, struct{ Comment string }{comment})
}

// act asks for a machine action: the last part of its path, and the permission
// that it needs.
func (c *Client) act(ctx context.Context, ch connectors.Change, machine, verb, permission string, body any) (MachineAction, error) {
	var a MachineAction
	op := verb + " machine " + connectors.Plain(machine)
	reply, err := c.api.Send(ctx, ch, connectors.Request{
		Op: op, Method: http.MethodPost, Path: connectors.To("machines", machine, verb), Permission: permission, Body: body,
	}, &a)
	if err != nil {
		return MachineAction{}, explained(err)
	}
	if a.ID == "" || a.MachineID != "" && !strings.EqualFold(a.MachineID, machine) {
		err := other(op, machine, a.MachineID, reply.RequestID)
		err.Open = true
		return MachineAction{}, err
	}
	return a, nil
}

// explained tells "the same is being done" and "this machine cannot" from a
// request that is wrong: all are 400, and for the first the pages name the
// text, not a code (api/isolate-machine, api/common-errors).
func explained(err error) error {
	e, is := errors.AsType[*connectors.Error](err)
	if !is || e.Status != http.StatusBadRequest && e.Status != http.StatusConflict {
		return err
	}
	text := strings.ToLower(e.Message)
	switch {
	case e.ServiceCode == "ActiveRequestAlreadyInProgress", e.ServiceCode == "ActiveRequestAlreadyExists",
		strings.Contains(text, "already in progress"), strings.Contains(text, "already exists"):
		e.Code, e.Running = connectors.Conflict, true
		e.Hint = "the machine action under way must end first"
	case e.ServiceCode == "OsPlatformNotSupported":
		e.Hint = "Defender cannot do this on the operating system of the device"
	case e.ServiceCode == "ClientVersionNotSupported":
		e.Hint = "the Defender of the device is too old for this: update it"
	}
	return err
}

func (c *Client) actions(ctx context.Context, op, filter string) ([]MachineAction, error) {
	found, err := connectors.List[MachineAction](ctx, c.api, connectors.Request{
		Op: op, Path: connectors.To("machineactions"), Permission: machineRead,
		Query: []connectors.Param{{Key: "$filter", Value: filter}},
	})
	slices.SortStableFunc(found, func(a, b MachineAction) int { return cmp.Compare(b.CreatedAt.UnixNano(), a.CreatedAt.UnixNano()) })
	return found, err
}

// other is an answer about something else than was asked for.
func other(op, asked, got, request string) *connectors.Error {
	return &connectors.Error{
		Op: "defender: " + op, Code: connectors.Failed, RequestID: request,
		Message: fmt.Sprintf("the answer is about %q; asked was %q", connectors.Plain(got), connectors.Plain(asked)),
	}
}
