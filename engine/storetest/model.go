package storetest

import "testing"

func model(t *testing.T, open func(t *testing.T, clock *Clock) Opened) {}
