package main

import (
	"slices"
	"testing"

	"stanch/cmd/stanch/internal/config"
	"stanch/engine"
)

// The configuration names the lanes as the triggers fill them.
func TestLanesOfTheConfiguration(t *testing.T) {
	if names := config.Lanes(); len(names) != engine.Lanes || slices.Index(names, "high") != 0 {
		t.Fatalf("the lanes are %q", names)
	}
	cfg, err := config.Parse("f", []byte("worker: {lanes: {others: 4, medium: 7}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := engineOptions(cfg, nil).Lanes, [engine.Lanes]int{1: 7, 3: 4}; got != want {
		t.Errorf("the limits are %v, it must be %v", got, want)
	}
}
