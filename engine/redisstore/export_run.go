package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"stanch/engine"
)

// runs tells all runs but those that hold a concurrency key or wait for one.
func (e *exporting) runs(ctx context.Context) error {
	for _, p := range e.s.parts {
		var err error
		if e.thaws, err = e.s.client.SMembersMap(ctx, p.tag+"h").Result(); err != nil {
			return err
		}
		if e.marked, err = e.s.client.SMembersMap(ctx, p.tag+"cw").Result(); err != nil {
			return err
		}
		err = e.s.eachMember(ctx, p, func(name string) error {
			if name[0] != 'r' {
				return nil
			}
			run, err := e.run(ctx, p, name[1:])
			switch {
			case err != nil:
				return fmt.Errorf("run %s: %w", name[1:], err)
			case run.Key != "":
				e.keyed = append(e.keyed, run)
				return nil
			}
			return e.tell(engine.Dumped{Run: run})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// queues tells the runs with a key, of each in the order of its queue.
func (e *exporting) queues(ctx context.Context) error {
	left := map[string]*engine.DumpedRun{}
	for _, run := range e.keyed {
		left[run.ID] = run
	}
	for _, run := range e.keyed {
		kept := run.Key
		if !run.Wide {
			kept = run.Subject + "\x00" + run.Key
		}
		ids, err := e.s.client.LRange(ctx, e.s.partOfKey(run).tag+"k:"+kept, 0, -1).Result()
		if err != nil {
			return err
		}
		for _, id := range append(ids, run.ID) { // one that has lost its place comes last
			if left[id] == nil {
				continue
			}
			if err := e.tell(engine.Dumped{Run: left[id]}); err != nil {
				return err
			}
			delete(left, id)
		}
	}
	return nil
}

// partOfKey answers the partition of the queue of a run's concurrency key.
func (s *Store) partOfKey(run *engine.DumpedRun) *part {
	if run.Wide {
		return s.partOf("key " + run.Key)
	}
	return s.partOfRun(run.ID)
}

func (e *exporting) run(ctx context.Context, p *part, id string) (*engine.DumpedRun, error) {
	f, err := e.s.client.HGetAll(ctx, p.tag+"s:"+id).Result()
	if err != nil {
		return nil, err
	}
	if len(f) == 0 {
		return e.packed(ctx, p, id)
	}
	head, err := headOf(id, f)
	if err != nil {
		return nil, err
	}
	run := &engine.DumpedRun{
		RunHead: head, Status: f["st"], Cancel: engine.Cancel(f["c"]), EndedAt: at(fields(f).int("en")), Result: bytesOf(f["R"]),
		Lane: int(fields(f).int("ln")), Digest: f["dd"],
	}
	if run.EndedAt.IsZero() && f["ck"] != "" {
		run.Key, run.Wide = f["ck"], f["cw"] == "1"
		if !run.Wide {
			run.Key = strings.TrimPrefix(run.Key, run.Subject+"\x00")
		}
	}
	_, woken := e.marked[id] // what a mark has yet to wake is due
	r := &runExport{exporting: e, p: p, run: run, woken: woken}
	root, err := strandRecord("", f, nil)
	if err != nil {
		return nil, err
	}
	r.add(&root, f)
	return run, r.windows(ctx)
}

// runExport is a run that is being read.
type runExport struct {
	*exporting
	p     *part
	run   *engine.DumpedRun
	woken bool
}

// add adds a strand: what is kept of it, and its fields if it has not ended.
func (r *runExport) add(st *engine.StrandRecord, f fields) {
	position, _ := f.place()
	_, thaw := r.thaws[r.run.ID+":"+st.Path]
	d := engine.DumpedStrand{
		Path: st.Path, State: st.State, Lost: st.Lost, Seq: position, On: st.On, At: f.dueAt(), Facts: st.Facts, Ended: st.Ended, Joined: f["w"],
	}
	if open, index, ok := parent(st.Path); ok && st.Path != "" {
		d.Window, d.Index = open, index
	}
	switch {
	case f["i"] == stQueued:
		d.State, d.On, d.Due = "queued", "", st.Due
	case st.State == "leased": // by a worker that is no more
		d.State, d.Due = "due", d.At
		d.Lost++
	case st.State == "waiting" && (r.woken || thaw && !r.frozen):
		d.State, d.On, d.Due = "due", "", d.At
	case st.State == "waiting":
		d.Due, d.Thaw = st.Due, thaw
	case st.State == "due":
		d.Due = d.At
	}
	r.run.Strands = append(r.run.Strands, d)
}

// windows adds all windows with their items and children.
func (r *runExport) windows(ctx context.Context) error {
	c := r.s.client
	opens, err := c.SMembers(ctx, r.p.tag+"y:"+r.run.ID).Result()
	if err != nil {
		return err
	}
	slices.Sort(opens)
	for _, m := range opens {
		open, is := strings.CutPrefix(m, "o")
		if !is {
			continue
		}
		kept, err := c.HGetAll(ctx, r.p.tag+"o:"+r.run.ID+":"+open).Result()
		if err != nil {
			return err
		}
		if len(kept) == 0 { // its items were written, it was never opened
			continue
		}
		o := fields(kept)
		w := engine.DumpedWindow{
			Path: open, Strand: o["p"], Count: int(o.int("c")), Next: int(o.int("n")), Failfast: o["f"] == "1", Stopped: o["t"] == "1", Under: engine.Cancel(o["u"]),
		}
		if w.Items, err = r.items(ctx, &w); err != nil {
			return err
		}
		r.run.Windows = append(r.run.Windows, w)
		if err := r.children(ctx, &w); err != nil {
			return fmt.Errorf("window %s: %w", open, err)
		}
	}
	slices.SortFunc(r.run.Strands, func(a, b engine.DumpedStrand) int { return strings.Compare(a.Path, b.Path) })
	return nil
}

// items reads all items of a window, or none.
func (r *runExport) items(ctx context.Context, w *engine.DumpedWindow) ([][]byte, error) {
	key := r.p.tag + "i:" + r.run.ID + ":" + w.Path
	n, err := r.s.client.HLen(ctx, key).Result()
	if err != nil || n == 0 {
		return nil, err
	}
	var all [][]byte
	for len(all) < w.Count {
		var names []string
		for i := len(all); i < min(len(all)+perPage, w.Count); i++ {
			names = append(names, strconv.Itoa(i))
		}
		values, err := r.s.client.HMGet(ctx, key, names...).Result()
		if err != nil {
			return nil, err
		}
		for _, v := range values {
			text, ok := v.(string)
			if !ok {
				return nil, errDamaged
			}
			all = append(all, nonNil([]byte(text)))
		}
	}
	return all, nil
}

// children adds the children of a window.
func (r *runExport) children(ctx context.Context, w *engine.DumpedWindow) error {
	for from := 0; from < w.Next; from += perPage {
		to := min(from+perPage, w.Next)
		ended, live := make([]*redis.StringCmd, to-from), make([]*redis.MapStringStringCmd, to-from)
		_, err := r.s.client.Pipelined(ctx, func(pl redis.Pipeliner) error {
			for i := range ended {
				ended[i] = pl.HGet(ctx, r.p.tag+"e:"+r.run.ID+":"+w.Path, strconv.Itoa(from+i))
				live[i] = pl.HGetAll(ctx, r.p.tag+"s:"+r.run.ID+":"+childPath(w.Path, from+i))
			}
			return nil
		})
		if err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
		for i := range ended {
			var end any
			f := fields(live[i].Val())
			if text, err := ended[i].Result(); err == nil {
				end = text
				e, err := endOf(text)
				if err != nil {
					return err
				}
				f = fields{"h": e[2] + " " + e[3]}
			}
			st, err := childRecord(w.Path, from+i, end, f, nil)
			if err != nil {
				return err
			}
			r.add(&st, f)
		}
	}
	return nil
}

// packed reads a run that has ended and is packed.
func (e *exporting) packed(ctx context.Context, p *part, id string) (*engine.DumpedRun, error) {
	text, err := e.s.client.Get(ctx, p.tag+"z:"+id).Result()
	if err != nil {
		return nil, err
	}
	record, digest, err := unpackAll(text)
	if err != nil {
		return nil, err
	}
	run := &engine.DumpedRun{RunHead: record.RunHead, Status: record.Status, Cancel: record.Cancel, EndedAt: record.EndedAt, Result: record.Result, Digest: digest}
	windows := map[string]*engine.DumpedWindow{}
	for _, st := range record.Strands {
		d := engine.DumpedStrand{Path: st.Path, State: "ended", Lost: st.Lost, At: record.EndedAt, Facts: st.Facts, Ended: st.Ended}
		if open, index, ok := parent(st.Path); ok && st.Path != "" {
			d.Window, d.Index = open, index
			w := windows[open]
			if w == nil {
				w = &engine.DumpedWindow{Path: open}
				windows[open] = w
			}
			w.Count = max(w.Count, index+1)
			w.Next = w.Count
			for len(w.Items) < w.Count && st.Item != nil {
				w.Items = append(w.Items, []byte{})
			}
			if st.Item != nil {
				w.Items[index] = st.Item
			}
		}
		run.Strands = append(run.Strands, d)
	}
	for _, w := range windows {
		w.Strand = opener(record.Strands, w.Path)
		run.Windows = append(run.Windows, *w)
	}
	slices.SortFunc(run.Windows, func(a, b engine.DumpedWindow) int { return strings.Compare(a.Path, b.Path) })
	return run, nil
}

// opener answers the strand that has opened a window, as far as its path tells:
// the innermost around it.
func opener(strands []engine.StrandRecord, window string) string {
	best := ""
	for i := range strands {
		if path := strands[i].Path; len(path) > len(best) && strings.HasPrefix(window, path) && path != window {
			best = path
		}
	}
	return best
}
