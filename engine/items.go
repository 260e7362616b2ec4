package engine

import (
	"bytes"
	"encoding/json"
	"sync"

	"stanch/playbooks"
)

// items keeps what large items of a run hold, so that a list that a loop takes
// apart in a loop of its own is read once and not anew for each strand below.
type items struct {
	mu sync.Mutex
	of map[string]known // by strand
}

// known is an item and what it holds, which nobody changes.
type known struct {
	raw   json.RawMessage
	value any
}

const (
	largeItem  = 4 << 10 // bytes: smaller ones are quickly read again
	knownItems = 32      // of one run
)

// decode answers what the item of a strand holds. A nil items keeps nothing.
func (i *items) decode(strand string, t playbooks.Type, item json.RawMessage) (any, error) {
	if i == nil || len(item) < largeItem {
		return t.Decode(item)
	}
	i.mu.Lock()
	k, is := i.of[strand]
	i.mu.Unlock()
	if is && bytes.Equal(k.raw, item) {
		return k.value, nil
	}
	v, err := t.Decode(item)
	if err != nil {
		return nil, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.of == nil || len(i.of) >= knownItems {
		i.of = map[string]known{}
	}
	i.of[strand] = known{item, v}
	return v, nil
}
