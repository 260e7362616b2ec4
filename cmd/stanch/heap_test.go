package main

import (
	"runtime"
	"testing"
)

func TestTheHeapGrowsByABoundedRoom(t *testing.T) {
	for used, want := range map[uint64]int{0: 400, 1 << 20: 400, 6 << 20: 400, 12 << 20: 200, 24 << 20: 100, 4 << 30: 67} {
		if got := room(used); got != want {
			t.Errorf("%d MB in use may grow by %d %%, want %d", used>>20, got, want)
		}
	}
}

func TestEachSweepIsNoticed(t *testing.T) {
	swept := make(chan struct{}, 100)
	afterSweeps(func() {
		select {
		case swept <- struct{}{}:
		default:
		}
	})
	for range 3 {
		runtime.GC()
		<-swept
	}
	if inUse() == 0 {
		t.Error("nothing is in use")
	}
}
