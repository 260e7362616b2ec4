package triggers_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"stanch/actions"
	"stanch/playbooks"
	"stanch/triggers"
)

// timed is the schedule of a playbook that has no other trigger.
func timed(t *testing.T, schedule string) triggers.Timed {
	t.Helper()
	all, err := triggers.TimedOf([]*playbooks.Playbook{scheduled(t, "tick", schedule)})
	if err != nil || len(all) != 1 {
		t.Fatalf("%v: %v", all, err)
	}
	return all[0]
}

func scheduled(t *testing.T, id, schedule string) *playbooks.Playbook {
	t.Helper()
	catalog, err := actions.Collect()
	if err != nil {
		t.Fatal(err)
	}
	text := "playbook: " + id + "\nstatus: stable\non:\n  schedule: " + schedule + "\nsteps:\n  - stop: ${{ format(event.scheduled_at, \"UTC\") }}\n"
	book, findings := playbooks.LoadAndCheck("tick.yaml", []byte(text), playbooks.World{Catalog: catalog})
	if playbooks.HasErrors(findings) {
		t.Fatal(findings[0].Text())
	}
	return book
}

// naive reads one field of cron as people do: numbers, ranges, lists and steps.
func naive(t *testing.T, field string, least, most int) (set [60]bool) {
	t.Helper()
	for part := range strings.SplitSeq(field, ",") {
		part, every, stepped := strings.Cut(part, "/")
		step := 1
		if stepped {
			step = number(t, every)
		}
		from, to := least, most
		if part != "*" {
			a, b, isRange := strings.Cut(part, "-")
			from = number(t, a)
			if to = from; isRange {
				to = number(t, b)
			} else if stepped {
				to = most
			}
		}
		for n := from; n <= to; n += step {
			set[n] = true
		}
	}
	return set
}

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// minute is one minute of a zone as the clock on the wall shows it.
type minute struct {
	at    time.Time
	wall  time.Time   // written as UTC
	again bool        // the clock has shown it before
	left  []time.Time // what the clock left out right before it
}

// clockOf walks through every minute of a time as somebody would who looks at
// the clock on the wall.
func clockOf(zone *time.Location, from, to time.Time) []minute {
	wallAt := func(at time.Time) time.Time {
		x := at.In(zone)
		return time.Date(x.Year(), x.Month(), x.Day(), x.Hour(), x.Minute(), 0, 0, time.UTC)
	}
	var all []minute
	latest := wallAt(from)
	for at := from.Add(time.Minute); !at.After(to); at = at.Add(time.Minute) {
		m := minute{at: at, wall: wallAt(at)}
		m.again = !m.wall.After(latest)
		for left := latest.Add(time.Minute); left.Before(m.wall); left = left.Add(time.Minute) {
			m.left = append(m.left, left)
		}
		if !m.again {
			latest = m.wall
		}
		all = append(all, m)
	}
	return all
}

// byHand answers when a schedule is due by the words of the reference: a time
// that the clock shows twice counts once, those that it leaves out become one, at
// the jump, or none; every hour goes on evenly.
func byHand(t *testing.T, cron string, clock []minute, skip bool) []time.Time {
	t.Helper()
	f := strings.Fields(cron)
	minutes, hours := naive(t, f[0], 0, 59), naive(t, f[1], 0, 23)
	days, months, weekdays := naive(t, f[2], 1, 31), naive(t, f[3], 1, 12), naive(t, f[4], 0, 6)
	named := func(wall time.Time) bool {
		day, weekday := days[wall.Day()], weekdays[int(wall.Weekday())]
		onDay := day && weekday
		if f[2][0] != '*' && f[4][0] != '*' {
			onDay = day || weekday
		}
		return minutes[wall.Minute()] && hours[wall.Hour()] && months[int(wall.Month())] && onDay
	}
	evenly := !slices.Contains(hours[:24], false)
	var due []time.Time
	for _, m := range clock {
		is := named(m.wall) && (evenly || !m.again)
		if !skip && !evenly {
			is = is || slices.ContainsFunc(m.left, named)
		}
		if is {
			due = append(due, m.at)
		}
	}
	return due
}

// A year of ticks in zones whose clocks change in ways of their own, against a
// calculation that shares nothing with ours.
func TestAYearOfTicks(t *testing.T) {
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	to := from.AddDate(1, 0, 0)
	zones := []string{"Europe/Berlin", "UTC", "America/New_York", "Australia/Lord_Howe"}
	if testing.Short() {
		zones = zones[:1]
	}
	for _, name := range zones {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		clock := clockOf(zone, from, to)
		for _, cron := range []string{
			"*/5 * * * *", "0 * * * *", "30 2 * * *", "*/15 1-3 * * *", "0,30 2,3 * * *", "45 1 * * *", "15 2 * * 0", "0 0 1 * *", "7 5 13 * 5",
			"59 23 28-31 3,4,10,11 *",
		} {
			for _, dst := range []string{"once", "skip"} {
				if dst == "skip" && (name == "UTC" || strings.HasPrefix(cron, "*/5")) { // whose clock leaves nothing out, and what is due all the time
					continue
				}
				t.Run(fmt.Sprintf("%s %s %s", name, cron, dst), func(t *testing.T) {
					x := timed(t, fmt.Sprintf("{cron: %q, zone: %s, dst: %s}", cron, name, dst))
					var got []time.Time
					for last := from; ; {
						ticks := x.Next(last, 100)
						for _, tick := range ticks {
							if tick.At.After(to) {
								break
							}
							got = append(got, tick.At.UTC())
						}
						if last = ticks[len(ticks)-1].At; last.After(to) {
							break
						}
					}
					want := byHand(t, cron, clock, dst == "skip")
					if len(want) == 0 {
						t.Fatal("nothing is due")
					}
					for i := range max(len(got), len(want)) {
						if i >= len(got) || i >= len(want) || !got[i].Equal(want[i]) {
							t.Fatalf("%d ticks, want %d; they part at %d: %v, want %v", len(got), len(want), i, at(got, i), at(want, i))
						}
					}
				})
			}
		}
	}
}

func at(all []time.Time, i int) string {
	if i >= len(all) {
		return "none"
	}
	return all[i].String()
}

// Whenever a node looks, and however long it was away, every tick is decided
// once: with misfire: all each begins, in order.
func TestEveryTickIsDecidedOnce(t *testing.T) {
	x := timed(t, `{cron: "*/20 * * * *", zone: Europe/Berlin, misfire: all, jitter: 10m}`)
	from := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)
	to := from.Add(48 * time.Hour)
	var begun []time.Time
	last := from
	for now, away := from, time.Minute; now.Before(to); now, away = now.Add(away), (away*7)%(9*time.Hour)+time.Minute {
		begin, skipped, decided, next := x.Owes(last, now)
		if skipped != 0 {
			t.Fatalf("%s: %d are skipped", now, skipped)
		}
		begun = append(begun, begin...)
		if !decided.IsZero() {
			last = decided
		}
		if !next.After(now) {
			t.Fatalf("%s: the next comes at %s", now, next)
		}
	}
	want := byHand(t, "*/20 * * * *", clockOf(time.UTC, from, last), false)
	if len(want) < 100 || !slices.EqualFunc(begun, want, time.Time.Equal) {
		t.Errorf("%d began, want %d", len(begun), len(want))
	}
}

func TestMisfirePolicies(t *testing.T) {
	clock := func(s string) time.Time {
		at, err := time.Parse("02 15:04:05", s)
		if err != nil {
			t.Fatal(err)
		}
		return at.AddDate(2026, 5, 0)
	}
	for name, c := range map[string]struct {
		schedule, from, now string
		begin               []string
		skipped             int
	}{
		"in time":                              {`{cron: "0 * * * *"}`, "01 00:30:00", "01 01:04:00", []string{"01 01:00:00"}, 0},
		"nothing is due":                       {`{cron: "0 * * * *"}`, "01 00:30:00", "01 00:59:59", nil, 0},
		"once: the last of those missed":       {`{cron: "0 * * * *"}`, "01 00:30:00", "01 05:30:00", []string{"01 05:00:00"}, 4},
		"once: one in time stands for those":   {`{cron: "0 * * * *"}`, "01 00:30:00", "01 05:01:00", []string{"01 05:00:00"}, 4},
		"skip: none of those missed":           {`{cron: "0 * * * *", misfire: skip}`, "01 00:30:00", "01 05:30:00", nil, 5},
		"skip: the one in time":                {`{cron: "0 * * * *", misfire: skip}`, "01 00:30:00", "01 05:01:00", []string{"01 05:00:00"}, 4},
		"all":                                  {`{cron: "0 */2 * * *", misfire: all}`, "01 00:30:00", "01 05:01:00", []string{"01 02:00:00", "01 04:00:00"}, 0},
		"a pause of a moment misses nothing":   {`{cron: "* * * * *"}`, "01 00:00:00", "01 00:03:30", []string{"01 00:01:00", "01 00:02:00", "01 00:03:00"}, 0},
		"five minutes late is still in time":   {`{cron: "0 1 * * *", misfire: skip}`, "01 00:30:00", "01 01:05:00", []string{"01 01:00:00"}, 0},
		"later than five minutes is a misfire": {`{cron: "0 1 * * *", misfire: skip}`, "01 00:30:00", "01 01:05:01", nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			begin, skipped, _, _ := timed(t, c.schedule).Owes(clock(c.from), clock(c.now))
			var got []string
			for _, at := range begin {
				got = append(got, at.Format("02 15:04:05"))
			}
			if !slices.Equal(got, c.begin) || skipped != c.skipped {
				t.Errorf("%v begin, %d are skipped; want %v and %d", got, skipped, c.begin, c.skipped)
			}
		})
	}
}

// After a year away no flood comes: the newest hundred, and the number of the rest.
func TestAllIsAtMostAHundred(t *testing.T) {
	x := timed(t, `{cron: "0 * * * *", misfire: all}`)
	from := time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)
	now := from.AddDate(1, 0, 0).Add(30 * time.Minute)
	begin, skipped, last, _ := x.Owes(from, now)
	if len(begin) != 100 || skipped != 365*24-100 || !last.Equal(now.Add(-30*time.Minute)) || !begin[99].Equal(last) {
		t.Errorf("%d begin, %d are skipped, the last is %s", len(begin), skipped, last)
	}
}

// Jitter is the same on every node, within its bounds, and spreads playbooks.
func TestJitterIsOfTheTick(t *testing.T) {
	load := func(id string) triggers.Timed {
		all, err := triggers.TimedOf([]*playbooks.Playbook{scheduled(t, id, `{cron: "0 5 * * *", zone: Europe/Berlin, jitter: 30m}`)})
		if err != nil {
			t.Fatal(err)
		}
		return all[0]
	}
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	spread := map[time.Duration]bool{}
	for i, tick := range load("one").Next(from, 50) {
		if again := load("one").Next(from, 50)[i]; !again.Comes.Equal(tick.Comes) {
			t.Fatalf("%s comes at %s, and at %s", tick.At, tick.Comes, again.Comes)
		}
		late := tick.Comes.Sub(tick.At)
		if late < 0 || late >= 30*time.Minute {
			t.Fatalf("%s comes %s late", tick.At, late)
		}
		spread[late] = true
	}
	if len(spread) < 45 || load("one").Next(from, 1)[0].Comes.Equal(load("two").Next(from, 1)[0].Comes) {
		t.Errorf("%d different waits among 50", len(spread))
	}
}
