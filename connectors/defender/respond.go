package defender

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"stanch/connectors"
)

// Scan is how much of a machine an antivirus scan looks at.
type Scan string

// The kinds of scan.
const (
	QuickScan Scan = "Quick"
	FullScan  Scan = "Full"
)

// RestrictApps asks that a machine run programs signed by Microsoft only. Work
// on it that is under way already is a conflict that is InProgress, as with
// every machine action. Machines that do not run Windows refuse it as invalid.
//
// Source: learn.microsoft.com/defender-endpoint/api/restrict-code-execution.
func (c *Client) RestrictApps(ctx context.Context, ch connectors.Change, machine, comment string) (MachineAction, error) {
	return c.act(ctx, ch, machine, "restrictCodeExecution", machineRestrict, struct{ Comment string }{comment})
}

// UnrestrictApps asks that a machine run every program again.
//
// Source: learn.microsoft.com/defender-endpoint/api/unrestrict-code-execution.
func (c *Client) UnrestrictApps(ctx context.Context, ch connectors.Change, machine, comment string) (MachineAction, error) {
	return c.act(ctx, ch, machine, "unrestrictCodeExecution", machineRestrict, struct{ Comment string }{comment})
}

// ScanMachine asks for an antivirus scan.
//
// Source: learn.microsoft.com/defender-endpoint/api/run-av-scan.
func (c *Client) ScanMachine(ctx context.Context, ch connectors.Change, machine, comment string, how Scan) (MachineAction, error) {
	if how != QuickScan && how != FullScan {
		return MachineAction{}, &connectors.Error{
			Op: "defender: scan machine " + connectors.Plain(machine), Code: connectors.Invalid,
			Message: fmt.Sprintf("scan %q; expected Quick or Full", string(how)),
		}
	}
	return c.act(ctx, ch, machine, "runAntiVirusScan", machineScan, struct{ Comment, ScanType string }{comment, string(how)})
}

// CollectPackage asks for the investigation package of a machine, which
// Defender keeps for whoever may download it.
//
// Source: learn.microsoft.com/defender-endpoint/api/collect-investigation-package.
func (c *Client) CollectPackage(ctx context.Context, ch connectors.Change, machine, comment string) (MachineAction, error) {
	return c.act(ctx, ch, machine, "collectInvestigationPackage", machineCollect, struct{ Comment string }{comment})
}

// Tag gives a machine a tag, or with remove takes it away, and answers the
// machine as it then is. A tag that the machine has, or has not, is no error.
//
// Source: learn.microsoft.com/defender-endpoint/api/add-or-remove-machine-tags.
func (c *Client) Tag(ctx context.Context, ch connectors.Change, machine, tag string, remove bool) (Machine, error) {
	verb, act := "tag", "Add"
	if remove {
		verb, act = "untag", "Remove"
	}
	op := verb + " machine " + connectors.Plain(machine)
	if strings.TrimSpace(tag) == "" {
		return Machine{}, &connectors.Error{Op: "defender: " + op, Code: connectors.Invalid, Message: "the tag is empty"}
	}
	var m Machine
	reply, err := c.api.Send(ctx, ch, connectors.Request{
		Op: op, Method: http.MethodPost, Path: connectors.To("machines", machine, "tags"), Permission: machineWrite,
		Body: struct{ Value, Action string }{tag, act},
	}, &m)
	if err != nil {
		return Machine{}, err
	}
	if !strings.EqualFold(m.ID, machine) {
		err := other(op, machine, m.ID, reply.RequestID)
		err.Open = true
		return Machine{}, err
	}
	return m, nil
}
