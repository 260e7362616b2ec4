package redisstore

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"stanch/engine"
)

// How many items one act writes.
const (
	perItems  = 500
	itemBytes = 256 << 10 // unless one alone has more
)

// Settle writes what a holder has to say: see engine.Store. A refusal is not
// kept: nothing has happened, so a repeat asks again.
func (s *Store) Settle(ctx context.Context, in engine.Settlement) (settled engine.Settled, err error) {
	if err = in.Check(); err == nil {
		settled, err = s.settle(ctx, &in)
	}
	if err != nil {
		return engine.Settled{}, fmt.Errorf("settle %s %s: %w", in.Lease.Run, in.Lease.Strand, err)
	}
	return settled, nil
}

func (s *Store) settle(ctx context.Context, in *engine.Settlement) (engine.Settled, error) {
	p := s.partOfRun(in.Lease.Run)
	if p == nil || in.Lease.Token == "" {
		return engine.Settled{}, engine.ErrLeaseLost
	}
	local, refused, back, err := s.takeElsewhere(ctx, p, in)
	if err != nil {
		return engine.Settled{}, err
	}
	if in.Then.Open != nil && len(in.Then.Open.Items) > 0 {
		if err := s.putItems(ctx, p, in.Request, in.Then.Open); err != nil {
			return engine.Settled{}, err
		}
	}
	high := p.high.Load()
	reply, unheard, err := s.askHeard(ctx, p, "settle", in.Proved, s.settleArgs(p, in, local, refused))
	if err != nil {
		return engine.Settled{}, err
	}
	l := listOf(reply)
	settled, err := s.settled(ctx, p, in, l)
	if unheard && errors.Is(err, engine.ErrLeaseLost) {
		err = fmt.Errorf("%w: %w", err, engine.ErrUnheard)
	}
	switch l.int(0) {
	case settledOn:
		s.saw(p, high, l.int(2))
	case settledNow:
		s.saw(p, high, l.int(9))
	}
	if err == nil && settled.Refused == "" {
		p.acks.add(in.Lease.Run, in.Lease.Strand, in.Lease.Seq+1)
	}
	if l.int(0) == settledNow || l.int(0) == settledOn {
		return settled, err
	}
	return settled, errors.Join(err, back(ctx)) // lost, refused, or reserved long ago
}

// How settle.lua answers.
const (
	settledLost    = 0
	settledNow     = 1
	settledRefused = 2
	settledOn      = 3
	settledBefore  = 4
)

// settleArgs are the arguments of settle.lua.
func (s *Store) settleArgs(p *part, in *engine.Settlement, local []engine.Take, refused string) []any {
	args := make([]any, 0, 32)
	field, facts := "", ""
	if len(in.Facts) > 0 {
		field = "f" + strconv.FormatInt(in.Seen+1, 10)
		facts = " " + strconv.Itoa(len(in.Facts)) + " h " + packFacts(in.Facts)
	}
	args = append(args, in.Lease.Run, in.Lease.Strand, in.Lease.Token, places(in.Lease.Seq, in.Seen), in.Request,
		places(in.Lease.Seq+1, in.Seen+int64(len(in.Facts))), field, facts)
	if !in.Intent && in.Then == (engine.Then{}) && refused == "" && len(local)+len(in.Audit)+len(in.Put)+len(in.Begin) == 0 {
		return append(args, "")
	}
	args = append(args, "1", flag(in.Intent), string(in.Under), refused)
	args = append(args, thenArgs(in.Then)...)
	args = append(args, s.packArg(in))
	args = append(args, counted(in.Audit)...)
	args = append(args, len(local))
	for _, t := range local {
		args = append(args, takeArgs(t)...)
	}
	args = append(args, len(in.Put))
	for i := range in.Put {
		id, message := putMessage(in.Request, i, &in.Put[i])
		args = append(args, id, message)
	}
	args = append(args, len(in.Begin))
	for i := range in.Begin {
		b := &in.Begin[i]
		args = append(args, runID(p, fmt.Sprintf("%s/%d", in.Request, i)), b.Playbook, b.Subject, digest(b), b.Edition, b.Mode, b.Lane, shrink(b.Head), micros(b.After))
		args = append(args, counted(b.Audit)...)
	}
	return args
}

// places writes a position and a number of facts as a strand has them.
func places(position, n int64) string {
	return strconv.FormatInt(position, 10) + " " + strconv.FormatInt(n, 10)
}

func flag(is bool) string {
	if is {
		return "1"
	}
	return ""
}

// packArg is the record of a run that this settlement ends, if its holder knows
// all of it, else empty.
func (s *Store) packArg(in *engine.Settlement) string {
	if in.Then.End == nil {
		return ""
	}
	if held := s.holds.knowsAll(in); held != nil {
		return packEnding(held, in)
	}
	return ""
}

// thenArgs are what follows, and four arguments of it.
func thenArgs(then engine.Then) []any {
	switch {
	case then.Yield:
		return []any{"y", "", "", "", ""}
	case then.Wait != nil:
		w := then.Wait
		var long any = ""
		if !w.Ever {
			long = micros(w.For)
		}
		return []any{"w", long, w.On, flag(w.Thaw), ""}
	case then.Open != nil:
		o := then.Open
		how := ""
		if o.Failfast {
			how = "f"
		}
		if len(o.Items) > 0 {
			how += "i"
		}
		return []any{"o", o.Path, o.Count, o.Window, how}
	case then.End != nil:
		return []any{"e", then.End.Outcome, then.End.Result, rand.Text(), micros(answersKept)}
	}
	return []any{"", "", "", "", ""}
}

// settled reads the answer of settle.lua, and delivers what it has written into
// the outbox.
func (s *Store) settled(ctx context.Context, p *part, in *engine.Settlement, l *list) (settled engine.Settled, err error) {
	switch l.int(0) {
	case settledLost:
		if l.err() != nil {
			return settled, l.err()
		}
		return settled, engine.ErrLeaseLost
	case settledRefused:
		settled = engine.Settled{At: at(l.int(1)), Seen: l.int(2), Cancel: engine.Cancel(l.text(3)), Holds: true, Refused: l.text(4)}
		return settled, l.err()
	case settledOn:
		settled = engine.Settled{At: at(l.int(1)), Seen: in.Seen + int64(len(in.Facts)), Holds: true}
		s.holds.settled(in, &settled)
		return settled, l.err()
	case settledNow, settledBefore:
	default:
		return settled, errDamaged
	}
	settled = engine.Settled{At: at(l.int(1)), Seen: l.int(2), Holds: l.int(3) == 1, Cancel: engine.Cancel(l.text(4))}
	signals := l.list(5)
	for i := 0; i+1 < len(signals.values); i += 2 {
		facts, err := unpackFacts(signals.text(i+1), signals.int(i))
		if err != nil {
			return settled, err
		}
		settled.Signals = append(settled.Signals, facts...)
	}
	if next, ok := l.at(6).([]any); ok {
		pair := &list{values: next}
		if settled.Next, err = s.strand(ctx, pair.at(0)); err != nil {
			return settled, err
		}
		settled.Next.Seq, settled.Next.Lost = pair.int(1), 0
	}
	if err := s.deliverAll(ctx, p, l.list(7)); err != nil {
		return settled, err
	}
	if names := l.texts(8); len(names) > 0 {
		settled.Begun = names
	}
	s.holds.settled(in, &settled)
	if !settled.Holds || len(settled.Begun) > 0 {
		s.worker.hint(p)
	}
	if in.Then.Wait != nil && !in.Then.Wait.Ever {
		p.due.by(s.clock().Add(in.Then.Wait.For))
	}
	for i := range in.Begin {
		p.due.by(s.clock().Add(in.Begin[i].After))
	}
	if in.Then.End != nil && in.Lease.Strand == "" {
		s.ended(p)
	}
	return settled, l.err()
}

// putItems writes the items of a window before it is opened.
func (s *Store) putItems(ctx context.Context, p *part, request string, o *engine.Open) error {
	for first := 0; first < len(o.Items); {
		args := []any{request, first}
		size := 0
		for len(args)-2 < perItems && first+len(args)-2 < len(o.Items) {
			item := o.Items[first+len(args)-2]
			if size > 0 && size+len(item) > itemBytes {
				break
			}
			size += len(item) + 1
			args = append(args, item)
		}
		if _, err := s.do(ctx, p, "items", args...); err != nil {
			return err
		}
		first += len(args) - 2
	}
	return nil
}

// targetID tells a target of a cap apart from others, in 12 bytes.
func targetID(target string) string {
	sum := sha256.Sum256([]byte(target))
	return string(sum[:12])
}

// takeArgs are the arguments of a take: see caps.lua.
func takeArgs(t engine.Take) []any {
	var targets strings.Builder
	for _, target := range t.Targets {
		targets.WriteString(targetID(target))
	}
	return []any{t.Name, t.Limit, t.Effect, micros(t.Window), targets.String()}
}
