package practice

import (
	"maps"
	"slices"
)

// version is what an object was before its last write; left is how many reads
// still see it.
type version struct {
	before any
	left   int
}

// keep remembers before as the state before a write of this call.
func (c *call) keep(key string, before any) {
	c.t.stale[key] = &version{before: before, left: c.lag}
}

// seen answers what a read of the object sees: what is now, or while writes
// have not come through, what was before.
func seen[T any](c *call, key string, now T) T {
	v := c.t.stale[key]
	if v == nil {
		return now
	}
	if v.left > 0 {
		v.left--
	} else if !c.behind {
		return now
	}
	return v.before.(T)
}

func (i *item) clone() *item {
	out := *i
	out.perms = make([]*permission, len(i.perms))
	for n, p := range i.perms {
		one := *p
		one.roles, one.to = slices.Clone(p.roles), slices.Clone(p.to)
		out.perms[n] = &one
	}
	if i.retention != nil {
		out.retention = new(*i.retention)
	}
	return &out
}

// deepCopy copies decoded JSON.
func deepCopy(v any) any {
	switch v := v.(type) {
	case object:
		out := maps.Clone(v)
		for k, in := range out {
			out[k] = deepCopy(in)
		}
		return out
	case []any:
		out := slices.Clone(v)
		for k, in := range out {
			out[k] = deepCopy(in)
		}
		return out
	}
	return v
}
