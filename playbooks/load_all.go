package playbooks

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// LoadAll loads and checks playbooks that may call each other, each file once.
// They call by id what is among them, and what is in w.Calls besides. It answers
// the playbooks in the order of the files, nil where a text is none, and all
// findings in the order of files and places. An id that two files have is a
// finding in both, and neither can be called. What comments suppress is left out.
func LoadAll(files []Source, w World) ([]*Playbook, []Finding) {
	books := make([]*Playbook, len(files))
	found := make([][]Finding, len(files))
	calls := map[string]Source{}
	for id, src := range w.Calls {
		calls[id] = src
	}
	byID := map[string][]int{}
	atOnce(len(files), func(i int) { books[i], found[i] = Load(files[i].File, files[i].Text) })
	for i, f := range files {
		if b := books[i]; b != nil && b.ID != "" {
			byID[b.ID] = append(byID[b.ID], i)
			calls[b.ID] = f
		}
	}
	for id, at := range byID {
		if len(at) > 1 {
			delete(calls, id)
		}
	}
	w.Calls = calls
	all := newCallees(w)
	all.loaded = map[string]loaded{}
	for id, at := range byID {
		if len(at) == 1 {
			all.loaded[id] = loaded{books[at[0]], found[at[0]]}
		}
	}
	all.leaves(books, found, byID)
	for i, b := range books {
		switch {
		case b == nil:
		case b.ID != "" && len(byID[b.ID]) == 1:
			k, _ := all.resolve(b.ID)
			found[i] = k.findings
		default:
			all.path = []string{b.ID}
			more, _ := check(b, all)
			all.path = nil
			found[i] = slices.Concat(found[i], more, twice(b, files, byID[b.ID], i))
		}
	}
	var findings []Finding
	for i, b := range books {
		if b != nil && len(files) > 1 {
			found[i] = append(found[i], neverStarted(b, books)...)
			found[i] = append(found[i], samePath(b, books[:i])...)
		}
		if b != nil {
			found[i], b.Suppressed = b.suppress(sortFindings(found[i]), len(files) > 1)
		}
		findings = append(findings, found[i]...)
	}
	return books, sortFindings(findings)
}

// neverStarted says that no trigger starts a playbook and none of the others
// calls it.
func neverStarted(b *Playbook, all []*Playbook) []Finding {
	if !b.OnlyCalled() || b.ID == "" {
		return nil
	}
	called := slices.ContainsFunc(all, func(other *Playbook) bool {
		found := false
		if other != nil {
			other.Walk(func(_ string, s *Step) { found = found || s.Kind == Call && s.Call.Playbook == b.ID })
		}
		return found
	})
	x, ok := b.written.get("playbook")
	if called || !ok {
		return nil
	}
	r := &report{src: b.source}
	r.add(r.src.node(x.value), "W517", "give it a trigger in on, call it, or delete it", "nothing starts %s: it has no on, and none of these playbooks calls it", b.ID)
	return r.findings
}

// samePath says that the webhook of an earlier playbook has the path of this one's.
func samePath(b *Playbook, earlier []*Playbook) []Finding {
	if b.On.Webhook == nil || b.On.Webhook.Path == "" {
		return nil
	}
	x, ok := b.On.Webhook.written.get("path")
	if !ok {
		return nil
	}
	r := &report{src: b.source}
	for _, other := range earlier {
		if other != nil && other.On.Webhook != nil && other.On.Webhook.Path == b.On.Webhook.Path {
			r.add(r.src.node(x.value), "E206", "every webhook has a path of its own: change one of them, or let one playbook call the other",
				"the path %s is taken by %s", b.On.Webhook.Path, other.File)
			break
		}
	}
	return r.findings
}

// leaves checks the playbooks that call none, at the same time.
func (all *callees) leaves(books []*Playbook, found [][]Finding, byID map[string][]int) {
	parts := make([]*callees, len(books))
	atOnce(len(books), func(i int) {
		b := books[i]
		if b == nil || len(byID[b.ID]) != 1 || b.mayCall() {
			return
		}
		parts[i] = newCallees(all.world)
		parts[i].types = all.types
		parts[i].check(b.ID, b, found[i])
	})
	for _, part := range parts {
		if part != nil {
			maps.Copy(all.known, part.known)
			maps.Copy(all.steps, part.steps)
			maps.Copy(all.covered, part.covered)
		}
	}
}

// mayCall reports whether the playbook has a step that calls another.
func (p *Playbook) mayCall() bool {
	calls := false
	p.Walk(func(_ string, s *Step) { calls = calls || s.Kind == Call })
	return calls
}

// atOnce does something for each number below n, as many at once as there are
// processors.
func atOnce(n int, do func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				do(i)
			}
		})
	}
	wg.Wait()
}

// loaded is a playbook that has been read and not been checked yet.
type loaded struct {
	book     *Playbook
	findings []Finding
}

// twice says that a playbook has the id of other files.
func twice(b *Playbook, files []Source, same []int, self int) []Finding {
	if len(same) < 2 {
		return nil
	}
	var others []string
	for _, i := range same {
		if i != self {
			others = append(others, files[i].File)
		}
	}
	r := &report{src: b.source}
	at := span{0, 0}
	if x, ok := b.written.get("playbook"); ok {
		at = r.src.node(x.value)
	}
	r.add(at, "E206", "every playbook has an id of its own: rename one of them", "%s", fmt.Sprintf("the id %s is taken by %s", b.ID, strings.Join(others, ", ")))
	return r.findings
}
