package devices

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/defender"
	"stanch/connectors/incident"
)

type scanParams struct {
	Device  actions.Ref[incident.Device] `json:"device" entity:"device" doc:"device of the evidence, its Defender id, entra:<device id>, or its DNS name"`
	Type    string                       `json:"type,omitempty" enum:"quick,full" default:"quick" doc:"quick looks where malware usually is, in minutes; full looks at every file, for hours"`
	Comment string                       `json:"comment,omitempty" doc:"shown in Defender; a mark of the effect is added"`
}

type scanned struct {
	Device        string `json:"device" doc:"Defender's id of the device"`
	Name          string `json:"name" doc:"DNS name of the device"`
	Type          string `json:"type" enum:"quick,full" doc:"kind of scan"`
	MachineAction string `json:"machine_action" doc:"Defender's id of the scan; empty when it was not done. What it found are alerts of the device"`
}

const (
	quick    = "quick"
	scanKind = "RunAntiVirusScan"
	// scansWithin is how long a scan may take: a full one looks at every file.
	scansWithin = 24 * time.Hour
)

type scanRequest struct {
	Machine string `json:"machine"`
	Type    string `json:"type"`
	Comment string `json:"comment"`
}

// scans is the last scan that Defender knows of, empty where it knows none.
type scans struct {
	Last          string `json:"last_scan"` // quick, full
	MachineAction string `json:"machine_action"`
}

// Scan has Defender look for malware on a device.
func (s Shelf) Scan() actions.Action {
	return actions.Spec[scanParams, scanned]{
		Doc:   "Have Defender Antivirus scan a device, and wait for the end of the scan.",
		Class: actions.Writes, Throttle: throttle, Permissions: permissions("Machine.Scan"),
		// Not told whether it happened, a second scan would burden the device for hours.
		Repeat: actions.RepeatNever, Settling: settles, Within: scansWithin,
		NoUndo:  "a scan changes nothing that could be given back; what it quarantines is released in Defender",
		Source:  "https://learn.microsoft.com/defender-endpoint/api/run-av-scan",
		Example: "device: \"${{ device }}\"\ntype: full\ncomment: Mass download to a USB stick",
		Plan:    s.planScan, State: s.stateScan, Do: s.doScan, Check: s.checkScan, Settle: settleScan,
	}.Action()
}

func (s Shelf) planScan(ctx context.Context, c actions.Call, p scanParams) ([]actions.Effect, scanned, error) {
	kind := cmp.Or(strings.ToLower(p.Type), quick)
	if kind != quick && kind != full {
		return nil, scanned{}, problem(connectors.Invalid, "expected quick or full", "type is %q", connectors.Plain(p.Type))
	}
	m, e, err := s.find(ctx, p.Device)
	if err != nil {
		return nil, scanned{}, err
	}
	if err := reached(m); err != nil {
		return nil, scanned{}, err
	}
	list, err := s.Defender.MachineActions(ctx, m.ID, scanKind)
	if err != nil {
		return nil, scanned{}, err
	}
	done, underWay := latest(list, scanKind)
	if underWay != "" {
		return nil, scanned{}, busy(m, "a scan", underWay)
	}
	before := scans{}
	if done != nil {
		before = scanOf(*done)
	}
	r := scanRequest{Machine: m.ID, Type: kind, Comment: cmp.Or(strings.TrimSpace(p.Comment), "Scanned by Stanch, run "+c.Run)}
	return []actions.Effect{{
		Target: actions.Target{Kind: "scan", ID: m.ID + "/scan", Name: kind + " scan of " + m.Name, Entities: []actions.Entity{e}},
		Before: actions.JSON(before), After: actions.JSON(scans{Last: kind}), Request: actions.JSON(r),
	}}, scanned{Device: m.ID, Name: m.Name, Type: kind}, nil
}

func scanOf(a defender.MachineAction) scans {
	return scans{Last: strings.ToLower(a.Scope), MachineAction: a.ID}
}

func (s Shelf) stateScan(ctx context.Context, _ actions.Call, p scanParams) (any, error) {
	return s.seen(ctx, p.Device)
}

func (s Shelf) doScan(ctx context.Context, c actions.Call, e actions.Effect) (actions.Outcome, error) {
	r, err := actions.Kept[scanRequest](e.Request, "request")
	if err != nil {
		return actions.Outcome{}, err
	}
	how := defender.QuickScan
	if r.Type == full {
		how = defender.FullScan
	}
	a, err := s.Defender.ScanMachine(ctx, connectors.Change(c.Sending), r.Machine, marked(r.Comment, c), how)
	if err != nil {
		return actions.Outcome{}, err
	}
	return accepted(a, c), nil
}

func (s Shelf) checkScan(ctx context.Context, c actions.Call, e actions.Effect) (actions.Finding, error) {
	r, err := actions.Kept[scanRequest](e.Request, "request")
	if err != nil {
		return actions.Finding{}, err
	}
	return s.look(ctx, c, e, r.Machine, scanKind, func(a defender.MachineAction) json.RawMessage {
		return actions.JSON(scans{Last: r.Type, MachineAction: a.ID})
	})
}

func settleScan(out scanned, effects []actions.Effect) scanned {
	out.MachineAction = doneBy(effects)
	return out
}
