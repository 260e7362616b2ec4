package triggers

import (
	"context"
	"time"
)

// Owes answers the times that begin runs, the number that is skipped, and up to
// where all is decided.
func (t Timed) Owes(from, now time.Time) (begin []time.Time, skipped int, last, next time.Time) {
	o := t.owes(from, now)
	for _, tick := range o.begin {
		begin = append(begin, tick.At)
	}
	return begin, o.skipped, o.last, o.next
}

// Look decides once over what is due of all triggers.
func (s *Schedules) Look(ctx context.Context) error {
	if s.began.IsZero() {
		s.fill()
	}
	all, err := TimedOf(s.Books)
	if err != nil {
		return err
	}
	for _, t := range all {
		if _, err := s.look(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// ReadsAtOnce sets how many contents of the audit log a pass over it reads.
func (f *Feed) ReadsAtOnce(n int) { f.reads = n }
