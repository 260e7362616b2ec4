package triggers

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"stanch/playbooks"
)

// Timed is a trigger of a playbook that comes by the clock.
type Timed struct {
	Book    *playbooks.Playbook
	Trigger string // schedule | hunting
	When    playbooks.ScheduleTrigger

	times playbooks.Schedule
}

// TimedOf answers what the clock starts of checked playbooks, in their order.
func TimedOf(books []*playbooks.Playbook) ([]Timed, error) {
	var all []Timed
	add := func(book *playbooks.Playbook, trigger string, when playbooks.ScheduleTrigger) error {
		times, err := when.Schedule()
		if err != nil {
			return fmt.Errorf("playbook %s: on.%s: %w", book.ID, trigger, err)
		}
		all = append(all, Timed{book, trigger, when, times})
		return nil
	}
	for _, book := range books {
		if t := book.On.Schedule; t != nil {
			if err := add(book, "schedule", *t); err != nil {
				return nil, err
			}
		}
		if t := book.On.Hunting; t != nil {
			if err := add(book, "hunting", t.Schedule); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// Tick is one time of a schedule: when the schedule names it, and when it comes,
// which is later by the jitter.
type Tick struct {
	At    time.Time
	Comes time.Time
}

// Next answers the next n ticks whose time is after a time, in order; fewer where
// the schedule ends within 40 years.
func (t Timed) Next(after time.Time, n int) []Tick {
	var ticks []Tick
	for _, at := range t.times.Next(after, n) {
		ticks = append(ticks, t.tick(at))
	}
	return ticks
}

// tick adds the jitter, which is the same for a tick wherever it is asked.
func (t Timed) tick(at time.Time) Tick {
	if t.When.Jitter <= 0 {
		return Tick{at, at}
	}
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(t.Book.ID+"\x00"+t.Trigger+"\x00"), uint64(at.Unix())))
	jitter := time.Duration(binary.BigEndian.Uint64(sum[:8]) % uint64(t.When.Jitter))
	return Tick{at, at.Add(jitter.Truncate(time.Second))}
}

// As is what the ticks are counted by: another schedule begins anew.
func (t Timed) as() string {
	return t.When.Cron + " " + t.When.Zone + " dst:" + t.When.DST + " jitter:" + t.When.Jitter.String()
}

const (
	// punctual is how late a tick may be decided and still count as in time.
	punctual = 5 * time.Minute
	// mostMissed is how many missed ticks misfire: all begins after all.
	mostMissed = 100
)

// owed is what a schedule asks for at some time.
type owed struct {
	begin   []Tick    // in order
	skipped int       // ticks that begin nothing
	last    time.Time // the last tick that is decided hereby; zero: none is due
	next    time.Time // when the next one comes; zero: never
}

// owes decides over all ticks after from that have come by now. A tick that comes
// later than the next is waited for: they are decided in order.
func (t Timed) owes(from, now time.Time) owed {
	var o owed
	var missed, inTime []Tick
	lost := 0
	for n := 4; ; n = min(2*n, 512) {
		ticks := t.Next(from, n)
		for _, tick := range ticks {
			if tick.Comes.After(now) {
				o.next = tick.Comes
				o.begin, o.skipped = t.misfires(missed, lost, inTime)
				return o
			}
			from, o.last = tick.At, tick.At
			if now.Sub(tick.Comes) <= punctual {
				inTime = append(inTime, tick)
				continue
			}
			if missed = append(missed, tick); len(missed) > mostMissed {
				missed = missed[1:]
				lost++
			}
		}
		if len(ticks) < n {
			o.begin, o.skipped = t.misfires(missed, lost, inTime)
			return o
		}
	}
}

// misfires says what becomes of ticks that nobody was there for, of which some
// are lost from the list already.
func (t Timed) misfires(missed []Tick, lost int, inTime []Tick) (begin []Tick, skipped int) {
	switch {
	case t.When.Misfire == "all":
		return append(missed, inTime...), lost
	case t.When.Misfire == "skip" || len(missed) == 0 || len(inTime) > 0:
		return inTime, lost + len(missed)
	}
	return missed[len(missed)-1:], lost + len(missed) - 1
}
