package engine

import (
	"context"
	"sync"
)

// lanes count the strands that are executed, by lane, and keep lanes that have a
// limit within it.
type lanes struct {
	most [Lanes]int // 0: no limit

	mu    sync.Mutex
	now   [Lanes]int
	freed bool // a lane that was full has room again, since room was last asked for
	wake  context.CancelFunc
}

// room answers what may be claimed of each lane; nil: anything.
func (l *lanes) room() *[Lanes]int {
	if l.most == [Lanes]int{} {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.freed = false
	var room [Lanes]int
	for lane, most := range l.most {
		room[lane] = MaxClaim
		if most > 0 {
			room[lane] = max(0, most-l.now[lane])
		}
	}
	return &room
}

// begins notes that a claimed strand is executed. What its settles hand over is
// of the same run and takes its place.
func (l *lanes) begins(lane int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now[lane]++
}

// ends notes that one is not executed any more.
func (l *lanes) ends(lane int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	full := l.most[lane] > 0 && l.now[lane] >= l.most[lane]
	l.now[lane]--
	if !full {
		return
	}
	l.freed = true
	if l.wake != nil {
		l.wake()
	}
}

// untilFreed answers a context that ends also once a lane has room that had none
// when room was last asked for. Only one at a time is ended so.
func (l *lanes) untilFreed(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithCancel(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wake = stop
	if l.freed {
		stop()
	}
	return ctx, stop
}
