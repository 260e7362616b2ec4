package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"stanch/engine"
)

// run writes a run: one that has ended as it is packed.
func (i *importing) run(ctx context.Context, d *engine.DumpedRun) error {
	p := i.s.partOfRun(d.ID)
	if p == nil {
		return fmt.Errorf("its id names a partition that this store of %d does not have", len(i.s.parts))
	}
	digest := d.Digest
	if d.Dedupe != "" {
		digest = engine.DedupeDigest(d.Playbook, d.Subject, d.Dedupe)
	}
	if digest != "" {
		// Who begins asks where the subject is; who settles, where the run is.
		for _, at := range []*part{i.s.partOf(d.Subject), p} {
			if err := i.put(ctx, "HSET", at.tag+"dd", digest, d.ID); err != nil {
				return err
			}
		}
	}
	if err := i.put(ctx, "ZADD", p.tag+"lg", i.number(p), "r"+d.ID); err != nil {
		return err
	}
	if !d.EndedAt.IsZero() {
		return i.packed(ctx, p, d, digest)
	}
	r := &runImport{importing: i, p: p, run: d, items: map[string]*engine.DumpedWindow{}}
	if err := r.key(ctx); err != nil {
		return err
	}
	return r.live(ctx, digest)
}

// packed writes a run that has ended: see pack.lua.
func (i *importing) packed(ctx context.Context, p *part, d *engine.DumpedRun, digest string) error {
	record := engine.RunRecord{RunHead: d.RunHead, Status: d.Status, Cancel: d.Cancel, EndedAt: d.EndedAt, Result: d.Result}
	items := map[string][][]byte{}
	for _, w := range d.Windows {
		items[w.Path] = w.Items
	}
	for _, st := range d.Strands {
		r := engine.StrandRecord{Path: st.Path, State: st.State, Lost: st.Lost, Facts: st.Facts, Seen: int64(len(st.Facts)), Ended: st.Ended}
		if of := items[st.Window]; st.Window != "" && st.Index < len(of) {
			r.Item = of[st.Index]
		}
		record.Strands = append(record.Strands, r)
	}
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	return i.put(ctx, "SET", p.tag+"z:"+d.ID, nets("", "", number(passed(d.BegunAt)), number(passed(d.EndedAt)), string(d.Cancel))+packRun(&record, digest))
}

// runImport is a live run that is being written.
type runImport struct {
	*importing
	p     *part
	run   *engine.DumpedRun
	items map[string]*engine.DumpedWindow // windows by path
	due   int                             // strands
}

// key takes the place of the run in the queue of its concurrency key.
func (r *runImport) key(ctx context.Context) error {
	d := r.run
	if d.Key == "" {
		return nil
	}
	kept := d.Key
	if !d.Wide {
		if kept = d.Subject + "\x00" + d.Key; r.s.partOf(d.Subject) != r.p {
			return fmt.Errorf("it is %s and has the concurrency key %q of %s, which later runs about that would not find: let it end, or cancel it, before you move", d.Status, d.Key, d.Subject)
		}
	}
	return r.put(ctx, "RPUSH", r.s.partOfKey(d).tag+"k:"+kept, d.ID)
}

// live writes the root and all strands.
func (r *runImport) live(ctx context.Context, digest string) error {
	for k := range r.run.Windows {
		if err := r.window(ctx, &r.run.Windows[k]); err != nil {
			return err
		}
	}
	roots := 0
	for k := range r.run.Strands {
		st := &r.run.Strands[k]
		var err error
		switch {
		case st.Path == "":
			roots++
			err = r.root(ctx, st, digest)
		case st.State == "ended":
			err = r.ended(ctx, st)
		default:
			err = r.strand(ctx, st)
		}
		if err != nil {
			return fmt.Errorf("strand %q: %w", st.Path, err)
		}
	}
	if roots != 1 {
		return fmt.Errorf("it has %d roots", roots)
	}
	return r.put(ctx, "HSET", r.p.tag+"s:"+r.run.ID, "ac", r.due)
}

// window writes a window with its items.
func (r *runImport) window(ctx context.Context, w *engine.DumpedWindow) error {
	flag := func(is bool) int {
		if is {
			return 1
		}
		return 0
	}
	r.items[w.Path] = w
	name := r.run.ID + ":" + w.Path
	err := errors.Join(r.put(ctx, "SADD", r.p.tag+"y:"+r.run.ID, "o"+w.Path),
		r.put(ctx, "HSET", r.p.tag+"o:"+name, "p", w.Strand, "c", w.Count, "s", max(w.Next, 1), "n", w.Next, "f", flag(w.Failfast), "t", flag(w.Stopped), "u", string(w.Under)))
	for first := 0; first < len(w.Items) && err == nil; first += perPage {
		args := []any{"HSET", r.p.tag + "i:" + name}
		for k := first; k < min(first+perPage, len(w.Items)); k++ {
			args = append(args, k, w.Items[k])
		}
		err = r.put(ctx, args...)
	}
	return err
}

// root writes what is kept of the run beside what every strand has.
func (r *runImport) root(ctx context.Context, st *engine.DumpedStrand, digest string) error {
	d := r.run
	args := []any{
		"HSET", r.p.tag + "s:" + d.ID, "pb", d.Playbook, "sb", d.Subject, "ed", d.Edition, "md", d.Mode, "ln", d.Lane, "hd", shrink(d.Head),
		"bg", passed(d.BegunAt), "st", d.Status, "la", passed(d.BegunAt),
	}
	if d.Cancel != engine.NotCancelled {
		args = append(args, "c", string(d.Cancel))
	}
	if d.Queued {
		args = append(args, "qd", 1)
	}
	if digest != "" {
		args = append(args, "dd", digest)
	}
	if d.Key != "" && d.Wide {
		args = append(args, "ck", d.Key, "cw", "1")
		if d.Status == "queued" {
			if err := r.put(ctx, "SADD", r.p.tag+"qw", d.ID); err != nil {
				return err
			}
		}
	} else if d.Key != "" {
		args = append(args, "ck", d.Subject+"\x00"+d.Key)
	}
	return errors.Join(r.put(ctx, args...), r.strand(ctx, st))
}

// strand writes a strand that has not ended, and puts it where it is found.
func (r *runImport) strand(ctx context.Context, st *engine.DumpedStrand) error {
	key, me := r.p.tag+"s:"+r.run.ID, r.run.ID+":"+st.Path
	if st.Path != "" {
		key += ":" + st.Path
	}
	args := []any{"HSET", key, "h", fmt.Sprintf("%d %d", st.Seq, len(st.Facts)), "a", passed(st.At)}
	args = append(args, factFields(st.Facts)...)
	if st.Joined != "" {
		args = append(args, "w", st.Joined)
	}
	if st.Lost > 0 {
		args = append(args, "x", st.Lost)
	}
	if st.Joined != "" || st.Lost > 0 {
		args = append(args, "j", "1")
	}
	var err error
	switch st.State {
	case "queued":
		args = append(args, "i", stQueued)
	case "due":
		args = append(args, "i", stDue)
		r.due++
		lane := r.p.tag + "q" + strconv.Itoa(r.run.Lane)
		r.importing.due[lane] = append(r.importing.due[lane], dueImport{passed(st.Due), me})
	case "waiting":
		args = append(args, "i", stWaiting)
		if st.On != "" {
			args = append(args, "o", st.On)
		}
		err = r.put(ctx, "HSET", r.p.tag+"w:"+r.run.ID, st.Path, st.On)
		if st.Thaw {
			err = errors.Join(err, r.put(ctx, "SADD", r.p.tag+"h", me))
		}
	case "joining":
		args = append(args, "i", stJoining)
	default:
		return fmt.Errorf("its state %q is not known: %w", st.State, engine.ErrNewer)
	}
	if timed := st.State == "queued" || st.State == "waiting"; timed && !st.Due.IsZero() {
		args = append(args, "d", us(st.Due))
		err = errors.Join(err, r.put(ctx, "ZADD", r.p.tag+"t", us(st.Due), me))
	}
	return errors.Join(err, r.put(ctx, args...))
}

// ended writes a child that has ended: see settle.lua.
func (r *runImport) ended(ctx context.Context, st *engine.DumpedStrand) error {
	if st.Ended == nil {
		return errDamaged
	}
	parts := []string{
		st.Ended.Outcome, string(st.Ended.Result), strconv.FormatInt(st.Seq, 10), strconv.Itoa(len(st.Facts)), strconv.FormatInt(passed(st.At), 10), "", "",
	}
	for _, f := range factFields(st.Facts) {
		parts = append(parts, f.(string))
	}
	return r.put(ctx, "HSET", r.p.tag+"e:"+r.run.ID+":"+st.Window, st.Index, nets(parts...))
}

// factFields are the fields that keep facts: those of one act in one.
func factFields(facts []engine.Fact) (args []any) {
	for first := 0; first < len(facts); {
		f := &facts[first]
		when := strconv.FormatInt(passed(f.At), 10)
		n := 1
		value := when + " 1 s " + string(f.Body)
		if !f.Signal {
			bodies := [][]byte{f.Body}
			for ; first+n < len(facts) && !facts[first+n].Signal && facts[first+n].At.Equal(f.At); n++ {
				bodies = append(bodies, facts[first+n].Body)
			}
			value = when + " " + strconv.Itoa(n) + " h " + packFacts(bodies)
		}
		args = append(args, "f"+strconv.Itoa(first+1), value)
		first += n
	}
	return args
}
