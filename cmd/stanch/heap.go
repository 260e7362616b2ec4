package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// roomy is how far a heap grows beyond what is in use before it is swept: to five
// times of little, which saves a tenth of the processor time of every step, but by
// no more than so many bytes, or two thirds of what is in use.
const roomy = 24 << 20

// roomyHeap gives the heap of a process that works that room, unless the operator
// says otherwise by GOGC.
func roomyHeap() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
		afterSweeps(func() { debug.SetGCPercent(room(inUse())) })
	}
}

// room is the growth, in percent, of a heap with so much in use.
func room(used uint64) int {
	return int(min(400, max(67, 100*roomy/max(used, 1))))
}

// inUse is what the last sweep has left, in bytes.
func inUse() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	if s[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return s[0].Value.Uint64()
}

// afterSweeps calls do after each sweep of the heap.
func afterSweeps(do func()) {
	var swept func(**byte) // something that nothing refers to
	swept = func(**byte) {
		do()
		runtime.SetFinalizer(new(*byte), swept)
	}
	runtime.SetFinalizer(new(*byte), swept)
}
