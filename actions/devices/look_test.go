package devices_test

import (
	"encoding/json"
	"strings"
	"testing"

	"stanch/actions/devices"
	"stanch/actions/shelftest"
	"stanch/connectors/practice"
)

// A device is found by its names, and is as evidence has it each time.
func TestADeviceIsLookedUpAsEvidenceHasIt(t *testing.T) {
	x := shelftest.Start(t, practice.Options{})
	s := devices.Shelf{Defender: x.Full.Defender}
	m := lookup(x, sam)
	for _, name := range []string{sam, strings.ToUpper(sam), m.ID, strings.ToUpper(m.ID), "entra:" + m.AadDeviceID} {
		d, err := s.Look(t.Context(), name)
		if err != nil || d.ID != m.ID || *d.Name != sam || *d.EntraID != strings.ToLower(m.AadDeviceID) || *d.Health != "active" || d.Users == nil {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
}

func TestADeviceThatCannotBeLookedUp(t *testing.T) {
	c := practice.Contoso(0)
	var twin practice.Device
	for _, m := range c.Devices {
		if m.Name == sam {
			twin = m
		}
	}
	twin.ID, twin.EntraID = strings.Repeat("0", 40), ""
	c.Devices = append(c.Devices, twin)
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	x := shelftest.Start(t, practice.Options{Company: raw})
	s := devices.Shelf{Defender: x.Full.Defender}
	if d, err := s.Look(t.Context(), sam); err == nil || shelftest.Code(err) != "invalid" || !strings.Contains(err.Error(), "name one by its id") || !strings.Contains(err.Error(), twin.ID) {
		t.Errorf("two of that name: %+v, %v", d, err)
	}
	if d, err := s.Look(t.Context(), "none"); err == nil || shelftest.Code(err) != "not_found" {
		t.Errorf("none of that name: %+v, %v", d, err)
	}
	if d, err := (devices.Shelf{}).Look(t.Context(), sam); err == nil || shelftest.Code(err) != "invalid" {
		t.Errorf("without Defender: %+v, %v", d, err)
	}
}
