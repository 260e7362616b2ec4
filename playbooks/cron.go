package playbooks

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule is when a trigger's cron expression is due, by the wall clock of its
// zone. The zero Schedule is never due.
type Schedule struct {
	spec cronSpec
	zone *time.Location
	skip bool // times that a change of the clock leaves out are left out
}

// ParseSchedule reads five cron fields, or @daily and its kin. Zone is an IANA
// name, dst is once (or empty) or skip.
func ParseSchedule(expr, zone, dst string) (Schedule, error) {
	spec, fault := parseCron(expr)
	if fault != nil {
		return Schedule{}, fmt.Errorf("cron %q: %s", expr, fault.message)
	}
	loc, err := loadZone(zone)
	if err != nil {
		return Schedule{}, fmt.Errorf("cron %q: %w", expr, err)
	}
	return Schedule{spec: spec, zone: loc, skip: dst == "skip"}, nil
}

// Schedule is when the trigger is due. It fails for a trigger that was not
// checked.
func (t ScheduleTrigger) Schedule() (Schedule, error) { return ParseSchedule(t.Cron, t.Zone, t.DST) }

// horizon is how many days ahead are looked at: 29 February may be eight years
// away, and with a weekday forty.
const horizon = 41 * 366

// Next answers the next n times after a time, in order, each once; fewer only if
// the schedule is not due within 40 years.
//
// Times are counted by the wall clock. Where it jumps ahead, the times that it
// leaves out become one, at the jump, or none with dst: skip. Where it is set
// back, a time comes at its first hour only. A schedule that names every hour
// goes on evenly over both: it is due in the hour that comes twice twice, and
// lacks nothing where an hour is missing.
func (s Schedule) Next(after time.Time, n int) []time.Time {
	var due []time.Time
	if s.zone == nil || n <= 0 {
		return nil
	}
	year, month, day := after.In(s.zone).Date()
	for d := -1; d < horizon; d++ { // from yesterday: a clock set back at midnight repeats its end
		date := time.Date(year, month, day+d, 0, 0, 0, 0, time.UTC)
		if !s.spec.onDay(date) {
			continue
		}
		for _, at := range s.ofDay(date) {
			if at.After(after) && (len(due) == 0 || at.After(due[len(due)-1])) {
				due = append(due, at)
			}
			if len(due) == n {
				return due
			}
		}
	}
	return due
}

// ofDay answers the instants of a day that is due, in order.
func (s Schedule) ofDay(date time.Time) []time.Time {
	var all []time.Time
	for hour := range 24 {
		if s.spec.Hour&(1<<hour) == 0 {
			continue
		}
		for minute := range 60 {
			if s.spec.Minute&(1<<minute) == 0 {
				continue
			}
			wall := date.Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute)
			all = append(all, s.instants(wall)...)
		}
	}
	slices.SortFunc(all, time.Time.Compare)
	return slices.CompactFunc(all, time.Time.Equal)
}

// instants answers when the clock shows a wall time, which is given as if it
// were UTC: once, twice where it was set back, never where it jumped.
func (s Schedule) instants(wall time.Time) []time.Time {
	near := wall.Add(-offsetAt(wall, s.zone)).In(s.zone)
	from, to := near.ZoneBounds()
	offsets := []time.Duration{offsetAt(near, s.zone)}
	for _, edge := range []time.Time{from.Add(-time.Second), to} {
		if !from.IsZero() && edge.Before(from) || !to.IsZero() && edge.Equal(to) {
			offsets = append(offsets, offsetAt(edge, s.zone))
		}
	}
	var shown []time.Time
	for _, o := range offsets {
		at := wall.Add(-o)
		if offsetAt(at, s.zone) == o && !slices.ContainsFunc(shown, at.Equal) {
			shown = append(shown, at.In(s.zone))
		}
	}
	slices.SortFunc(shown, time.Time.Compare)
	switch {
	case len(shown) > 1 && !s.spec.everyHour():
		return shown[:1]
	case len(shown) > 0:
		return shown
	case s.skip || s.spec.everyHour():
		return nil
	}
	for _, jump := range []time.Time{from, to} { // the clock jumped over it
		if jump.IsZero() {
			continue
		}
		before, behind := offsetAt(jump.Add(-time.Second), s.zone), offsetAt(jump, s.zone)
		if left := wall.Sub(jump.Add(before).UTC()); left >= 0 && left < behind-before {
			return []time.Time{jump.In(s.zone)}
		}
	}
	return nil
}

func offsetAt(t time.Time, zone *time.Location) time.Duration {
	_, seconds := t.In(zone).Zone()
	return time.Duration(seconds) * time.Second
}

// cronSpec is a cron expression as sets of minutes, hours, days, months and
// weekdays. The bit that says * is the highest.
type cronSpec struct{ *cron.SpecSchedule }

const (
	starBit  = 1 << 63
	allHours = 1<<24 - 1
)

func (c cronSpec) everyHour() bool { return c.Hour&allHours == allHours }

// onDay reports whether a day is due. As in every cron, a day of the month and a
// weekday that are both given are alternatives.
func (c cronSpec) onDay(d time.Time) bool {
	if c.SpecSchedule == nil || c.Month&(1<<uint(d.Month())) == 0 {
		return false
	}
	dom, dow := c.Dom&(1<<uint(d.Day())) != 0, c.Dow&(1<<uint(d.Weekday())) != 0
	if c.Dom&starBit != 0 || c.Dow&starBit != 0 {
		return dom && dow
	}
	return dom || dow
}

// everFires reports whether a day is due at all: 30 February is none.
func (c cronSpec) everFires() bool {
	if c.Dow&starBit == 0 && c.Dom&starBit == 0 {
		return true
	}
	for month := time.January; month <= time.December; month++ {
		for day := range 31 {
			d := time.Date(2028, month, day+1, 0, 0, 0, 0, time.UTC) // a leap year
			if d.Month() == month && c.Month&(1<<uint(month)) != 0 && c.Dom&(1<<uint(day+1)) != 0 {
				return true
			}
		}
	}
	return false
}

// leastGap is the shortest time between two starts by the wall clock.
func (c cronSpec) leastGap() time.Duration {
	gap, first, last := 24*time.Hour, -1, -1
	for minute := range 24 * 60 {
		if c.Hour&(1<<(minute/60)) == 0 || c.Minute&(1<<(minute%60)) == 0 {
			continue
		}
		if last >= 0 {
			gap = min(gap, time.Duration(minute-last)*time.Minute)
		} else {
			first = minute
		}
		last = minute
	}
	if last >= 0 && c.dayAfterDay() {
		gap = min(gap, time.Duration(first+24*60-last)*time.Minute)
	}
	return gap
}

// dayAfterDay reports whether two days in a row may be due.
func (c cronSpec) dayAfterDay() bool {
	week := c.Dow & 0x7f
	pairs := func(set uint64) bool { return set&(set>>1) != 0 }
	if c.Dom&starBit != 0 {
		return pairs(week) || week&1 != 0 && week&(1<<6) != 0
	}
	return pairs(c.Dom&^starBit) || c.Dow&starBit == 0 || bits.OnesCount64(c.Month&^starBit) > 1
}

// cronFault says what is wrong with a cron expression.
type cronFault struct{ message, hint string }

const cronHint = `five fields: minute, hour, day of the month, month, weekday, such as "0 5 * * 1"`

// parseCron reads a cron expression: five fields, or @hourly, @daily, @weekly,
// @monthly, @yearly. Times that count from the start of the process, and zones
// inside the expression, are refused.
func parseCron(expr string) (cronSpec, *cronFault) {
	expr = strings.TrimSpace(expr)
	words := strings.Fields(expr)
	switch {
	case len(expr) > 200:
		return cronSpec{}, &cronFault{"it is longer than 200 characters", cronHint}
	case strings.HasPrefix(expr, "TZ=") || strings.HasPrefix(expr, "CRON_TZ="):
		return cronSpec{}, &cronFault{"the time zone has a key of its own", "write zone: " + strings.TrimPrefix(words[0][strings.Index(words[0], "=")+1:], "")}
	case strings.HasPrefix(expr, "@every"):
		return cronSpec{}, &cronFault{"it counts from the start of the program, which nobody knows", `write "*/15 * * * *" for every 15 minutes`}
	case expr == "@reboot":
		return cronSpec{}, &cronFault{"a playbook is not started by a restart", cronHint}
	case !strings.HasPrefix(expr, "@") && (len(words) == 6 || len(words) == 7):
		return cronSpec{}, &cronFault{fmt.Sprintf("it has %d fields, not five: there are no seconds and no years", len(words)), "without seconds: " + fmt.Sprintf("%q", strings.Join(words[1:6], " "))}
	case !strings.HasPrefix(expr, "@") && len(words) != 5:
		return cronSpec{}, &cronFault{fmt.Sprintf("it has %d fields, not five", len(words)), cronHint}
	}
	parser := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)
	schedule, err := parser.Parse(expr)
	if err != nil {
		return cronSpec{}, &cronFault{plainCron(err), cronHint}
	}
	spec, ok := schedule.(*cron.SpecSchedule)
	if !ok {
		return cronSpec{}, &cronFault{"it is not a time of the clock", cronHint}
	}
	return cronSpec{spec}, nil
}

// plainCron is what the parser says in the words of this language.
func plainCron(err error) string {
	s := err.Error()
	var value, bound int
	switch {
	case strings.HasPrefix(s, "unrecognized descriptor"):
		return "there is only @hourly, @daily, @weekly, @monthly and @yearly"
	case strings.HasPrefix(s, "failed to parse int from "):
		word, _, _ := strings.Cut(strings.TrimPrefix(s, "failed to parse int from "), ":")
		return fmt.Sprintf("%q is no number, range such as 1-5, list such as 1,3, or short English name of a month or weekday", word)
	case readsAs(s, "end of range (%d) above maximum (%d)", &value, &bound):
		return fmt.Sprintf("%d is too much: the most is %d", value, bound)
	case readsAs(s, "beginning of range (%d) below minimum (%d)", &value, &bound):
		return fmt.Sprintf("%d is too little: the least is %d", value, bound)
	case strings.HasPrefix(s, "step of range should be"):
		return "a step behind / is 1 or more"
	}
	return s
}

func readsAs(s, format string, into ...any) bool {
	n, _ := fmt.Sscanf(s, format, into...)
	return n == len(into)
}

// loadZone finds a time zone. The computer's own is refused: it is not the same
// everywhere.
func loadZone(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, fmt.Errorf("there is no time zone %q", name)
	}
	return time.LoadLocation(name)
}

// knownZones are zones that a misspelt name may mean.
func knownZones() []string {
	return []string{
		"Africa/Cairo", "Africa/Johannesburg", "Africa/Lagos", "Africa/Nairobi", "America/Argentina/Buenos_Aires",
		"America/Bogota", "America/Chicago", "America/Denver", "America/Los_Angeles", "America/Mexico_City",
		"America/New_York", "America/Phoenix", "America/Sao_Paulo", "America/Toronto", "America/Vancouver",
		"Asia/Bangkok", "Asia/Dubai", "Asia/Hong_Kong", "Asia/Jakarta", "Asia/Karachi", "Asia/Kolkata", "Asia/Manila",
		"Asia/Riyadh", "Asia/Seoul", "Asia/Shanghai", "Asia/Singapore", "Asia/Tokyo", "Australia/Brisbane",
		"Australia/Melbourne", "Australia/Perth", "Australia/Sydney", "Europe/Amsterdam", "Europe/Athens",
		"Europe/Berlin", "Europe/Brussels", "Europe/Bucharest", "Europe/Budapest", "Europe/Copenhagen", "Europe/Dublin",
		"Europe/Helsinki", "Europe/Istanbul", "Europe/Kyiv", "Europe/Lisbon", "Europe/London", "Europe/Madrid",
		"Europe/Oslo", "Europe/Paris", "Europe/Prague", "Europe/Rome", "Europe/Stockholm", "Europe/Vienna",
		"Europe/Warsaw", "Europe/Zurich", "Pacific/Auckland", "Pacific/Honolulu", "UTC",
	}
}
