package main

import (
	"maps"
	"slices"
	"testing"
	"time"

	"stanch/cmd/stanch/internal/config"
	"stanch/connectors"
	"stanch/engine"
)

// The practice tenant has the budgets that the operator's file gives it, and a
// real one those that are published, too.
func TestBudgetsOfTheConfiguration(t *testing.T) {
	const throttle = "throttle: {defender: {units: 7, per: 1m}}\n"
	all := slices.Sorted(maps.Keys(connectors.Allowances()))
	for text, want := range map[string][]string{
		"tenant: {cloud: practice}\n":            nil,
		"tenant: {cloud: practice}\n" + throttle: {"defender"},
		throttle:                                 all,
	} {
		cfg, err := config.Parse("f", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		got := budgets(cfg)
		if classes := slices.Sorted(maps.Keys(got)); !slices.Equal(classes, want) {
			t.Errorf("%q: the budgets are %q, they must be %q", text, classes, want)
		}
		told := []engine.Window{{Units: 7, Per: time.Minute}}
		if b, is := got["defender"]; is && !slices.Equal(b.Windows, told) {
			t.Errorf("%q: defender has %v, it must be %v", text, b.Windows, told)
		}
	}
}
