package devices

import (
	"context"
	"strings"
	"time"

	"stanch/actions"
	"stanch/connectors/incident"
)

type onDevice struct {
	Device actions.Ref[incident.Device] `json:"device" entity:"device" doc:"device of the evidence, its Defender id, entra:<device id>, or its DNS name"`
}

type deviceFound struct {
	ID         string     `json:"id" doc:"Defender's id of the device"`
	EntraID    string     `json:"entra_id,omitempty" doc:"device id in Microsoft Entra; absent when it is not joined"`
	Name       string     `json:"name" doc:"DNS name"`
	OS         string     `json:"os" doc:"operating system, such as Windows11"`
	Version    string     `json:"version,omitempty" doc:"version of the operating system"`
	Health     string     `json:"health" doc:"health of its Defender: Active, Inactive, ImpairedCommunication, NoSensorData, …"`
	Risk       string     `json:"risk" doc:"risk score: None, Informational, Low, Medium, High"`
	Exposure   string     `json:"exposure" doc:"exposure level: None, Low, Medium, High"`
	Onboarded  bool       `json:"onboarded" doc:"whether machine actions reach it"`
	Group      string     `json:"group,omitempty" doc:"its device group in Defender"`
	IP         string     `json:"ip,omitempty" doc:"last address in its own network"`
	ExternalIP string     `json:"external_ip,omitempty" doc:"last address that the internet saw"`
	Tags       []string   `json:"tags" doc:"its tags in Defender"`
	FirstSeen  *time.Time `json:"first_seen,omitempty" doc:"when Defender saw it first"`
	LastSeen   *time.Time `json:"last_seen,omitempty" doc:"when Defender saw it last"`
	Isolation  string     `json:"isolation" enum:"none,full,selective" doc:"how far it is cut off from the network"`
	Restricted bool       `json:"restricted" doc:"whether it runs programs signed by Microsoft only"`
	UnderWay   []string   `json:"under_way" doc:"machine actions that have not ended: kind, who asked for it, id"`
}

// Get looks a device up.
func (s Shelf) Get() actions.Action {
	return actions.Spec[onDevice, deviceFound]{
		Doc:   "Look a device up in Defender, with its isolation, app restriction and the machine actions under way.",
		Class: actions.Reads, Throttle: throttle, Permissions: permissions(),
		Source:  "https://learn.microsoft.com/defender-endpoint/api/get-machine-by-id",
		Example: "device: \"${{ device }}\"",
		Read:    s.get,
	}.Action()
}

func (s Shelf) get(ctx context.Context, _ actions.Call, p onDevice) (deviceFound, error) {
	m, _, err := s.find(ctx, p.Device)
	if err != nil {
		return deviceFound{}, err
	}
	list, err := s.Defender.MachineActions(ctx, m.ID, "")
	if err != nil {
		return deviceFound{}, err
	}
	out := deviceFound{
		ID: m.ID, EntraID: m.EntraID, Name: m.Name, OS: m.OS, Version: m.Version, Health: m.Health, Risk: m.Risk, Exposure: m.Exposure,
		Onboarded: onboarded(m), Group: m.Group, IP: m.LastIP, ExternalIP: m.LastPublicIP, Tags: append([]string{}, m.Tags...),
		FirstSeen: known(m.FirstSeen), LastSeen: known(m.LastSeen),
		Isolation: isolationOf(list).Isolation, Restricted: restrictionOf(list).Restricted, UnderWay: []string{},
	}
	kinds := map[string]bool{}
	for _, a := range list {
		if kind := strings.ToLower(a.Type); !kinds[kind] {
			kinds[kind] = true
			if _, underWay := latest(list, a.Type); underWay != "" {
				out.UnderWay = append(out.UnderWay, underWay)
			}
		}
	}
	return out, nil
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
