package activity

import (
	"sync"
	"time"
)

// mostKept is how many events are kept in memory; one of more than usual counts for
// several.
const (
	mostKept = 20_000
	usual    = 8 << 10 // bytes of JSON
)

// kept is content that was read, the newest of it.
type kept struct {
	mu     sync.Mutex
	by     map[string]keptEvents // by id of the content
	events int
}

type keptEvents struct {
	Events
	created time.Time
	weight  int
}

func (k *kept) get(id string) (Events, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	x, is := k.by[id]
	return x.Events, is
}

// put keeps content whose events have so many bytes. It takes room, too, when it is
// empty.
func (k *kept) put(x Content, e Events, bytes int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.by == nil {
		k.by = map[string]keptEvents{}
	}
	weight := 1 + len(e.Records) + bytes/usual
	k.events += weight - k.forget(x.ID)
	k.by[x.ID] = keptEvents{e, x.Created, weight}
	for k.events > mostKept {
		oldest := ""
		for id, y := range k.by {
			if oldest == "" || y.created.Before(k.by[oldest].created) {
				oldest = id
			}
		}
		k.events -= k.forget(oldest)
	}
}

// forget takes content out and answers what it counted for.
func (k *kept) forget(id string) int {
	x, is := k.by[id]
	if !is {
		return 0
	}
	delete(k.by, id)
	return x.weight
}
