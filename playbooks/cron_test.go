package playbooks

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func nextTimes(t *testing.T, expr, zone, dst, after string, n int) []string {
	t.Helper()
	s, err := ParseSchedule(expr, zone, dst)
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.Parse(time.RFC3339, after)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, due := range s.Next(at, n) {
		got = append(got, due.Format("2006-01-02 15:04 -0700"))
	}
	return got
}

// A schedule is due when the clock on the wall says so, whatever the clock does
// that night.
func TestSchedulesFollowTheWallClock(t *testing.T) {
	for name, c := range map[string]struct {
		expr, zone, dst, after string
		want                   []string
	}{
		"mondays": {
			"0 5 * * 1", "Europe/Berlin", "once", "2026-03-20T00:00:00Z",
			[]string{"2026-03-23 05:00 +0100", "2026-03-30 05:00 +0200", "2026-04-06 05:00 +0200"},
		},
		"the minute itself is over": {
			"30 12 * * *", "UTC", "once", "2026-01-01T12:30:00Z",
			[]string{"2026-01-02 12:30 +0000"},
		},
		"Berlin leaves 02:30 out": {
			"30 2 * * *", "Europe/Berlin", "once", "2026-03-28T12:00:00Z",
			[]string{"2026-03-29 03:00 +0200", "2026-03-30 02:30 +0200"},
		},
		"Berlin leaves 02:30 out, skipped": {
			"30 2 * * *", "Europe/Berlin", "skip", "2026-03-28T12:00:00Z",
			[]string{"2026-03-30 02:30 +0200"},
		},
		"several times left out become one": {
			"*/15 2 * * *", "Europe/Berlin", "once", "2026-03-29T00:00:00Z",
			[]string{"2026-03-29 03:00 +0200", "2026-03-30 02:00 +0200"},
		},
		"one left out and one at the jump are one": {
			"0,30 2,3 * * *", "Europe/Berlin", "once", "2026-03-29T00:00:00Z",
			[]string{"2026-03-29 03:00 +0200", "2026-03-29 03:30 +0200", "2026-03-30 02:00 +0200"},
		},
		"Berlin has 02:30 twice": {
			"30 2 * * *", "Europe/Berlin", "once", "2026-10-24T12:00:00Z",
			[]string{"2026-10-25 02:30 +0200", "2026-10-26 02:30 +0100"},
		},
		"asked between the two": {
			"30 2 * * *", "Europe/Berlin", "once", "2026-10-25T00:45:00Z",
			[]string{"2026-10-26 02:30 +0100"},
		},
		"every half hour goes on evenly, forwards": {
			"*/30 * * * *", "Europe/Berlin", "once", "2026-03-29T00:15:00Z",
			[]string{"2026-03-29 01:30 +0100", "2026-03-29 03:00 +0200", "2026-03-29 03:30 +0200"},
		},
		"every half hour goes on evenly, back": {
			"*/30 * * * *", "Europe/Berlin", "once", "2026-10-25T00:15:00Z",
			[]string{"2026-10-25 02:30 +0200", "2026-10-25 02:00 +0100", "2026-10-25 02:30 +0100", "2026-10-25 03:00 +0100"},
		},
		"New York in spring": {
			"15 2 * * *", "America/New_York", "once", "2026-03-07T12:00:00Z",
			[]string{"2026-03-08 03:00 -0400", "2026-03-09 02:15 -0400"},
		},
		"New York in autumn": {
			"15 1 * * *", "America/New_York", "once", "2026-10-31T12:00:00Z",
			[]string{"2026-11-01 01:15 -0400", "2026-11-02 01:15 -0500"},
		},
		"Lord Howe jumps half an hour": {
			"15 2 * * *", "Australia/Lord_Howe", "once", "2026-10-03T00:00:00Z",
			[]string{"2026-10-04 02:30 +1100", "2026-10-05 02:15 +1100"},
		},
		"Lord Howe does not leave 02:45 out": {
			"45 2 * * *", "Australia/Lord_Howe", "once", "2026-10-03T00:00:00Z",
			[]string{"2026-10-04 02:45 +1100"},
		},
		"Lord Howe has 01:45 twice": {
			"45 1 * * *", "Australia/Lord_Howe", "once", "2026-04-04T00:00:00Z",
			[]string{"2026-04-05 01:45 +1100", "2026-04-06 01:45 +1030"},
		},
		"Havana has no midnight": {
			"0 0 * * *", "America/Havana", "once", "2026-03-07T12:00:00Z",
			[]string{"2026-03-08 01:00 -0400", "2026-03-09 00:00 -0400"},
		},
		"Apia has no 30 December 2011": {
			"0 12 30 12 *", "Pacific/Apia", "once", "2011-12-01T00:00:00Z",
			[]string{"2011-12-31 00:00 +1400", "2012-12-30 12:00 +1400"},
		},
		"leap days": {
			"0 0 29 2 *", "UTC", "once", "2096-03-01T00:00:00Z",
			[]string{"2104-02-29 00:00 +0000"},
		},
		"a day or a weekday": {
			"0 0 13 * 5", "UTC", "once", "2026-02-01T00:00:00Z",
			[]string{"2026-02-06 00:00 +0000", "2026-02-13 00:00 +0000", "2026-02-20 00:00 +0000"},
		},
		"@daily": {"@daily", "Asia/Kolkata", "once", "2026-01-01T00:00:00Z", []string{"2026-01-02 00:00 +0530"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, nextTimes(t, c.expr, c.zone, c.dst, c.after, len(c.want))); diff != "" {
				t.Errorf("times (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatIsNeverDueHasNoTimes(t *testing.T) {
	if got := nextTimes(t, "0 0 30 2 *", "UTC", "once", "2026-01-01T00:00:00Z", 1); got != nil {
		t.Errorf("%v", got)
	}
	if got := (Schedule{}).Next(time.Unix(0, 0), 1); got != nil {
		t.Errorf("%v", got)
	}
}

func TestCronIsRefusedWithAReason(t *testing.T) {
	for expr, want := range map[string]string{
		"":                      "has 0 fields",
		"0 5 * *":               "has 4 fields",
		"0 0 5 * * 1":           "6 fields, not five: there are no seconds",
		"60 5 * * 1":            "60 is too much: the most is 59",
		"0 5 * * MOO":           `"MOO" is no number`,
		"TZ=UTC":                "zone has a key of its own",
		"CRON_TZ=UTC 0 5 * * 1": "zone has a key of its own",
		"@every 5m":             "counts from the start",
		"@reboot":               "restart",
		"@fortnightly":          "there is only @hourly",
		"*/0 * * * *":           "a step behind /",
		"0 5 L * *":             `"L" is no number`,
	} {
		if _, err := ParseSchedule(expr, "UTC", ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", expr, err, want)
		}
	}
	for _, zone := range []string{"", "Local", "Europe/Berlim", "../etc/passwd"} {
		if _, err := ParseSchedule("@daily", zone, ""); err == nil {
			t.Errorf("the zone %q is taken", zone)
		}
	}
}

// Whatever the schedule, its times come in order and after the one asked for,
// and asking from one of them goes on with the next.
func TestTimesGoOn(t *testing.T) {
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Havana", "Asia/Kolkata"}
	rapid.Check(t, func(r *rapid.T) {
		pick := func(name string, words ...string) string { return rapid.SampledFrom(words).Draw(r, name) }
		expr := strings.Join([]string{
			pick("minute", "*", "0", "*/7", "15,45", "59"), pick("hour", "*", "2", "1-3", "*/5", "0,23"),
			pick("day", "*", "1", "*/9", "25-31"), pick("month", "*", "3,4,10,11", "*/5"), pick("weekday", "*", "0", "1-5"),
		}, " ")
		s, err := ParseSchedule(expr, pick("zone", zones...), pick("dst", "once", "skip"))
		if err != nil {
			r.Fatal(err)
		}
		from := time.Unix(rapid.Int64Range(1_700_000_000, 1_900_000_000).Draw(r, "from"), 0)
		all := s.Next(from, 12)
		if len(all) != 12 {
			r.Fatalf("%s: %d times", expr, len(all))
		}
		last := from
		for i, at := range all {
			if !at.After(last) {
				r.Fatalf("%s: %s is not after %s", expr, at, last)
			}
			if one := s.Next(last, 1); !one[0].Equal(at) {
				r.Fatalf("%s: asked from %s it is %s, not %s", expr, last, one[0], at)
			}
			if i > 0 && !s.Next(at.Add(-time.Second), 1)[0].Equal(at) {
				r.Fatalf("%s: a second before %s it is not due", expr, at)
			}
			last = at
		}
	})
}
